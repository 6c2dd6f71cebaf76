//! Writers that meet, writers that die, and stores that go away.

use std::process::{Child, Command as Process};
use std::time::{Duration, Instant};

use super::{Store, nights, on_each_store, quiet};
use crate::support::cmd::{Pair, Ran, tunegate};
use crate::support::postgres::{Postgres, is_root, ordinary_user};
use crate::support::sql;
use crate::support::tiny::TinyCheckpoint;

/// Lets others read, and not write: a writer is stopped in its transaction.
const LOCK: &str = "LOCK TABLE tunegate_runs IN SHARE MODE";
const WAITING: &str = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted";

fn pair() -> Pair {
    let base = TinyCheckpoint::model();
    Pair::new(&base, &base.tuned(0.01))
}

/// Lines of so many nights.
fn many(count: usize) -> String {
    let source = Store::file();
    let paths: Vec<String> = (1..=count)
        .map(|night| {
            let report = nights().report(night, &quiet());
            source.write_report(&format!("{night}.json"), &report)
        })
        .collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    source.run("record", &paths).expect_code(0);
    source.export()
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn kill(mut process: Child) {
    process.kill().unwrap();
    process.wait().unwrap();
}

#[test]
fn two_writers_at_once_lose_nothing() {
    on_each_store("two_writers", |store| {
        // They also meet while the tables are made.
        let mut writers = Vec::new();
        for writer in 0..2 {
            let paths: Vec<String> = (0..8)
                .map(|night| {
                    let number = writer * 8 + night + 1;
                    let report = nights().report(number, &quiet());
                    store.write_report(&format!("{number}.json"), &report)
                })
                .collect();
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            writers.push(store.process("record", &paths).spawn().unwrap());
        }
        for mut writer in writers {
            assert!(writer.wait().unwrap().success());
        }
        assert_eq!(store.runs().len(), 16);
    });
}

#[test]
fn a_writer_that_is_killed_leaves_all_or_nothing() {
    let lines = many(60);
    on_each_store("killed", |store| {
        store.record(1, &nights().report(1, &quiet()));
        let before = store.export();
        let file = store.write("many.jsonl", &lines);
        if store.is_file() {
            let journal = store.path("nights.db-journal");
            let mut met = 0;
            for _ in 0..5 {
                let mut writer = store.process("import", &[&file]).spawn().unwrap();
                wait_until("the writer starts or ends", || {
                    journal.exists() || writer.try_wait().unwrap().is_some()
                });
                met += usize::from(writer.try_wait().unwrap().is_none());
                kill(writer);
                let runs = store.runs().len();
                assert!(runs == 1 || runs == 60, "{runs} runs");
                store.run("prune", &["--keep", "0"]).expect_code(0);
                store.record(1, &nights().report(1, &quiet()));
                assert_eq!(store.export(), before);
            }
            assert!(met > 0, "no writer was killed while it wrote");
        } else {
            // The writer waits for the test in the middle of its transaction.
            let held = sql::hold(&store.sql_url, &["BEGIN", LOCK]);
            let writer = store.process("import", &[&file]).spawn().unwrap();
            wait_until("the writer waits", || store.number(WAITING) > 0);
            kill(writer);
            drop(held);
            assert_eq!(store.export(), before);
        }
        // The store goes on as if nothing had been.
        store.run("import", &[&file]).expect_code(0);
        assert_eq!(store.runs().len(), 60);
        assert!(!store.path("nights.db-journal").exists());
    });
}

#[test]
fn a_server_that_goes_away_half_way_takes_nothing_with_it() {
    let Some(mut server) = Postgres::start() else {
        return;
    };
    let mut store = Store::file();
    store.place = server.database("nights");
    store.sql_url.clone_from(&store.place);
    store.record(1, &nights().report(1, &quiet()));
    let report = store.write_report("2.json", &nights().report(2, &quiet()));
    let held = sql::hold(&store.sql_url, &["BEGIN", LOCK]);
    let mut writer = store.process("record", &[&report]).spawn().unwrap();
    wait_until("the writer waits", || store.number(WAITING) > 0);
    server.stop();
    assert_eq!(writer.wait().unwrap().code(), Some(2));
    drop(held);
    let pair = pair();
    let ran = pair.check(&["--history", &store.place, "--format", "json"]);
    let ran = ran.expect_code(0);
    assert_eq!(ran.json()["verdict"], "pass");
    let reason = ran.json()["reason"].to_string();
    assert!(reason.contains("could not be read"), "{reason}");
    assert!(
        ran.stderr.contains("judged without the runs before it"),
        "{}",
        ran.stderr
    );
}

/// The program by a shell that first does something to it, as an ordinary user.
fn limited(store: &Store, before: &str, args: &[&str]) -> Ran {
    let folder = store.path("");
    let all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&folder, all).unwrap();
    let program = store.path("tunegate");
    if !program.exists() {
        std::fs::copy(env!("CARGO_BIN_EXE_tunegate"), &program).unwrap();
    }
    let script = format!("{before}; exec \"$@\"");
    let user = ordinary_user();
    let output = Process::new(user[0])
        .args(&user[1..])
        .args(["bash", "-c", &script, "bash"])
        .arg(&program)
        .args(args)
        .env_remove("TUNEGATE_HISTORY")
        .current_dir(&folder)
        .output()
        .unwrap();
    Ran {
        code: output.status.code().expect("the program was not killed"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Lets everybody write to the store.
fn open_to_all(store: &Store) {
    let all = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(store.path("nights.db"), all).unwrap();
}

#[test]
fn a_disk_that_is_full_keeps_the_verdict_and_the_history() {
    let store = Store::file();
    store.record(1, &nights().report(1, &quiet()));
    open_to_all(&store);
    let before = store.export();
    let report = store.write_report("2.json", &super::Nights::new(224).report(2, &quiet()));
    // No file may grow beyond what the store has, and a write that would do so fails as on a full disk.
    let size = std::fs::metadata(store.path("nights.db")).unwrap().len();
    let full = format!("trap '' XFSZ; ulimit -f {}", size.div_ceil(1024));
    let args = ["history", "record", &report, "--history", &store.place];
    let ran = limited(&store, &full, &args).expect_code(2);
    assert!(ran.stderr.contains("cannot"), "{}", ran.stderr);
    assert_eq!(store.export(), before);
    assert!(!store.path("nights.db-journal").exists());
    store.run("record", &[&report]).expect_code(0);
    assert_eq!(store.runs().len(), 2);
}

#[test]
fn a_store_that_may_not_be_written_is_still_judged_against() {
    let store = Store::file();
    store.record(1, &nights().report(1, &quiet()));
    let before = tunegate::fs::read(&store.path("nights.db")).unwrap();
    let base = TinyCheckpoint::model();
    base.write(&store.path("base"));
    base.tuned(0.01).write(&store.path("tuned"));
    let protect = |mode| {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(store.path("nights.db"), permissions).unwrap();
    };
    protect(0o444);
    if is_root() {
        assert_ne!(ordinary_user()[0], "env");
    }
    let args = [
        "check",
        "--base",
        "base",
        "--tuned",
        "tuned",
        "--history",
        &store.place,
    ];
    let ran = limited(&store, "true", &args).expect_code(0);
    assert!(ran.stderr.contains("not recorded"), "{}", ran.stderr);
    let read_only = [&args[..], &["--history-read-only"]].concat();
    let ran = limited(&store, "true", &read_only).expect_code(0);
    assert!(!ran.stderr.contains("not recorded"), "{}", ran.stderr);
    assert_eq!(
        tunegate::fs::read(&store.path("nights.db")).unwrap(),
        before
    );
}

#[test]
fn a_run_leaves_one_file_that_can_be_cached() {
    let store = Store::file();
    let pair = pair();
    let ran = Ran::of(tunegate().current_dir(pair.path("")).args([
        "check",
        "--base",
        "base",
        "--tuned",
        "tuned",
        "--history",
        &store.place,
    ]));
    ran.expect_code(0);
    assert_eq!(tunegate::fs::list(&store.path("")).unwrap(), ["nights.db"]);
    // A write-ahead log that another program left on is folded in.
    sql::run(
        &store.sql_url,
        &[
            "PRAGMA journal_mode = WAL",
            "SELECT COUNT(*) FROM tunegate_runs",
        ],
    );
    store.record(2, &nights().report(2, &quiet()));
    let names = tunegate::fs::list(&store.path("")).unwrap();
    assert!(names.iter().all(|name| !name.contains("-wal")), "{names:?}");
}
