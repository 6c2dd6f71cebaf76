//! Limits from good runs as a policy can state them: fixed numbers for the model's medians, those of
//! each role, and all layers of a role at once.

use std::collections::{BTreeMap, BTreeSet};

use super::judged::LAYER_FACTOR;
use super::levels::{self, Scatters};
use super::{
    Bounds, Expected, GoodRuns, JUDGED, Judged, LAYER_SHARE, LayerModel, MODEL_SHARE, ROLE_SHARE,
};
use crate::calibrate::Spread;
use crate::layer::{LayerName, Role};
use crate::num;
use crate::policy::BaselineSettings;
use crate::spectrum::metric::Metric;

/// Metrics with limits for roles and single layers: those that tell what the training did.
const DETAILED: [Metric; 3] = [
    Metric::RelativeUpdate,
    Metric::UpdateStableRank,
    Metric::UpdateEffectiveRank,
];

/// With this confidence the limits hold this share of all good runs.
const CONFIDENCE: f64 = 0.95;
const WARN_CONTENT: f64 = 0.95;
const FAIL_CONTENT: f64 = 0.99;

/// What a limit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Model,
    /// Median of one role.
    Role(Role),
    /// Every layer of one role.
    Layers(Role),
}

/// Limits of one metric, and the numbers that they come from.
#[derive(Debug, Clone)]
pub struct CalibratedLimit {
    pub judged: &'static Judged,
    pub scope: Scope,
    pub warn: Bounds,
    pub fail: Bounds,
    /// Smallest and largest centre, in the metric's unit; equal but for [`Scope::Layers`].
    pub centre: (f64, f64),
    /// Standard deviation on the metric's scale, and its degrees of freedom; of layers, that of the one in
    /// the middle, as are factors and basis.
    pub spread: Spread,
    /// Factors of this standard deviation, for what warns and what fails.
    pub factor: (f64, f64),
    /// What set the two widths.
    pub basis: (Basis, Basis),
    /// Layers that it holds for.
    pub layers: usize,
}

/// What set the width of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The spread times its factor.
    Spread,
    /// The least difference that matters.
    Effect,
    /// The good runs themselves, which are inside.
    Seen,
}

/// Layers of a role that no good run changes.
#[derive(Debug, Clone, Copy)]
pub struct Untouched {
    pub role: Role,
    pub layers: usize,
}

/// Chances of a sound run to be outside one limit that warns, and one that fails.
#[derive(Debug, Clone, Copy)]
struct Errors {
    warn: f64,
    fail: f64,
}

impl Errors {
    /// The share of one kind of limits, evenly over `tests` of them. What warns and what fails are shared
    /// out alike, so that a sound run seldom warns however many limits there are.
    fn shared(settings: &BaselineSettings, share: f64, tests: usize) -> Self {
        let each = share / num::max(tests as f64, 1.0);
        Self {
            warn: settings.false_discovery_rate.get() * each,
            fail: settings.family_wise_error.get() * each,
        }
    }
}

/// Half the width of limits, on the metric's scale.
#[derive(Debug, Clone, Copy)]
struct Width {
    half: f64,
    factor: f64,
    basis: Basis,
}

impl Width {
    /// The widest of what the spread asks, what matters, and how far the good runs themselves are out.
    fn of(factor: f64, sd: f64, effect: f64, seen: f64) -> Self {
        let mut half = factor * sd;
        let mut basis = Basis::Spread;
        for (other, of) in [(effect, Basis::Effect), (seen, Basis::Seen)] {
            if other > half {
                (half, basis) = (other, of);
            }
        }
        Self {
            half,
            factor,
            basis,
        }
    }
}

/// Widths of what warns and of what fails, which are at least the effects that matter.
fn widths(
    spread: Spread,
    runs: f64,
    errors: Errors,
    effects: (f64, f64),
    seen: f64,
) -> (Width, Width) {
    let of = |error: f64, content: f64| spread.covering_factor(runs, error, content, CONFIDENCE);
    let fail = of(errors.fail, FAIL_CONTENT);
    // A policy may let more sound runs fail than warn.
    let warn = num::min(of(errors.warn, WARN_CONTENT), fail);
    (
        Width::of(warn, spread.sd, effects.0, seen),
        Width::of(fail, spread.sd, effects.1, seen),
    )
}

/// Limits of the model, then of roles, then of their layers.
pub fn calibrated(
    good: &GoodRuns<'_>,
    models: &[LayerModel<'_>],
    settings: &BaselineSettings,
) -> Vec<CalibratedLimit> {
    let roles = good.roles();
    let of_model = |tests: usize| Errors::shared(settings, MODEL_SHARE, tests);
    let of_roles = |tests: usize| Errors::shared(settings, ROLE_SHARE, tests);
    let mut limits = medians(good, models, &[None], of_model);
    let some: Vec<Option<Role>> = roles.iter().copied().map(Some).collect();
    limits.extend(medians(good, models, &some, of_roles));
    let count = models
        .iter()
        .filter(|model| DETAILED.contains(&model.judged.metric))
        .count();
    let errors = Errors::shared(settings, LAYER_SHARE, count);
    for role in roles {
        for judged in JUDGED
            .iter()
            .filter(|judged| DETAILED.contains(&judged.metric))
        {
            limits.extend(of_layers(good, models, judged, role, errors));
        }
    }
    limits
}

fn medians(
    good: &GoodRuns<'_>,
    models: &[LayerModel<'_>],
    roles: &[Option<Role>],
    errors: impl Fn(usize) -> Errors,
) -> Vec<CalibratedLimit> {
    let scatters = Scatters::of(models);
    let mut found: Vec<(Option<Role>, Expected)> = Vec::new();
    for role in roles {
        for judged in JUDGED {
            if (role.is_none() || DETAILED.contains(&judged.metric))
                && let Some(expected) = levels::expected(good, &scatters, judged.metric, *role)
            {
                found.push((*role, expected));
            }
        }
    }
    let errors = errors(found.len());
    found
        .into_iter()
        .map(|(role, expected)| {
            let judged = expected.judged;
            // The runs that are called good are inside, however far apart they are.
            let seen = num::max(
                expected.centre - expected.seen.0,
                expected.seen.1 - expected.centre,
            );
            let effects = (judged.warn, judged.fail);
            let (warn, fail) = widths(expected.spread, expected.runs, errors, effects, seen);
            let centre = expected.centre_value();
            let count = models.iter().filter(|model| {
                model.judged.metric == judged.metric && role.is_none_or(|role| role == model.role)
            });
            CalibratedLimit {
                judged,
                scope: role.map_or(Scope::Model, Scope::Role),
                warn: expected.bounds(warn.half),
                fail: expected.bounds(fail.half),
                centre: (centre, centre),
                spread: expected.spread,
                factor: (warn.factor, fail.factor),
                basis: (warn.basis, fail.basis),
                layers: count.count(),
            }
        })
        .collect()
}

/// The lowest and the highest of some places on a scale.
#[derive(Debug, Clone, Copy)]
struct Edges {
    low: f64,
    high: f64,
}

impl Edges {
    const NONE: Self = Self {
        low: f64::INFINITY,
        high: f64::NEG_INFINITY,
    };

    fn widen(&mut self, centre: f64, half: f64) {
        self.low = num::min(self.low, centre - half);
        self.high = num::max(self.high, centre + half);
    }

    fn bounds(self, judged: &Judged) -> Bounds {
        Bounds {
            min: judged.scale.inverse(self.low),
            max: judged.scale.inverse(self.high),
        }
    }
}

/// Limits that hold for all layers of a role at the same time: from the lowest layer's lower to the
/// highest layer's upper one. A layer's scatter is its own and that of its role together.
fn of_layers(
    good: &GoodRuns<'_>,
    models: &[LayerModel<'_>],
    judged: &'static Judged,
    role: Role,
    errors: Errors,
) -> Option<CalibratedLimit> {
    let scatters = Scatters::of(models);
    let shared = levels::expected(good, &scatters, judged.metric, Some(role))?.spread;
    let own: Vec<&LayerModel<'_>> = models
        .iter()
        .filter(|model| model.judged.metric == judged.metric && model.role == role)
        .collect();
    let effects = (judged.warn * LAYER_FACTOR, judged.fail * LAYER_FACTOR);
    let (mut centres, mut warns, mut fails) = (Edges::NONE, Edges::NONE, Edges::NONE);
    let mut shown: Vec<(Spread, (Width, Width))> = Vec::new();
    for model in &own {
        let spread = model.spread.with(shared);
        let widths = widths(spread, model.runs, errors, effects, model.reach);
        centres.widen(model.centre, 0.0);
        warns.widen(model.centre, widths.0.half);
        fails.widen(model.centre, widths.1.half);
        shown.push((spread, widths));
    }
    for still in untouched_layers(good, &own, judged, role) {
        warns.widen(still, 0.0);
        fails.widen(still, 0.0);
    }
    shown.sort_by(|left, right| left.0.sd.total_cmp(&right.0.sd));
    let (spread, (warn, fail)) = *shown.get(shown.len() / 2)?;
    let centre = centres.bounds(judged);
    Some(CalibratedLimit {
        judged,
        scope: Scope::Layers(role),
        warn: warns.bounds(judged),
        fail: fails.bounds(judged),
        centre: (centre.min, centre.max),
        spread,
        factor: (warn.factor, fail.factor),
        basis: (warn.basis, fail.basis),
        layers: own.len(),
    })
}

/// Values of the role's layers that no good run changes, which are under its rule too.
fn untouched_layers(
    good: &GoodRuns<'_>,
    own: &[&LayerModel<'_>],
    judged: &Judged,
    role: Role,
) -> Vec<f64> {
    let named: BTreeSet<&LayerName> = own.iter().map(|model| model.name).collect();
    let common = good.common_layers();
    let still = common.iter().filter(|(name, runs)| {
        !named.contains(**name) && runs.iter().all(|layer| layer.role == role)
    });
    still
        .flat_map(|(_, runs)| runs)
        .filter_map(|layer| layer.metrics.get(&judged.metric))
        .map(|value| judged.scale.forward(value.get()))
        .map(|placed| placed.unwrap_or(f64::NEG_INFINITY))
        .collect()
}

/// Roles of which no good run changes any layer, as under an adapter.
pub fn untouched(good: &GoodRuns<'_>) -> Vec<Untouched> {
    let mut roles: BTreeMap<Role, (usize, bool)> = BTreeMap::new();
    for runs in good.common_layers().values() {
        for layer in runs {
            let entry = roles.entry(layer.role).or_insert((0, true));
            let update = layer.metrics.get(&Metric::RelativeUpdate);
            entry.1 &= update.is_some_and(|update| update.get().abs() <= 0.0);
        }
        if let Some(entry) = runs.first().and_then(|layer| roles.get_mut(&layer.role)) {
            entry.0 += 1;
        }
    }
    roles
        .into_iter()
        .filter(|(_, (_, untouched))| *untouched)
        .map(|(role, (layers, _))| Untouched { role, layers })
        .collect()
}

/// What one of the good runs says about another when it is judged against all others: its medians that
/// would fail, with what the others give.
pub fn disagreements(good: &GoodRuns<'_>, settings: &BaselineSettings) -> Vec<(String, String)> {
    let runs = good.all();
    let mut found = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        let mut others = runs.to_vec();
        others.remove(index);
        let others = GoodRuns::since_anchor(&others);
        let models = super::layer_models(&others);
        let tests = levels::judge(&others, &models, &run.levels, settings);
        let failed = tests
            .iter()
            .filter(|test| test.level == Some(crate::code::Level::Fail));
        let said: Vec<String> = failed.take(3).map(super::text::test).collect();
        if !said.is_empty() {
            found.push((run.id.clone(), said.join(", ")));
        }
    }
    found
}
