//! Numbers of the model over its last runs, one row each.

use serde::Serialize;

use super::Target;
use crate::report::{Report, number, spark};
use crate::verdict::{FindingLimit, Series};

/// Runs that a sparkline shows, the newest.
const RUNS: usize = 30;

#[derive(Debug, Clone, Serialize)]
pub struct TrendRow {
    pub metric: String,
    /// One block a run; the last is the run at hand.
    pub runs: String,
    pub last: String,
    /// Limits of a single run; empty where there are too few runs.
    pub limit: String,
    /// The last value is outside.
    pub outside: bool,
}

/// The numbers over all matrices of the body; those of single roles are in the JSON report.
pub(super) fn rows(report: &Report, target: Target) -> Vec<TrendRow> {
    let series = report
        .judgement
        .trend
        .iter()
        .flat_map(|trend| &trend.series);
    series
        .filter(|series| series.role.is_none() && !series.points.is_empty())
        .map(|series| row(series, target))
        .collect()
}

fn row(series: &Series, target: Target) -> TrendRow {
    let limit = FindingLimit {
        min: series.lower,
        max: series.upper,
    };
    let shown = series.points.len().saturating_sub(RUNS);
    #[expect(clippy::cast_possible_truncation, reason = "a picture, not a number")]
    let values: Vec<f32> = series.points[shown..]
        .iter()
        .map(|point| point.value.get() as f32)
        .collect();
    let last = series.points.last().map(|point| point.value);
    let outside = last.is_some_and(|last| {
        let under = series.lower.is_some_and(|lower| last < lower);
        under || series.upper.is_some_and(|upper| last > upper)
    });
    TrendRow {
        metric: target.code(series.metric.as_str()),
        runs: spark::sparkline(&values),
        last: last.map_or_else(String::new, |last| number::beside(last.get(), Some(limit))),
        limit: number::limit(limit),
        outside,
    }
}
