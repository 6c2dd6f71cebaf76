//! Every layout against plain index arithmetic, on tensors whose elements are their own indices.

use serde_json::{Value, json};

use crate::layer::{Architecture, Form, LayerSource, Part, Role, layers_of, transpose};

/// Four heads of eight rows on a model of width 32, two heads of keys.
const HEADS: usize = 4;
const GROUPS: usize = 2;
const SIZE: usize = 8;
const WIDTH: usize = 32;

fn layers(name: &str, shape: &[usize], config: &Value) -> Vec<LayerSource> {
    layers_of(name, shape, &Architecture::of_config(config))
}

/// Element indices of a layer, as outputs x inputs.
fn elements(layer: &LayerSource, shape: &[usize]) -> Vec<u32> {
    let count: usize = shape.iter().product();
    let bytes: Vec<u8> = (0..u32::try_from(count).unwrap())
        .flat_map(u32::to_le_bytes)
        .collect();
    let mut part = layer.part.cut(&bytes, shape, 4).into_owned();
    let Form::Matrix { rows, cols } = layer.form else {
        panic!("{} is no matrix", layer.name);
    };
    assert_eq!(part.len(), rows * cols * 4, "{}", layer.name);
    if layer.input_first {
        part = transpose(&part, cols, rows, 4);
    }
    part.as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| u32::from_le_bytes(*bytes))
        .collect()
}

/// Checks which outputs of a matrix each part holds, and that together they hold each one once.
fn check(name: &str, shape: [usize; 2], config: &Value, expected: &[(&str, Role, Vec<usize>)]) {
    let [rows, cols] = shape;
    let found = layers(name, &shape, config);
    assert_eq!(found.len(), expected.len(), "{name}");
    let mut all = Vec::new();
    for (layer, (label, role, outputs)) in found.iter().zip(expected) {
        assert_eq!(layer.name.as_str(), format!("{name}[{label}]"));
        assert_eq!(layer.traits.role, *role, "{}", layer.name);
        let inputs = if layer.input_first { rows } else { cols };
        let at = |output: usize, input: usize| {
            if layer.input_first {
                input * cols + output
            } else {
                output * cols + input
            }
        };
        let wanted: Vec<usize> = outputs
            .iter()
            .flat_map(|output| (0..inputs).map(move |input| at(*output, input)))
            .collect();
        let found: Vec<usize> = elements(layer, &shape)
            .into_iter()
            .map(|index| index as usize)
            .collect();
        assert_eq!(found, wanted, "{}", layer.name);
        all.extend(found);
    }
    all.sort_unstable();
    assert_eq!(all, (0..rows * cols).collect::<Vec<_>>(), "{name}");
}

fn range(start: usize, length: usize) -> Vec<usize> {
    (start..start + length).collect()
}

fn attention(
    query: Vec<usize>,
    key: Vec<usize>,
    value: Vec<usize>,
) -> [(&'static str, Role, Vec<usize>); 3] {
    [
        ("q", Role::AttentionQ, query),
        ("k", Role::AttentionK, key),
        ("v", Role::AttentionV, value),
    ]
}

fn thirds() -> [(&'static str, Role, Vec<usize>); 3] {
    attention(range(0, 32), range(32, 32), range(64, 32))
}

/// Rows `[head][which][row]` of `per_head` parts of each head.
fn of_each_head(which: usize, per_head: usize) -> Vec<usize> {
    (0..HEADS)
        .flat_map(|head| range((head * per_head + which) * SIZE, SIZE))
        .collect()
}

#[test]
fn phi3_stores_all_queries_then_all_keys_then_all_values() {
    let config = json!({"model_type": "phi3", "hidden_size": 32, "num_attention_heads": 4,
        "num_key_value_heads": 2, "intermediate_size": 48});
    check(
        "model.layers.0.self_attn.qkv_proj.weight",
        [64, WIDTH],
        &config,
        &attention(range(0, 32), range(32, 16), range(48, 16)),
    );
    check(
        "model.layers.0.mlp.gate_up_proj.weight",
        [96, WIDTH],
        &config,
        &[
            ("gate", Role::MlpGate, range(0, 48)),
            ("up", Role::MlpUp, range(48, 48)),
        ],
    );
}

#[test]
fn gpt2_stores_queries_keys_and_values_in_columns() {
    let config = json!({"model_type": "gpt2", "n_embd": 32, "n_head": 4});
    check("h.0.attn.c_attn.weight", [WIDTH, 96], &config, &thirds());
    let plain = &layers("h.0.mlp.c_fc.weight", &[WIDTH, 128], &config)[0];
    assert_eq!(plain.part, Part::Whole);
    assert_eq!(
        plain.form,
        Form::Matrix {
            rows: 128,
            cols: WIDTH
        }
    );
    assert_eq!(plain.shape, [WIDTH, 128]);
    // The same name in a model of ordinary linear layers.
    let linear = json!({"model_type": "gpt_bigcode", "n_embd": 32, "n_head": 4});
    let plain = &layers("h.0.mlp.c_fc.weight", &[128, WIDTH], &linear)[0];
    assert_eq!(
        plain.form,
        Form::Matrix {
            rows: 128,
            cols: WIDTH
        }
    );
}

#[test]
fn heads_of_gpt_neox_bloom_and_falcon_rw_hold_query_key_value_in_turn() {
    let expected = attention(of_each_head(0, 3), of_each_head(1, 3), of_each_head(2, 3));
    for config in [
        json!({"model_type": "gpt_neox", "hidden_size": 32, "num_attention_heads": 4}),
        json!({"model_type": "bloom", "hidden_size": 32, "n_head": 4}),
        json!({"model_type": "falcon", "hidden_size": 32, "num_attention_heads": 4,
            "multi_query": false, "new_decoder_architecture": false}),
    ] {
        check(
            "h.0.self_attention.query_key_value.weight",
            [96, WIDTH],
            &config,
            &expected,
        );
    }
}

#[test]
fn heads_of_falcon_7b_share_one_key() {
    let config = json!({"model_type": "falcon", "hidden_size": 32, "num_attention_heads": 4,
        "num_kv_heads": 4, "multi_query": true, "new_decoder_architecture": false});
    check(
        "transformer.h.0.self_attention.query_key_value.weight",
        [48, WIDTH],
        &config,
        &attention(range(0, 32), range(32, 8), range(40, 8)),
    );
}

#[test]
fn groups_of_falcon_40b_and_internlm2_hold_their_queries_then_key_and_value() {
    // Rows `[group][queries of the group, key, value][row]`.
    let in_group = |first: usize, count: usize| -> Vec<usize> {
        let per_group = (HEADS / GROUPS + 2) * SIZE;
        (0..GROUPS)
            .flat_map(|group| range(group * per_group + first * SIZE, count * SIZE))
            .collect()
    };
    let expected = attention(in_group(0, 2), in_group(2, 1), in_group(3, 1));
    let falcon = json!({"model_type": "falcon", "hidden_size": 32, "num_attention_heads": 4,
        "num_kv_heads": 2, "multi_query": true, "new_decoder_architecture": true});
    check(
        "h.0.self_attention.query_key_value.weight",
        [64, WIDTH],
        &falcon,
        &expected,
    );
    let old_falcon =
        json!({"model_type": "RefinedWeb", "hidden_size": 32, "n_head": 4, "n_head_kv": 2});
    check(
        "h.0.self_attention.query_key_value.weight",
        [64, WIDTH],
        &old_falcon,
        &expected,
    );
    let internlm = json!({"model_type": "internlm2", "hidden_size": 32, "num_attention_heads": 4,
        "num_key_value_heads": 2});
    check(
        "model.layers.0.attention.wqkv.weight",
        [64, WIDTH],
        &internlm,
        &expected,
    );
}

#[test]
fn equal_thirds_of_encoders_are_queries_keys_and_values() {
    for (name, kind) in [
        ("layers.0.attn.Wqkv.weight", "modernbert"),
        ("vision_encoder.layers.0.attn.qkv.weight", "sam"),
        ("visual.blocks.0.attn.qkv.weight", "qwen2_vl"),
        (
            "vision_model.encoder.layers.0.attention.in_proj_weight",
            "siglip",
        ),
    ] {
        check(name, [96, WIDTH], &json!({"model_type": kind}), &thirds());
    }
}

#[test]
fn the_halves_of_modernbert_are_input_and_gate() {
    check(
        "layers.0.mlp.Wi.weight",
        [96, WIDTH],
        &json!({"model_type": "modernbert"}),
        &[
            ("up", Role::MlpUp, range(0, 48)),
            ("gate", Role::MlpGate, range(48, 48)),
        ],
    );
}

#[test]
fn each_head_takes_its_key_and_value_from_the_latent_vector() {
    let config = json!({"model_type": "deepseek_v3", "num_attention_heads": 4,
        "qk_nope_head_dim": 8, "v_head_dim": 4, "qk_rope_head_dim": 4});
    let of_head = |first: usize, count: usize| -> Vec<usize> {
        (0..HEADS)
            .flat_map(|head| range(head * 12 + first, count))
            .collect()
    };
    check(
        "model.layers.0.self_attn.kv_b_proj.weight",
        [48, 16],
        &config,
        &[
            ("k", Role::AttentionK, of_head(0, 8)),
            ("v", Role::AttentionV, of_head(8, 4)),
        ],
    );
}

/// Outputs of gate and up of the second of three experts.
fn check_experts(shape: [usize; 3], config: &Value, gate: &[usize], up: &[usize]) {
    let name = "model.layers.0.mlp.experts.gate_up_proj";
    let found = layers(name, &shape, config);
    assert_eq!(found.len(), 6);
    let [_, rows, cols] = shape;
    for (layer, label, role, outputs) in [
        (&found[2], "gate", Role::ExpertGate, gate),
        (&found[3], "up", Role::ExpertUp, up),
    ] {
        assert_eq!(layer.name.as_str(), format!("{name}[1][{label}]"));
        assert_eq!(layer.traits.role, role);
        assert_eq!(layer.traits.expert, Some(1));
        let inputs = if layer.input_first { rows } else { cols };
        let wanted: Vec<u32> = outputs
            .iter()
            .flat_map(|output| {
                (0..inputs).map(|input| {
                    let (row, col) = if layer.input_first {
                        (input, *output)
                    } else {
                        (*output, input)
                    };
                    u32::try_from((rows + row) * cols + col).unwrap()
                })
            })
            .collect();
        assert_eq!(elements(layer, &shape), wanted, "{}", layer.name);
    }
}

#[test]
fn experts_hold_gate_and_up_as_their_model_has_them() {
    let of = |kind: &str| json!({"model_type": kind, "hidden_size": 32});
    let (gate, up) = (range(0, 24), range(24, 24));
    check_experts([3, 48, WIDTH], &of("mixtral"), &gate, &up);
    check_experts([3, WIDTH, 48], &of("llama4_text"), &gate, &up);
    check_experts([3, WIDTH, 48], &of("qwen3_vl_moe"), &gate, &up);
    // As wide as long: only the type tells.
    check_experts(
        [3, 32, WIDTH],
        &of("mixtral"),
        &range(0, 16),
        &range(16, 16),
    );
    check_experts(
        [3, WIDTH, 32],
        &of("llama4_text"),
        &range(0, 16),
        &range(16, 16),
    );
    let every_other = |first: usize| -> Vec<usize> { (0..24).map(|i| 2 * i + first).collect() };
    check_experts(
        [3, WIDTH, 48],
        &of("gpt_oss"),
        &every_other(0),
        &every_other(1),
    );
    // Unpacked from four bits, outputs come first.
    check_experts(
        [3, 48, WIDTH],
        &of("gpt_oss"),
        &every_other(0),
        &every_other(1),
    );
}

#[test]
fn down_projections_of_experts_are_turned_where_they_are_stored_in_out() {
    let name = "model.layers.0.mlp.experts.down_proj";
    for (kind, shape, input_first) in [
        ("gpt_oss", [2, 48, WIDTH], true),
        ("mixtral", [2, WIDTH, 48], false),
        ("llama4_text", [2, WIDTH, WIDTH], true),
        ("mixtral", [2, WIDTH, WIDTH], false),
    ] {
        let config = json!({"model_type": kind, "hidden_size": 32});
        let found = layers(name, &shape, &config);
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].part, Part::Expert(1));
        assert_eq!(found[1].input_first, input_first, "{kind}");
        assert_eq!(found[1].shape, shape[1..]);
    }
}

#[test]
fn what_is_not_known_or_does_not_add_up_stays_whole() {
    let phi = |heads: u32, keys: u32| {
        json!({"model_type": "phi3", "hidden_size": 32, "num_attention_heads": heads,
            "num_key_value_heads": keys})
    };
    let qkv = "model.layers.0.self_attn.qkv_proj.weight";
    for (name, config) in [
        (qkv, json!({})),
        (qkv, json!({"model_type": "phi3"})),
        (qkv, phi(4, 4)),
        (qkv, phi(0, 0)),
        (qkv, phi(3, 2)),
        (
            qkv,
            json!({"model_type": "codegen", "n_embd": 32, "n_head": 4}),
        ),
        (
            "h.0.attn.c_attn.weight",
            json!({"model_type": "gpt2", "n_embd": 32}),
        ),
        (
            "h.0.query_key_value.weight",
            json!({"model_type": "gpt_neox", "hidden_size": 32,
            "num_attention_heads": 4}),
        ),
        (
            "h.0.mlp.gate_up_proj.weight",
            json!({"model_type": "new", "intermediate_size": 31}),
        ),
        ("x.attn.qkv.weight", json!({"model_type": "new"})),
        (
            qkv,
            json!({"model_type": "phi3", "hidden_size": u64::MAX, "head_dim": u64::MAX,
            "num_attention_heads": 4, "num_key_value_heads": 2}),
        ),
    ] {
        let found = layers(name, &[64, WIDTH], &config);
        assert_eq!(found.len(), 1, "{name} {config}");
        assert_eq!(found[0].part, Part::Whole);
        assert_eq!(found[0].name.as_str(), name);
        assert_eq!(found[0].traits.role, Role::Other);
    }
    for config in [json!({}), json!({"model_type": "new", "hidden_size": 32})] {
        let found = layers("l.0.mlp.experts.gate_up_proj", &[2, 48, WIDTH], &config);
        assert_eq!(found.len(), 2, "{config}");
        assert_eq!(found[0].traits.role, Role::Other);
    }
}

#[test]
fn a_fused_bias_stays_one_vector() {
    let config = json!({"model_type": "gpt_neox", "hidden_size": 32, "num_attention_heads": 4});
    let bias = &layers("h.0.attention.query_key_value.bias", &[96], &config)[0];
    assert_eq!((bias.part, bias.traits.role), (Part::Whole, Role::Bias));
    let config = json!({"model_type": "gpt_oss", "hidden_size": 32});
    let biases = layers("l.0.mlp.experts.gate_up_proj_bias", &[32, 96], &config);
    assert_eq!((biases.len(), biases[0].traits.role), (1, Role::Bias));
}

#[test]
fn no_shape_makes_it_overflow() {
    let huge = usize::MAX;
    for name in [
        "l.0.self_attn.qkv_proj.weight",
        "l.0.attn.c_attn.weight",
        "l.0.mlp.experts.gate_up_proj",
        "l.0.mlp.experts.down_proj",
        "l.0.attn.in_proj_weight",
    ] {
        for kind in ["phi3", "gpt2", "mixtral", "gpt_oss", "llama4"] {
            let config = json!({"model_type": kind, "hidden_size": huge, "num_attention_heads": 2,
                "head_dim": huge});
            for shape in [
                &[huge, 32][..],
                &[32, huge],
                &[2, huge, huge],
                &[huge, 2, 2],
            ] {
                assert!(!layers(name, shape, &config).is_empty());
            }
        }
    }
}

#[test]
fn facts_are_taken_from_the_text_part_of_a_multimodal_config() {
    let config = json!({"model_type": "outer", "hidden_size": 7,
        "text_config": {"model_type": "phi3", "hidden_size": 32, "num_attention_heads": 4,
            "num_key_value_heads": 2},
        "vision_config": {"model_type": "siglip_vision_model", "num_attention_heads": 9}});
    let name = "language_model.model.layers.0.self_attn.qkv_proj.weight";
    assert_eq!(layers(name, &[64, WIDTH], &config).len(), 3);
}
