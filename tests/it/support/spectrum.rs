//! Matrices with a chosen spectrum.

use super::random::Random;

/// The spectrum of a layer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Spectrum {
    /// Independent normal entries.
    Gaussian,
    /// Eigenvalues at the quantiles of a Pareto law with this density exponent.
    PowerLaw(f64),
    /// A power law whose last singular values are zero: of this rank.
    Rank(usize),
}

/// A row-major matrix whose entries have the rms `1 / sqrt(cols)`: rows of length one.
pub(crate) fn matrix(random: &mut Random, shape: [usize; 2], spectrum: Spectrum) -> Vec<f64> {
    let [rows, cols] = shape;
    let mut values = match spectrum {
        Spectrum::Gaussian => random.gaussians(rows * cols),
        Spectrum::PowerLaw(alpha) => {
            let count = rows.min(cols);
            product(random, shape, &power_law(count, alpha))
        }
        Spectrum::Rank(rank) => product(random, shape, &power_law(rank, 3.0)),
    };
    let norm = norm(&values);
    let wanted = (rows as f64).sqrt();
    for value in &mut values {
        *value *= wanted / norm;
    }
    values
}

pub(crate) fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// Singular values whose squares are at the quantiles of the law.
fn power_law(count: usize, alpha: f64) -> Vec<f64> {
    (0..count)
        .map(|rank| {
            let share = (rank as f64 + 0.5) / count as f64;
            share.powf(-0.5 / (alpha - 1.0))
        })
        .collect()
}

/// U diag(s) V' with random orthonormal U and V.
fn product(random: &mut Random, [rows, cols]: [usize; 2], singular: &[f64]) -> Vec<f64> {
    let left = orthonormal(random, singular.len(), rows);
    let right = orthonormal(random, singular.len(), cols);
    let mut values = vec![0.0; rows * cols];
    for ((left, right), size) in left.iter().zip(&right).zip(singular) {
        for (row, factor) in values.chunks_exact_mut(cols).zip(left) {
            add_scaled(row, right, factor * size);
        }
    }
    values
}

/// `count` orthonormal vectors by modified Gram-Schmidt.
fn orthonormal(random: &mut Random, count: usize, length: usize) -> Vec<Vec<f64>> {
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    for _ in 0..count {
        let mut vector = random.gaussians(length);
        for earlier in &basis {
            let overlap: f64 = earlier.iter().zip(&vector).map(|(a, b)| a * b).sum();
            add_scaled(&mut vector, earlier, -overlap);
        }
        let length = norm(&vector);
        for value in &mut vector {
            *value /= length;
        }
        basis.push(vector);
    }
    basis
}

fn add_scaled(target: &mut [f64], source: &[f64], factor: f64) {
    for (target, source) in target.iter_mut().zip(source) {
        *target += factor * source;
    }
}
