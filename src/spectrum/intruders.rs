//! Intruder dimensions: leading directions of the tuned matrix that the base does not have.
//!
//! With orientation `[out, in]` and left singular vectors u (of length out): u_j of the tuned matrix,
//! j = 1..k, is an intruder if no left singular vector of the base has an absolute cosine with it of
//! eps or more (Shuttleworth et al., arXiv:2410.21228: k = 10, eps = 0.5). Which share of the energy of
//! the k directions the intruders carry says more than their number.
//!
//! Vectors come from the Gram matrix of the shorter side. For a tall matrix these are right singular
//! vectors v, and `u0_i . u = v0_i . (W0' u) / sigma_i`, so the left ones are never formed.

use ndarray::{Array2, ArrayView2, Axis};

use super::alignment;
use super::blas::Product as _;
use super::error::SpectrumError;
use super::lapack::{Gram, Real};
use super::leading::Leading;
use super::matrix::Matrix;
use super::singular::{Spectrum, resolution};

/// Shorter side from which bounds are cheaper than all vectors of the base. One thread, seconds for
/// vectors against bounds: f64 512 0.09/0.04, 768 0.22/0.08, 1024 0.69/0.10; f32 4096 30/0.9.
const BOUNDS_FROM: usize = 512;

/// How many of the leading directions are new.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Intruders {
    pub count: usize,
    /// Directions looked at: k, or fewer if the tuned matrix has a lower rank.
    pub examined: usize,
    /// Sum of sigma^2 over the intruders by that over the directions examined; 0 if there are none.
    pub energy_share: f64,
}

impl Intruders {
    /// From the singular values of the directions, and whether each lies along one of the base's.
    fn among(singular_values: &[f64], aligned: impl Iterator<Item = bool>) -> Self {
        let (mut count, mut energy, mut total) = (0, 0.0, 0.0);
        let largest = singular_values.first().copied().unwrap_or(1.0);
        for (value, aligned) in singular_values.iter().zip(aligned) {
            let share = (value / largest).powi(2);
            total += share;
            if !aligned {
                count += 1;
                energy += share;
            }
        }
        Self {
            count,
            examined: singular_values.len(),
            energy_share: if total > 0.0 { energy / total } else { 0.0 },
        }
    }
}

/// The intruders among directions that are already known. Large bases are not decomposed: see
/// `super::alignment`; a direction that its bounds leave open is compared with all of the base's.
///
/// # Errors
/// If the shapes differ, or the base cannot be decomposed.
pub fn intruders_among(
    base: &Matrix,
    spectrum: &Spectrum,
    tuned: &Leading,
    least_cosine: f64,
) -> Result<Intruders, SpectrumError> {
    if base.shape() != tuned.shape() {
        let (base, tuned) = (base.shape(), tuned.shape());
        return Err(SpectrumError::ShapeMismatch { base, tuned });
    }
    let mut decisions = vec![None; tuned.singular_values().len()];
    if base.shorter_side() >= BOUNDS_FROM {
        decisions = bounded(base, spectrum, tuned, least_cosine)?;
    }
    if decisions.contains(&None) {
        let exact = LeftBasis::of(base)?.aligned(&tuned.left(), least_cosine);
        for (decision, exact) in decisions.iter_mut().zip(exact) {
            *decision = decision.or(Some(exact));
        }
    }
    let aligned = decisions.into_iter().map(|decision| decision == Some(true));
    Ok(Intruders::among(tuned.singular_values(), aligned))
}

/// Which directions lie along one of the base's, where bounds decide it.
pub(super) fn bounded(
    base: &Matrix,
    spectrum: &Spectrum,
    tuned: &Leading,
    least_cosine: f64,
) -> Result<Vec<Option<bool>>, SpectrumError> {
    match base {
        Matrix::F64(base) => {
            alignment::aligned(&base.view(), spectrum, &tuned.left(), least_cosine)
        }
        Matrix::F32(base) => {
            alignment::aligned(&base.view(), spectrum, &tuned.left(), least_cosine)
        }
    }
}

/// All left singular vectors of a base matrix that its arithmetic resolves, to be compared with any
/// number of tuned matrices. Cost: an eigendecomposition with vectors (about 9 M^3 flops).
#[derive(Debug)]
pub struct LeftBasis<'a>(Basis<'a>);

#[derive(Debug)]
enum Basis<'a> {
    F64(Directions<'a, f64>),
    F32(Directions<'a, f32>),
}

#[derive(Debug)]
struct Directions<'a, T> {
    matrix: ArrayView2<'a, T>,
    singular_values: Vec<f64>,
    /// Row i belongs to `singular_values[i]`; left vectors of a wide matrix, right ones of a tall one.
    vectors: Array2<T>,
}

impl<'a> LeftBasis<'a> {
    pub fn of(base: &'a Matrix) -> Result<Self, SpectrumError> {
        Ok(Self(match base {
            Matrix::F64(entries) => Basis::F64(Directions::of(&entries.view())?),
            Matrix::F32(entries) => Basis::F32(Directions::of(&entries.view())?),
        }))
    }

    /// Whether each row of `left` has an absolute cosine of at least `least_cosine` to one of them.
    pub(super) fn aligned(&self, left: &ArrayView2<'_, f64>, least_cosine: f64) -> Vec<bool> {
        let cosines = match &self.0 {
            Basis::F64(base) => base.largest_cosines(&left.t().to_owned()),
            Basis::F32(base) => base.largest_cosines(&left.t().mapv(f32::from_f64)),
        };
        let aligned = |cosine: f64| cosine >= least_cosine;
        cosines.into_iter().map(aligned).collect()
    }

    /// Looks at the `leading` first left singular vectors of `tuned`, in the base's arithmetic.
    ///
    /// # Errors
    /// If the shapes differ, or `tuned` cannot be decomposed.
    pub fn intruders(
        &self,
        tuned: &Matrix,
        leading: usize,
        least_cosine: f64,
    ) -> Result<Intruders, SpectrumError> {
        match (&self.0, tuned) {
            (Basis::F64(base), Matrix::F64(tuned)) => {
                base.intruders(&tuned.view(), leading, least_cosine)
            }
            (Basis::F32(base), Matrix::F32(tuned)) => {
                base.intruders(&tuned.view(), leading, least_cosine)
            }
            (Basis::F64(base), Matrix::F32(tuned)) => {
                base.intruders(&tuned.mapv(f64::from).view(), leading, least_cosine)
            }
            (Basis::F32(base), Matrix::F64(tuned)) => {
                #[expect(clippy::cast_possible_truncation, reason = "rounded to f32 on purpose")]
                let tuned = tuned.mapv(|entry| entry as f32);
                base.intruders(&tuned.view(), leading, least_cosine)
            }
        }
    }
}

/// The intruders of one pair; see [`LeftBasis`] to keep the base's decomposition.
pub fn intruders(
    base: &Matrix,
    tuned: &Matrix,
    leading: usize,
    least_cosine: f64,
) -> Result<Intruders, SpectrumError> {
    LeftBasis::of(base)?.intruders(tuned, leading, least_cosine)
}

impl<'a, T: Real> Directions<'a, T> {
    fn of(matrix: &ArrayView2<'a, T>) -> Result<Self, SpectrumError> {
        let pairs = Gram::of(matrix)?.pairs()?;
        let mut singular_values = pairs.singular_values;
        let rank = resolved_count(matrix, &singular_values);
        singular_values.truncate(rank);
        let mut vectors = pairs.vectors;
        vectors.slice_axis_inplace(Axis(0), ndarray::Slice::from(..rank));
        Ok(Self {
            matrix: *matrix,
            singular_values,
            vectors,
        })
    }

    fn intruders(
        &self,
        tuned: &ArrayView2<'_, T>,
        leading: usize,
        least_cosine: f64,
    ) -> Result<Intruders, SpectrumError> {
        if self.matrix.dim() != tuned.dim() {
            return Err(SpectrumError::ShapeMismatch {
                base: self.matrix.dim(),
                tuned: tuned.dim(),
            });
        }
        let (singular_values, vectors) = leading_left_vectors(tuned, leading)?;
        let cosines = self.largest_cosines(&vectors);
        let aligned = cosines.into_iter().map(|cosine| cosine >= least_cosine);
        Ok(Intruders::among(&singular_values, aligned))
    }

    /// For each column of `vectors` (out x k) the largest absolute cosine with a direction of the base.
    fn largest_cosines(&self, vectors: &Array2<T>) -> Vec<f64> {
        let (out, inner) = self.matrix.dim();
        let products = if out <= inner {
            self.vectors.dot(vectors)
        } else {
            self.vectors.dot(&self.matrix.t().dot(vectors))
        };
        let cosine = |(product, singular_value): (&T, &f64)| {
            let product: f64 = (*product).into();
            if out <= inner {
                product.abs()
            } else {
                product.abs() / singular_value
            }
        };
        let largest = |column: ndarray::ArrayView1<'_, T>| {
            column
                .iter()
                .zip(&self.singular_values)
                .map(cosine)
                .fold(0.0, crate::num::max)
        };
        products.axis_iter(Axis(1)).map(largest).collect()
    }
}

/// Up to `leading` singular values above the resolution, and their left vectors as columns.
fn leading_left_vectors<T: Real>(
    matrix: &ArrayView2<'_, T>,
    leading: usize,
) -> Result<(Vec<f64>, Array2<T>), SpectrumError> {
    let (out, inner) = matrix.dim();
    let pairs = Gram::of(matrix)?.top_pairs(leading.max(1))?;
    let mut singular_values = pairs.singular_values;
    singular_values.truncate(leading);
    let rank = resolved_count(matrix, &singular_values);
    singular_values.truncate(rank);
    let mut vectors = pairs.vectors;
    vectors.slice_axis_inplace(Axis(0), ndarray::Slice::from(..rank));
    let mut left = if out <= inner {
        vectors.t().to_owned()
    } else {
        matrix.dot(&vectors.t())
    };
    for mut column in left.axis_iter_mut(Axis(1)) {
        let length = column
            .iter()
            .fold(T::zero(), |sum, entry| sum + *entry * *entry)
            .sqrt();
        column.mapv_inplace(|entry| entry / length);
    }
    Ok((singular_values, left))
}

fn resolved_count<T: Real>(matrix: &ArrayView2<'_, T>, descending: &[f64]) -> usize {
    let largest = descending.first().copied().unwrap_or(0.0);
    let longer_side = matrix.nrows().max(matrix.ncols());
    let least = resolution(largest, longer_side, T::ARITHMETIC);
    descending.partition_point(|value| *value > least)
}
