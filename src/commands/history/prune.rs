//! `tunegate history prune`: forgets old runs.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::Offset;

use super::render::plain;
use super::{changer, filter, reader};
use crate::cli::PruneArgs;
use crate::commands::{CommandError, Outcome};
use crate::history::{Act, Run, Standing, standing};

pub(super) fn run(args: &PruneArgs) -> Result<Outcome, CommandError> {
    let mut store = if args.dry_run {
        reader(&args.store)?
    } else {
        changer(&args.store)?
    };
    let (runs, acts) = store.runs(&filter(&args.select))?;
    let total = runs.len();
    let forgotten = chosen(&runs, &acts, args);
    let mut document = String::new();
    for run in &forgotten {
        document.extend([format!(
            "{}  {}  {}  {}  {}\n",
            run.id,
            run.recorded,
            plain(&run.model),
            plain(&run.branch),
            run.verdict.as_str()
        )]);
    }
    let would = if args.dry_run {
        "would be forgotten"
    } else {
        "forgotten"
    };
    document.extend([format!("{} of {total} runs {would}\n", forgotten.len())]);
    if !args.dry_run && !forgotten.is_empty() {
        let ids: Vec<String> = forgotten.iter().map(|run| run.id.clone()).collect();
        store.forget(&ids)?;
    }
    Ok(Outcome::document(document))
}

/// The runs to forget, oldest first. The last accepted one of each model and branch always stays, for
/// the baseline starts at it.
fn chosen<'a>(runs: &'a [Run], acts: &[Act], args: &PruneArgs) -> Vec<&'a Run> {
    let mut newer: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut anchored: BTreeMap<(&str, &str), bool> = BTreeMap::new();
    let midnight = |day: Date| Offset::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok();
    let before = args.before.and_then(midnight);
    let mut forgotten = Vec::new();
    for run in runs.iter().rev() {
        let line = (run.model.as_str(), run.branch.as_str());
        let rank = newer.entry(line).or_default();
        *rank += 1;
        let is_anchor = standing(run, acts) == Standing::Anchor;
        let last_anchor = is_anchor && !std::mem::replace(anchored.entry(line).or_default(), true);
        let too_many = args.keep.is_some_and(|keep| *rank > keep);
        let too_old = before.is_some_and(|before| run.recorded < before);
        if (too_many || too_old) && !last_anchor {
            forgotten.push(run);
        }
    }
    forgotten.reverse();
    forgotten
}
