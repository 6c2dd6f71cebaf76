//! Fused tensors: their parts are layers of their own, and meet those of another layout.

use serde_json::{Value, json};

use crate::support::cmd::{Judged, Pair, judge, run};
use crate::support::dtype::Dtype;
use crate::support::random::Random;
use crate::support::repository;
use crate::support::spectrum::Spectrum;
use crate::support::tiny::{DOWN, TinyCheckpoint, TinyTensor, WIDTH, narrow};

const ATTENTION: &str = "model.layers.0.self_attn";
const QKV: &str = "model.layers.0.self_attn.qkv_proj.weight";
const INNER: usize = 136;

fn base() -> TinyCheckpoint {
    TinyCheckpoint::model()
}

/// Several matrices of equal width, one above the other.
fn stacked(parts: &[&TinyTensor]) -> TinyTensor {
    let rows = parts.iter().map(|part| part.shape[0]).sum();
    let values = parts.iter().flat_map(|part| part.values.clone()).collect();
    TinyTensor::new(&[rows, parts[0].shape[1]], values)
}

fn transposed(tensor: &TinyTensor) -> TinyTensor {
    let [rows, cols] = tensor.shape[..] else {
        panic!("no matrix");
    };
    let at = |index: usize| tensor.values[(index % rows) * cols + index / rows];
    TinyTensor::new(&[cols, rows], (0..rows * cols).map(at).collect())
}

/// Matrices of one shape as one tensor of three axes.
fn fused(experts: &[TinyTensor]) -> TinyTensor {
    let shape = [&[experts.len()], experts[0].shape.as_slice()].concat();
    let values = experts
        .iter()
        .flat_map(|part| part.values.clone())
        .collect();
    TinyTensor::new(&shape, values)
}

/// The tensor `name` of the checkpoint, removed from it.
fn take(model: &mut TinyCheckpoint, name: &str) -> TinyTensor {
    model.tensors.remove(name).unwrap()
}

/// The first block with queries, keys and values in one tensor, as Phi-3 stores them.
fn with_qkv(mut model: TinyCheckpoint) -> TinyCheckpoint {
    let parts =
        ["q", "k", "v"].map(|part| take(&mut model, &format!("{ATTENTION}.{part}_proj.weight")));
    let tensor = stacked(&parts.iter().collect::<Vec<_>>());
    model
        .tensor(QKV, tensor)
        .config_field("model_type", json!("phi3"))
}

/// The numbers of a layer, but for what its place in the file decides.
fn numbers(judged: &Judged, name: &str) -> Vec<Value> {
    let layer = judged.layer(name);
    ["base", "tuned", "drift", "role", "expert", "block"]
        .map(|field| layer[field].clone())
        .to_vec()
}

#[test]
fn a_new_part_of_a_fused_tensor_is_found_by_its_name() {
    let base = with_qkv(base());
    let size = WIDTH * WIDTH;
    let tuned = base.tuned(0.01).edit(QKV, |values| {
        let fresh = Random::new(6).gaussians(size);
        for (value, fresh) in values[size..2 * size].iter_mut().zip(fresh) {
            *value = narrow(0.1 * fresh);
        }
    });
    let judged = judge(&base, &tuned);
    let key = format!("{QKV}[k]");
    judged.has("reinitialised-layer", &[(Some(&key), "fail")]);
    assert_eq!(judged.layer(&key)["role"], "attention.k");
    assert_eq!(judged.layer(&key)["shape"], json!([WIDTH, WIDTH]));
    assert_eq!(judged.layer(&format!("{QKV}[v]"))["role"], "attention.v");
}

#[test]
fn a_part_has_the_numbers_of_the_same_matrix_in_a_tensor_of_its_own() {
    let tuned = base().tuned(0.01);
    let apart = judge(&base(), &tuned);
    let together = judge(&with_qkv(base()), &with_qkv(tuned));
    for part in ["q", "k", "v"] {
        let own = numbers(&apart, &format!("{ATTENTION}.{part}_proj.weight"));
        assert_eq!(own, numbers(&together, &format!("{QKV}[{part}]")));
    }
}

#[test]
fn rules_and_waivers_reach_parts_by_the_name_of_the_tensor_and_by_role() {
    let base = with_qkv(base());
    let pair = Pair::new(&base, &base.tuned(0.01));
    let limit = "metric = \"relative_update\"\nfail = { max = 0.0001 }\n";
    let rule = format!(
        "version = 1\n\n[[rule]]\nid = \"tight\"\n{limit}layers = [\"*.qkv_proj.weight\"]\n"
    );
    let parts = ["q", "k", "v"].map(|part| format!("{QKV}[{part}]"));
    let expected: Vec<(Option<&str>, &str)> = parts
        .iter()
        .map(|part| (Some(part.as_str()), "fail"))
        .collect();
    let policy = pair.file("glob.toml", &rule);
    let judged = pair.judged_by(&policy);
    judged.has("update-size", &expected);
    judged.lacks("unused-rule");
    let waiver = format!(
        "{rule}\n[[waiver]]\nrule = \"tight\"\nlayers = [\"*.qkv_proj.weight\"]\nowner = \"us\"\nreason = \"a test\"\nuntil = \"2999-12-31\"\n"
    );
    let policy = pair.file("waiver.toml", &waiver);
    assert_eq!(pair.judged_by(&policy).code, 0);
    let by_role = format!(
        "version = 1\n\n[[rule]]\nid = \"tight\"\n{limit}roles = [\"attention.k\"]\ndepth = \"0%..50%\"\n"
    );
    let policy = pair.file("role.toml", &by_role);
    pair.judged_by(&policy)
        .has("update-size", &[(Some(&parts[1]), "fail")]);
}

#[test]
fn a_split_that_two_configs_disagree_on_is_not_made() {
    let base = with_qkv(base());
    let fewer_keys = |model: TinyCheckpoint, size: usize| {
        model
            .config_field("num_key_value_heads", json!(2))
            .config_field("head_dim", json!(size))
    };
    // 4 + 2 + 2 heads of 48 rows are 384 rows too.
    let judged = judge(&base, &fewer_keys(base.tuned(0.01), 48));
    assert_eq!(judged.layer(QKV)["shape"], json!([3 * WIDTH, WIDTH]));
    assert_eq!(judged.layer(QKV)["role"], "other");
    let name_map = judged.report["coverage"]["name_map"].as_str().unwrap();
    assert!(name_map.contains("left whole because their layout is not known: 1"));
    // A side without a config follows the other one.
    let mut silent = base.tuned(0.01);
    silent.config = None;
    assert_eq!(
        judge(&base, &silent).layer(&format!("{QKV}[q]"))["role"],
        "attention.q"
    );
    assert_eq!(
        judge(&silent, &base).layer(&format!("{QKV}[q]"))["role"],
        "attention.q"
    );
}

/// A model whose first block has two experts, each matrix in a tensor of its own, as Mixtral has them.
fn mixtral() -> TinyCheckpoint {
    let mut model = base().config_field("model_type", json!("mixtral"));
    for part in ["gate_proj", "up_proj", "down_proj"] {
        model = model.without(&format!("model.layers.0.mlp.{part}.weight"));
    }
    for expert in 0..2 {
        for (leaf, shape) in [
            ("w1", [INNER, WIDTH]),
            ("w2", [WIDTH, INNER]),
            ("w3", [INNER, WIDTH]),
        ] {
            let name = format!("model.layers.0.block_sparse_moe.experts.{expert}.{leaf}.weight");
            model = model.layer(&name, shape, Spectrum::PowerLaw(3.0));
        }
    }
    let router = "model.layers.0.block_sparse_moe.gate.weight";
    model.layer(router, [2, WIDTH], Spectrum::Gaussian)
}

/// The same weights with all experts in one tensor, as newer libraries write them.
fn with_fused_experts(mut model: TinyCheckpoint) -> TinyCheckpoint {
    let module = "model.layers.0.block_sparse_moe";
    let (mut gates, mut downs) = (Vec::new(), Vec::new());
    for expert in 0..2 {
        let mut of = |leaf: &str| {
            take(
                &mut model,
                &format!("{module}.experts.{expert}.{leaf}.weight"),
            )
        };
        gates.push(stacked(&[&of("w1"), &of("w3")]));
        downs.push(of("w2"));
    }
    let router = take(&mut model, &format!("{module}.gate.weight"));
    model
        .tensor("model.layers.0.mlp.experts.gate_up_proj", fused(&gates))
        .tensor("model.layers.0.mlp.experts.down_proj", fused(&downs))
        .tensor("model.layers.0.mlp.gate.weight", router)
}

#[test]
fn fused_experts_meet_a_base_that_has_a_tensor_for_each() {
    let tuned = mixtral().tuned(0.01);
    let apart = judge(&mixtral(), &tuned);
    apart.ends("pass", 0);
    let fused = judge(&mixtral(), &with_fused_experts(tuned.clone()));
    fused.ends("pass", 0);
    assert_eq!(fused.report["coverage"]["parameters_share"], 1.0);
    let name_map = fused.report["coverage"]["name_map"].as_str().unwrap();
    assert!(name_map.ends_with("put 2 tensors of the base into the tuned checkpoint's layout"));
    let back = judge(&with_fused_experts(mixtral()), &tuned);
    back.ends("pass", 0);
    for expert in 0..2 {
        let module = "model.layers.0.mlp.experts";
        for (leaf, part) in [
            ("w1", format!("{module}.gate_up_proj[{expert}][gate]")),
            ("w3", format!("{module}.gate_up_proj[{expert}][up]")),
            ("w2", format!("{module}.down_proj[{expert}]")),
        ] {
            let own = format!("model.layers.0.block_sparse_moe.experts.{expert}.{leaf}.weight");
            assert_eq!(numbers(&apart, &own), numbers(&fused, &part), "{part}");
            assert_eq!(numbers(&apart, &own), numbers(&back, &own), "{own}");
        }
    }
}

#[test]
fn a_broken_expert_of_another_layout_is_found() {
    let tuned = with_fused_experts(mixtral().tuned(0.01));
    let name = "model.layers.0.mlp.experts.gate_up_proj";
    let tuned = tuned.edit(name, |values| values[..WIDTH].fill(0.0));
    let judged = judge(&mixtral(), &tuned);
    let gate = format!("{name}[0][gate]");
    judged.has("dead-rows", &[(Some(&gate), "fail")]);
    // An expert that went is a missing one, not another layout.
    let missing = "model.layers.0.block_sparse_moe.experts.1.w2.weight";
    let judged = judge(&mixtral(), &with_fused_experts_of(mixtral().tuned(0.01), 1));
    assert!(
        judged
            .findings("missing-tensor")
            .iter()
            .any(|finding| finding["layer"] == missing)
    );
    judged.ends("fail", 1);
}

/// With only so many experts in the fused tensors.
fn with_fused_experts_of(model: TinyCheckpoint, count: usize) -> TinyCheckpoint {
    let mut model = with_fused_experts(model);
    for part in ["gate_up_proj", "down_proj"] {
        let name = format!("model.layers.0.mlp.experts.{part}");
        let mut tensor = take(&mut model, &name);
        tensor.shape[0] = count;
        tensor.values.truncate(tensor.shape.iter().product());
        model = model.tensor(&name, tensor);
    }
    model
}

#[test]
fn dead_outputs_of_a_matrix_that_is_stored_in_out_are_its_columns() {
    let name = "transformer.h.0.mlp.c_fc.weight";
    let model = TinyCheckpoint::new(3)
        .layer(name, [INNER, WIDTH], Spectrum::PowerLaw(3.0))
        .layer(DOWN, [WIDTH, INNER], Spectrum::PowerLaw(3.0))
        .config(json!({"model_type": "gpt2", "n_embd": WIDTH, "n_head": 4}));
    let turn = |mut model: TinyCheckpoint| {
        let tensor = transposed(&take(&mut model, name));
        model.tensor(name, tensor)
    };
    let tuned = model
        .tuned(0.01)
        .edit(name, |values| values[..WIDTH].fill(0.0));
    let judged = judge(&turn(model.clone()), &turn(tuned.clone()));
    judged.has("dead-rows", &[(Some(name), "fail")]);
    assert!(judged.message("dead-rows").starts_with("1 of 136 rows"));
    let layer = judged.layer(name);
    assert_eq!(layer["shape"], json!([WIDTH, INNER]));
    assert_eq!(layer["tuned"]["rows"], json!(INNER));
    // The numbers are those of the same map stored [out, in].
    let other = json!({"model_type": "other"});
    let plain = judge(&model.config(other.clone()), &tuned.config(other));
    assert_eq!(numbers(&judged, name), numbers(&plain, name));
}

#[test]
fn parts_of_a_multimodal_model_meet_under_other_wrappers() {
    let base = base()
        .layer(
            "visual.blocks.0.attn.qkv.weight",
            [3 * WIDTH, WIDTH],
            Spectrum::PowerLaw(3.0),
        )
        .config_field("model_type", json!("qwen2_vl"));
    let mut tuned = base.tuned(0.01);
    tuned.tensors = std::mem::take(&mut tuned.tensors)
        .into_iter()
        .map(|(name, tensor)| {
            let name = match name.strip_prefix("model.") {
                Some(rest) => format!("model.language_model.{rest}"),
                None if name.starts_with("visual.") => format!("model.{name}"),
                None => name,
            };
            (name, tensor)
        })
        .collect();
    let judged = judge(&base, &tuned);
    judged.ends("pass", 0);
    assert_eq!(judged.report["coverage"]["parameters_share"], 1.0);
    let key = judged.layer("model.visual.blocks.0.attn.qkv.weight[k]");
    assert_eq!(
        (&key["role"], &key["block"]),
        (&json!("attention.k"), &json!(0))
    );
}

#[test]
fn parts_in_half_precision_are_cut_where_their_bytes_are() {
    let tuned = base().tuned(0.01).dtype(Dtype::Bf16);
    let base = base().dtype(Dtype::Bf16);
    let apart = judge(&base, &tuned);
    let together = judge(
        &with_qkv(base).dtype(Dtype::Bf16),
        &with_qkv(tuned).dtype(Dtype::Bf16),
    );
    let own = numbers(&apart, &format!("{ATTENTION}.v_proj.weight"));
    assert_eq!(own, numbers(&together, &format!("{QKV}[v]")));
}

/// Every family that a library writes in two ways: see the folder's README.
#[test]
fn models_as_the_hub_has_them_are_those_that_the_library_has_in_memory() {
    for (family, layers) in [
        ("gpt_neox", 18),
        ("mixtral", 19),
        ("qwen2_vl", 36),
        ("vit", 22),
    ] {
        let folder = repository("tests/fixtures/families").join(family);
        for (base, tuned) in [("disk", "memory"), ("memory", "disk")] {
            let path = |name: &str| folder.join(name).display().to_string();
            let (base, tuned) = (path(base), path(tuned));
            let ran = run(&[
                "check", "--base", &base, "--tuned", &tuned, "--format", "json",
            ]);
            let judged = Judged {
                report: ran.json(),
                code: ran.code,
            };
            assert_eq!(
                judged.message("no-op"),
                format!("every one of {layers} compared tensors equals the base")
            );
            let codes = judged.report["findings"].as_array().unwrap().len();
            assert_eq!(codes, 1, "{:#}", judged.report["findings"]);
            assert_eq!(judged.report["coverage"]["parameters_share"], 1.0);
        }
    }
}
