//! The limits of a run that is still to come, for charts.

use super::levels::Scatters;
use super::{GoodRuns, drift, layer_models};
use crate::layer::Role;
use crate::num::Finite;
use crate::policy::BaselineSettings;
use crate::spectrum::metric::Metric;
use crate::verdict::Series;

/// Between these one more run's median passes, in the metric's unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NextLimits {
    pub centre: f64,
    pub lower: f64,
    pub upper: f64,
}

/// For each metric the limits beyond which one more run would fail, where nothing else of it is out:
/// those of the trend in its report. `None` where a metric is not judged over runs, where too few runs
/// have it, and for all where there are fewer runs than the policy asks for.
pub fn next_limits(
    good: &GoodRuns<'_>,
    settings: &BaselineSettings,
    metrics: &[Metric],
    role: Option<Role>,
) -> Vec<Option<NextLimits>> {
    if good.count() == 0 || good.count() < settings.min_runs as usize {
        return vec![None; metrics.len()];
    }
    let scatters = Scatters::of(&layer_models(good));
    let limits = |metric: &Metric| {
        let mut series = Series {
            metric: *metric,
            role,
            points: Vec::new(),
            centre: None,
            lower: None,
            upper: None,
            since: None,
        };
        drift::add_limits(&mut series, good, &scatters, settings);
        Some(NextLimits {
            centre: series.centre.map(Finite::get)?,
            lower: series.lower.map(Finite::get)?,
            upper: series.upper.map(Finite::get)?,
        })
    };
    metrics.iter().map(limits).collect()
}
