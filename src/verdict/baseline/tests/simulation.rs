//! How often sound runs fail and shifted ones are seen, by simulation. A small size runs with the
//! tests; `super::tables` makes the tables of `docs/calibration.md`.

use super::super::{LayerModel, Scope as Limited, drift, layers, levels};
use super::*;
use crate::num::Finite;
use crate::policy::BaselineSettings;
use crate::verdict::baseline::{CalibratedLimit, GoodRuns, JUDGED, calibrated, layer_models};

/// Judged runs for each baseline.
pub(super) const RUNS_EACH: usize = 20;
/// Layers of a simulated model.
pub(super) const LAYERS: usize = 225;

/// [`LAYERS`] layers in seven roles. On each metric's scale, in units of its assumed spread: all layers
/// of a run share a shift, those of a role another, and each scatters for itself, some more than others.
pub(super) struct Simulated {
    random: Random,
    model: f64,
    role: f64,
    own: f64,
    names: Vec<LayerName>,
    /// The first false failure, for a message.
    worst: Option<String>,
}

const SIMULATED_ROLES: [Role; 7] = [
    Role::AttentionQ,
    Role::AttentionK,
    Role::AttentionV,
    Role::AttentionO,
    Role::MlpGate,
    Role::MlpUp,
    Role::MlpDown,
];

/// A shift of the `relative_update` of the first layers, on its scale of logarithms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shift {
    pub(super) layers: usize,
    pub(super) size: f64,
}

pub(super) const NONE: Shift = Shift {
    layers: 0,
    size: 0.0,
};

/// What became of one run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Judged {
    /// Against a history of the good runs.
    pub(super) history: Option<Level>,
    /// Whether that history shows a creep.
    pub(super) trend: bool,
    /// By the limits that `tunegate init` makes of the good runs.
    pub(super) fixed: Option<Level>,
}

impl Simulated {
    /// `factor` of the assumed spread.
    pub(super) fn new(seed: u64, factor: f64) -> Self {
        Self {
            random: Random::new(seed),
            model: factor,
            role: factor,
            own: 3.0 * factor,
            names: (0..LAYERS)
                .map(|index| LayerName::new(format!("layers.{index}")))
                .collect(),
            worst: None,
        }
    }

    fn run(&mut self, id: &str, shift: Shift) -> BaselineRun {
        let mut layers: Vec<RunLayer> = self
            .names
            .iter()
            .enumerate()
            .map(|(index, name)| RunLayer {
                name: name.clone(),
                kind: LayerKind::Matrix,
                role: SIMULATED_ROLES[index % 7],
                scope: Scope::Body,
                metrics: BTreeMap::new(),
            })
            .collect();
        for judged in JUDGED {
            let all = self.model * self.random.normal();
            let roles: Vec<f64> = (0..7).map(|_| self.role * self.random.normal()).collect();
            for (index, layer) in layers.iter_mut().enumerate() {
                // Scatter differs between layers by a factor of two.
                let own = self.own * if index % 2 == 0 { 0.7 } else { 1.4 };
                let moved = if index < shift.layers && judged.metric == Metric::RelativeUpdate {
                    shift.size
                } else {
                    0.0
                };
                let value = all + roles[index % 7] + own * self.random.normal();
                let value = judged.scale.inverse(value * judged.typical + moved);
                let value = Finite::new(value).unwrap();
                layer.metrics.insert(judged.metric, value);
            }
        }
        BaselineRun {
            id: id.to_owned(),
            recorded: String::new(),
            commit: None,
            tuned_digest: format!("sha256:{id}"),
            anchor: false,
            levels: Levels::of(&layers),
            layers,
        }
    }

    /// For each of some baselines of `count` runs, what became of [`RUNS_EACH`] further ones.
    pub(super) fn judged(
        &mut self,
        baselines: usize,
        count: usize,
        shift: Shift,
    ) -> Vec<Vec<Judged>> {
        let settings = Policy::parse("p", "version = 1\n").unwrap().baseline;
        (0..baselines)
            .map(|_| {
                let runs = (0..count)
                    .map(|index| self.run(&index.to_string(), NONE))
                    .collect();
                let runs = BaselineRuns {
                    source: String::new(),
                    runs,
                    left_out: Vec::new(),
                };
                let good = GoodRuns::since_anchor(&runs.runs);
                let models = layer_models(&good);
                let fixed = calibrated(&good, &models, &settings);
                (0..RUNS_EACH)
                    .map(|_| {
                        let tonight = self.run("tonight", shift);
                        let (level, what) = worst(&good, &models, &tonight, &settings);
                        if level == Some(Level::Fail) {
                            self.worst.get_or_insert(what);
                        }
                        let limits = Some((models.as_slice(), &settings));
                        let now = comparison(Vec::new());
                        let creeps = || drift::trend(&now, &runs, &good, &tonight.levels, limits).1;
                        Judged {
                            history: level,
                            // A run that is shifted alone is no creep.
                            trend: shift.layers == 0 && !creeps().is_empty(),
                            fixed: beyond(&fixed, &tonight),
                        }
                    })
                    .collect()
            })
            .collect()
    }

    /// Share of runs of which `which` holds.
    fn rate(
        &mut self,
        baselines: usize,
        count: usize,
        shift: Shift,
        which: fn(&Judged) -> bool,
    ) -> f64 {
        let judged = self.judged(baselines, count, shift).concat();
        judged.iter().filter(|run| which(run)).count() as f64 / judged.len() as f64
    }
}

fn worst(
    good: &GoodRuns<'_>,
    models: &[LayerModel<'_>],
    tonight: &BaselineRun,
    settings: &BaselineSettings,
) -> (Option<Level>, String) {
    let layers = layers::judge(models, &tonight.layers, good, settings);
    let levels = levels::judge(good, models, &tonight.levels, settings);
    let of_layers = layers.iter().filter_map(|test| test.level);
    let level = of_layers
        .chain(levels.iter().filter_map(|test| test.level))
        .max();
    if level != Some(Level::Fail) {
        return (level, String::new());
    }
    let failed = levels.iter().find(|test| test.level == level);
    let layer = layers.iter().find(|test| test.level == level);
    (level, format!("{failed:?} {layer:?}"))
}

/// What rules with these limits say of a run.
fn beyond(limits: &[CalibratedLimit], run: &BaselineRun) -> Option<Level> {
    let outside = |limit: &CalibratedLimit, value: f64| {
        if !(limit.fail.min <= value && value <= limit.fail.max) {
            Some(Level::Fail)
        } else if !(limit.warn.min <= value && value <= limit.warn.max) {
            Some(Level::Warn)
        } else {
            None
        }
    };
    let of = |limit: &CalibratedLimit| {
        let metric = limit.judged.metric;
        match limit.scope {
            Limited::Model => outside(limit, run.levels.get(metric, None).unwrap()),
            Limited::Role(role) => outside(limit, run.levels.get(metric, Some(role)).unwrap()),
            Limited::Layers(role) => {
                let layers = run.layers.iter().filter(|layer| layer.role == role);
                let values = layers.filter_map(|layer| layer.metrics.get(&metric));
                values.filter_map(|value| outside(limit, value.get())).max()
            }
        }
    };
    limits.iter().filter_map(of).max()
}

pub(super) fn baselines() -> Option<usize> {
    std::env::var("TUNEGATE_SIMULATION").ok()?.parse().ok()
}

/// At the assumed spread, and at half of it: the chance of a false failure stays below one in a hundred,
/// against a history and by the limits of `init`.
#[test]
fn sound_runs_fail_less_often_than_the_policy_allows() {
    for factor in [0.5, 1.0] {
        for count in [2, 5] {
            let mut simulated = Simulated::new(41, factor);
            let fails = |run: &Judged| run.history.max(run.fixed) == Some(Level::Fail);
            let failed = simulated.rate(6, count, NONE, fails);
            assert!(
                failed <= 0.01,
                "{factor} {count}: {failed} {:?}",
                simulated.worst
            );
        }
    }
}

/// At the assumed spread: one in twenty by the policy; the room is for so few runs.
#[test]
fn sound_runs_seldom_warn() {
    for count in [2, 5] {
        let mut simulated = Simulated::new(44, 1.0);
        let raised = simulated.rate(6, count, NONE, |run| run.history.is_some());
        assert!(raised <= 0.05, "{count}: {raised}");
        let raised = simulated.rate(6, count, NONE, |run| run.fixed.is_some());
        assert!(raised <= 0.05, "{count}: {raised}");
    }
}

#[test]
fn a_shift_of_the_whole_model_is_seen_from_two_runs_on() {
    for count in [2, 5] {
        let shift = Shift {
            layers: LAYERS,
            size: 0.45,
        };
        let fails = |run: &Judged| run.history == Some(Level::Fail);
        let failed = Simulated::new(42, 0.5).rate(4, count, shift, fails);
        assert!(failed >= 0.9, "{count}: {failed}");
    }
}

#[test]
fn a_single_layer_is_seen_from_five_runs_on() {
    let shift = Shift {
        layers: 1,
        size: 1.2,
    };
    let fails = |run: &Judged| run.history == Some(Level::Fail);
    let failed = Simulated::new(43, 0.5).rate(4, 5, shift, fails);
    assert!(failed >= 0.9, "{failed}");
}
