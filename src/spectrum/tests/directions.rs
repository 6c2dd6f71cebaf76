//! Leading directions and intruders by Lanczos against full decompositions.

use ndarray::Array2;

use super::{Random, double, relative_error, single, with_singular_values};
use crate::num::Measured;
use crate::spectrum::intruders::bounded;
use crate::spectrum::lanczos::{GramOperator, leading_pairs};
use crate::spectrum::leading::{MOST_STEPS, by_lanczos, by_lapack};
use crate::spectrum::{
    LEADING_DIRECTIONS, LeftBasis, Matrix, Spectrum, SpectrumError, intruders, intruders_among,
    participation_ratio, subspace_overlap,
};

const SHAPES: [(usize, usize); 3] = [(80, 80), (60, 150), (150, 60)];

/// Both precisions of one matrix.
fn both(matrix: &Array2<f64>) -> [Matrix; 2] {
    [double(matrix.clone()), single(matrix)]
}

/// What fine-tunes do to a base: nothing much, noise, a low rank of growing strength.
fn updates(random: &mut Random, base: &Array2<f64>) -> Vec<Array2<f64>> {
    let (rows, cols) = base.dim();
    let norm = (base * base).sum().sqrt();
    let mut tuned: Vec<Array2<f64>> = [0.01, 0.3, 1.0]
        .map(|size| {
            base + &(random.matrix(rows, cols) * (size * norm / ((rows * cols) as f64).sqrt()))
        })
        .into();
    for size in [0.05, 0.2, 0.5, 1.5] {
        let update = random.matrix(rows, 4).dot(&random.matrix(4, cols));
        let length = (&update * &update).sum().sqrt();
        tuned.push(base + &(update * (size * norm / length)));
    }
    tuned
}

fn bases(random: &mut Random, rows: usize, cols: usize) -> Vec<Array2<f64>> {
    let short = rows.min(cols);
    let decaying: Vec<f64> = (1..=short).map(|i| (i as f64).powf(-0.6)).collect();
    let low_rank: Vec<f64> = (1..=short / 3).map(|i| 1.0 / i as f64).collect();
    let noise = random.matrix(rows, cols);
    let spiked = &noise + &(random.matrix(rows, 2).dot(&random.matrix(2, cols)) * 0.7);
    vec![
        spiked,
        noise,
        with_singular_values(rows, cols, &decaying, 5),
        with_singular_values(rows, cols, &low_rank, 6),
    ]
}

#[test]
fn bounds_count_the_same_intruders_as_all_singular_vectors() {
    let mut random = Random::new(11);
    let (mut directions, mut open, mut found) = (0, 0, 0);
    for (rows, cols) in SHAPES {
        for base in bases(&mut random, rows, cols) {
            let tuned = updates(&mut random, &base);
            for (base, tuned) in tuned
                .iter()
                .flat_map(|tuned| both(&base).into_iter().zip(both(tuned)))
            {
                let spectrum = Spectrum::of(&base).unwrap();
                let leading =
                    by_lapack(&tuned, &Spectrum::of(&tuned).unwrap(), LEADING_DIRECTIONS).unwrap();
                let exact = LeftBasis::of(&base).unwrap().aligned(&leading.left(), 0.5);
                let bounds = bounded(&base, &spectrum, &leading, 0.5).unwrap();
                for (exact, bound) in exact.iter().zip(&bounds) {
                    directions += 1;
                    open += usize::from(bound.is_none());
                    found += usize::from(!exact);
                    assert!(bound.is_none_or(|bound| bound == *exact), "{rows} x {cols}");
                }
                let counted = intruders_among(&base, &spectrum, &leading, 0.5).unwrap();
                assert_eq!(
                    counted.count,
                    exact.iter().filter(|aligned| !**aligned).count()
                );
                let oracle = intruders(&base, &tuned, LEADING_DIRECTIONS, 0.5).unwrap();
                assert_eq!(
                    (counted.count, counted.examined),
                    (oracle.count, oracle.examined)
                );
                assert!((counted.energy_share - oracle.energy_share).abs() <= 1e-5);
            }
        }
    }
    assert!(
        found >= 200 && directions - found >= 200,
        "{found} of {directions}"
    );
    assert!(open * 50 <= directions, "{open} of {directions} undecided");
}

#[test]
fn lanczos_finds_the_leading_triplets_of_a_full_decomposition() {
    let mut random = Random::new(12);
    for (rows, cols) in SHAPES {
        for base in bases(&mut random, rows, cols) {
            for (matrix, tolerance) in both(&base).into_iter().zip([1e-8, 2e-3]) {
                let spectrum = Spectrum::of(&matrix).unwrap();
                let exact = by_lapack(&matrix, &spectrum, 10).unwrap();
                let found = by_lanczos(&matrix, &spectrum, 10, MOST_STEPS).unwrap();
                assert_eq!(found.singular_values().len(), exact.singular_values().len());
                assert!(found.residual() <= 1e-5);
                for (side, other) in [(found.left(), exact.left()), (found.right(), exact.right())]
                {
                    // Up to the sign.
                    let cosines = (&side * &other).sum_axis(ndarray::Axis(1));
                    for (cosine, angle) in cosines.iter().zip(found.angles()) {
                        let least = (1.0 - angle * angle).sqrt() - tolerance;
                        assert!(cosine.abs() >= least, "{rows} x {cols}: {cosine}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_multiple_singular_value_is_not_passed_over() {
    // Lanczos alone sees one copy of 5; the spectrum says that there are two.
    let values: Vec<f64> = [9.0, 5.0, 5.0, 4.0]
        .into_iter()
        .chain((0..56).map(|i| 3.0 - 0.05 * f64::from(i)))
        .collect();
    let matrix = double(with_singular_values(60, 70, &values, 8));
    let spectrum = Spectrum::of(&matrix).unwrap();
    if let Ok(found) = by_lanczos(&matrix, &spectrum, 4, MOST_STEPS) {
        let products = found.left().dot(&found.left().t()) - Array2::<f64>::eye(4);
        assert!(products.iter().all(|product| product.abs() <= 1e-10));
    }
    let found = by_lapack(&matrix, &spectrum, 4).unwrap();
    assert!(participation_ratio(&found).reason().is_some());
    assert!(subspace_overlap(&found, &found).value().is_some());
    let cut = by_lapack(&matrix, &spectrum, 2).unwrap();
    assert!(subspace_overlap(&cut, &found).reason().is_some());
}

#[test]
fn a_run_that_is_too_short_says_so() {
    let matrix = Random::new(13).matrix(90, 90);
    let operator = GramOperator::of(&matrix.view()).unwrap();
    let found = leading_pairs(&operator, 5, 1e-10, 8);
    assert!(matches!(
        found,
        Err(SpectrumError::NotConverged { steps: 8, .. })
    ));
    let found = leading_pairs(&operator, 5, 1e-10, 90).unwrap();
    let exact = Spectrum::of(&double(matrix)).unwrap();
    for (value, exact) in found.values.iter().zip(exact.singular_values()) {
        assert!(relative_error(value.sqrt(), *exact) <= 1e-12);
    }
    assert!(found.residual <= 1e-9 * found.values[0]);
}

#[test]
fn overlap_counts_the_directions_that_two_matrices_share() {
    // Left axes 0 to 9 against 4 to 13: six of ten.
    let matrix = |first: usize| {
        let mut matrix = Array2::zeros((40, 30));
        for index in 0..10 {
            matrix[[first + index, index]] = 20.0 - index as f64;
        }
        double(matrix)
    };
    let of = |matrix: &Matrix| by_lapack(matrix, &Spectrum::of(matrix).unwrap(), 10).unwrap();
    let (base, tuned) = (of(&matrix(0)), of(&matrix(4)));
    assert!((subspace_overlap(&base, &tuned).value().unwrap() - 0.6).abs() <= 1e-12);
    assert!((subspace_overlap(&base, &base).value().unwrap() - 1.0).abs() <= 1e-12);
    // Each right vector is one axis of 30.
    assert!((participation_ratio(&base).value().unwrap() - 1.0 / 30.0).abs() <= 1e-12);
    let whole = of(&double(with_singular_values(
        8,
        20,
        &[8., 7., 6., 5., 4., 3., 2., 1.],
        3,
    )));
    assert!(subspace_overlap(&whole, &whole).reason().is_some());
    let zero = of(&double(Array2::zeros((30, 40))));
    assert!(matches!(
        participation_ratio(&zero),
        Measured::NotApplicable(_)
    ));
    assert!(subspace_overlap(&base, &zero).reason().is_some());
}

#[test]
fn random_directions_participate_by_a_third_and_overlap_by_their_share() {
    let mut random = Random::new(14);
    let (mut ratio, mut overlap) = (0.0, 0.0);
    for _ in 0..20 {
        let [base, tuned] = [(); 2].map(|()| {
            let matrix = double(random.matrix(100, 400));
            by_lanczos(&matrix, &Spectrum::of(&matrix).unwrap(), 10, MOST_STEPS).unwrap()
        });
        ratio += participation_ratio(&base).value().unwrap() / 20.0;
        overlap += subspace_overlap(&base, &tuned).value().unwrap() / 20.0;
    }
    assert!((ratio - 1.0 / 3.0).abs() <= 0.01, "{ratio}");
    assert!((overlap - 0.1).abs() <= 0.015, "{overlap}");
}
