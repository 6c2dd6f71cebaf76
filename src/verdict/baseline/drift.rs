//! Levels over runs: the series that charts show, and creeps that no single run shows.
//!
//! The reference of a creep is the first half of the runs since the anchor, at most ten: what comes
//! after is held against it, so that a creep does not carry its own limits along.

use super::levels::Scatters;
use super::{Bounds, GoodRuns, JUDGED, Judged, LayerModel, MODEL_SHARE, ROLE_SHARE};
use super::{expected, levels};
use crate::calibrate::chart::{WIDTH, since, weighted_mean_limit, weighted_means};
use crate::calibrate::distribution::normal_two_sided;
use crate::calibrate::moderated::successive_variance;
use crate::calibrate::{Prior, Spread};
use crate::compare::{BaselineRuns, Comparison, Levels};
use crate::layer::Role;
use crate::num::{self, Finite};
use crate::policy::BaselineSettings;
use crate::verdict::{Series, Trend, TrendPoint};

/// Runs of the reference, at most.
const REFERENCE: usize = 10;
/// Runs after the reference before a trend can be told from a jump.
const LEAST_MONITORED: usize = 3;

/// A weighted mean outside its limits.
#[derive(Debug)]
pub(super) struct Creep {
    pub(super) judged: &'static Judged,
    pub(super) role: Option<Role>,
    /// Index of its series in the trend.
    pub(super) series: usize,
    /// Index of the point since which it moves.
    pub(super) since: Option<usize>,
    /// In the metric's unit.
    pub(super) centre: f64,
    pub(super) level: f64,
    pub(super) bounds: Bounds,
    /// Runs since then that are far out by themselves.
    pub(super) far: usize,
    excess: f64,
}

/// The weighted means of one series, on the metric's scale.
struct Chart {
    centre: f64,
    /// Index into the runs since the anchor of the first monitored one.
    first: usize,
    means: Vec<f64>,
    /// Whether a monitored run is beyond the limit of a single one.
    far: Vec<bool>,
    /// Half width of the limits of the last mean.
    half_width: f64,
}

/// All series, and the creeps among them, the worst first. There are no `limits` where there are too
/// few runs to have any.
pub(super) fn trend(
    comparison: &Comparison,
    runs: &BaselineRuns,
    good: &GoodRuns<'_>,
    current: &Levels,
    limits: Option<(&[LayerModel<'_>], &BaselineSettings)>,
) -> (Trend, Vec<Creep>) {
    let mut trend = Trend {
        source: runs.source.clone(),
        series: Vec::new(),
    };
    let limits = limits.map(|(models, settings)| (Scatters::of(models), settings));
    let mut creeps = Vec::new();
    let roles: Vec<Option<Role>> = std::iter::once(None)
        .chain(good.roles().into_iter().map(Some))
        .collect();
    let role_count = roles.len().saturating_sub(1);
    for role in roles {
        for judged in JUDGED {
            let Some(now) = current.0.get(&(judged.metric, role)).copied() else {
                continue;
            };
            let mut series = series(comparison, runs, judged, role, now);
            // The charts of a run share one error: half for the model's, half for the roles'.
            let alike = if role.is_some() { role_count } else { 1 };
            let tests = 2 * JUDGED.len() * alike;
            if let Some((scatters, settings)) = &limits {
                add_limits(&mut series, good, scatters, settings);
                let scatter = scatters.of_median(judged.metric, role);
                let prior = expected::prior(judged, scatter, levels::role_factor(role));
                creeps.extend(
                    chart(good, (judged, role), now, prior, tests)
                        .and_then(|chart| add_chart(&mut series, &chart, good, judged))
                        .map(|creep| Creep {
                            series: trend.series.len(),
                            ..creep
                        }),
                );
            }
            trend.series.push(series);
        }
    }
    creeps.sort_by(|left, right| {
        let model_first = left.role.is_some().cmp(&right.role.is_some());
        model_first.then(right.excess.total_cmp(&left.excess))
    });
    (trend, creeps)
}

/// Every run that has the number, and the run at hand.
fn series(
    comparison: &Comparison,
    runs: &BaselineRuns,
    judged: &Judged,
    role: Option<Role>,
    now: Finite,
) -> Series {
    let earlier = runs.runs.iter().filter_map(|run| {
        let value = *run.levels.0.get(&(judged.metric, role))?;
        Some(TrendPoint {
            run: run.id.clone(),
            recorded: run.recorded.clone(),
            value,
            smoothed: None,
        })
    });
    let this = TrendPoint {
        run: comparison.tuned.reference.clone(),
        recorded: String::new(),
        value: now,
        smoothed: None,
    };
    Series {
        metric: judged.metric,
        role,
        points: earlier.chain(std::iter::once(this)).collect(),
        centre: None,
        lower: None,
        upper: None,
        since: None,
    }
}

/// The limits of a single run, as it is judged when nothing else is out.
pub(super) fn add_limits(
    series: &mut Series,
    good: &GoodRuns<'_>,
    scatters: &Scatters,
    settings: &BaselineSettings,
) {
    let Some(expected) = levels::expected(good, scatters, series.metric, series.role) else {
        return;
    };
    let share = if series.role.is_some() {
        ROLE_SHARE / num::max(good.roles().len() as f64, 1.0)
    } else {
        MODEL_SHARE
    };
    let error = settings.family_wise_error.get() * share / JUDGED.len() as f64;
    let bounds = expected.bounds(expected.half_width(error, expected.judged.fail));
    series.centre = Finite::new(expected.centre_value());
    series.lower = Finite::new(bounds.min);
    series.upper = Finite::new(bounds.max);
}

/// `None` where there are too few runs after the reference, or a value without a place on the scale.
fn chart(
    good: &GoodRuns<'_>,
    (judged, role): (&Judged, Option<Role>),
    now: Finite,
    prior: Prior,
    tests: usize,
) -> Option<Chart> {
    let placed: Option<Vec<f64>> = good
        .all()
        .iter()
        .map(|run| run.levels.get(judged.metric, role))
        .chain(std::iter::once(Some(now.get())))
        .map(|value| judged.scale.forward(value?))
        .collect();
    let placed = placed?;
    let first = good.all().len().div_ceil(2).clamp(2, REFERENCE);
    let reference = placed.get(..first)?;
    let monitored = placed
        .get(first..)
        .filter(|runs| runs.len() >= LEAST_MONITORED)?;
    let centre = num::mean(reference)?;
    let (own, df) = successive_variance(reference);
    let spread = prior.moderate(own, df).at_least(judged.floor());
    Some(weigh(centre, spread, first, monitored, tests))
}

fn weigh(centre: f64, spread: Spread, first: usize, monitored: &[f64], tests: usize) -> Chart {
    let runs = first as f64;
    // No single run may carry the mean out: that is a jump, which is judged as such.
    let most = spread.prediction_factor(runs, 0.0027) * spread.sd;
    let tamed: Vec<f64> = monitored
        .iter()
        .map(|value| centre + num::max(-most, num::min(most, value - centre)))
        .collect();
    let error = normal_two_sided(WIDTH) / num::max(tests as f64, 1.0);
    Chart {
        centre,
        first,
        means: weighted_means(&tamed, centre),
        far: monitored
            .iter()
            .map(|value| (value - centre).abs() > most)
            .collect(),
        half_width: weighted_mean_limit(spread, runs, monitored.len(), error),
    }
}

/// Writes the weighted means into the series; a creep where the last one is out.
fn add_chart(
    series: &mut Series,
    chart: &Chart,
    good: &GoodRuns<'_>,
    judged: &'static Judged,
) -> Option<Creep> {
    // Every run since the anchor has the number, so that those before it are the rest.
    let start = series.points.len().checked_sub(good.all().len() + 1)? + chart.first;
    for (point, mean) in series.points.iter_mut().skip(start).zip(&chart.means) {
        point.smoothed = Finite::new(judged.scale.inverse(*mean));
    }
    let last = *chart.means.last()?;
    let size = (last - chart.centre).abs();
    if size <= chart.half_width || size < judged.warn / 2.0 {
        return None;
    }
    let moving = since(&chart.means, chart.centre);
    series.since = moving.map(|index| start + index);
    let far = chart.far.iter().skip(moving.unwrap_or(0));
    let limit = num::max(chart.half_width, judged.warn / 2.0);
    Some(Creep {
        judged,
        role: series.role,
        series: 0,
        since: series.since,
        centre: judged.scale.inverse(chart.centre),
        level: judged.scale.inverse(last),
        bounds: Bounds {
            min: judged.scale.inverse(chart.centre - limit),
            max: judged.scale.inverse(chart.centre + limit),
        },
        far: far.filter(|far| **far).count(),
        excess: size / limit,
    })
}
