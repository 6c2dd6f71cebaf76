//! What a template sees: plain text, already escaped for the output it goes to, and already cut to
//! size. A template cannot reach the raw names, so an overridden one is as safe as the embedded one.
//!
//! Long parts are [`List`]s: `shown` holds the items and `hidden` says how many were left out, so
//! that nothing is dropped without a word.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::code::Level;
use crate::compare::CheckpointIdentity;
use crate::verdict::{Finding, Verdict};

use super::{Report, escape, number};

mod averages;
mod depth;
mod findings;
mod layers;
mod trend;

pub use averages::Average;
pub use depth::AlphaByDepth;
pub use findings::{Group, Note, Row, WaivedRow, Why, Worst};
pub use layers::{RoleRow, Roles};
pub use trend::TrendRow;

/// Where the text goes, hence how it is escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Terminal,
    Markdown,
    Html,
}

impl Target {
    /// A layer or tensor name.
    pub fn name(self, text: &str) -> String {
        match self {
            Self::Terminal => escape::terminal(text),
            Self::Markdown => escape::markdown_name(text),
            Self::Html => escape::html(text),
        }
    }

    /// A path, reference or identifier.
    pub fn code(self, text: &str) -> String {
        match self {
            Self::Terminal => escape::terminal(text),
            Self::Markdown => escape::markdown_code(text),
            Self::Html => escape::html(text),
        }
    }

    /// A sentence.
    pub fn text(self, text: &str) -> String {
        match self {
            Self::Terminal => escape::terminal(text),
            Self::Markdown => escape::markdown_text(text),
            Self::Html => escape::html_text(text),
        }
    }
}

/// How many items of each list are shown.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Rows of the table of the worst layers.
    pub worst: usize,
    /// Groups of findings.
    pub groups: usize,
    /// Rows in one group.
    pub rows: usize,
    /// Items of every other list.
    pub items: usize,
    /// True for the shortest form: verdict and counts, no lists of layers.
    pub counts_only: bool,
}

/// The part of a list that is shown, and how many items are not.
#[derive(Debug, Clone, Serialize)]
pub struct List<T> {
    pub shown: Vec<T>,
    pub hidden: usize,
}

impl<T> List<T> {
    fn cut(items: impl IntoIterator<Item = T>, limit: usize) -> Self {
        let mut items = items.into_iter();
        let shown: Vec<T> = items.by_ref().take(limit).collect();
        Self {
            shown,
            hidden: items.count(),
        }
    }
}

/// Name and value.
#[derive(Debug, Clone, Serialize)]
pub struct Pair {
    pub name: String,
    pub value: String,
}

/// A checkpoint, as given and as judged.
#[derive(Debug, Clone, Serialize)]
pub struct CheckpointView {
    pub reference: String,
    /// Empty where the reference has none.
    pub revision: String,
    /// First characters of the digest.
    pub digest: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct PolicyView {
    pub name: String,
    pub source: String,
    pub digest: String,
}

/// Numbers of findings and layers.
#[derive(Debug, Clone, Serialize)]
pub struct Counts {
    pub layers: usize,
    pub fail: usize,
    pub warn: usize,
    pub notes: usize,
    pub waived: usize,
}

#[derive(Debug, Clone, Serialize)]
pub struct CoverageView {
    pub compared: usize,
    pub skipped: usize,
    /// Percentage of the parameters, as text.
    pub share: String,
    /// Tensors that were skipped, with the reason.
    pub reasons: List<Pair>,
    pub name_map: String,
}

/// The context of both templates.
#[derive(Debug, Clone, Serialize)]
pub struct View {
    /// Version of this program.
    pub version: &'static str,
    /// `pass`, `warn`, `inconclusive` or `fail`.
    pub verdict: &'static str,
    /// `✓`, `!`, `?` or `✗`.
    pub symbol: &'static str,
    /// Verdict and reason in one sentence.
    pub headline: String,
    /// The reason alone.
    pub reason: String,
    pub advisory: bool,
    pub base: CheckpointView,
    pub tuned: CheckpointView,
    pub policy: PolicyView,
    pub counts: Counts,
    /// The worst findings of every group, for one table.
    pub worst: Worst,
    /// Findings at fail, then at warn, by code and rule.
    pub groups: List<Group>,
    /// True where `groups` leaves no finding out and the details are shown.
    pub complete: bool,
    /// One line for each code: where the policy says so, and what to do.
    pub why: List<Why>,
    pub notes: List<Note>,
    pub waivers: List<WaivedRow>,
    pub aggregates: List<Pair>,
    /// The aggregates as a table: one metric a row.
    pub averages: List<Average>,
    pub roles: Roles,
    /// `None` where there are too few blocks, or no alpha.
    pub alpha_by_depth: Option<AlphaByDepth>,
    /// Numbers of the model over its last runs.
    pub trend: List<TrendRow>,
    pub coverage: CoverageView,
    pub estimator: List<Pair>,
    /// Rules that met metrics without a value.
    pub undefined: List<Pair>,
    pub counts_only: bool,
    /// ANSI codes `fail`, `warn`, `pass`, `bold`, `dim` and `reset`; empty where there is no colour.
    pub style: BTreeMap<&'static str, String>,
}

impl View {
    /// Cuts and escapes the report for `target`.
    pub fn new(report: &Report, target: Target, size: Size) -> Self {
        let Report {
            comparison,
            judgement,
            policy,
            advisory,
            limits: _,
        } = report;
        let groups = findings::groups(report, target, size);
        let worst = findings::worst(&groups, size.worst);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            verdict: judgement.verdict.as_str(),
            symbol: symbol(judgement.verdict),
            headline: target.text(&report.headline()),
            reason: target.text(&judgement.reason),
            advisory: *advisory,
            base: checkpoint(&comparison.base, target),
            tuned: checkpoint(&comparison.tuned, target),
            policy: PolicyView {
                name: target.code(&policy.name),
                source: target.code(&policy.source),
                digest: target.code(&short_digest(&policy.digest)),
            },
            counts: counts(report),
            worst,
            complete: !size.counts_only
                && groups.len() <= size.groups
                && groups.iter().all(|group| group.rows.hidden == 0),
            why: List::cut(findings::why(&groups), size.groups),
            groups: List::cut(groups, size.groups),
            notes: List::cut(findings::notes(judgement, target), size.items),
            waivers: List::cut(findings::waivers(judgement, target), size.items),
            aggregates: List::cut(aggregates(report, target), size.items),
            averages: List::cut(averages::averages(judgement, target), size.items),
            roles: Roles::new(report, size.items),
            alpha_by_depth: AlphaByDepth::new(&comparison.layers),
            trend: List::cut(trend::rows(report, target), size.items),
            coverage: coverage(report, target, size),
            estimator: List::cut(estimator(report, target), size.items),
            undefined: List::cut(undefined(report, target), size.items),
            counts_only: size.counts_only,
            style: ["bold", "dim", "fail", "pass", "reset", "warn"]
                .map(|name| (name, String::new()))
                .into(),
        }
    }
}

fn symbol(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✓",
        Verdict::Warn => "!",
        Verdict::Inconclusive => "?",
        Verdict::Fail => "✗",
    }
}

fn checkpoint(identity: &CheckpointIdentity, target: Target) -> CheckpointView {
    CheckpointView {
        reference: target.code(&identity.reference),
        revision: identity
            .revision
            .as_deref()
            .map(|text| target.code(text))
            .unwrap_or_default(),
        digest: target.code(&short_digest(&identity.digest)),
    }
}

/// The algorithm and twelve digits: enough to compare by eye.
pub(super) fn short_digest(digest: &str) -> String {
    digest.chars().take("sha256:".len() + 12).collect()
}

fn counts(report: &Report) -> Counts {
    let findings = &report.judgement.findings;
    let count =
        |wanted: fn(&Finding) -> bool| findings.iter().filter(|finding| wanted(finding)).count();
    Counts {
        layers: report.comparison.layers.len(),
        fail: count(|finding| finding.level == Level::Fail),
        warn: count(|finding| finding.level == Level::Warn),
        notes: count(|finding| finding.level == Level::Note && finding.waived.is_none()),
        waived: count(|finding| finding.waived.is_some()),
    }
}

fn coverage(report: &Report, target: Target, size: Size) -> CoverageView {
    let coverage = &report.comparison.coverage;
    CoverageView {
        compared: coverage.compared,
        skipped: coverage.skipped,
        share: number::percent(coverage.parameters_share),
        reasons: List::cut(
            coverage.reasons.iter().map(|skipped| Pair {
                name: target.name(&skipped.tensor),
                value: target.text(&skipped.reason),
            }),
            size.items,
        ),
        name_map: target.text(&coverage.name_map),
    }
}

fn aggregates(report: &Report, target: Target) -> impl Iterator<Item = Pair> {
    report
        .judgement
        .aggregates
        .iter()
        .map(move |(name, value)| Pair {
            name: target.code(name),
            value: number::short(value.get()),
        })
}

fn estimator(report: &Report, target: Target) -> impl Iterator<Item = Pair> {
    report
        .comparison
        .estimator
        .iter()
        .map(move |(name, value)| Pair {
            name: target.code(name),
            value: target.code(&plain(value)),
        })
}

fn undefined(report: &Report, target: Target) -> impl Iterator<Item = Pair> {
    report
        .judgement
        .undefined
        .iter()
        .filter(|count| count.undefined > 0)
        .map(move |count| Pair {
            name: target.code(&count.rule),
            value: format!(
                "{} has no value in {} of {} layers",
                target.code(count.metric.as_str()),
                count.undefined,
                count.selected
            ),
        })
}

fn plain(value: &serde_json::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn every_finding_is_counted_once() {
        let counts = counts(&sample::fail());
        assert_eq!(
            (counts.fail, counts.warn, counts.notes, counts.waived),
            (2, 1, 1, 1)
        );
    }

    #[test]
    fn a_cut_list_says_how_much_is_hidden() {
        let list = List::cut(0..10, 3);
        assert_eq!((list.shown, list.hidden), (vec![0, 1, 2], 7));
    }
}
