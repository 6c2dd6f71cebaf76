//! Schemas of other versions.

use super::{Store, nights, on_each_store, quiet};
use crate::support::cmd::Pair;
use crate::support::sql;
use crate::support::tiny::TinyCheckpoint;

/// What version 1 of the schema made, with one run and one act in it.
const STORED: &str = include_str!("stored_v1.sql");

fn stored_v1(store: &Store) {
    let script = if store.is_file() {
        STORED.to_owned()
    } else {
        // Bytes are written differently.
        STORED.replace(" BLOB ", " BYTEA ").replace("X'", "'\\x")
    };
    let code: Vec<&str> = script
        .lines()
        .filter(|line| !line.starts_with("--"))
        .collect();
    let code = code.join("\n");
    let statements: Vec<&str> = code.split(";\n").map(str::trim).collect();
    let statements: Vec<&str> = statements
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    sql::run(&store.sql_url, &statements);
}

#[test]
fn a_stored_first_version_is_read_as_it_is_and_migrated_by_the_first_write() {
    on_each_store("stored_v1", |store| {
        stored_v1(store);
        let runs = store.runs();
        assert_eq!(runs.len(), 1);
        assert_eq!(runs[0]["standing"], "anchor");
        assert_eq!(runs[0]["acts"][0]["by"], "ana");
        let id = runs[0]["id"].as_str().unwrap();
        let run = store
            .run("show", &[id, "--format", "json"])
            .expect_code(0)
            .json();
        assert_eq!(run["run"]["layers"].as_array().unwrap().len(), 2);
        assert_eq!(store.number("SELECT MAX(version) FROM tunegate_schema"), 1);
        store.record(5, &nights().report(5, &quiet()));
        assert_eq!(store.number("SELECT MAX(version) FROM tunegate_schema"), 2);
        let after = store.runs();
        assert_eq!(after.len(), 2);
        assert_eq!(after[0], runs[0]);
        // A fresh store and a migrated one are the same.
        let copy = Store::file();
        let file = copy.write("lines.jsonl", &store.export());
        copy.run("import", &[&file]).expect_code(0);
        assert_eq!(copy.export(), store.export());
    });
}

#[test]
fn a_newer_schema_is_refused_and_not_touched() {
    on_each_store("newer", |store| {
        let id = store.record(1, &nights().report(1, &quiet()));
        sql::run(
            &store.sql_url,
            &["INSERT INTO tunegate_schema (version) VALUES (99)"],
        );
        let bytes = || {
            store
                .is_file()
                .then(|| tunegate::fs::read(&store.path("nights.db")).unwrap())
        };
        let before = bytes();
        let report = store.write_report("later.json", &nights().report(2, &quiet()));
        let lines = store.write("lines.jsonl", "");
        for (action, args) in [
            ("record", &[report.as_str()][..]),
            ("import", &[lines.as_str()]),
            ("show", &[]),
            ("accept", &[id.as_str(), "--by", "a", "--reason", "b"]),
            ("prune", &["--keep", "0"]),
        ] {
            let ran = store.run(action, args).expect_code(2);
            assert!(ran.stderr.contains("schema 99"), "{action}: {}", ran.stderr);
        }
        let base = TinyCheckpoint::model();
        let pair = Pair::new(&base, &base.tuned(0.01));
        let ran = pair.check(&["--history", &store.place]).expect_code(0);
        assert!(
            ran.stderr.contains("newer version (schema 99"),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("not recorded"), "{}", ran.stderr);
        assert_eq!(bytes(), before);
        assert_eq!(store.number("SELECT COUNT(*) FROM tunegate_runs"), 1);
    });
}

#[test]
fn a_file_that_is_not_ours_is_never_written_to() {
    let garbage = Store::file();
    garbage.write("nights.db", "this is no database, and longer than its header of a hundred bytes would be if it were one.....");
    let foreign = Store::file();
    sql::run(&foreign.sql_url, &["CREATE TABLE theirs (a INTEGER)"]);
    let report = garbage.write_report("report.json", &nights().report(1, &quiet()));
    // A write-ahead log is a setting that lies in the file.
    let (logged, newer) = (Store::file(), Store::file());
    let log = "PRAGMA journal_mode = WAL";
    sql::run(&logged.sql_url, &[log, "CREATE TABLE theirs (a INTEGER)"]);
    newer.record(1, &nights().report(1, &quiet()));
    let later = "INSERT INTO tunegate_schema (version) VALUES (99)";
    sql::run(&newer.sql_url, &[log, later]);
    for (store, said) in [
        (&garbage, "not a database"),
        (&foreign, "another program"),
        (&logged, "another program"),
        (&newer, "newer version"),
    ] {
        let before = tunegate::fs::read(&store.path("nights.db")).unwrap();
        let ran = store.run("record", &[&report]).expect_code(2);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
        assert_eq!(
            tunegate::fs::read(&store.path("nights.db")).unwrap(),
            before
        );
    }
}
