//! Reading the tables of a document, and the list of mistakes that grows on the way.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::field::{self, Field};
use super::problem::{Problem, SourceText};
use super::suggest::{nearest, one_of};

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

    pub(super) fn syntax(&mut self, errors: &[toml::de::Error]) {
        for error in errors {
            self.add(&error.span().unwrap_or(0..0), error.message());
        }
        self.partial = !errors.is_empty();
    }

    /// Drops what follows from a syntax error on the same line.
    pub(super) fn forget_after_syntax(&mut self, syntax_errors: usize) {
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

/// A table of the document and where its header stands.
pub(super) struct Table<'a, 'i> {
    pub(super) entries: &'a DeTable<'i>,
    pub(super) span: Range<usize>,
    pub(super) title: &'static str,
}

impl<'a, 'i> Table<'a, 'i> {
    pub(super) fn of(
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

    pub(super) fn refuse_unknown(&self, known: &[&str], problems: &mut Problems<'_>) {
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

    pub(super) fn value<T>(
        &self,
        key: &str,
        read: fn(&DeValue<'_>) -> Field<T>,
        problems: &mut Problems<'_>,
    ) -> Option<T> {
        read_value(self.entries.get(key)?, read, problems)
    }

    pub(super) fn spanned<T>(
        &self,
        key: &str,
        read: fn(&DeValue<'_>) -> Field<T>,
        problems: &mut Problems<'_>,
    ) -> Option<Spanned<T>> {
        let value = self.entries.get(key)?;
        read_value(value, read, problems).map(|read| Spanned::new(value.span(), read))
    }

    pub(super) fn require<T>(
        &self,
        key: &str,
        read: fn(&DeValue<'_>) -> Field<T>,
        problems: &mut Problems<'_>,
    ) -> Option<T> {
        self.required_spanned(key, read, problems)
            .map(Spanned::into_inner)
    }

    pub(super) fn required_spanned<T>(
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

    pub(super) fn table(
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
    pub(super) fn tables<T>(
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
    pub(super) fn list<T>(
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

pub(super) fn read_value<T>(
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
