//! `tunegate history bisect`: the first bad one of recorded runs, or of checkpoints.

use serde_json::{Value, json};

use super::render::{self, plain, plural};
use super::{consult, filter};
use crate::cli::{BisectArgs, HistoryFormat};
use crate::commands::check::{Sides, compare_whole};
use crate::commands::{CommandError, Outcome, indirect, judged};
use crate::compare::{Levels, RunLayer};
use crate::history::{HistoryError, HistoryStore, Run, bisect};
use crate::layer::Role;
use crate::policy::Policy;
use crate::report::{escape, number};
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
    let found = if args.references.is_empty() {
        among_runs(args, &question)?
    } else {
        among_checkpoints(args, &question, printer)?
    };
    Ok(Outcome::document(match args.output.format {
        HistoryFormat::Human => found.human(),
        HistoryFormat::Json => found.json(),
        HistoryFormat::Markdown => found.markdown(),
    }))
}

/// Where bad begins.
struct Found {
    /// Items to choose from.
    count: usize,
    looked: Vec<Looked>,
    first: Option<String>,
    /// Runs that are none of these items.
    others: usize,
}

fn among_runs(args: &BisectArgs, question: &Question) -> Result<Found, CommandError> {
    let Some(text) = args.history.as_deref().filter(|text| !text.is_empty()) else {
        return Err(CommandError::NothingToBisect);
    };
    let mut store = HistoryStore::existing(&consult::location(text)?)?;
    let (mut runs, _) = store.runs(&filter(&args.select))?;
    let newest = runs.last().ok_or(HistoryError::Empty)?.clone();
    let all = runs.len();
    // Runs of another model, branch or estimator are no part of its line.
    runs.retain(|run| {
        run.model == newest.model
            && run.branch == newest.branch
            && run.estimator == newest.estimator
    });
    let mut looked = Vec::new();
    let first = bisect::first_bad(runs.len(), |index| {
        let run = &runs[index];
        let name = name(run);
        let (bad, why) = question.answer(&name, run.verdict, &run.reason, &run.levels)?;
        looked.push(Looked { name, bad, why });
        Ok::<bool, CommandError>(bad)
    })?;
    Ok(Found {
        count: runs.len(),
        looked,
        first: first.map(|index| name(&runs[index])),
        others: all - runs.len(),
    })
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
    let policy = Policy::load(&args.policy.policy)?;
    let given = args.base.as_deref().map(indirect::resolve).transpose()?;
    let base = judged::base_reference(given.as_deref(), &policy)?;
    let base = indirect::resolve(&base)?;
    // A file that names no checkpoint stops before anything is measured.
    let tuned = args.references.iter().map(|text| indirect::resolve(text));
    let tuned = tuned.collect::<Result<Vec<_>, _>>()?;
    let mut looked = Vec::new();
    let first = bisect::first_bad(args.references.len(), |index| {
        let name = args.references[index].as_str();
        let sides = Sides {
            base: &base,
            tuned: &tuned[index],
            adapter: None,
        };
        let (comparison, _) = compare_whole(sides, &args.work, &args.remote, printer)?;
        let levels = Levels::of(&RunLayer::all(&comparison));
        let report = judged::report(comparison, &policy, false);
        let judgement = &report.judgement;
        let (bad, why) = question.answer(name, judgement.verdict, &judgement.reason, &levels)?;
        looked.push(Looked {
            name: name.to_owned(),
            bad,
            why,
        });
        Ok::<bool, CommandError>(bad)
    })?;
    let first = first.map(|index| args.references[index].clone());
    Ok(Found {
        count: args.references.len(),
        looked,
        first,
        others: 0,
    })
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
        let bounds = [args.bounds.above, args.bounds.below];
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
            above: args.bounds.above,
            below: args.bounds.below,
        })
    }

    /// Whether an item is bad, and the reason in a few words.
    fn answer(
        &self,
        name: &str,
        verdict: Verdict,
        reason: &str,
        levels: &Levels,
    ) -> Result<(bool, String), CommandError> {
        match self {
            Self::Verdict => {
                let why = format!("{}: {reason}", verdict.as_str());
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
                        problem: format!("`{}` has no value of {metric}{of}", plain(name)),
                    }
                })?;
                let bad = above.is_some_and(|bound| value > bound)
                    || below.is_some_and(|bound| value < bound);
                Ok((bad, format!("{metric} {}", number::short(value))))
            }
        }
    }
}

impl Found {
    /// The answer in one line of plain text.
    fn answer(&self) -> String {
        let result = match &self.first {
            Some(name) => format!("first bad: {}", plain(name)),
            None => "the last is good".to_owned(),
        };
        format!(
            "{result} ({} of {} evaluated)",
            self.looked.len(),
            self.count
        )
    }

    /// What was not looked at at all.
    fn remark(&self) -> Option<String> {
        (self.others > 0).then(|| {
            format!(
                "{} of another model, branch or measured with other settings left out: \
                 `--model` and `--branch` choose",
                plural(self.others, "run")
            )
        })
    }

    fn human(&self) -> String {
        let mut text = String::new();
        for Looked { name, bad, why } in &self.looked {
            let word = if *bad { "bad " } else { "good" };
            text.extend([format!("{word}  {}  {}\n", plain(name), plain(why))]);
        }
        text.extend([format!("{}\n", self.answer())]);
        text.extend(self.remark().map(|remark| format!("{remark}\n")));
        text
    }

    fn markdown(&self) -> String {
        let mut text = "| evaluated | is | because |\n|:--|:--|:--|\n".to_owned();
        for Looked { name, bad, why } in &self.looked {
            let word = if *bad { "bad" } else { "good" };
            let cells = [name, word, why].map(escape::markdown_text);
            text.extend([format!("| {} |\n", cells.join(" | "))]);
        }
        let lines = std::iter::once(self.answer()).chain(self.remark());
        text.extend(lines.map(|line| format!("\n{}\n", escape::markdown_text(&line))));
        text
    }

    fn json(&self) -> String {
        let looked: Vec<Value> = self
            .looked
            .iter()
            .map(|item| json!({ "name": item.name, "bad": item.bad, "why": item.why }))
            .collect();
        let found = json!({
            "of": self.count,
            "first_bad": self.first,
            "evaluated": looked,
            "left_out": self.others,
        });
        render::document("bisect", found)
    }
}
