//! All singular values of one matrix.

use super::estimator::Estimator;
use super::matrix::Arithmetic;
use super::tail::{self, TailFit};
use crate::num::Reason;

/// An eigenvalue of the Gram matrix that should be zero comes out as up to `eps lambda_1` times
/// `RESOLUTION_OFFSET + RESOLUTION_SLOPE sqrt N`. Over matrices of exactly half rank from 16 x 16 to 3000 x
/// 3000 and 1024 x 8192, in both precisions, with and without a mean, the largest was a third of that
/// (0.6 eps at 16, 2.3 at 64 x 512, 5.1 at 3000 x 3000, 7.4 at 1024 x 8192).
const RESOLUTION_OFFSET: f64 = 2.0;
const RESOLUTION_SLOPE: f64 = 0.25;

/// Singular values of a matrix, descending, with what is known of their accuracy.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    rows: usize,
    cols: usize,
    arithmetic: Arithmetic,
    singular_values: Vec<f64>,
    frobenius_norm: f64,
    resolution: f64,
}

impl Spectrum {
    pub(super) fn from_parts(
        (rows, cols): (usize, usize),
        arithmetic: Arithmetic,
        singular_values: Vec<f64>,
        frobenius_norm: f64,
    ) -> Self {
        let largest = singular_values.first().copied().unwrap_or(0.0);
        Self {
            rows,
            cols,
            arithmetic,
            resolution: resolution(largest, rows.max(cols), arithmetic),
            singular_values,
            frobenius_norm,
        }
    }

    /// From values that another method gave: descending, none negative, all finite. `resolution` is the error of
    /// that method.
    pub(super) fn from_values(
        (rows, cols): (usize, usize),
        arithmetic: Arithmetic,
        singular_values: Vec<f64>,
        resolution: f64,
    ) -> Self {
        let largest = singular_values.first().copied().unwrap_or(0.0);
        let frobenius_norm = if largest > 0.0 {
            // From the smallest up, and relative to the largest.
            let squares = singular_values.iter().rev();
            let sum: f64 = squares.map(|value| (value / largest).powi(2)).sum();
            largest * sum.sqrt()
        } else {
            0.0
        };
        Self {
            rows,
            cols,
            arithmetic,
            singular_values,
            frobenius_norm,
            resolution,
        }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn cols(&self) -> usize {
        self.cols
    }

    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    /// M values, descending, none negative.
    pub fn singular_values(&self) -> &[f64] {
        &self.singular_values
    }

    /// sigma_1.
    pub fn spectral_norm(&self) -> f64 {
        self.singular_values.first().copied().unwrap_or(0.0)
    }

    /// Root of the sum of squared entries, summed in f64 from the entries themselves.
    pub fn frobenius_norm(&self) -> f64 {
        self.frobenius_norm
    }

    /// Singular values below this are rounding: a few `sqrt(eps) sigma_1` (5e-8 sigma_1 in f64, 1.5e-3 in
    /// f32, for 4096 columns), since they are roots of the eigenvalues of the Gram matrix.
    pub fn resolution(&self) -> f64 {
        self.resolution
    }

    /// How many singular values are above [`Self::resolution`].
    pub fn resolved_count(&self) -> usize {
        self.singular_values
            .partition_point(|value| *value > self.resolution)
    }

    /// lambda = sigma^2, descending.
    pub fn eigenvalues(&self) -> Vec<f64> {
        self.singular_values
            .iter()
            .map(|value| value * value)
            .collect()
    }

    /// The eigenvalues that are not rounding, descending.
    pub fn resolved_eigenvalues(&self) -> Vec<f64> {
        let mut eigenvalues = self.eigenvalues();
        eigenvalues.truncate(self.resolved_count());
        eigenvalues
    }

    /// Power law of the upper tail, the cut chosen by the smallest Kolmogorov-Smirnov distance.
    pub fn fit_tail(&self, estimator: &Estimator) -> Result<TailFit, Reason> {
        TailFit::search(&self.resolved_eigenvalues(), estimator.min_tail)
    }

    /// Power law of the `tail_count` largest eigenvalues; see [`tail::fit_at_tail_count`].
    pub fn fit_at_tail_count(&self, tail_count: usize) -> Result<TailFit, Reason> {
        tail::fit_at_tail_count(&self.resolved_eigenvalues(), tail_count)
    }
}

/// The smallest singular value that the Gram matrix of a matrix with sigma_1 = `largest` shows.
pub(super) fn resolution(largest: f64, longer_side: usize, arithmetic: Arithmetic) -> f64 {
    let units = RESOLUTION_OFFSET + RESOLUTION_SLOPE * (longer_side as f64).sqrt();
    largest * (units * arithmetic.epsilon()).sqrt()
}
