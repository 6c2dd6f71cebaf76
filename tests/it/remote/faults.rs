//! Every fault ends in the right answer or in exit code 2 with its message, and none in a verdict from
//! wrong bytes.

use std::time::{Duration, Instant};

use crate::support::hub::{Faults, Hub};
use crate::support::tiny::{TinyCheckpoint, TinyTensor};

const SHARD: &str = "model-00001-of-00002.safetensors";

fn hub() -> Hub {
    let base = TinyCheckpoint::model().shards(2);
    Hub::with_pair(&base, &base.tuned(0.02))
}

/// A hub whose weight files are too large to be fetched whole.
fn large_hub() -> Hub {
    let name = "model.layers.0.self_attn.rotary_emb.inv_freq";
    let ballast = || TinyTensor::new(&[3 << 20], vec![0.5; 3 << 20]);
    let base = TinyCheckpoint::model();
    let tuned = base.tuned(0.02).tensor(name, ballast());
    Hub::with_pair(&base.tensor(name, ballast()), &tuned)
}

/// The answer is that of a run without faults.
#[track_caller]
fn survives(hub: &Hub, faults: Faults) -> Duration {
    hub.set(Faults::default());
    let expected = hub.check(&["--format", "json"]).expect_code(0);
    hub.set(faults);
    let started = Instant::now();
    let found = hub.check(&["--format", "json"]).expect_code(0);
    assert_eq!(found.stdout, expected.stdout);
    started.elapsed()
}

/// No verdict, and words that say why and what to do.
#[track_caller]
fn stops(hub: &Hub, faults: Faults, words: &[&str]) {
    hub.set(faults);
    let ran = hub.check(&["--format", "json"]).expect_code(2);
    assert_eq!(ran.stdout, "");
    for word in words {
        assert!(
            ran.stderr.contains(word),
            "`{word}` is not in:\n{}",
            ran.stderr
        );
    }
    assert!(!ran.stderr.contains("Signature"), "{}", ran.stderr);
}

#[test]
fn a_server_that_is_busy_for_a_while_is_asked_again() {
    for hub in [hub(), large_hub()] {
        survives(
            &hub,
            Faults {
                busy: (3, 503, ""),
                busy_listing: (2, 502, ""),
                ..Faults::default()
            },
        );
    }
}

#[test]
fn a_wait_that_the_server_asks_for_is_kept() {
    let hub = hub();
    let elapsed = survives(
        &hub,
        Faults {
            busy: (1, 429, "2"),
            ..Faults::default()
        },
    );
    assert!(elapsed >= Duration::from_secs(2), "{elapsed:?}");
    let elapsed = survives(
        &hub,
        Faults {
            busy_listing: (1, 429, "2"),
            ..Faults::default()
        },
    );
    assert!(elapsed >= Duration::from_secs(2), "{elapsed:?}");
}

#[test]
fn a_wait_of_an_hour_is_not_waited() {
    let hub = hub();
    for faults in [
        Faults {
            busy: (9, 429, "3600"),
            ..Faults::default()
        },
        Faults {
            busy_listing: (9, 503, "3600"),
            ..Faults::default()
        },
    ] {
        stops(
            &hub,
            faults,
            &["asks to wait 3600 seconds", "run again later"],
        );
    }
}

#[test]
fn a_server_that_stays_busy_is_no_verdict() {
    let hub = hub();
    stops(
        &hub,
        Faults {
            busy_listing: (99, 429, "0"),
            ..Faults::default()
        },
        &["limits the rate", "HF_TOKEN"],
    );
    stops(
        &hub,
        Faults {
            busy: (99, 503, "0"),
            ..Faults::default()
        },
        &["status 503", "run again later", SHARD],
    );
}

#[test]
fn a_body_that_breaks_off_is_fetched_to_its_end() {
    for hub in [hub(), large_hub()] {
        survives(
            &hub,
            Faults {
                cut: 4,
                ..Faults::default()
            },
        );
    }
}

#[test]
fn a_server_that_ignores_or_shifts_the_range_is_no_verdict() {
    for hub in [hub(), large_hub()] {
        for faults in [
            Faults {
                ignore_range: true,
                ..Faults::default()
            },
            Faults {
                shift_range: true,
                ..Faults::default()
            },
        ] {
            stops(&hub, faults, &["by range", "answers range requests"]);
        }
    }
}

#[test]
fn a_file_with_other_bytes_than_its_digest_says_is_no_verdict() {
    let hub = hub();
    stops(
        &hub,
        Faults {
            wrong_byte: Some(SHARD),
            ..Faults::default()
        },
        &["SHA-256", SHARD],
    );
    stops(
        &hub,
        Faults {
            wrong_byte: Some("config.json"),
            ..Faults::default()
        },
        &["git SHA-1", "config.json"],
    );
    // Of a large file the digest is known when it is kept whole.
    let hub = large_hub();
    hub.set(Faults {
        wrong_byte: Some(SHARD),
        ..Faults::default()
    });
    let ran = hub.check(&["--download", "kept"]).expect_code(2);
    assert!(ran.stderr.contains("SHA-256"), "{}", ran.stderr);
    let kept = hub.home.path().join("kept");
    for folder in tunegate::fs::list(&kept).unwrap() {
        assert_eq!(tunegate::fs::list(&kept.join(folder)).unwrap(), [""; 0]);
    }
}

#[test]
fn a_file_of_another_size_than_announced_is_no_verdict() {
    for hub in [hub(), large_hub()] {
        for name in [SHARD, "model.safetensors", "config.json"] {
            if hub.files("acme/base").contains_key(name) {
                let faults = Faults {
                    wrong_size: Some(name),
                    ..Faults::default()
                };
                stops(&hub, faults, &[name]);
            }
        }
    }
}

#[test]
fn each_refusal_of_the_hub_has_its_words() {
    let hub = hub();
    for (refusal, words) in [
        ((403, "GatedRepo"), ["gated", "accept the conditions"]),
        ((401, "RepoNotFound"), ["no such repository", "HF_TOKEN"]),
        (
            (404, "RepoNotFound"),
            ["no such repository", "owner and name"],
        ),
        ((404, "RevisionNotFound"), ["no such revision", "refs/pr/N"]),
        ((401, ""), ["credentials", "HF_TOKEN"]),
        ((403, ""), ["access is denied", "right to read"]),
    ] {
        let faults = Faults {
            refusal: Some(refusal),
            ..Faults::default()
        };
        stops(&hub, faults, &[words[0], words[1], "hf://acme/base"]);
    }
    hub.set(Faults::default());
    for (reference, word) in [
        ("hf://acme/none", "no such repository"),
        ("hf://acme/base@none", "no such revision"),
    ] {
        let ran = hub.run(&["scan", reference]).expect_code(2);
        assert!(ran.stderr.contains(word), "{}", ran.stderr);
    }
    stops(
        &hub,
        Faults {
            gone: Some("config.json"),
            ..Faults::default()
        },
        &["no such file", "config.json"],
    );
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let hub = hub();
    for name in [
        "../evil.safetensors",
        "/evil.safetensors",
        "a\\evil.safetensors",
        "c:evil.safetensors",
        "evil\u{0}.safetensors",
        "a/../../evil.safetensors",
    ] {
        stops(
            &hub,
            Faults {
                extra_name: Some(name),
                ..Faults::default()
            },
            &["lists the file", "evil"],
        );
    }
    // A name that is not ours is no reason to stop.
    survives(
        &hub,
        Faults {
            extra_name: Some("images/a:b.png"),
            ..Faults::default()
        },
    );
    for name in [
        "../evil.safetensors",
        "/evil.safetensors",
        "evil\\x.safetensors",
    ] {
        let mut files = hub.files("acme/tuned");
        let index = format!(r#"{{"weight_map":{{"a":{}}}}}"#, serde_json::json!(name));
        files.insert(
            "model.safetensors.index.json".to_owned(),
            index.into_bytes(),
        );
        hub.put("acme/tuned", "main", &files);
        stops(&hub, Faults::default(), &["index", "evil"]);
    }
}

#[test]
fn a_deadline_ends_a_run_that_waits() {
    for hub in [hub(), large_hub()] {
        hub.set(Faults {
            pause: Duration::from_secs(20),
            ..Faults::default()
        });
        let started = Instant::now();
        let ran = hub.check(&["--deadline", "1s"]).expect_code(2);
        assert!(started.elapsed() < Duration::from_secs(10));
        assert!(
            ran.stderr.contains("the deadline of 1 s is over"),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("--deadline"), "{}", ran.stderr);
    }
}

#[test]
fn a_server_that_is_not_there_is_no_verdict() {
    let hub = hub();
    let args = ["scan", "hf://acme/base"];
    let ran =
        crate::support::cmd::Ran::of(hub.command(&args).env("HF_ENDPOINT", "http://127.0.0.1:1"));
    let ran = ran.expect_code(2);
    assert!(ran.stderr.contains("hf://acme/base"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("at http://127.0.0.1:1"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("network"), "{}", ran.stderr);
}
