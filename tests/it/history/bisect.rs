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
    bisect(&["step-1"]).expect_code(2);
    bisect(&["--base", "base"]).expect_code(2);
    let nothing = bisect(&[]).expect_code(2);
    assert!(
        nothing.stderr.contains("nothing to bisect"),
        "{}",
        nothing.stderr
    );
}
