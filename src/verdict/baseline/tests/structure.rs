//! Layers that came, went, froze or thawed, and adapters.

use super::*;
use crate::verdict::baseline::{GoodRuns, calibrated, calibrated::Scope as Limited, layer_models};

/// Only q and v change, as under an adapter.
fn adapter(random: &mut Random) -> Comparison {
    let mut comparison = Recipe { own: 0.05, ..SOUND }.comparison(random);
    for layer in &mut comparison.layers {
        if !matches!(layer.role, Role::AttentionQ | Role::AttentionV) {
            let mut table = MetricTable::default();
            table.set(Metric::RelativeUpdate, Measured::of(0.0));
            table.set(Metric::SpectralNormRatio, Measured::of(1.0));
            table.set(
                Metric::UpdateStableRank,
                Measured::not_applicable("unchanged"),
            );
            layer.drift = table;
            layer.identical = true;
        }
    }
    comparison
}

fn adapters(count: usize, random: &mut Random) -> Vec<BaselineRun> {
    (0..count)
        .map(|index| run(&format!("night-{index}"), &adapter(random)))
        .collect()
}

#[test]
fn an_adapter_is_judged_on_the_layers_that_it_touches() {
    let mut random = Random::new(31);
    let runs = adapters(3, &mut random);
    is_pass(&judged(runs.clone(), &adapter(&mut random), ""));
    let mut larger = adapter(&mut random);
    for layer in larger.layers.iter_mut().filter(|layer| !layer.identical) {
        layer.drift.set(Metric::RelativeUpdate, Measured::of(0.05));
    }
    let judgement = judged(runs, &larger, "");
    let finding = only(&judgement);
    assert_eq!(finding.level, Level::Fail);
    assert!(
        finding.message.contains("relative_update"),
        "{}",
        finding.message
    );
}

#[test]
fn an_adapter_on_other_layers_is_said_once_each_way() {
    let mut random = Random::new(32);
    let runs = adapters(3, &mut random);
    let mut other = adapter(&mut random);
    for layer in &mut other.layers {
        let update = if layer.role == Role::MlpUp {
            0.02
        } else if layer.role == Role::AttentionV {
            0.0
        } else {
            continue;
        };
        layer
            .drift
            .set(Metric::RelativeUpdate, Measured::of(update));
    }
    let judgement = judged(runs, &other, "");
    assert_eq!(judgement.verdict, Verdict::Fail);
    let said = |words: &str| {
        let findings = judgement.findings.iter();
        findings
            .filter(|finding| finding.message.contains(words))
            .count()
    };
    assert_eq!(
        said("9 layers (layers.0.up"),
        1,
        "{:#?}",
        judgement.findings
    );
    assert_eq!(
        said("unchanged, while every one of the 3 good runs changes"),
        1
    );
    assert!(judgement.findings.len() <= 4, "{:#?}", judgement.findings);
}

#[test]
fn a_layer_that_no_longer_trains_fails() {
    let mut random = Random::new(33);
    let runs = SOUND.runs(3, &mut random);
    let mut tonight = SOUND.comparison(&mut random);
    set(&mut tonight, "layers.2.up", Metric::RelativeUpdate, 0.0);
    let judgement = judged(runs, &tonight, "");
    let finding = only(&judgement);
    assert_eq!(finding.level, Level::Fail);
    assert!(
        finding.message.starts_with("layers.2.up is unchanged"),
        "{}",
        finding.message
    );
}

#[test]
fn a_layer_that_is_gone_and_a_new_one_are_said_once() {
    let mut random = Random::new(34);
    let runs = SOUND.runs(3, &mut random);
    let mut tonight = SOUND.comparison(&mut random);
    tonight.layers.retain(|layer| layer.block != Some(3));
    let values = [(Metric::RelativeUpdate, 0.015)];
    tonight
        .layers
        .push(layer("layers.9.q", Role::AttentionQ, 9, &values));
    let judgement = judged(runs, &tonight, "");
    let warn = (FindingCode::BaselineDeviation, Level::Warn);
    assert_eq!(codes(&judgement), [warn, warn]);
    let messages: Vec<&str> = judgement
        .findings
        .iter()
        .map(|finding| finding.message.as_str())
        .collect();
    assert!(
        messages
            .iter()
            .any(|text| text.starts_with("4 layers (layers.3.")),
        "{messages:?}"
    );
    assert!(
        messages
            .iter()
            .any(|text| text.starts_with("layers.9.q is in none")),
        "{messages:?}"
    );
}

#[test]
fn a_value_that_good_runs_have_does_not_go_missing_in_silence() {
    let mut random = Random::new(35);
    let runs = SOUND.runs(3, &mut random);
    let mut tonight = SOUND.comparison(&mut random);
    for layer in &mut tonight.layers {
        layer.drift.set(
            Metric::UpdateStableRank,
            Measured::not_applicable("withheld"),
        );
    }
    let without = judged(runs.clone(), &tonight, "");
    assert!(
        only(&without)
            .message
            .contains("without a value of update_stable_rank")
    );
    // Runs that are too old for the window have no layers.
    let old = runs
        .into_iter()
        .map(|run| BaselineRun {
            layers: Vec::new(),
            ..run
        })
        .collect();
    let without = judged(old, &tonight, "");
    assert!(only(&without).message.contains("update_stable_rank"));
    assert_eq!(without.verdict, Verdict::Warn);
}

#[test]
fn a_median_of_zero_is_infinitely_far_from_good_runs_without_layers_too() {
    let mut random = Random::new(36);
    let runs = SOUND.runs(5, &mut random).into_iter();
    let runs = runs
        .map(|run| BaselineRun {
            layers: Vec::new(),
            ..run
        })
        .collect();
    let mut tonight = SOUND.comparison(&mut random);
    for layer in &mut tonight.layers {
        layer.drift.set(Metric::RelativeUpdate, Measured::of(0.0));
    }
    assert_eq!(judged(runs, &tonight, "").verdict, Verdict::Fail);
}

#[test]
fn limits_of_a_role_hold_for_the_layers_that_no_good_run_changes() {
    let mut random = Random::new(41);
    let frozen: Vec<BaselineRun> = (0..3)
        .map(|index| {
            let mut good = SOUND.comparison(&mut random);
            for name in ["layers.0.q", "layers.1.q"] {
                set(&mut good, name, Metric::RelativeUpdate, 0.0);
            }
            run(&format!("night-{index}"), &good)
        })
        .collect();
    let good = GoodRuns::since_anchor(&frozen);
    let settings = Policy::parse("gate.toml", "version = 1\nname = \"gate\"\n")
        .unwrap()
        .baseline;
    let limits = calibrated(&good, &layer_models(&good), &settings);
    let of = |role| {
        let mut found = limits.iter().filter(|limit| {
            limit.scope == Limited::Layers(role) && limit.judged.metric == Metric::RelativeUpdate
        });
        found.next().unwrap()
    };
    for frozen in [of(Role::AttentionQ).warn, of(Role::AttentionQ).fail] {
        assert!(frozen.min <= 0.0 && frozen.max > 0.0, "{frozen:?}");
    }
    assert!(of(Role::AttentionV).fail.min > 0.0);
}
