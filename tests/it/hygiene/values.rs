//! Codes on the values of one layer.

use serde_json::Value;

use crate::support::cmd::{Judged, judge};
use crate::support::random::Random;
use crate::support::spectrum::Spectrum;
use crate::support::tiny::{
    DOWN, HEAD, KEY, NORM, QUERY, TinyCheckpoint, TinyTensor, WIDTH, narrow,
};

const OTHER_QUERY: &str = "model.layers.1.self_attn.q_proj.weight";

fn base() -> TinyCheckpoint {
    TinyCheckpoint::model()
}

fn sound() -> TinyCheckpoint {
    base().tuned(0.01)
}

fn row(values: &mut [f32], row: usize) -> &mut [f32] {
    values.chunks_exact_mut(WIDTH).nth(row).unwrap()
}

/// Every layer but `broken` has numbers.
#[track_caller]
fn all_others_are_measured(judged: &Judged, broken: &str) {
    let layers = judged.report["layers"].as_array().unwrap();
    assert_eq!(layers.len(), sound().tensors.len());
    for layer in layers.iter().filter(|layer| layer["name"] != broken) {
        assert!(layer["drift"]["relative_update"].is_number(), "{layer:#}");
        if layer["kind"] == "matrix" {
            assert!(layer["drift"]["esd_distance"].is_number(), "{layer:#}");
            assert!(layer["tuned"]["stable_rank"].is_number(), "{layer:#}");
        }
    }
}

#[test]
fn one_nan_fails_and_leaves_all_other_layers_measured() {
    let judged = judge(&base(), &sound().edit(KEY, |values| values[5] = f32::NAN));
    judged.ends("fail", 1);
    judged.has("non-finite", &[(Some(KEY), "fail")]);
    all_others_are_measured(&judged, KEY);
    let layer = judged.layer(KEY);
    assert_eq!(layer["tuned"]["nonfinite_count"], 1);
    for metric in ["relative_update", "cosine", "esd_distance"] {
        assert_eq!(layer["drift"][metric], Value::Null);
        let reason = layer["drift"]["reasons"][metric].as_str().unwrap();
        assert!(reason.contains("non-finite"), "{reason}");
    }
}

#[test]
fn an_infinity_in_a_norm_and_in_a_head_fails() {
    let tuned = sound()
        .edit(NORM, |values| values[0] = f32::INFINITY)
        .edit(HEAD, |values| values[0] = f32::NEG_INFINITY);
    let judged = judge(&base(), &tuned);
    judged.ends("fail", 1);
    judged.has("non-finite", &[(Some(NORM), "fail"), (Some(HEAD), "fail")]);
}

#[test]
fn a_checkpoint_of_nothing_but_nan_fails() {
    let mut tuned = sound();
    for tensor in tuned.tensors.values_mut() {
        tensor.values.fill(f32::NAN);
    }
    let judged = judge(&base(), &tuned);
    judged.ends("fail", 1);
    assert_eq!(judged.findings("non-finite").len(), tuned.tensors.len());
}

#[test]
fn a_nan_of_the_base_alone_is_a_note() {
    let judged = judge(&base().edit(KEY, |values| values[5] = f32::NAN), &sound());
    judged.has("non-finite", &[(Some(KEY), "note")]);
    judged.ends("pass", 0);
    all_others_are_measured(&judged, KEY);
}

#[test]
fn the_same_nan_on_both_sides_still_fails() {
    let nan = |values: &mut [f32]| values[5] = f32::NAN;
    let judged = judge(&base().edit(KEY, nan), &sound().edit(KEY, nan));
    judged.has("non-finite", &[(Some(KEY), "fail")]);
    judged.ends("fail", 1);
    // Even where nothing was trained, the bytes being the same.
    let broken = base().edit(KEY, nan);
    let judged = judge(&broken, &broken);
    judged.has("non-finite", &[(Some(KEY), "fail")]);
    judged.ends("fail", 1);
}

#[test]
fn large_finite_values_are_not_non_finite() {
    let judged = judge(&base(), &sound().edit(KEY, |values| values[5] = f32::MAX));
    judged.lacks("non-finite");
    assert_eq!(judged.layer(KEY)["tuned"]["nonfinite_count"], 0);
}

#[test]
fn a_row_that_became_zero_fails() {
    let judged = judge(
        &base(),
        &sound().edit(QUERY, |values| row(values, 3).fill(0.0)),
    );
    judged.ends("fail", 1);
    judged.has("dead-rows", &[(Some(QUERY), "fail")]);
    assert!(judged.message("dead-rows").starts_with("1 of 128 rows"));
}

#[test]
fn a_row_that_was_zero_in_the_base_does_not_fire() {
    let dead = |values: &mut [f32]| row(values, 3).fill(0.0);
    let judged = judge(&base().edit(QUERY, dead), &sound().edit(QUERY, dead));
    judged.lacks("dead-rows");
    judged.ends("pass", 0);
}

#[test]
fn a_tensor_that_became_constant_fails() {
    let tuned = sound()
        .edit(NORM, |values| values.fill(1.0))
        .edit(KEY, |values| values.fill(0.0));
    let judged = judge(&base(), &tuned);
    judged.ends("fail", 1);
    judged.has(
        "constant-tensor",
        &[(Some(NORM), "fail"), (Some(KEY), "fail")],
    );
    // All rows of the second are zero; one finding says so.
    judged.lacks("dead-rows");
}

#[test]
fn a_tensor_that_was_constant_in_the_base_does_not_fire() {
    let judged = judge(
        &base().edit(NORM, |values| values.fill(1.0)),
        &sound().edit(NORM, |values| values.fill(1.01)),
    );
    judged.lacks("constant-tensor");
    judged.ends("pass", 0);
}

#[test]
fn a_copied_layer_fails() {
    let copy = sound().tensors[QUERY].clone();
    let judged = judge(&base(), &sound().tensor(OTHER_QUERY, copy));
    judged.ends("fail", 1);
    judged.has("duplicate-layers", &[(Some(OTHER_QUERY), "fail")]);
    assert!(judged.message("duplicate-layers").contains(QUERY));
}

#[test]
fn layers_that_the_base_shares_already_do_not_fire() {
    let shared = |model: TinyCheckpoint| {
        let copy = model.tensors[QUERY].clone();
        model.tensor(OTHER_QUERY, copy)
    };
    let judged = judge(&shared(base()), &shared(sound()));
    judged.lacks("duplicate-layers");
    judged.ends("pass", 0);
}

#[test]
fn a_layer_with_new_random_values_fails() {
    let fresh = TinyCheckpoint::other_model().tensors[DOWN].clone();
    let judged = judge(&base(), &sound().tensor(DOWN, fresh));
    judged.ends("fail", 1);
    judged.has("reinitialised-layer", &[(Some(DOWN), "fail")]);
    judged.lacks("wrong-base");
}

#[test]
fn a_new_head_or_a_small_matrix_with_new_values_is_not_reinitialised() {
    let small = |seed: u64| {
        let values = Random::new(seed).gaussians(512);
        TinyTensor::new(&[4, WIDTH], values.into_iter().map(narrow).collect())
    };
    let name = "model.layers.0.mlp.gate.weight";
    let head = TinyCheckpoint::other_model().tensors[HEAD].clone();
    let tuned = sound().tensor(HEAD, head).tensor(name, small(1));
    let judged = judge(&base().tensor(name, small(2)), &tuned);
    judged.lacks("reinitialised-layer");
}

/// Row 100 and all after it become sums of two rows before them.
fn of_rank_100(values: &mut [f32]) {
    for target in 100..WIDTH {
        for column in 0..WIDTH {
            let sum =
                values[(target - 50) * WIDTH + column] + values[(target - 51) * WIDTH + column];
            values[target * WIDTH + column] = sum / 2.0;
        }
    }
}

#[test]
fn lost_rank_fails() {
    let judged = judge(&base(), &sound().edit(QUERY, of_rank_100));
    judged.ends("fail", 1);
    judged.has("rank-collapse", &[(Some(QUERY), "fail")]);
    let finding = judged.findings("rank-collapse")[0];
    assert_eq!(finding["observed"], 28);
    assert_eq!(finding["metric"], "rank_loss");
}

#[test]
fn a_low_rank_of_the_base_and_the_loss_of_one_dimension_do_not_fire() {
    let scaled = |values: &mut [f32]| values.iter_mut().for_each(|value| *value *= 1.03125);
    let low = base().layer(QUERY, [WIDTH, WIDTH], Spectrum::Rank(100));
    let mut tuned = low.clone().edit(QUERY, scaled).tuned(0.0);
    tuned = tuned.edit(KEY, scaled);
    let judged = judge(&low, &tuned);
    judged.lacks("rank-collapse");
    judged.ends("pass", 0);

    let one_row = |values: &mut [f32]| values.copy_within(0..WIDTH, WIDTH);
    let judged = judge(&base(), &sound().edit(QUERY, one_row));
    assert_eq!(judged.layer(QUERY)["tuned"]["rank_loss"], 1);
    judged.lacks("rank-collapse");
}
