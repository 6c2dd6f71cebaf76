//! How often sound runs fail and shifted ones are seen, by simulation. A small size runs with the
//! tests; `TUNEGATE_SIMULATION=500` (baselines) prints the tables of `docs/calibration.md`.

use std::fmt::Write as _;

use super::super::{layers, levels};
use super::*;
use crate::policy::BaselineSettings;
use crate::verdict::baseline::{GoodRuns, JUDGED, layer_models};

/// Judged runs for each baseline.
const RUNS_EACH: usize = 20;

/// 225 layers in seven roles. On each metric's scale, in units of its assumed spread: all layers of a
/// run share a shift, those of a role another, and each scatters for itself, some more than others.
struct Simulated {
    random: Random,
    model: f64,
    role: f64,
    own: f64,
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

/// A shift of the first layers by so many of the metric's assumed spreads.
#[derive(Clone, Copy)]
struct Shift {
    layers: usize,
    size: f64,
}

const NONE: Shift = Shift {
    layers: 0,
    size: 0.0,
};

impl Simulated {
    fn run(&mut self, id: &str, shift: Shift) -> BaselineRun {
        let mut layers: Vec<LayerComparison> = (0..225)
            .map(|index| {
                let role = SIMULATED_ROLES[index % 7];
                let block = u32::try_from(index / 7).unwrap();
                layer(&format!("layers.{index}"), role, block, &[])
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
                layer.drift.set(judged.metric, Measured::of(value));
            }
        }
        run(id, &comparison(layers))
    }

    /// Shares of runs that fail, and that fail or warn.
    fn rates(&mut self, baselines: usize, count: usize, shift: Shift) -> (f64, f64) {
        let settings = Policy::parse("p", "version = 1\n").unwrap().baseline;
        let (mut failed, mut raised) = (0, 0);
        for _ in 0..baselines {
            let runs: Vec<BaselineRun> = (0..count)
                .map(|index| self.run(&index.to_string(), NONE))
                .collect();
            let good = GoodRuns::since_anchor(&runs);
            let models = layer_models(&good);
            for _ in 0..RUNS_EACH {
                let tonight = self.run("tonight", shift);
                let (level, what) = worst(&good, &models, &tonight, &settings);
                if level == Some(Level::Fail) {
                    self.worst.get_or_insert(what);
                }
                failed += u32::from(level == Some(Level::Fail));
                raised += u32::from(level.is_some());
            }
        }
        let total = (baselines * RUNS_EACH) as f64;
        (f64::from(failed) / total, f64::from(raised) / total)
    }
}

fn worst(
    good: &GoodRuns<'_>,
    models: &[super::super::LayerModel<'_>],
    tonight: &BaselineRun,
    settings: &BaselineSettings,
) -> (Option<Level>, String) {
    let layers = layers::judge(models, &tonight.layers, good, settings);
    let levels = levels::judge(good, models, &tonight.levels, settings);
    let of_layers = layers.iter().filter_map(|test| test.level);
    let level = of_layers
        .chain(levels.iter().filter_map(|test| test.level))
        .max();
    let failed = levels.iter().find(|test| test.level == Some(Level::Fail));
    let layer = layers.iter().find(|test| test.level == Some(Level::Fail));
    (level, format!("{failed:?} {layer:?}"))
}

fn baselines() -> Option<usize> {
    std::env::var("TUNEGATE_SIMULATION").ok()?.parse().ok()
}

fn simulated(seed: u64, factor: f64) -> Simulated {
    Simulated {
        random: Random::new(seed),
        model: factor,
        role: factor,
        own: 3.0 * factor,
        worst: None,
    }
}

/// At the assumed spread, and at half of it: the chance of a false failure stays below one in a hundred.
#[test]
fn sound_runs_fail_less_often_than_the_policy_allows() {
    let full = baselines();
    for factor in [0.5, 1.0] {
        for count in [2, 5] {
            let mut simulated = simulated(41, factor);
            let (failed, _) = simulated.rates(full.unwrap_or(6), count, NONE);
            assert!(
                failed <= 0.01,
                "{factor} {count}: {failed} {:?}",
                simulated.worst
            );
        }
    }
}

#[test]
fn a_shift_of_the_whole_model_is_seen_from_two_runs_on() {
    for count in [2, 5] {
        let shift = Shift {
            layers: 225,
            size: 0.45,
        };
        let (failed, _) = simulated(42, 0.5).rates(baselines().unwrap_or(4), count, shift);
        assert!(failed >= 0.9, "{count}: {failed}");
    }
}

#[test]
fn a_single_layer_is_seen_from_five_runs_on() {
    let shift = Shift {
        layers: 1,
        size: 1.2,
    };
    let (failed, _) = simulated(43, 0.5).rates(baselines().unwrap_or(4), 5, shift);
    assert!(failed >= 0.9, "{failed}");
}

/// The tables of the documentation.
#[test]
fn tables_of_the_documentation() {
    let Some(baselines) = baselines() else {
        return;
    };
    let mut table = String::from("spread runs shift layers fail fail-or-warn\n");
    for factor in [0.5, 1.0, 2.0] {
        for count in [2, 3, 5, 10, 30] {
            let mut row = |shift: Shift, baselines: usize| {
                let (failed, raised) = simulated(44, factor).rates(baselines, count, shift);
                let Shift { layers, size } = shift;
                let _ = writeln!(
                    table,
                    "{factor} {count} {size} {layers} {failed:.4} {raised:.4}"
                );
            };
            row(NONE, baselines);
            for size in [0.25, 0.5, 1.0] {
                for layers in [1, 11, 225] {
                    row(Shift { layers, size }, baselines.div_ceil(10));
                }
            }
        }
    }
    crate::fs::write_atomic(
        std::path::Path::new("target/simulation.txt"),
        table.as_bytes(),
    )
    .unwrap();
}
