//! Codes on the pair as a whole.

use crate::support::cmd::judge;
use crate::support::dtype::Dtype;
use crate::support::random::Random;
use crate::support::spectrum::Spectrum;
use crate::support::tiny::{DOWN, HEAD, KEY, NORM, TinyCheckpoint, WIDTH};

fn base() -> TinyCheckpoint {
    TinyCheckpoint::model()
}

fn sound() -> TinyCheckpoint {
    base().tuned(0.01)
}

#[test]
fn the_base_itself_is_a_no_op() {
    let judged = judge(&base(), &base());
    judged.ends("fail", 1);
    judged.has("no-op", &[(None, "fail")]);
}

#[test]
fn the_base_rounded_to_another_dtype_is_a_no_op() {
    let judged = judge(&base(), &base().dtype(Dtype::Bf16));
    judged.ends("fail", 1);
    judged.has("no-op", &[(None, "fail")]);
    assert!(judged.message("no-op").contains("rounded"));
    // The other way round, values that were rounded once are exact in the wider dtype.
    let rounded = base().dtype(Dtype::Bf16);
    let mut widened = base();
    for tensor in widened.tensors.values_mut() {
        for value in &mut tensor.values {
            *value = half::bf16::from_f32(*value).to_f32();
        }
    }
    judge(&rounded, &widened).has("no-op", &[(None, "fail")]);
}

#[test]
fn one_changed_tensor_of_the_body_is_no_no_op() {
    let judged = judge(&base(), &base().edit(NORM, |values| values[0] += 0.125));
    judged.lacks("no-op");
    judged.ends("pass", 0);
    // One step of bf16 in one entry of one matrix.
    let rounded = base().dtype(Dtype::Bf16);
    let step = |values: &mut [f32]| {
        let value = half::bf16::from_f32(values[0]);
        values[0] = half::bf16::from_bits(value.to_bits() + 1).to_f32();
    };
    judge(&rounded, &rounded.clone().edit(KEY, step)).lacks("no-op");
}

#[test]
fn a_trained_head_on_an_equal_body_is_a_note() {
    let judged = judge(&base(), &base().edit(HEAD, |values| values[0] += 0.125));
    judged.has("no-op", &[(None, "note")]);
    judged.ends("pass", 0);
}

#[test]
fn unrelated_weights_are_of_a_wrong_base() {
    let judged = judge(&base(), &TinyCheckpoint::other_model());
    judged.ends("fail", 1);
    judged.has("wrong-base", &[(None, "fail")]);
    // Every layer looks new then; one finding says so.
    judged.lacks("reinitialised-layer");
}

#[test]
fn permuted_rows_and_columns_are_of_a_wrong_base() {
    let mut tuned = sound();
    let mut random = Random::new(3);
    for tensor in tuned.tensors.values_mut() {
        let [rows, cols] = tensor.shape[..] else {
            continue;
        };
        let (row_order, col_order) = (random.permutation(rows), random.permutation(cols));
        let old = tensor.values.clone();
        for (row, from) in row_order.iter().enumerate() {
            for (col, other) in col_order.iter().enumerate() {
                tensor.values[row * cols + col] = old[from * cols + other];
            }
        }
    }
    let judged = judge(&base(), &tuned);
    judged.ends("fail", 1);
    judged.has("wrong-base", &[(None, "fail")]);
    // The spectra are those of a sound fine-tune: no statistic would have seen it.
    let distance = judged.layer(KEY)["drift"]["esd_distance"].as_f64().unwrap();
    assert!(distance < 0.05, "{distance}");
}

#[test]
fn a_large_update_of_the_same_weights_is_not_of_a_wrong_base() {
    let judged = judge(&base(), &base().tuned(0.5));
    judged.lacks("wrong-base");
    judged.ends("fail", 1);
}

#[test]
fn another_architecture_never_passes() {
    let mut bert = TinyCheckpoint::new(5)
        .layer(
            "bert.embeddings.word_embeddings.weight",
            [96, 64],
            Spectrum::Gaussian,
        )
        .vector("bert.embeddings.LayerNorm.weight", 64);
    for part in ["query", "key", "value"] {
        let name = format!("bert.encoder.layer.0.attention.self.{part}.weight");
        bert = bert.layer(&name, [64, 64], Spectrum::Gaussian);
    }
    for (base, tuned) in [(base(), bert.clone()), (bert, sound())] {
        let judged = judge(&base, &tuned);
        assert!(matches!(judged.code, 1 | 3), "{}", judged.code);
        judged.has("low-coverage", &[(None, "warn")]);
        assert_eq!(judged.report["coverage"]["compared"], 0);
    }
}

#[test]
fn eight_bits_are_a_downgrade_and_a_mixed_pair() {
    let base = base().dtype(Dtype::Bf16);
    let judged = judge(&base, &base.tuned(0.01).dtype_of(DOWN, Dtype::F8));
    judged.has("dtype-downgraded", &[(Some(DOWN), "fail")]);
    judged.has("mixed-precision-pair", &[(None, "warn")]);
    judged.ends("fail", 1);
}

#[test]
fn a_base_of_eight_bits_is_a_mixed_pair_and_no_downgrade() {
    let judged = judge(&base().dtype_of(DOWN, Dtype::F8), &sound());
    judged.lacks("dtype-downgraded");
    judged.has("mixed-precision-pair", &[(None, "warn")]);
    judged.ends("warn", 0);
}

#[test]
fn eight_bits_on_both_sides_do_not_fire() {
    let judged = judge(
        &base().dtype_of(DOWN, Dtype::F8),
        &base().tuned(0.05).dtype_of(DOWN, Dtype::F8),
    );
    judged.lacks("dtype-downgraded");
    judged.lacks("mixed-precision-pair");
}

#[test]
fn f16_is_a_downgrade_only_where_values_of_the_base_do_not_fit() {
    let judged = judge(&base(), &sound().dtype(Dtype::F16));
    judged.lacks("dtype-downgraded");
    judged.ends("pass", 0);

    let huge = |values: &mut [f32]| values[0] = 70_000.0;
    let clipped = |values: &mut [f32]| values[0] = 65_504.0;
    let tuned = sound().edit(KEY, clipped).dtype(Dtype::F16);
    let judged = judge(&base().edit(KEY, huge).dtype(Dtype::Bf16), &tuned);
    judged.has("dtype-downgraded", &[(Some(KEY), "fail")]);
    judged.lacks("non-finite");
    judged.ends("fail", 1);
}

#[test]
fn from_f32_to_bf16_is_no_downgrade() {
    let judged = judge(&base(), &sound().dtype(Dtype::Bf16));
    judged.lacks("dtype-downgraded");
    judged.lacks("mixed-precision-pair");
    judged.ends("pass", 0);
    assert_eq!(judged.layer(KEY)["base_dtype"], "F32");
    assert_eq!(
        judged.layer(KEY)["shape"],
        serde_json::json!([WIDTH, WIDTH])
    );
}

#[test]
fn a_quantised_base_against_plain_weights_is_mixed_precision() {
    let quantised = |checkpoint: TinyCheckpoint| {
        checkpoint.config_field(
            "quantization_config",
            serde_json::json!({"quant_method": "gptq"}),
        )
    };
    let judged = judge(&quantised(base()), &sound());
    judged.has("mixed-precision-pair", &[(None, "warn")]);
    judge(&quantised(base()), &quantised(sound())).lacks("mixed-precision-pair");
}
