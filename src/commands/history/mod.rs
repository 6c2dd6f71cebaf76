//! `tunegate history`: runs over time.

mod accept;
mod bisect;
mod consult;
mod limits;
mod page;
mod prune;
mod record;
mod render;
mod show;
mod trend;

use super::{CommandError, Outcome};
use crate::cli::{
    ExportArgs, HistoryAction, HistoryCommandArgs, ImportArgs, SelectArgs, StoreArgs,
};
use crate::fs;
use crate::history::{Access, Exported, Filter, HistoryError, HistoryStore};
use crate::term::Printer;

pub(super) use consult::{Recorder, check_place, consult};

pub(super) fn run(args: &HistoryCommandArgs, printer: &Printer) -> Result<Outcome, CommandError> {
    match &args.action {
        HistoryAction::Record(args) => record::run(args, printer),
        HistoryAction::Show(args) => show::run(args),
        HistoryAction::Accept(args) => accept::run(args),
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
        let content = fs::read_to_string(path).map_err(HistoryError::NoExport)?;
        files.push((path.display().to_string(), content));
    }
    let exported = Exported::parse(&files)?;
    // What cannot be imported must not leave an empty store behind.
    let location = consult::location(&args.store.history)?;
    let known = match HistoryStore::open(&location, Access::Read)? {
        Some(mut store) => store.identities()?,
        None => Vec::new(),
    };
    exported.check_acts(known)?;
    let imported = writer(&args.store)?.import(&exported)?;
    Ok(Outcome::document(format!(
        "{} runs and {} acts imported, {} known already\n",
        imported.runs, imported.acts, imported.known
    )))
}
