//! The page of a history: what the commands write, and pages for the browser.

use std::path::Path;

use serde_json::Value;
use tunegate::spectrum::metric::Metric;

use super::{Store, nights, quiet, time};
use crate::support::nights::{Event, Nights};

const POLICY: &str = "version = 1\nname = \"nightly\"\nextends = \"default\"\n";
const LAYERS: usize = 21;
/// A jump that is accepted two nights later, a creep that is not, and a bad week at the end.
const NIGHTS: usize = 64;
const JUMP: usize = 17;
const CREEP: (usize, usize) = (30, 44);
const WEEK: usize = 60;

fn event(night: usize) -> Event {
    let mut factors = Vec::new();
    if night >= JUMP {
        factors.push((Metric::RelativeUpdate, 1.5, LAYERS));
    }
    let steps = i32::try_from(night.clamp(CREEP.0, CREEP.1) - CREEP.0).unwrap();
    factors.push((Metric::UpdateEffectiveRank, 0.988_f64.powi(steps), LAYERS));
    if night >= WEEK {
        factors.push((Metric::RelativeUpdate, 1.6, LAYERS / 3));
    }
    Event { factors }
}

/// Judged night after night, with two acceptances.
pub(crate) fn judged() -> Store {
    let store = Store::file();
    let policy = store.write("nightly.toml", POLICY);
    let nights = Nights::new(LAYERS);
    for night in 1..=NIGHTS {
        let report = store.write_report("night.json", &nights.report(night, &event(night)));
        let commit = format!("{:040x}", 0x9e37_79b9_u64 * night as u64);
        let judge = ["--judge", "--policy", &policy, &report];
        let which = ["--time", &time(night), "--history-commit", &commit];
        let ran = store.run("record", &[judge, which].concat());
        assert!(ran.code < 2, "night {night}: {}", ran.stderr);
        let why = match night {
            19 => "twice the data since Monday",
            46 => "the new tokeniser is here to stay",
            _ => continue,
        };
        let who = ["--last", "--by", "ana", "--reason", why];
        store.run("accept", &who).expect_code(0);
    }
    store
}

fn emit(store: &Store, action: &str, path: &Path, args: &[&str]) {
    let target = format!("html={}", path.display());
    let args = [&["--emit", &target][..], args].concat();
    store.run(action, &args).expect_code(0);
}

/// Every page that a browser opens.
pub(crate) fn write_all(folder: &Path, hostile: &[&str]) {
    let path = |name: &str| folder.join(name);
    emit(&judged(), "show", &path("nights.html"), &[]);
    let empty = Store::file();
    empty.record(1, &nights().report(1, &quiet()));
    emit(&empty, "show", &path("nights-one.html"), &[]);
    let none = ["--model", "none"];
    emit(&empty, "show", &path("nights-none.html"), &none);
    let drawn = ["--role", "mlp.down", "--metric", "relative_update"];
    emit(&two_bases(), "trend", &path("nights-bases.html"), &drawn);
    emit(
        &hostile_store(hostile),
        "show",
        &path("nights-hostile.html"),
        &[],
    );
    emit(&many(), "show", &path("nights-many.html"), &[]);
}

fn two_bases() -> Store {
    let store = Store::file();
    for night in 1..=16 {
        let mut report = nights().report(night, &quiet());
        if night > 9 {
            report["base"]["ref"] = "hf://org/base@next".into();
            report["base"]["digest"] = format!("sha256:{:0>64}", "ba5e2").into();
        }
        store.record(night, &report);
    }
    store
}

fn hostile_store(hostile: &[&str]) -> Store {
    let store = Store::file();
    for (at, text) in hostile.iter().enumerate() {
        let mut report = nights().report(at + 1, &quiet());
        report["reason"] = (*text).into();
        report["tuned"]["ref"] = (*text).into();
        let path = store.write_report("night.json", &report);
        let time = time(at + 1);
        let which = [
            "--history-model",
            hostile[0],
            "--history-branch",
            hostile[2],
        ];
        let when = ["--history-commit", text, "--time", &time];
        let args = [&[path.as_str()][..], &which, &when].concat();
        store.run("record", &args).expect_code(0);
        let who = ["--last", "--by", text, "--reason", text];
        store.run("accept", &who).expect_code(0);
    }
    store
}

/// As many as a page shows, in one go.
fn many() -> Store {
    let store = Store::file();
    let nights = Nights::new(7);
    let reports: Vec<String> = (1..=400)
        .map(|night| {
            let report = nights.report(night, &quiet());
            store.write_report(&format!("night-{night}.json"), &report)
        })
        .collect();
    let reports: Vec<&str> = reports.iter().map(String::as_str).collect();
    let args = [&reports[..], &["--time", "2026-03-01T03:00:00Z"]].concat();
    store.run("record", &args).expect_code(0);
    store
}

/// The JSON in a page.
fn data(path: &Path) -> Value {
    let page = tunegate::fs::read_to_string(path).unwrap();
    let (_, rest) = page
        .split_once("<script type=\"application/json\" id=\"data\">")
        .unwrap();
    let (json, _) = rest.split_once("</script>").unwrap();
    serde_json::from_str(json).unwrap()
}

#[test]
fn both_commands_write_the_page_with_the_limits_of_trend() {
    let store = Store::file();
    for night in 1..=12 {
        store.record(night, &nights().report(night, &quiet()));
    }
    let (shown, drawn) = (store.path("show.html"), store.path("trend.html"));
    emit(&store, "show", &shown, &[]);
    emit(&store, "trend", &drawn, &["--role", "mlp.down"]);
    let trend = store.run("trend", &["--format", "json", "--role", "mlp.down"]);
    let trend = trend.expect_code(0).json();
    let (shown, drawn) = (data(&shown), data(&drawn));
    assert_eq!(shown["history"]["role"], "");
    assert_eq!(drawn["history"]["role"], "mlp.down");
    assert_eq!(shown["history"]["groups"], drawn["history"]["groups"]);
    let limits = shown["history"]["groups"][0]["limits"].as_array().unwrap();
    for series in trend["trend"]["series"].as_array().unwrap() {
        let same = |of: &&Value| of["metric"] == series["metric"] && of["role"] == "mlp.down";
        let found = limits.iter().find(same).unwrap();
        for bound in ["centre", "lower", "upper"] {
            assert_eq!(
                found[bound], series[bound],
                "{bound} of {}",
                series["metric"]
            );
        }
        let metric = series["metric"].as_str().unwrap();
        let values = &shown["history"]["values"][metric]["mlp.down"];
        assert_eq!(values[11], series["points"][11]["value"]);
    }
}

#[test]
fn a_page_of_no_run_is_a_page_and_a_format_that_is_none_is_refused() {
    let store = Store::file();
    store.record(1, &nights().report(1, &quiet()));
    let path = store.path("none.html");
    emit(&store, "show", &path, &["--model", "none"]);
    let page = tunegate::fs::read_to_string(&path).unwrap();
    assert!(page.contains("<h1>No run yet</h1>"));
    let ran = store
        .run("trend", &["--emit", "openmetrics=x"])
        .expect_code(2);
    assert!(ran.stderr.contains("html"), "{}", ran.stderr);
}
