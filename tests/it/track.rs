//! `track`: the flow over the checkpoints of a run.

use serde_json::Value;
use tempfile::TempDir;
use tunegate::fs;

use crate::support::cmd::{Ran, tunegate};
use crate::support::repository;
use crate::support::spectrum::Spectrum;
use crate::support::tiny::{TinyCheckpoint, TinyTensor};

const LAYER: &str = "model.layers.0.mlp.up_proj.weight";
const OTHER: &str = "model.layers.0.mlp.down_proj.weight";

fn run(folder: &TempDir, args: &[&str]) -> Ran {
    let mut command = tunegate();
    command.current_dir(folder.path()).arg("track").args(args);
    Ran::of(&mut command)
}

fn grokking() -> String {
    let folder = repository("tests/fixtures/grokking");
    format!("{}/checkpoint-*", folder.display())
}

/// Two layers whose entries grow by 1 % a checkpoint, and the first by `jump` at the sixth.
fn checkpoint(step: usize, jump: f32) -> TinyCheckpoint {
    let mut checkpoint = TinyCheckpoint::new(3)
        .layer(LAYER, [128, 144], Spectrum::PowerLaw(3.0))
        .layer(OTHER, [144, 128], Spectrum::PowerLaw(3.0));
    for (name, tensor) in &mut checkpoint.tensors {
        let jumps = if name == LAYER && step >= 5 {
            jump
        } else {
            1.0
        };
        // Not in a straight line, so that the differences have a spread.
        let growth = 1.0 + 0.01 * step as f32 + 0.001 * (step % 3) as f32;
        for value in &mut tensor.values {
            *value *= growth * jumps;
        }
    }
    checkpoint
}

/// A folder with `checkpoint-0` to `checkpoint-1100`, in steps of a hundred.
fn written(change: impl Fn(usize, TinyCheckpoint) -> TinyCheckpoint) -> TempDir {
    let folder = TempDir::new().unwrap();
    for step in 0..12 {
        let path = folder.path().join(format!("checkpoint-{}", 100 * step));
        change(step, checkpoint(step, 1.5)).write(&path);
    }
    folder
}

fn series<'a>(document: &'a Value, name: Option<&str>, metric: &str) -> &'a Value {
    document["series"]
        .as_array()
        .unwrap()
        .iter()
        .find(|series| series["name"].as_str() == name && series["metric"] == metric)
        .unwrap()
}

#[test]
fn a_real_run_goes_through_the_phases_of_grokking() {
    let folder = TempDir::new().unwrap();
    let cache = folder.path().join("cache").display().to_string();
    let args = [&grokking(), "--format", "json", "--cache", &cache];
    let ran = run(&folder, &args).expect_code(0);
    let document = ran.json();
    let steps = document["steps"].as_array().unwrap();
    let named: Vec<(&str, &str)> = steps
        .iter()
        .map(|step| {
            (
                step["step"].as_str().unwrap(),
                step["phase"]["name"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        named,
        [
            ("1000", "before"),
            ("25119", "after"),
            ("63096", "after"),
            ("158489", "after")
        ]
    );
    // Medium only where alpha is below 2 too.
    assert_eq!(steps[1]["phase"]["confidence"], "low");
    assert_eq!(steps[3]["phase"]["confidence"], "medium");
    let alpha = series(&document, Some("fc2.weight"), "alpha");
    assert!(alpha["values"][0].is_null() && alpha["reasons"]["1000"].is_string());
    let (at, after) = (
        alpha["values"][2].as_f64().unwrap(),
        alpha["values"][3].as_f64().unwrap(),
    );
    assert!(after < 2.0 && at > 2.5, "{at} {after}");
    assert!(document["recommendation"]["step"].is_null());
    assert!(
        document["recommendation"]["reason"]
            .as_str()
            .unwrap()
            .contains("too few")
    );
    // The same bytes from the cache, and on one thread.
    let again = run(&folder, &[&args[..], &["--threads", "1", "-v"]].concat()).expect_code(0);
    assert_eq!(again.stdout, ran.stdout);
    assert!(
        again.stderr.contains("4 results reused, 0 computed"),
        "{}",
        again.stderr
    );
}

#[test]
fn a_jump_of_one_layer_is_marked_where_it_is() {
    let folder = written(|_, checkpoint| checkpoint);
    let document = run(&folder, &["checkpoint-*", "--format", "json"])
        .expect_code(0)
        .json();
    assert_eq!(document["order"], "by-number");
    assert_eq!(document["whole"], true);
    let marks = document["marks"].as_array().unwrap();
    assert!(!marks.is_empty());
    for mark in marks {
        assert_eq!(mark["layer"], LAYER, "{mark}");
        assert_eq!(
            (&mark["from"], &mark["step"]),
            (&"400".into(), &"500".into()),
            "{mark}"
        );
    }
    let metrics: Vec<&str> = marks
        .iter()
        .filter_map(|mark| mark["metric"].as_str())
        .collect();
    assert_eq!(metrics, ["spectral_norm", "relative_update"]);
    let update = series(&document, Some(OTHER), "relative_update");
    assert!(update["values"][0].as_f64().unwrap().abs() <= 0.0);
    let last = update["values"][11].as_f64().unwrap();
    // 11 % and twice 0.1 %, but for rounding to f32.
    assert!((last - 0.112).abs() <= 1e-6, "{last}");
}

#[test]
fn nan_a_missing_layer_and_another_shape_make_the_flow_inconclusive() {
    let with_nan = |step, mut checkpoint: TinyCheckpoint| {
        if step == 3 {
            checkpoint.tensors.get_mut(LAYER).unwrap().values[7] = f32::NAN;
        }
        checkpoint
    };
    let missing = |step, checkpoint: TinyCheckpoint| {
        if step == 3 {
            checkpoint.without(OTHER)
        } else {
            checkpoint
        }
    };
    let reshaped = |step, checkpoint: TinyCheckpoint| {
        if step == 3 {
            checkpoint.layer(OTHER, [128, 128], Spectrum::Gaussian)
        } else {
            checkpoint
        }
    };
    for (folder, code) in [
        (written(with_nan), "non-finite"),
        (written(missing), "missing-tensor"),
        (written(reshaped), "shape-changed"),
    ] {
        let ran = run(&folder, &["checkpoint-*", "--format", "json"]).expect_code(3);
        assert!(ran.stderr.contains("not whole"), "{}", ran.stderr);
        let document = ran.json();
        assert_eq!(document["whole"], false);
        let problems = document["problems"].as_array().unwrap();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(
            (&problems[0]["code"], &problems[0]["step"]),
            (&code.into(), &"300".into())
        );
        let reason = document["recommendation"]["reason"].as_str().unwrap();
        assert!(reason.contains(code), "{reason}");
        let text = run(&folder, &["checkpoint-*"]).expect_code(3).stdout;
        assert!(
            text.contains(&format!("problem at step 300, {code}")),
            "{text}"
        );
    }
}

#[test]
fn filters_choose_the_layers_and_every_format_can_be_emitted() {
    let folder = written(|_, checkpoint| checkpoint);
    let emits = ["human", "json", "csv", "markdown"].map(|format| format!("{format}=out.{format}"));
    let mut args = vec!["checkpoint-*", "--roles", "mlp.down", "--format", "csv"];
    args.extend(emits.iter().flat_map(|emit| ["--emit", emit.as_str()]));
    let ran = run(&folder, &args).expect_code(0);
    assert!(ran.stdout.contains(OTHER) && !ran.stdout.contains(LAYER));
    let read =
        |format: &str| fs::read_to_string(&folder.path().join(format!("out.{format}"))).unwrap();
    assert_eq!(read("csv"), ran.stdout);
    assert!(read("human").contains("no recommendation: "));
    assert!(read("markdown").starts_with("### Spectral flow"));
    let document: Value = serde_json::from_str(&read("json")).unwrap();
    assert_eq!(document["layers"].as_array().unwrap().len(), 1);
    // The marks are of all layers, filtered or not.
    assert!(!document["marks"].as_array().unwrap().is_empty());
    let globbed = run(
        &folder,
        &["checkpoint-*", "--layers", "*up_proj*", "--format", "csv"],
    );
    assert!(globbed.stdout.contains(LAYER) && !globbed.stdout.contains(OTHER));
}

#[test]
fn what_is_no_run_is_refused_with_what_to_do() {
    let folder = written(|_, checkpoint| checkpoint);
    fs::write_atomic(&folder.path().join("checkpoint-log.csv"), b"step").unwrap();
    for (args, part) in [
        (
            &["checkpoint-0"][..],
            "cannot follow a run over 1 checkpoint",
        ),
        (&["epoch-*"], "nothing matches the pattern `epoch-*`"),
        (&["checkpoint-0", "checkpoint-0/"], "is named twice"),
        (
            &["checkpoint-0", "./checkpoint-0"],
            "are the same checkpoint",
        ),
        (&["checkpoint-0", "checkpoint-7"], "checkpoint-7"),
        (
            &["checkpoint-0", "checkpoint-100", "--layers", "none"],
            "no layer is selected",
        ),
        (
            &["checkpoint-0", "checkpoint-100", "--layers", "a{"],
            "layer pattern",
        ),
        (
            &["checkpoint-0", "checkpoint-100", "--roles", "mlp"],
            "unknown role",
        ),
    ] {
        let ran = run(&folder, args).expect_code(2);
        assert!(ran.stderr.contains(part), "{part}\n{}", ran.stderr);
        assert!(ran.stdout.is_empty());
    }
    // A file that a pattern matches and that is no checkpoint is named.
    let ran = run(&folder, &["checkpoint-*"]).expect_code(0);
    assert!(ran.stderr.contains("checkpoint-log.csv"), "{}", ran.stderr);
}

#[test]
fn updates_are_measured_from_the_base_that_is_named() {
    let folder = written(|_, checkpoint| checkpoint);
    let args = [
        "checkpoint-200",
        "checkpoint-100",
        "--base",
        "checkpoint-0",
        "--format",
        "json",
    ];
    let document = run(&folder, &args).expect_code(0).json();
    assert_eq!(document["steps"][0]["step"], "100");
    assert_eq!(document["base"]["ref"], "checkpoint-0");
    assert!(document["base"]["digest"].is_null());
    let update = series(&document, None, "relative_update");
    let first = update["values"][0].as_f64().unwrap();
    assert!((first - 0.011).abs() <= 1e-6, "{first}");
    // A run of one layer that is zero in the base has no relative size.
    let zero = folder.path().join("zero");
    let empty = TinyTensor::new(&[128, 144], vec![0.0; 128 * 144]);
    checkpoint(0, 1.0).tensor(LAYER, empty).write(&zero);
    let args = [
        "checkpoint-200",
        "checkpoint-100",
        "--base",
        "zero",
        "--format",
        "json",
    ];
    let document = run(&folder, &args).expect_code(0).json();
    let update = series(&document, Some(LAYER), "relative_update");
    assert!(update["values"][0].is_null() && update["reasons"]["100"].is_string());
}

#[test]
fn nan_in_a_base_that_is_no_step_makes_the_flow_inconclusive() {
    let folder = written(|_, checkpoint| checkpoint);
    let mut base = checkpoint(0, 1.0);
    base.tensors.get_mut(LAYER).unwrap().values[7] = f32::NAN;
    base.write(&folder.path().join("base"));
    let args = ["checkpoint-*", "--base", "base", "--format", "json"];
    let document = run(&folder, &args).expect_code(3).json();
    let problems = document["problems"].as_array().unwrap();
    // Once, not at each of the twelve steps.
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0]["code"], "non-finite");
    let message = problems[0]["message"].as_str().unwrap();
    assert!(message.contains("of the base"), "{message}");
}

#[test]
fn checkpoints_that_name_their_layers_differently_have_one_series_for_each() {
    let prefixed = |step, checkpoint: TinyCheckpoint| {
        if step % 2 == 0 {
            return checkpoint;
        }
        let mut renamed = checkpoint;
        let tensors = std::mem::take(&mut renamed.tensors);
        for (name, tensor) in tensors {
            renamed.tensors.insert(format!("module.{name}"), tensor);
        }
        renamed
    };
    let folder = written(prefixed);
    let args = ["checkpoint-*", "--format", "json"];
    let document = run(&folder, &args).expect_code(0).json();
    assert_eq!(document["layers"].as_array().unwrap().len(), 2);
    let norm = series(&document, Some(LAYER), "spectral_norm");
    assert!(norm["reasons"].is_null(), "{norm}");
    assert_eq!(norm["values"].as_array().unwrap().len(), 12);
}

#[test]
fn a_run_that_moves_evenly_is_not_marked_over_a_wide_gap() {
    let folder = written(|_, checkpoint| checkpoint);
    let even = TempDir::new().unwrap();
    let steps = (0..=10).map(|step| 100 * step).chain([1800]);
    for step in steps {
        let path = even.path().join(format!("checkpoint-{step}"));
        let mut grown = checkpoint(0, 1.0);
        for tensor in grown.tensors.values_mut() {
            // 0.02 % a step, and a little beside it so that the differences have a spread.
            let growth = 1.0 + 2e-4 * step as f32 + 1e-4 * (step / 100 % 3) as f32;
            tensor.values.iter_mut().for_each(|value| *value *= growth);
        }
        grown.write(&path);
    }
    let document = run(&even, &["checkpoint-*", "--format", "json"])
        .expect_code(0)
        .json();
    assert_eq!(document["marks"], serde_json::json!([]));
    assert_eq!(
        document["search"]["unsearched"],
        serde_json::json!(["1800"])
    );
    let text = run(&even, &["checkpoint-*"]).expect_code(0).stdout;
    assert!(text.contains("beside it: steps 1000 to 1800"), "{text}");
    // Steps without such a gap are all searched.
    let document = run(&folder, &["checkpoint-*", "--format", "json"])
        .expect_code(0)
        .json();
    assert_eq!(document["search"]["unsearched"], serde_json::json!([]));
}
