//! What must hold for any matrix.

use ndarray::{Array2, Axis};
use proptest::prelude::*;

use super::super::metric::Metric;
use super::super::{Spectrum, measure};
use super::{double, estimator};

fn matrices() -> impl Strategy<Value = Array2<f64>> {
    (1_usize..12, 1_usize..12).prop_flat_map(|(rows, cols)| {
        prop::collection::vec(-10.0_f64..10.0, rows * cols)
            .prop_map(move |entries| Array2::from_shape_vec((rows, cols), entries).unwrap())
    })
}

fn singular_values(matrix: Array2<f64>) -> Vec<f64> {
    Spectrum::of(&double(matrix))
        .unwrap()
        .singular_values()
        .to_vec()
}

/// Eigenvalues agree to a few eps of the largest one.
fn assert_same(left: &[f64], right: &[f64]) {
    assert_eq!(left.len(), right.len());
    let largest = right.first().map_or(0.0, |value| value * value);
    for (left, right) in left.iter().zip(right) {
        assert!((left * left - right * right).abs() <= 64.0 * f64::EPSILON * largest);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn transposing_changes_no_singular_value(matrix in matrices()) {
        let transposed = singular_values(matrix.clone().reversed_axes());
        assert_same(&transposed, &singular_values(matrix));
    }

    #[test]
    fn squares_of_singular_values_sum_to_that_of_the_frobenius_norm(matrix in matrices()) {
        let spectrum = Spectrum::of(&double(matrix)).unwrap();
        let sum: f64 = spectrum.eigenvalues().iter().sum();
        prop_assert!((sum - spectrum.frobenius_norm().powi(2)).abs() <= 1e-13 * sum);
    }

    #[test]
    fn a_factor_multiplies_every_singular_value(matrix in matrices(), factor in -100.0_f64..100.0) {
        let expected: Vec<f64> =
            singular_values(matrix.clone()).iter().map(|value| value * factor.abs()).collect();
        assert_same(&singular_values(matrix * factor), &expected);
    }

    #[test]
    fn the_order_of_rows_and_columns_does_not_matter(matrix in matrices()) {
        let mut turned = matrix.clone();
        turned.invert_axis(Axis(0));
        let mut swapped = turned.clone();
        let last = swapped.ncols() - 1;
        for mut row in swapped.rows_mut() {
            row.swap(0, last);
        }
        let expected = singular_values(matrix);
        assert_same(&singular_values(turned), &expected);
        assert_same(&singular_values(swapped), &expected);
    }

    #[test]
    fn ranks_lie_between_one_and_the_rank(matrix in matrices()) {
        let rank = matrix.nrows().min(matrix.ncols()) as f64;
        let (_, found) = measure(&double(matrix), 1e-3, &estimator()).unwrap();
        let allowed = 1.0 - 1e-12..=rank * (1.0 + 1e-12);
        for metric in [Metric::StableRank, Metric::EffectiveRank] {
            let value = found.table.value(metric).unwrap();
            prop_assert!(allowed.contains(&value), "{} is {}", metric, value);
        }
    }
}
