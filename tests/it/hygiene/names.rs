//! Codes on tensors that are there on one side only, or in another shape.

use serde_json::json;

use crate::support::cmd::{Pair, judge};
use crate::support::spectrum::Spectrum;
use crate::support::tiny::{
    DOWN, EMBEDDING, HEAD, KEY, NORM, QUERY, TinyCheckpoint, VOCABULARY, WIDTH,
};

fn base() -> TinyCheckpoint {
    TinyCheckpoint::model()
}

fn sound() -> TinyCheckpoint {
    base().tuned(0.01)
}

/// A base that stores no head of its own.
fn tied(model: TinyCheckpoint) -> TinyCheckpoint {
    model
        .without(HEAD)
        .config_field("tie_word_embeddings", json!(true))
}

#[test]
fn a_tensor_of_the_body_that_went_fails() {
    let judged = judge(&base(), &sound().without(KEY).without(NORM));
    judged.ends("fail", 1);
    judged.has(
        "missing-tensor",
        &[(Some(KEY), "fail"), (Some(NORM), "fail")],
    );
}

#[test]
fn a_head_that_went_is_a_note_and_a_buffer_is_nothing() {
    let buffer = "model.layers.0.self_attn.rotary_emb.inv_freq";
    let judged = judge(&base().vector(buffer, 16), &sound().without(HEAD));
    judged.has("missing-tensor", &[(Some(HEAD), "note")]);
    judged.ends("pass", 0);
    let judged = judge(&base().vector(buffer, 16), &sound());
    judged.lacks("missing-tensor");
    judged.ends("pass", 0);
}

#[test]
fn an_alias_of_tied_weights_on_one_side_is_neither_missing_nor_unexpected() {
    let with_alias = |model: TinyCheckpoint| {
        let copy = model.tensors[EMBEDDING].clone();
        model.tensor(HEAD, copy)
    };
    for (base, tuned) in [
        (with_alias(tied(base())), tied(sound())),
        (tied(base()), with_alias(tied(sound()))),
    ] {
        let judged = judge(&base, &tuned);
        judged.lacks("missing-tensor");
        judged.lacks("unexpected-tensor");
        judged.lacks("untied-embeddings");
        judged.lacks("duplicate-layers");
        judged.ends("pass", 0);
    }
}

#[test]
fn a_new_tensor_of_the_body_warns() {
    let name = "model.layers.1.self_attn.q_proj.bias";
    let judged = judge(&base(), &sound().vector(name, WIDTH));
    judged.has("unexpected-tensor", &[(Some(name), "warn")]);
    judged.ends("warn", 0);
}

#[test]
fn a_new_head_is_a_note() {
    let judged = judge(
        &base(),
        &sound().layer("score.weight", [4, WIDTH], Spectrum::Gaussian),
    );
    judged.has("unexpected-tensor", &[(Some("score.weight"), "note")]);
    judged.ends("pass", 0);
    judge(&base(), &sound()).lacks("unexpected-tensor");
}

#[test]
fn an_extended_vocabulary_is_another_shape_of_embedding_and_head() {
    let longer = [VOCABULARY + 8, WIDTH];
    let tuned = sound().layer(EMBEDDING, longer, Spectrum::Gaussian).layer(
        HEAD,
        longer,
        Spectrum::Gaussian,
    );
    let judged = judge(&base(), &tuned);
    judged.has(
        "shape-changed",
        &[(Some(EMBEDDING), "fail"), (Some(HEAD), "note")],
    );
    judged.ends("fail", 1);
    let message = judged.findings("shape-changed")[0]["message"].to_string();
    assert!(
        message.contains("[168, 128]") && message.contains("[160, 128]"),
        "{message}"
    );
}

#[test]
fn a_head_of_another_shape_is_a_note() {
    let tuned = sound().layer(HEAD, [VOCABULARY + 8, WIDTH], Spectrum::Gaussian);
    let judged = judge(&base(), &tuned);
    judged.has("shape-changed", &[(Some(HEAD), "note")]);
    judged.ends("pass", 0);
    judge(&base(), &sound()).lacks("shape-changed");
}

#[test]
fn a_head_of_its_own_under_tied_embeddings_warns() {
    let judged = judge(
        &tied(base()),
        &tied(sound()).layer(HEAD, [VOCABULARY, WIDTH], Spectrum::Gaussian),
    );
    judged.has("untied-embeddings", &[(Some(HEAD), "warn")]);
    judged.ends("warn", 0);
}

#[test]
fn a_stored_copy_of_the_embedding_that_drifted_apart_warns() {
    let copy = base().tensors[EMBEDDING].clone();
    let before = base().tensor(HEAD, copy);
    let together = {
        let tuned = sound();
        let copy = tuned.tensors[EMBEDDING].clone();
        tuned.tensor(HEAD, copy)
    };
    judge(&before, &together).lacks("untied-embeddings");
    let judged = judge(&before, &before.tuned(0.01));
    judged.has("untied-embeddings", &[(Some(HEAD), "warn")]);
    judged.ends("warn", 0);
}

#[test]
fn adapter_tensors_beside_the_body_fail() {
    let name = "model.layers.0.self_attn.q_proj.lora_A.weight";
    let judged = judge(
        &base(),
        &sound().layer(name, [8, WIDTH], Spectrum::Gaussian),
    );
    judged.ends("fail", 1);
    judged.has("adapter-not-merged", &[(Some(name), "fail")]);
    judged.lacks("unexpected-tensor");
}

#[test]
fn a_name_that_only_looks_like_an_adapter_does_not_fire() {
    let name = "model.layers.0.my_lora_Adjacent.weight";
    let judged = judge(
        &base(),
        &sound().layer(name, [8, WIDTH], Spectrum::Gaussian),
    );
    judged.lacks("adapter-not-merged");
    judged.has("unexpected-tensor", &[(Some(name), "warn")]);
}

#[test]
fn little_coverage_is_inconclusive_even_where_the_missing_tensors_are_allowed() {
    let pair = Pair::new(&base(), &sound().without(QUERY).without(DOWN));
    let policy = pair.file(
        "gate.toml",
        "version = 1\nextends = \"default\"\n[hygiene]\nmissing-tensor = \"allow\"\n",
    );
    let judged = pair.judged_by(&policy);
    judged.has("low-coverage", &[(None, "warn")]);
    judged.ends("inconclusive", 3);
    assert_eq!(judged.report["coverage"]["skipped"], 2);
    let share = judged.report["coverage"]["parameters_share"]
        .as_f64()
        .unwrap();
    assert!(share > 0.8 && share < 0.95, "{share}");
}

#[test]
fn coverage_at_the_policys_minimum_is_enough() {
    let pair = Pair::new(&base(), &sound().without(QUERY));
    let policy = pair.file(
        "gate.toml",
        "version = 1\nextends = \"default\"\n[coverage]\nmin = 0.9\n[hygiene]\nmissing-tensor = \"allow\"\n",
    );
    let judged = pair.judged_by(&policy);
    judged.lacks("low-coverage");
    judged.has("missing-tensor", &[(Some(QUERY), "note")]);
    judged.ends("pass", 0);
}

#[test]
fn names_behind_another_prefix_meet() {
    let mut wrapped = TinyCheckpoint::new(1);
    wrapped.config = base().config;
    for (name, tensor) in sound().tensors {
        wrapped = wrapped.tensor(&format!("_orig_mod.{name}"), tensor);
    }
    let judged = judge(&base(), &wrapped);
    judged.ends("pass", 0);
    assert_eq!(judged.report["coverage"]["parameters_share"], 1);
    let name_map = judged.report["coverage"]["name_map"].as_str().unwrap();
    assert!(name_map.contains("_orig_mod."), "{name_map}");
}
