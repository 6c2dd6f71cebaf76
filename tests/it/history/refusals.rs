//! What is not recorded, what is not accepted, and a row that nobody can read.

use super::{Store, nights, on_each_store, quiet};
use crate::support::cmd::{Pair, Ran, tunegate};
use crate::support::sql;
use crate::support::tiny::TinyCheckpoint;

fn pair() -> Pair {
    let base = TinyCheckpoint::model();
    Pair::new(&base, &base.tuned(0.01))
}

#[test]
fn a_report_of_a_proposal_is_not_recorded() {
    let store = Store::file();
    let report = store.write_report("1.json", &nights().report(1, &quiet()));
    for (event, words) in [
        ("pull_request", "not part of its branch yet"),
        ("merge_group", "not part of its branch yet"),
        ("issue_comment", "does not tell which branch"),
    ] {
        let mut command = store.command("record", &[&report]);
        command
            .env("GITHUB_EVENT_NAME", event)
            .env("GITHUB_BASE_REF", "main");
        let ran = Ran::of(&mut command).expect_code(2);
        assert!(ran.stderr.contains(event), "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
        assert!(!store.path("nights.db").exists(), "{event}");
    }
    let mut night = store.command("record", &[&report]);
    Ran::of(night.env("GITHUB_EVENT_NAME", "schedule")).expect_code(0);
    assert_eq!(store.runs().len(), 1);
}

#[test]
fn a_check_records_only_what_is_known_to_be_of_the_branch() {
    let pair = pair();
    let store = Store::file();
    let recorded = |event: &str| {
        let mut command = pair.command(&["--history", &store.place]);
        command
            .env("GITHUB_EVENT_NAME", event)
            .env("GITHUB_REF_NAME", "main");
        Ran::of(&mut command).expect_code(0);
        store.path("nights.db").exists()
    };
    for event in ["pull_request", "workflow_run", "issue_comment", "made_up"] {
        assert!(!recorded(event), "{event}");
    }
    assert!(recorded("push"));
}

#[test]
fn an_event_that_is_said_by_hand_counts_for_the_history_too() {
    let pair = pair();
    let store = Store::file();
    let recorded = |event: &str| {
        let mut command = tunegate();
        command
            .current_dir(pair.path(""))
            .args([
                "ci",
                "--base",
                "base",
                "--tuned",
                "tuned",
                "--policy-ref",
                "head",
            ])
            .args(["--history", &store.place, "--github-event-name", event]);
        Ran::of(&mut command).expect_code(0);
        store.path("nights.db").exists()
    };
    assert!(!recorded("pull_request"));
    assert!(!recorded("workflow_run"));
    // The event of the nights that the documentation shows.
    let docs = include_str!("../../../docs/github.md");
    let nightly = docs.split("## Nightly retrains").nth(1).unwrap();
    let nightly = nightly.split("\n## ").next().unwrap();
    for part in ["on:\n  schedule:\n", "          history: nights.db\n"] {
        assert!(nightly.contains(part), "{part}");
    }
    assert!(recorded("schedule"));
}

#[test]
fn a_run_that_cannot_be_read_is_forgotten_by_its_identity() {
    on_each_store("damaged", |store| {
        let ids = [1, 2, 3].map(|day| store.record(day, &nights().report(day, &quiet())));
        let bytes = if store.is_file() { "X'00'" } else { "'\\x00'" };
        for (id, change) in [
            (&ids[0], format!("levels = {bytes}")),
            (&ids[1], "recorded = 9223372036854775807".to_owned()),
        ] {
            let damage = format!("UPDATE tunegate_runs SET {change} WHERE id = '{id}'");
            sql::run(&store.sql_url, &[&damage]);
            for (action, args) in [
                ("show", &[][..]),
                ("export", &[]),
                ("prune", &["--keep", "1"]),
            ] {
                let said = store.run(action, args).expect_code(2).stderr;
                assert!(said.contains(id.as_str()), "{action}: {said}");
                assert!(said.contains("history prune RUN"), "{action}: {said}");
            }
            let dry = store.run("prune", &[id, "--dry-run"]).expect_code(0);
            assert!(dry.stdout.contains("would be forgotten"), "{}", dry.stdout);
            let prefix: String = id.chars().take(10).collect();
            store.run("prune", &[&prefix]).expect_code(0);
            store.run("export", &[]).expect_code(0);
        }
        assert_eq!(store.runs()[0]["id"], ids[2].as_str());
        store.run("prune", &["no such run"]).expect_code(2);
        store.run("prune", &[&ids[2], "--keep", "1"]).expect_code(2);
    });
}

#[test]
fn who_accepts_and_why_are_words_in_one_line() {
    let store = Store::file();
    let id = store.record(1, &nights().report(1, &quiet()));
    for (by, reason) in [
        ("  ", "x"),
        ("ana", " \t "),
        ("ana", "a\nb"),
        ("a\u{1b}[1m", "x"),
    ] {
        store
            .run("accept", &[&id, "--by", by, "--reason", reason])
            .expect_code(2);
    }
    store
        .run("accept", &[&id, "--by", " ana ", "--reason", "x"])
        .expect_code(0);
    assert_eq!(store.runs()[0]["acts"][0]["by"], "ana");
}

#[test]
fn the_last_run_of_several_branches_is_not_guessed() {
    let store = Store::file();
    store.record(1, &nights().report(1, &quiet()));
    let report = store.write_report("2.json", &nights().report(2, &quiet()));
    store
        .run("record", &[&report, "--history-branch", "topic"])
        .expect_code(0);
    let accept = ["--last", "--by", "ana", "--reason", "wanted"];
    let said = store.run("accept", &accept).expect_code(2).stderr;
    for word in ["`--branch`", "topic", "main"] {
        assert!(said.contains(word), "{said}");
    }
    store
        .run("accept", &[&accept[..], &["--branch", "main"]].concat())
        .expect_code(0);
    assert_eq!(store.runs()[0]["standing"], "anchor");
}

#[test]
fn a_cause_is_told_once_and_with_what_to_do() {
    let store = Store::file();
    let text = "this is no database, and longer than the header of a hundred bytes would be if it were one.....";
    store.write("nights.db", text);
    let said = store.run("show", &[]).expect_code(2).stderr;
    assert_eq!(said.matches("not a database").count(), 1, "{said}");
    let folder = store.path("").display().to_string();
    let ran = crate::support::cmd::run(&["history", "show", "--history", &folder]);
    let said = ran.expect_code(2).stderr;
    assert_eq!(said.matches("unable to open").count(), 1, "{said}");
    assert!(said.contains("see that"), "{said}");
}

#[test]
fn what_is_not_there_is_named_with_what_makes_it() {
    let store = Store::file();
    for action in ["show", "trend", "export", "bisect"] {
        let said = store.run(action, &[]).expect_code(2).stderr;
        for words in [store.place.as_str(), "`check --history STORE`"] {
            assert!(said.contains(words), "{action}: {said}");
        }
    }
    for (action, hint) in [
        ("record", "reports that `check --format json`"),
        ("import", "files that `history export` wrote"),
    ] {
        let said = store.run(action, &["none.json"]).expect_code(2).stderr;
        assert!(said.contains("`none.json`"), "{said}");
        assert!(said.contains(hint), "{said}");
        assert!(!store.path("nights.db").exists(), "{action}");
    }
    store.record(1, &nights().report(1, &quiet()));
    let said = store.run("trend", &["--model", "none"]).expect_code(2);
    assert!(said.stderr.contains("`history show`"), "{}", said.stderr);
}

#[test]
fn a_run_that_is_not_found_writes_nothing() {
    let store = Store::file();
    store.record(1, &nights().report(1, &quiet()));
    let path = store.path("runs.prom");
    let emit = format!("openmetrics={}", path.display());
    store.run("show", &["zz", "--emit", &emit]).expect_code(2);
    assert!(!path.exists());
}
