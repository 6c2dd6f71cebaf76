//! `check --history`: the runs before are read, and the run is recorded.

use serde_json::Value;

use super::{Store, nights, on_each_store, quiet, time};
use crate::support::cmd::{Pair, Ran};
use crate::support::tiny::{KEY, TinyCheckpoint};

fn pair_of(relative_update: f64) -> Pair {
    let base = TinyCheckpoint::model();
    Pair::new(&base, &base.tuned(relative_update))
}

fn check(pair: &Pair, store: &Store, args: &[&str], environment: &[(&str, &str)]) -> Ran {
    let history = [&["--format", "json", "--history", &store.place][..], args].concat();
    let mut command = pair.command(&history);
    Ran::of(command.envs(environment.iter().copied()))
}

#[test]
fn a_checked_run_is_recorded_as_its_report_would_be() {
    on_each_store("checked", |store| {
        let pair = pair_of(0.01);
        let ran = check(&pair, store, &[], &[]).expect_code(0);
        let report = store.write("report.json", &ran.stdout);
        let runs = store.runs();
        assert_eq!(runs.len(), 1);
        assert_eq!(runs[0]["model"], "default");
        assert_eq!(runs[0]["standing"], "accepted");
        assert_eq!(runs[0]["tuned"]["digest"], ran.json()["tuned"]["digest"]);
        let again = store.run("record", &[&report]).expect_code(0);
        assert!(again.stdout.contains("known already"), "{}", again.stdout);
        check(&pair, store, &[], &[]).expect_code(0);
        assert_eq!(store.runs(), runs);
    });
}

#[test]
fn a_failing_run_is_recorded_and_stays_out_of_the_baseline() {
    on_each_store("failing", |store| {
        let base = TinyCheckpoint::model();
        let tuned = base.tuned(0.01).edit(KEY, |values| values[0] = f32::NAN);
        check(&Pair::new(&base, &tuned), store, &[], &[]).expect_code(1);
        let run = &store.runs()[0];
        assert_eq!(
            (&run["verdict"], &run["standing"]),
            (&"fail".into(), &"open".into())
        );
    });
}

#[test]
fn a_proposal_reads_the_history_of_its_base_and_leaves_it_alone() {
    on_each_store("proposal", |store| {
        let night = [
            ("GITHUB_EVENT_NAME", "schedule"),
            ("GITHUB_REF_NAME", "trunk"),
            ("GITHUB_SHA", "0a1b2c"),
        ];
        check(&pair_of(0.01), store, &[], &night).expect_code(0);
        let runs = store.runs();
        assert_eq!(
            (&runs[0]["branch"], &runs[0]["commit"]),
            (&"trunk".into(), &"0a1b2c".into())
        );
        let other = pair_of(0.012);
        for proposal in [
            &[
                ("GITHUB_EVENT_NAME", "pull_request"),
                ("GITHUB_REF_NAME", "7/merge"),
                ("GITHUB_BASE_REF", "trunk"),
            ][..],
            &[
                ("GITHUB_EVENT_NAME", "pull_request_target"),
                ("GITHUB_BASE_REF", "trunk"),
            ],
            &[
                ("GITHUB_EVENT_NAME", "merge_group"),
                ("GITHUB_REF_NAME", "gh-readonly-queue/trunk/pr-7-0a"),
            ],
            &[
                ("TUNEGATE_HISTORY_READ_ONLY", "true"),
                ("TUNEGATE_HISTORY_BRANCH", "trunk"),
            ],
        ] {
            check(&other, store, &[], proposal).expect_code(0);
            assert_eq!(store.runs(), runs, "{proposal:?}");
        }
        let named = [
            "--history-model",
            "bot",
            "--history-branch",
            "next",
            "--history-commit",
            "ff",
        ];
        check(&other, store, &named, &night).expect_code(0);
        let run = &store.runs()[1];
        assert_eq!(
            (&run["model"], &run["branch"], &run["commit"]),
            (&"bot".into(), &"next".into(), &"ff".into())
        );
    });
}

#[test]
fn a_proposal_does_not_make_a_history() {
    let store = Store::file();
    let proposal = [("GITHUB_EVENT_NAME", "pull_request")];
    check(&pair_of(0.01), &store, &[], &proposal).expect_code(0);
    assert!(!store.path("nights.db").exists());
    // An input that is not set arrives as an empty variable.
    let ran = pair_of(0.01).check(&["--history", ""]).expect_code(0);
    assert!(!ran.stderr.contains("history"), "{}", ran.stderr);
}

#[test]
fn merged_shards_are_recorded_like_the_whole() {
    let store = Store::file();
    let pair = pair_of(0.01);
    check(&pair, &store, &[], &[]).expect_code(0);
    let runs = store.runs();
    for shard in ["1/2", "2/2"] {
        let file = format!("part={}.json", pair.path(&shard[..1]).display());
        pair.check(&["--shard", shard, "--emit", &file])
            .expect_code(0);
    }
    let parts = ["1", "2"].map(|name| pair.path(&format!("{name}.json")).display().to_string());
    let ran = crate::support::cmd::run(&["merge", &parts[0], &parts[1], "--history", &store.place]);
    ran.expect_code(0);
    assert_eq!(store.runs(), runs);
}

#[test]
fn the_layers_of_a_run_are_kept_to_seven_digits() {
    on_each_store("digits", |store| {
        let report = check(&pair_of(0.01), store, &[], &[]).expect_code(0).json();
        let id = store.runs()[0]["id"].as_str().unwrap().to_owned();
        let shown = store
            .run("show", &[&id, "--format", "json"])
            .expect_code(0)
            .json();
        let kept = shown["run"]["layers"].as_array().unwrap();
        let layers = report["layers"].as_array().unwrap();
        assert_eq!(kept.len(), layers.len());
        let mut compared = 0;
        for (kept, layer) in kept.iter().zip(layers) {
            assert_eq!(kept["name"], layer["name"]);
            for table in ["tuned", "drift"] {
                for (metric, value) in layer[table].as_object().unwrap() {
                    let Some(value) = Value::as_f64(value) else {
                        continue;
                    };
                    let kept = kept["metrics"][metric].as_f64().unwrap();
                    let error = (kept - value).abs();
                    assert!(
                        error <= 5.1e-7 * value.abs(),
                        "{metric}: {kept} for {value}"
                    );
                    compared += 1;
                }
            }
        }
        assert!(compared > 300, "{compared}");
    });
}

/// What a night is judged against, as `-v` tells it.
#[track_caller]
fn judged_against(store: &Store, day: usize, report: &Value) -> Vec<String> {
    let path = store.write_report("judged.json", report);
    let args = [
        "--judge",
        "--policy",
        "default",
        "-v",
        &path,
        "--time",
        &time(day),
    ];
    let ran = store.run(
        "record",
        &[&args[..], &["--history-model", "nightly"]].concat(),
    );
    assert!(ran.code < 2, "{}", ran.stderr);
    let lines = ran
        .stderr
        .lines()
        .filter_map(|line| line.split_once("history: "));
    lines.map(|(_, said)| said.to_owned()).collect()
}

#[test]
fn only_runs_that_can_be_compared_make_the_baseline() {
    on_each_store("comparable", |store| {
        let night = |number: usize| nights().report(number, &quiet());
        for day in 1..=4 {
            store.record(day, &night(day));
        }
        let mut other_base = night(5);
        other_base["base"]["digest"] = "sha256:other".into();
        store.record(5, &other_base);
        let mut other_settings = night(6);
        other_settings["estimator"]["min_tail"] = 20.into();
        store.record(6, &other_settings);
        store.record(7, &nights().failed(7, &quiet()));
        let mut same_checkpoint = night(8);
        same_checkpoint["tuned"]["digest"] = night(1)["tuned"]["digest"].clone();
        same_checkpoint["policy"]["digest"] = "sha256:2".into();
        store.record(8, &same_checkpoint);
        // A later night, and one of another branch, are none of the runs before.
        store.record(20, &night(20));
        let path = store.write_report("branch.json", &night(9));
        store
            .run("record", &[&path, "--history-branch", "x"])
            .expect_code(0);

        let said = judged_against(store, 10, &night(10));
        assert!(said[0].starts_with("4 accepted runs in "), "{said:?}");
        assert!(
            said[0].ends_with(", model nightly, branch main"),
            "{said:?}"
        );
        let left: Vec<&str> = said[1..].iter().map(String::as_str).collect();
        assert_eq!(
            left,
            [
                "1 left out: not accepted",
                "1 left out: another base",
                "1 left out: measured with other settings",
                "1 left out: the same checkpoint as another run",
                "1 left out: recorded at a later time than this run",
            ]
        );
        // Judged once more, a night is not its own baseline; unless somebody accepted it.
        let again = judged_against(store, 11, &night(10));
        assert!(again[0].starts_with("4 accepted runs in "), "{again:?}");
        let runs = store.runs();
        let own = runs.iter().find(|run| run["recorded"] == time(10)).unwrap();
        let accept = [
            own["id"].as_str().unwrap(),
            "--by",
            "ana",
            "--reason",
            "wanted",
        ];
        store.run("accept", &accept).expect_code(0);
        let accepted = judged_against(store, 11, &night(10));
        assert!(
            accepted[0].starts_with("5 accepted runs in "),
            "{accepted:?}"
        );
    });
}
