//! Traps of simulated ensembles: what noise gives, and at which strength a mean or one entry shows.

use ndarray::Array2;

use super::{Random, double, single};
use crate::num::Measured;
use crate::spectrum::{
    EntryStatistics, Matrix, TRAP_QUANTILE, TrapCauses, Traps, new_traps, traps,
};

const SHAPE: (usize, usize) = (64, 128);

fn of(matrix: &Matrix) -> Traps {
    traps(&matrix.into(), &EntryStatistics::of(matrix))
}

fn causes(matrix: &Array2<f64>) -> TrapCauses {
    of(&double(matrix.clone())).causes.unwrap()
}

/// (N M)^(1/4): where a rank-one part leaves the bulk of noise with a deviation of 1.
fn threshold((rows, cols): (usize, usize)) -> f64 {
    ((rows * cols) as f64).powf(0.25)
}

/// Mean `trap_z` and mean `trap_count` over draws of `make`.
fn ensemble(draws: usize, mut make: impl FnMut() -> Array2<f64>) -> (f64, f64) {
    let (mut z, mut count) = (0.0, 0.0);
    for _ in 0..draws {
        let found = of(&double(make()));
        z += found.z.value().unwrap() / draws as f64;
        count += found.count.value().unwrap() / draws as f64;
    }
    (z, count)
}

#[test]
fn gaussian_noise_follows_the_tracy_widom_law() {
    let mut random = Random::new(71);
    let (mut traps, mut beyond_90, mut beyond_95) = (0.0, 0, 0);
    for draw in 0..500 {
        let (rows, cols) = if draw % 2 == 0 {
            SHAPE
        } else {
            (SHAPE.1, SHAPE.0)
        };
        let found = of(&double(random.matrix(rows, cols)));
        let z = found.z.value().unwrap();
        traps += found.count.value().unwrap();
        beyond_90 += usize::from(z > 0.450);
        beyond_95 += usize::from(z > 0.979);
    }
    // Binomial intervals that hold 99.9 % of 500 draws at the stated level; at 0.01 %, two or more
    // traps have a probability of 0.1 %.
    assert!(traps <= 1.0, "{traps} traps");
    assert!(
        (29..=73).contains(&beyond_90),
        "{beyond_90} above the 90 % quantile"
    );
    assert!(
        (11..=42).contains(&beyond_95),
        "{beyond_95} above the 95 % quantile"
    );
}

#[test]
fn a_mean_is_a_trap_from_its_threshold_on() {
    let mut random = Random::new(72);
    let (rows, cols) = SHAPE;
    // |mean| / std = strength (N M)^(-1/4).
    let mut shifted = |strength: f64| {
        let mean = strength / threshold(SHAPE);
        ensemble(40, || random.matrix(rows, cols) + mean)
    };
    let (z, count) = shifted(0.5);
    assert!(z.abs() <= 2.5 && count <= 0.05, "{z} {count}");
    let (z, count) = shifted(2.0);
    assert!(z >= 10.0, "{z}");
    assert!((count - 1.0).abs() <= 0.05, "{count}");
    let matrix = random.matrix(rows, cols) + 2.0 / threshold(SHAPE);
    let found = causes(&matrix);
    assert!((found.mean - 2.0).abs() <= 0.15, "{found:?}");
    assert!(found.largest_entry <= 0.6, "{found:?}");
}

#[test]
fn one_huge_entry_is_a_trap_from_its_threshold_on() {
    let mut random = Random::new(73);
    let (rows, cols) = SHAPE;
    let mut spiked = |strength: f64| {
        ensemble(40, || {
            let mut matrix = random.matrix(rows, cols);
            matrix[[3, 5]] = strength * threshold(SHAPE);
            matrix
        })
    };
    let (z, count) = spiked(0.6);
    assert!(z <= 2.5 && count <= 0.05, "{z} {count}");
    let (z, count) = spiked(2.0);
    assert!(z >= 10.0, "{z}");
    assert!((count - 1.0).abs() <= 0.05, "{count}");
    let mut matrix = random.matrix(rows, cols);
    matrix[[3, 5]] = 2.0 * threshold(SHAPE);
    let found = causes(&matrix);
    assert!((found.largest_entry - 2.0).abs() <= 0.15, "{found:?}");
    assert!(found.mean <= 0.5, "{found:?}");
}

#[test]
fn a_correlation_that_shuffling_destroys_is_no_trap() {
    let mut random = Random::new(74);
    let (rows, cols) = SHAPE;
    let spike = random.matrix(rows, 1).dot(&random.matrix(1, cols));
    let matrix = random.matrix(rows, cols) + &(spike * 0.3);
    let found = of(&double(matrix));
    assert!(found.count.value().unwrap() <= 0.0, "{found:?}");
}

#[test]
fn traps_are_counted_one_by_one_and_do_not_depend_on_scale_or_precision() {
    let mut random = Random::new(75);
    let mut matrix = random.matrix(200, 300);
    for spike in 0..4 {
        matrix[[spike, 7 * spike]] = (2.0 + spike as f64) * threshold((200, 300));
    }
    let expected = of(&double(matrix.clone()));
    assert_eq!(expected.count, Measured::count(4));
    let z = expected.z.value().unwrap();
    for factor in [1e-3, 1.0, 1e25] {
        let found = of(&single(&(&matrix * factor)));
        assert_eq!(found.count, Measured::count(4));
        assert!((found.z.value().unwrap() - z).abs() <= 0.02 * z);
    }
    assert_eq!(of(&double(matrix.clone())), expected);
}

#[test]
fn what_has_no_noise_edge_has_a_reason() {
    assert!(
        of(&double(Array2::from_elem((30, 40), 0.5)))
            .count
            .reason()
            .is_some()
    );
    assert!(
        of(&double(Random::new(1).matrix(8, 400)))
            .z
            .reason()
            .is_some()
    );
    let mut matrix = Random::new(2).matrix(30, 40);
    matrix[[1, 1]] = f64::NAN;
    assert!(matches!(of(&double(matrix)).z, Measured::Failed(_)));
}

#[test]
fn new_traps_are_those_that_the_base_lacks() {
    let base = Random::new(76).matrix(100, 160);
    let mut tuned = base.clone();
    tuned[[0, 0]] = 2.0 * threshold((100, 160));
    tuned[[9, 9]] = -3.0 * threshold((100, 160));
    let (base, tuned) = (of(&double(base)), of(&double(tuned)));
    assert_eq!(new_traps(&base, &tuned), Measured::count(2));
    assert_eq!(new_traps(&tuned, &base), Measured::count(0));
    assert_eq!(new_traps(&tuned, &tuned), Measured::count(0));
    let short = of(&double(Random::new(1).matrix(8, 400)));
    let missing = new_traps(&short, &tuned);
    let reason = missing.reason().unwrap().as_str();
    assert!(reason.starts_with("base: a side of 8"), "{reason}");
}

#[test]
fn an_eigenvalue_that_crosses_the_edge_by_chance_is_no_new_trap() {
    // Ever stronger means: the count turns from 0 to 1 between two neighbours, and no step is new.
    let base = Random::new(77).matrix(SHAPE.0, SHAPE.1);
    let steps: Vec<Traps> = (0..=60)
        .map(|step| 1.0 + 0.01 * f64::from(step))
        .map(|strength| of(&double(&base + strength / threshold(SHAPE))))
        .collect();
    let count = |traps: &Traps| traps.count.value().unwrap();
    assert!(count(&steps[0]) <= 0.0 && count(&steps[60]) >= 1.0);
    for pair in steps.windows(2) {
        assert_eq!(new_traps(&pair[0], &pair[1]), Measured::count(0));
    }
    assert_eq!(new_traps(&steps[0], &steps[60]), Measured::count(1));
}

#[test]
fn a_large_light_tailed_matrix_needs_no_shuffle_and_agrees_with_one() {
    let matrix = Matrix::F64(Random::new(3).matrix(320, 640));
    let entries = EntryStatistics::of(&matrix);
    let found = traps(&(&matrix).into(), &entries);
    assert_eq!(found.count.value(), Some(0.0));
    assert!(found.z.value().is_none());
    let heavy = EntryStatistics {
        kurtosis: Some(40.0),
        ..entries
    };
    let shuffled = traps(&(&matrix).into(), &heavy);
    assert_eq!(shuffled.count.value(), Some(0.0));
    assert!(shuffled.z.value().unwrap() < TRAP_QUANTILE);
}
