//! What the tables for people have in common.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::num::Measured;
use crate::report::number;
use crate::report::view::Target;
use crate::spectrum::metric::Metric;
use crate::track::{Flow, Mark, MarkKind, Order, Recommendation, Series, Subject};

use super::stage_text;

/// Metrics of the table over the steps.
pub(super) const OVER_STEPS: [Metric; 6] = [
    Metric::Alpha,
    Metric::KsDistance,
    Metric::TrapCount,
    Metric::StableRank,
    Metric::ErgFraction,
    Metric::RelativeUpdate,
];

/// Layers named in one line.
const NAMES: usize = 3;
/// Lines of marks and of problems; the rest is counted.
const LINES: usize = 20;

/// A page has room for all of them.
fn most_lines(target: Target) -> usize {
    match target {
        Target::Terminal | Target::Markdown => LINES,
        Target::Html => usize::MAX,
    }
}

/// A line on what was followed.
pub(super) fn sentence(flow: &Flow, target: Target) -> String {
    let [first, last] = [flow.steps.first(), flow.steps.last()]
        .map(|step| step.map_or("?", |step| step.label.as_str()));
    let order = match flow.order {
        Order::ByNumber => "",
        Order::AsGiven => ", in the order given (no one number tells them apart)",
    };
    let text = format!(
        "{} checkpoints, steps {first} to {last}{order}; {} layers; updates are measured from `{}`",
        flow.steps.len(),
        flow.layers.len(),
        flow.base.reference
    );
    target.text(&text)
}

pub(super) fn step_titles() -> Vec<&'static str> {
    let mut titles = vec!["step"];
    titles.extend(OVER_STEPS.iter().map(|metric| metric.as_str()));
    titles.extend(["phase", "marks"]);
    titles
}

/// One row a step, with the model's numbers.
pub(super) fn step_rows(flow: &Flow, target: Target) -> Vec<Vec<String>> {
    let row = |(step, found): (usize, &crate::track::Step)| {
        let mut row = vec![target.text(&found.label)];
        row.extend(OVER_STEPS.iter().map(|metric| {
            flow.series_of(&Subject::Model, *metric)
                .and_then(|series| series.values.get(step)?.value())
                .map_or_else(|| "-".to_owned(), number::short)
        }));
        row.push(stage_text(flow, step));
        let marks = flow.marks.iter().filter(|mark| mark.step == step).count();
        row.push(if marks == 0 {
            String::new()
        } else {
            marks.to_string()
        });
        row
    };
    flow.steps.iter().enumerate().map(row).collect()
}

/// The marks, those of one metric and direction at one step in one line.
pub(super) fn mark_lines(flow: &Flow, target: Target) -> Vec<String> {
    let mut groups: BTreeMap<(usize, &'static str, bool), Vec<&Mark>> = BTreeMap::new();
    for mark in &flow.marks {
        let rises = mark.after.unwrap_or_default() > mark.before.unwrap_or_default();
        let key = (mark.step, mark.metric.as_str(), rises);
        groups.entry(key).or_default().push(mark);
    }
    let most = most_lines(target);
    let hidden = groups.len().saturating_sub(most);
    let line = |marks: &Vec<&Mark>| {
        let (first, others) = marks.split_first()?;
        let mut text = format!(
            "{}: {}",
            target.name(first.layer.as_str()),
            target.text(&first.text)
        );
        if let (MarkKind::Change, Some(p_value)) = (first.kind, first.p_value) {
            let p_value = if p_value < 1e-12 {
                "below 1e-12".to_owned()
            } else {
                format!("{p_value:.0e}")
            };
            let _infallible = write!(text, " (p {p_value})");
        }
        if !others.is_empty() {
            let names: Vec<String> = others
                .iter()
                .take(NAMES)
                .map(|mark| target.name(mark.layer.as_str()))
                .collect();
            let more = others.len().saturating_sub(NAMES);
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            let _infallible = write!(text, "; so in {}{more}", names.join(", "));
        }
        Some(text)
    };
    let mut lines: Vec<String> = groups.values().take(most).filter_map(line).collect();
    if hidden > 0 {
        lines.push(format!("and {hidden} more"));
    }
    lines
}

/// How many series were searched, and at what level.
pub(super) fn search_text(flow: &Flow) -> String {
    let left_out = unsearched_text(flow);
    if flow.tested_series == 0 {
        return format!(
            "no series was searched for abrupt changes: {} checkpoints are the least{left_out}",
            crate::track::changes::LEAST_DIFFERENCES + 1
        );
    }
    format!(
        "{} series searched for abrupt changes; a run of Gaussian differences has a mark with a probability of at most {}{left_out}",
        flow.tested_series,
        crate::track::changes::LEVEL
    )
}

/// The gaps that were not searched, all by name.
fn unsearched_text(flow: &Flow) -> String {
    let label = |step: usize| flow.steps.get(step).map_or("?", |step| step.label.as_str());
    let gaps = flow.unsearched.iter();
    let gaps: Vec<String> = gaps
        .map(|step| format!("{} to {}", label(step.saturating_sub(1)), label(*step)))
        .collect();
    if gaps.is_empty() {
        return String::new();
    }
    format!(
        "; not searched, since the gap is more than twice those beside it: steps {}",
        gaps.join(", ")
    )
}

pub(super) fn recommendation(flow: &Flow, target: Target) -> String {
    match &flow.recommendation {
        Recommendation::Checkpoint { step, reason } => {
            let found = flow.steps.get(*step);
            let label = found.map_or("?", |step| step.label.as_str());
            let reference = found.map_or("", |step| step.checkpoint.reference.as_str());
            format!(
                "recommendation: step {} ({}), {}",
                target.text(label),
                target.code(reference),
                target.text(reason)
            )
        }
        Recommendation::None { reason } => {
            format!("no recommendation: {}", target.text(reason))
        }
    }
}

/// What is wrong with checkpoints, and what was not read; a page lists the latter elsewhere.
pub(super) fn problem_lines(flow: &Flow, target: Target) -> Vec<String> {
    let label = |step: usize| flow.steps.get(step).map_or("?", |step| step.label.as_str());
    let most = most_lines(target);
    let mut lines: Vec<String> = flow
        .problems
        .iter()
        .take(most)
        .map(|problem| {
            let fact = &problem.fact;
            let kind = if fact.note { "note" } else { "problem" };
            let layer = fact
                .layer
                .as_ref()
                .map(|layer| format!(" {}:", target.name(layer.as_str())))
                .unwrap_or_default();
            format!(
                "{kind} at step {}, {}:{layer} {}",
                target.text(label(problem.step)),
                fact.code.as_str(),
                target.text(&fact.message)
            )
        })
        .collect();
    let hidden = flow.problems.len().saturating_sub(most);
    if hidden > 0 {
        lines.push(format!("and {hidden} more problems and notes"));
    }
    if target == Target::Html {
        return lines;
    }
    lines.extend(flow.skipped.iter().take(LINES).map(|skipped| {
        format!(
            "skipped {}: {}",
            target.name(&skipped.tensor),
            target.text(&skipped.reason)
        )
    }));
    let hidden = flow.skipped.len().saturating_sub(LINES);
    if hidden > 0 {
        lines.push(format!("and {hidden} more skipped"));
    }
    lines
}

/// The values at the first and at the last step; `-` where there is none.
pub(super) fn ends(series: &Series) -> (String, String) {
    let short = |value: Option<&Measured>| {
        let value = value.and_then(Measured::value);
        value.map_or_else(|| "-".to_owned(), number::short)
    };
    (short(series.values.first()), short(series.values.last()))
}
