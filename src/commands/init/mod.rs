//! `tunegate init`: a commented policy, with limits from good runs where there are any.

mod text;

use super::check::{self, Sides};
use super::{CommandError, Outcome, indirect};
use crate::cli::InitArgs;
use crate::compare::{BaselineRun, Comparison, Levels, RunLayer};
use crate::fs;
use crate::policy::Policy;
use crate::report::Report;
use crate::term::Printer;
use crate::verdict::baseline::{GoodRuns, disagreements, layer_models};
use crate::verdict::{Verdict, judge};

/// Fewer runs say nothing about how runs scatter.
const LEAST_RUNS: usize = 2;

/// Where one of the good runs came from, and what was measured.
struct Good {
    name: String,
    comparison: Comparison,
}

pub(super) fn run(args: &InitArgs, printer: &Printer) -> Result<Outcome, CommandError> {
    let recipe = Policy::load(&args.policy)?;
    let goods = args
        .good
        .iter()
        .map(|name| good(name, args, printer))
        .collect::<Result<Vec<Good>, _>>()?;
    alike(&goods)?;
    let goods = different(goods, printer);
    let asked = runs_asked(&recipe);
    if goods.len() < asked {
        if goods.len() >= LEAST_RUNS {
            printer.warning(&format!(
                "no limits: the policy `{}` asks for {asked} good runs (`baseline.min_runs`), and {} different ones were given",
                args.policy,
                goods.len()
            ));
        }
        let document = text::without_limits(args, &recipe, goods.len(), asked);
        return Ok(Outcome::document(document));
    }
    let runs: Vec<BaselineRun> = goods.iter().map(baseline_run).collect();
    let good = GoodRuns::since_anchor(&runs);
    let setting = good.setting().count();
    if setting < runs.len() {
        printer.warning(&format!(
            "the first {setting} of the {} good runs set the limits; the others only have to pass them",
            runs.len()
        ));
    }
    if setting == LEAST_RUNS {
        printer.warning("two good runs make wide limits; three to five make narrower ones");
    }
    for (run, what) in disagreements(&good, &recipe.baseline) {
        printer.warning(&format!(
            "the good runs disagree: `{run}` would fail against the others: {what}; was it the same recipe, and sound?"
        ));
    }
    let models = layer_models(&good);
    let document = text::with_limits(args, &recipe, &good, &models);
    say_what_does_not_pass(&document, &goods, printer)?;
    Ok(Outcome::document(document))
}

/// A finished report, or a checkpoint that is compared with the base now.
fn good(name: &str, args: &InitArgs, printer: &Printer) -> Result<Good, CommandError> {
    let path = std::path::Path::new(name);
    let is_report = path.extension().is_some_and(|ending| ending == "json");
    let comparison = if is_report {
        let text = fs::read_to_string(path)?;
        let report = Report::from_json(&text).map_err(|source| CommandError::GoodReport {
            path: name.to_owned(),
            source,
        })?;
        if matches!(
            report.judgement.verdict,
            Verdict::Fail | Verdict::Inconclusive
        ) {
            printer.warning(&format!(
                "`{name}` counts as a good run, and its own verdict is {}; leave it out unless you know better",
                report.headline()
            ));
        }
        report.comparison
    } else {
        let base = indirect::resolve(&args.base)?;
        let tuned = indirect::resolve(name)?;
        let sides = Sides {
            base: &base,
            tuned: &tuned,
            adapter: None,
        };
        check::compare_whole(sides, &args.work, &args.remote, printer)?.0
    };
    Ok(Good {
        name: name.to_owned(),
        comparison,
    })
}

/// How many good runs the policy asks for before limits are learnt from them.
fn runs_asked(recipe: &Policy) -> usize {
    (recipe.baseline.min_runs as usize).max(LEAST_RUNS)
}

/// Each checkpoint once: the same again says nothing about how runs scatter.
fn different(goods: Vec<Good>, printer: &Printer) -> Vec<Good> {
    let mut kept: Vec<Good> = Vec::new();
    for good in goods {
        let same = |other: &&Good| other.comparison.tuned.digest == good.comparison.tuned.digest;
        if let Some(first) = kept.iter().find(same) {
            printer.warning(&format!(
                "`{}` is the same checkpoint again as `{}` and is left out: the two count as one good run",
                good.name, first.name
            ));
        } else {
            kept.push(good);
        }
    }
    kept
}

/// Numbers of different bases, estimators or shapes cannot be pooled.
fn alike(goods: &[Good]) -> Result<(), CommandError> {
    let Some((first, rest)) = goods.split_first() else {
        return Ok(());
    };
    for other in rest {
        let what = if other.comparison.base.digest != first.comparison.base.digest {
            "another base"
        } else if other.comparison.estimator != first.comparison.estimator {
            "other settings of the estimators"
        } else if shapes(&other.comparison) != shapes(&first.comparison) {
            "other layers or shapes"
        } else {
            continue;
        };
        return Err(CommandError::GoodRunsDiffer {
            first: first.name.clone(),
            other: other.name.clone(),
            what,
        });
    }
    Ok(())
}

fn shapes(comparison: &Comparison) -> Vec<(&str, &[usize])> {
    let layers = comparison.layers.iter();
    layers
        .map(|layer| (layer.name.as_str(), layer.shape.as_slice()))
        .collect()
}

fn baseline_run(good: &Good) -> BaselineRun {
    let layers = RunLayer::all(&good.comparison);
    BaselineRun {
        id: good.name.clone(),
        recorded: String::new(),
        commit: None,
        tuned_digest: good.comparison.tuned.digest.clone(),
        anchor: false,
        levels: Levels::of(&layers),
        layers,
    }
}

/// The policy has to pass the runs that it was made from; where the recipe that it extends does not,
/// the user should know.
fn say_what_does_not_pass(
    document: &str,
    goods: &[Good],
    printer: &Printer,
) -> Result<(), CommandError> {
    let policy = Policy::parse("the new policy", document)?;
    for good in goods {
        let judgement = judge(&good.comparison, &policy, super::judged::today());
        if judgement.verdict != Verdict::Pass {
            printer.warning(&format!(
                "`{}` does not pass the new policy: {}; its recipe may be another than the one it extends",
                good.name, judgement.reason
            ));
        }
    }
    Ok(())
}
