//! `tunegate ci`: `check` in a workflow of GitHub Actions, then publishing.
//!
//! The exit code is decided before anything is published. A run that cannot judge publishes as
//! well: a green comment of an earlier commit must not stay where the new one was never judged.

mod environment;
mod governing;

use std::path::PathBuf;

use super::judged::{self, FORMATS, Format};
use super::publish::{Publisher, Request, Subject, Target};
use super::{CommandError, Outcome, check, emit};
use crate::cli::{CheckArgs, CheckFormat, CiArgs, HistoryArgs};
use crate::error::ExitStatus;
use crate::fs;
use crate::github::GitHubError;
use crate::github::event::{Event, Kind};
use crate::report::{Report, Templates, json};
use crate::term::Printer;

pub(super) use environment::{client, hub, read, token};
use governing::Governing;

/// Name of the JSON report in the runner's temporary folder.
const REPORT: &str = "tunegate-report.json";
const PAGE: Format = Format::Report(CheckFormat::Html);

#[derive(Debug, thiserror::Error)]
pub enum CiError {
    #[error("no tuned checkpoint is named")]
    NoTuned,
    #[error("cannot change to the working directory `{}`", path.display())]
    WorkingDirectory {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "`pull_request_target` runs with the secrets of the base, and a change from outside would be judged with them"
    )]
    PullRequestTarget,
    #[error(
        "`--policy-ref {wanted}` needs the base of a pull request or of a merge queue, and this is `{event}`"
    )]
    NoBase { wanted: String, event: String },
    #[error("`--policy-ref {reference}` is no branch, tag or commit")]
    PolicyRef { reference: String },
    #[error(
        "cannot read policy `{policy}` at `{revision}`: the checkout does not hold that commit, and {problem}"
    )]
    Unreachable {
        policy: String,
        revision: String,
        problem: String,
    },
    #[error("cannot read policy `{policy}` at `{revision}`")]
    Policy {
        policy: String,
        revision: String,
        #[source]
        source: Box<GitHubError>,
    },
    #[error("cannot read the report `{}`: {problem}", path.display())]
    Report { path: PathBuf, problem: String },
    #[error("there is no report at `{}`", path.display())]
    NoReport {
        path: PathBuf,
        #[source]
        source: fs::FsError,
    },
    #[error(transparent)]
    GitHub(Box<GitHubError>),
}

impl From<GitHubError> for CiError {
    fn from(error: GitHubError) -> Self {
        Self::GitHub(Box::new(error))
    }
}

impl CiError {
    pub(super) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoTuned => "set the input `tuned`, or `--tuned REF`".to_owned(),
            Self::WorkingDirectory { .. } => "name a folder of the checkout".to_owned(),
            Self::PullRequestTarget => {
                "use `on: pull_request`, with a second workflow on `workflow_run` that runs \
                `tunegate comment` for forks; or accept it with `--allow-pull-request-target`"
                    .to_owned()
            }
            Self::NoBase { .. } => "use `auto`, `head` or the name of a branch".to_owned(),
            Self::PolicyRef { .. } => {
                "use `auto`, `base`, `head`, or the name of a branch".to_owned()
            }
            Self::Unreachable { .. } => {
                "check out with `fetch-depth: 0`, or pass a token with `contents: read`".to_owned()
            }
            Self::Policy { source, .. } => source.hint()?.to_owned(),
            Self::Report { .. } => {
                "pass the file that `--format json` or `--emit json=FILE` wrote".to_owned()
            }
            Self::NoReport { .. } => {
                "name it with `--from`; the run that judged must have uploaded the file of its output \
                `report-path`, and this one downloaded it"
                    .to_owned()
            }
            Self::GitHub(error) => error.hint()?.to_owned(),
        })
    }
}

/// Never an error: why there is no verdict is printed and published here.
pub(super) fn run(args: &CiArgs, printer: &Printer) -> Outcome {
    let entered = enter(args.working_directory.as_deref());
    let event = Event::read(&read(&args.runner));
    let publisher = Publisher::new(&args.publish, &args.runner, &event, printer);
    let judged = entered
        .map_err(CommandError::from)
        .and_then(|()| judge(args, &event, &publisher, printer));
    match judged {
        Ok(Judged::Share(outcome)) => {
            publisher.share(outcome.status);
            outcome
        }
        Ok(Judged::Whole(whole)) => {
            let banners = whole.governing.banners(&whole.report);
            let status = publisher.publish(&Request {
                subject: &Subject::Judged {
                    report: &whole.report,
                    templates: &whole.templates,
                },
                banners: &banners,
                status: judged::status(&whole.report),
                target: target(&event),
                report_path: Some(&whole.path),
                has_page: whole.has_page,
                policy_changed: whole.governing.changed(),
                lines_hold: whole.governing.lines_hold(),
            });
            Outcome {
                document: whole.document,
                status,
            }
        }
        Err(error) => {
            printer.error(&error, error.hint().as_deref());
            let status = publisher.publish(&Request {
                subject: &Subject::NotJudged { error: &error },
                banners: &[],
                status: ExitStatus::NoVerdict,
                target: target(&event),
                report_path: None,
                has_page: false,
                policy_changed: false,
                lines_hold: true,
            });
            Outcome {
                document: String::new(),
                status,
            }
        }
    }
}

pub(super) fn target(event: &Event) -> Option<Target> {
    event.pull_request().map(|pull| Target {
        number: pull.number,
        head: pull.head.clone(),
        run: event.run,
        from: pull.from,
    })
}

fn enter(folder: Option<&str>) -> Result<(), CiError> {
    let Some(folder) = folder.filter(|text| !text.is_empty()) else {
        return Ok(());
    };
    std::env::set_current_dir(folder).map_err(|source| CiError::WorkingDirectory {
        path: PathBuf::from(folder),
        source,
    })
}

enum Judged {
    /// One share of a check: `merge` gives the verdict.
    Share(Outcome),
    Whole(Box<Whole>),
}

struct Whole {
    report: Report,
    templates: Templates,
    governing: Governing,
    document: String,
    /// Where the JSON report lies.
    path: PathBuf,
    /// The page with charts was asked for.
    has_page: bool,
}

/// What the runner says decides here too whose run it is, or an event that is said by hand would count for
/// the comment alone.
fn history(args: &CiArgs) -> HistoryArgs {
    let mut history = args.check.judge.history.clone();
    history
        .run
        .history_event
        .clone_from(&args.runner.github_event_name);
    history
        .run
        .history_base_ref
        .clone_from(&args.runner.github_base_ref);
    history.run.history_sha.clone_from(&args.runner.github_sha);
    history
}

fn judge(
    args: &CiArgs,
    event: &Event,
    publisher: &Publisher<'_>,
    printer: &Printer,
) -> Result<Judged, CommandError> {
    if matches!(event.kind, Kind::PullRequestTarget(_)) && !args.allow_pull_request_target {
        return Err(CiError::PullRequestTarget.into());
    }
    if args.check.tuned.trim().is_empty() {
        return Err(CiError::NoTuned.into());
    }
    if args
        .check
        .shard
        .as_deref()
        .is_some_and(|text| !text.is_empty())
    {
        return check::run(&args.check, printer).map(Judged::Share);
    }
    let check: &CheckArgs = &args.check;
    let emits = emit::parse(&check.judge.rendering.emit, FORMATS)?;
    let path = report_path(args, &emits);
    fs::check_writable(&path)?;
    let templates = Templates::new(check.judge.rendering.templates.as_deref())?;
    let governing = Governing::choose(args, event, publisher)?;
    let history = history(args);
    let (mut report, timings, recorder) =
        check::judge_whole(check, &history, &governing.policy, printer)?;
    governing.add_findings(&mut report);
    recorder.record(&report, printer);
    let document = judged::publish(
        &report,
        &timings,
        &emits,
        check.judge.format,
        &templates,
        printer,
    )?;
    fs::write_atomic(&path, json::render(&report).as_bytes())?;
    Ok(Judged::Whole(Box::new(Whole {
        report,
        templates,
        governing,
        document,
        path,
        has_page: emits.iter().any(|emit| emit.format == PAGE),
    })))
}

/// The file that was asked for, else the first `--emit json`, else one in the runner's own folder.
fn report_path(args: &CiArgs, emits: &[emit::Emit<Format>]) -> PathBuf {
    if let Some(path) = args.report_path.as_deref().filter(|path| !path.is_empty()) {
        return PathBuf::from(path);
    }
    let emitted = emits
        .iter()
        .find(|emit| emit.format == Format::Report(CheckFormat::Json));
    if let Some(emit) = emitted {
        return emit.path.clone();
    }
    let folder = args.runner.runner_temp.as_deref().unwrap_or_default();
    PathBuf::from(folder).join(REPORT)
}
