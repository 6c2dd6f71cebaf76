//! Runs as text, JSON and Markdown.

use serde_json::{Value, json};

use crate::history::{Act, Run, standing};
use crate::report::human::columns_text;
use crate::report::{escape, json as report_json, number};
use crate::spectrum::metric::Metric;

/// Of a commit or a digest.
const SHORT: usize = 12;
/// Columns of a reason in a table.
const REASON: usize = 60;

/// Text from a store on one line of a terminal.
pub(super) fn plain(text: &str) -> String {
    escape::terminal(text)
}

/// `1 run`, `3 runs`.
pub(super) fn plural(count: usize, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// One document, headed like a report.
pub(super) fn document(name: &str, value: Value) -> String {
    let mut root = report_json::head();
    root.insert(name.to_owned(), value);
    report_json::to_text(root)
}

/// A run without its numbers.
pub(super) fn summary(run: &Run) -> Value {
    json!({
        "id": run.id,
        "recorded": run.recorded.to_string(),
        "model": run.model,
        "branch": run.branch,
        "commit": run.commit,
        "base": run.base,
        "tuned": run.tuned,
        "policy": run.policy,
        "estimator": run.estimator,
        "tool": run.tool,
        "verdict": run.verdict.as_str(),
        "reason": run.reason,
        "fail": run.fail,
        "warn": run.warn,
        "deviates": run.deviates,
        "layers": run.layer_count,
    })
}

pub(super) fn acts(run: &Run, acts: &[Act]) -> Value {
    let own = acts.iter().filter(|act| act.run == run.id);
    own.map(|act| {
        json!({ "kind": "accept", "time": act.acted.to_string(), "by": act.by, "reason": act.reason })
    })
    .collect()
}

const TITLES: [&str; 9] = [
    "run",
    "time (UTC)",
    "model",
    "branch",
    "verdict",
    "standing",
    "update",
    "alpha",
    "reason",
];

fn cells(run: &Run, acts: &[Act]) -> [String; 9] {
    let level = |metric| {
        let value = run.levels.get(metric, None);
        value.map_or_else(|| "-".to_owned(), number::short)
    };
    [
        run.id.clone(),
        run.recorded.strftime("%Y-%m-%d %H:%M").to_string(),
        run.model.clone(),
        run.branch.clone(),
        run.verdict.as_str().to_owned(),
        standing(run, acts).as_str().to_owned(),
        level(Metric::RelativeUpdate),
        level(Metric::Alpha),
        run.reason.clone(),
    ]
}

pub(super) fn table(runs: &[Run], acts: &[Act]) -> String {
    let titles = TITLES.iter().map(|title| (*title).to_owned()).collect();
    let rows = runs.iter().map(|run| {
        cells(run, acts)
            .iter()
            .map(|cell| escape::shorten(&plain(cell), REASON).into_owned())
            .collect()
    });
    columns_text(titles, rows) + "\n"
}

pub(super) fn markdown_table(runs: &[Run], acts: &[Act]) -> String {
    let mut text = format!(
        "| {} |\n|{}\n",
        TITLES.join(" | "),
        ":--|".repeat(TITLES.len())
    );
    for run in runs {
        let cells = cells(run, acts).map(|cell| escape::markdown_text(&cell));
        text.extend([format!("| {} |\n", cells.join(" | "))]);
    }
    text
}

/// One run: its facts, what was done about it, and its numbers.
pub(super) fn details(run: &Run, acts: &[Act]) -> String {
    let checkpoint = |key: &crate::history::CheckpointKey| {
        format!("{} ({})", plain(&key.reference), plain(&key.digest))
    };
    let commit = run.commit.as_deref().unwrap_or("-");
    let facts = [
        ("run", plain(&run.id)),
        ("time", run.recorded.to_string()),
        ("model", plain(&run.model)),
        ("branch", plain(&run.branch)),
        ("commit", plain(commit)),
        ("base", checkpoint(&run.base)),
        ("tuned", checkpoint(&run.tuned)),
        ("policy", plain(&run.policy.name)),
        (
            "verdict",
            format!("{}: {}", run.verdict.as_str(), plain(&run.reason)),
        ),
        ("standing", standing(run, acts).as_str().to_owned()),
        (
            "measured",
            format!(
                "{} layers by tunegate {}, settings {}",
                run.layer_count,
                plain(&run.tool),
                plain(&run.estimator)
            ),
        ),
    ];
    let mut text = String::new();
    for (name, value) in facts {
        text.extend([format!("{name:<9} {value}\n")]);
    }
    for act in acts.iter().filter(|act| act.run == run.id) {
        let (by, reason) = (plain(&act.by), plain(&act.reason));
        text.extend([format!("accepted  {} by {by}: {reason}\n", act.acted)]);
    }
    text.push_str("\nmedian over the matrices of the body\n");
    let rows = Metric::ALL.iter().filter_map(|metric| {
        let value = run.levels.get(*metric, None)?;
        Some(vec![metric.as_str().to_owned(), number::short(value)])
    });
    let titles = ["metric", "value"].map(str::to_owned).to_vec();
    text.push_str(&columns_text(titles, rows));
    text.push('\n');
    text
}

/// The first characters of a digest or commit.
pub(super) fn short(text: &str) -> String {
    let bare = text.strip_prefix("sha256:").unwrap_or(text);
    plain(&bare.chars().take(SHORT).collect::<String>())
}
