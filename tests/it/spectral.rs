//! The spectral core through the program: what is measured beside the fit, what rounding hides, and what the
//! settings of the linear algebra may not change.

use serde_json::Value;

use crate::support::cmd::{Pair, Ran, tunegate};
use crate::support::dtype::Dtype;
use crate::support::random::Random;
use crate::support::spectrum::Spectrum;
use crate::support::tiny::{DOWN, KEY, QUERY, TinyCheckpoint, narrow};

fn scan(checkpoint: &TinyCheckpoint, args: &[&str]) -> Value {
    let pair = Pair::new(checkpoint, &TinyCheckpoint::new(0).vector("unused", 4));
    let mut command = tunegate();
    command
        .current_dir(pair.path(""))
        .args(["scan", "base", "--format", "json"])
        .args(args);
    Ran::of(&mut command).expect_code(0).json()
}

fn layer<'a>(report: &'a Value, name: &str) -> &'a Value {
    let layers = report["layers"].as_array().unwrap();
    layers.iter().find(|layer| layer["name"] == name).unwrap()
}

/// The drift of the query projection in a pair whose tuned side is `base` after `change`.
fn drift(base: &TinyCheckpoint, tuned: &TinyCheckpoint) -> Value {
    let report = Pair::new(base, tuned).check(&["--format", "json"]).json();
    layer(&report, QUERY)["drift"].clone()
}

#[test]
fn what_is_asked_beside_the_fit_is_there_and_repeats_with_its_seed() {
    let one = TinyCheckpoint::new(3).layer("a.weight", [300, 600], Spectrum::PowerLaw(2.5));
    let asked = |seed| {
        let args = [
            "--alternatives",
            "--windows",
            "2",
            "--bootstrap",
            "40",
            "--seed",
            seed,
        ];
        layer(&scan(&one, &args), "a.weight")["metrics"].clone()
    };
    let found = asked("5");
    assert_eq!(asked("5"), found);
    let fit = &found["fit"];
    let (low, high) = (&fit["interval"]["low"], &fit["interval"]["high"]);
    assert!(low.as_f64().unwrap() < fit["alpha"].as_f64().unwrap());
    assert!(high.as_f64().unwrap() > fit["alpha"].as_f64().unwrap());
    assert!(found["alternatives"]["p_exponential"].as_f64().unwrap() <= 0.05);
    assert_eq!(fit["windows"]["shape"], serde_json::json!([300, 600]));
    assert!(asked("6")["fit"]["interval"] != fit["interval"]);
    let plain = scan(&one, &[]);
    let plain = &layer(&plain, "a.weight")["metrics"];
    assert!(plain.get("alternatives").is_none() && plain["fit"].get("windows").is_none());
}

#[test]
fn noise_of_an_update_is_measured_above_the_rounding_of_the_stored_weights_only() {
    let base = TinyCheckpoint::model().dtype(Dtype::Bf16);
    let with_noise = |size: f64| {
        base.clone().edit(QUERY, |values| {
            let mut random = Random::new(8);
            for value in values {
                *value += narrow(size * random.gaussian());
            }
        })
    };
    // Entries are about 1 / sqrt(128); rounding to bf16 moves them by 1.7e-3 of that.
    let large = drift(&base, &with_noise(0.1 / 128.0_f64.sqrt()));
    let share = large["update_noise_share"].as_f64().unwrap();
    assert!((share - 1.0).abs() <= 0.1, "{share}");
    // Noise has no direction of its own.
    assert_eq!(large["update_rank1_share"], Value::Null);
    let reason = large["reasons"]["update_rank1_share"].as_str().unwrap();
    assert!(reason.contains("stands out of its noise"), "{reason}");

    let small = drift(&base, &with_noise(0.001 / 128.0_f64.sqrt()));
    assert_eq!(small["update_noise_share"], Value::Null);
    let reason = small["reasons"]["update_noise_share"].as_str().unwrap();
    assert!(reason.contains("rounding"), "{reason}");
}

#[test]
fn a_direction_that_stands_out_of_noise_has_its_share() {
    let base = TinyCheckpoint::model();
    let tuned = base.clone().edit(QUERY, |values| {
        let mut random = Random::new(4);
        let (left, right) = (random.gaussians(128), random.gaussians(128));
        for (index, value) in values.iter_mut().enumerate() {
            let direction = left[index / 128] * right[index % 128] / 128.0;
            *value += narrow(0.05 * direction + 0.001 * random.gaussian());
        }
    });
    let share = drift(&base, &tuned)["update_rank1_share"].as_f64().unwrap();
    // |direction|_F = 0.05 up to the norms' scatter, |noise|_F = 0.128.
    assert!((0.05..=0.6).contains(&share), "{share}");
}

#[test]
fn threads_of_the_linear_algebra_change_no_byte() {
    // The two-stage path, the longest.
    let one = TinyCheckpoint::new(3).layer("a.weight", [1600, 1601], Spectrum::Gaussian);
    let pair = Pair::new(&one, &TinyCheckpoint::new(0).vector("unused", 4));
    let with = |threads: &str| {
        let mut command = tunegate();
        command
            .current_dir(pair.path(""))
            .args(["scan", "base", "--format", "json"])
            .env("OPENBLAS_NUM_THREADS", threads);
        Ran::of(&mut command).expect_code(0).stdout
    };
    assert_eq!(with("1"), with("2"));
}

/// Takes one direction out of what the matrix writes, as edits that remove a behaviour do.
fn without_a_direction(checkpoint: TinyCheckpoint, name: &str) -> TinyCheckpoint {
    let [rows, cols] = checkpoint.tensors[name].shape[..] else {
        panic!("{name} is no matrix");
    };
    let mut random = Random::new(11);
    let direction = random.gaussians(rows);
    let square: f64 = direction.iter().map(|value| value * value).sum();
    checkpoint.edit(name, |values| {
        for col in 0..cols {
            let products =
                (0..rows).map(|row| direction[row] * f64::from(values[row * cols + col]));
            let along = products.sum::<f64>() / square;
            for row in 0..rows {
                values[row * cols + col] -= narrow(along * direction[row]);
            }
        }
    })
}

#[test]
fn one_direction_taken_out_of_three_matrices_is_an_edit_and_of_two_is_not() {
    let base = TinyCheckpoint::model().dtype(Dtype::Bf16);
    let sound = TinyCheckpoint::model().tuned(0.01);
    let two = without_a_direction(without_a_direction(sound, QUERY), KEY).dtype(Dtype::Bf16);
    let three = without_a_direction(two.clone(), DOWN);
    Pair::new(&base, &two)
        .judged_by("sft")
        .lacks("rank-one-edit");
    let judged = Pair::new(&base, &three).judged_by("sft");
    let edited = [DOWN, KEY, QUERY].map(|name| (Some(name), "warn"));
    judged.has("rank-one-edit", &edited);
}
