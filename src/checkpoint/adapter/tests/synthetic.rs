//! Adapters whose merged weights are known by hand.

use serde_json::{Value, json};

use super::{Pair, Spec, base, config, factors};

const WEIGHT: &str = "layers.0.q_proj.weight";

fn merged(adapter: &[Spec<'_>], config: &Value) -> Vec<f32> {
    Pair::new(&base(), adapter, config).values(WEIGHT)
}

fn times(scale: f32) -> Vec<f32> {
    [1.0, 2.0, 3.0, 10.0, 20.0, 30.0]
        .map(|value| value * scale)
        .to_vec()
}

#[test]
fn the_scale_follows_the_configuration() {
    assert_eq!(merged(&factors(), &config(&json!({}))), times(2.0));
    let by_pattern = json!({"alpha_pattern": {"k_proj": 100, "q_proj": 5}});
    assert_eq!(merged(&factors(), &config(&by_pattern)), times(5.0));
    let wide = |more: Value| {
        // Rank 4 with only one direction in use.
        let a = [factors()[0].2.clone(), vec![0.0; 9]].concat();
        let b = vec![1.0, 0.0, 0.0, 0.0, 10.0, 0.0, 0.0, 0.0];
        let adapter: [Spec<'_>; 2] = [(factors()[0].0, &[4, 3], a), (factors()[1].0, &[2, 4], b)];
        merged(&adapter, &config(&more))
    };
    assert_eq!(wide(json!({"r": 4})), times(0.5));
    assert_eq!(wide(json!({"r": 4, "use_rslora": true})), times(1.0));
}

#[test]
fn a_bias_is_added_with_the_scale() {
    let mut adapter = factors();
    let name = "base_model.model.layers.0.q_proj.lora_B.bias";
    adapter.push((name, &[2], vec![0.5, -1.0]));
    let pair = Pair::new(&base(), &adapter, &config(&json!({"lora_bias": true})));
    assert_eq!(pair.values("layers.0.q_proj.bias"), [2.0, -1.0]);
    assert_eq!(pair.values(WEIGHT), times(2.0));
}

#[test]
fn both_forms_of_a_magnitude_give_the_rows_their_norms() {
    for suffix in ["", ".weight"] {
        let name = format!("base_model.model.layers.0.q_proj.lora_magnitude_vector{suffix}");
        let mut adapter = factors();
        adapter.push((&name, &[2], vec![1.0, 2.0]));
        let found = merged(&adapter, &config(&json!({"use_dora": true})));
        let norm = 14.0_f32.sqrt();
        let expected = [1.0, 2.0, 3.0, 2.0, 4.0, 6.0].map(|value| value / norm);
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-6, "{found} {expected}");
        }
    }
}

#[test]
fn a_magnitude_of_a_transposed_layer_is_of_its_columns() {
    let stored: [Spec<'_>; 1] = [("h.0.c_fc.weight", &[3, 2], vec![0.0; 6])];
    let adapter: [Spec<'_>; 3] = [
        (
            "base_model.model.transformer.h.0.c_fc.lora_A.weight",
            &[1, 3],
            vec![1.0, 2.0, 3.0],
        ),
        (
            "base_model.model.transformer.h.0.c_fc.lora_B.weight",
            &[2, 1],
            vec![1.0, 10.0],
        ),
        (
            "base_model.model.transformer.h.0.c_fc.lora_magnitude_vector",
            &[2],
            vec![1.0, 2.0],
        ),
    ];
    let pair = Pair::new(&stored, &adapter, &config(&json!({"fan_in_fan_out": true})));
    let norm = 14.0_f32.sqrt();
    let expected = [1.0, 2.0, 2.0, 4.0, 3.0, 6.0].map(|value| value / norm);
    for (found, expected) in pair.values("h.0.c_fc.weight").iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-6, "{found} {expected}");
    }
}

#[test]
fn adapters_of_mlx_are_read_with_their_own_layout() {
    let of_mlx = json!({
        "fine_tune_type": "lora",
        "model": "some/model",
        "lora_parameters": {"rank": 1, "scale": 3.0, "dropout": 0.0},
    });
    let a: Spec<'_> = ("layers.0.q_proj.lora_a", &[3, 1], vec![1.0, 2.0, 3.0]);
    let b: Spec<'_> = ("layers.0.q_proj.lora_b", &[1, 2], vec![1.0, 10.0]);
    let pair = Pair::new(&base(), &[a.clone(), b.clone()], &of_mlx);
    assert_eq!(pair.values(WEIGHT), times(3.0));
    assert_eq!(pair.adapter().unwrap().base_model(), Some("some/model"));
    let magnitude: Spec<'_> = ("layers.0.q_proj.m", &[2], vec![0.0, 2.0]);
    let found = Pair::new(&base(), &[a, b, magnitude], &of_mlx).values(WEIGHT);
    let norm: f32 = found[3..]
        .iter()
        .map(|value| value * value)
        .sum::<f32>()
        .sqrt();
    assert!(
        (norm - 2.0).abs() <= 1e-6 && found[..3] == [0.0; 3],
        "{found:?}"
    );
    let full = json!({"fine_tune_type": "full", "num_layers": 1});
    let whole: Spec<'_> = (WEIGHT, &[2, 3], times(7.0));
    assert_eq!(
        Pair::new(&base(), &[whole], &full).values(WEIGHT),
        times(7.0)
    );
}

#[test]
fn a_head_that_is_a_copy_of_its_embedding_changes_with_it() {
    let rows = vec![1.0, 2.0, 3.0, 4.0];
    let stored = |head: Vec<f32>| -> [Spec<'static>; 2] {
        [
            (
                "model.embed_tokens.weight",
                &[2, 2],
                vec![1.0, 2.0, 3.0, 4.0],
            ),
            ("lm_head.weight", &[2, 2], head),
        ]
    };
    let name = "base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta";
    let adapter: [Spec<'_>; 1] = [(name, &[1, 2], vec![9.0, 9.0])];
    let config = config(&json!({"trainable_token_indices": [1]}));
    let changed = [1.0, 2.0, 9.0, 9.0];
    let tied = Pair::new(&stored(rows), &adapter, &config);
    assert_eq!(tied.values("model.embed_tokens.weight"), changed);
    assert_eq!(tied.values("lm_head.weight"), changed);
    let untied = Pair::new(&stored(vec![0.0; 4]), &adapter, &config);
    assert_eq!(untied.values("model.embed_tokens.weight"), changed);
    assert_eq!(untied.values("lm_head.weight"), [0.0; 4]);
}

#[test]
fn stacked_factors_reach_experts_that_the_base_stores_one_by_one() {
    // Two experts, rank 1, in 2, gate and up of 1 row each: W[e] = B[:, e] A[e, :].
    let experts = "model.layers.0.block_sparse_moe.experts";
    let names: Vec<String> = (0..2)
        .flat_map(|expert| {
            ["w1", "w2", "w3"].map(|name| format!("{experts}.{expert}.{name}.weight"))
        })
        .collect();
    let shape = |name: &str| -> &'static [usize] {
        if name.contains("w2") {
            &[2, 1]
        } else {
            &[1, 2]
        }
    };
    let stored: Vec<Spec<'_>> = names
        .iter()
        .map(|name| (name.as_str(), shape(name), vec![0.0; 2]))
        .collect();
    let module = "base_model.model.model.layers.0.mlp.experts";
    let (a, b) = (
        format!("{module}.lora_A.weight"),
        format!("{module}.lora_B.weight"),
    );
    let adapter: [Spec<'_>; 2] = [
        (&a, &[2, 2], vec![1.0, 2.0, 3.0, 4.0]),
        (&b, &[2, 2], vec![1.0, 10.0, 100.0, 1000.0]),
    ];
    let config =
        config(&json!({"lora_alpha": 1, "target_parameters": ["mlp.experts.gate_up_proj"]}));
    let pair = Pair::new(&stored, &adapter, &config);
    for (name, expected) in [
        ("0.w1", [1.0, 2.0]),
        ("0.w3", [100.0, 200.0]),
        ("1.w1", [30.0, 40.0]),
        ("1.w3", [3000.0, 4000.0]),
        ("0.w2", [0.0, 0.0]),
    ] {
        assert_eq!(
            pair.values(&format!("{experts}.{name}.weight")),
            expected,
            "{name}"
        );
    }
}

#[test]
fn a_module_that_the_base_lacks_is_brought_along_whole() {
    let mut adapter = factors();
    adapter.push(("base_model.model.classifier.weight", &[2, 2], vec![1.0; 4]));
    let pair = Pair::new(&base(), &adapter, &config(&json!({})));
    assert_eq!(pair.values("classifier.weight"), [1.0; 4]);
    let merged = pair.merged().unwrap();
    assert_eq!(merged.adapted_tensors().count(), 1);
}

#[test]
fn the_modules_of_an_adapter_are_listed_without_a_base() {
    let mut adapter = factors();
    adapter.push(("base_model.model.classifier.weight", &[2, 2], vec![1.0; 4]));
    let adapter = Pair::new(&base(), &adapter, &config(&json!({})))
        .adapter()
        .unwrap();
    let found = adapter.low_rank_modules().unwrap();
    let [module] = found.modules.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(
        (module.name.as_str(), module.shape, module.rank),
        ("layers.0.q_proj", (2, 3), 1)
    );
    let factors = adapter.factors(module).unwrap().unwrap();
    assert_eq!(factors.product(), times(2.0));
    assert_eq!(found.others.len(), 1);
}
