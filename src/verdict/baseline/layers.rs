//! Single layers against themselves in good runs, after what the whole role has in common is taken
//! off.

use std::collections::{BTreeMap, BTreeSet};

use super::good::{is_body_matrix, values_in_all};
use super::judged::LAYER_FACTOR;
use super::levels::thresholds;
use super::{GoodRuns, JUDGED, Judged, LAYER_SHARE};
use crate::calibrate::moderated::Group;
use crate::calibrate::multiplicity::{benjamini_hochberg, holm};
use crate::calibrate::{Prior, Spread};
use crate::code::Level;
use crate::compare::RunLayer;
use crate::layer::{LayerName, Role};
use crate::num;
use crate::policy::BaselineSettings;
use crate::spectrum::metric::Metric;

/// A role with fewer layers is pooled with all others: the median of a handful is no measure of what
/// they share.
const OWN_GROUP: usize = 8;
/// Layers of the list that warns: science wants several before a run is suspect.
const WARN_LAYERS: usize = 3;
const WARN_SHARE: f64 = 0.02;

/// One metric of one layer over good runs, on the metric's scale.
#[derive(Debug)]
pub struct LayerModel<'a> {
    pub name: &'a LayerName,
    pub role: Role,
    pub judged: &'static Judged,
    pub centre: f64,
    /// Of what is left of the layer after the common shift of its group.
    pub spread: Spread,
    pub runs: f64,
    /// How far the farthest of the good runs is from the centre.
    pub reach: f64,
    /// Layers that shift together; `None` is the whole body.
    pub group: Option<Role>,
}

/// One metric of one layer of the run at hand, judged.
#[derive(Debug)]
pub(super) struct LayerTest<'a> {
    pub(super) model: &'a LayerModel<'a>,
    pub(super) observed: f64,
    /// From the layer's own centre, on the metric's scale.
    pub(super) deviation: f64,
    /// Of that, what its group shares.
    pub(super) shift: f64,
    pub(super) p: f64,
    pub(super) level: Option<Level>,
    /// Half the width of its limits about centre and shift; infinite where it is as expected.
    pub(super) half_width: f64,
}

impl LayerTest<'_> {
    pub(super) fn excess(&self) -> f64 {
        (self.deviation - self.shift).abs() / self.half_width
    }
}

/// Values of one metric in each run, by layer.
struct Placed<'a> {
    name: &'a LayerName,
    role: Role,
    values: Vec<f64>,
}

/// Layers of one metric that shift together.
struct Shifting<'a> {
    judged: &'static Judged,
    role: Option<Role>,
    layers: Vec<Placed<'a>>,
}

/// What good runs say about each layer; empty where fewer than two of them have layers.
pub fn layer_models<'a>(good: &GoodRuns<'a>) -> Vec<LayerModel<'a>> {
    let common = good.common_layers();
    let roles = group_roles(&common);
    let groups = JUDGED
        .iter()
        .flat_map(|judged| shifting(judged, &common, &roles))
        .collect();
    pool(groups)
}

/// Roles with enough layers to be a group of their own.
fn group_roles(common: &BTreeMap<&LayerName, Vec<&RunLayer>>) -> BTreeSet<Role> {
    let mut counts: BTreeMap<Role, usize> = BTreeMap::new();
    for role in common.values().filter_map(|runs| Some(runs.first()?.role)) {
        *counts.entry(role).or_default() += 1;
    }
    counts.retain(|_, count| *count >= OWN_GROUP);
    counts.into_keys().collect()
}

fn shifting<'a>(
    judged: &'static Judged,
    common: &BTreeMap<&'a LayerName, Vec<&'a RunLayer>>,
    roles: &BTreeSet<Role>,
) -> Vec<Shifting<'a>> {
    let place = |(name, runs): (&&'a LayerName, &Vec<&'a RunLayer>)| {
        // A layer that no run changes has no scatter, and would hide that of the others.
        let updates = values_in_all(runs, Metric::RelativeUpdate).unwrap_or_default();
        if !updates.is_empty() && updates.iter().all(|update| update.abs() <= 0.0) {
            return None;
        }
        let values = values_in_all(runs, judged.metric)?;
        let values: Option<Vec<f64>> = values
            .into_iter()
            .map(|value| judged.scale.forward(value))
            .collect();
        Some(Placed {
            name,
            role: runs.first()?.role,
            values: values.filter(|values| values.len() >= 2)?,
        })
    };
    let mut groups: BTreeMap<Option<Role>, Vec<Placed<'a>>> = BTreeMap::new();
    for layer in common.iter().filter_map(place) {
        let group = roles.contains(&layer.role).then_some(layer.role);
        groups.entry(group).or_default().push(layer);
    }
    // A layer alone in its group is all of what the group shares, so that nothing of its own is left: it
    // is judged as the median of its role.
    groups.retain(|_, layers| layers.len() > 1);
    let shifting = |(role, layers)| Shifting {
        judged,
        role,
        layers,
    };
    groups.into_iter().map(shifting).collect()
}

/// Variances of what the shift of each run leaves, pooled within the groups.
fn pool(groups: Vec<Shifting<'_>>) -> Vec<LayerModel<'_>> {
    let runs = groups
        .iter()
        .flat_map(|group| &group.layers)
        .map(|layer| layer.values.len())
        .min()
        .unwrap_or(0);
    let df = runs as f64 - 1.0;
    let variances: Vec<Group> = groups
        .iter()
        .map(|shifting| group(shifting.judged, shifting.role, &shifting.layers, runs))
        .collect();
    let priors = Prior::learnt(&variances, df);
    let mut models = Vec::new();
    for ((shifting, group), prior) in groups.into_iter().zip(&variances).zip(priors) {
        let Some(prior) = prior else { continue };
        let Shifting {
            judged,
            role,
            layers,
        } = shifting;
        for (layer, variance) in layers.into_iter().zip(&group.variances) {
            let Some(centre) = num::mean(&layer.values) else {
                continue;
            };
            let reach = layer.values.iter().map(|value| (value - centre).abs());
            models.push(LayerModel {
                name: layer.name,
                role: layer.role,
                judged,
                centre,
                spread: prior.moderate(*variance, df).at_least(judged.floor()),
                runs: layer.values.len() as f64,
                reach: reach.fold(0.0, num::max),
                group: role,
            });
        }
    }
    models
}

fn group(judged: &Judged, role: Option<Role>, layers: &[Placed<'_>], runs: usize) -> Group {
    let deviations: Vec<Vec<f64>> = layers
        .iter()
        .map(|layer| {
            let centre = num::mean(&layer.values).unwrap_or(0.0);
            layer.values.iter().map(|value| value - centre).collect()
        })
        .collect();
    let shifts: Vec<f64> = (0..runs)
        .map(|run| {
            let column: Vec<f64> = deviations.iter().map(|layer| layer[run]).collect();
            num::median(&column).unwrap_or(0.0)
        })
        .collect();
    let count = layers.len() as f64;
    // The shift was taken from the same layers: a degree of freedom of theirs is gone.
    let correction = count / num::max(count - 1.0, 1.0) / num::max(runs as f64 - 1.0, 1.0);
    let variances = deviations.iter().map(|layer| {
        let squares = layer
            .iter()
            .zip(&shifts)
            .map(|(value, shift)| (value - shift).powi(2));
        squares.sum::<f64>() * correction
    });
    let roles: BTreeSet<Role> = layers.iter().map(|layer| layer.role).collect();
    Group {
        variances: variances.collect(),
        floor: judged.floor() * judged.floor(),
        // Layers of one role move together; pooled roles count once each.
        independent: if role.is_some() {
            count
        } else {
            roles.len() as f64
        },
    }
}

/// Every layer that has a value now, against itself.
pub(super) fn judge<'a>(
    models: &'a [LayerModel<'a>],
    current: &[RunLayer],
    good: &GoodRuns<'_>,
    settings: &BaselineSettings,
) -> Vec<LayerTest<'a>> {
    let by_name: BTreeMap<&LayerName, &RunLayer> = current
        .iter()
        .filter(|layer| is_body_matrix(layer))
        .map(|layer| (&layer.name, layer))
        .collect();
    let mut tests: Vec<LayerTest<'a>> = models
        .iter()
        .filter_map(|model| {
            let observed = by_name
                .get(model.name)?
                .metrics
                .get(&model.judged.metric)?
                .get();
            // A size of zero where there was an update is a frozen layer, which is said as such.
            let placed = model.judged.scale.forward(observed)?;
            Some(LayerTest {
                model,
                observed,
                deviation: placed - model.centre,
                shift: 0.0,
                p: 1.0,
                level: None,
                half_width: f64::INFINITY,
            })
        })
        .collect();
    take_off_shifts(&mut tests);
    decide(&mut tests, good, settings);
    tests
}

fn take_off_shifts(tests: &mut [LayerTest<'_>]) {
    let mut deviations: BTreeMap<_, Vec<f64>> = BTreeMap::new();
    for test in tests.iter() {
        let key = (test.model.judged.metric, test.model.group);
        deviations.entry(key).or_default().push(test.deviation);
    }
    let shifts: BTreeMap<_, f64> = deviations
        .into_iter()
        .filter_map(|(key, values)| Some((key, num::median(&values)?)))
        .collect();
    for test in tests {
        let key = (test.model.judged.metric, test.model.group);
        test.shift = shifts.get(&key).copied().unwrap_or(0.0);
        let spread = test.model.spread;
        test.p = spread.prediction_p(test.deviation - test.shift, test.model.runs);
    }
}

fn decide(tests: &mut [LayerTest<'_>], good: &GoodRuns<'_>, settings: &BaselineSettings) {
    let error = settings.family_wise_error.get() * LAYER_SHARE;
    let p_values: Vec<f64> = tests.iter().map(|test| test.p).collect();
    let failed = holm(&p_values, error);
    let rate = settings.false_discovery_rate.get() * LAYER_SHARE;
    let warned = benjamini_hochberg(&p_values, rate);
    if !failed.iter().chain(&warned).any(|significant| *significant) {
        return;
    }
    let (strict, lenient) = thresholds(&p_values, error, rate);
    for (index, test) in tests.iter_mut().enumerate() {
        let LayerModel { judged, spread, .. } = test.model;
        let size = (test.deviation - test.shift).abs();
        let inside = |effect: f64| size < effect * LAYER_FACTOR;
        if failed[index] && !inside(judged.fail) {
            test.level = Some(Level::Fail);
        } else if warned[index] && !inside(judged.warn) {
            test.level = Some(Level::Warn);
        }
        // Limits are shown where a layer is beyond them; they take most of the time.
        let (p, effect) = match test.level {
            Some(Level::Warn) => (lenient, judged.warn),
            Some(Level::Fail | Level::Note) => (strict, judged.fail),
            None => continue,
        };
        let half = spread.prediction_factor(test.model.runs, p) * spread.sd;
        test.half_width = num::max(half, effect * LAYER_FACTOR);
    }
    let layers: BTreeSet<&LayerName> = tests
        .iter()
        .filter(|test| test.level.is_some())
        .map(|test| test.model.name)
        .collect();
    let all = || good.common_layers().len() as f64;
    let several = layers.len() >= WARN_LAYERS && layers.len() as f64 >= WARN_SHARE * all();
    if !several {
        for test in tests {
            test.level = test.level.filter(|level| *level == Level::Fail);
        }
    }
}
