//! Lanczos on the Gram matrix of the shorter side, with full reorthogonalisation.
//!
//! The Gram matrix A is never formed: a step multiplies by W and by W' (4 N M flops). After m steps A
//! restricted to the Krylov space is an m x m tridiagonal matrix T = S diag(theta) S'; theta_i are the Ritz
//! values, Q' s_i the Ritz vectors, and |A y_i - theta_i y_i| = beta_m |s_mi| is known without forming
//! them. All vectors are orthogonalised twice against all before, so no value is found twice by
//! rounding. Source: Golub and Van Loan, Matrix Computations, chapter 10.
//!
//! What the method cannot see: a start vector that is orthogonal to an eigenvector, and the second copy
//! of a multiple eigenvalue. Callers that need all leading values compare them with the spectrum.

use ndarray::{Array2, ArrayView2, CowArray, Ix2};

use super::blas::{self, Product};
use super::error::SpectrumError;
use super::lapack::{self, Real};
use super::random::SplitMix;

/// A step whose new direction is this many rounding units of the largest Ritz value has found an
/// invariant space.
const BREAKDOWN: f64 = 30.0;

/// v -> W W' v for a wide W, v -> W' W v for a tall one.
#[derive(Debug)]
pub(super) struct GramOperator<'a, T> {
    matrix: CowArray<'a, T, Ix2>,
    /// W was divided by two to this power, so that squares stay in range.
    exponent: i32,
}

impl<'a, T: Product> GramOperator<'a, T> {
    pub(super) fn of(matrix: &ArrayView2<'a, T>) -> Result<Self, SpectrumError> {
        let (rows, cols) = matrix.dim();
        if rows.min(cols) == 0 {
            return Err(SpectrumError::Empty { rows, cols });
        }
        let exponent = lapack::scaling_exponent(matrix)?;
        let mut matrix = matrix.reborrow().into_standard();
        if exponent != 0 {
            let factor = T::power_of_two(-exponent);
            matrix.mapv_inplace(|entry| entry * factor);
        }
        Ok(Self { matrix, exponent })
    }

    pub(super) fn shape(&self) -> (usize, usize) {
        self.matrix.dim()
    }

    /// Length of the vectors it acts on.
    pub(super) fn side(&self) -> usize {
        let (rows, cols) = self.shape();
        rows.min(cols)
    }

    pub(super) fn is_wide(&self) -> bool {
        let (rows, cols) = self.shape();
        rows <= cols
    }

    /// What a singular value of the scaled matrix is multiplied by.
    pub(super) fn scale(&self) -> f64 {
        f64::power_of_two(self.exponent)
    }

    /// From vectors of the shorter side to those of the longer one, one a row.
    pub(super) fn across(&self, vectors: &ArrayView2<'_, T>) -> Array2<T> {
        blas::product(vectors, &self.matrix.view(), !self.is_wide())
    }

    /// From the longer side to the shorter one.
    pub(super) fn back(&self, vectors: &ArrayView2<'_, T>) -> Array2<T> {
        blas::product(vectors, &self.matrix.view(), self.is_wide())
    }

    pub(super) fn apply(&self, vectors: &ArrayView2<'_, T>) -> Array2<T> {
        self.back(&self.across(vectors).view())
    }
}

trait IntoStandard<'a, T> {
    fn into_standard(self) -> CowArray<'a, T, Ix2>;
}

impl<'a, T: Product> IntoStandard<'a, T> for ArrayView2<'a, T> {
    fn into_standard(self) -> CowArray<'a, T, Ix2> {
        if self.is_standard_layout() {
            self.into()
        } else {
            self.as_standard_layout().into_owned().into()
        }
    }
}

/// One Lanczos recurrence.
#[derive(Debug)]
pub(super) struct Krylov<T> {
    side: usize,
    /// Orthonormal vectors, one after the other; one more than there are steps, unless closed.
    basis: Vec<T>,
    diagonal: Vec<f64>,
    /// beta_1 to beta_m; the last is the length of the direction to come.
    off_diagonal: Vec<f64>,
    /// Nothing is left to add: the Krylov space is invariant.
    closed: bool,
    largest: f64,
}

/// Eigenvalues of T, descending, with the squared first components of their vectors (the weight of the
/// start vector on the Ritz vector) and the residual bounds.
#[derive(Debug)]
pub(super) struct Ritz {
    pub(super) values: Vec<f64>,
    pub(super) weights: Vec<f64>,
    pub(super) residuals: Vec<f64>,
    /// Row i belongs to value i.
    coefficients: Array2<f64>,
}

impl<T: Product> Krylov<T> {
    /// `start` need not have length 1, and must not be zero.
    pub(super) fn from(start: Vec<T>) -> Self {
        let mut krylov = Self {
            side: start.len(),
            basis: start,
            diagonal: Vec::new(),
            off_diagonal: Vec::new(),
            closed: false,
            largest: 0.0,
        };
        let length = length(&krylov.basis);
        if length > 0.0 {
            scale(&mut krylov.basis, 1.0 / length);
        } else {
            krylov.closed = true;
        }
        krylov
    }

    pub(super) fn seeded(side: usize, random: &mut SplitMix) -> Self {
        let start = (0..side).map(|_| T::from_f64(random.symmetric()));
        Self::from(start.collect())
    }

    pub(super) fn steps(&self) -> usize {
        self.diagonal.len()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn diagonal(&self) -> &[f64] {
        &self.diagonal
    }

    pub(super) fn off_diagonal(&self) -> &[f64] {
        &self.off_diagonal
    }

    /// The vector that the operator is to be applied to next.
    pub(super) fn last(&self) -> &[T] {
        &self.basis[self.basis.len() - self.side..]
    }

    /// Takes A times [`Self::last`].
    pub(super) fn extend(&mut self, image: &[T]) {
        let mut image = image.to_vec();
        let projected = self.orthogonalise(&mut image);
        let alpha = projected.last().copied().unwrap_or(0.0);
        let beta = length(&image);
        self.diagonal.push(alpha);
        self.largest = crate::num::max(self.largest, crate::num::max(alpha, beta));
        let least = BREAKDOWN * T::ARITHMETIC.epsilon() * self.largest;
        if beta > least && self.steps() < self.side {
            self.off_diagonal.push(beta);
            scale(&mut image, 1.0 / beta);
            self.basis.extend(image);
        } else {
            self.off_diagonal.push(0.0);
            self.closed = true;
        }
    }

    /// Goes on from a random direction outside the invariant space that was found; false if there is
    /// none.
    pub(super) fn restart(&mut self, random: &mut SplitMix) -> bool {
        if self.steps() >= self.side {
            return false;
        }
        let mut fresh: Vec<T> = (0..self.side)
            .map(|_| T::from_f64(random.symmetric()))
            .collect();
        let before = length(&fresh);
        self.orthogonalise(&mut fresh);
        let after = length(&fresh);
        // All of a space, but for rounding.
        if after <= before * T::ARITHMETIC.epsilon() * self.side as f64 {
            return false;
        }
        scale(&mut fresh, 1.0 / after);
        self.orthogonalise(&mut fresh);
        let after = length(&fresh);
        scale(&mut fresh, 1.0 / after);
        self.basis.extend(fresh);
        self.closed = false;
        true
    }

    /// Removes what lies along the basis, twice; returns how much that was along each vector.
    fn orthogonalise(&self, vector: &mut [T]) -> Vec<f64> {
        let count = self.basis.len() / self.side;
        let mut removed = vec![0.0; count];
        let Ok(basis) = ArrayView2::from_shape((count, self.side), &self.basis) else {
            return removed;
        };
        for _ in 0..2 {
            let along = match ArrayView2::from_shape((1, self.side), &*vector) {
                Ok(row) => blas::product(&row, &basis, true),
                Err(_) => return removed,
            };
            let part = blas::product(&along.view(), &basis, false);
            for (entry, part) in vector.iter_mut().zip(&part) {
                *entry -= *part;
            }
            for (sum, along) in removed.iter_mut().zip(&along) {
                *sum += (*along).into();
            }
        }
        removed
    }

    pub(super) fn ritz(&self) -> Result<Ritz, SpectrumError> {
        let steps = self.steps();
        let inner = &self.off_diagonal[..steps.saturating_sub(1)];
        let (mut values, mut coefficients) = blas::tridiagonal(&self.diagonal, inner)?;
        values.reverse();
        coefficients.invert_axis(ndarray::Axis(0));
        let beta = self.off_diagonal.last().copied().unwrap_or(0.0);
        let rows = || coefficients.rows().into_iter();
        let weights = rows().map(|row| row[0] * row[0]).collect();
        let residuals = rows().map(|row| beta * row[steps - 1].abs()).collect();
        Ok(Ritz {
            values,
            weights,
            residuals,
            coefficients,
        })
    }

    /// The first `count` Ritz vectors, one a row.
    pub(super) fn vectors(&self, ritz: &Ritz, count: usize) -> Array2<T> {
        let steps = self.steps();
        let count = count.min(steps);
        let basis = self.basis.get(..steps * self.side).unwrap_or_default();
        let coefficients = ritz.coefficients.slice(ndarray::s![..count, ..]);
        let coefficients = coefficients.mapv(T::from_f64);
        match ArrayView2::from_shape((steps, self.side), basis) {
            Ok(basis) => blas::product(&coefficients.view(), &basis, false),
            Err(_) => Array2::zeros((0, self.side)),
        }
    }
}

/// Applies the operator to the last vector of each recurrence that is open, in one pass over the
/// matrix.
pub(super) fn advance<T: Product>(operator: &GramOperator<'_, T>, runs: &mut [&mut Krylov<T>]) {
    let side = operator.side();
    let mut block = Vec::with_capacity(runs.len() * side);
    for run in runs.iter() {
        block.extend_from_slice(run.last());
    }
    let Ok(block) = Array2::from_shape_vec((runs.len(), side), block) else {
        return;
    };
    let images = operator.apply(&block.view());
    for (run, image) in runs.iter_mut().zip(images.rows()) {
        run.extend(image.as_slice().unwrap_or_default());
    }
}

/// Leading eigenpairs of the Gram matrix of `operator`, scaled as it is.
#[derive(Debug)]
pub(super) struct Pairs<T> {
    /// Descending; all that there are, if fewer than asked for.
    pub(super) values: Vec<f64>,
    /// Orthonormal, of the shorter side, one a row.
    pub(super) vectors: Array2<T>,
    /// Largest |A y - theta y|, computed from the vectors themselves.
    pub(super) residual: f64,
}

/// The `count` largest eigenpairs to a residual of `tolerance` times the largest value.
///
/// # Errors
/// [`SpectrumError::NotConverged`] after `most_steps` steps.
pub(super) fn leading_pairs<T: Product>(
    operator: &GramOperator<'_, T>,
    count: usize,
    tolerance: f64,
    most_steps: usize,
) -> Result<Pairs<T>, SpectrumError> {
    let (rows, cols) = operator.shape();
    let side = operator.side();
    let mut random = SplitMix::of_shape(rows, cols, START);
    let mut krylov = Krylov::seeded(side, &mut random);
    let count = count.min(side);
    let most_steps = most_steps.min(side);
    let mut next_check = (3 * count).min(most_steps);
    loop {
        advance(operator, &mut [&mut krylov]);
        let exhausted = krylov.is_closed() && !krylov.restart(&mut random);
        let steps = krylov.steps();
        if steps < next_check && !exhausted {
            continue;
        }
        next_check = later(steps).min(most_steps);
        let ritz = krylov.ritz()?;
        let largest = ritz.values.first().copied().unwrap_or(0.0);
        let small = |residual: &f64| *residual <= tolerance * largest;
        if steps >= count && (exhausted || ritz.residuals.iter().take(count).all(small)) {
            return Ok(finished(operator, &krylov, &ritz, count));
        }
        if exhausted || steps >= most_steps {
            return Err(SpectrumError::NotConverged { rows, cols, steps });
        }
    }
}

fn finished<T: Product>(
    operator: &GramOperator<'_, T>,
    krylov: &Krylov<T>,
    ritz: &Ritz,
    count: usize,
) -> Pairs<T> {
    let vectors = krylov.vectors(ritz, count);
    let images = operator.apply(&vectors.view());
    let values = ritz.values[..count].to_vec();
    let residual = |((image, vector), value): ((_, ndarray::ArrayView1<'_, T>), &f64)| {
        let image: ndarray::ArrayView1<'_, T> = image;
        let squares = image.iter().zip(vector).map(|(image, entry)| {
            let (image, entry): (f64, f64) = ((*image).into(), (*entry).into());
            (image - value * entry).powi(2)
        });
        squares.sum::<f64>().sqrt()
    };
    let rows = images.rows().into_iter().zip(vectors.rows());
    let residual = rows.zip(&values).map(residual).fold(0.0, crate::num::max);
    Pairs {
        values,
        vectors,
        residual,
    }
}

/// Purpose of the stream of random numbers that start vectors come from.
const START: u64 = 0x6c61_6e63_7a6f_7331;

/// When to look at the Ritz values next: their cost grows with the cube of the steps.
pub(super) fn later(steps: usize) -> usize {
    steps + (steps / 4).max(4)
}

fn length<T: Product>(vector: &[T]) -> f64 {
    let squares = vector.iter().map(|entry| {
        let entry: f64 = (*entry).into();
        entry * entry
    });
    squares.sum::<f64>().sqrt()
}

fn scale<T: Product>(vector: &mut [T], factor: f64) {
    let scaled = |entry: T| {
        let entry: f64 = entry.into();
        T::from_f64(entry * factor)
    };
    for entry in vector {
        *entry = scaled(*entry);
    }
}
