//! `tunegate history accept`: a person takes a run as the reference.

use jiff::Timestamp;

use super::render::plain;
use super::{changer, filter};
use crate::cli::AcceptArgs;
use crate::commands::{CommandError, Outcome};
use crate::history::{Act, HistoryError, Run, Standing, find, standing};

pub(super) fn run(args: &AcceptArgs) -> Result<Outcome, CommandError> {
    let mut store = changer(&args.store)?;
    let filter = filter(&args.select);
    let (runs, acts) = store.runs(&filter)?;
    let run = match &args.run {
        Some(text) => find(text, runs.clone())?,
        None => newest(runs.clone())?,
    };
    let act = Act::accept(&run.id, &args.by, &args.reason, Timestamp::now());
    store.act(&act)?;
    Ok(Outcome::document(accepted(&run, &runs, &acts)))
}

/// The newest run that matches, where all are of one model and branch.
fn newest(mut runs: Vec<Run>) -> Result<Run, CommandError> {
    let newest = runs.pop().ok_or(HistoryError::Empty)?;
    let other = runs
        .iter()
        .find(|run| run.model != newest.model || run.branch != newest.branch);
    if let Some(other) = other {
        let name = |run: &Run| {
            let (model, branch) = (plain(&run.model), plain(&run.branch));
            format!("`{model}`, branch `{branch}`")
        };
        let (newest, other) = (name(&newest), name(other));
        return Err(CommandError::HistoryArgument {
            problem: format!(
                "`--last` needs `--model` and `--branch`, since the history holds runs of {newest}, and of {other}"
            ),
        });
    }
    Ok(newest)
}

/// What it means that `run` is accepted now, among the runs and acts before that.
fn accepted(run: &Run, runs: &[Run], acts: &[Act]) -> String {
    let of = |run: &Run| format!("run {} of {}", plain(&run.id), run.recorded);
    let line = format!("{}, branch {}", plain(&run.model), plain(&run.branch));
    let is_like =
        |other: &Run| other.base.digest == run.base.digest && other.estimator == run.estimator;
    let later = runs
        .iter()
        .skip_while(|other| other.id != run.id)
        .skip(1)
        .filter(|other| other.model == run.model && other.branch == run.branch);
    let reference = later
        .clone()
        .filter(|other| is_like(other) && standing(other, acts) == Standing::Anchor)
        .last();
    if let Some(reference) = reference {
        return format!(
            "{} is accepted; the reference of {line} stays the later {}: accept a run after it, or forget it with \
             `history prune {}`\n",
            of(run),
            of(reference),
            plain(&reference.id),
        );
    }
    let mut text = format!(
        "{} is the reference of {line}, from now on: later runs are judged against it and those after it\n",
        of(run)
    );
    if let Some(other) = later
        .filter(|other| other.base.digest != run.base.digest)
        .last()
    {
        text.extend([format!(
            "it holds for runs on its base alone: the later {} is on another one\n",
            of(other)
        )]);
    }
    text
}
