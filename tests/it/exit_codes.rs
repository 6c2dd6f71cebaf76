//! Every row of the table of exit codes that this version has.

use std::process::Stdio;

use serde_json::Value;

use crate::support::cmd::{Pair, Ran, run, tunegate};
use crate::support::tiny::{KEY, QUERY, TinyCheckpoint};

const POLICY: &str = "version = 1\nextends = \"default\"\n";

fn base() -> TinyCheckpoint {
    TinyCheckpoint::model()
}

fn sound() -> TinyCheckpoint {
    base().tuned(0.01)
}

fn sound_pair() -> Pair {
    Pair::new(&base(), &sound())
}

fn broken_pair() -> Pair {
    Pair::new(&base(), &sound().edit(KEY, |values| values[0] = f32::NAN))
}

fn inconclusive_pair() -> (Pair, String) {
    let pair = Pair::new(&base(), &sound().without(QUERY));
    let policy = pair.file(
        "gate.toml",
        &format!("{POLICY}[hygiene]\nmissing-tensor = \"allow\"\n"),
    );
    (pair, policy)
}

/// No verdict: nothing on stdout, an error on stderr that says `part`.
#[track_caller]
fn no_verdict(ran: Ran, part: &str) {
    let ran = ran.expect_code(2);
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains("error:"), "{}", ran.stderr);
    assert!(ran.stderr.contains(part), "{}", ran.stderr);
}

#[test]
fn pass_is_zero() {
    let ran = sound_pair().check(&[]).expect_code(0);
    assert!(ran.stdout.contains("pass:"), "{}", ran.stdout);
}

#[test]
fn warn_is_zero() {
    let name = "model.layers.0.extra.weight";
    let ran = Pair::new(&base(), &sound().vector(name, 8)).check(&[]);
    let ran = ran.expect_code(0);
    assert!(ran.stdout.contains("warn:"), "{}", ran.stdout);
}

#[test]
fn fail_is_one_in_every_format() {
    let pair = broken_pair();
    for format in ["human", "json", "markdown"] {
        let ran = pair.check(&["--format", format]).expect_code(1);
        assert!(ran.stdout.contains("fail"), "{}", ran.stdout);
    }
}

#[test]
fn inconclusive_is_three() {
    let (pair, policy) = inconclusive_pair();
    let ran = pair.check(&["--policy", &policy]).expect_code(3);
    assert!(ran.stdout.contains("inconclusive:"), "{}", ran.stdout);
}

#[test]
fn fail_wins_over_inconclusive() {
    let pair = Pair::new(&base(), &sound().without(QUERY));
    pair.judged().ends("fail", 1);
    assert_eq!(pair.judged().findings("low-coverage").len(), 1);
}

#[test]
fn advisory_turns_one_into_zero_and_says_so() {
    let pair = broken_pair();
    let ran = pair.check(&["--advisory"]).expect_code(0);
    assert!(ran.stdout.contains("fail:"), "{}", ran.stdout);
    assert!(ran.stdout.contains("advisory"), "{}", ran.stdout);
    let ran = pair
        .check(&["--advisory", "--format", "json"])
        .expect_code(0);
    assert_eq!(ran.json()["verdict"], "fail");
    assert_eq!(ran.json()["advisory"], true);
    let ran = pair
        .check(&["--advisory", "--format", "markdown"])
        .expect_code(0);
    assert!(ran.stdout.contains("advisory"), "{}", ran.stdout);
}

#[test]
fn advisory_leaves_two_and_three() {
    let (pair, policy) = inconclusive_pair();
    pair.check(&["--advisory", "--policy", &policy])
        .expect_code(3);
    pair.check(&["--advisory", "--policy", "no-such"])
        .expect_code(2);
}

#[test]
fn advisory_from_the_environment_reads_false_as_false() {
    let pair = broken_pair();
    for (value, code) in [("true", 0), ("1", 0), ("false", 1), ("0", 1), ("", 1)] {
        let mut command = pair.command(&[]);
        Ran::of(command.env("TUNEGATE_ADVISORY", value)).expect_code(code);
    }
}

#[test]
fn usage_is_two() {
    for args in [
        &["check"][..],
        &["check", "--no-such-flag"],
        &["check", "--base", "a", "--tuned", "b", "--threads", "0"],
        &["check", "--base", "a", "--tuned", "b", "--format", "xml"],
        &["no-such-command"],
        &[],
    ] {
        let ran = run(args).expect_code(2);
        assert_eq!(ran.stdout, "", "{args:?}");
        assert!(!ran.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn an_unknown_policy_is_two() {
    no_verdict(sound_pair().check(&["--policy", "stritc"]), "stritc");
}

#[test]
fn a_policy_with_errors_is_two() {
    let pair = sound_pair();
    let policy = pair.file("gate.toml", &format!("{POLICY}nonsense = 1\n"));
    no_verdict(pair.check(&["--policy", &policy]), "gate.toml:3:1");
}

#[test]
fn an_unreadable_checkpoint_is_two() {
    let pair = sound_pair();
    no_verdict(
        run(&[
            "check",
            "--base",
            "/no/such/base",
            "--tuned",
            "/no/such/tuned",
        ]),
        "/no/such/base",
    );
    let file = pair.file("notes.txt", "no weights");
    no_verdict(
        run(&["check", "--base", &file, "--tuned", &file]),
        "notes.txt",
    );
    let empty = pair.path("empty");
    tunegate::fs::create_dir_all(&empty).unwrap();
    let empty = empty.display().to_string();
    no_verdict(
        run(&["check", "--base", &empty, "--tuned", &empty]),
        "empty",
    );
    no_verdict(run(&["scan", &empty]), "empty");
    no_verdict(
        run(&["check", "--base", "ftp://owner/name", "--tuned", &empty]),
        "ftp://owner/name",
    );
}

#[test]
fn an_adapter_and_a_pickle_are_two() {
    let pair = sound_pair();
    tunegate::fs::create_dir_all(&pair.path("adapter")).unwrap();
    pair.file("adapter/adapter_config.json", "{}");
    let adapter = pair.path("adapter").display().to_string();
    no_verdict(run(&["scan", &adapter]), "adapter");
    tunegate::fs::create_dir_all(&pair.path("pickle")).unwrap();
    pair.file("pickle/pytorch_model.bin", "");
    let pickle = pair.path("pickle").display().to_string();
    no_verdict(run(&["scan", &pickle]), "pickle");
}

#[test]
fn a_target_of_emit_that_cannot_be_written_is_two() {
    let pair = sound_pair();
    no_verdict(
        pair.check(&["--emit", "json=/no/such/folder/report.json"]),
        "/no/such/folder/report.json",
    );
    no_verdict(pair.check(&["--emit", "json=base"]), "folder");
    no_verdict(pair.check(&["--emit", "xml=report.xml"]), "xml");
    no_verdict(pair.check(&["--emit", "report.json"]), "report.json");
}

#[test]
fn no_base_and_another_base_than_the_pinned_one_are_two() {
    let pair = sound_pair();
    let ran = Ran::of(
        tunegate()
            .current_dir(pair.path(""))
            .args(["check", "--tuned", "tuned"]),
    );
    no_verdict(ran, "no base");
    let policy = pair.file("pin.toml", &format!("{POLICY}[base]\nref = \"other\"\n"));
    no_verdict(pair.check(&["--policy", &policy]), "pins");
}

#[test]
fn a_reader_that_goes_away_leaves_the_exit_code() {
    let pair = broken_pair();
    for (pair, expected) in [(&pair, 1), (&sound_pair(), 0)] {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_tunegate"))
            .current_dir(pair.path(""))
            .args(["check", "--base", "base", "--tuned", "tuned"])
            .args(["--format", "json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(expected), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_stdout_is_two() {
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let pair = sound_pair();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_tunegate"))
        .current_dir(pair.path(""))
        .args(["check", "--base", "base", "--tuned", "tuned"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("error:"));
}

#[test]
fn the_exit_code_follows_from_the_verdict_in_the_report() {
    let (inconclusive, policy) = inconclusive_pair();
    for (pair, policy, code) in [
        (sound_pair(), "default", 0),
        (broken_pair(), "default", 1),
        (inconclusive, policy.as_str(), 3),
    ] {
        let ran = pair.check(&["--policy", policy, "--emit", "json=report.json"]);
        let ran = ran.expect_code(code);
        let written = tunegate::fs::read(&pair.path("report.json")).unwrap();
        let report: Value = serde_json::from_slice(&written).unwrap();
        let verdict = report["verdict"].as_str().unwrap();
        let expected = match code {
            0 => "pass",
            1 => "fail",
            _ => "inconclusive",
        };
        assert_eq!(verdict, expected);
        assert!(ran.stdout.contains(verdict), "{}", ran.stdout);
    }
}
