//! Buckets of S3, Google Cloud Storage and Azure, on servers of their protocols.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::support::cmd::{Ran, tunegate};
use crate::support::server::Server;
use crate::support::store::{Kind, StoreServer, forward};
use crate::support::tiny::{TinyCheckpoint, TinyTensor};

fn ballast(checkpoint: TinyCheckpoint) -> TinyCheckpoint {
    let name = "model.layers.0.self_attn.rotary_emb.inv_freq";
    checkpoint.tensor(name, TinyTensor::new(&[3 << 20], vec![0.5; 3 << 20]))
}

fn upload(store: &StoreServer, folder: &Path, prefix: &str) {
    for name in tunegate::fs::list(folder).unwrap() {
        let bytes = tunegate::fs::read(&folder.join(&name)).unwrap();
        store.put(&format!("{prefix}/{name}"), &bytes);
    }
}

fn run(store: &StoreServer, port: u16, args: &[&str]) -> Ran {
    let mut command = tunegate();
    for name in [
        "AWS_PROFILE",
        "AWS_SESSION_TOKEN",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "AZURE_STORAGE_ACCOUNT_NAME",
    ] {
        command.env_remove(name);
    }
    Ran::of(command.envs(store.environment(port)).args(args))
}

fn without_places(mut report: Value) -> Value {
    report["base"]["ref"] = Value::Null;
    report["tuned"]["ref"] = Value::Null;
    report
}

/// Shards, a file too large to be fetched whole, and one file by its own name.
fn verdicts_are_the_local_ones(kind: Kind) {
    let Some(store) = StoreServer::start(kind) else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let base = TinyCheckpoint::model().file("tokenizer.json", "{}");
    for (name, base, tuned) in [
        ("shards", base.clone().shards(3), base.tuned(0.02).shards(3)),
        ("large", ballast(base.clone()), ballast(base.tuned(0.02))),
    ] {
        let places = [("base", base), ("tuned", tuned)].map(|(side, checkpoint)| {
            let prefix = format!("runs/{name}/{side}");
            let folder = checkpoint.write(&home.path().join(&prefix));
            upload(&store, &folder, &prefix);
            (folder.display().to_string(), store.reference(&prefix))
        });
        let check = |base: &str, tuned: &str| {
            let args = [
                "check", "--base", base, "--tuned", tuned, "--format", "json",
            ];
            run(&store, store.port, &args).expect_code(0).json()
        };
        let [(base, remote_base), (tuned, remote_tuned)] = places;
        let local = without_places(check(&base, &tuned));
        assert_eq!(without_places(check(&remote_base, &remote_tuned)), local);
        let slash = format!("{remote_base}/");
        let file = format!("{remote_tuned}/model.safetensors");
        let file = if name == "large" {
            &file
        } else {
            &remote_tuned
        };
        assert_eq!(without_places(check(&slash, file)), local);
    }
    let nothing = store.reference("runs/none");
    let ran = run(&store, store.port, &["scan", &nothing]).expect_code(2);
    assert!(
        ran.stderr.contains("nothing at this prefix"),
        "{}",
        ran.stderr
    );
    let missing = store.reference("runs/large/base/other.safetensors");
    let ran = run(&store, store.port, &["scan", &missing]).expect_code(2);
    assert!(ran.stderr.contains("no such file"), "{}", ran.stderr);
    let bucket = store.reference("").replace("checkpoints", "nosuchbucket");
    let ran = run(&store, store.port, &["scan", &format!("{bucket}x")]).expect_code(2);
    assert!(ran.stderr.contains("nosuchbucket"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
}

/// Something in between replaces the weights after the header was read.
fn a_replaced_object_is_no_verdict(kind: Kind) {
    let Some(store) = StoreServer::start(kind) else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let folder = ballast(TinyCheckpoint::model()).write(&home.path().join("a"));
    let other = ballast(TinyCheckpoint::other_model()).write(&home.path().join("b"));
    upload(&store, &folder, "run");
    let bytes = tunegate::fs::read(&other.join("model.safetensors")).unwrap();
    let store = Arc::new(store);
    let asked = AtomicUsize::new(0);
    let between = {
        let store = Arc::clone(&store);
        Server::start(move |request| {
            let is_weights = request.path().ends_with("safetensors") && request.method == "GET";
            if is_weights && asked.fetch_add(1, Ordering::Relaxed) == 1 {
                store.put("run/model.safetensors", &bytes);
            }
            forward(request, store.port)
        })
    };
    let ran = run(
        &store,
        between.port,
        &["scan", &store.reference("run"), "--threads", "1"],
    );
    let ran = ran.expect_code(2);
    assert!(ran.stderr.contains("was replaced while"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("run/model.safetensors"),
        "{}",
        ran.stderr
    );
}

#[test]
fn verdicts_from_s3_are_the_local_ones() {
    verdicts_are_the_local_ones(Kind::S3);
}

#[test]
fn verdicts_from_google_are_the_local_ones() {
    verdicts_are_the_local_ones(Kind::Gcs);
}

#[test]
fn verdicts_from_azure_are_the_local_ones() {
    verdicts_are_the_local_ones(Kind::Azure);
}

#[test]
fn an_object_of_s3_that_is_replaced_is_no_verdict() {
    a_replaced_object_is_no_verdict(Kind::S3);
}

#[test]
fn an_object_of_google_that_is_replaced_is_no_verdict() {
    a_replaced_object_is_no_verdict(Kind::Gcs);
}

#[test]
fn an_object_of_azure_that_is_replaced_is_no_verdict() {
    a_replaced_object_is_no_verdict(Kind::Azure);
}
