use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::layer::{NamePairing, pair_names};

fn pair(base: &[&str], tuned: &[&str]) -> NamePairing {
    pair_names(
        &base.iter().copied().collect(),
        &tuned.iter().copied().collect(),
    )
}

fn pairs(pairing: &NamePairing) -> Vec<(&str, &str)> {
    pairing
        .pairs
        .iter()
        .map(|(base, tuned)| (base.as_str(), tuned.as_str()))
        .collect()
}

#[test]
fn equal_names_are_paired_without_stripping() {
    let names = ["model.layers.10.w", "model.layers.2.w", "model.norm.weight"];
    let pairing = pair(&names, &names);
    assert_eq!(pairing.name_map, "names equal");
    assert_eq!(
        pairs(&pairing)[..2],
        [
            ("model.layers.2.w", "model.layers.2.w"),
            ("model.layers.10.w", "model.layers.10.w")
        ]
    );
    assert!(pairing.base_only.is_empty() && pairing.tuned_only.is_empty());
}

#[test]
fn a_prefix_of_the_base_is_stripped_and_heads_stay_alone() {
    let pairing = pair(
        &["bert.encoder.a", "bert.encoder.b", "cls.predictions.bias"],
        &["encoder.a", "encoder.b", "classifier.weight"],
    );
    assert_eq!(pairing.name_map, "stripped `bert.` from base");
    assert_eq!(
        pairs(&pairing),
        [
            ("bert.encoder.a", "encoder.a"),
            ("bert.encoder.b", "encoder.b")
        ]
    );
    assert_eq!(pairing.base_only, ["cls.predictions.bias"]);
    assert_eq!(pairing.tuned_only, ["classifier.weight"]);
}

#[test]
fn prefixes_of_both_sides_are_stripped_together() {
    let pairing = pair(
        &["transformer.h.0.a", "transformer.h.1.a"],
        &["module._orig_mod.h.0.a", "module._orig_mod.h.1.a"],
    );
    assert_eq!(
        pairing.name_map,
        "stripped `transformer.` from base and `module._orig_mod.` from tuned"
    );
    assert_eq!(pairing.pairs.len(), 2);
}

#[test]
fn a_prefix_that_would_make_two_names_equal_is_not_stripped() {
    let pairing = pair(&["model.a", "a", "model.b"], &["a", "b"]);
    assert_eq!(pairing.name_map, "names equal");
    assert_eq!(pairs(&pairing), [("a", "a")]);
}

#[test]
fn old_layer_norm_names_meet_the_new_ones() {
    let pairing = pair(
        &["bert.LayerNorm.gamma", "bert.LayerNorm.beta", "bert.x.beta"],
        &["bert.LayerNorm.weight", "bert.LayerNorm.bias"],
    );
    assert_eq!(
        pairs(&pairing),
        [
            ("bert.LayerNorm.beta", "bert.LayerNorm.bias"),
            ("bert.LayerNorm.gamma", "bert.LayerNorm.weight")
        ]
    );
    assert_eq!(pairing.base_only, ["bert.x.beta"]);
    assert!(pairing.name_map.starts_with("names equal; read `gamma`"));
}

#[test]
fn the_prefix_that_pairs_most_wins_over_equal_names() {
    let pairing = pair(
        &["bert.a", "bert.b", "classifier.weight"],
        &["a", "b", "classifier.weight", "c"],
    );
    assert_eq!(pairing.name_map, "stripped `bert.` from base");
    assert_eq!(pairing.pairs.len(), 3);
}

#[test]
fn unrelated_names_pair_nothing() {
    let pairing = pair(&["a.weight"], &["b.weight"]);
    assert!(pairing.pairs.is_empty());
    assert_eq!(pairing.name_map, "names equal");
}

#[test]
fn parts_of_a_multimodal_model_meet_though_their_wrappers_differ() {
    let pairing = pair(
        &[
            "lm_head.weight",
            "model.layers.0.self_attn.q_proj.weight",
            "model.norm.weight",
            "visual.blocks.0.attn.qkv.weight",
        ],
        &[
            "lm_head.weight",
            "model.language_model.layers.0.self_attn.q_proj.weight",
            "model.language_model.norm.weight",
            "model.visual.blocks.0.attn.qkv.weight",
        ],
    );
    assert_eq!(pairing.pairs.len(), 4, "{pairing:?}");
    assert!(pairing.name_map.starts_with("stripped every wrapper"));
}

#[test]
fn names_on_disk_meet_those_in_memory() {
    for (base, tuned) in [
        (
            "vit.encoder.layer.0.attention.attention.query.weight",
            "vit.layers.0.attention.q_proj.weight",
        ),
        (
            "vit.encoder.layer.0.attention.output.dense.bias",
            "vit.layers.0.attention.o_proj.bias",
        ),
        (
            "vit.encoder.layer.0.output.dense.weight",
            "vit.layers.0.mlp.fc2.weight",
        ),
        ("embed_out.weight", "lm_head.weight"),
        (
            "model.layers.0.block_sparse_moe.input_linear.weight",
            "model.layers.0.mlp.experts.gate_up_proj",
        ),
        (
            "model.layers.0.block_sparse_moe.gate.weight",
            "model.layers.0.mlp.gate.weight",
        ),
    ] {
        assert_eq!(pairs(&pair(&[base], &[tuned])), [(base, tuned)]);
        assert_eq!(pairs(&pair(&[tuned], &[base])), [(tuned, base)]);
    }
}

#[test]
fn old_spellings_are_not_touched_where_the_names_are_equal() {
    let names = [
        "bert.encoder.layer.0.output.dense.weight",
        "embed_out.weight",
    ];
    assert_eq!(pair(&names, &names).name_map, "names equal");
    let both = ["embed_out.weight", "lm_head.weight"];
    assert_eq!(
        pairs(&pair(&both, &["lm_head.weight"])),
        [(both[1], both[1])]
    );
}

proptest! {
    #[test]
    fn every_name_is_used_exactly_once(
        base in prop::collection::btree_set("(model\\.|bert\\.)?[ab]\\.(weight|gamma|norm\\.gamma)", 0..6),
        tuned in prop::collection::btree_set("(model\\.|module\\.)?[ab]\\.(weight|norm\\.weight)", 0..6),
    ) {
        let pairing = pair_names(
            &base.iter().map(String::as_str).collect(),
            &tuned.iter().map(String::as_str).collect(),
        );
        let (mut from_base, mut from_tuned): (Vec<_>, Vec<_>) = pairing.pairs.into_iter().unzip();
        from_base.extend(pairing.base_only);
        from_tuned.extend(pairing.tuned_only);
        prop_assert_eq!(from_base.len(), base.len());
        prop_assert_eq!(from_tuned.len(), tuned.len());
        prop_assert_eq!(from_base.into_iter().collect::<BTreeSet<_>>(), base);
        prop_assert_eq!(from_tuned.into_iter().collect::<BTreeSet<_>>(), tuned);
    }
}
