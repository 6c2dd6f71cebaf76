//! `tunegate history trend`: numbers of the model over its runs, drawn or as a table.

use serde_json::{Value, json};

use super::page::{self, Wanted};
use super::render::{self, plain};
use super::{filter, reader};
use crate::cli::{HistoryFormat, TrendArgs};
use crate::commands::{CommandError, Outcome, emit};
use crate::fs;
use crate::history::{Act, Filter, HistoryError, Run, Standing, standing};
use crate::layer::Role;
use crate::report::chart::{Chart, LEGEND, Mark};
use crate::report::{escape, number, spark};
use crate::spectrum::metric::Metric;
use crate::term::Printer;
use crate::verdict::Verdict;
use crate::verdict::baseline::JUDGED;

const FORMATS: &[(&str, ())] = &[("html", ())];

/// Columns that axis and notes take.
const MARGIN: usize = 28;
const NARROWEST: usize = 20;
/// Runs that a sparkline shows.
const SPARK: usize = 60;
/// Runs that limits need.
const FEWEST: usize = 5;

/// One number over the runs of one model and branch.
pub(super) struct Line<'a> {
    metric: Metric,
    role: Option<Role>,
    runs: &'a [&'a Run],
    marks: Vec<Mark>,
    pub(super) limits: Option<Limits>,
}

pub(super) struct Limits {
    pub(super) centre: f64,
    pub(super) lower: f64,
    pub(super) upper: f64,
    pub(super) runs: usize,
}

pub(super) fn run(args: &TrendArgs, printer: &Printer) -> Result<Outcome, CommandError> {
    let emits = emit::parse(&args.emit, FORMATS)?;
    let metrics = metrics(&args.metric)?;
    let role = args.role.as_deref().map(super::bisect::role).transpose()?;
    let mut store = reader(&args.store)?;
    let (runs, acts) = store.runs(&filter(&args.select))?;
    let newest = runs.last().ok_or(HistoryError::Empty)?;
    for emit in &emits {
        let metrics = metrics.clone();
        let text = page::render(&runs, &acts, store.location(), Wanted { metrics, role })?;
        fs::write_atomic(&emit.path, text.as_bytes())?;
    }
    // Charts of several models in one would mean nothing: the one that ran last.
    let (model, branch) = (newest.model.clone(), newest.branch.clone());
    let estimator = newest.estimator.clone();
    let own: Vec<&Run> = runs
        .iter()
        .filter(|run| run.model == model && run.branch == branch && run.estimator == estimator)
        .collect();
    let shown = &own[own.len().saturating_sub(args.last)..];
    let lines: Vec<Line<'_>> = metrics
        .into_iter()
        .map(|metric| Line::new(metric, role, shown, &acts))
        .collect();
    let title = format!(
        "{}, branch {}: {} of {} runs",
        plain(&model),
        plain(&branch),
        shown.len(),
        own.len()
    );
    Ok(Outcome::document(match args.format {
        HistoryFormat::Human => human(&title, &lines, printer),
        HistoryFormat::Json => {
            let filter = Filter {
                model: Some(model),
                branch: Some(branch),
                since: None,
            };
            json(&filter, &lines)
        }
        HistoryFormat::Markdown => markdown(&title, &lines),
    }))
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
    pub(super) fn new(
        metric: Metric,
        role: Option<Role>,
        runs: &'a [&'a Run],
        acts: &[Act],
    ) -> Self {
        let mark = |run: &Run| match standing(run, acts) {
            Standing::Anchor => Mark::Anchor,
            Standing::Accepted if run.verdict != Verdict::Fail => Mark::Accepted,
            Standing::Accepted | Standing::Open => Mark::Open,
        };
        let marks: Vec<Mark> = runs.iter().map(|run| mark(run)).collect();
        let start = marks.iter().rposition(|mark| *mark == Mark::Anchor);
        let accepted: Vec<f64> = runs
            .iter()
            .zip(&marks)
            .skip(start.unwrap_or(0))
            .filter(|(_, mark)| **mark != Mark::Open)
            .filter_map(|(run, _)| run.levels.get(metric, role))
            .collect();
        Self {
            metric,
            role,
            runs,
            marks,
            limits: Limits::of(&accepted),
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

impl Limits {
    /// Limits for one more run: mean plus and minus three standard deviations of such a run
    /// (Shewhart, with the factor of a prediction).
    fn of(values: &[f64]) -> Option<Self> {
        if values.len() < FEWEST {
            return None;
        }
        let count = values.len() as f64;
        let centre = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
        let deviation = (squares / (count - 1.0)).sqrt();
        let reach = 3.0 * deviation * (1.0 + 1.0 / count).sqrt();
        reach.is_finite().then_some(Self {
            centre,
            lower: centre - reach,
            upper: centre + reach,
            runs: values.len(),
        })
    }
}

fn human(title: &str, lines: &[Line<'_>], printer: &Printer) -> String {
    let width = printer.width().unwrap_or(100);
    let columns = width.saturating_sub(MARGIN).max(NARROWEST);
    let mut text = format!("{title}\n\n");
    for line in lines {
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
        match &line.limits {
            Some(limits) => text.extend([format!(
                "  limits: mean of {} accepted runs, {}, and three standard deviations of one more run\n\n",
                limits.runs,
                number::short(limits.centre)
            )]),
            None => text.extend([format!("  no limits with fewer than {FEWEST} accepted runs\n\n")]),
        }
    }
    text.push_str(LEGEND);
    text.push('\n');
    text
}

fn json(filter: &Filter, lines: &[Line<'_>]) -> String {
    let series: Vec<Value> = lines
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
                    })
                })
                .collect();
            json!({
                "metric": line.metric.as_str(),
                "role": line.role.map(Role::as_str),
                "centre": line.limits.as_ref().map(|limits| limits.centre),
                "lower": line.limits.as_ref().map(|limits| limits.lower),
                "upper": line.limits.as_ref().map(|limits| limits.upper),
                "points": points,
            })
        })
        .collect();
    render::document(
        "trend",
        json!({ "model": filter.model, "branch": filter.branch, "series": series }),
    )
}

fn markdown(title: &str, lines: &[Line<'_>]) -> String {
    let mut text = format!(
        "{}\n\n| number | runs | last | limits |\n|:--|:--|--:|:--|\n",
        escape::markdown_text(title)
    );
    for line in lines {
        #[expect(clippy::cast_possible_truncation, reason = "a picture, not a number")]
        let values: Vec<f32> = line
            .runs
            .iter()
            .map(|run| line.value(run).map_or(f32::NAN, |value| value as f32))
            .collect();
        let newest = &values[values.len().saturating_sub(SPARK)..];
        let last = line.runs.last().and_then(|run| line.value(run));
        let limits = line.limits.as_ref().map_or_else(
            || "too few runs".to_owned(),
            |limits| {
                format!(
                    "{} to {}",
                    number::short(limits.lower),
                    number::short(limits.upper)
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
