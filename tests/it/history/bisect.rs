//! The first bad night, and the first bad checkpoint.

use tunegate::spectrum::metric::Metric;

use super::{nights, on_each_store, quiet};
use crate::support::cmd::{Ran, tunegate};
use crate::support::nights::Event;
use crate::support::tiny::{KEY, TinyCheckpoint};

#[test]
fn the_first_bad_night_is_found_in_a_few_looks() {
    on_each_store("bisected", |store| {
        let grown = Event {
            factors: vec![(Metric::RelativeUpdate, 4.0, 7)],
        };
        let paths: Vec<String> = (1..=24)
            .map(|night| {
                let report = if night >= 17 {
                    nights().failed(night, &grown)
                } else {
                    nights().report(night, &quiet())
                };
                store.write_report(&format!("{night}.json"), &report)
            })
            .collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        store.run("record", &paths).expect_code(0);
        let expected = store.runs()[16]["id"].as_str().unwrap().to_owned();
        for args in [
            &[][..],
            &["--metric", "relative_update", "--above", "0.03"],
            &[
                "--metric",
                "relative_update",
                "--role",
                "mlp.up",
                "--above",
                "0.03",
            ],
        ] {
            let args = [args, &["--format", "json"]].concat();
            let found = store.run("bisect", &args).expect_code(0).json();
            let first = found["bisect"]["first_bad"].as_str().unwrap();
            assert!(first.starts_with(&expected), "{first}");
            let looks = found["bisect"]["evaluated"].as_array().unwrap().len();
            assert!(looks <= 7, "{looks}");
        }
        let report = store.write_report("other.json", &nights().report(30, &quiet()));
        let other = ["--history-model", "another", "--time", &super::time(1)];
        store
            .run("record", &[&[report.as_str()][..], &other].concat())
            .expect_code(0);
        let markdown = store.run("bisect", &["--format", "markdown"]);
        let said = markdown.expect_code(0).stdout;
        assert!(said.starts_with("| evaluated |"), "{said}");
        assert!(said.contains("1 run of another model"), "{said}");
        let none = store.run("bisect", &["--metric", "alpha", "--above", "100"]);
        assert!(none.expect_code(0).stdout.contains("the last is good"));
        for wrong in [
            &["--metric", "alpha"][..],
            &["--metric", "alhpa", "--above", "1"],
            &["--metric", "alpha", "--above", "nan"],
            &["--above", "1"],
        ] {
            store.run("bisect", wrong).expect_code(2);
        }
    });
}

#[test]
fn the_first_bad_checkpoint_is_found_and_every_look_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let base = TinyCheckpoint::model();
    base.write(&folder.path().join("base"));
    let names: Vec<String> = (1..=6).map(|step| format!("step-{step}")).collect();
    for (index, name) in names.iter().enumerate() {
        let mut tuned = base.tuned(0.005 + 0.001 * index as f64);
        if index >= 3 {
            tuned = tuned.edit(KEY, |values| values[0] = f32::NAN);
        }
        tuned.write(&folder.path().join(name));
    }
    let bisect = |args: &[&str]| {
        let mut command = tunegate();
        command
            .current_dir(folder.path())
            .args(["history", "bisect"])
            .args(args);
        Ran::of(&mut command)
    };
    let mut args = vec!["--base", "base"];
    args.extend(names.iter().map(String::as_str));
    let ran = bisect(&args).expect_code(0);
    assert!(ran.stdout.contains("first bad: step-4"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("bad   step-6  fail: non-finite"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("good  step-1  pass"), "{}", ran.stdout);
    let baseless = bisect(&["step-1"]).expect_code(2);
    assert!(baseless.stderr.contains("--base"), "{}", baseless.stderr);
    bisect(&["--base", "base"]).expect_code(2);
    let nothing = bisect(&[]).expect_code(2);
    assert!(
        nothing.stderr.contains("nothing to bisect"),
        "{}",
        nothing.stderr
    );
}

#[test]
fn checkpoints_named_by_files_are_judged_against_the_base_that_the_policy_pins() {
    let folder = tempfile::tempdir().unwrap();
    let base = TinyCheckpoint::model();
    base.write(&folder.path().join("base"));
    base.tuned(0.005).write(&folder.path().join("good"));
    let bad = base.tuned(0.005).edit(KEY, |values| values[0] = f32::NAN);
    bad.write(&folder.path().join("bad"));
    for (name, text) in [
        (
            "runs.json",
            r#"{"nights": ["good", "bad"], "base": "base"}"#,
        ),
        (
            "pinned.toml",
            "version = 1\nname = \"p\"\nextends = \"default\"\n[base]\nref = \"base\"\n",
        ),
    ] {
        tunegate::fs::write_atomic(&folder.path().join(name), text.as_bytes()).unwrap();
    }
    let bisect = |args: &[&str]| {
        let mut command = tunegate();
        command
            .current_dir(folder.path())
            .args(["history", "bisect"])
            .args(["file:runs.json#nights.0", "file:runs.json#nights.1"])
            .args(args);
        Ran::of(&mut command)
    };
    for args in [
        &["--policy", "pinned.toml"][..],
        &["--base", "file:runs.json#base"],
        &["--policy", "pinned.toml", "--base", "file:runs.json#base"],
    ] {
        let ran = bisect(args).expect_code(0);
        let found = "first bad: file:runs.json#nights.1";
        assert!(ran.stdout.contains(found), "{}", ran.stdout);
    }
    let markdown = bisect(&["--base", "base", "--format", "markdown"]).expect_code(0);
    let said = &markdown.stdout;
    assert!(
        said.starts_with("| evaluated | is | because |\n|:--|"),
        "{said}"
    );
    assert!(
        said.contains("| bad | fail: non-finite on 1 layer |"),
        "{said}"
    );
    assert!(
        said.contains("first bad: `file:runs.json#nights.1`"),
        "{said}"
    );
    let other = bisect(&["--policy", "pinned.toml", "--base", "good"]).expect_code(2);
    assert!(other.stderr.contains("pins"), "{}", other.stderr);
}
