//! Text of one policy file in, its tables and every mistake in it out.
//!
//! A serde derive stops at the first mistake, so the document is parsed to spanned values first and
//! each value is read on its own; a table with a mistake is left out and the next one is read.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::DeTable;

use super::field;
use super::file::{
    BaseTable, BaselineTable, CoverageTable, LimitTable, PolicyFile, RuleTable, WaiverTable,
};
use super::table::{Problems, Table, read_value};

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
        waiver: table.tables("waiver", WAIVER_KEYS, problems, |table, problems| {
            Some(waiver(table, problems))
        }),
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

fn waiver(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> WaiverTable {
    WaiverTable {
        rule: table.required_spanned("rule", field::text, problems),
        layers: table.list("layers", field::text, problems),
        ceiling: table.value("ceiling", field::number, problems),
        owner: table.require("owner", field::text, problems),
        reason: table.require("reason", field::text, problems),
        until: table.require("until", field::date, problems),
    }
}

fn baseline(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> BaselineTable {
    BaselineTable {
        min_runs: table.spanned("min_runs", field::count, problems),
        required: table.spanned("required", field::boolean, problems),
        family_wise_error: table.spanned("family_wise_error", field::share, problems),
        false_discovery_rate: table.spanned("false_discovery_rate", field::share, problems),
    }
}
