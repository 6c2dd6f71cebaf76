//! Whether a direction lies along one singular vector of a matrix, without computing those vectors.
//!
//! Let c_k be the component of a unit vector u along the matrix's singular vector k, lambda_k its
//! eigenvalue. A Lanczos recurrence on the Gram matrix, started at u, knows the measure that puts the
//! weight c_k^2 on lambda_k through its first 2 m moments. With all lambda_k known from the spectrum, that
//! bounds every weight from both sides, long before the recurrence has found all eigenvalues:
//!
//! - above, by the Christoffel function 1 / sum_{j < m} p_j(lambda_k)^2 of the recurrence's orthonormal
//!   polynomials p_j, which no weight exceeds (Szego, Orthogonal Polynomials, section 3.41);
//! - on both sides, once a Ritz vector has converged: its angle to the eigenvector is at most the
//!   residual over the distance to the other eigenvalues (Davis and Kahan 1970).
//!
//! Left vectors of a tall matrix have a part outside the range of W0, which belongs to no singular vector.
//! There the recurrence runs on W0' W0 from W0' u, whose weights are lambda_k c_k^2 / |W0' u|^2: what is
//! outside the range is gone.
//!
//! Eigenvalues that the arithmetic cannot tell apart count as one direction.

use ndarray::{Array2, ArrayView2};

use super::blas::Product;
use super::error::SpectrumError;
use super::lanczos::{self, GramOperator, Krylov, Ritz};
use super::singular::Spectrum;
use crate::num;

/// Steps after which an undecided direction is left to a full decomposition.
const MOST_STEPS: usize = 256;

/// A Ritz vector with a larger sine to its eigenvector says nothing.
const LARGEST_SINE: f64 = 0.5;

/// The eigenvalues of the matrix, and what decides between them.
struct Levels {
    /// All, descending, in the operator's scale.
    eigenvalues: Vec<f64>,
    /// How many of them are not rounding: only those have a direction.
    resolved: usize,
    /// Uncertainty of an eigenvalue.
    rounding: f64,
    /// Weight from which on a direction lies along a singular vector.
    least_weight: f64,
}

/// For each row of `left` (unit vectors of length `rows`): whether some left singular vector of
/// `matrix` has an absolute cosine of at least `least_cosine` to it; `None` where the bounds do not
/// decide.
pub(super) fn aligned<T: Product>(
    matrix: &ArrayView2<'_, T>,
    spectrum: &Spectrum,
    left: &ArrayView2<'_, f64>,
    least_cosine: f64,
) -> Result<Vec<Option<bool>>, SpectrumError> {
    let operator = GramOperator::of(matrix)?;
    let levels = Levels::of(spectrum, operator.scale(), least_cosine);
    let mut decisions = vec![None; left.nrows()];
    if levels.resolved == 0 {
        decisions.fill(Some(false));
        return Ok(decisions);
    }
    let left = left.mapv(T::from_f64);
    let starts = if operator.is_wide() {
        left
    } else {
        operator.back(&left.view())
    };
    let mut runs = runs_from(&starts, operator.is_wide());
    let most_steps = MOST_STEPS.min(operator.side());
    let mut next_check = 16.min(most_steps);
    loop {
        let mut open: Vec<&mut Krylov<T>> = Vec::new();
        for (run, decision) in runs.iter_mut().zip(&decisions) {
            if decision.is_none() && !run.krylov.is_closed() {
                open.push(&mut run.krylov);
            }
        }
        let finished = open.is_empty();
        let steps = open
            .iter()
            .map(|krylov| krylov.steps() + 1)
            .max()
            .unwrap_or(0);
        lanczos::advance(&operator, &mut open);
        if !finished && steps < next_check {
            continue;
        }
        next_check = lanczos::later(steps).min(most_steps);
        for (run, decision) in runs.iter().zip(&mut decisions) {
            if decision.is_none() {
                *decision = levels.decide(run)?;
            }
        }
        if finished || steps >= most_steps {
            return Ok(decisions);
        }
    }
}

struct Run<T> {
    krylov: Krylov<T>,
    /// c_k^2 = weight of the start vector times this, or times this over lambda_k for a tall matrix.
    square: f64,
    over_eigenvalue: bool,
}

fn runs_from<T: Product>(starts: &Array2<T>, wide: bool) -> Vec<Run<T>> {
    let of = |row: ndarray::ArrayView1<'_, T>| {
        let squares = row.iter().map(|entry| {
            let entry: f64 = (*entry).into();
            entry * entry
        });
        let square: f64 = squares.sum();
        Run {
            krylov: Krylov::from(row.to_vec()),
            square,
            over_eigenvalue: !wide,
        }
    };
    starts.rows().into_iter().map(of).collect()
}

impl<T> Run<T> {
    /// What a weight of the start vector is multiplied by to be that of the direction itself.
    fn factor(&self, eigenvalue: f64) -> f64 {
        if self.over_eigenvalue {
            self.square / eigenvalue
        } else {
            1.0
        }
    }
}

impl Levels {
    fn of(spectrum: &Spectrum, scale: f64, least_cosine: f64) -> Self {
        let values = spectrum.singular_values().iter();
        Self {
            eigenvalues: values.map(|value| (value / scale).powi(2)).collect(),
            resolved: spectrum.resolved_count(),
            rounding: (spectrum.resolution() / scale).powi(2),
            least_weight: least_cosine * least_cosine,
        }
    }

    fn decide<T: Product>(&self, run: &Run<T>) -> Result<Option<bool>, SpectrumError> {
        let krylov = &run.krylov;
        if krylov.steps() == 0 {
            // The direction is orthogonal to the range of the matrix.
            return Ok(krylov.is_closed().then_some(false));
        }
        let ritz = krylov.ritz()?;
        // The largest weight that eigenvalue k can have, from a converged Ritz vector.
        let mut most = vec![None; self.resolved];
        for node in 0..ritz.values.len() {
            let Some((index, sine)) = self.nearest(&ritz, node) else {
                continue;
            };
            let weight = num::min(ritz.weights[node], 1.0);
            let (along, across) = (weight.sqrt(), (1.0 - weight).sqrt());
            let cosine = (1.0 - sine * sine).sqrt();
            let factor = run.factor(self.eigenvalues[index]);
            let least = num::max(along * cosine - sine * across, 0.0).powi(2) * factor;
            if least >= self.least_weight {
                return Ok(Some(true));
            }
            most[index] = Some((along + sine * across).powi(2) * factor);
        }
        let below = |(index, most): (usize, &Option<f64>)| match most {
            Some(most) => *most < self.least_weight,
            None => krylov.is_closed() || self.outweighed(run, self.eigenvalues[index]),
        };
        Ok(most.iter().enumerate().all(below).then_some(false))
    }

    /// The eigenvalue that a Ritz value has converged to, and the sine of the angle between the vectors.
    fn nearest(&self, ritz: &Ritz, node: usize) -> Option<(usize, f64)> {
        let value = ritz.values[node];
        let residual = num::max(ritz.residuals[node], self.rounding);
        let after = self.eigenvalues.partition_point(|level| *level > value);
        let candidates = [after.checked_sub(1), Some(after)];
        let index = candidates
            .into_iter()
            .flatten()
            .filter(|index| *index < self.resolved)
            .min_by(|left, right| {
                let distance = |index: &usize| (self.eigenvalues[*index] - value).abs();
                distance(left).total_cmp(&distance(right))
            })?;
        let level = self.eigenvalues[index];
        if (level - value).abs() > 2.0 * residual {
            return None;
        }
        let other = self.distance_to_others(index, value);
        let sine = residual / other;
        (sine <= LARGEST_SINE).then_some((index, sine))
    }

    /// From `value`, which belongs to level `index`, to the next level that is not the same.
    fn distance_to_others(&self, index: usize, value: f64) -> f64 {
        let level = self.eigenvalues[index];
        let apart = |other: &&f64| (**other - level).abs() > 2.0 * self.rounding;
        let above = self.eigenvalues[..index].iter().rev().find(apart);
        let below = self.eigenvalues[index + 1..].iter().find(apart);
        let distance =
            |other: Option<&f64>| other.map_or(f64::INFINITY, |other| (other - value).abs());
        num::min(distance(above), distance(below))
    }

    /// Whether the Christoffel function bounds the weight at `eigenvalue` below the limit.
    fn outweighed<T: Product>(&self, run: &Run<T>, eigenvalue: f64) -> bool {
        let enough = run.factor(eigenvalue) / self.least_weight;
        let krylov = &run.krylov;
        let (mut before, mut now, mut sum) = (0.0, 1.0, 0.0);
        let mut beta_before = 0.0;
        for (alpha, beta) in krylov.diagonal().iter().zip(krylov.off_diagonal()) {
            sum += now * now;
            if sum > enough {
                return true;
            }
            let next = ((eigenvalue - alpha) * now - beta_before * before) / beta;
            (before, now, beta_before) = (now, next, *beta);
        }
        false
    }
}
