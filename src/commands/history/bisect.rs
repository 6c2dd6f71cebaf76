//! `tunegate history bisect`: the first bad one of recorded runs, or of checkpoints.

use serde_json::{Value, json};

use super::render::{self, plain};
use super::{consult, filter};
use crate::cli::{BisectArgs, HistoryFormat};
use crate::commands::check::{Sides, compare_whole};
use crate::commands::{CommandError, Outcome, judged};
use crate::compare::{Levels, RunLayer};
use crate::history::{HistoryError, HistoryStore, Run, bisect};
use crate::layer::Role;
use crate::policy::Policy;
use crate::report::number;
use crate::spectrum::metric::Metric;
use crate::term::Printer;
use crate::verdict::Verdict;

/// What is bad.
enum Question {
    /// A verdict of fail.
    Verdict,
    /// A number of the model beyond a bound.
    Metric {
        metric: Metric,
        role: Option<Role>,
        above: Option<f64>,
        below: Option<f64>,
    },
}

/// One item that was looked at.
struct Looked {
    name: String,
    bad: bool,
    why: String,
}

pub(super) fn run(args: &BisectArgs, printer: &Printer) -> Result<Outcome, CommandError> {
    let question = Question::of(args)?;
    let (count, looked, first) = if args.references.is_empty() {
        among_runs(args, &question)?
    } else {
        among_checkpoints(args, &question, printer)?
    };
    Ok(Outcome::document(document(
        args,
        count,
        &looked,
        first.as_deref(),
    )))
}

type Found = (usize, Vec<Looked>, Option<String>);

fn among_runs(args: &BisectArgs, question: &Question) -> Result<Found, CommandError> {
    let Some(text) = args.history.as_deref().filter(|text| !text.is_empty()) else {
        return Err(CommandError::NothingToBisect);
    };
    let mut store = HistoryStore::existing(&consult::location(text)?)?;
    let (mut runs, _) = store.runs(&filter(&args.select))?;
    let newest = runs.last().ok_or(HistoryError::Empty)?.clone();
    // Runs of another model, branch or estimator are no part of its line.
    runs.retain(|run| {
        run.model == newest.model
            && run.branch == newest.branch
            && run.estimator == newest.estimator
    });
    let mut looked = Vec::new();
    let first = bisect::first_bad(runs.len(), |index| {
        let run = &runs[index];
        let (bad, why) = question.answer(run.verdict, &run.reason, &run.levels)?;
        looked.push(Looked {
            name: name(run),
            bad,
            why,
        });
        Ok::<bool, CommandError>(bad)
    })?;
    Ok((runs.len(), looked, first.map(|index| name(&runs[index]))))
}

fn name(run: &Run) -> String {
    let commit = run.commit.as_deref().map(render::short);
    let commit = commit.map(|commit| format!(", commit {commit}"));
    format!(
        "{} of {}{}",
        run.id,
        run.recorded,
        commit.unwrap_or_default()
    )
}

fn among_checkpoints(
    args: &BisectArgs,
    question: &Question,
    printer: &Printer,
) -> Result<Found, CommandError> {
    let policy = Policy::load(&args.policy)?;
    let base = judged::base_reference(args.base.as_deref(), &policy)?;
    let mut looked = Vec::new();
    let first = bisect::first_bad(args.references.len(), |index| {
        let tuned = args.references[index].as_str();
        let sides = Sides {
            base: &base,
            tuned,
            adapter: None,
        };
        let (comparison, _) = compare_whole(sides, &args.work, &args.remote, printer)?;
        let levels = Levels::of(&RunLayer::all(&comparison));
        let report = judged::report(comparison, &policy, false);
        let judgement = &report.judgement;
        let (bad, why) = question.answer(judgement.verdict, &judgement.reason, &levels)?;
        looked.push(Looked {
            name: tuned.to_owned(),
            bad,
            why,
        });
        Ok::<bool, CommandError>(bad)
    })?;
    let first = first.map(|index| args.references[index].clone());
    Ok((args.references.len(), looked, first))
}

pub(super) fn metric(name: &str) -> Result<Metric, CommandError> {
    name.parse()
        .map_err(|problem| CommandError::HistoryArgument { problem })
}

pub(super) fn role(name: &str) -> Result<Role, CommandError> {
    name.parse()
        .map_err(|problem| CommandError::HistoryArgument { problem })
}

impl Question {
    fn of(args: &BisectArgs) -> Result<Self, CommandError> {
        let Some(name) = &args.metric else {
            return Ok(Self::Verdict);
        };
        let bounds = [args.above, args.below];
        let wrong = |problem: &str| CommandError::HistoryArgument {
            problem: problem.to_owned(),
        };
        if bounds.iter().flatten().any(|bound| !bound.is_finite()) {
            return Err(wrong("a bound has to be a finite number"));
        }
        if bounds.iter().all(Option::is_none) {
            return Err(wrong("`--metric` needs `--above` or `--below`"));
        }
        Ok(Self::Metric {
            metric: metric(name)?,
            role: args.role.as_deref().map(role).transpose()?,
            above: args.above,
            below: args.below,
        })
    }

    /// Whether an item is bad, and the reason in a few words.
    fn answer(
        &self,
        verdict: Verdict,
        reason: &str,
        levels: &Levels,
    ) -> Result<(bool, String), CommandError> {
        match self {
            Self::Verdict => {
                let why = format!("{}: {}", verdict.as_str(), plain(reason));
                Ok((verdict == Verdict::Fail, why))
            }
            Self::Metric {
                metric,
                role,
                above,
                below,
            } => {
                let value = levels.get(*metric, *role).ok_or_else(|| {
                    let of = role.map(|role| format!(" of {role}")).unwrap_or_default();
                    CommandError::HistoryArgument {
                        problem: format!("a run has no value of {metric}{of}"),
                    }
                })?;
                let bad = above.is_some_and(|bound| value > bound)
                    || below.is_some_and(|bound| value < bound);
                Ok((bad, format!("{metric} {}", number::short(value))))
            }
        }
    }
}

fn document(args: &BisectArgs, count: usize, looked: &[Looked], first: Option<&str>) -> String {
    if args.format == HistoryFormat::Json {
        let looked: Vec<Value> = looked
            .iter()
            .map(|item| json!({ "name": item.name, "bad": item.bad, "why": item.why }))
            .collect();
        let found = json!({ "of": count, "first_bad": first, "evaluated": looked });
        return render::document("bisect", found);
    }
    let mut text = String::new();
    for Looked { name, bad, why } in looked {
        let word = if *bad { "bad " } else { "good" };
        text.extend([format!("{word}  {}  {why}\n", plain(name))]);
    }
    let result = match first {
        Some(name) => format!("first bad: {}", plain(name)),
        None => "the last is good".to_owned(),
    };
    text.extend([format!(
        "{result} ({} of {count} evaluated)\n",
        looked.len()
    )]);
    text
}
