//! The leading singular directions of a matrix, and what is measured on them alone.
//!
//! Small matrices are decomposed by LAPACK, large ones by Lanczos, whose result is checked twice: by the
//! residual of each vector, and against the singular values of the full spectrum, so that no direction
//! was missed. Where a check fails, LAPACK decides.
//!
//! A direction is known no better than residual / gap, the gap being the distance of its eigenvalue to the
//! next one. Equal singular values have no directions of their own: then there is a reason and no number.

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

use super::blas::Product;
use super::error::SpectrumError;
use super::lanczos::{self, GramOperator};
use super::lapack::{Gram, Real};
use super::lazy::LazyMatrix;
use super::matrix::{Arithmetic, Matrix};
use super::singular::Spectrum;
use crate::num::{self, Measured};

/// Directions looked at by every metric that has "top" in its definition.
pub const LEADING_DIRECTIONS: usize = 10;

/// Shorter side from which Lanczos is faster than LAPACK's selected eigenvectors. One thread, seconds for
/// LAPACK against Lanczos, f64: 384 0.03/0.02, 512 0.03/0.02, 768 0.14/0.04, 1024 0.23/0.06; pure noise,
/// whose edge is crowded: 0.02/0.02, 0.06/0.05, 0.12/0.10, 0.26/0.16.
pub(super) const LANCZOS_FROM: usize = 512;

pub(super) const MOST_STEPS: usize = 500;
/// Trained layers settle in some fifty steps; noise of the same size does not in hundreds.
const FEW_STEPS: usize = 80;

/// How much the leading directions are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// A few Lanczos steps; where they do not settle, as on the edge of a bulk of noise, the directions
    /// are [`SpectrumError::NotConverged`].
    Bounded,
    /// Whatever it takes, a full decomposition with vectors if need be.
    Exact,
}

/// Largest sine of the angle between a direction and the truth at which it is still used; it moves
/// `subspace_overlap` of ten directions by at most 0.01.
const LARGEST_ANGLE: f64 = 0.05;

/// Leading singular triplets.
#[derive(Debug, Clone, PartialEq)]
pub struct Leading {
    shape: (usize, usize),
    singular_values: Vec<f64>,
    left: Array2<f64>,
    right: Array2<f64>,
    /// Of the eigenvalue problem, over lambda_1.
    residual: f64,
    /// For each direction the distance of its eigenvalue to the nearest other one, over lambda_1.
    gaps: Vec<f64>,
    /// Distance between the last of these eigenvalues and the one after it, over lambda_1.
    separation: f64,
}

impl Leading {
    /// Rows and columns of the matrix.
    pub fn shape(&self) -> (usize, usize) {
        self.shape
    }

    /// Descending; fewer than asked for where the matrix has a lower rank.
    pub fn singular_values(&self) -> &[f64] {
        &self.singular_values
    }

    /// One unit vector of length `rows` a row.
    pub fn left(&self) -> ArrayView2<'_, f64> {
        self.left.view()
    }

    /// One unit vector of length `cols` a row.
    pub fn right(&self) -> ArrayView2<'_, f64> {
        self.right.view()
    }

    /// Largest |A v - lambda v| / lambda_1 over the directions, A being the Gram matrix of the shorter side.
    pub fn residual(&self) -> f64 {
        self.residual
    }

    /// Bound on the sine of the angle between these directions' space and the true one.
    pub fn space_angle(&self) -> f64 {
        angle(self.residual, self.separation)
    }

    /// Bound on the sine of the angle of each direction.
    pub fn angles(&self) -> impl Iterator<Item = f64> + '_ {
        self.gaps.iter().map(|gap| angle(self.residual, *gap))
    }
}

/// 1 where nothing is known, which a NaN is part of.
fn angle(residual: f64, gap: f64) -> f64 {
    if gap > residual { residual / gap } else { 1.0 }
}

/// The `count` leading singular triplets, without those below the resolution; `spectrum` is that of
/// the same matrix.
///
/// # Errors
/// If the shapes differ, the matrix cannot be decomposed, or a bounded effort did not suffice.
pub fn leading(
    matrix: &LazyMatrix<'_>,
    spectrum: &Spectrum,
    count: usize,
    effort: Effort,
) -> Result<Leading, SpectrumError> {
    if matrix.shorter_side() < LANCZOS_FROM {
        return by_lapack(matrix.get()?, spectrum, count);
    }
    match effort {
        Effort::Bounded if expected_steps(matrix, spectrum, count) > FEW_STEPS as f64 => {
            let (rows, cols) = matrix.shape();
            Err(SpectrumError::NotConverged {
                rows,
                cols,
                steps: 0,
            })
        }
        Effort::Bounded => by_lanczos(matrix.get()?, spectrum, count, FEW_STEPS),
        Effort::Exact => {
            let matrix = matrix.get()?;
            match by_lanczos(matrix, spectrum, count, MOST_STEPS) {
                Err(SpectrumError::NotConverged { .. }) => by_lapack(matrix, spectrum, count),
                decided => decided,
            }
        }
    }
}

/// Lanczos steps until the `count`-th direction has settled: its error falls by `exp(-2 sqrt(gap))` a step,
/// with the gap to the next eigenvalue relative to the spread of the rest (Kaniel 1966, Saad 1980).
fn expected_steps(matrix: &LazyMatrix<'_>, spectrum: &Spectrum, count: usize) -> f64 {
    let eigenvalues = spectrum.eigenvalues();
    let (Some(last), Some(next), Some(least)) = (
        count
            .checked_sub(1)
            .and_then(|index| eigenvalues.get(index)),
        eigenvalues.get(count),
        eigenvalues.last(),
    ) else {
        // No more eigenvalues than directions: the space is exhausted.
        return 0.0;
    };
    let gap = (last - next) / (next - least);
    let decades = (2.0 / tolerance(matrix.arithmetic())).ln();
    if gap > 0.0 {
        decades / (2.0 * gap.sqrt())
    } else {
        f64::INFINITY
    }
}

pub(super) fn by_lapack(
    matrix: &Matrix,
    spectrum: &Spectrum,
    count: usize,
) -> Result<Leading, SpectrumError> {
    match matrix {
        Matrix::F64(entries) => selected(&entries.view(), spectrum, count),
        Matrix::F32(entries) => selected(&entries.view(), spectrum, count),
    }
}

/// # Errors
/// [`SpectrumError::NotConverged`] also where the values found are not the leading ones.
pub(super) fn by_lanczos(
    matrix: &Matrix,
    spectrum: &Spectrum,
    count: usize,
    most_steps: usize,
) -> Result<Leading, SpectrumError> {
    match matrix {
        Matrix::F64(entries) => iterated(&entries.view(), spectrum, count, most_steps),
        Matrix::F32(entries) => iterated(&entries.view(), spectrum, count, most_steps),
    }
}

fn tolerance(arithmetic: Arithmetic) -> f64 {
    match arithmetic {
        Arithmetic::F64 => 1e-10,
        Arithmetic::F32 => 2e-6,
    }
}

fn iterated<T: Product>(
    matrix: &ArrayView2<'_, T>,
    spectrum: &Spectrum,
    count: usize,
    most_steps: usize,
) -> Result<Leading, SpectrumError> {
    check_shape(matrix.dim(), spectrum)?;
    let count = count.min(spectrum.resolved_count());
    let operator = GramOperator::of(matrix)?;
    if count == 0 {
        let none = Array2::zeros((0, operator.side()));
        return Ok(assembled(&operator, spectrum, &none, 0.0));
    }
    let tolerance = tolerance(T::ARITHMETIC);
    let found = lanczos::leading_pairs(&operator, count, tolerance, most_steps)?;
    let largest = found.values[0];
    let scale = spectrum.spectral_norm();
    let rounding = rounding(spectrum);
    let missed = found
        .values
        .iter()
        .zip(spectrum.singular_values())
        .any(|(value, exact)| {
            let difference = (value / largest - (exact / scale).powi(2)).abs();
            // Written so that a NaN counts as missed.
            let close = difference <= tolerance + 2.0 * rounding;
            !close
        });
    if missed || found.values.len() < count {
        let (rows, cols) = matrix.dim();
        let steps = MOST_STEPS;
        return Err(SpectrumError::NotConverged { rows, cols, steps });
    }
    let residual = found.residual / largest;
    Ok(assembled(&operator, spectrum, &found.vectors, residual))
}

fn selected<T: Product>(
    matrix: &ArrayView2<'_, T>,
    spectrum: &Spectrum,
    count: usize,
) -> Result<Leading, SpectrumError> {
    check_shape(matrix.dim(), spectrum)?;
    let count = count.min(spectrum.resolved_count());
    let operator = GramOperator::of(matrix)?;
    let mut vectors = Gram::of(matrix)?.top_pairs(count.max(1))?.vectors;
    vectors.slice_axis_inplace(Axis(0), ndarray::Slice::from(..count));
    let vectors = vectors.as_standard_layout().into_owned();
    Ok(assembled(&operator, spectrum, &vectors, 0.0))
}

fn check_shape(found: (usize, usize), spectrum: &Spectrum) -> Result<(), SpectrumError> {
    let base = (spectrum.rows(), spectrum.cols());
    if base == found {
        Ok(())
    } else {
        Err(SpectrumError::ShapeMismatch { base, tuned: found })
    }
}

/// Error of an eigenvalue of the rounded Gram matrix, over lambda_1.
fn rounding(spectrum: &Spectrum) -> f64 {
    let largest = spectrum.spectral_norm();
    if largest > 0.0 {
        (spectrum.resolution() / largest).powi(2)
    } else {
        0.0
    }
}

/// The triplets of unit vectors on the shorter side.
fn assembled<T: Product>(
    operator: &GramOperator<'_, T>,
    spectrum: &Spectrum,
    vectors: &Array2<T>,
    residual: f64,
) -> Leading {
    let count = vectors.nrows();
    let singular_values = spectrum.singular_values()[..count].to_vec();
    let short = normalised(vectors);
    let long = normalised(&operator.across(&vectors.view()));
    let (left, right) = if operator.is_wide() {
        (short, long)
    } else {
        (long, short)
    };
    let largest = spectrum.spectral_norm();
    let at = |index: usize| {
        let value = spectrum.singular_values().get(index).copied();
        value.map_or(0.0, |value| (value / largest).powi(2))
    };
    let gaps = (0..count)
        .map(|index| {
            let below = at(index) - at(index + 1);
            if index == 0 {
                below
            } else {
                num::min(below, at(index - 1) - at(index))
            }
        })
        .collect();
    Leading {
        shape: operator.shape(),
        singular_values,
        left,
        right,
        residual: num::max(residual, rounding(spectrum)),
        gaps,
        separation: if count == 0 {
            0.0
        } else {
            at(count - 1) - at(count)
        },
    }
}

fn normalised<T: Real>(vectors: &Array2<T>) -> Array2<f64> {
    let mut unit = vectors.mapv(Into::into);
    for mut row in unit.rows_mut() {
        let length: f64 = row.iter().map(|entry| entry * entry).sum::<f64>().sqrt();
        row.mapv_inplace(|entry| entry / length);
    }
    unit
}

/// The metric `participation_ratio`: the mean over the leading right singular vectors v (of length
/// n) of 1 / (n sum v^4), from 1/n (one column carries all) to 1 (all columns equally).
/// A random direction has n / (3 n) = 1/3.
pub fn participation_ratio(leading: &Leading) -> Measured {
    if leading.singular_values.is_empty() {
        return Measured::not_applicable("all entries are zero");
    }
    if let Some(index) = leading.angles().position(|angle| angle > LARGEST_ANGLE) {
        let index = index + 1;
        return Measured::not_applicable(format!(
            "singular value {index} is too close to another one for its direction to be determined"
        ));
    }
    let ratio = |vector: ArrayView1<'_, f64>| {
        let fourth: f64 = vector.iter().map(|entry| entry.powi(4)).sum();
        1.0 / (vector.len() as f64 * fourth)
    };
    let ratios: Vec<f64> = leading.right.rows().into_iter().map(ratio).collect();
    Measured::of(ratios.iter().sum::<f64>() / ratios.len() as f64)
}

/// The metric `subspace_overlap`: |U0' U|_F^2 / k with the k leading left singular vectors of either side
/// as columns of U0 and U. From 0 (orthogonal) to 1 (the same space); two random spaces have k / rows.
/// Source: Hu et al. 2021 (LoRA), section 7.2, where it is called phi.
pub fn subspace_overlap(base: &Leading, tuned: &Leading) -> Measured {
    if base.shape != tuned.shape {
        let (base, tuned) = (base.shape, tuned.shape);
        return Measured::failed(SpectrumError::ShapeMismatch { base, tuned }.to_string());
    }
    let count = base.left.nrows().min(tuned.left.nrows());
    let rows = base.shape.0;
    if count == 0 {
        return Measured::not_applicable("one side is all zero");
    }
    if count == rows {
        return Measured::not_applicable(format!("the {count} directions fill the whole space"));
    }
    for (name, side) in [("base", base), ("tuned", tuned)] {
        if side.space_angle() > LARGEST_ANGLE {
            let (last, next) = (side.left.nrows(), side.left.nrows() + 1);
            return Measured::not_applicable(format!(
                "{name}: singular values {last} and {next} are too close to tell the leading \
                 directions from the rest"
            ));
        }
    }
    let products = base.left.dot(&tuned.left.t());
    let overlap = products
        .iter()
        .map(|product| product * product)
        .sum::<f64>()
        / count as f64;
    // Rounding of unit vectors only.
    Measured::of(num::min(overlap, 1.0))
}
