//! Checks that need whole matrices: the reference table, closed forms, invariants and accuracy.

mod accuracy;
mod closed_forms;
mod directions;
mod invariants;
mod parity;
mod reference;
mod traps;

use ndarray::Array2;

use super::{Estimator, Matrix};

/// A small generator of reproducible numbers (SplitMix64).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Uniform in (0, 1).
    pub(super) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        ((bits >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Box-Muller.
    pub(super) fn gaussian(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    pub(super) fn matrix(&mut self, rows: usize, cols: usize) -> Array2<f64> {
        Array2::from_shape_simple_fn((rows, cols), || self.gaussian())
    }
}

/// Eigenvalues at the quantiles of a Pareto law, descending.
pub(super) fn pareto_quantiles(count: usize, alpha: f64) -> Vec<f64> {
    (0..count)
        .map(|rank| ((rank as f64 + 0.5) / count as f64).powf(-1.0 / (alpha - 1.0)))
        .collect()
}

/// A matrix with given singular values, rotated by reflections on both sides.
pub(super) fn with_singular_values(
    rows: usize,
    cols: usize,
    values: &[f64],
    seed: u64,
) -> Array2<f64> {
    let mut random = Random::new(seed);
    let mut matrix = Array2::zeros((rows, cols));
    for (index, value) in values.iter().enumerate() {
        matrix[[index, index]] = *value;
    }
    for _ in 0..3 {
        let left = random.matrix(rows, 1);
        let right = random.matrix(cols, 1);
        let (left_square, right_square) = ((&left * &left).sum(), (&right * &right).sum());
        let product = left.t().dot(&matrix);
        matrix -= &(left.dot(&product) * (2.0 / left_square));
        let product = matrix.dot(&right);
        matrix -= &(product.dot(&right.t()) * (2.0 / right_square));
    }
    matrix
}

pub(super) fn double(matrix: Array2<f64>) -> Matrix {
    Matrix::F64(matrix)
}

pub(super) fn single(matrix: &Array2<f64>) -> Matrix {
    Matrix::F64(matrix.clone()).into_arithmetic(super::Arithmetic::F32)
}

/// `|found - expected| / |expected|`; NaN if either is, so that a comparison with `<=` fails.
pub(super) fn relative_error(found: f64, expected: f64) -> f64 {
    if found.total_cmp(&expected).is_eq() {
        0.0
    } else {
        (found - expected).abs() / expected.abs()
    }
}

pub(super) fn estimator() -> Estimator {
    Estimator::default()
}
