//! Repositories of the Hub: the same verdict from no more bytes than are judged.

use serde_json::Value;

use crate::support::cmd::Ran;
use crate::support::hub::{Faults, Hub, commit_of};
use crate::support::tiny::{TinyCheckpoint, TinyTensor};

/// A pair of three shards each.
fn pair() -> (TinyCheckpoint, TinyCheckpoint) {
    let base = TinyCheckpoint::model()
        .file("tokenizer.json", "{}")
        .shards(3);
    let tuned = base.tuned(0.02);
    (base, tuned)
}

/// Twelve MiB that no check looks at.
fn with_ballast(checkpoint: TinyCheckpoint) -> TinyCheckpoint {
    let name = "model.layers.0.self_attn.rotary_emb.inv_freq";
    checkpoint.tensor(name, TinyTensor::new(&[3 << 20], vec![0.5; 3 << 20]))
}

/// The report without what differs between a place and another.
fn comparable(mut report: Value) -> Value {
    for side in ["base", "tuned"] {
        report[side]["ref"] = Value::Null;
        report[side]["revision"] = Value::Null;
    }
    report
}

#[test]
fn the_verdict_is_that_of_the_local_files_and_the_report_names_the_commits() {
    let (base, tuned) = pair();
    let hub = Hub::with_pair(&base, &tuned);
    let remote = hub.check(&["--format", "json"]).expect_code(0).json();
    let local = hub.check_local(&["--format", "json"]).expect_code(0).json();
    for (side, repository) in [("base", "acme/base"), ("tuned", "acme/tuned")] {
        assert_eq!(remote[side]["ref"], format!("hf://{repository}"));
        assert_eq!(remote[side]["revision"], commit_of(&hub.files(repository)));
        assert_eq!(local[side]["revision"], Value::Null);
    }
    assert_eq!(comparable(remote), comparable(local));
    assert_eq!(hub.front.asked("/api/models/").len(), 2, "one listing each");
}

#[test]
fn a_commit_a_branch_and_a_pull_request_are_read_at_their_commit() {
    let (base, tuned) = pair();
    let hub = Hub::with_pair(&base, &tuned);
    hub.add("acme/branches", "refs/pr/7", &tuned);
    let commit = commit_of(&hub.files("acme/branches"));
    for revision in ["refs/pr/7", &commit] {
        hub.front.forget();
        let reference = format!("hf://acme/branches@{revision}");
        let scan = hub
            .run(&["scan", &reference, "--format", "json"])
            .expect_code(0)
            .json();
        assert_eq!(scan["tuned"]["revision"], Value::Null);
        assert!(scan.to_string().contains(&commit), "{scan}");
        let resolved = hub.front.asked("/resolve/");
        assert!(resolved.len() > 3);
        let at = format!("/resolve/{commit}/");
        assert!(
            resolved
                .iter()
                .all(|served| served.request.target.contains(&at))
        );
    }
}

#[test]
fn only_headers_and_judged_tensors_are_fetched_and_each_once() {
    let base = with_ballast(TinyCheckpoint::model());
    let tuned = with_ballast(TinyCheckpoint::model().tuned(0.02));
    let hub = Hub::with_pair(&base, &tuned);
    let remote = hub.check(&["--format", "json"]).expect_code(0).json();
    let judged: usize = [&base, &tuned]
        .iter()
        .flat_map(|checkpoint| checkpoint.tensors.iter())
        .filter(|(name, _)| !name.ends_with("inv_freq"))
        .map(|(_, tensor)| 4 * tensor.values.len())
        .sum();
    let headers = 2 * (128 << 10);
    assert!(hub.sent() >= judged, "{} of {judged}", hub.sent());
    assert!(hub.sent() <= judged + headers, "{} of {judged}", hub.sent());
    let local = hub.check_local(&["--format", "json"]).expect_code(0).json();
    assert_eq!(comparable(remote), comparable(local));
}

#[test]
fn tensors_of_files_that_are_equal_are_fetched_once_for_both_sides() {
    let base = with_ballast(TinyCheckpoint::model());
    let hub = Hub::with_pair(&base, &base);
    let report = hub.check(&["--format", "json"]).expect_code(1).json();
    assert!(report["findings"].to_string().contains("no-op"));
    let judged: usize = base
        .tensors
        .iter()
        .filter(|(name, _)| !name.ends_with("inv_freq"))
        .map(|(_, tensor)| 4 * tensor.values.len())
        .sum();
    assert!(
        hub.sent() <= judged + (128 << 10),
        "{} of {judged}",
        hub.sent()
    );
}

#[test]
fn a_token_goes_to_the_hub_and_nowhere_else() {
    let (base, tuned) = pair();
    let hub = Hub::with_pair(&base, &tuned);
    hub.set(Faults {
        token: Some("hf_secret"),
        ..Faults::default()
    });
    let without = hub.check(&[]).expect_code(2);
    assert!(without.stderr.contains("HF_TOKEN"), "{}", without.stderr);
    let args = [
        "check",
        "--base",
        "hf://acme/base",
        "--tuned",
        "hf://acme/tuned",
        "-vv",
    ];
    let ran = Ran::of(hub.command(&args).env("HF_TOKEN", "hf_secret"));
    let ran = ran.expect_code(0);
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("secret"));
    let elsewhere = hub.back.log();
    assert!(!elsewhere.is_empty());
    assert!(
        elsewhere
            .iter()
            .all(|served| served.request.header("authorization").is_none())
    );
    // The file of `hf auth login` does as well.
    tunegate::fs::create_dir_all(&hub.home.path().join(".cache/huggingface")).unwrap();
    let path = hub.home.path().join(".cache/huggingface/token");
    tunegate::fs::write_atomic(&path, b"hf_secret\n").unwrap();
    hub.check(&[]).expect_code(0);
}

#[test]
fn a_download_keeps_the_files_and_is_used_again() {
    let (base, tuned) = pair();
    let hub = Hub::with_pair(&base, &tuned);
    let args = ["--download", "kept", "--format", "json"];
    let first = hub.check(&args).expect_code(0).json();
    let kept = hub.home.path().join("kept");
    let folders = tunegate::fs::list(&kept).unwrap();
    assert_eq!(folders.len(), 2, "{folders:?}");
    let folder = folders.iter().find(|name| name.contains("base")).unwrap();
    let names = tunegate::fs::list(&kept.join(folder)).unwrap();
    assert_eq!(
        names,
        hub.files("acme/base").into_keys().collect::<Vec<_>>()
    );
    hub.back.forget();
    assert_eq!(hub.check(&args).expect_code(0).json(), first);
    assert_eq!(hub.back.log().len(), 0);
    // A damaged one is fetched again.
    let shard = kept.join(folder).join("model-00001-of-00003.safetensors");
    let mut bytes = tunegate::fs::read(&shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    tunegate::fs::write_atomic(&shard, &bytes).unwrap();
    assert_eq!(hub.check(&args).expect_code(0).json(), first);
    assert_eq!(hub.back.log().len(), 1);
}

#[test]
fn nothing_is_written_to_the_disk_without_a_download() {
    let (base, tuned) = pair();
    let hub = Hub::with_pair(&base, &tuned);
    let temporary = hub.home.path().join("tmp");
    tunegate::fs::create_dir_all(&temporary).unwrap();
    let args = [
        "check",
        "--base",
        "hf://acme/base",
        "--tuned",
        "hf://acme/tuned",
    ];
    let before = tunegate::fs::list(hub.home.path()).unwrap();
    let ran = Ran::of(hub.command(&args).env("TMPDIR", &temporary));
    ran.expect_code(0);
    assert_eq!(tunegate::fs::list(hub.home.path()).unwrap(), before);
    assert!(tunegate::fs::list(&temporary).unwrap().is_empty());
}

#[test]
fn the_identity_of_a_job_is_exchanged_for_a_token() {
    let (base, tuned) = pair();
    let hub = Hub::with_pair(&base, &tuned);
    hub.set(Faults {
        token: Some("exchanged"),
        ..Faults::default()
    });
    let args = ["scan", "hf://acme/base", "--hub-oidc", "acme/base", "-vv"];
    let ran = Ran::of(
        hub.command(&args)
            .env("HF_TOKEN", "another")
            .env(
                "ACTIONS_ID_TOKEN_REQUEST_URL",
                format!("{}/ci/id-token?v=1", hub.front.url()),
            )
            .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-the-job"),
    );
    let ran = ran.expect_code(0);
    let shown = format!("{}{}", ran.stdout, ran.stderr);
    for secret in ["exchanged", "signed-by-ci", "of-the-job"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let asked = &hub.front.asked("id-token")[0].request;
    assert!(
        asked
            .target
            .ends_with("?v=1&audience=https%3A%2F%2Fhuggingface.co")
    );
    assert_eq!(asked.header("authorization"), Some("Bearer of-the-job"));
    let body = &hub.front.asked("/oauth/token")[0].request.body;
    assert!(body.contains(r#""resource":"acme/base""#), "{body}");
    // Another job, and no job.
    let ran = Ran::of(hub.command(&args).env("HF_OIDC_ID_TOKEN", "forged")).expect_code(2);
    assert!(ran.stderr.contains("invalid_grant"), "{}", ran.stderr);
    let ran = Ran::of(
        hub.command(&args)
            .env_remove("ACTIONS_ID_TOKEN_REQUEST_URL"),
    )
    .expect_code(2);
    assert!(ran.stderr.contains("id-token: write"), "{}", ran.stderr);
}
