//! Numbers of the model over its runs, as the charts and tables of a report show them.

use crate::layer::Role;
use crate::num::Finite;
use crate::spectrum::metric::Metric;

/// The run at hand among the accepted runs before it.
#[derive(Debug, Clone, Default)]
pub struct Trend {
    /// Where the earlier runs come from.
    pub source: String,
    pub series: Vec<Series>,
}

/// One number over the runs, with the limits that it is judged by.
#[derive(Debug, Clone)]
pub struct Series {
    pub metric: Metric,
    /// `None`: over all matrices of the body.
    pub role: Option<Role>,
    /// Oldest first; the run at hand is the last.
    pub points: Vec<TrendPoint>,
    /// Mean of the runs that set the limits.
    pub centre: Option<Finite>,
    /// Limits of a single run (Shewhart).
    pub lower: Option<Finite>,
    pub upper: Option<Finite>,
    /// Index into `points` of the run since which the level has moved.
    pub since: Option<usize>,
}

#[derive(Debug, Clone)]
pub struct TrendPoint {
    pub run: String,
    /// RFC 3339 in UTC; empty for a run without a time.
    pub recorded: String,
    pub value: Finite,
    /// Exponentially weighted mean up to this run, where the chart has one.
    pub smoothed: Option<Finite>,
}
