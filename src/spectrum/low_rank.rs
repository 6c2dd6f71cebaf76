//! Spectrum of a product `scale B A` of two thin factors, without the product.
//!
//! With `B = Q_b R_b` and `A^T = Q_a R_a` the singular values of B A are those of `R_b R_a^T`, at most
//! r x r. Cost: `2 (out + in) r^2` flops and memory for the two factors in f64, against
//! `out in (r + min(out, in))` for the dense way.

use ndarray::Array2;

use super::error::SpectrumError;
use super::lapack::singular_values_by_svd;
use super::matrix::{Arithmetic, Matrix};
use super::singular::Spectrum;
use crate::num;

/// Singular values of `scale B A` for B (out x r) and A (r x in), exact up to f64 rounding relative to
/// sigma_1. The spectrum has min(out, in) values like that of any other out x in matrix: zeros beyond r.
///
/// # Errors
/// If the inner sides differ, a factor is empty or holds an entry that is not finite, `scale` or the
/// result is not finite, or LAPACK fails.
pub fn low_rank_spectrum(b: &Matrix, a: &Matrix, scale: f64) -> Result<Spectrum, SpectrumError> {
    let (rows, cols) = (b.rows(), a.cols());
    if b.cols() != a.rows() {
        return Err(SpectrumError::ShapeMismatch {
            base: b.shape(),
            tuned: a.shape(),
        });
    }
    for factor in [b, a] {
        check(factor)?;
    }
    let (left, left_unit) = triangle(columns_of(b));
    let (right, right_unit) = triangle(rows_of(a));
    let core = left.dot(&right.t());
    let unit = scale.abs() * left_unit * right_unit;
    let mut singular_values = singular_values_by_svd(&core.view())?;
    for value in &mut singular_values {
        *value *= unit;
    }
    let count = singular_values.iter().filter(|value| !value.is_finite());
    let count = count.count();
    if count > 0 {
        return Err(SpectrumError::NonFinite { rows, cols, count });
    }
    singular_values.truncate(rows.min(cols));
    singular_values.resize(rows.min(cols), 0.0);
    let longer = rows.max(cols) as f64;
    // The error of the decompositions, a few roundings of the largest value.
    let resolution = singular_values[0] * f64::EPSILON * longer.sqrt();
    Ok(Spectrum::from_values(
        (rows, cols),
        Arithmetic::F64,
        singular_values,
        resolution,
    ))
}

fn check(factor: &Matrix) -> Result<(), SpectrumError> {
    let (rows, cols) = factor.shape();
    if rows == 0 || cols == 0 {
        return Err(SpectrumError::Empty { rows, cols });
    }
    let count = factor.entries().filter(|entry| !entry.is_finite()).count();
    if count > 0 {
        return Err(SpectrumError::NonFinite { rows, cols, count });
    }
    Ok(())
}

fn rows_of(matrix: &Matrix) -> Vec<Vec<f64>> {
    let entries: Vec<f64> = matrix.entries().collect();
    entries.chunks(matrix.cols()).map(<[f64]>::to_vec).collect()
}

fn columns_of(matrix: &Matrix) -> Vec<Vec<f64>> {
    let mut columns = vec![Vec::with_capacity(matrix.rows()); matrix.cols()];
    let cols = matrix.cols();
    for (index, entry) in matrix.entries().enumerate() {
        columns[index % cols].push(entry);
    }
    columns
}

/// R of the QR decomposition of the matrix with these columns (Householder reflections), and the
/// number by which it is to be multiplied.
fn triangle(mut columns: Vec<Vec<f64>>) -> (Array2<f64>, f64) {
    let length = columns.first().map_or(0, Vec::len);
    let width = columns.len();
    // With entries up to 1 no square leaves the range of f64.
    let unit = columns
        .iter()
        .flatten()
        .fold(0.0, |largest, entry| num::max(largest, entry.abs()));
    if unit > 0.0 {
        for entry in columns.iter_mut().flatten() {
            *entry /= unit;
        }
    }
    let height = length.min(width);
    for step in 0..height {
        let (done, rest) = columns.split_at_mut(step + 1);
        if let Some(reflector) = reflector(&mut done[step], step) {
            for column in rest {
                reflect(&mut column[step..], &reflector);
            }
        }
    }
    let upper = Array2::from_shape_fn((height, width), |(row, column)| {
        if row <= column {
            columns[column][row]
        } else {
            0.0
        }
    });
    (upper, unit)
}

/// The unit vector whose reflection turns the column from `step` on into a multiple of the first unit vector, which
/// the column then is; `None` where it is zero already.
fn reflector(column: &mut [f64], step: usize) -> Option<Vec<f64>> {
    let part = &mut column[step..];
    let norm = part.iter().map(|entry| entry * entry).sum::<f64>().sqrt();
    if norm <= 0.0 {
        return None;
    }
    // Away from the first entry, so that nothing cancels.
    let target = if part[0] > 0.0 { -norm } else { norm };
    let mut vector = part.to_vec();
    vector[0] -= target;
    let length = vector.iter().map(|entry| entry * entry).sum::<f64>().sqrt();
    for entry in &mut vector {
        *entry /= length;
    }
    part.fill(0.0);
    part[0] = target;
    Some(vector)
}

fn reflect(part: &mut [f64], reflector: &[f64]) {
    let along: f64 = part.iter().zip(reflector).map(|(x, v)| x * v).sum();
    for (entry, direction) in part.iter_mut().zip(reflector) {
        *entry -= 2.0 * along * direction;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spectrum::tests::Random;

    fn compare_with_dense(b: &Array2<f64>, a: &Array2<f64>, scale: f64, tolerance: f64) {
        let found = low_rank_spectrum(&Matrix::F64(b.clone()), &Matrix::F64(a.clone()), scale);
        let found = found.unwrap();
        let product = b.dot(a) * scale;
        let dense = singular_values_by_svd(&product.view()).unwrap();
        assert_eq!(found.singular_values().len(), dense.len());
        for (left, right) in found.singular_values().iter().zip(&dense) {
            assert!(
                (left - right).abs() <= tolerance * dense[0],
                "{left} {right}"
            );
        }
        let norm = product
            .iter()
            .map(|entry| entry * entry)
            .sum::<f64>()
            .sqrt();
        assert!((found.frobenius_norm() / norm - 1.0).abs() <= 1e-12);
    }

    #[test]
    fn a_product_has_the_singular_values_of_its_dense_form() {
        let mut random = Random::new(6);
        for (out, rank, input) in [(90, 8, 60), (40, 8, 120), (6, 9, 50), (50, 9, 6), (5, 1, 7)] {
            let (b, a) = (random.matrix(out, rank), random.matrix(rank, input));
            compare_with_dense(&b, &a, -0.25, 1e-13);
        }
    }

    #[test]
    fn factors_without_full_rank_and_extreme_sizes_are_exact() {
        let mut random = Random::new(8);
        let mut b = random.matrix(40, 4);
        let first = b.column(0).to_owned();
        b.column_mut(1).assign(&first);
        b.column_mut(2).fill(0.0);
        let a = random.matrix(4, 30);
        compare_with_dense(&b, &a, 2.0, 1e-13);
        let (large, small) = (Matrix::F64(&b * 1e200), Matrix::F64(&a * 1e-200));
        let found = low_rank_spectrum(&large, &small, 2.0).unwrap();
        let plain = low_rank_spectrum(&Matrix::F64(b), &Matrix::F64(a), 2.0).unwrap();
        assert!((found.spectral_norm() / plain.spectral_norm() - 1.0).abs() <= 1e-12);
        assert_eq!(plain.resolved_count(), 2);
    }

    #[test]
    fn a_zero_factor_gives_zeros() {
        let b = Matrix::F64(Array2::zeros((12, 3)));
        let a = Matrix::F64(Random::new(1).matrix(3, 9));
        let found = low_rank_spectrum(&b, &a, 1.0).unwrap();
        assert_eq!(found.singular_values(), [0.0; 9]);
        assert!(found.frobenius_norm().abs() <= 0.0);
    }

    #[test]
    fn factors_that_do_not_fit_or_are_not_finite_are_refused() {
        let mut random = Random::new(2);
        let b = Matrix::F64(random.matrix(5, 3));
        let a = Matrix::F64(random.matrix(4, 6));
        assert!(matches!(
            low_rank_spectrum(&b, &a, 1.0),
            Err(SpectrumError::ShapeMismatch { .. })
        ));
        let mut broken = random.matrix(3, 6);
        broken[[1, 1]] = f64::NAN;
        assert!(matches!(
            low_rank_spectrum(&b, &Matrix::F64(broken), 1.0),
            Err(SpectrumError::NonFinite { count: 1, .. })
        ));
        let a = Matrix::F64(random.matrix(3, 6));
        assert!(low_rank_spectrum(&b, &a, f64::NAN).is_err());
        assert!(low_rank_spectrum(&b, &a, f64::INFINITY).is_err());
        let empty = Matrix::F64(Array2::zeros((0, 3)));
        assert!(matches!(
            low_rank_spectrum(&empty, &a, 1.0),
            Err(SpectrumError::Empty { .. })
        ));
    }
}
