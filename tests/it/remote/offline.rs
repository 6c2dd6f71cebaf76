//! The cache of the Python client, with and without a network.

use crate::support::cmd::{Pair, Ran};
use crate::support::hub::Hub;
use crate::support::tiny::TinyCheckpoint;

fn hub() -> Hub {
    let base = TinyCheckpoint::model()
        .file("tokenizer.json", "{}")
        .shards(2);
    Hub::with_pair(&base, &base.tuned(0.02))
}

const CHECK: &[&str] = &[
    "check",
    "--base",
    "hf://acme/base",
    "--tuned",
    "hf://acme/tuned",
    "--format",
    "json",
];

/// Without a server.
fn offline(hub: &Hub, args: &[&str]) -> Ran {
    let mut command = hub.command(CHECK);
    Ran::of(command.args(args).env("HF_ENDPOINT", "http://127.0.0.1:1"))
}

#[test]
fn a_warm_cache_is_used_online_and_offline() {
    let hub = hub();
    let expected = hub.check(&["--format", "json"]).expect_code(0).stdout;
    hub.fill_cache("acme/base", |_| true);
    hub.fill_cache("acme/tuned", |_| true);
    hub.front.forget();
    hub.back.forget();
    assert_eq!(
        hub.check(&["--format", "json"]).expect_code(0).stdout,
        expected
    );
    assert_eq!(hub.front.log().len(), 2, "the two listings");
    assert_eq!(hub.back.log().len(), 0);
    assert_eq!(
        offline(&hub, &["--offline"]).expect_code(0).stdout,
        expected
    );
    let mut command = hub.command(CHECK);
    command.env("HF_ENDPOINT", "http://127.0.0.1:1");
    assert_eq!(
        Ran::of(command.env("HF_HUB_OFFLINE", "1"))
            .expect_code(0)
            .stdout,
        expected
    );
}

#[test]
fn a_cached_file_of_other_bytes_is_not_used() {
    let hub = hub();
    let expected = hub.check(&["--format", "json"]).expect_code(0).stdout;
    let commit = hub.fill_cache("acme/base", |_| true);
    let folder = hub
        .home
        .path()
        .join(".cache/huggingface/hub/models--acme--base/snapshots");
    for (name, bytes) in [
        ("config.json", &b"{}"[..]),
        ("model-00001-of-00002.safetensors", b"cut"),
    ] {
        let path = folder.join(&commit).join(name);
        tunegate::fs::write_atomic(&path, bytes).unwrap();
    }
    assert_eq!(
        hub.check(&["--format", "json"]).expect_code(0).stdout,
        expected
    );
}

#[test]
fn what_is_not_in_the_cache_is_no_verdict_offline() {
    let hub = hub();
    let missing = |hub: &Hub, name: &str| {
        let ran = offline(hub, &["--offline"]).expect_code(2);
        assert!(ran.stderr.contains("not in the cache"), "{}", ran.stderr);
        assert!(ran.stderr.contains(name), "{}", ran.stderr);
        assert!(ran.stderr.contains("hf download"), "{}", ran.stderr);
    };
    missing(&hub, "hf://acme/base");
    hub.fill_cache("acme/base", |_| true);
    missing(&hub, "hf://acme/tuned");
    // A shard that is not there is not a shard that the repository lacks.
    let shard = "model-00002-of-00002.safetensors";
    hub.fill_cache("acme/tuned", |name| name != shard);
    missing(&hub, shard);
    let root = hub
        .home
        .path()
        .join(".cache/huggingface/hub/models--acme--tuned");
    let index = "model.safetensors.index.json";
    let commit = tunegate::fs::read_to_string(&root.join("refs/main")).unwrap();
    std::fs::remove_file(root.join("snapshots").join(&commit).join(index)).unwrap();
    missing(&hub, index);
}

#[test]
fn the_listing_that_the_cache_knows_tells_what_is_missing() {
    let hub = hub();
    hub.fill_cache("acme/base", |_| true);
    let commit = hub.fill_cache("acme/tuned", |name| name != "tokenizer.json");
    offline(&hub, &["--offline"]).expect_code(0);
    let root = hub
        .home
        .path()
        .join(".cache/huggingface/hub/models--acme--tuned");
    let files: serde_json::Map<String, serde_json::Value> = hub
        .files("acme/tuned")
        .into_iter()
        .map(|(name, bytes)| (name, serde_json::json!({"size": bytes.len()})))
        .collect();
    let tree = serde_json::json!({"format_version": 1, "files": files}).to_string();
    tunegate::fs::create_dir_all(&root.join("trees")).unwrap();
    let path = root.join("trees").join(format!("{commit}.json"));
    tunegate::fs::write_atomic(&path, tree.as_bytes()).unwrap();
    let ran = offline(&hub, &["--offline"]).expect_code(2);
    assert!(ran.stderr.contains("tokenizer.json"), "{}", ran.stderr);
}

#[test]
fn other_places_are_not_read_offline() {
    let hub = hub();
    for reference in [
        "s3://bucket/x",
        "gs://bucket/x",
        "az://container/x",
        "https://localhost/x",
    ] {
        let ran = hub.run(&["scan", reference, "--offline"]).expect_code(2);
        assert!(ran.stderr.contains("the run is offline"), "{}", ran.stderr);
    }
    let local = hub
        .home
        .path()
        .join("local/acme/base")
        .display()
        .to_string();
    hub.run(&["scan", &local, "--offline"]).expect_code(0);
}

#[test]
fn an_empty_folder_for_downloads_and_an_empty_deadline_are_none() {
    let (base, tuned) = (TinyCheckpoint::model(), TinyCheckpoint::model().tuned(0.02));
    let pair = Pair::new(&base, &tuned);
    for name in ["TUNEGATE_DOWNLOAD", "TUNEGATE_DEADLINE"] {
        let mut command = pair.command(&[]);
        Ran::of(command.env(name, "")).expect_code(0);
    }
    let mut command = pair.command(&[]);
    let ran = Ran::of(command.env("TUNEGATE_DEADLINE", "soon")).expect_code(2);
    assert!(ran.stderr.contains("expected a duration"), "{}", ran.stderr);
}
