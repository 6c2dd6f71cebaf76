//! Codes on the files of a checkpoint.

use std::path::Path;

use serde_json::{Value, json};
use tunegate::fs;

use crate::support::cmd::{Judged, Pair, judge};
use crate::support::tiny::{KEY, QUERY, TinyCheckpoint};

const WEIGHTS: &str = "tuned/model.safetensors";
const INDEX: &str = "tuned/model.safetensors.index.json";

fn base() -> TinyCheckpoint {
    TinyCheckpoint::model()
}

fn sound() -> TinyCheckpoint {
    base().tuned(0.01)
}

fn change_file(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write_atomic(path, &bytes).unwrap();
}

/// Rewrites the index of a sharded checkpoint.
fn change_index(pair: &Pair, change: impl FnOnce(&mut serde_json::Map<String, Value>)) {
    change_file(&pair.path(INDEX), |bytes| {
        let mut index: Value = serde_json::from_slice(bytes).unwrap();
        change(index["weight_map"].as_object_mut().unwrap());
        *bytes = index.to_string().into_bytes();
    });
}

/// The run failed for `file`, and at least `measured` layers have numbers all the same.
#[track_caller]
fn is_corrupt(judged: &Judged, file: &str, measured: usize) {
    judged.ends("fail", 1);
    let messages: Vec<String> = judged
        .findings("corrupt-file")
        .iter()
        .map(|finding| finding["message"].as_str().unwrap().to_owned())
        .collect();
    assert!(
        messages.iter().any(|text| text.contains(file)),
        "{messages:?}"
    );
    let layers = judged.report["layers"].as_array().unwrap();
    assert!(layers.len() >= measured, "{} layers", layers.len());
    for layer in layers {
        assert!(layer["drift"]["relative_update"].is_number(), "{layer:#}");
    }
}

#[test]
fn a_file_that_was_cut_off_fails_and_the_rest_is_judged() {
    let pair = Pair::new(&base(), &sound());
    change_file(&pair.path(WEIGHTS), |bytes| {
        bytes.truncate(bytes.len() - 100);
    });
    let judged = pair.judged();
    judged.has("corrupt-file", &[(None, "fail")]);
    assert!(judged.message("corrupt-file").contains("cut off"));
    is_corrupt(&judged, "model.safetensors", base().tensors.len() - 1);
    assert_eq!(judged.report["coverage"]["skipped"], 1);
}

#[test]
fn bytes_after_the_end_fail_and_the_rest_is_judged() {
    let pair = Pair::new(&base(), &sound());
    change_file(&pair.path(WEIGHTS), |bytes| bytes.extend([0; 7]));
    let judged = pair.judged();
    assert!(judged.message("corrupt-file").contains("7 bytes follow"));
    is_corrupt(&judged, "model.safetensors", base().tensors.len());
}

#[test]
fn an_index_that_disagrees_with_its_shards_fails_and_the_rest_is_judged() {
    let pair = Pair::new(&base(), &sound().shards(2));
    change_index(&pair, |map| {
        let other = map[QUERY].clone();
        map.insert(KEY.to_owned(), other.clone());
        map.insert("model.layers.0.ghost.weight".to_owned(), other);
        map.remove("model.norm.weight");
    });
    is_corrupt(&pair.judged(), "of-00002.safetensors", base().tensors.len());
}

#[test]
fn a_lost_shard_fails_and_the_rest_is_judged() {
    let pair = Pair::new(&base(), &sound().shards(2));
    let shard = "model-00002-of-00002.safetensors";
    std::fs::remove_file(pair.path("tuned").join(shard)).unwrap();
    is_corrupt(&pair.judged(), shard, base().tensors.len() / 2);
}

#[test]
fn a_config_that_is_no_json_fails() {
    let pair = Pair::new(&base(), &sound());
    pair.file("tuned/config.json", "{ \"model_type\": ");
    let judged = pair.judged();
    judged.has("corrupt-file", &[(None, "fail")]);
    is_corrupt(&judged, "config.json", base().tensors.len());
}

#[test]
fn whole_files_in_any_layout_are_not_corrupt() {
    let judged = judge(&base().shards(3), &sound().shards(2));
    judged.lacks("corrupt-file");
    judged.ends("pass", 0);
}

#[test]
fn a_header_that_cannot_be_read_gives_no_verdict() {
    let pair = Pair::new(&base(), &sound());
    change_file(&pair.path(WEIGHTS), |bytes| bytes[8..40].fill(b'x'));
    let ran = pair.check(&["--format", "json"]).expect_code(2);
    assert!(ran.stdout.is_empty());
    assert!(
        ran.stderr.contains("tuned/model.safetensors"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_corrupt_base_gives_no_verdict() {
    let pair = Pair::new(&base(), &sound());
    change_file(&pair.path("base/model.safetensors"), |bytes| {
        bytes.truncate(bytes.len() - 100);
    });
    let ran = pair.check(&["--format", "json"]).expect_code(2);
    assert!(ran.stdout.is_empty());
    assert!(
        ran.stderr.contains("cannot use the base `base`"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("hint:"), "{}", ran.stderr);
}

#[test]
fn a_changed_architecture_field_warns() {
    let tuned = sound().config_field("rope_theta", json!(500_000.0));
    let judged = judge(&base(), &tuned);
    judged.has("config-changed", &[(None, "warn")]);
    judged.ends("warn", 0);
    let message = judged.message("config-changed");
    assert!(
        message.contains("rope_theta") && message.contains("10000"),
        "{message}"
    );
}

#[test]
fn another_tokenizer_warns_and_one_on_one_side_is_a_note() {
    let with = |model: TinyCheckpoint, text: &str| model.file("tokenizer.json", text);
    let judged = judge(&with(base(), "{}"), &with(sound(), "{ }"));
    judged.has("config-changed", &[(None, "warn")]);
    judged.ends("warn", 0);
    assert!(judged.message("config-changed").contains("tokenizer.json"));

    for (base, tuned) in [(with(base(), "{}"), sound()), (base(), with(sound(), "{}"))] {
        let judged = judge(&base, &tuned);
        judged.has("config-changed", &[(None, "note")]);
        judged.ends("pass", 0);
    }
}

#[test]
fn fields_that_compute_nothing_do_not_fire() {
    let tuned = sound()
        .config_field("transformers_version", json!("5.0.0"))
        .config_field("dtype", json!("bfloat16"))
        .config_field("_name_or_path", json!("elsewhere"))
        .config_field("rope_theta", json!(10000));
    let with = |model: TinyCheckpoint| model.file("tokenizer.json", "{}");
    let judged = judge(&with(base()), &with(tuned));
    judged.lacks("config-changed");
    judged.ends("pass", 0);
}
