//! Matrices and samples whose numbers are known.

use ndarray::Array2;

use super::super::metric::Metric;
use super::super::weightwatcher::{Cell, analyze};
use super::super::{
    CheckpointMetrics, EntryStatistics, LeftBasis, Matrix, Spectrum, SpectrumError, TailFit,
    esd_distance, fit_at_tail_count, hill, intruders, measure, unmeasured,
};
use super::{
    Random, double, estimator, pareto_quantiles, relative_error, single, with_singular_values,
};
use crate::num::Reason;

fn measured(matrix: Array2<f64>) -> CheckpointMetrics {
    measure(&double(matrix), 1.66e-3, &estimator()).unwrap().1
}

#[test]
fn a_pareto_sample_gives_its_exponent_back() {
    for alpha in [1.8, 2.5, 4.0] {
        let mut random = Random::new(11);
        let mut sample: Vec<f64> = (0..4000)
            .map(|_| random.uniform().powf(-1.0 / (alpha - 1.0)))
            .collect();
        sample.sort_by(|left, right| right.total_cmp(left));
        let fit = TailFit::search(&sample, 50).unwrap();
        assert!(
            (fit.alpha - alpha).abs() <= 4.0 * fit.stderr,
            "{alpha}: {fit:?}"
        );
        assert!(fit.ks_distance <= 0.03);
        let fixed = fit_at_tail_count(&sample, fit.tail_count).unwrap();
        assert!(relative_error(fixed.alpha, fit.alpha) <= 1e-12);
        assert!(relative_error(fixed.ks_distance, fit.ks_distance) <= 1e-12);
    }
}

#[test]
fn the_search_finds_the_cut_that_trying_every_cut_finds() {
    let mut random = Random::new(5);
    let mut sample: Vec<f64> = (0..400).map(|_| random.gaussian().exp()).collect();
    sample.sort_by(|left, right| right.total_cmp(left));
    let found = TailFit::search(&sample, 50).unwrap();
    let all = (50..=400).map(|count| fit_at_tail_count(&sample, count).unwrap());
    let least = all
        .min_by(|a, b| a.ks_distance.total_cmp(&b.ks_distance))
        .unwrap();
    assert_eq!(found.tail_count, least.tail_count);
    assert!(relative_error(found.ks_distance, least.ks_distance) <= 1e-12);
}

#[test]
fn the_distance_is_taken_at_the_eigenvalues() {
    // Two values: alpha = 1 + 2 / ln(x1/x2), so the law leaves exp(-2) at and above x1 = e x2, where
    // half of the values are.
    let fit = fit_at_tail_count(&[std::f64::consts::E, 1.0], 2).unwrap();
    assert!(relative_error(fit.alpha, 3.0) <= 1e-14);
    assert!(relative_error(fit.ks_distance, 0.5 - (-2.0_f64).exp()) <= 1e-14);
}

#[test]
fn hill_uses_the_next_eigenvalue_as_threshold() {
    let found = hill(&[8.0, 4.0, 2.0, 1.0], 2).unwrap();
    assert!(relative_error(found, 1.0 + 2.0 / (4.0_f64.ln() + 2.0_f64.ln())) <= 1e-14);
    assert!(hill(&[1.0, 1.0, 1.0], 1).is_err());
    assert!(hill(&[1.0], 0).is_err());
}

#[test]
fn pure_noise_is_withheld_with_its_distance_in_view() {
    let found = measured(Random::new(1).matrix(200, 400));
    assert!(found.table.value(Metric::Alpha).is_none());
    let reason = found
        .table
        .get(Metric::LogAlphaNorm)
        .unwrap()
        .reason()
        .unwrap();
    assert!(reason.as_str().contains("KS distance"));
    assert!(found.table.value(Metric::KsDistance).unwrap() > 0.10);
    assert!(found.fit.unwrap().value(Metric::Alpha).unwrap() > 1.0);
}

#[test]
fn the_scale_of_a_matrix_does_not_move_alpha() {
    let roots: Vec<f64> = pareto_quantiles(150, 3.0)
        .iter()
        .map(|value| value.sqrt())
        .collect();
    let matrix = with_singular_values(150, 220, &roots, 9);
    let base = measured(matrix.clone()).table;
    for scale in [1e-3, 7.3e-9, 1e20] {
        let scaled = measured(&matrix * scale).table;
        for metric in [
            Metric::Alpha,
            Metric::AlphaStderr,
            Metric::KsDistance,
            Metric::AlphaHill,
        ] {
            let (found, expected) = (scaled.value(metric).unwrap(), base.value(metric).unwrap());
            assert!(
                relative_error(found, expected) <= 1e-12,
                "{metric} at {scale}: {found} {expected}"
            );
        }
        for metric in [
            Metric::TailCount,
            Metric::ErgCount,
            Metric::RankLoss,
            Metric::ErgGap,
        ] {
            assert_eq!(
                scaled.value(metric),
                base.value(metric),
                "{metric} at {scale}"
            );
        }
    }
}

#[test]
fn the_identity_has_full_rank_and_no_tail() {
    let found = measured(Array2::eye(128));
    let value = |metric| found.table.value(metric).unwrap();
    for metric in [Metric::StableRank, Metric::EffectiveRank, Metric::ErgCount] {
        assert!(relative_error(value(metric), 128.0) <= 1e-12, "{metric}");
    }
    assert_eq!(value(Metric::RankLoss).to_string(), "0");
    let reason = found.table.get(Metric::Alpha).unwrap().reason().unwrap();
    assert!(reason.as_str().contains("equal"));
    assert!(
        found
            .table
            .get(Metric::AlphaHill)
            .unwrap()
            .reason()
            .is_some()
    );
}

#[test]
fn a_rank_one_matrix_has_rank_one_in_every_sense() {
    let found = measured(Array2::from_elem((120, 150), 0.25));
    let value = |metric| found.table.value(metric).unwrap();
    for metric in [Metric::StableRank, Metric::EffectiveRank, Metric::ErgCount] {
        assert!(relative_error(value(metric), 1.0) <= 1e-9, "{metric}");
    }
    assert!(relative_error(value(Metric::SpectralNorm), 0.25 * 18000.0_f64.sqrt()) <= 1e-12);
    assert!(relative_error(value(Metric::RankLoss), 119.0) <= 1e-12);
    assert!(
        found
            .table
            .get(Metric::Kurtosis)
            .unwrap()
            .reason()
            .is_some()
    );
    assert!(found.table.get(Metric::Alpha).unwrap().reason().is_some());
    let gap = found.table.get(Metric::SpectralGap).unwrap();
    assert!(gap.reason().is_some());
}

#[test]
fn the_spectral_gap_is_the_ratio_of_the_two_largest_singular_values() {
    let mut diagonal = Array2::zeros((3, 5));
    for (index, value) in [4.0, -10.0, 1.0].into_iter().enumerate() {
        diagonal[[index, index]] = value;
    }
    let found = measured(diagonal);
    let gap = found.table.value(Metric::SpectralGap).unwrap();
    assert!(relative_error(gap, 2.5) <= 1e-12, "{gap}");
}

#[test]
fn every_metric_of_a_checkpoint_is_there_for_every_odd_shape() {
    let shapes = [(1, 1), (1, 7), (7, 1), (2, 2), (3, 500), (120, 120)];
    for (rows, cols) in shapes {
        for fill in [0.0, 1.0, -3.0] {
            for matrix in [
                double(Array2::from_elem((rows, cols), fill)),
                single(&Array2::from_elem((rows, cols), fill)),
            ] {
                let (_, found) = measure(&matrix, 1e-3, &estimator()).unwrap();
                assert_complete(&found);
            }
        }
    }
    let mut broken = Array2::zeros((3, 4));
    broken[[1, 1]] = f64::NAN;
    let broken = double(broken);
    let error = measure(&broken, 1e-3, &estimator()).unwrap_err();
    assert_eq!(
        error,
        SpectrumError::NonFinite {
            rows: 3,
            cols: 4,
            count: 1
        }
    );
    let found = unmeasured(&broken, &Reason::new(error.to_string()));
    assert_complete(&found);
    assert_eq!(found.table.value(Metric::NonfiniteCount), Some(1.0));
    assert_eq!(found.table.value(Metric::Mean), None);
    let empty = measure(&double(Array2::zeros((0, 4))), 1e-3, &estimator()).unwrap_err();
    assert_eq!(empty, SpectrumError::Empty { rows: 0, cols: 4 });
}

fn assert_complete(found: &CheckpointMetrics) {
    use super::super::metric::Subject;
    for metric in Metric::ALL {
        if metric.subject() == Subject::Checkpoint {
            assert!(found.table.get(*metric).is_some(), "{metric} is missing");
        }
    }
}

#[test]
fn log_alpha_norm_survives_powers_that_overflow() {
    let roots: Vec<f64> = pareto_quantiles(120, 3.0)
        .iter()
        .map(|value| value.sqrt() * 1e80)
        .collect();
    let found = measured(with_singular_values(120, 130, &roots, 4)).table;
    let alpha = found.value(Metric::Alpha).unwrap();
    let hat = found.value(Metric::AlphaHat).unwrap();
    let norm = found.value(Metric::LogAlphaNorm).unwrap();
    assert!(alpha * found.value(Metric::LogSpectralNorm).unwrap() >= 309.0);
    assert!(norm >= hat && norm <= hat + 1.0);
}

#[test]
fn a_direction_of_its_own_is_an_intruder_in_both_orientations() {
    for (rows, cols) in [(30, 50), (50, 30)] {
        let values: Vec<f64> = (0..24).map(|i| 10.0 - 0.3 * f64::from(i)).collect();
        let base = with_singular_values(rows, cols, &values, 21);
        let mut random = Random::new(22);
        let (left, right) = (random.matrix(rows, 1), random.matrix(1, cols));
        let strength = 30.0 / ((&left * &left).sum() * (&right * &right).sum()).sqrt();
        let tuned = &base + &(left.dot(&right) * strength);
        for convert in [double as fn(Array2<f64>) -> Matrix, |matrix| {
            single(&matrix)
        }] {
            let (base, tuned) = (convert(base.clone()), convert(tuned.clone()));
            let basis = LeftBasis::of(&base).unwrap();
            let same = basis.intruders(&base, 10, 0.5).unwrap();
            assert_eq!((same.count, same.examined), (0, 10));
            let found = basis.intruders(&tuned, 10, 0.8).unwrap();
            assert!(found.count >= 1, "{rows} x {cols}: {found:?}");
            assert!(found.energy_share >= 0.4 && found.energy_share <= 1.0);
            assert_eq!(found, intruders(&base, &tuned, 10, 0.8).unwrap());
        }
    }
}

#[test]
fn an_orthogonal_direction_carries_its_own_energy() {
    // Base: axes 1 to 3; tuned: the same and axis 5 at 4, so 16 of 16 + 9 + 4 + 1.
    for transposed in [false, true] {
        let mut base = Array2::zeros((6, 9));
        for (index, value) in [3.0, 2.0, 1.0].into_iter().enumerate() {
            base[[index, index]] = value;
        }
        let mut tuned = base.clone();
        tuned[[4, 4]] = 4.0;
        if transposed {
            (base, tuned) = (base.reversed_axes(), tuned.reversed_axes());
        }
        let found = intruders(&double(base), &double(tuned), 10, 0.5).unwrap();
        assert_eq!((found.count, found.examined), (1, 4));
        assert!(relative_error(found.energy_share, 16.0 / 30.0) <= 1e-12);
    }
    let mismatch = intruders(&double(Array2::eye(3)), &double(Array2::eye(4)), 10, 0.5);
    assert!(matches!(mismatch, Err(SpectrumError::ShapeMismatch { .. })));
    let zero = intruders(
        &double(Array2::eye(3)),
        &double(Array2::zeros((3, 3))),
        10,
        0.5,
    )
    .unwrap();
    assert_eq!((zero.count, zero.examined), (0, 0));
}

#[test]
fn rounding_in_the_null_space_is_no_distance() {
    let base = with_singular_values(40, 60, &[3.0, 2.0, 1.0], 31);
    let tuned = &base * 10.0;
    let spectrum = |matrix: Array2<f64>| Spectrum::of(&double(matrix)).unwrap();
    let zero = || spectrum(Array2::zeros((40, 60)));
    let distance = esd_distance(&spectrum(base.clone()), &spectrum(base.clone()))
        .value()
        .unwrap();
    assert!(distance <= 0.0);
    // Three eigenvalues move by two decades, and 37 zeros stay at the floor.
    let distance = esd_distance(&spectrum(base), &spectrum(tuned))
        .value()
        .unwrap();
    assert!((distance - 2.0 * 3.0 / 40.0).abs() <= 1e-9);
    assert!(esd_distance(&zero(), &zero()).reason().is_some());
}

#[test]
fn weightwatcher_rows_exist_for_tiny_and_degenerate_tensors() {
    let identity = analyze(
        &Array2::<f64>::eye(30).into_raw_vec_and_offset().0,
        &[30, 30],
    )
    .unwrap();
    assert!(identity.alpha.is_infinite() && identity.warning == "under-trained");
    assert!(relative_error(identity.distance, 0.5) <= 1e-12);
    assert_eq!(identity.detx_num, 0);
    let five: Vec<f64> = Random::new(3).matrix(5, 6).into_raw_vec_and_offset().0;
    let five = analyze(&five, &[5, 6]).unwrap();
    assert!(relative_error(five.sigma, -1.0 / 5.0_f64.sqrt()) <= 1e-12);
    let one = analyze(&[2.0], &[1, 1]).unwrap();
    assert_eq!(
        (one.alpha.to_string().as_str(), one.status),
        ("0", "success")
    );
    let zero = analyze(&[0.0; 12], &[3, 4]).unwrap();
    assert_eq!(zero.cell("xmax"), Some(Cell::Missing));
    assert_eq!(zero.cell("num_pl_spikes"), Some(Cell::Count(-1)));
    assert!(analyze(&[0.0; 12], &[12]).is_err());
    assert!(analyze(&[0.0; 11], &[3, 4]).is_err());
    assert!(analyze(&[f64::NAN; 4], &[2, 2]).is_err());
}

#[test]
fn nothing_hides_in_the_statistics_of_an_empty_matrix() {
    let found = EntryStatistics::of(&double(Array2::zeros((0, 3))));
    assert_eq!((found.count, found.nonfinite_count), (0, 0));
}
