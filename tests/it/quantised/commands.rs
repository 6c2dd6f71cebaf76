//! Quantised checkpoints through the program.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::TensorView;
use serde_json::json;
use tunegate::checkpoint::{Checkpoint, to_f32};
use tunegate::fs;

use crate::support::cmd::{Judged, Ran, run, tunegate};
use crate::support::dtype::Dtype;
use crate::support::repository;
use crate::support::tiny::{DOWN, KEY, QUERY, TinyCheckpoint, TinyTensor, narrow};

/// Inputs with one scale.
const GROUP: usize = 16;

type Stored = (safetensors::Dtype, Vec<usize>, Vec<u8>);

/// The checkpoint as compressed-tensors packs it, with `bits` (4 or 8) bits for the matrices of the
/// blocks.
fn quantised(checkpoint: &TinyCheckpoint, bits: usize) -> BTreeMap<String, Stored> {
    let mut stored = BTreeMap::new();
    for (name, tensor) in &checkpoint.tensors {
        let plain = tensor.dtype.encode(&tensor.values);
        match (name.strip_suffix(".weight"), &tensor.shape[..]) {
            (Some(module), [rows, cols]) if name.contains("layers") => {
                let (codes, scales) = grid(tensor, bits);
                let sides = [*rows, *cols]
                    .map(|side| i64::try_from(side).unwrap().to_le_bytes())
                    .concat();
                let mut add =
                    |leaf: &str, part: Stored| stored.insert(format!("{module}.{leaf}"), part);
                let words = vec![*rows, cols * bits / 32];
                add("weight_packed", (safetensors::Dtype::I32, words, codes));
                add(
                    "weight_scale",
                    (safetensors::Dtype::F32, vec![*rows, cols / GROUP], scales),
                );
                add("weight_shape", (safetensors::Dtype::I64, vec![2], sides));
            }
            _ => {
                let part = (tensor.dtype.of_safetensors(), tensor.shape.clone(), plain);
                stored.insert(name.clone(), part);
            }
        }
    }
    stored
}

/// Packed codes and scales, rounded to the nearest.
fn grid(tensor: &TinyTensor, bits: usize) -> (Vec<u8>, Vec<u8>) {
    let half = 1_i32 << (bits - 1);
    let (mut codes, mut scales) = (Vec::new(), Vec::new());
    for group in tensor.values.chunks_exact(GROUP) {
        let largest = group.iter().fold(0.0_f32, |largest, value| {
            if value.abs() > largest {
                value.abs()
            } else {
                largest
            }
        });
        let scale = largest / narrow(f64::from(half - 1));
        scales.extend(scale.to_le_bytes());
        for value in group {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a rounded quotient below 128"
            )]
            let steps = (value / scale).round() as i32;
            codes.push(u8::try_from(steps + half).unwrap());
        }
    }
    if bits == 4 {
        codes = codes
            .chunks_exact(2)
            .map(|pair| pair[0] | (pair[1] << 4))
            .collect();
    }
    (codes, scales)
}

fn write(folder: &Path, stored: &BTreeMap<String, Stored>, config: &serde_json::Value) {
    fs::create_dir_all(folder).unwrap();
    let views = stored.iter().map(|(name, (dtype, shape, bytes))| {
        let view = TensorView::new(*dtype, shape.clone(), bytes).unwrap();
        (name.as_str(), view)
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    fs::write_atomic(&folder.join("model.safetensors"), &bytes).unwrap();
    fs::write_atomic(&folder.join("config.json"), config.to_string().as_bytes()).unwrap();
}

/// How one side of a pair is written.
#[derive(Clone, Copy)]
enum As {
    Plain,
    Bits(usize),
}

fn write_side(folder: &Path, checkpoint: &TinyCheckpoint, how: As) {
    match how {
        As::Plain => {
            checkpoint.write(folder);
        }
        As::Bits(bits) => {
            let mut config = checkpoint.config.clone().unwrap();
            config["quantization_config"] =
                json!({"quant_method": "compressed-tensors", "format": "pack-quantized"});
            write(folder, &quantised(checkpoint, bits), &config);
        }
    }
}

fn judge(base: (&TinyCheckpoint, As), tuned: (&TinyCheckpoint, As)) -> Judged {
    let folder = tempfile::tempdir().unwrap();
    for (name, (checkpoint, how)) in [("base", base), ("tuned", tuned)] {
        write_side(&folder.path().join(name), checkpoint, how);
    }
    judge_folder(folder.path())
}

fn judge_folder(folder: &Path) -> Judged {
    let mut command = tunegate();
    command.current_dir(folder);
    command.args([
        "check", "--base", "base", "--tuned", "tuned", "--format", "json",
    ]);
    let ran = Ran::of(&mut command);
    Judged {
        report: ran.json(),
        code: ran.code,
    }
}

fn base() -> TinyCheckpoint {
    TinyCheckpoint::model().dtype(Dtype::Bf16)
}

/// Findings that an update of a sound size must not raise.
#[track_caller]
fn claims_nothing_of_the_update(judged: &Judged) {
    for code in [
        "update-size",
        "noise-share",
        "esd-drift",
        "intruder-dimensions",
        "wrong-base",
        "reinitialised-layer",
        "rank-collapse",
        "correlation-traps",
        "spectral-norm-growth",
        "stable-rank-drift",
    ] {
        judged.lacks(code);
    }
}

#[test]
fn a_scan_lists_quantised_layers_by_how_they_are_stored() {
    for (case, scheme, shape) in [
        ("gptq_4bit", "gptq-4bit-g64", json!([64, 256])),
        ("bnb_nf4", "bitsandbytes-nf4-b64", json!([64, 256])),
        ("fp8_block", "f8-e4m3-block32x32", json!([40, 200])),
    ] {
        let folder = repository(&format!("tests/fixtures/quant/{case}"));
        let ran = run(&["scan", &folder.display().to_string(), "--format", "json"]).expect_code(0);
        let layers = ran.json()["layers"].clone();
        assert_eq!(layers.as_array().unwrap().len(), 1, "{case}");
        assert_eq!(layers[0]["name"], "m.weight", "{case}");
        assert_eq!(layers[0]["dtype"], scheme);
        assert_eq!(layers[0]["shape"], shape, "{case}");
        let norm = layers[0]["metrics"]["frobenius_norm"].as_f64().unwrap();
        assert!(norm > 0.0, "{case}");
    }
}

#[test]
fn experts_of_four_bits_are_one_layer_each() {
    let folder = repository("tests/fixtures/quant/mxfp4_gptoss");
    let ran = run(&["scan", &folder.display().to_string(), "--format", "json"]).expect_code(0);
    let layers = ran.json()["layers"].clone();
    assert_eq!(layers.as_array().unwrap().len(), 2);
    assert_eq!(layers[0]["shape"], json!([96, 64]));
}

#[test]
fn four_bits_against_their_bf16_base_are_flagged_and_no_update_is_made_up() {
    let tuned = base().tuned(0.02);
    let judged = judge((&base(), As::Plain), (&tuned, As::Bits(4)));
    judged.has("mixed-precision-pair", &[(None, "warn")]);
    assert_eq!(judged.findings("dtype-downgraded").len(), 14);
    claims_nothing_of_the_update(&judged);
    judged.lacks("no-op");
    let message = judged.message("mixed-precision-pair");
    for part in [
        "14 matrices",
        "compressed-tensors-int4-g16",
        "in 14 of them",
        "can still be trusted",
    ] {
        assert!(message.contains(part), "{message}");
    }
    for name in [QUERY, KEY, DOWN] {
        let layer = judged.layer(name);
        assert_eq!(layer["dtype"], "compressed-tensors-int4-g16");
        assert_eq!(layer["base_dtype"], "BF16");
        let error = layer["quantisation_error"].as_f64().unwrap();
        assert!(error > 0.05 && error < 0.12, "{error}");
        let drift = &layer["drift"];
        for metric in [
            "relative_update",
            "cosine",
            "update_stable_rank",
            "update_alpha",
            "esd_distance",
        ] {
            assert!(drift[metric].is_null(), "{metric}: {drift}");
            let reason = drift["reasons"][metric].as_str().unwrap();
            assert!(reason.contains("quantisation error"), "{reason}");
        }
        let ratio = drift["spectral_norm_ratio"].as_f64().unwrap();
        assert!((ratio - 1.0).abs() <= 0.02, "{ratio}");
    }
    judged.ends("fail", 1);
}

#[test]
fn a_quantised_base_is_a_mixed_pair_and_no_downgrade() {
    let judged = judge((&base(), As::Bits(4)), (&base().tuned(0.02), As::Plain));
    judged.has("mixed-precision-pair", &[(None, "warn")]);
    judged.lacks("dtype-downgraded");
    claims_nothing_of_the_update(&judged);
    judged.ends("warn", 0);
}

#[test]
fn an_update_that_is_clear_of_the_error_is_measured() {
    let judged = judge((&base(), As::Plain), (&base().tuned(0.1), As::Bits(8)));
    judged.has("mixed-precision-pair", &[(None, "warn")]);
    let layer = judged.layer(KEY);
    let update = layer["drift"]["relative_update"].as_f64().unwrap();
    assert!((update - 0.1).abs() <= 0.002, "{update}");
    let error = layer["quantisation_error"].as_f64().unwrap();
    assert!(error > 0.002 && error < 0.008, "{error}");
    assert!(layer["drift"]["changed_fraction"].is_null());
}

#[test]
fn two_sides_in_the_same_scheme_are_a_pair() {
    let judged = judge((&base(), As::Bits(8)), (&base().tuned(0.03), As::Bits(8)));
    judged.lacks("mixed-precision-pair");
    judged.lacks("dtype-downgraded");
    let update = judged.layer(KEY)["drift"]["relative_update"]
        .as_f64()
        .unwrap();
    assert!((update - 0.03).abs() <= 0.002, "{update}");
    judged.ends("pass", 0);
}

#[test]
fn two_sides_in_different_schemes_are_mixed_and_no_downgrade() {
    let judged = judge((&base(), As::Bits(8)), (&base().tuned(0.02), As::Bits(4)));
    judged.has("mixed-precision-pair", &[(None, "warn")]);
    judged.lacks("dtype-downgraded");
    claims_nothing_of_the_update(&judged);
}

#[test]
fn the_same_quantised_checkpoint_twice_is_a_no_op() {
    let judged = judge((&base(), As::Bits(4)), (&base(), As::Bits(4)));
    judged.has("no-op", &[(None, "fail")]);
    judged.lacks("mixed-precision-pair");
    assert_eq!(judged.layer(KEY)["identical"], true);
}

#[test]
fn what_gptq_makes_of_a_matrix_is_flagged_against_that_matrix_in_bf16() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = repository("tests/fixtures/quant/gptq_4bit");
    let reference = Checkpoint::open(&fixture.join("reference.safetensors"), "reference").unwrap();
    let tensor = reference.tensor("weight").unwrap();
    let values = to_f32(tensor.dtype, &reference.bytes(tensor).unwrap());
    TinyCheckpoint::new(0)
        .tensor("m.weight", TinyTensor::new(&tensor.shape, values))
        .dtype(Dtype::Bf16)
        .write(&folder.path().join("base"));
    let tuned = folder.path().join("tuned");
    fs::create_dir_all(&tuned).unwrap();
    for name in ["model.safetensors", "config.json"] {
        fs::write_atomic(&tuned.join(name), &fs::read(&fixture.join(name)).unwrap()).unwrap();
    }
    let judged = judge_folder(folder.path());
    judged.has("mixed-precision-pair", &[(None, "warn")]);
    judged.has("dtype-downgraded", &[(Some("m.weight"), "fail")]);
    assert!(judged.layer("m.weight")["drift"]["relative_update"].is_null());
}

#[test]
fn parts_that_do_not_fit_are_a_corrupt_file_and_lower_the_coverage() {
    let folder = tempfile::tempdir().unwrap();
    write_side(&folder.path().join("base"), &base(), As::Bits(4));
    let mut stored = quantised(&base().tuned(0.05), 4);
    let scale = KEY.replace("weight", "weight_scale");
    let (_, shape, bytes) = stored.get_mut(&scale).unwrap();
    shape[0] -= 1;
    bytes.truncate(4 * shape[0] * shape[1]);
    let config = json!({"quantization_config": {"quant_method": "compressed-tensors", "format": "pack-quantized"}});
    write(&folder.path().join("tuned"), &stored, &config);
    let judged = judge_folder(folder.path());
    judged.has("corrupt-file", &[(None, "fail")]);
    assert!(judged.message("corrupt-file").contains(KEY));
    judged.lacks("missing-tensor");
    let share = judged.report["coverage"]["parameters_share"]
        .as_f64()
        .unwrap();
    assert!(share < 1.0, "{share}");
}

#[test]
fn two_sides_in_a_format_that_is_not_read_are_inconclusive() {
    let folder = tempfile::tempdir().unwrap();
    let section = json!({"quant_method": "compressed-tensors", "format": "marlin-24"});
    let mut config = base().config.unwrap();
    config["quantization_config"] = section;
    for name in ["base", "tuned"] {
        write(&folder.path().join(name), &quantised(&base(), 8), &config);
    }
    let judged = judge_folder(folder.path());
    judged.has("low-coverage", &[(None, "warn")]);
    judged.lacks("corrupt-file");
    assert!(matches!(judged.code, 1 | 3), "{}", judged.code);
    let reasons = judged.report["coverage"]["reasons"].to_string();
    assert!(reasons.contains("`marlin-24`"), "{reasons}");
}

#[test]
fn a_gguf_file_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.Q4_K_M.gguf");
    fs::write_atomic(&file, b"GGUF").unwrap();
    for path in [folder.path(), &file] {
        let ran = run(&["scan", &path.display().to_string()]).expect_code(2);
        assert!(ran.stderr.contains("model.Q4_K_M.gguf"), "{}", ran.stderr);
        assert!(ran.stderr.contains("save_pretrained"), "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
}
