use ndarray::Array2;

use super::*;
use crate::spectrum::tests::Random;
use crate::spectrum::{Estimator, Matrix, measure};

fn law(q: f64) -> MarchenkoPastur {
    MarchenkoPastur::of_ratio(q).unwrap()
}

fn spectrum(matrix: Array2<f64>) -> Spectrum {
    Spectrum::of(&Matrix::F64(matrix)).unwrap()
}

#[test]
fn hill_on_noise_has_the_simulated_limits() {
    for (q, expected) in [
        (1.0, 2.122),
        (1.5, 2.449),
        (2.0, 2.706),
        (11008.0 / 4096.0, 2.999),
        (3.5, 3.293),
        (4.0, 3.455),
        (8.0, 4.470),
    ] {
        let found = noise_hill(law(q));
        assert!((found - expected).abs() <= 6e-4, "{q}: {found}");
    }
}

#[test]
fn medians_and_shrinkage_factors_agree_with_published_tables() {
    for (q, median, omega) in [
        (1.0, 0.808, 2.858),
        (2.0, 0.911, 2.171),
        (2.69, 0.935, 2.003),
        (3.5, 0.951, 1.887),
        (4.0, 0.957, 1.837),
    ] {
        let found = law(q).median().sqrt();
        assert!((found - median).abs() <= 6e-4, "{q}: {found}");
        let found = shrinkage_factor(law(q));
        assert!((found - omega).abs() <= 6e-4, "{q}: {found}");
    }
    for (q, known) in [(1.0, 2.309), (2.0, 1.979), (2.69, 1.873), (4.0, 1.758)] {
        assert!((known_noise_factor(law(q)) - known).abs() <= 6e-4);
    }
    for (q, ratio) in [
        (1.0, 2.475),
        (2.0, 1.873),
        (2.69, 1.722),
        (3.5, 1.614),
        (4.0, 1.567),
    ] {
        let found = (law(q).upper_edge() / law(q).median()).sqrt();
        assert!((found - ratio).abs() <= 1e-3, "{q}: {found}");
    }
}

#[test]
fn the_distribution_is_the_integral_of_the_density_at_every_ratio() {
    for q in [1.0, 1.000_1, 1.5, 4.0, 100.0, 1e6, 1e10] {
        let law = law(q);
        let (low, high) = (law.lower_edge(), law.upper_edge());
        assert!(law.distribution(low).abs() <= 0.0 && (law.distribution(high) - 1.0).abs() <= 0.0);
        // The mean of the law is 1, its share above a quantile what the quantile says.
        assert!((law.integral_above(0.0, |y| y) - 1.0).abs() <= 1e-6, "{q}");
        assert!(
            (law.integral_above(0.25, |_| 1.0) - 0.75).abs() <= 1e-4,
            "{q}"
        );
        // A difference quotient of the distribution, away from the edges.
        let (middle, step) = (f64::midpoint(low, high), 1e-4 * (high - low));
        let slope =
            (law.distribution(middle + step) - law.distribution(middle - step)) / (2.0 * step);
        assert!(
            (slope / law.density(middle) - 1.0).abs() <= 1e-3,
            "{q}: {slope}"
        );
        for share in [0.01, 0.3, 0.99] {
            let found = law.distribution(law.quantile(share));
            assert!((found - share).abs() <= 1e-4, "{q}: {found}");
        }
    }
    assert_eq!(MarchenkoPastur::of_ratio(0.5), None);
    assert_eq!(MarchenkoPastur::of_ratio(f64::NAN), None);
    assert_eq!(MarchenkoPastur::of_shape(0, 4), None);
}

#[test]
fn quantiles_of_the_edge_are_exact_at_the_table_and_rise_between() {
    assert_eq!(tracy_widom_quantile(0.001), Some(SPIKE_QUANTILE));
    assert_eq!(tracy_widom_quantile(0.1), Some(0.450));
    let steps: Vec<f64> = (0..=60)
        .map(|step| tracy_widom_quantile(10.0_f64.powf(-1.0 - f64::from(step) * 0.0499)).unwrap())
        .collect();
    assert!(steps.windows(2).all(|pair| pair[1] > pair[0]));
    for outside in [0.2, 1e-5, 0.0, f64::NAN] {
        assert_eq!(tracy_widom_quantile(outside), None);
    }
}

/// 500 draws: the number of matrices with a spike is that of a binomial law at the level.
#[test]
fn noise_has_spikes_as_often_as_the_level_says() {
    let mut random = Random::new(7);
    let levels = [0.05, 0.01, 0.001];
    let limits = levels.map(|level| tracy_widom_quantile(level).unwrap());
    let mut counts = [0_usize; 3];
    for _ in 0..500 {
        let spectrum = spectrum(random.matrix(40, 80) * 0.02);
        let bulk = Bulk::of(&spectrum).unwrap();
        for (count, limit) in counts.iter_mut().zip(limits) {
            *count += usize::from(bulk.count_beyond(&spectrum, limit) > 0);
        }
    }
    // Central 99.9 % of the binomial law: 25, 5 and 0.5 are expected.
    assert!((11..=42).contains(&counts[0]), "{counts:?}");
    assert!((0..=14).contains(&counts[1]), "{counts:?}");
    assert!(counts[2] <= 4, "{counts:?}");
}

#[test]
fn the_scale_of_noise_is_the_deviation_of_its_entries() {
    let mut random = Random::new(3);
    for (rows, cols) in [(120, 120), (100, 300)] {
        let spectrum = spectrum(random.matrix(rows, cols) * 0.5);
        let bulk = Bulk::of(&spectrum).unwrap();
        assert!((bulk.sigma - 0.5).abs() <= 0.01, "{}", bulk.sigma);
        assert!(bulk.distance_to_law(&spectrum) <= 0.05);
        assert!(bulk.standardised(bulk.upper_edge()).abs() <= 1.0);
    }
}

#[test]
fn a_planted_direction_is_one_spike_and_is_measured_back() {
    let (rows, cols, strength) = (300, 150, 40.0);
    let mut random = Random::new(11);
    let left: Vec<f64> = (0..rows).map(|_| random.gaussian()).collect();
    let right: Vec<f64> = (0..cols).map(|_| random.gaussian()).collect();
    let norm = |vector: &[f64]| vector.iter().map(|x| x * x).sum::<f64>().sqrt();
    let scale = strength / norm(&left) / norm(&right);
    let planted = Array2::from_shape_fn((rows, cols), |(row, col)| {
        scale * left[row] * right[col] + random.gaussian()
    });
    let spectrum = spectrum(planted);
    let bulk = Bulk::of(&spectrum).unwrap();
    assert_eq!(bulk.count_beyond(&spectrum, SPIKE_QUANTILE), 1);
    let found = bulk
        .noise_matrix()
        .strength(spectrum.spectral_norm())
        .unwrap();
    assert!((found / strength - 1.0).abs() <= 0.05, "{found}");
}

#[test]
fn the_threshold_of_a_direction_is_where_its_trace_and_its_cosines_vanish() {
    let noise = NoiseMatrix {
        longer: 400.0,
        shorter: 100.0,
        std: 0.3,
    };
    let threshold = noise.threshold();
    assert!((threshold - 0.3 * 40_000.0_f64.powf(0.25)).abs() <= 1e-12);
    assert!(!noise.is_detectable(threshold) && !noise.is_detectable(f64::NAN));
    let above = threshold * (1.0 + 1e-9);
    let alignment = noise.alignment(above);
    assert!(alignment.longer_side.abs() <= 1e-8 && alignment.shorter_side.abs() <= 1e-8);
    let edge = 0.3 * (20.0 + 10.0);
    assert!((noise.observed(above) - edge).abs() <= 1e-9);
    assert!((noise.observed(0.5 * threshold) - edge).abs() <= 1e-12);
    assert_eq!(noise.strength(edge), None);
    assert_eq!(noise.strength(f64::NAN), None);
    for factor in [1.1, 2.0, 50.0] {
        let strength = factor * threshold;
        let back = noise.strength(noise.observed(strength)).unwrap();
        assert!((back / strength - 1.0).abs() <= 1e-9);
        let alignment = noise.alignment(strength);
        assert!((0.0..=1.0).contains(&alignment.longer_side));
        assert!(alignment.shorter_side >= alignment.longer_side);
    }
}

#[test]
fn degenerate_matrices_have_no_noise_scale_and_no_nan() {
    let mut rank_one = Array2::zeros((30, 30));
    rank_one[[0, 0]] = 2.0;
    let cases = [
        Array2::zeros((30, 30)),
        rank_one,
        Array2::eye(10),
        Array2::from_elem((1, 1), 3.0),
    ];
    for matrix in cases {
        let (_, metrics) = measure(&Matrix::F64(matrix), 0.0, &Estimator::default()).unwrap();
        assert_eq!(metrics.table.value(Metric::MpSigma), None);
        let reason = metrics.table.get(Metric::SpikeCount).unwrap();
        assert!(matches!(reason, Measured::NotApplicable(_)), "{reason:?}");
        assert!(metrics.table.value(Metric::AlphaNoise).is_some());
    }
    let (_, flat) = measure(&Matrix::F64(Array2::eye(30)), 0.0, &Estimator::default()).unwrap();
    assert_eq!(flat.table.value(Metric::SpikeCount), Some(0.0));
}
