//! Shapes and values at the edge: the gate judges or says why it cannot, and never breaks down.

use serde_json::{Value, json};

use crate::support::cmd::{Judged, Pair, judge};
use crate::support::dtype::Dtype;
use crate::support::random::Random;
use crate::support::spectrum::Spectrum;
use crate::support::tiny::{KEY, NORM, QUERY, TinyCheckpoint, TinyTensor, WIDTH, narrow};

fn base() -> TinyCheckpoint {
    TinyCheckpoint::model()
}

fn random(seed: u64, shape: &[usize]) -> TinyTensor {
    let values = Random::new(seed).gaussians(shape.iter().product());
    TinyTensor::new(
        shape,
        values
            .into_iter()
            .map(|value| narrow(0.1 * value))
            .collect(),
    )
}

/// Judges a pair that both have `tensor` under `name`, in a sound fine-tune.
fn with_tensor(name: &str, tensor: TinyTensor) -> Judged {
    let base = base().tensor(name, tensor);
    judge(&base, &base.tuned(0.01))
}

#[test]
fn tensors_of_odd_shapes_do_not_stop_the_run() {
    for shape in [
        &[][..],
        &[0],
        &[0, WIDTH],
        &[1],
        &[1, 1],
        &[1, 300],
        &[300, 1],
        &[2, 2],
        &[3, 4, 5],
        &[2, 3, 4, 5],
        &[2, 2, 2, 2, 2],
    ] {
        let judged = with_tensor("model.layers.0.odd.weight", random(3, shape));
        assert!(
            matches!(judged.code, 0 | 3),
            "{shape:?}: {:#}",
            judged.report["findings"]
        );
        assert_ne!(judged.verdict(), "fail", "{shape:?}");
    }
}

#[test]
fn a_checkpoint_without_any_matrix_is_inconclusive() {
    let base = TinyCheckpoint::new(1).vector(NORM, WIDTH);
    let judged = judge(&base, &base.tuned(0.01));
    judged.ends("inconclusive", 3);
    judged.lacks("no-op");
    // Nor is it when nothing was trained.
    judge(&base, &base).ends("inconclusive", 3);
}

#[test]
fn a_checkpoint_of_one_small_matrix_is_judged() {
    let base = TinyCheckpoint::new(1).layer("w.weight", [4, 4], Spectrum::Gaussian);
    judge(&base, &base.tuned(0.01)).ends("pass", 0);
    judge(&base, &base).ends("fail", 1);
}

#[test]
fn a_model_with_nothing_in_common_but_norms_never_passes() {
    let other = TinyCheckpoint::new(2).vector(NORM, WIDTH).layer(
        "decoder.something.weight",
        [64, 64],
        Spectrum::Gaussian,
    );
    let judged = judge(&base(), &other);
    assert!(matches!(judged.code, 1 | 3));
    judged.has("low-coverage", &[(None, "warn")]);
}

#[test]
fn values_at_the_ends_of_the_range_of_f32_have_finite_metrics() {
    for scale in [1e-38_f32, 1e-30, 1e30, 1e36] {
        let scaled = |values: &mut [f32]| values.iter_mut().for_each(|value| *value *= scale);
        let base = base().edit(QUERY, scaled);
        let judged = judge(&base, &base.tuned(0.01));
        let drift = &judged.layer(QUERY)["drift"];
        let update = drift["relative_update"].as_f64().unwrap();
        assert!((update - 0.01).abs() <= 1e-4, "{scale}: {update}");
        assert!(drift["esd_distance"].is_number(), "{scale}: {drift:#}");
        judged.lacks("rank-collapse");
        assert_eq!(judged.code, 0, "{scale}: {:#}", judged.report["findings"]);
    }
}

#[test]
fn a_layer_that_is_zero_on_both_sides_is_compared() {
    let zero = |values: &mut [f32]| values.fill(0.0);
    let base = base().edit(KEY, zero);
    let judged = judge(&base, &base.tuned(0.01).edit(KEY, zero));
    judged.ends("pass", 0);
    assert_eq!(judged.layer(KEY)["identical"], true);
}

#[test]
fn a_layer_that_was_zero_and_is_trained_is_no_reinitialisation() {
    let base = base().edit(KEY, |values| values.fill(0.0));
    let trained = base.tuned(0.01).tensor(KEY, random(4, &[WIDTH, WIDTH]));
    let judged = judge(&base, &trained);
    judged.lacks("reinitialised-layer");
    judged.lacks("rank-collapse");
    let drift = &judged.layer(KEY)["drift"];
    assert_eq!(drift["relative_update"], Value::Null);
    assert!(
        drift["reasons"]["relative_update"]
            .as_str()
            .unwrap()
            .contains("zero")
    );
}

#[test]
fn the_sign_of_zero_is_no_change() {
    let zeros = |values: &mut [f32]| values[..5].fill(0.0);
    let negative = |values: &mut [f32]| values[..5].fill(-0.0);
    judge(&base().edit(KEY, zeros), &base().edit(KEY, negative)).has("no-op", &[(None, "fail")]);
}

#[test]
fn one_negated_layer_is_seen() {
    let negate = |values: &mut [f32]| values.iter_mut().for_each(|value| *value = -*value);
    let judged = judge(&base(), &base().tuned(0.01).edit(QUERY, negate));
    judged.has("reinitialised-layer", &[(Some(QUERY), "fail")]);
    judged.ends("fail", 1);
}

#[test]
fn two_swapped_layers_are_seen() {
    let other = "model.layers.1.self_attn.q_proj.weight";
    let tuned = base().tuned(0.01);
    let (first, second) = (tuned.tensors[QUERY].clone(), tuned.tensors[other].clone());
    let judged = judge(&base(), &tuned.tensor(QUERY, second).tensor(other, first));
    judged.has(
        "reinitialised-layer",
        &[(Some(QUERY), "fail"), (Some(other), "fail")],
    );
    judged.ends("fail", 1);
}

#[test]
fn one_rescaled_layer_is_seen() {
    let scale = |values: &mut [f32]| values.iter_mut().for_each(|value| *value *= 5.0);
    let judged = judge(&base(), &base().tuned(0.01).edit(QUERY, scale));
    judged.ends("fail", 1);
    judged.has("spectral-norm-growth", &[(Some(QUERY), "fail")]);
}

/// A fused projection of unknown layout is one matrix; a third of it that is new is a large update.
#[test]
fn a_new_part_of_a_fused_tensor_does_not_pass_unseen() {
    let name = "model.layers.0.self_attn.qkv_proj.weight";
    let base = base()
        .tensor(name, random(5, &[3 * WIDTH, WIDTH]))
        .without(QUERY)
        .without(KEY)
        .without("model.layers.0.self_attn.v_proj.weight");
    let third = WIDTH * WIDTH;
    let fresh = random(6, &[WIDTH, WIDTH]).values;
    let tuned = base.tuned(0.01);
    let tuned = tuned.edit(name, |values| {
        values[third..2 * third].copy_from_slice(&fresh);
    });
    let judged = judge(&base, &tuned);
    judged.has("update-size", &[(Some(name), "warn")]);
    assert_eq!(judged.layer(name)["shape"], json!([3 * WIDTH, WIDTH]));
}

#[test]
fn experts_of_a_fused_tensor_are_judged_apart() {
    let name = "model.layers.0.mlp.experts.down_proj";
    let base = base().tensor(name, random(7, &[3, 40, WIDTH]));
    let tuned = base.tuned(0.01);
    let size = 40 * WIDTH;
    let tuned = tuned.edit(name, |values| values[size..2 * size].fill(0.0));
    let judged = judge(&base, &tuned);
    let expert = format!("{name}[1]");
    judged.has("constant-tensor", &[(Some(expert.as_str()), "fail")]);
    assert_eq!(judged.layer(&expert)["expert"], 1);
}

#[test]
fn one_file_is_judged_like_its_folder() {
    let pair = Pair::new(&base(), &base().tuned(0.01));
    let file = |side: &str| {
        pair.path(side)
            .join("model.safetensors")
            .display()
            .to_string()
    };
    let (base, tuned) = (file("base"), file("tuned"));
    let ran = pair.check(&["--format", "json"]).expect_code(0);
    let args = [
        "check", "--format", "json", "--base", &base, "--tuned", &tuned,
    ];
    let alone = crate::support::cmd::run(&args).expect_code(0);
    assert_eq!(ran.json()["layers"], alone.json()["layers"]);
    assert_eq!(
        ran.json()["tuned"]["digest"],
        alone.json()["tuned"]["digest"]
    );
}

#[test]
fn an_update_of_any_dtype_is_measured_with_its_size() {
    for (dtype, tolerance) in [(Dtype::F32, 1e-5), (Dtype::F16, 1e-3), (Dtype::Bf16, 2e-3)] {
        let base = base().dtype(dtype);
        let judged = judge(&base, &base.tuned(0.03));
        assert_eq!(judged.code, 0, "{:#}", judged.report["findings"]);
        let update = judged.layer(QUERY)["drift"]["relative_update"]
            .as_f64()
            .unwrap();
        assert!((update - 0.03).abs() <= tolerance, "{dtype:?}: {update}");
    }
}
