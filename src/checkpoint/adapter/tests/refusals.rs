//! What is refused, and how.

use serde_json::json;

use super::{Pair, base, config, factors, safetensors};
use crate::checkpoint::AdapterError;

#[test]
fn what_is_no_plain_low_rank_update_is_refused_by_its_name() {
    for (field, value, expected) in [
        ("peft_type", json!("IA3"), "of the type `IA3`"),
        ("peft_type", json!("ADALORA"), "of the type `ADALORA`"),
        (
            "layer_replication",
            json!([[0, 2], [1, 3]]),
            "`layer_replication`",
        ),
        ("use_qalora", json!(true), "`use_qalora`"),
        (
            "alora_invocation_tokens",
            json!([1]),
            "`alora_invocation_tokens`",
        ),
        ("kasa_config", json!({"beta": 1e-4}), "`kasa_config`"),
        (
            "init_lora_weights",
            json!("pissa_niter_16"),
            "`pissa_niter_16`",
        ),
        ("init_lora_weights", json!("olora"), "`olora`"),
        ("init_lora_weights", json!("corda"), "`corda`"),
        ("init_lora_weights", json!("loftq"), "`loftq`"),
        ("init_lora_weights", json!("lora_ga"), "`lora_ga`"),
        (
            "lora_alpha",
            json!(null),
            "`lora_alpha` in `adapter_config.json` is null",
        ),
        ("lora_alpha", json!("8"), "expected a number"),
        ("r", json!(0), "a positive whole number"),
        ("rank_pattern", json!({"(": 1}), "`(` in `rank_pattern`"),
        ("alpha_pattern", json!({"q": "x"}), "numbers by pattern"),
        ("trainable_token_indices", json!([-1]), "a list of rows"),
    ] {
        let pair = Pair::new(&base(), &factors(), &config(&json!({ field: value })));
        let refusal = pair.refusal();
        assert!(
            refusal.starts_with("cannot use adapter `adapter`: "),
            "{refusal}"
        );
        assert!(refusal.contains(expected), "{field}: {refusal}");
    }
    // These leave the base as it is.
    for init in [
        json!(true),
        json!("gaussian"),
        json!("eva"),
        json!("orthogonal"),
    ] {
        let pair = Pair::new(
            &base(),
            &factors(),
            &config(&json!({"init_lora_weights": init})),
        );
        assert!(pair.merged().is_ok(), "{init}");
    }
}

#[test]
fn a_configuration_that_is_missing_or_no_object_is_refused() {
    let pair = Pair::new(&base(), &factors(), &json!({}));
    assert!(pair.refusal().contains("`peft_type`"));
    pair.write("adapter/adapter_config.json", b"[1]");
    assert!(pair.refusal().contains("no JSON object"));
    let config = pair.folder.path().join("adapter/adapter_config.json");
    std::fs::remove_file(config).unwrap();
    assert!(pair.refusal().contains("no `adapter_config.json`"));
}

#[test]
fn a_pickle_is_refused_with_the_command_that_converts_it() {
    let pair = Pair::new(&base(), &factors(), &config(&json!({})));
    let file = pair.folder.path().join("adapter/adapter_model.safetensors");
    std::fs::remove_file(file).unwrap();
    assert!(pair.refusal().contains("no `adapter_model.safetensors`"));
    pair.write("adapter/adapter_model.bin", b"pickle");
    let error = pair.merged().unwrap_err();
    assert!(error.hint().unwrap().contains("torch.load"), "{error}");
    assert!(pair.refusal().contains("is a pickle"));
}

#[test]
fn every_tensor_and_module_has_to_find_its_place() {
    let refused = |change: &dyn Fn(&mut Vec<super::Spec<'static>>)| {
        let mut tensors = factors();
        change(&mut tensors);
        Pair::new(&base(), &tensors, &config(&json!({}))).refusal()
    };
    let of = |name: &'static str, shape: &'static [usize]| {
        let count = shape.iter().product();
        (name, shape, vec![0.0; count])
    };
    for (tensor, expected) in [
        (
            of("base_model.model.layers.0.q_proj.lora_C.weight", &[1]),
            "no part of an adapter that is known",
        ),
        (
            of(
                "base_model.model.layers.0.q_proj.lora_A.default.weight",
                &[1, 3],
            ),
            "the same part as",
        ),
        (
            of("base_model.model.layers.0.q_proj.weight", &[2, 3]),
            "of a module that has an update too",
        ),
        (
            of("base_model.model.layers.0.k_proj.lora_A.weight", &[1, 3]),
            "`layers.0.k_proj` has no `lora_B`",
        ),
        (
            of(
                "base_model.model.layers.0.q_proj.lora_magnitude_vector",
                &[3],
            ),
            "its magnitude is [3]",
        ),
        (
            of("base_model.model.layers.0.q_proj.lora_B.bias", &[3]),
            "lora_B.bias` is [3]",
        ),
        (
            of(
                "base_model.model.layers.0.q_proj.token_adapter.trainable_tokens_delta",
                &[1, 3],
            ),
            "rows in `trainable_token_indices`",
        ),
    ] {
        let refusal = refused(&|tensors| tensors.push(tensor.clone()));
        assert!(refusal.contains(expected), "{refusal}");
    }
    let refusal = refused(&|tensors| {
        for tensor in tensors {
            tensor.0 = if tensor.0.contains("lora_A") {
                "base_model.model.layers.7.q_proj.lora_A.weight"
            } else {
                "base_model.model.layers.7.q_proj.lora_B.weight"
            };
        }
    });
    assert!(
        refusal.contains("no tensor for its module `layers.7.q_proj`"),
        "{refusal}"
    );
    let refusal = refused(&|tensors| tensors[1] = of(tensors[1].0, &[5, 1]));
    assert!(refusal.contains("A is [1, 3] and B is [5, 1]"), "{refusal}");
}

#[test]
fn the_rank_of_the_factors_is_that_of_the_configuration() {
    let wrong = config(&json!({"r": 8}));
    let pair = Pair::new(&base(), &factors(), &wrong);
    assert!(
        pair.refusal()
            .contains("has rank 1, the configuration says 8")
    );
    let by_pattern = config(&json!({"r": 8, "rank_pattern": {"layers\\.\\d+\\.q_proj": 1}}));
    assert!(Pair::new(&base(), &factors(), &by_pattern).merged().is_ok());
    // As PEFT matches: the whole name, or its end behind a dot.
    let by_part = config(&json!({"r": 8, "rank_pattern": {"_proj": 1}}));
    assert!(Pair::new(&base(), &factors(), &by_part).merged().is_err());
}

#[test]
fn a_row_beyond_the_embedding_is_refused() {
    let mut tensors = factors();
    let rows = "base_model.model.layers.0.q_proj.token_adapter.trainable_tokens_delta";
    tensors.push((rows, &[1, 3], vec![0.0; 3]));
    let config = config(&json!({"trainable_token_indices": {"q_proj": [2]}}));
    let refusal = Pair::new(&base(), &tensors, &config).refusal();
    assert!(refusal.contains("values for row 2"), "{refusal}");
}

#[test]
fn a_file_that_was_cut_off_is_a_defect_and_its_tensors_are_skipped() {
    let pair = Pair::new(&base(), &factors(), &config(&json!({})));
    let file = safetensors(&factors());
    pair.write("adapter/adapter_model.safetensors", &file[..file.len() - 4]);
    let merged = pair.merged().unwrap();
    assert_eq!(merged.defects().len(), 1);
    let skipped = &merged.skipped()["layers.0.q_proj.weight"];
    assert!(
        skipped.reason.contains("beyond the end of the file"),
        "{}",
        skipped.reason
    );
    assert!(merged.tensor("layers.0.q_proj.weight").is_none());
}

#[test]
fn a_field_that_is_not_known_is_told() {
    let more = json!({"sees_the_future": true, "new_and_off": false, "lora_dropout": 0.1});
    let pair = Pair::new(&base(), &factors(), &config(&more));
    assert_eq!(
        pair.adapter().unwrap().unknown_fields(),
        ["sees_the_future"]
    );
}

#[test]
fn each_refusal_says_what_to_do_where_something_can_be_done() {
    let method = AdapterError::Method {
        name: "VERA".to_owned(),
    };
    assert!(method.hint().unwrap().contains("merge it"));
    let base = AdapterError::ChangedBase {
        name: "pissa".to_owned(),
    };
    assert!(base.hint().unwrap().contains("plain LoRA"));
}
