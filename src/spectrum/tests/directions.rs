//! Leading directions and intruders by Lanczos against full decompositions.

use ndarray::Array2;

use super::{Random, double, relative_error, single, with_singular_values};
use crate::num::Measured;
use crate::spectrum::intruders::bounded;
use crate::spectrum::leading::{by_lanczos, by_lapack};
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
    println!("{directions} {open} {found}");
    assert!(
        found >= 200 && directions - found >= 200,
        "{found} of {directions}"
    );
    assert!(open * 50 <= directions, "{open} of {directions} undecided");
}
