//! `tunegate history record`: adds the runs of finished reports.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::render::{self, plain};
use super::{consult, writer};
use crate::cli::{HistoryFormat, RecordArgs};
use crate::code::{CodeGroup, FindingCode, Level};
use crate::commands::ci::CiError;
use crate::commands::publish::chain;
use crate::commands::{CommandError, Outcome, judged};
use crate::compare::Baseline;
use crate::error::ExitStatus;
use crate::fs;
use crate::history::{BaselineQuery, HistoryError, HistoryStore, Kept, Recorded, Run, RunIdentity};
use crate::policy::Policy;
use crate::report::{PolicyIdentity, Report};
use crate::term::Printer;
use crate::verdict::{Finding, Judgement, Verdict, judge_against};

/// What became of one report.
struct Done {
    run: Run,
    recorded: Recorded,
    status: ExitStatus,
    /// Findings about runs over time, by code, each at its worst level.
    over_time: BTreeMap<FindingCode, Level>,
}

pub(super) fn run(args: &RecordArgs, printer: &Printer) -> Result<Outcome, CommandError> {
    consult::may_record(&args.run)?;
    let policy = args
        .judge
        .then(|| Policy::load(&args.policy.policy))
        .transpose()?;
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
        let named = policy
            .as_ref()
            .map_or(&report.policy.name, |policy| &policy.name);
        let identity = consult::identity(&args.run, named, time);
        if let Some(policy) = &policy {
            rejudge(&mut store, &mut report, &identity, policy, printer)?;
        }
        let (run, layers) = Run::of(&report, &identity);
        let recorded = store.record(&run, &layers)?;
        if let Recorded::Known(kept) = &recorded {
            consult::say_known(&run, kept, printer);
        }
        let status = judged::status(&report);
        done.push(Done {
            run,
            recorded,
            status,
            over_time: over_time(&report),
        });
    }
    Ok(Outcome {
        document: document(&done, args.output.format),
        status: status(&done, args.judge),
    })
}

fn read(path: &Path) -> Result<Report, CommandError> {
    let text = fs::read_to_string(path).map_err(HistoryError::NoReport)?;
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
    printer: &Printer,
) -> Result<(), CommandError> {
    let query = BaselineQuery {
        model: identity.model.clone(),
        branch: identity.branch.clone(),
        before: identity.recorded,
    };
    let runs = store.baseline(&query, &report.comparison)?;
    consult::say(&runs, printer);
    let baseline = Baseline::Runs(runs);
    let today = judged::day(identity.recorded);
    let judgement = judge_against(&report.comparison, Some(&baseline), policy, today);
    let found = std::mem::replace(&mut report.judgement, judgement);
    keep_hygiene(&mut report.judgement, found);
    report.policy = PolicyIdentity {
        name: policy.name.clone(),
        digest: policy.digest.clone(),
        source: policy.source.clone(),
    };
    Ok(())
}

/// Adds what an earlier judgement found in the weights, which a report does not hold.
fn keep_hygiene(judgement: &mut Judgement, found: Judgement) {
    let of_weights = |finding: &Finding| {
        finding.code.group() == CodeGroup::Hygiene && finding.code != FindingCode::LowCoverage
    };
    let kept: Vec<Finding> = found.findings.into_iter().filter(of_weights).collect();
    let verdict = match kept.iter().map(|finding| finding.level).max() {
        Some(Level::Fail) => Verdict::Fail,
        Some(Level::Warn) => Verdict::Warn,
        Some(Level::Note) | None => Verdict::Pass,
    };
    if verdict > judgement.verdict {
        judgement.verdict = verdict;
        judgement.reason = found.reason;
    }
    judgement.findings.extend(kept);
    // Stable: within a level the order of the judgement stays.
    judgement
        .findings
        .sort_by_key(|finding| std::cmp::Reverse(finding.level));
}

fn over_time(report: &Report) -> BTreeMap<FindingCode, Level> {
    let mut worst: BTreeMap<FindingCode, Level> = BTreeMap::new();
    for finding in &report.judgement.findings {
        if finding.code.group() == CodeGroup::Runs {
            let level = worst.entry(finding.code).or_insert(finding.level);
            *level = finding.level.max(*level);
        }
    }
    worst
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
                value["over_time"] = json!(done.over_time);
                if let Recorded::Known(Kept {
                    recorded, verdict, ..
                }) = done.recorded
                {
                    let recorded = recorded.to_string();
                    value["kept"] = json!({ "recorded": recorded, "verdict": verdict.as_str() });
                }
                value
            })
            .collect();
        return render::document("runs", runs.into());
    }
    let lines = done.iter().map(|done| {
        let known = match done.recorded {
            Recorded::New => "recorded".to_owned(),
            Recorded::Known(kept) if kept.differs(&done.run) => {
                format!(
                    "known already as {}, which stays; now",
                    kept.verdict.as_str()
                )
            }
            Recorded::Known(_) => "known already".to_owned(),
        };
        let run = &done.run;
        let verdict = run.verdict.as_str();
        format!(
            "{} {known}: {verdict}: {}\n",
            plain(&run.id),
            plain(&run.reason)
        )
    });
    lines.collect()
}
