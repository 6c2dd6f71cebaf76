//! `tunegate comment`: publishes a finished report, from a workflow that may write where the run that
//! judged could not.
//!
//! The report is data from a run that nobody trusts: it says nothing about the pull request. Number
//! and commit come from the event and from GitHub, and the report is rendered here again.

use std::path::Path;

use super::ci::{self, CiError};
use super::judged;
use super::publish::{Publisher, Request, Subject, Target};
use super::{CommandError, Outcome};
use crate::cli::CommentArgs;
use crate::error::ExitStatus;
use crate::fs;
use crate::github::body::alert;
use crate::github::event::{Event, Kind, Source, WorkflowRun};
use crate::github::{GitHubError, pulls};
use crate::report::{Report, Templates};
use crate::term::Printer;

/// A report of five thousand layers has about this size.
const LARGEST_REPORT: u64 = 32 << 20;

pub(super) fn run(args: &CommentArgs, printer: &Printer) -> Result<Outcome, CommandError> {
    let report = read(&args.from)?;
    let templates = Templates::new(None)?;
    let event = Event::read(&ci::read(&args.runner));
    let publisher = Publisher::new(&args.publish, &args.runner, &event, printer);
    let target = match target(&event, &publisher) {
        Ok(target) => target,
        // The pull request went on, was closed, or never was one: nothing is wrong with that.
        Err(CiError::GitHub(error)) if matches!(*error, GitHubError::Untrusted { .. }) => {
            publisher.notice(&error.to_string());
            None
        }
        Err(error) => return Err(error.into()),
    };
    let banners = match (&event.kind, &target) {
        (Kind::WorkflowRun(run), Some(_)) => vec![origin(run, &event)],
        _ => Vec::new(),
    };
    let _judged = publisher.publish(&Request {
        subject: &Subject::Judged {
            report: &report,
            templates: &templates,
        },
        banners: &banners,
        status: judged::status(&report),
        target,
        report_path: Some(&args.from),
        // Whether the run that judged wrote one is not known here.
        has_page: false,
        policy_changed: false,
        lines_hold: true,
    });
    Ok(Outcome {
        document: String::new(),
        status: if publisher.has_failed_strictly() {
            ExitStatus::NotPublished
        } else {
            ExitStatus::Sound
        },
    })
}

fn read(path: &Path) -> Result<Report, CommandError> {
    let wrong = |problem: String| CiError::Report {
        path: path.to_path_buf(),
        problem,
    };
    let unreadable = |source: fs::FsError| CiError::NoReport {
        path: path.to_path_buf(),
        source,
    };
    let size = fs::size(path).map_err(unreadable)?;
    if size > LARGEST_REPORT {
        return Err(wrong(format!("it has {size} bytes, more than {LARGEST_REPORT}")).into());
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    Report::from_json(&text).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        wrong(format!("{error}{}", cause.unwrap_or_default())).into()
    })
}

/// The pull request that the report is about; `None` where the event has none.
fn target(event: &Event, publisher: &Publisher<'_>) -> Result<Option<Target>, CiError> {
    if let (Kind::WorkflowRun(run), Some(repository)) = (&event.kind, publisher.repository()) {
        let (number, head) = pulls::of_run(publisher.connected()?, repository, run)?;
        return Ok(Some(Target {
            number,
            head,
            run: run.id,
            // This run's own token may write, whoever opened the pull request.
            from: Source::SameRepository,
        }));
    }
    let target = ci::target(event);
    if target.is_none() {
        publisher.notice("this event has no pull request, so there is nothing to comment on");
    }
    Ok(target)
}

/// Who measured this: a reader must not take the numbers for those of a trusted run.
fn origin(run: &WorkflowRun, event: &Event) -> String {
    let own = event.repository.as_ref().map(ToString::to_string);
    let from = match (&run.head_repository, own) {
        (Some(head), Some(own)) if head.eq_ignore_ascii_case(&own) => "a branch of this repository",
        _ => "a fork",
    };
    alert(
        "NOTE",
        &[format!(
            "Measured by a run for {from}, whose workflow and program that change controls; this comment only passes \
             the report on."
        )],
    )
}
