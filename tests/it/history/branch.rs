//! A history in a branch of its own, through git.

use std::path::Path;
use std::process::{Command as Process, Output};

use super::{Store, nights, quiet};
use crate::support::repository;

fn git(folder: &Path, args: &[&str]) -> String {
    let output = Process::new("git")
        .args(["-c", "init.defaultBranch=main"])
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "git {args:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// A runner: a clone of the repository, with a store that starts empty.
fn runner(origin: &Path, store: &Store) {
    let clone = store.path("clone").display().to_string();
    git(origin, &["clone", "--quiet", ".", &clone]);
}

fn script(store: &Store, action: &str) -> Output {
    script_with(env!("CARGO_BIN_EXE_tunegate"), store, action)
}

/// On a runner where nobody has told git who commits.
fn script_with(program: &str, store: &Store, action: &str) -> Output {
    let mut script = Process::new(repository("scripts/history-branch"));
    for who in ["AUTHOR", "COMMITTER"] {
        script
            .env_remove(format!("GIT_{who}_NAME"))
            .env_remove(format!("GIT_{who}_EMAIL"));
    }
    script
        .args([action, &store.place])
        .current_dir(store.path("clone"))
        .env("TUNEGATE", program)
        .env_remove("EMAIL")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        // Nor may it guess.
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "user.useConfigOnly")
        .env("GIT_CONFIG_VALUE_0", "true")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Makes a script that may be run, and returns its path.
fn executable(path: &Path, text: &str) -> String {
    let text = format!("#!/usr/bin/env bash\n{text}\n");
    tunegate::fs::write_atomic(path, text.as_bytes()).unwrap();
    let all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(path, all).unwrap();
    path.display().to_string()
}

/// A repository whose branch holds two nights, and a runner with a third.
fn two_nights(origin: &Path) -> Store {
    git(origin, &["init", "--quiet", "--bare", "."]);
    let store = Store::file();
    runner(origin, &store);
    for day in 1..=2 {
        store.record(day, &nights().report(day, &quiet()));
    }
    transport(&store, "push");
    store.record(3, &nights().report(3, &quiet()));
    store
}

#[track_caller]
fn transport(store: &Store, action: &str) {
    let output = script(store, action);
    assert!(output.status.success(), "{action}: {}", said(&output));
}

#[test]
fn nights_on_runners_that_keep_nothing_add_up_in_a_branch() {
    let folder = tempfile::tempdir().unwrap();
    let origin = folder.path();
    git(origin, &["init", "--quiet", "--bare", "."]);
    // The first night, and one of a second runner that started before the first had pushed.
    let (first, second) = (Store::file(), Store::file());
    for (store, day) in [(&first, 1), (&second, 2)] {
        runner(origin, store);
        transport(store, "pull");
        store.record(day, &nights().report(day, &quiet()));
    }
    transport(&first, "push");
    transport(&second, "push");
    // A month later, a runner that knows nothing.
    let third = Store::file();
    runner(origin, &third);
    transport(&third, "pull");
    assert_eq!(third.runs().len(), 2);
    third.record(33, &nights().failed(33, &quiet()));
    let accept = ["--last", "--by", "ana", "--reason", "new data"];
    third.run("accept", &accept).expect_code(0);
    transport(&third, "push");
    let tip = git(origin, &["rev-parse", "tunegate-history"]);
    transport(&third, "push");
    assert_eq!(
        git(origin, &["rev-parse", "tunegate-history"]),
        tip,
        "nothing to add"
    );
    let files = git(origin, &["ls-tree", "--name-only", "tunegate-history"]);
    assert!(
        files.contains("2026-03.jsonl") && files.contains("2026-04.jsonl"),
        "{files}"
    );
    transport(&first, "pull");
    assert_eq!(first.export(), third.export());
    // Every commit only adds lines.
    let changes = git(
        origin,
        &["log", "--numstat", "--format=", "tunegate-history"],
    );
    let removed = |line: &str| line.split('\t').nth(1).is_some_and(|count| count != "0");
    assert!(!changes.lines().any(removed), "{changes}");
}

#[test]
fn a_branch_that_cannot_be_read_is_no_empty_branch() {
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), &["init", "--quiet", "--bare", "."]);
    let store = Store::file();
    runner(folder.path(), &store);
    drop(folder);
    store.record(1, &nights().report(1, &quiet()));
    for action in ["pull", "push"] {
        let output = script(&store, action);
        assert_eq!(output.status.code(), Some(2), "{action}");
    }
}

#[test]
fn an_export_that_fails_or_loses_lines_is_never_pushed() {
    let folder = tempfile::tempdir().unwrap();
    let origin = folder.path();
    let store = two_nights(origin);
    let tip = || git(origin, &["rev-parse", "tunegate-history"]);
    let before = tip();
    let program = env!("CARGO_BIN_EXE_tunegate");
    for (export, words) in [
        (format!("{program} \"$@\" | head -n 1; exit 1"), ""),
        (format!("{program} \"$@\" | tail -n 1"), "would be lost"),
        ("echo no line".to_owned(), "a line has no time"),
    ] {
        let text =
            format!("if [ \"$2\" = export ]; then\n{export}\nelse exec {program} \"$@\"; fi");
        let wrapped = executable(&store.path("wrapped"), &text);
        let output = script_with(&wrapped, &store, "push");
        assert!(!output.status.success(), "{export}");
        assert!(said(&output).contains(words), "{}", said(&output));
        assert_eq!(tip(), before, "{export}");
    }
    transport(&store, "push");
    assert_ne!(tip(), before);
}

#[test]
fn a_push_that_is_refused_is_not_taken_for_a_race() {
    let folder = tempfile::tempdir().unwrap();
    let store = two_nights(folder.path());
    let asked = store.path("asked");
    let hook = format!("echo x >>{}; echo no, thanks >&2; exit 1", asked.display());
    executable(&folder.path().join("hooks/pre-receive"), &hook);
    let output = script(&store, "push");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("refuses the push"),
        "{}",
        said(&output)
    );
    assert!(said(&output).contains("no, thanks"), "{}", said(&output));
    assert_eq!(
        tunegate::fs::read_to_string(&asked)
            .unwrap()
            .lines()
            .count(),
        1
    );
}

#[test]
fn a_store_without_a_run_has_nothing_to_push() {
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), &["init", "--quiet", "--bare", "."]);
    let store = Store::file();
    runner(folder.path(), &store);
    store.record(1, &nights().report(1, &quiet()));
    store.run("prune", &["--keep", "0"]).expect_code(0);
    let output = script(&store, "push");
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("holds no run yet"),
        "{}",
        said(&output)
    );
}
