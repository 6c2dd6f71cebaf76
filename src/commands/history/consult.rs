//! The history of a run that is being judged: read before the verdict, written after it.

use jiff::Timestamp;

use super::super::publish::chain;
use super::render::plural;
use crate::cli::{HistoryArgs, RunArgs};
use crate::compare::{Baseline, BaselineRuns, Comparison};
use crate::history::{
    Access, BaselineQuery, HistoryError, HistoryStore, Kept, LATER, Location, Recorded, Run,
    RunIdentity,
};
use crate::report::Report;
use crate::term::Printer;

/// Prefix of the branches of a merge queue: `gh-readonly-queue/BRANCH/pr-N-SHA`.
const QUEUE: &str = "gh-readonly-queue/";
const DEFAULT_BRANCH: &str = "main";

/// Writes a judged run to the history, where there is one to write to.
#[derive(Debug)]
#[must_use]
pub(in crate::commands) struct Recorder(Option<(Location, RunIdentity)>);

/// Refuses a wrong place before the work of a run is done.
///
/// # Errors
/// Where the arguments name a history and no place for one.
pub(in crate::commands) fn check_place(args: &HistoryArgs) -> Result<(), HistoryError> {
    let text = args.history.as_deref().filter(|text| !text.is_empty());
    text.map_or(Ok(()), |text| location(text).map(drop))
}

/// The runs to judge against, and what records the run afterwards.
///
/// # Errors
/// Only where the arguments name no place: a history that cannot be read is part of what is judged.
pub(in crate::commands) fn consult(
    args: &HistoryArgs,
    comparison: &Comparison,
    policy: &str,
    printer: &Printer,
) -> Result<(Option<Baseline>, Recorder), HistoryError> {
    let Some(text) = args.history.as_deref().filter(|text| !text.is_empty()) else {
        return Ok((None, Recorder(None)));
    };
    let location = location(text)?;
    let identity = identity(&args.run, policy, Timestamp::now());
    let writes = !args.history_read_only
        && match may_record(&args.run) {
            Ok(()) => true,
            Err(error) => {
                printer.info(&error.to_string());
                false
            }
        };
    let access = if writes { Access::Write } else { Access::Read };
    let query = BaselineQuery {
        model: identity.model.clone(),
        branch: identity.branch.clone(),
        before: identity.recorded,
    };
    let read = HistoryStore::open(&location, access).and_then(|store| match store {
        Some(mut store) => store.baseline(&query, comparison),
        None => Ok(query.nothing(&location.to_string())),
    });
    Ok(match read {
        Ok(runs) => {
            say(&runs, printer);
            for left in runs.left_out.iter().filter(|left| left.reason == LATER) {
                printer.warning(&format!(
                    "{} of {} {LATER}, and not what it is judged against; see that the clocks are right",
                    plural(left.runs, "run"),
                    runs.source,
                ));
            }
            let recorder = Recorder(writes.then_some((location, identity)));
            (Some(Baseline::Runs(runs)), recorder)
        }
        Err(error) => {
            let reason = chain(&error);
            printer.warning(&format!(
                "{reason}; this run is judged without the runs before it, and not recorded"
            ));
            let source = location.to_string();
            let unreadable = Baseline::Unreadable { source, reason };
            (Some(unreadable), Recorder(None))
        }
    })
}

/// What a run is judged against, for those who ask.
pub(super) fn say(baseline: &BaselineRuns, printer: &Printer) {
    let (count, source) = (baseline.runs.len(), &baseline.source);
    printer.info(&format!("history: {count} accepted runs in {source}"));
    for left in &baseline.left_out {
        printer.info(&format!("history: {} left out: {}", left.runs, left.reason));
    }
}

impl Recorder {
    /// A run that cannot be recorded keeps its verdict; the next one is judged against one run less.
    pub(in crate::commands) fn record(&self, report: &Report, printer: &Printer) {
        let Some((location, identity)) = &self.0 else {
            return;
        };
        let (run, layers) = Run::of(report, identity);
        let written = HistoryStore::open(location, Access::Write).and_then(|store| {
            store
                .map(|mut store| store.record(&run, &layers))
                .transpose()
        });
        match written {
            Ok(Some(Recorded::New)) => {
                printer.info(&format!("run {} is recorded in `{location}`", run.id));
            }
            Ok(Some(Recorded::Known(kept))) => say_known(&run, &kept, printer),
            Ok(None) => {}
            Err(error) => printer.warning(&format!(
                "{}; the verdict holds, and this run is not recorded",
                chain(&error)
            )),
        }
    }
}

/// That a run is recorded already, and that its first verdict stays where it is another one now.
pub(super) fn say_known(run: &Run, kept: &Kept, printer: &Printer) {
    let Kept {
        recorded, verdict, ..
    } = kept;
    if !kept.differs(run) {
        printer.info(&format!(
            "run {} is recorded already, at {recorded}",
            run.id
        ));
        return;
    }
    let standing = |deviates| if deviates { " as deviating" } else { "" };
    printer.warning(&format!(
        "run {id} was recorded at {recorded} as `{was}`{before}, and that stays: the verdict `{is}`{after} on the \
         same checkpoint at the same commit is not recorded; `history prune {id}` forgets the first one",
        id = run.id,
        was = verdict.as_str(),
        before = standing(kept.deviates),
        is = run.verdict.as_str(),
        after = standing(run.deviates),
    ));
}

pub(in crate::commands) fn location(text: &str) -> Result<Location, HistoryError> {
    Location::parse(text).map_err(|problem| HistoryError::Location {
        text: Location::shown(text),
        problem,
    })
}

/// Whose run it is, by the arguments and what a runner of GitHub Actions says.
pub(super) fn identity(args: &RunArgs, policy: &str, recorded: Timestamp) -> RunIdentity {
    RunIdentity {
        model: given(args.history_model.as_ref())
            .unwrap_or(policy)
            .to_owned(),
        branch: branch(args),
        commit: given(args.history_commit.as_ref())
            .or_else(|| given(args.history_sha.as_ref()))
            .map(str::to_owned),
        recorded,
    }
}

fn given(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

/// Events of which a run belongs to the branch that the runner names. Of others it is not known what they
/// run for: `workflow_run` and `issue_comment` name the default branch for any pull request.
const OF_BRANCH: [&str; 4] = [
    "push",
    "schedule",
    "workflow_dispatch",
    "repository_dispatch",
];

/// A change that is not part of its branch yet: its runs are no part of the branch's history.
fn is_proposal(args: &RunArgs) -> bool {
    let event = event(args);
    let in_queue =
        given(args.history_ref_name.as_ref()).is_some_and(|name| name.starts_with(QUEUE));
    event.starts_with("pull_request") || event == "merge_group" || in_queue
}

/// Empty outside of a runner.
fn event(args: &RunArgs) -> &str {
    given(args.history_event.as_ref()).unwrap_or_default()
}

/// Whether a run may become a part of its branch's history.
///
/// # Errors
/// Where it may not, and why.
pub(super) fn may_record(args: &RunArgs) -> Result<(), HistoryError> {
    let event = event(args);
    let why = if is_proposal(args) {
        "is of a change that is not part of its branch yet"
    } else if event.is_empty() || OF_BRANCH.contains(&event) {
        return Ok(());
    } else {
        "does not tell which branch the run belongs to"
    };
    Err(HistoryError::NotOfBranch {
        event: event.to_owned(),
        why,
    })
}

fn branch(args: &RunArgs) -> String {
    let queued = given(args.history_ref_name.as_ref())
        .and_then(|name| name.strip_prefix(QUEUE))
        .and_then(|name| name.rsplit_once('/'))
        .map(|(branch, _)| branch);
    let proposed = given(args.history_base_ref.as_ref()).filter(|_| is_proposal(args));
    given(args.history_branch.as_ref())
        .or(queued)
        .or(proposed)
        .or_else(|| given(args.history_ref_name.as_ref()))
        .unwrap_or(DEFAULT_BRANCH)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runner(event: &str, name: &str, base: &str) -> RunArgs {
        RunArgs {
            history_event: Some(event.to_owned()),
            history_ref_name: Some(name.to_owned()),
            history_base_ref: Some(base.to_owned()),
            ..RunArgs::default()
        }
    }

    #[test]
    fn a_pull_request_reads_the_history_of_its_base() {
        let pull = runner("pull_request", "7/merge", "release/2");
        assert!(is_proposal(&pull));
        assert_eq!(branch(&pull), "release/2");
        let queue = runner("merge_group", "gh-readonly-queue/release/2/pr-7-0a1b", "");
        assert!(is_proposal(&queue));
        assert_eq!(branch(&queue), "release/2");
    }

    #[test]
    fn a_night_belongs_to_its_branch() {
        let night = runner("schedule", "main", "");
        assert!(!is_proposal(&night));
        assert_eq!(branch(&night), "main");
        assert_eq!(branch(&runner("push", "topic", "main")), "topic");
        assert_eq!(branch(&RunArgs::default()), "main");
        let named = RunArgs {
            history_branch: Some("nightly".to_owned()),
            ..night
        };
        assert_eq!(branch(&named), "nightly");
    }

    #[test]
    fn only_events_of_a_branch_itself_are_recorded() {
        for event in OF_BRANCH.into_iter().chain([""]) {
            assert!(may_record(&runner(event, "main", "")).is_ok(), "{event}");
        }
        for event in [
            "pull_request",
            "merge_group",
            "workflow_run",
            "issue_comment",
            "made_up",
        ] {
            assert!(may_record(&runner(event, "main", "")).is_err(), "{event}");
        }
    }
}
