//! Text of one policy file in, its tables and every mistake in it out.
//!
//! A serde derive stops at the first mistake, so the document is parsed to spanned values first and
//! each value is read on its own; a table with a mistake is left out and the next one is read.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::field::{self, Field};
use super::file::{
    BaseTable, BaselineTable, CoverageTable, LimitTable, PolicyFile, RuleTable, WaiverTable,
};
use super::problem::{Problem, SourceText};
use super::suggest::{nearest, one_of};

pub(super) const FILE_KEYS: &[&str] = &[
    "version", "name", "extends", "coverage", "hygiene", "rule", "waiver", "base", "baseline",
];
pub(super) const COVERAGE_KEYS: &[&str] = &["min"];
pub(super) const RULE_KEYS: &[&str] = &[
    "id",
    "metric",
    "layers",
    "roles",
    "depth",
    "absolute",
    "undefined",
    "aggregate",
    "warn",
    "fail",
];
pub(super) const LIMIT_KEYS: &[&str] = &["min", "max", "at_least"];
pub(super) const WAIVER_KEYS: &[&str] = &["rule", "layers", "ceiling", "owner", "reason", "until"];
pub(super) const BASE_KEYS: &[&str] = &["ref"];
pub(super) const BASELINE_KEYS: &[&str] = &[
    "min_runs",
    "required",
    "family_wise_error",
    "false_discovery_rate",
];

/// Problems of one file, in the order of the text once [`Problems::finish`] was called.
#[derive(Debug)]
pub(super) struct Problems<'a> {
    source: &'a SourceText,
    found: Vec<(usize, Problem)>,
    /// Of a document with syntax errors only a part was understood: a key that seems to be missing
    /// may be there.
    partial: bool,
}

impl<'a> Problems<'a> {
    pub(super) fn of(source: &'a SourceText) -> Self {
        Self {
            source,
            found: Vec::new(),
            partial: false,
        }
    }

    pub(super) fn source(&self) -> &'a SourceText {
        self.source
    }

    pub(super) fn add(&mut self, span: &Range<usize>, message: &str) {
        self.found
            .push((span.start, self.source.problem(span, message)));
    }

    pub(super) fn missing(&mut self, span: &Range<usize>, message: &str) {
        if !self.partial {
            self.add(span, message);
        }
    }

    fn syntax(&mut self, errors: &[toml::de::Error]) {
        for error in errors {
            self.add(&error.span().unwrap_or(0..0), error.message());
        }
        self.partial = !errors.is_empty();
    }

    /// Drops what follows from a syntax error on the same line.
    fn forget_after_syntax(&mut self, syntax_errors: usize) {
        let syntax = self.found.split_off(0);
        let (syntax, others) = syntax.split_at(syntax_errors.min(syntax.len()));
        let broken = |problem: &Problem| syntax.iter().any(|(_, one)| one.line == problem.line);
        self.found = syntax.to_vec();
        self.found
            .extend(others.iter().filter(|(_, other)| !broken(other)).cloned());
    }

    pub(super) fn finish(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|(start, _)| *start);
        self.found.into_iter().map(|(_, problem)| problem).collect()
    }
}

/// Reads what can be read of a file.
pub(super) fn read(problems: &mut Problems<'_>) -> PolicyFile {
    let text = problems.source().text.as_str();
    let (document, errors) = DeTable::parse_recoverable(text);
    problems.syntax(&errors);
    let file = policy_file(&document, problems);
    problems.forget_after_syntax(errors.len());
    file
}

fn policy_file(document: &Spanned<DeTable<'_>>, problems: &mut Problems<'_>) -> PolicyFile {
    let table = Table {
        entries: document.get_ref(),
        span: 0..0,
        title: "policy",
    };
    table.refuse_unknown(FILE_KEYS, problems);
    PolicyFile {
        version: table.require("version", field::version, problems),
        name: table.value("name", field::text, problems),
        extends: table.spanned("extends", field::text, problems),
        coverage: table
            .table("coverage", COVERAGE_KEYS, problems)
            .map(|table| CoverageTable {
                min: table.spanned("min", field::share, problems),
            }),
        hygiene: hygiene(&table, problems),
        rule: table.tables("rule", RULE_KEYS, problems, rule),
        waiver: table.tables("waiver", WAIVER_KEYS, problems, waiver),
        base: table
            .table("base", BASE_KEYS, problems)
            .map(|table| BaseTable {
                r#ref: table.required_spanned("ref", field::text, problems),
            }),
        baseline: table
            .table("baseline", BASELINE_KEYS, problems)
            .map(|table| baseline(&table, problems)),
    }
}

fn hygiene(
    file: &Table<'_, '_>,
    problems: &mut Problems<'_>,
) -> BTreeMap<crate::code::FindingCode, Spanned<super::file::HygieneLevel>> {
    let mut levels = BTreeMap::new();
    let Some(value) = file.entries.get("hygiene") else {
        return levels;
    };
    let Some(table) = Table::of(value, "hygiene", problems) else {
        return levels;
    };
    for (key, value) in table.entries {
        let code = field::hygiene_code(key.get_ref());
        if let Err(message) = &code {
            problems.add(&key.span(), message);
        }
        let level = read_value(value, field::hygiene_level, problems);
        if let (Ok(code), Some(level)) = (code, level) {
            levels.insert(code, Spanned::new(key.span(), level));
        }
    }
    levels
}

fn rule(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> Option<RuleTable> {
    // Every field is read before a missing id ends it, so that all mistakes are seen.
    let id = table.required_spanned("id", field::rule_id, problems);
    let read = RuleTable {
        id: Spanned::new(0..0, String::new()),
        metric: table.value("metric", field::metric, problems),
        layers: table.list("layers", field::text, problems),
        roles: table
            .list("roles", field::role, problems)
            .map(|roles| roles.into_iter().map(Spanned::into_inner).collect()),
        depth: table.value("depth", field::depth, problems),
        absolute: table.value("absolute", field::boolean, problems),
        undefined: table.value("undefined", field::undefined, problems),
        aggregate: table.value("aggregate", field::aggregate, problems),
        warn: limit(table, "warn", problems),
        fail: limit(table, "fail", problems),
    };
    let has_limit = ["warn", "fail"]
        .iter()
        .any(|key| table.entries.contains_key(*key));
    if has_limit && !table.entries.contains_key("metric") {
        problems.missing(&table.span, "missing key `metric` in `[[rule]]`");
    }
    id.map(|id| RuleTable { id, ..read })
}

fn limit(
    rule: &Table<'_, '_>,
    key: &'static str,
    problems: &mut Problems<'_>,
) -> Option<Spanned<LimitTable>> {
    let value = rule.entries.get(key)?;
    let Some(table) = rule.table(key, LIMIT_KEYS, problems) else {
        // A limit with a mistake is still a limit: its rule must not look like one that drops.
        return Some(Spanned::new(value.span(), LimitTable::default()));
    };
    let read = LimitTable {
        min: table.spanned("min", field::number, problems),
        max: table.spanned("max", field::number, problems),
        at_least: table.spanned("at_least", field::at_least, problems),
    };
    let bounded = ["min", "max"]
        .iter()
        .any(|key| table.entries.contains_key(*key));
    if !bounded {
        problems.missing(
            &table.span,
            &format!("expected `min` or `max` in `{key}`, got neither"),
        );
    }
    Some(Spanned::new(table.span, read))
}

fn waiver(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> Option<WaiverTable> {
    Some(WaiverTable {
        rule: table.required_spanned("rule", field::text, problems),
        layers: table.list("layers", field::text, problems),
        ceiling: table.value("ceiling", field::number, problems),
        owner: table.require("owner", field::text, problems),
        reason: table.require("reason", field::text, problems),
        until: table.require("until", field::date, problems),
    })
}

fn baseline(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> BaselineTable {
    BaselineTable {
        min_runs: table.spanned("min_runs", field::count, problems),
        required: table.spanned("required", field::boolean, problems),
        family_wise_error: table.spanned("family_wise_error", field::share, problems),
        false_discovery_rate: table.spanned("false_discovery_rate", field::share, problems),
    }
}

/// A table of the document and where its header stands.
struct Table<'a, 'i> {
    entries: &'a DeTable<'i>,
    span: Range<usize>,
    title: &'static str,
}

impl<'a, 'i> Table<'a, 'i> {
    fn of(
        value: &'a Spanned<DeValue<'i>>,
        title: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Self> {
        let entries = value.get_ref().as_table();
        if entries.is_none() {
            problems.add(
                &value.span(),
                &format!("expected a table, got {}", field::kind(value.get_ref())),
            );
        }
        Some(Self {
            entries: entries?,
            span: value.span(),
            title,
        })
    }

    fn refuse_unknown(&self, known: &[&str], problems: &mut Problems<'_>) {
        for key in self.entries.keys() {
            let written = key.get_ref();
            if known.contains(&&**written) {
                continue;
            }
            let meant = nearest(written, known.iter().copied())
                .map(|name| format!("; did you mean `{name}`?"))
                .unwrap_or_default();
            problems.add(
                &key.span(),
                &format!("unknown key `{written}`, expected {}{meant}", one_of(known)),
            );
        }
    }

    fn value<T>(
        &self,
        key: &str,
        read: fn(&DeValue<'_>) -> Field<T>,
        problems: &mut Problems<'_>,
    ) -> Option<T> {
        read_value(self.entries.get(key)?, read, problems)
    }

    fn spanned<T>(
        &self,
        key: &str,
        read: fn(&DeValue<'_>) -> Field<T>,
        problems: &mut Problems<'_>,
    ) -> Option<Spanned<T>> {
        let value = self.entries.get(key)?;
        read_value(value, read, problems).map(|read| Spanned::new(value.span(), read))
    }

    fn require<T>(
        &self,
        key: &str,
        read: fn(&DeValue<'_>) -> Field<T>,
        problems: &mut Problems<'_>,
    ) -> Option<T> {
        self.required_spanned(key, read, problems)
            .map(Spanned::into_inner)
    }

    fn required_spanned<T>(
        &self,
        key: &str,
        read: fn(&DeValue<'_>) -> Field<T>,
        problems: &mut Problems<'_>,
    ) -> Option<Spanned<T>> {
        if !self.entries.contains_key(key) {
            let place = match self.title {
                "policy" => String::new(),
                title @ ("rule" | "waiver") => format!(" in `[[{title}]]`"),
                title => format!(" in `[{title}]`"),
            };
            let hint = if key == "version" {
                ", expected `version = 1`"
            } else {
                ""
            };
            problems.missing(&self.span, &format!("missing key `{key}`{place}{hint}"));
        }
        self.spanned(key, read, problems)
    }

    fn table(
        &self,
        key: &'static str,
        known: &[&str],
        problems: &mut Problems<'_>,
    ) -> Option<Self> {
        let table = Self::of(self.entries.get(key)?, key, problems)?;
        table.refuse_unknown(known, problems);
        Some(table)
    }

    /// An array of tables, each of which may be left out.
    fn tables<T>(
        &self,
        key: &'static str,
        known: &[&str],
        problems: &mut Problems<'_>,
        read: fn(&Table<'_, '_>, &mut Problems<'_>) -> Option<T>,
    ) -> Vec<Spanned<T>> {
        let Some(value) = self.entries.get(key) else {
            return Vec::new();
        };
        let Some(values) = value.get_ref().as_array() else {
            problems.add(
                &value.span(),
                &format!(
                    "expected an array of tables, `[[{key}]]`, got {}",
                    field::kind(value.get_ref())
                ),
            );
            return Vec::new();
        };
        let mut tables = Vec::new();
        for value in values {
            let Some(table) = Table::of(value, key, problems) else {
                continue;
            };
            table.refuse_unknown(known, problems);
            if let Some(read) = read(&table, problems) {
                tables.push(Spanned::new(value.span(), read));
            }
        }
        tables
    }

    /// A list with something in it; an empty one would select nothing by accident.
    fn list<T>(
        &self,
        key: &str,
        read: fn(&DeValue<'_>) -> Field<T>,
        problems: &mut Problems<'_>,
    ) -> Option<Vec<Spanned<T>>> {
        let value = self.entries.get(key)?;
        let Some(values) = value.get_ref().as_array() else {
            problems.add(
                &value.span(),
                &format!(
                    "expected an array of strings, got {}",
                    field::kind(value.get_ref())
                ),
            );
            return None;
        };
        if values.is_empty() {
            problems.add(
                &value.span(),
                &format!("expected at least one entry in `{key}`; leave the key out to select all"),
            );
        }
        let mut items = Vec::new();
        for item in values {
            if let Some(read) = read_value(item, read, problems) {
                items.push(Spanned::new(item.span(), read));
            }
        }
        Some(items)
    }
}

fn read_value<T>(
    value: &Spanned<DeValue<'_>>,
    read: fn(&DeValue<'_>) -> Field<T>,
    problems: &mut Problems<'_>,
) -> Option<T> {
    match read(value.get_ref()) {
        Ok(read) => Some(read),
        Err(message) => {
            problems.add(&value.span(), &message);
            None
        }
    }
}
