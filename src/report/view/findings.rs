//! Findings as groups of rows, notes and waivers.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::code::{FindingCode, Level};
use crate::compare::LayerComparison;
use crate::num::Finite;
use crate::policy::Origin;
use crate::report::{Report, advice, number, profile, spark};
use crate::verdict::{Finding, Judgement};

use super::{List, Size, Target};

/// Blocks in one half of a spectrum's picture.
const SPARK_COLUMNS: usize = 8;
const WHOLE_MODEL: &str = "(whole model)";
/// Rules that one line of reasons names.
const ORIGINS: usize = 4;

/// One finding. Empty texts stand for what it does not have.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub level: &'static str,
    pub code: &'static str,
    pub rule: String,
    pub layer: String,
    pub metric: String,
    pub observed: String,
    pub base: String,
    pub tuned: String,
    pub limit: String,
    /// Spectrum of base and tuned, largest eigenvalue first: `█▆▃▁ → █▇▃▁`.
    pub spectrum: String,
    pub message: String,
}

/// All findings of one code and rule at one level, worst first.
#[derive(Debug, Clone, Serialize)]
pub struct Group {
    pub level: &'static str,
    pub code: &'static str,
    pub rule: String,
    pub count: usize,
    /// `file:line` of the policy, or the rule's id in a shipped policy.
    pub origin: String,
    /// What to do next.
    pub advice: &'static str,
    /// True where every row has a measured value and a limit; otherwise the messages say more.
    pub measured: bool,
    /// Whether any row has a value of base or tuned.
    pub has_values: bool,
    pub rows: List<Row>,
    /// The rows as a text table; terminal only.
    pub table: String,
}

/// The table of the worst findings.
#[derive(Debug, Clone, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a question that a template asks about a column"
)]
pub struct Worst {
    pub shown: Vec<Row>,
    pub hidden: usize,
    /// Whether any row has a value of base or tuned.
    pub has_values: bool,
    /// Whether any row has a limit.
    pub has_limits: bool,
    /// Whether any row has a spectrum in which something is to be seen.
    pub has_spectrum: bool,
    /// Whether there are spectra, and none shows a change.
    pub spectra_alike: bool,
}

/// One code, over its rules and both levels.
#[derive(Debug, Clone, Serialize)]
pub struct Why {
    pub code: &'static str,
    pub fail: usize,
    pub warn: usize,
    /// Where its rules stand in the policy, those of the worst findings first.
    pub origins: List<String>,
    pub advice: &'static str,
}

/// Something worth knowing that does not change the verdict.
#[derive(Debug, Clone, Serialize)]
pub struct Note {
    pub code: &'static str,
    pub layer: String,
    pub message: String,
    pub advice: &'static str,
}

/// A finding that a waiver holds back.
#[derive(Debug, Clone, Serialize)]
pub struct WaivedRow {
    pub code: &'static str,
    pub rule: String,
    pub layer: String,
    pub level: &'static str,
    pub observed: String,
    pub owner: String,
    pub reason: String,
    pub until: String,
    pub days_left: i32,
}

/// Groups at fail, then at warn, each in the order in which its first finding stands.
pub(super) fn groups(report: &Report, target: Target, size: Size) -> Vec<Group> {
    let layers: BTreeMap<&str, &LayerComparison> = report
        .comparison
        .layers
        .iter()
        .map(|layer| (layer.name.as_str(), layer))
        .collect();
    let mut order: Vec<(Level, FindingCode, &str)> = Vec::new();
    let mut members: BTreeMap<(Level, FindingCode, &str), Vec<&Finding>> = BTreeMap::new();
    for finding in &report.judgement.findings {
        let key = (finding.level, finding.code, finding.rule.as_str());
        let group = members.entry(key).or_default();
        if group.is_empty() {
            order.push(key);
        }
        group.push(finding);
    }
    order.sort_by_key(|(level, ..)| std::cmp::Reverse(*level));
    order
        .into_iter()
        .filter(|(level, ..)| *level != Level::Note)
        .filter_map(|key| group(members.get(&key)?, &layers, target, size))
        .collect()
}

/// The worst rows, and at least one of every group while there is room: many findings of one kind
/// must not hide another kind.
pub(super) fn worst(groups: &[Group], limit: usize) -> Worst {
    let total: usize = groups.iter().map(|group| group.count).sum();
    let mut taken = vec![0_usize; groups.len()];
    let mut left = limit;
    let mut depth = 0;
    while left > 0 && groups.iter().any(|group| group.rows.shown.len() > depth) {
        for (group, taken) in groups.iter().zip(&mut taken) {
            if left > 0 && group.rows.shown.len() > depth {
                *taken += 1;
                left -= 1;
            }
        }
        depth += 1;
    }
    let shown: Vec<Row> = groups
        .iter()
        .zip(taken)
        .flat_map(|(group, taken)| group.rows.shown.iter().take(taken).cloned())
        .collect();
    let has_picture = |row: &Row| !row.spectrum.is_empty() && row.spectrum != spark::ALIKE;
    let has_spectrum = shown.iter().any(has_picture);
    Worst {
        hidden: total - shown.len(),
        has_values: shown.iter().any(has_values),
        has_limits: shown.iter().any(|row| !row.limit.is_empty()),
        has_spectrum,
        spectra_alike: !has_spectrum && shown.iter().any(|row| !row.spectrum.is_empty()),
        shown,
    }
}

/// The rules of one code share a line: the next step is the same.
pub(super) fn why(groups: &[Group]) -> Vec<Why> {
    let mut lines: Vec<Why> = Vec::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut origins: BTreeSet<(&str, &str)> = BTreeSet::new();
    for group in groups {
        let index = *seen.entry(group.code).or_insert(lines.len());
        if index == lines.len() {
            lines.push(Why {
                code: group.code,
                fail: 0,
                warn: 0,
                origins: List::cut([], 0),
                advice: group.advice,
            });
        }
        if let Some(line) = lines.get_mut(index) {
            if origins.insert((group.code, &group.origin)) {
                if line.origins.shown.len() < ORIGINS {
                    line.origins.shown.push(group.origin.clone());
                } else {
                    line.origins.hidden += 1;
                }
            }
            if group.level == Level::Fail.as_str() {
                line.fail += group.count;
            } else {
                line.warn += group.count;
            }
        }
    }
    lines
}

pub(super) fn notes(judgement: &Judgement, target: Target) -> impl Iterator<Item = Note> {
    judgement
        .findings
        .iter()
        .filter(|finding| finding.level == Level::Note && finding.waived.is_none())
        .map(move |finding| Note {
            code: finding.code.as_str(),
            layer: layer_name(finding, target),
            message: target.text(&finding.message),
            advice: advice::advice(finding.code),
        })
}

pub(super) fn waivers(judgement: &Judgement, target: Target) -> impl Iterator<Item = WaivedRow> {
    judgement.findings.iter().filter_map(move |finding| {
        let waived = finding.waived.as_ref()?;
        Some(WaivedRow {
            code: finding.code.as_str(),
            rule: target.code(&finding.rule),
            layer: layer_name(finding, target),
            level: waived.level.as_str(),
            observed: observed(finding),
            owner: target.text(&waived.owner),
            reason: target.text(&waived.reason),
            until: target.text(&waived.until),
            days_left: waived.days_left,
        })
    })
}

fn group(
    findings: &[&Finding],
    layers: &BTreeMap<&str, &LayerComparison>,
    target: Target,
    size: Size,
) -> Option<Group> {
    let first = findings.first()?;
    let measured = findings.iter().all(|finding| {
        finding.metric.is_some() && finding.observed.is_some() && finding.limit.is_some()
    });
    let rows = findings
        .iter()
        .take(size.rows)
        .map(|finding| row(finding, layers, target));
    let rows = List::cut(rows, size.rows).counting(findings.len());
    Some(Group {
        level: first.level.as_str(),
        code: first.code.as_str(),
        rule: target.code(&first.rule),
        count: findings.len(),
        origin: origin(first, target),
        advice: advice::advice(first.code),
        measured,
        has_values: rows.shown.iter().any(has_values),
        rows,
        table: String::new(),
    })
}

fn has_values(row: &Row) -> bool {
    !row.base.is_empty() || !row.tuned.is_empty()
}

impl<T> List<T> {
    /// The list was cut before its rows were made: `total` says how many there were.
    fn counting(mut self, total: usize) -> Self {
        self.hidden = total.saturating_sub(self.shown.len());
        self
    }
}

fn row(finding: &Finding, layers: &BTreeMap<&str, &LayerComparison>, target: Target) -> Row {
    let layer = finding
        .layer
        .as_ref()
        .and_then(|name| layers.get(name.as_str()));
    let spectrum = layer
        .filter(|_| finding.metric.is_some())
        .and_then(|layer| {
            let [base, tuned] =
                [&layer.base, &layer.tuned].map(|side| profile::rounded(&side.profile));
            spark::change(&base, &tuned, SPARK_COLUMNS)
        });
    let number = |value: Option<Finite>| {
        value
            .map(|value| number::short(value.get()))
            .unwrap_or_default()
    };
    Row {
        level: finding.level.as_str(),
        code: finding.code.as_str(),
        rule: target.code(&finding.rule),
        layer: layer_name(finding, target),
        metric: finding
            .metric
            .map(|metric| metric.as_str().to_owned())
            .unwrap_or_default(),
        observed: observed(finding),
        base: number(finding.base),
        tuned: number(finding.tuned),
        limit: finding.limit.map(number::limit).unwrap_or_default(),
        spectrum: spectrum.unwrap_or_default(),
        message: target.text(&finding.message),
    }
}

fn layer_name(finding: &Finding, target: Target) -> String {
    match (&finding.layer, &finding.over) {
        (Some(layer), _) => target.name(layer.as_str()),
        (None, Some(over)) => format!("({over})"),
        (None, None) => WHOLE_MODEL.to_owned(),
    }
}

fn observed(finding: &Finding) -> String {
    finding
        .observed
        .map(|value| number::beside(value.get(), finding.limit))
        .unwrap_or_default()
}

fn origin(finding: &Finding, target: Target) -> String {
    match &finding.origin {
        Some(Origin {
            source,
            line: Some(line),
        }) => target.code(&format!("{source}:{line}")),
        Some(Origin { source, line: None }) => {
            format!(
                "rule {} of {}",
                target.code(&finding.rule),
                target.code(source)
            )
        }
        None => format!("rule {}", target.code(&finding.rule)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::spectrum::Profile;

    const SIZE: Size = Size {
        worst: 8,
        groups: 20,
        rows: 50,
        items: 50,
        counts_only: false,
    };

    #[test]
    fn many_findings_of_one_kind_do_not_hide_another_kind() {
        let mut report = sample::fail();
        let many = (0..100).map(|index| {
            let name = format!("layer.{index}");
            sample::finding(Level::Fail, Some(&name), 0.5)
        });
        report.judgement.findings.splice(0..0, many);
        let groups = groups(&report, Target::Terminal, SIZE);
        let worst = worst(&groups, 8);
        assert_eq!(worst.shown.len(), 8);
        assert_eq!(worst.hidden, 103 - 8);
        assert!(worst.shown.iter().any(|row| row.code == "non-finite"));
        assert!(worst.shown.iter().any(|row| row.level == "warn"));
    }

    #[test]
    fn a_column_of_spectra_that_show_nothing_is_a_word() {
        let mut report = sample::fail();
        let of = |report: &Report| worst(&groups(report, Target::Markdown, SIZE), 8);
        assert!(of(&report).has_spectrum && !of(&report).spectra_alike);
        for layer in &mut report.comparison.layers {
            layer.tuned.profile = layer.base.profile.clone();
        }
        assert!(!of(&report).has_spectrum && of(&report).spectra_alike);
        for layer in &mut report.comparison.layers {
            layer.tuned.profile = Profile::default();
        }
        assert!(!of(&report).has_spectrum && !of(&report).spectra_alike);
    }

    #[test]
    fn the_rules_of_one_code_share_a_line_and_are_named_once() {
        let mut report = sample::fail();
        let rules = (0..10).flat_map(|rule| {
            [Level::Fail, Level::Warn].map(|level| {
                let mut finding = sample::finding(level, Some("layer"), 0.5);
                finding.rule = format!("rule-{rule}");
                if let Some(origin) = &mut finding.origin {
                    origin.line = Some(30 + rule);
                }
                finding
            })
        });
        report.judgement.findings.extend(rules);
        let lines = why(&groups(&report, Target::Terminal, SIZE));
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[1].fail, lines[1].warn), (11, 11));
        assert_eq!(lines[1].origins.shown[0], "policies/gate.toml:17");
        assert_eq!(
            (lines[1].origins.shown.len(), lines[1].origins.hidden),
            (ORIGINS, 11 - ORIGINS)
        );
    }

    #[test]
    fn failures_stand_before_warnings_and_notes_are_no_group() {
        let groups = groups(&sample::fail(), Target::Terminal, SIZE);
        let seen: Vec<_> = groups
            .iter()
            .map(|group| (group.level, group.code, group.count))
            .collect();
        assert_eq!(
            seen,
            [
                ("fail", "non-finite", 1),
                ("fail", "alpha-drift", 1),
                ("warn", "alpha-drift", 1)
            ]
        );
        assert_eq!(groups[0].origin, "rule non-finite of builtin:default");
        assert_eq!(groups[1].origin, "policies/gate.toml:17");
    }
}
