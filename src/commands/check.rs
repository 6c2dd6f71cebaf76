//! `tunegate check`: the gate.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::Offset;

use super::emit::{self, Emit};
use super::{CommandError, Outcome, on_pool};
use crate::checkpoint::Checkpoint;
use crate::cli::{CheckArgs, CheckFormat, WorkArgs};
use crate::code::Level;
use crate::compare::compare;
use crate::error::ExitStatus;
use crate::fs;
use crate::policy::Policy;
use crate::report::{PolicyIdentity, Report, Templates, human, json, markdown};
use crate::spectrum::Estimator;
use crate::term::Printer;
use crate::verdict::{Verdict, judge};

/// What `--emit` of this command can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Report(CheckFormat),
    /// `key=value` lines for a CI system's step outputs.
    Outputs,
    /// Seconds by tensor, apart from the report, whose bytes do not depend on the clock.
    Timings,
}

const FORMATS: &[(&str, Format)] = &[
    ("human", Format::Report(CheckFormat::Human)),
    ("json", Format::Report(CheckFormat::Json)),
    ("markdown", Format::Report(CheckFormat::Markdown)),
    ("outputs", Format::Outputs),
    ("timings", Format::Timings),
];

/// A finished check and how long it took.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) report: Report,
    timings: BTreeMap<String, Duration>,
    elapsed: Duration,
}

pub(super) fn run(args: &CheckArgs, printer: &Printer) -> Result<Outcome, CommandError> {
    let emits = emit::parse(&args.rendering.emit, FORMATS)?;
    let templates = Templates::new(args.rendering.templates.as_deref())?;
    let policy = Policy::load(&args.policy)?;
    let base = base_reference(args.base.as_deref(), &policy)?;
    let checked = check(
        &base,
        &args.tuned,
        &policy,
        args.advisory,
        args.work,
        printer,
    )?;
    write_all(&emits, &checked, &templates, printer)?;
    let document = render(&checked.report, args.format, &templates, printer)?;
    Ok(Outcome {
        document,
        status: status(&checked.report),
    })
}

/// Opens both checkpoints, compares and judges them.
pub(super) fn check(
    base: &str,
    tuned: &str,
    policy: &Policy,
    advisory: bool,
    work: WorkArgs,
    printer: &Printer,
) -> Result<Checked, CommandError> {
    let started = Instant::now();
    let base = open(base)?;
    refuse_corrupt(&base)?;
    let tuned = open(tuned)?;
    let estimator = Estimator::default();
    let progress = printer.progress();
    let compared = on_pool(work, || {
        compare(&base, &tuned, &estimator, progress.as_ref())
    })??;
    let judgement = judge(&compared.comparison, policy, today());
    let report = Report {
        comparison: compared.comparison,
        judgement,
        policy: PolicyIdentity {
            name: policy.name.clone(),
            digest: policy.digest.clone(),
            source: policy.source.clone(),
        },
        advisory,
    };
    Ok(Checked {
        report,
        timings: compared.timings,
        elapsed: started.elapsed(),
    })
}

/// The day in UTC, on which waivers end.
fn today() -> jiff::civil::Date {
    Offset::UTC.to_datetime(Timestamp::now()).date()
}

/// The policy's pin wins over nothing, and contradicts anything else.
fn base_reference(given: Option<&str>, policy: &Policy) -> Result<String, CommandError> {
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

pub(super) fn open(reference: &str) -> Result<Checkpoint, CommandError> {
    let scheme = reference.split_once("://").map(|(scheme, _)| scheme);
    if scheme.is_some_and(|scheme| {
        scheme
            .chars()
            .all(|character| character.is_ascii_alphanumeric())
    }) {
        return Err(CommandError::RemoteReference {
            reference: reference.to_owned(),
        });
    }
    Ok(Checkpoint::open(Path::new(reference), reference)?)
}

/// Nothing can be judged against a base that is not whole.
fn refuse_corrupt(base: &Checkpoint) -> Result<(), CommandError> {
    if base.defects().is_empty() {
        return Ok(());
    }
    Err(CommandError::CorruptBase {
        reference: base.reference().to_owned(),
        defects: base
            .defects()
            .iter()
            .map(|defect| format!("`{}`: {}", defect.file, defect.message))
            .collect(),
    })
}

pub(super) fn status(report: &Report) -> ExitStatus {
    match report.judgement.verdict {
        Verdict::Pass | Verdict::Warn => ExitStatus::Sound,
        Verdict::Fail if report.advisory => ExitStatus::Sound,
        Verdict::Fail => ExitStatus::Unsound,
        Verdict::Inconclusive => ExitStatus::Inconclusive,
    }
}

pub(super) fn render(
    report: &Report,
    format: CheckFormat,
    templates: &Templates,
    printer: &Printer,
) -> Result<String, CommandError> {
    Ok(match format {
        CheckFormat::Human => human::render(report, templates, super::layout(printer))?,
        CheckFormat::Json => json::render(report),
        CheckFormat::Markdown => markdown::render(report, templates)?,
    })
}

fn write_all(
    emits: &[Emit<Format>],
    checked: &Checked,
    templates: &Templates,
    printer: &Printer,
) -> Result<(), CommandError> {
    for emit in emits {
        let text = match emit.format {
            Format::Report(CheckFormat::Human) => {
                human::render(&checked.report, templates, human::Layout::default())?
            }
            Format::Report(format) => render(&checked.report, format, templates, printer)?,
            Format::Outputs => outputs(&checked.report),
            Format::Timings => timings(checked),
        };
        fs::write_atomic(&emit.path, text.as_bytes())?;
    }
    Ok(())
}

fn outputs(report: &Report) -> String {
    let count = |level: Level| {
        report
            .judgement
            .findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    };
    format!(
        "verdict={}\nfail-count={}\nwarn-count={}\n",
        report.judgement.verdict.as_str(),
        count(Level::Fail),
        count(Level::Warn)
    )
}

fn timings(checked: &Checked) -> String {
    let seconds = |elapsed: &Duration| serde_json::Value::from(elapsed.as_secs_f64());
    let tensors: serde_json::Map<String, serde_json::Value> = checked
        .timings
        .iter()
        .map(|(name, elapsed)| (name.clone(), seconds(elapsed)))
        .collect();
    let document = serde_json::json!({
        "unit": "seconds",
        "total": seconds(&checked.elapsed),
        "tensors": tensors,
    });
    format!("{document:#}\n")
}
