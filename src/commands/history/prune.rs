//! `tunegate history prune`: forgets old runs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::Offset;

use super::render::plain;
use super::{changer, filter, reader};
use crate::cli::PruneArgs;
use crate::commands::{CommandError, Outcome};
use crate::history::{Act, HistoryStore, Run, Standing, setting_limits, standing};

pub(super) fn run(args: &PruneArgs) -> Result<Outcome, CommandError> {
    let mut store = if args.dry_run {
        reader(&args.store)?
    } else {
        changer(&args.store)?
    };
    if let Some(text) = &args.run {
        return by_identity(&mut store, text, args);
    }
    let (runs, acts) = store.runs(&filter(&args.select))?;
    let total = runs.len();
    let forgotten = chosen(&runs, &acts, args);
    let mut document = String::new();
    for run in &forgotten {
        document.extend([format!(
            "{}  {}  {}  {}  {}\n",
            plain(&run.id),
            run.recorded,
            plain(&run.model),
            plain(&run.branch),
            run.verdict.as_str()
        )]);
    }
    document.extend([format!(
        "{} of {total} runs {}\n",
        forgotten.len(),
        done(args)
    )]);
    if !args.dry_run && !forgotten.is_empty() {
        let ids: Vec<String> = forgotten.iter().map(|run| run.id.clone()).collect();
        store.forget(&ids)?;
    }
    Ok(Outcome::document(document))
}

fn done(args: &PruneArgs) -> &'static str {
    if args.dry_run {
        "would be forgotten"
    } else {
        "forgotten"
    }
}

/// One run, of which nothing but the identity has to be readable.
fn by_identity(
    store: &mut HistoryStore,
    text: &str,
    args: &PruneArgs,
) -> Result<Outcome, CommandError> {
    let id = store.find_identity(text)?;
    let mut document = format!("run {} {}\n", plain(&id), done(args));
    if store.is_accepted(&id)? {
        document.push_str(
            "it was accepted: where it was the reference, the limits start at the accepted run before it, or at the first run\n",
        );
    }
    if !args.dry_run {
        store.forget(&[id])?;
    }
    Ok(Outcome::document(document))
}

/// The runs to forget, oldest first. The last accepted one of each model and branch always stays, for
/// the baseline starts at it; so do those that set the limits of any run that stays.
fn chosen<'a>(runs: &'a [Run], acts: &[Act], args: &PruneArgs) -> Vec<&'a Run> {
    let mut newer: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut anchored: BTreeMap<(&str, &str), bool> = BTreeMap::new();
    let midnight = |day: Date| Offset::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok();
    let before = args.before.and_then(midnight);
    let mut staying: BTreeSet<Line<'_>> = BTreeSet::new();
    let mut forgotten = Vec::new();
    for run in runs.iter().rev() {
        let branch = (run.model.as_str(), run.branch.as_str());
        let rank = newer.entry(branch).or_default();
        *rank += 1;
        let is_anchor = standing(run, acts) == Standing::Anchor;
        let last_anchor =
            is_anchor && !std::mem::replace(anchored.entry(branch).or_default(), true);
        let too_many = args.keep.is_some_and(|keep| *rank > keep);
        let too_old = before.is_some_and(|before| run.recorded < before);
        if (too_many || too_old) && !last_anchor {
            forgotten.push(run);
        } else {
            staying.insert(line(run));
        }
    }
    let setting = setting_limits(runs, acts);
    forgotten.retain(|run| !(staying.contains(&line(run)) && setting.contains(run.id.as_str())));
    forgotten.reverse();
    forgotten
}

/// What the runs have in common that are judged against each other.
type Line<'a> = [&'a str; 4];

fn line(run: &Run) -> Line<'_> {
    [&run.model, &run.branch, &run.base.digest, &run.estimator].map(String::as_str)
}
