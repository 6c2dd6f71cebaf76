//! Medians of the model and of each role against those of good runs: few tests with the most power
//! against what goes wrong in a whole run.

use std::collections::BTreeMap;

use super::judged::ROLE_FACTOR;
use super::{Bounds, Expected, GoodRuns, JUDGED, LayerModel, MODEL_SHARE, ROLE_SHARE};
use crate::calibrate::multiplicity::{benjamini_hochberg, holm};
use crate::code::Level;
use crate::compare::Levels;
use crate::layer::Role;
use crate::num;
use crate::policy::BaselineSettings;
use crate::spectrum::metric::Metric;

/// One median, judged.
#[derive(Debug)]
pub(super) struct LevelTest {
    pub(super) role: Option<Role>,
    pub(super) expected: Expected,
    pub(super) observed: f64,
    pub(super) deviation: f64,
    pub(super) p: f64,
    /// `None` where it is as expected.
    pub(super) level: Option<Level>,
    /// Beyond these it fails, or warns where it warns; where it is as expected, what matters at least.
    pub(super) bounds: Bounds,
    /// Half the width between them, on the metric's scale.
    pub(super) half_width: f64,
}

impl LevelTest {
    pub(super) fn metric(&self) -> Metric {
        self.expected.judged.metric
    }

    /// How many times its limit it deviates, to find the worst.
    pub(super) fn excess(&self) -> f64 {
        self.deviation.abs() / self.half_width
    }
}

/// All tests of the model, then all of the roles.
pub(super) fn judge(
    good: &GoodRuns<'_>,
    models: &[LayerModel<'_>],
    current: &Levels,
    settings: &BaselineSettings,
) -> Vec<LevelTest> {
    let error = settings.family_wise_error.get();
    let rate = settings.false_discovery_rate.get();
    let scatters = Scatters::of(models);
    let model = family(good, &scatters, current, &[None]);
    let mut tests = decide(model, error * MODEL_SHARE, rate * MODEL_SHARE);
    let roles: Vec<Option<Role>> = good.roles().into_iter().map(Some).collect();
    let roles = family(good, &scatters, current, &roles);
    tests.extend(decide(roles, error * ROLE_SHARE, rate * ROLE_SHARE));
    tests
}

fn family(
    good: &GoodRuns<'_>,
    scatters: &Scatters,
    current: &Levels,
    roles: &[Option<Role>],
) -> Vec<LevelTest> {
    let mut tests = Vec::new();
    for role in roles {
        for judged in JUDGED {
            let Some(expected) = expected(good, scatters, judged.metric, *role) else {
                continue;
            };
            let Some(observed) = current.get(judged.metric, *role) else {
                continue;
            };
            let deviation = expected.deviation(observed);
            tests.push(LevelTest {
                role: *role,
                p: expected.p(deviation),
                bounds: expected.bounds(judged.fail),
                half_width: judged.fail,
                expected,
                observed,
                deviation,
                level: None,
            });
        }
    }
    tests
}

/// What good runs make one expect of a median; `None` where fewer than two of several runs have it.
pub(super) fn expected(
    good: &GoodRuns<'_>,
    scatters: &Scatters,
    metric: Metric,
    role: Option<Role>,
) -> Option<Expected> {
    let judged = JUDGED.iter().find(|judged| judged.metric == metric)?;
    let values = good.levels(metric, role);
    if values.is_empty() || values.len() < good.setting().count().min(2) {
        return None;
    }
    Expected::of(
        judged,
        &values,
        scatters.of_median(metric, role),
        role_factor(role),
    )
}

/// How much more than the model a role scatters.
pub(super) fn role_factor(role: Option<Role>) -> f64 {
    if role.is_some() { ROLE_FACTOR } else { 1.0 }
}

/// Sums of the variances of single layers and their number, by metric; of the body and of each role.
#[derive(Debug, Default)]
pub(super) struct Scatters(BTreeMap<(Metric, Option<Role>), (f64, f64)>);

impl Scatters {
    pub(super) fn of(models: &[LayerModel<'_>]) -> Self {
        let mut sums: BTreeMap<_, (f64, f64)> = BTreeMap::new();
        for model in models {
            for role in [None, Some(model.role)] {
                let (sum, count) = sums.entry((model.judged.metric, role)).or_default();
                *sum += model.spread.sd * model.spread.sd;
                *count += 1.0;
            }
        }
        Self(sums)
    }

    /// Standard deviation of a median that the scatter of single layers alone gives: sqrt(pi / 2) that
    /// of a mean. A role without models, which is one of a single layer, scatters as any single layer
    /// does.
    pub(super) fn of_median(&self, metric: Metric, role: Option<Role>) -> f64 {
        if let Some((sum, count)) = self.0.get(&(metric, role)) {
            return (std::f64::consts::FRAC_PI_2 * sum).sqrt() / count;
        }
        let body = self.0.get(&(metric, None));
        body.map_or(0.0, |(sum, count)| (sum / count).sqrt())
    }
}

/// Fails what is significant by Holm's method and large enough, warns what is by that of Benjamini and
/// Hochberg.
fn decide(mut tests: Vec<LevelTest>, error: f64, rate: f64) -> Vec<LevelTest> {
    let p_values: Vec<f64> = tests.iter().map(|test| test.p).collect();
    let failed = holm(&p_values, error);
    let warned = benjamini_hochberg(&p_values, rate);
    let (strict, lenient) = thresholds(&p_values, error, rate);
    for (index, test) in tests.iter_mut().enumerate() {
        let judged = test.expected.judged;
        let size = test.deviation.abs();
        let inside = |effect: f64| size < effect;
        if failed[index] && !inside(judged.fail) {
            test.level = Some(Level::Fail);
        } else if warned[index] && !inside(judged.warn) {
            test.level = Some(Level::Warn);
        }
        let (p, effect) = match test.level {
            Some(Level::Warn) => (lenient, judged.warn),
            Some(Level::Fail | Level::Note) => (strict, judged.fail),
            None => continue,
        };
        let half = test.expected.half_width(p, effect);
        test.bounds = test.expected.bounds(half);
        test.half_width = half;
    }
    tests
}

/// The p-values at which a test fails and warns, as the limits that are shown.
pub(super) fn thresholds(p_values: &[f64], error: f64, rate: f64) -> (f64, f64) {
    let count = p_values.len() as f64;
    let hits = |significant: Vec<bool>| significant.into_iter().filter(|yes| *yes).count() as f64;
    let failing = hits(holm(p_values, error));
    let warning = hits(benjamini_hochberg(p_values, rate));
    // Where none fails, the bound is that of the first step.
    let strict = error / (count - num::max(failing, 1.0) + 1.0);
    let lenient = rate * num::max(warning, 1.0) / count;
    (num::min(strict, error), lenient)
}

/// The roles' tests of one metric, the farthest out first.
pub(super) fn worst_roles(tests: &[LevelTest], metric: Metric) -> Vec<Role> {
    let mut by_role: BTreeMap<Role, f64> = BTreeMap::new();
    for test in tests.iter().filter(|test| test.metric() == metric) {
        if let Some(role) = test.role
            && test.level.is_some()
        {
            by_role.insert(role, test.excess());
        }
    }
    let mut roles: Vec<(Role, f64)> = by_role.into_iter().collect();
    roles.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
    roles.into_iter().map(|(role, _)| role).collect()
}
