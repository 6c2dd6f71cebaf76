//! `tunegate history`: runs over time.

mod bisect;
mod consult;
mod page;
mod prune;
mod record;
mod render;
mod show;
mod trend;

use jiff::Timestamp;

use super::{CommandError, Outcome};
use crate::cli::{
    AcceptArgs, ExportArgs, HistoryAction, HistoryCommandArgs, ImportArgs, SelectArgs, StoreArgs,
};
use crate::fs;
use crate::history::{Access, Act, Filter, HistoryError, HistoryStore, Run};
use crate::term::Printer;

pub(super) use consult::{Recorder, check_place, consult};

pub(super) fn run(args: &HistoryCommandArgs, printer: &Printer) -> Result<Outcome, CommandError> {
    match &args.action {
        HistoryAction::Record(args) => record::run(args, printer),
        HistoryAction::Show(args) => show::run(args),
        HistoryAction::Accept(args) => accept(args),
        HistoryAction::Trend(args) => trend::run(args, printer),
        HistoryAction::Bisect(args) => bisect::run(args, printer),
        HistoryAction::Export(args) => export(args),
        HistoryAction::Import(args) => import(args),
        HistoryAction::Prune(args) => prune::run(args),
    }
}

/// A store that is there, to read.
fn reader(args: &StoreArgs) -> Result<HistoryStore, HistoryError> {
    HistoryStore::existing(&consult::location(&args.history)?)
}

/// A store to change: one that is there already.
fn changer(args: &StoreArgs) -> Result<HistoryStore, HistoryError> {
    let location = consult::location(&args.history)?;
    HistoryStore::existing(&location)?;
    writer(args)
}

/// A store to add to, made where it is not there.
fn writer(args: &StoreArgs) -> Result<HistoryStore, HistoryError> {
    let location = consult::location(&args.history)?;
    HistoryStore::open(&location, Access::Write)?.ok_or_else(|| HistoryError::Missing {
        location: location.to_string(),
    })
}

fn filter(args: &SelectArgs) -> Filter {
    Filter {
        model: args.model.clone(),
        branch: args.branch.clone(),
        since: None,
    }
}

/// The newest run that matches, where all are of one model and branch.
fn newest(store: &mut HistoryStore, filter: &Filter) -> Result<Run, CommandError> {
    let (mut runs, _) = store.runs(filter)?;
    let newest = runs.pop().ok_or(HistoryError::Empty)?;
    let other = runs
        .iter()
        .find(|run| run.model != newest.model || run.branch != newest.branch);
    if let Some(other) = other {
        let name = |run: &Run| {
            let (model, branch) = (render::plain(&run.model), render::plain(&run.branch));
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

fn accept(args: &AcceptArgs) -> Result<Outcome, CommandError> {
    let mut store = changer(&args.store)?;
    let filter = filter(&args.select);
    let run = match &args.run {
        Some(text) => store.find(text, &filter)?,
        None => newest(&mut store, &filter)?,
    };
    let act = Act::accept(&run.id, &args.by, &args.reason, Timestamp::now());
    store.act(&act)?;
    Ok(Outcome::document(format!(
        "run {} of {} is the reference of {}, branch {}, from now on: later runs are judged against it and those after it\n",
        render::plain(&run.id),
        run.recorded,
        render::plain(&run.model),
        render::plain(&run.branch),
    )))
}

fn export(args: &ExportArgs) -> Result<Outcome, CommandError> {
    let filter = Filter {
        since: args.since,
        ..filter(&args.select)
    };
    Ok(Outcome::document(reader(&args.store)?.export(&filter)?))
}

fn import(args: &ImportArgs) -> Result<Outcome, CommandError> {
    let mut files = Vec::new();
    for path in &args.files {
        files.push((path.display().to_string(), fs::read_to_string(path)?));
    }
    let imported = writer(&args.store)?.import(&files)?;
    Ok(Outcome::document(format!(
        "{} runs and {} acts imported, {} known already\n",
        imported.runs, imported.acts, imported.known
    )))
}
