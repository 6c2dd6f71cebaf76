//! `tunegate history record`: adds the runs of finished reports.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::render::{self, plain};
use super::{consult, writer};
use crate::cli::{HistoryFormat, RecordArgs};
use crate::commands::ci::CiError;
use crate::commands::publish::chain;
use crate::commands::{CommandError, Outcome, judged};
use crate::compare::Baseline;
use crate::error::ExitStatus;
use crate::fs;
use crate::history::{BaselineQuery, HistoryStore, Recorded, Run, RunIdentity};
use crate::policy::Policy;
use crate::report::{PolicyIdentity, Report};
use crate::term::Printer;
use crate::verdict::judge_against;

/// What became of one report.
struct Done {
    run: Run,
    recorded: Recorded,
    /// Codes of the findings of fail and warn about runs over time.
    status: ExitStatus,
}

pub(super) fn run(args: &RecordArgs, printer: &Printer) -> Result<Outcome, CommandError> {
    let policy = Policy::load(&args.policy)?;
    // All are read before one is recorded.
    let reports = args
        .reports
        .iter()
        .map(|path| read(path))
        .collect::<Result<Vec<Report>, _>>()?;
    let mut store = writer(&args.store)?;
    let first = args.time.unwrap_or_else(Timestamp::now);
    let mut done = Vec::new();
    for (index, mut report) in reports.into_iter().enumerate() {
        let later = SignedDuration::from_secs(i64::try_from(index).unwrap_or(i64::MAX));
        let time = first.saturating_add(later).unwrap_or(first);
        let identity = consult::identity(&args.run, &report.policy.name, time);
        if args.judge {
            rejudge(&mut store, &mut report, &identity, &policy)?;
        }
        let (run, layers) = Run::of(&report, &identity);
        let recorded = store.record(&run, &layers)?;
        if recorded == Recorded::Known {
            printer.info(&format!("run {} is recorded already", run.id));
        }
        let status = judged::status(&report);
        done.push(Done {
            run,
            recorded,
            status,
        });
    }
    Ok(Outcome {
        document: document(&done, args.format),
        status: status(&done, args.judge),
    })
}

fn read(path: &Path) -> Result<Report, CommandError> {
    let text = fs::read_to_string(path)?;
    Report::from_json(&text).map_err(|error| {
        CiError::Report {
            path: path.to_path_buf(),
            problem: chain(&error),
        }
        .into()
    })
}

/// What the report measured, judged by this policy and against the runs before it. What only the
/// weights can tell (hygiene) stays as the report found it.
fn rejudge(
    store: &mut HistoryStore,
    report: &mut Report,
    identity: &RunIdentity,
    policy: &Policy,
) -> Result<(), CommandError> {
    let query = BaselineQuery {
        model: identity.model.clone(),
        branch: identity.branch.clone(),
        before: identity.recorded,
    };
    let baseline = Baseline::Runs(store.baseline(&query, &report.comparison)?);
    let today = judged::day(identity.recorded);
    report.judgement = judge_against(&report.comparison, Some(&baseline), policy, today);
    report.policy = PolicyIdentity {
        name: policy.name.clone(),
        digest: policy.digest.clone(),
        source: policy.source.clone(),
    };
    Ok(())
}

/// The worst of the verdicts, where they were asked for.
fn status(done: &[Done], judged: bool) -> ExitStatus {
    let has = |status| judged && done.iter().any(|done| done.status == status);
    if has(ExitStatus::Unsound) {
        ExitStatus::Unsound
    } else if has(ExitStatus::Inconclusive) {
        ExitStatus::Inconclusive
    } else {
        ExitStatus::Sound
    }
}

fn document(done: &[Done], format: HistoryFormat) -> String {
    if format == HistoryFormat::Json {
        let runs: Vec<Value> = done
            .iter()
            .map(|done| {
                let mut value = render::summary(&done.run);
                value["new"] = json!(done.recorded == Recorded::New);
                value
            })
            .collect();
        return render::document("runs", runs.into());
    }
    let lines = done.iter().map(|done| {
        let known = match done.recorded {
            Recorded::New => "recorded",
            Recorded::Known => "known already",
        };
        let run = &done.run;
        let verdict = run.verdict.as_str();
        format!("{} {known}: {verdict}: {}\n", run.id, plain(&run.reason))
    });
    lines.collect()
}
