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
    Process::new(repository("scripts/history-branch"))
        .args([action, &store.place])
        .current_dir(store.path("clone"))
        .env("TUNEGATE", env!("CARGO_BIN_EXE_tunegate"))
        .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_NAME"), "gate")))
        .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_EMAIL"), "gate@example.org")))
        .output()
        .unwrap()
}

#[track_caller]
fn transport(store: &Store, action: &str) {
    let output = script(store, action);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{action}: {said}");
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
