//! What is recorded once more, judged later than others, accepted late, or on a base that changed.

use super::{Store, nights, on_each_store, quiet, time};
use crate::support::cmd::{Pair, Ran};
use crate::support::tiny::TinyCheckpoint;

#[test]
fn another_verdict_on_a_known_run_is_said_and_the_first_one_stays() {
    on_each_store("known", |store| {
        let id = store.record(1, &nights().report(1, &quiet()));
        let before = store.export();
        let failed = store.write_report("failed.json", &nights().failed(1, &quiet()));
        let ran = store.run("record", &[&failed]).expect_code(0);
        for words in ["warning", "`pass`", "`fail`", "history prune", &id] {
            assert!(ran.stderr.contains(words), "{}", ran.stderr);
        }
        assert!(
            ran.stderr.contains("2026-03-01T03:00:00Z"),
            "{}",
            ran.stderr
        );
        let line = format!("{id} known already as pass, which stays; now: fail");
        assert!(ran.stdout.contains(&line), "{}", ran.stdout);
        let json = store.run("record", &[&failed, "--format", "json"]);
        let run = json.expect_code(0).json()["runs"][0].clone();
        assert_eq!(
            (&run["new"], &run["kept"]["verdict"]),
            (&false.into(), &"pass".into())
        );
        assert_eq!(store.export(), before);
        // The same verdict once more is nothing to warn of.
        let same = store.write_report("same.json", &nights().report(1, &quiet()));
        let ran = store.run("record", &[&same]).expect_code(0);
        assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
        // Where the later verdict is wanted, the first is forgotten.
        store.run("prune", &[&id]).expect_code(0);
        store.run("record", &[&failed]).expect_code(0);
        assert_eq!(store.runs()[0]["standing"], "open");
    });
}

fn check(store: &Store, base: &TinyCheckpoint, update: f64) -> Ran {
    let pair = Pair::new(base, &base.tuned(update));
    pair.check(&["--format", "json", "--history", &store.place])
}

#[test]
fn runs_of_a_clock_that_is_ahead_are_said_to_be_left_out() {
    let store = Store::file();
    let report = store.write_report("ahead.json", &nights().report(1, &quiet()));
    let ahead = [
        &report,
        "--history-model",
        "default",
        "--time",
        "2099-01-01T00:00:00Z",
    ];
    store.run("record", &ahead).expect_code(0);
    let ran = check(&store, &TinyCheckpoint::model(), 0.01).expect_code(0);
    assert!(ran.stderr.contains("1 run of"), "{}", ran.stderr);
    assert!(ran.stderr.contains("clocks"), "{}", ran.stderr);
    let said = ran.json()["findings"].to_string();
    assert!(
        said.contains("1 run left out: recorded at a later time"),
        "{said}"
    );
}

#[test]
fn a_base_that_changed_is_said_to_begin_the_baseline_anew() {
    let store = Store::file();
    let base = TinyCheckpoint::model();
    for update in [0.01, 0.0101, 0.0102] {
        check(&store, &base, update).expect_code(0);
    }
    let ran = check(&store, &base.tuned(0.3), 0.01);
    let said = ran.json()["findings"].to_string();
    assert!(said.contains("0 good runs"), "{said}");
    assert!(said.contains("3 runs left out: another base"), "{said}");
}

#[test]
fn accepting_an_earlier_run_does_not_claim_to_move_the_reference() {
    on_each_store("accepted_late", |store| {
        let ids = [1, 2, 3].map(|day| store.record(day, &nights().report(day, &quiet())));
        let by = ["--by", "ana", "--reason", "wanted"];
        let accept = |id: &str| {
            let ran = store.run("accept", &[&[id][..], &by].concat());
            ran.expect_code(0).stdout
        };
        let said = accept(&ids[1]);
        assert!(said.contains("is the reference of nightly"), "{said}");
        let said = accept(&ids[0]);
        let stays = format!("stays the later run {}", ids[1]);
        assert!(said.contains(&stays), "{said}");
        let mut report = nights().report(4, &quiet());
        report["base"]["digest"] = "sha256:another".into();
        let other = store.record(4, &report);
        let said = accept(&ids[2]);
        assert!(said.contains("is the reference of nightly"), "{said}");
        assert!(said.contains("on its base alone"), "{said}");
        assert!(said.contains(&other), "{said}");
        // Forgetting the reference is not silent.
        let said = store.run("prune", &[&ids[2], "--dry-run"]).expect_code(0);
        assert!(said.stdout.contains("it was accepted"), "{}", said.stdout);
        let said = store.run("prune", &[&other]).expect_code(0);
        assert!(!said.stdout.contains("accepted"), "{}", said.stdout);
    });
}

#[test]
fn runs_of_one_time_stand_in_one_order_in_both_kinds_of_store() {
    let orders: std::cell::RefCell<Vec<Vec<String>>> = std::cell::RefCell::default();
    on_each_store("one_time", |store| {
        for night in [3, 1, 2, 5, 4] {
            let report = store.write_report("night.json", &nights().report(night, &quiet()));
            let args = [report.as_str(), "--time", "2026-03-01T05:00:00+02:00"];
            store.run("record", &args).expect_code(0);
        }
        let runs = store.runs();
        // Whatever the zone, one moment is one moment.
        assert!(runs.iter().all(|run| run["recorded"] == time(1)));
        let ids = runs
            .iter()
            .map(|run| run["id"].as_str().unwrap().to_owned());
        orders.borrow_mut().push(ids.collect());
    });
    let orders = orders.into_inner();
    assert!(
        orders
            .iter()
            .all(|order| *order == orders[0] && order.len() == 5)
    );
}
