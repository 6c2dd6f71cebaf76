//! Limits from good runs as a policy can state them: fixed numbers for the model's medians, those of
//! each role, and all layers of a role at once.

use std::collections::{BTreeMap, BTreeSet};

use super::judged::LAYER_FACTOR;
use super::levels;
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
    /// Standard deviation on the metric's scale, and its degrees of freedom; of layers, the median.
    pub spread: Spread,
    /// Factors of this standard deviation, for what warns and what fails.
    pub factor: (f64, f64),
    /// Layers that it holds for.
    pub layers: usize,
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

/// Widths from the chance of an error and the content, at least the effect that matters.
struct Widths {
    warn: f64,
    fail: f64,
    factor: (f64, f64),
}

fn widths(spread: Spread, runs: f64, errors: Errors, effects: (f64, f64)) -> Widths {
    let of = |error: f64, content: f64| spread.covering_factor(runs, error, content, CONFIDENCE);
    let fail = of(errors.fail, FAIL_CONTENT);
    // A policy may let more sound runs fail than warn.
    let warn = num::min(of(errors.warn, WARN_CONTENT), fail);
    let fail_width = num::max(fail * spread.sd, effects.1);
    Widths {
        warn: num::min(num::max(warn * spread.sd, effects.0), fail_width),
        fail: fail_width,
        factor: (warn, fail),
    }
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
    let mut found: Vec<(Option<Role>, Expected)> = Vec::new();
    for role in roles {
        for judged in JUDGED {
            if (role.is_none() || DETAILED.contains(&judged.metric))
                && let Some(expected) = levels::expected(good, models, judged.metric, *role)
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
            let widths = widths(
                expected.spread,
                expected.runs,
                errors,
                (judged.warn, judged.fail),
            );
            // The runs that are called good are inside, however far apart they are.
            let seen = num::max(
                expected.centre - expected.seen.0,
                expected.seen.1 - expected.centre,
            );
            let centre = expected.centre_value();
            let count = models.iter().filter(|model| {
                model.judged.metric == judged.metric && role.is_none_or(|role| role == model.role)
            });
            CalibratedLimit {
                judged,
                scope: role.map_or(Scope::Model, Scope::Role),
                warn: expected.bounds(num::max(widths.warn, seen)),
                fail: expected.bounds(num::max(widths.fail, seen)),
                centre: (centre, centre),
                spread: expected.spread,
                factor: widths.factor,
                layers: count.count(),
            }
        })
        .collect()
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
    let shared = levels::expected(good, models, judged.metric, Some(role))?.spread;
    let own: Vec<&LayerModel<'_>> = models
        .iter()
        .filter(|model| model.judged.metric == judged.metric && model.role == role)
        .collect();
    let effects = (judged.warn * LAYER_FACTOR, judged.fail * LAYER_FACTOR);
    let mut edges: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    let mut widen = |name: &'static str, centre: f64, width: f64| {
        let edge = edges
            .entry(name)
            .or_insert((f64::INFINITY, f64::NEG_INFINITY));
        *edge = (
            num::min(edge.0, centre - width),
            num::max(edge.1, centre + width),
        );
    };
    // Layers of the role that no good run changes are under the rule too.
    let named: BTreeSet<&LayerName> = own.iter().map(|model| model.name).collect();
    let others = good.common_layers();
    let still = others.iter().filter(|(name, runs)| {
        !named.contains(**name) && runs.iter().all(|layer| layer.role == role)
    });
    for value in still
        .flat_map(|(_, runs)| runs)
        .filter_map(|layer| layer.metrics.get(&judged.metric))
    {
        let placed = judged
            .scale
            .forward(value.get())
            .unwrap_or(f64::NEG_INFINITY);
        widen("warn", placed, 0.0);
        widen("fail", placed, 0.0);
    }
    let mut shown: Vec<(Spread, (f64, f64))> = Vec::new();
    for model in &own {
        let spread = model.spread.with(shared);
        let widths = widths(spread, model.runs, errors, effects);
        widen("centre", model.centre, 0.0);
        widen("warn", model.centre, num::max(widths.warn, model.reach));
        widen("fail", model.centre, num::max(widths.fail, model.reach));
        shown.push((spread, widths.factor));
    }
    shown.sort_by(|left, right| left.0.sd.total_cmp(&right.0.sd));
    let (spread, factor) = *shown.get(shown.len() / 2)?;
    let inverse = |edge: &(f64, f64)| Bounds {
        min: judged.scale.inverse(edge.0),
        max: judged.scale.inverse(edge.1),
    };
    let centre = inverse(edges.get("centre")?);
    Some(CalibratedLimit {
        judged,
        scope: Scope::Layers(role),
        warn: inverse(edges.get("warn")?),
        fail: inverse(edges.get("fail")?),
        centre: (centre.min, centre.max),
        spread,
        factor,
        layers: own.len(),
    })
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
