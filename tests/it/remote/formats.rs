//! Adapters and quantised weights from elsewhere: the same reports as from local files, no byte twice.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use tunegate::fs;

use crate::support::hub::Hub;
use crate::support::repository;

/// The files of a folder of fixtures.
fn files(folder: &Path, names: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let read = |name: &&str| {
        let bytes = fs::read(&folder.join(name)).unwrap();
        ((*name).to_owned(), bytes)
    };
    names.iter().map(read).collect()
}

fn without_places(mut report: Value) -> Value {
    for side in ["base", "tuned"] {
        report[side]["ref"] = Value::Null;
        report[side]["revision"] = Value::Null;
    }
    report
}

#[test]
fn an_adapter_of_the_hub_is_judged_on_a_base_of_the_hub() {
    let hub = Hub::start();
    let base = repository("tests/fixtures/peft/base/llama");
    let adapter = repository("tests/fixtures/peft/llama_lora");
    let base_files = files(&base, &["config.json", "model.safetensors"]);
    let names = ["adapter_config.json", "adapter_model.safetensors"];
    let adapter_files = files(&adapter, &names);
    hub.put("acme/base", "main", &base_files);
    hub.put("acme/adapter", "main", &adapter_files);
    let check = |base: &str, tuned: &str| {
        let args = [
            "check", "--base", base, "--tuned", tuned, "--format", "json",
        ];
        without_places(hub.run(&args).json())
    };
    let local = check(&base.display().to_string(), &adapter.display().to_string());
    assert!(local["summary"]["layers"].as_u64().unwrap() > 5);
    let remote = check("hf://acme/base", "hf://acme/adapter");
    assert_eq!(remote, local);
    // Base and merged base hold the same bytes: they are fetched once for both.
    let stored: usize = [&base_files, &adapter_files]
        .iter()
        .flat_map(|files| files.values().map(Vec::len))
        .sum();
    assert!(hub.sent() <= stored, "{} of {stored}", hub.sent());
    let both = check("hf://acme/base", "hf://acme/base+hf://acme/adapter");
    assert_eq!(both, local);
    let scan = hub.run(&["scan", "hf://acme/adapter", "--format", "json"]);
    assert!(scan.expect_code(0).stdout.contains("q_proj"));
}

#[test]
fn the_codes_of_a_quantised_checkpoint_are_fetched_once() {
    let hub = Hub::start();
    let folder = repository("tests/fixtures/quant/gptq_4bit");
    let stored = files(&folder, &["config.json", "model.safetensors"]);
    hub.put("acme/quantised", "main", &stored);
    let scan = |reference: &str| {
        let report = hub.run(&["scan", reference, "--format", "json"]);
        report.expect_code(0).json()["layers"].clone()
    };
    let remote = scan("hf://acme/quantised");
    let size: usize = stored.values().map(Vec::len).sum();
    assert!(hub.sent() <= size, "{} of {size}", hub.sent());
    assert_eq!(remote, scan(&folder.display().to_string()));
    assert!(!remote.as_array().unwrap().is_empty());
}
