//! From a comparison to a judged report and its outputs: what `check`, `merge` and `demo` share.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

use super::emit::Emit;
use super::history::{self, Recorder};
use super::{CommandError, layout};
use crate::cli::{CheckFormat, HistoryArgs};
use crate::code::Level;
use crate::compare::{Baseline, Comparison, Levels, RunLayer};
use crate::error::ExitStatus;
use crate::fs;
use crate::policy::Policy;
use crate::report::openmetrics::{self, Sample};
use crate::report::{PolicyIdentity, Report, Templates, html, human, json, markdown};
use crate::term::Printer;
use crate::verdict::{Verdict, judge_against, layer_limits};

/// What `--emit` of `check` and `merge` can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Report(CheckFormat),
    /// `key=value` lines for a CI system's step outputs.
    Outputs,
    /// Numbers for a monitoring system.
    OpenMetrics,
    /// Seconds by tensor, apart from the report, whose bytes do not depend on the clock.
    Timings,
    /// A share of a comparison, for `merge`.
    Part,
}

/// Formats of a judged report.
pub(super) const FORMATS: &[(&str, Format)] = &[
    ("human", Format::Report(CheckFormat::Human)),
    ("json", Format::Report(CheckFormat::Json)),
    ("markdown", Format::Report(CheckFormat::Markdown)),
    ("html", Format::Report(CheckFormat::Html)),
    ("outputs", Format::Outputs),
    ("openmetrics", Format::OpenMetrics),
    ("timings", Format::Timings),
];

/// How long the work took.
#[derive(Debug, Default)]
pub(super) struct Timings {
    pub(super) total: Duration,
    pub(super) tensors: BTreeMap<String, Duration>,
}

/// Judges a comparison by a policy, as of today in UTC.
pub(super) fn report(comparison: Comparison, policy: &Policy, advisory: bool) -> Report {
    report_against(comparison, None, policy, advisory)
}

/// As [`report`], against the runs before it where a history is named; the recorder adds this one.
pub(super) fn report_over_time(
    comparison: Comparison,
    policy: &Policy,
    args: &HistoryArgs,
    advisory: bool,
    printer: &Printer,
) -> Result<(Report, Recorder), CommandError> {
    let (baseline, recorder) = history::consult(args, &comparison, &policy.name, printer)?;
    let report = report_against(comparison, baseline.as_ref(), policy, advisory);
    Ok((report, recorder))
}

fn report_against(
    comparison: Comparison,
    baseline: Option<&Baseline>,
    policy: &Policy,
    advisory: bool,
) -> Report {
    let judgement = judge_against(&comparison, baseline, policy, today());
    let limits = layer_limits(&comparison, policy);
    let policy = PolicyIdentity {
        name: policy.name.clone(),
        digest: policy.digest.clone(),
        source: policy.source.clone(),
    };
    Report {
        comparison,
        judgement,
        policy,
        advisory,
        limits,
    }
}

pub(super) fn today() -> Date {
    day(Timestamp::now())
}

pub(super) fn day(time: Timestamp) -> Date {
    Offset::UTC.to_datetime(time).date()
}

pub(super) fn status(report: &Report) -> ExitStatus {
    match report.judgement.verdict {
        Verdict::Pass | Verdict::Warn => ExitStatus::Sound,
        Verdict::Fail if report.advisory => ExitStatus::Sound,
        Verdict::Fail => ExitStatus::Unsound,
        Verdict::Inconclusive => ExitStatus::Inconclusive,
    }
}

/// The base to use: the given one, or the one that the policy pins; both must agree.
pub(super) fn base_reference(given: Option<&str>, policy: &Policy) -> Result<String, CommandError> {
    let pinned = policy.base.as_ref().map(|pin| pin.reference.as_str());
    match (given.filter(|text| !text.is_empty()), pinned) {
        (Some(given), Some(pinned)) if given != pinned => Err(CommandError::OtherBase {
            given: given.to_owned(),
            pinned: pinned.to_owned(),
            policy: policy.source.clone(),
        }),
        (Some(reference), _) | (None, Some(reference)) => Ok(reference.to_owned()),
        (None, None) => Err(CommandError::NoBase {
            policy: policy.source.clone(),
        }),
    }
}

pub(super) fn render(
    report: &Report,
    format: CheckFormat,
    templates: &Templates,
    layout: human::Layout,
) -> Result<String, CommandError> {
    Ok(match format {
        CheckFormat::Human => human::render(report, templates, layout)?,
        CheckFormat::Json => json::render(report),
        CheckFormat::Markdown => markdown::render(report, templates)?,
        CheckFormat::Html => html::check(report, None)?,
    })
}

/// Writes every `--emit` and returns the document for stdout.
pub(super) fn publish(
    report: &Report,
    timings: &Timings,
    emits: &[Emit<Format>],
    format: CheckFormat,
    templates: &Templates,
    printer: &Printer,
) -> Result<String, CommandError> {
    for emit in emits {
        let text = match emit.format {
            Format::Report(format) => render(report, format, templates, human::Layout::default())?,
            Format::Outputs => outputs(report),
            Format::OpenMetrics => open_metrics(report),
            Format::Timings => timings.render(),
            Format::Part => continue,
        };
        fs::write_atomic(&emit.path, text.as_bytes())?;
    }
    render(report, format, templates, layout(printer))
}

/// Findings at this level.
pub(super) fn count(report: &Report, level: Level) -> usize {
    let findings = report.judgement.findings.iter();
    findings.filter(|finding| finding.level == level).count()
}

fn outputs(report: &Report) -> String {
    let count = |level: Level| count(report, level);
    format!(
        "verdict={}\nfail-count={}\nwarn-count={}\n",
        report.judgement.verdict.as_str(),
        count(Level::Fail),
        count(Level::Warn)
    )
}

/// Told apart by the policy: the checkpoints change from run to run.
fn open_metrics(report: &Report) -> String {
    let levels = Levels::of(&RunLayer::all(&report.comparison));
    let number = |level| u64::try_from(count(report, level)).unwrap_or(u64::MAX);
    openmetrics::render(&[Sample {
        labels: vec![("policy", &report.policy.name)],
        info: vec![
            ("base", &report.comparison.base.digest),
            ("tuned", &report.comparison.tuned.digest),
        ],
        verdict: report.judgement.verdict,
        fail: number(Level::Fail),
        warn: number(Level::Warn),
        levels: &levels,
        seconds: None,
    }])
}

impl Timings {
    pub(super) fn render(&self) -> String {
        let seconds = |elapsed: &Duration| serde_json::Value::from(elapsed.as_secs_f64());
        let tensors: serde_json::Map<String, serde_json::Value> = self
            .tensors
            .iter()
            .map(|(name, elapsed)| (name.clone(), seconds(elapsed)))
            .collect();
        let document = serde_json::json!({
            "unit": "seconds",
            "total": seconds(&self.total),
            "tensors": tensors,
        });
        format!("{document:#}\n")
    }
}
