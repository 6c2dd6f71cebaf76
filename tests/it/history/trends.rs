//! The limits that `trend` draws.

use serde_json::Value;
use tunegate::spectrum::metric::Metric;

use super::{Store, nights, on_each_store, quiet, time};
use crate::support::cmd::Pair;
use crate::support::nights::Event;
use crate::support::tiny::TinyCheckpoint;

/// Records nights from the first of `range` on, a second apart.
fn record(store: &Store, range: std::ops::RangeInclusive<usize>, event: &Event, from: &str) {
    let paths: Vec<String> = range
        .map(|night| store.write_report(&format!("{night}.json"), &nights().report(night, event)))
        .collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let args = [&paths[..], &["--time", from]].concat();
    store.run("record", &args).expect_code(0);
}

fn trend(store: &Store, args: &[&str]) -> Value {
    let args = [args, &["--format", "json"]].concat();
    store.run("trend", &args).expect_code(0).json()["trend"].clone()
}

fn points(series: &Value) -> Vec<f64> {
    let points = series["points"].as_array().unwrap().iter();
    points.filter_map(|point| point["value"].as_f64()).collect()
}

#[test]
fn the_limits_are_of_the_first_runs_and_not_of_those_that_are_drawn() {
    on_each_store("trend_window", |store| {
        record(store, 1..=30, &quiet(), &time(1));
        let moved = Event {
            factors: vec![
                (Metric::RelativeUpdate, 2.0, 7),
                (Metric::AlphaHill, 2.0, 7),
            ],
        };
        record(store, 31..=36, &moved, &time(40));
        for (metric, judged) in [("relative_update", true), ("alpha_hill", false)] {
            let first = trend(store, &["--metric", metric, "--last", "1000"]);
            let values = points(&first["series"][0]);
            assert_eq!(values.len(), 36);
            let drawn = trend(store, &["--metric", metric, "--last", "5"]);
            let series = &drawn["series"][0];
            let number = |name: &str| series[name].as_f64().unwrap();
            assert_eq!(series["judged"], judged);
            assert_eq!(drawn["window"]["runs"], 30);
            assert_eq!(points(series), values[31..]);
            for name in ["centre", "lower", "upper"] {
                assert_eq!(series[name], first["series"][0][name], "{metric} {name}");
            }
            for value in &values[..30] {
                assert!(*value >= number("lower") && *value <= number("upper"));
            }
            for value in points(series) {
                assert!(value > number("upper"), "{metric}: {value}");
            }
        }
        let human = store.run("trend", &["--last", "5"]).expect_code(0).stdout;
        let said = "beyond them one more run fails by policy `default`; from the first 30 accepted runs \
            since 2026-03-01";
        assert!(human.contains(said), "{human}");
        // The accepted run starts another window.
        let last = ["--last", "--by", "ana", "--reason", "wanted"];
        store.run("accept", &last).expect_code(0);
        let anew = trend(store, &["--metric", "relative_update"]);
        assert_eq!(anew["window"]["runs"], 1);
        assert_eq!(anew["series"][0]["upper"], Value::Null);
        let about = anew["series"][0]["about"].as_str().unwrap();
        assert!(about.contains("asks for 2"), "{about}");
    });
}

#[test]
fn the_limits_are_those_by_which_the_next_run_is_judged() {
    let store = Store::file();
    let base = TinyCheckpoint::model();
    let check = |update: f64, args: &[&str]| {
        let pair = Pair::new(&base, &base.tuned(update));
        let args = [&["--format", "json", "--history", &store.place][..], args].concat();
        pair.check(&args).expect_code(0).json()
    };
    for update in [0.01, 0.0102, 0.0099, 0.0101] {
        check(update, &[]);
    }
    let report = check(0.0098, &["--history-read-only"]);
    let judged = report["trend"]["series"].as_array().unwrap();
    let mut compared = 0;
    for role in [None, Some("mlp.up")] {
        let args: &[&str] = role.map_or(&[], |_| &["--role", "mlp.up"]);
        for series in trend(&store, args)["series"].as_array().unwrap() {
            let is_same = |other: &&Value| {
                other["metric"] == series["metric"] && other["role"].as_str() == role
            };
            let Some(judged) = judged.iter().find(is_same) else {
                continue;
            };
            for name in ["centre", "lower", "upper"] {
                let (drawn, judged) = (&series[name], &judged[name]);
                assert_eq!(drawn.is_null(), judged.is_null(), "{series}");
                let (Some(drawn), Some(judged)) = (drawn.as_f64(), judged.as_f64()) else {
                    continue;
                };
                let err = (drawn - judged).abs();
                assert!(err <= 1e-9 * judged.abs(), "{drawn} for {judged}");
                compared += 1;
            }
        }
    }
    assert!(compared >= 20, "{compared}");
}

#[test]
fn what_is_not_drawn_and_what_is_on_another_base_is_said() {
    let store = Store::file();
    record(&store, 1..=3, &quiet(), &time(1));
    for day in 4..=6 {
        let mut report = nights().report(day, &quiet());
        report["base"]["digest"] = "sha256:pinned-anew".into();
        store.record(day, &report);
    }
    let other = store.write_report("other.json", &nights().report(9, &quiet()));
    let args = [
        other.as_str(),
        "--history-model",
        "another",
        "--time",
        &time(2),
    ];
    store.run("record", &args).expect_code(0);
    for format in ["human", "markdown"] {
        let said = store
            .run("trend", &["--format", format])
            .expect_code(0)
            .stdout;
        for words in ["1 run of another model", "3 runs on another base"] {
            assert!(said.contains(words), "{said}");
        }
    }
    let drawn = trend(&store, &[]);
    assert_eq!(drawn["window"]["runs"], 3);
    assert_eq!(drawn["series"][0]["points"][0]["same_base"], false);
    assert_eq!(drawn["series"][0]["points"][5]["same_base"], true);
}
