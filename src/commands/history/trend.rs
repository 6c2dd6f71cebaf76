//! `tunegate history trend`: numbers of the model over its runs, drawn or as a table.

use serde_json::{Value, json};

use super::limits::{Limits, Window};
use super::page::{self, Wanted};
use super::render::{self, plain, plural};
use super::{filter, reader};
use crate::cli::{HistoryFormat, TrendArgs};
use crate::commands::{CommandError, Outcome, emit};
use crate::fs;
use crate::history::{Act, HistoryError, Run, Standing, standing};
use crate::layer::Role;
use crate::policy::Policy;
use crate::report::chart::{Chart, LEGEND, Mark};
use crate::report::{escape, number, spark};
use crate::spectrum::metric::Metric;
use crate::term::Printer;
use crate::verdict::baseline::JUDGED;

const FORMATS: &[(&str, ())] = &[("html", ())];

/// Columns that axis and notes take.
const MARGIN: usize = 28;
const NARROWEST: usize = 20;
/// Runs that a sparkline shows.
const SPARK: usize = 60;

/// One number over the runs of one model and branch.
struct Line<'a> {
    metric: Metric,
    role: Option<Role>,
    runs: &'a [&'a Run],
    marks: Vec<Mark>,
    limits: Option<Limits>,
    /// What the limits are, or why there are none.
    about: String,
}

/// What is drawn.
struct Trend<'a> {
    newest: &'a Run,
    title: String,
    /// What is not drawn, and what is drawn beside the runs that the limits are of.
    remarks: Vec<String>,
    lines: Vec<Line<'a>>,
    window: Window<'a>,
}

pub(super) fn run(args: &TrendArgs, printer: &Printer) -> Result<Outcome, CommandError> {
    let emits = emit::parse(&args.emit, FORMATS)?;
    let metrics = metrics(&args.metric)?;
    let role = args.role.as_deref().map(super::bisect::role).transpose()?;
    let policy = Policy::load(&args.policy.policy)?;
    let mut store = reader(&args.store)?;
    let (runs, acts) = store.runs(&filter(&args.select))?;
    let newest = runs.last().ok_or(HistoryError::Empty)?;
    for emit in &emits {
        let metrics = metrics.clone();
        let wanted = Wanted { metrics, role };
        let text = page::render(&mut store, &runs, &acts, &policy, wanted)?;
        fs::write_atomic(&emit.path, text.as_bytes())?;
    }
    // Charts of several models in one would mean nothing: the one that ran last.
    let line: Vec<Run> = runs
        .iter()
        .filter(|run| run.model == newest.model && run.branch == newest.branch)
        .cloned()
        .collect();
    let own: Vec<&Run> = line
        .iter()
        .filter(|run| run.estimator == newest.estimator)
        .collect();
    let shown = &own[own.len().saturating_sub(args.last)..];
    let baseline = store.baseline_after(newest, line.clone(), &acts)?;
    let window = Window::new(&baseline, &policy);
    let limits = window.limits(&metrics, role);
    let lines = metrics.into_iter().zip(limits).map(|(metric, limits)| {
        let about = window.text(metric, limits.as_ref());
        Line::new(metric, role, shown, &acts, limits, about)
    });
    let trend = Trend {
        newest,
        title: format!(
            "{}, branch {}: {} of {} runs",
            plain(&newest.model),
            plain(&newest.branch),
            shown.len(),
            own.len()
        ),
        remarks: remarks(&runs, &line, &own, shown, newest),
        lines: lines.collect(),
        window,
    };
    Ok(Outcome::document(match args.output.format {
        HistoryFormat::Human => human(&trend, printer),
        HistoryFormat::Json => json(&trend),
        HistoryFormat::Markdown => markdown(&trend),
    }))
}

/// What the runs of a trend are not, each in a sentence.
fn remarks(runs: &[Run], line: &[Run], own: &[&Run], shown: &[&Run], newest: &Run) -> Vec<String> {
    let bases = shown
        .iter()
        .filter(|run| run.base.digest != newest.base.digest);
    let counts = [
        (
            runs.len() - line.len(),
            "of another model or branch: `--model` and `--branch` choose",
        ),
        (
            line.len() - own.len(),
            "measured with other settings, not drawn",
        ),
        (
            bases.count(),
            "on another base, drawn and no part of the limits",
        ),
    ];
    let some = counts.into_iter().filter(|(count, _)| *count > 0);
    some.map(|(count, what)| format!("{} {what}", plural(count, "run")))
        .collect()
}

fn metrics(names: &[String]) -> Result<Vec<Metric>, CommandError> {
    if names.is_empty() {
        // Those that the verdict follows.
        return Ok(JUDGED.iter().map(|judged| judged.metric).collect());
    }
    names
        .iter()
        .map(|name| super::bisect::metric(name))
        .collect()
}

impl<'a> Line<'a> {
    fn new(
        metric: Metric,
        role: Option<Role>,
        runs: &'a [&'a Run],
        acts: &[Act],
        limits: Option<Limits>,
        about: String,
    ) -> Self {
        let mark = |run: &Run| match standing(run, acts) {
            Standing::Anchor => Mark::Anchor,
            Standing::Accepted => Mark::Accepted,
            Standing::Open => Mark::Open,
        };
        Self {
            metric,
            role,
            runs,
            marks: runs.iter().map(|run| mark(run)).collect(),
            limits,
            about,
        }
    }

    fn name(&self) -> String {
        match self.role {
            Some(role) => format!("median {} of {role}", self.metric),
            None => format!("median {}", self.metric),
        }
    }

    fn value(&self, run: &Run) -> Option<f64> {
        run.levels.get(self.metric, self.role)
    }
}

fn human(trend: &Trend<'_>, printer: &Printer) -> String {
    let width = printer.width().unwrap_or(100);
    let columns = width.saturating_sub(MARGIN).max(NARROWEST);
    let mut text = format!("{}\n", trend.title);
    text.extend(trend.remarks.iter().map(|remark| format!("{remark}\n")));
    text.push('\n');
    for line in &trend.lines {
        let chart = Chart {
            title: line.name(),
            points: line
                .runs
                .iter()
                .zip(&line.marks)
                .map(|(run, mark)| Some((line.value(run)?, *mark)))
                .collect(),
            lower: line.limits.as_ref().map(|limits| limits.lower),
            upper: line.limits.as_ref().map(|limits| limits.upper),
        };
        text.push_str(&chart.draw(columns));
        text.extend([format!("  {}\n\n", line.about)]);
    }
    text.push_str(LEGEND);
    text.push('\n');
    text
}

fn json(trend: &Trend<'_>) -> String {
    let series: Vec<Value> = trend
        .lines
        .iter()
        .map(|line| {
            let points: Vec<Value> = line
                .runs
                .iter()
                .zip(&line.marks)
                .map(|(run, mark)| {
                    json!({
                        "run": run.id,
                        "recorded": run.recorded.to_string(),
                        "value": line.value(run),
                        "verdict": run.verdict.as_str(),
                        "accepted": *mark != Mark::Open,
                        "anchor": *mark == Mark::Anchor,
                        "same_base": run.base.digest == trend.newest.base.digest,
                    })
                })
                .collect();
            json!({
                "metric": line.metric.as_str(),
                "role": line.role.map(Role::as_str),
                "centre": line.limits.as_ref().map(|limits| limits.centre),
                "lower": line.limits.as_ref().map(|limits| limits.lower),
                "upper": line.limits.as_ref().map(|limits| limits.upper),
                "judged": line.limits.as_ref().map(|limits| limits.judged),
                "about": line.about,
                "points": points,
            })
        })
        .collect();
    render::document(
        "trend",
        json!({
            "model": trend.newest.model,
            "branch": trend.newest.branch,
            "window": trend.window.json(),
            "remarks": trend.remarks,
            "series": series,
        }),
    )
}

fn markdown(trend: &Trend<'_>) -> String {
    let head = std::iter::once(&trend.title).chain(&trend.remarks);
    let head: Vec<String> = head.map(|line| escape::markdown_text(line)).collect();
    let mut text = format!(
        "{}\n\n| number | runs | last | limits |\n|:--|:--|--:|:--|\n",
        head.join("\n\n")
    );
    for line in &trend.lines {
        #[expect(clippy::cast_possible_truncation, reason = "a picture, not a number")]
        let values: Vec<f32> = line
            .runs
            .iter()
            .map(|run| line.value(run).map_or(f32::NAN, |value| value as f32))
            .collect();
        let newest = &values[values.len().saturating_sub(SPARK)..];
        let last = line.runs.last().and_then(|run| line.value(run));
        let limits = line.limits.as_ref().map_or_else(
            || escape::markdown_text(&line.about),
            |limits| {
                format!(
                    "{} to {}: {}",
                    number::short(limits.lower),
                    number::short(limits.upper),
                    escape::markdown_text(&line.about)
                )
            },
        );
        text.extend([format!(
            "| {} | {} | {} | {limits} |\n",
            line.name().replace('_', "\\_"),
            spark::sparkline(newest),
            last.map_or_else(|| "-".to_owned(), number::short),
        )]);
    }
    text
}
