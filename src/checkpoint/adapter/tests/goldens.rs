//! Against what `merge_and_unload` of PEFT made of the same base and adapter.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::checkpoint::{Adapter, Checkpoint, to_f32};

/// Adapter and base, and how far the merged weights may be from PEFT's in units of the last place of
/// f32: 0 is bit for bit.
const CASES: &[(&str, &str, u32)] = &[
    ("bert_cls", "bert_cls", 0),
    ("gpt2_conv1d", "gpt2", 0),
    ("gptoss_target_parameters", "gpt_oss", 0),
    ("llama_bias_lora", "llama", 0),
    ("llama_dora", "llama", 0),
    ("llama_embed", "llama", 0),
    ("llama_lora", "llama", 0),
    ("llama_modules_to_save", "llama", 0),
    ("llama_trainable_tokens", "llama", 0),
    ("vit_conv", "vit", 0),
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/peft")
        .join(name)
}

fn open(base: &str, adapter: &str) -> (Arc<Checkpoint>, Adapter) {
    let base = Checkpoint::open(&fixture(&format!("base/{base}")), "base").unwrap();
    let adapter = Adapter::open(&fixture(adapter), adapter).unwrap();
    (Arc::new(base), adapter)
}

/// Distance in representable numbers.
fn places(left: f32, right: f32) -> u32 {
    let order = |value: f32| {
        let bits = i64::from(value.to_bits() & 0x7fff_ffff);
        if value.is_sign_negative() {
            -bits
        } else {
            bits
        }
    };
    u32::try_from((order(left) - order(right)).abs()).unwrap()
}

#[test]
fn merged_weights_are_those_of_peft() {
    for (case, base, tolerance) in CASES {
        let (base, adapter) = open(base, case);
        let merged = Checkpoint::with_adapter(&base, &adapter, "merged").unwrap();
        let golden = Checkpoint::open(&fixture(&format!("{case}/merged")), "golden").unwrap();
        let names = |checkpoint: &Checkpoint| -> Vec<String> {
            checkpoint.tensors().keys().cloned().collect()
        };
        assert_eq!(names(&merged), names(&golden), "{case}");
        let (mut worst, mut changed) = (0, 0);
        for (name, tensor) in merged.tensors() {
            let expected = golden.tensor(name).unwrap();
            assert_eq!(
                (tensor.dtype, &tensor.shape),
                (expected.dtype, &expected.shape)
            );
            let bytes = merged.bytes(tensor).unwrap();
            assert_eq!(bytes.len() as u64, tensor.byte_length(), "{case} {name}");
            let found = to_f32(tensor.dtype, &bytes);
            let expected = to_f32(tensor.dtype, &golden.bytes(expected).unwrap());
            for (found, expected) in found.iter().zip(&expected) {
                worst = worst.max(places(*found, *expected));
            }
            let before = base.bytes(base.tensor(name).unwrap()).unwrap();
            changed += usize::from(bytes != before);
        }
        assert!(worst <= *tolerance, "{case}: {worst} places");
        assert!(changed >= 1, "{case}");
        let adapted = merged.adapted_tensors().count();
        assert!(adapted >= changed, "{case}: {adapted} {changed}");
    }
}

#[test]
fn the_factors_give_the_update_and_only_where_they_are_the_update() {
    for (case, base, _) in CASES {
        let (base, adapter) = open(base, case);
        let merged = Checkpoint::with_adapter(&base, &adapter, "merged").unwrap();
        let other = Checkpoint::open(&fixture("base/llama"), "other").unwrap();
        let mut with_factors = 0;
        for tensor in merged.adapted_tensors() {
            let update = merged.update_of(tensor).unwrap().unwrap();
            let before = base.tensor(&tensor.name).unwrap();
            let found = merged.low_rank_updates(tensor, &base, before).unwrap();
            let of_other = merged.low_rank_updates(tensor, &other, before);
            assert!(of_other.unwrap().is_empty(), "{case}: another base");
            if let [found] = found.as_slice() {
                with_factors += 1;
                assert_eq!(found.product(), update, "{case} {}", tensor.name);
                let cols = tensor.shape.iter().skip(1).product();
                assert_eq!((found.rows, found.cols), (tensor.shape[0], cols), "{case}");
            }
        }
        let expected = match *case {
            "gpt2_conv1d" | "llama_lora" => 3,
            "bert_cls" | "vit_conv" => 2,
            "llama_dora" => 0,
            _ => 1,
        };
        assert_eq!(with_factors, expected, "{case}");
        assert_eq!(merged.has_low_rank_updates(&base), *case != "llama_dora");
        assert!(!merged.has_low_rank_updates(&other));
    }
}

#[test]
fn each_expert_has_factors_of_its_own() {
    let (base, adapter) = open("gpt_oss", "gptoss_target_parameters");
    let merged = Checkpoint::with_adapter(&base, &adapter, "merged").unwrap();
    for name in ["gate_up_proj", "down_proj"] {
        let name = format!("model.layers.0.mlp.experts.{name}");
        let (before, after) = (base.tensor(&name).unwrap(), merged.tensor(&name).unwrap());
        let update = merged.update_of(after).unwrap().unwrap();
        let found = merged.low_rank_updates(after, &base, before).unwrap();
        assert_eq!(found.len(), 4);
        let experts = found.iter().flat_map(|expert| {
            assert_eq!([expert.rows, expert.cols], after.shape[1..]);
            expert.product()
        });
        assert_eq!(experts.collect::<Vec<_>>(), update);
    }
}

#[test]
fn an_adapter_on_an_adapted_base_adds_up() {
    let (base, adapter) = open("llama", "llama_lora");
    let once = Arc::new(Checkpoint::with_adapter(&base, &adapter, "once").unwrap());
    let twice = Checkpoint::with_adapter(&once, &adapter, "twice").unwrap();
    let name = "model.layers.0.self_attn.q_proj.weight";
    let values = |checkpoint: &Checkpoint| {
        let tensor = checkpoint.tensor(name).unwrap();
        to_f32(tensor.dtype, &checkpoint.bytes(tensor).unwrap())
    };
    let (zero, one, two) = (values(&base), values(&once), values(&twice));
    for ((zero, one), two) in zero.iter().zip(&one).zip(&two) {
        assert!((two - one - (one - zero)).abs() <= 1e-6);
    }
    let tensor = twice.tensor(name).unwrap();
    let found = twice.low_rank_updates(tensor, &base, base.tensor(name).unwrap());
    assert!(
        found.unwrap().is_empty(),
        "the update is that of both adapters"
    );
}
