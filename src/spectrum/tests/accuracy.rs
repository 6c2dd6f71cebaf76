//! What the Gram matrix resolves, and how far f32 is from f64.

use ndarray::{Array2, Axis, concatenate};

use super::super::metric::Metric;
use super::super::{
    Arithmetic, CheckpointMetrics, EntryStatistics, Matrix, Spectrum, measure, metrics,
};
use super::{
    Random, double, estimator, pareto_quantiles, relative_error, single, with_singular_values,
};

/// Half of the rows twice: at least half of the singular values are zero in any arithmetic.
fn half_rank(rows: usize, cols: usize, mean: f64) -> Array2<f64> {
    let half = Random::new(7).matrix(rows / 2, cols) + mean;
    concatenate(Axis(0), &[half.view(), half.view()]).unwrap()
}

#[test]
fn zero_eigenvalues_stay_below_the_resolution_and_others_above() {
    for (rows, cols) in [(16, 16), (64, 512), (256, 256), (96, 1500)] {
        for mean in [0.0, 0.5, 5.0] {
            let matrix = half_rank(rows, cols, mean);
            for matrix in [single(&matrix), double(matrix)] {
                let spectrum = Spectrum::of(&matrix).unwrap();
                assert_eq!(
                    spectrum.resolved_count(),
                    rows / 2,
                    "{rows} x {cols}, mean {mean}"
                );
            }
        }
    }
}

#[test]
fn rank_deficient_matrices_keep_their_norms_and_ranks_to_1e9() {
    let values: Vec<f64> = (1..=40).rev().map(f64::from).collect();
    let spectrum = Spectrum::of(&double(with_singular_values(90, 200, &values, 3))).unwrap();
    let square: f64 = values.iter().map(|value| value * value).sum();
    let shares = values.iter().map(|value| value * value / square);
    let effective_rank = shares.map(|share| -share * share.ln()).sum::<f64>().exp();
    let entries = EntryStatistics::of(&double(Array2::zeros((1, 1))));
    let table = metrics(&spectrum, &entries, 0.0, &estimator()).table;
    assert!(relative_error(table.value(Metric::SpectralNorm).unwrap(), 40.0) <= 1e-9);
    assert!(relative_error(table.value(Metric::StableRank).unwrap(), square / 1600.0) <= 1e-9);
    assert!(relative_error(table.value(Metric::EffectiveRank).unwrap(), effective_rank) <= 1e-9);
    assert_eq!(table.value(Metric::RankLoss), Some(50.0));
    assert_eq!(spectrum.resolved_count(), 40);
}

/// f32 errs by about `eps sqrt N` of the largest eigenvalue: 1e-5 in what sums over the spectrum.
#[test]
fn f32_agrees_with_f64_to_1e5() {
    let roots: Vec<f64> = pareto_quantiles(300, 2.6)
        .iter()
        .map(|value| value.sqrt())
        .collect();
    let matrix = single(&with_singular_values(300, 700, &roots, 5));
    let exact = matrix.clone().into_arithmetic(Arithmetic::F64);
    let (_, coarse) = measure(&matrix, 1.66e-3, &estimator()).unwrap();
    let (_, fine) = measure(&exact, 1.66e-3, &estimator()).unwrap();
    for metric in [
        Metric::FrobeniusNorm,
        Metric::SpectralNorm,
        Metric::StableRank,
        Metric::EffectiveRank,
        Metric::Alpha,
        Metric::AlphaHill,
        Metric::LogAlphaNorm,
    ] {
        let (coarse, fine) = (
            coarse.table.value(metric).unwrap(),
            fine.table.value(metric).unwrap(),
        );
        assert!(
            relative_error(coarse, fine) <= 1e-5,
            "{metric}: {coarse} against {fine}"
        );
    }
    // A distance of shares: its error is one of the shares, not of the distance.
    let distance = |metrics: &CheckpointMetrics| metrics.table.value(Metric::KsDistance).unwrap();
    assert!((distance(&coarse) - distance(&fine)).abs() <= 1e-5);
}

#[test]
fn rank_loss_is_withheld_where_f32_cannot_see_the_edge() {
    let matrix = half_rank(200, 200, 0.0);
    let rank_loss = |matrix: &Matrix, noise: f64| {
        measure(matrix, noise, &estimator())
            .unwrap()
            .1
            .table
            .get(Metric::RankLoss)
            .unwrap()
            .clone()
    };
    assert!(rank_loss(&single(&matrix), 1e-9).reason().is_some());
    assert_eq!(rank_loss(&single(&matrix), 1e-3).value(), Some(100.0));
    assert_eq!(rank_loss(&double(matrix), 1e-9).value(), Some(100.0));
}

#[test]
fn extreme_scales_neither_overflow_nor_vanish() {
    let matrix = Random::new(2)
        .matrix(40, 60)
        .mapv(|entry| f64::from(single_entry(entry)));
    let expected = Spectrum::of(&double(matrix.clone())).unwrap();
    for exponent in [-100, 60, 100] {
        let scale = 2.0_f64.powi(exponent);
        let scaled = Spectrum::of(&single(&(&matrix * scale))).unwrap();
        for (found, expected) in scaled
            .singular_values()
            .iter()
            .zip(expected.singular_values())
        {
            assert!((found / scale - expected).abs() <= 1e-4 * expected);
        }
        let error = relative_error(scaled.frobenius_norm(), scale * expected.frobenius_norm());
        assert!(error <= 1e-6);
    }
    let tiny = Spectrum::of(&double(matrix * 2.0_f64.powi(-600))).unwrap();
    let expected = expected.spectral_norm() * 2.0_f64.powi(-600);
    assert!(relative_error(tiny.spectral_norm(), expected) <= 1e-12);
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding to f32 on purpose"
)]
fn single_entry(entry: f64) -> f32 {
    entry as f32
}

/// f32 takes two stages at this side, f64 one: different programs from the Gram matrix on.
#[test]
fn two_stages_in_f32_agree_with_one_in_f64() {
    let roots: Vec<f64> = pareto_quantiles(1600, 3.0)
        .iter()
        .map(|value| value.sqrt())
        .collect();
    let noise = Random::new(11).matrix(1600, 1700);
    let scale = ndarray::Array1::from_vec(roots);
    let matrix = single(&(&noise * &scale.insert_axis(Axis(1))));
    let found = Spectrum::of(&matrix).unwrap();
    let exact = Spectrum::of(&matrix.into_arithmetic(Arithmetic::F64)).unwrap();
    let largest = exact.spectral_norm();
    assert!(relative_error(found.spectral_norm(), largest) <= 1e-6);
    for (found, exact) in found.eigenvalues().iter().zip(exact.eigenvalues()) {
        let error = (found - exact).abs() / largest.powi(2);
        assert!(error <= 2e-6, "{error:e}");
    }
}
