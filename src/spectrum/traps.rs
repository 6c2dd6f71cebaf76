//! Correlation traps: eigenvalues that stay outside the noise bulk after all entries are shuffled.
//!
//! Shuffling destroys every correlation, so what still stands out comes from the set of values itself:
//! from their mean, or from a few huge entries. For light-tailed noise of variance s^2 the largest
//! eigenvalue of an N x M matrix follows the Tracy-Widom law of order 1 around
//!
//! ```text
//! mu = (sqrt(N - 1) + sqrt M)^2,  sg = (sqrt(N - 1) + sqrt M) (1 / sqrt(N - 1) + 1 / sqrt M)^(1/3)
//! z  = (lambda_1 / s^2 - mu) / sg
//! ```
//!
//! (Johnstone 2001). A trap is an eigenvalue of the shuffled matrix with z above 4.359, the 99.99 %
//! quantile: a model of a few hundred layers of pure noise rarely shows one. The shuffle is one fixed
//! permutation for each shape, so that both sides of a pair, and every run, see the same one.
//!
//! Which of the two causes it is follows in closed form from the threshold at which a rank-one part
//! leaves the bulk, `s (N M)^(1/4)`: a mean puts `|mean| sqrt(N M)` there, one entry its own size.
//!
//! Where the closed form and the kurtosis of the entries rule a trap out, nothing is shuffled: that is
//! the ordinary large layer, for which a shuffle would cost a third of its whole decomposition.
//!
//! Heavy-tailed entries (a fourth moment that is not finite) make traps by themselves: with Student's
//! t of 3 degrees of freedom every matrix has some. Read them beside `kurtosis`. Huge entries count in s^2
//! too, so that the strongest can hide a weak one.

use ndarray::ArrayView2;

use super::blas::Product;
use super::entries::EntryStatistics;
use super::error::SpectrumError;
use super::lanczos::{self, GramOperator, Krylov, Ritz};
use super::lazy::LazyMatrix;
use super::matrix::Matrix;
use super::random::SplitMix;
use crate::num::{self, Measured};

/// 99.99 % quantile of the Tracy-Widom law of order 1.
pub const TRAP_QUANTILE: f64 = 4.359;

/// The Tracy-Widom law is a poor approximation for smaller sides.
const LEAST_SIDE: usize = 16;

/// The trap_z of two noise matrices that share most of their entries differ by tenths.
const LEAST_RISE: f64 = 3.0;

/// Largest residual at which an eigenvalue counts as known, in units of sg.
const TOLERANCE: f64 = 0.1;

const MOST_STEPS: usize = 256;

/// Causes weaker than this share of their threshold make no trap.
const WEAK_CAUSE: f64 = 0.5;

/// Where the norms of rows scatter less than this (relative, six deviations), heavy tails make no trap:
/// a row leaves the bulk of a square matrix at about twice the mean squared norm.
const SMALL_SCATTER: f64 = 0.5;

/// Purposes of the streams of random numbers.
const SHUFFLE: u64 = 0x7368_7566_666c_6531;
const START: u64 = 0x7472_6170_7374_6131;

/// What the shuffled matrix shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Traps {
    /// The metric `trap_count`.
    pub count: Measured,
    /// The metric `trap_z`: that of the largest eigenvalue.
    pub z: Measured,
    /// z of each trap, descending; empty where they are not known.
    trap_zs: Vec<f64>,
    /// The largest z that the first eigenvalue which is no trap can have.
    next_z: f64,
    /// The two causes in closed form; `None` where all entries are equal.
    pub causes: Option<TrapCauses>,
}

/// Strength of the two shuffle-invariant causes over the threshold of detection: above 1 a trap follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrapCauses {
    /// `|mean| / std (N M)^(1/4)`.
    pub mean: f64,
    /// `max |w - mean| / (std (N M)^(1/4))`.
    pub largest_entry: f64,
}

impl TrapCauses {
    /// Of a matrix with these entries; `None` where all are equal.
    pub fn of(entries: &EntryStatistics) -> Option<Self> {
        // A constant matrix has no kurtosis.
        entries.kurtosis?;
        let root = (entries.count as f64).powf(0.25);
        let largest = num::max(entries.largest - entries.mean, entries.mean - entries.least);
        Some(Self {
            mean: entries.mean.abs() / entries.std * root,
            largest_entry: largest / (entries.std * root),
        })
    }

    /// Whether neither cause, nor the tails of the entries, can put an eigenvalue outside the bulk; then
    /// there is nothing to shuffle for. The squared norm of a row of n entries scatters by
    /// `sqrt((kurtosis + 2) / n)`.
    fn exclude_traps(&self, shorter_side: usize, excess_kurtosis: f64) -> bool {
        let scatter = 6.0 * ((excess_kurtosis + 2.0) / shorter_side as f64).sqrt();
        self.mean <= WEAK_CAUSE && self.largest_entry <= WEAK_CAUSE && scatter <= SMALL_SCATTER
    }
}

/// Shuffles `matrix` and looks at its largest eigenvalues (one copy of the matrix, and up to 256
/// Lanczos steps of 4 N M flops); `entries` are the statistics of the same matrix.
pub fn traps(matrix: &LazyMatrix<'_>, entries: &EntryStatistics) -> Traps {
    let without = |measured: Measured| Traps {
        count: measured.clone(),
        z: measured,
        trap_zs: Vec::new(),
        next_z: f64::INFINITY,
        causes: None,
    };
    if entries.nonfinite_count > 0 {
        let count = entries.nonfinite_count;
        return without(Measured::failed(format!("{count} entries are not finite")));
    }
    if matrix.shorter_side() < LEAST_SIDE {
        return without(Measured::not_applicable(format!(
            "a side of {} is too short for the law of the largest eigenvalue",
            matrix.shorter_side()
        )));
    }
    let Some(causes) = TrapCauses::of(entries) else {
        return without(Measured::not_applicable("all entries are equal"));
    };
    let kurtosis = entries.kurtosis.unwrap_or(f64::INFINITY);
    if causes.exclude_traps(matrix.shorter_side(), kurtosis) {
        return Traps {
            count: Measured::count(0),
            z: Measured::not_applicable(format!(
                "mean and largest entry are at {:.2} and {:.2} of the size that makes a trap",
                causes.mean, causes.largest_entry
            )),
            trap_zs: Vec::new(),
            next_z: TRAP_QUANTILE,
            causes: Some(causes),
        };
    }
    let found = matrix
        .get()
        .and_then(shuffled)
        .and_then(|shuffled| match &shuffled {
            Matrix::F64(shuffled) => outside(&shuffled.view(), entries.std),
            Matrix::F32(shuffled) => outside(&shuffled.view(), entries.std),
        });
    match found {
        Ok(found) => Traps {
            causes: Some(causes),
            ..found
        },
        Err(error) => Traps {
            causes: Some(causes),
            ..without(Measured::failed(error.to_string()))
        },
    }
}

/// The same entries in the fixed random order of this shape.
fn shuffled(matrix: &Matrix) -> Result<Matrix, SpectrumError> {
    let (rows, cols) = matrix.shape();
    let mut random = SplitMix::of_shape(rows, cols, SHUFFLE);
    match matrix {
        Matrix::F64(entries) => {
            let entries = entries.as_standard_layout();
            let entries = entries.as_slice().unwrap_or_default();
            Matrix::from_f64(rows, cols, random.shuffled(entries))
        }
        Matrix::F32(entries) => {
            let entries = entries.as_standard_layout();
            let entries = entries.as_slice().unwrap_or_default();
            Matrix::from_f32(rows, cols, random.shuffled(entries))
        }
    }
}

/// Centre and scale of the largest eigenvalue of noise with a given variance.
#[derive(Debug, Clone, Copy)]
struct NoiseEdge {
    centre: f64,
    scale: f64,
}

impl NoiseEdge {
    fn of((rows, cols): (usize, usize), std: f64) -> Self {
        let (long, short) = (rows.max(cols) as f64, rows.min(cols) as f64);
        let (long, short) = ((long - 1.0).sqrt(), short.sqrt());
        let variance = std * std;
        Self {
            centre: variance * (long + short).powi(2),
            scale: variance * (long + short) * (1.0 / long + 1.0 / short).cbrt(),
        }
    }

    fn z(&self, eigenvalue: f64) -> f64 {
        (eigenvalue - self.centre) / self.scale
    }
}

/// All but the causes.
fn outside<T: Product>(matrix: &ArrayView2<'_, T>, std: f64) -> Result<Traps, SpectrumError> {
    let (rows, cols) = matrix.dim();
    let operator = GramOperator::of(matrix)?;
    let edge = NoiseEdge::of((rows, cols), std / operator.scale());
    let mut random = SplitMix::of_shape(rows, cols, START);
    let mut krylov = Krylov::seeded(operator.side(), &mut random);
    let most_steps = MOST_STEPS.min(operator.side());
    let mut next_check = 24.min(most_steps);
    loop {
        lanczos::advance(&operator, &mut [&mut krylov]);
        let steps = krylov.steps();
        let last = krylov.is_closed() || steps >= most_steps;
        if steps < next_check && !last {
            continue;
        }
        next_check = lanczos::later(steps).min(most_steps);
        let ritz = krylov.ritz()?;
        let (first, count) = known_above(&ritz, &edge);
        if last || first.is_some() && count.is_some() {
            return Ok(settled(&ritz, &edge, (first, count)));
        }
    }
}

/// `z` of the largest eigenvalue and the number of traps, each where the Ritz values settle it.
fn known_above(ritz: &Ritz, edge: &NoiseEdge) -> (Option<f64>, Option<usize>) {
    let settled = |index: &usize| {
        let (value, residual) = (ritz.values[*index], ritz.residuals[*index] / edge.scale);
        residual <= TOLERANCE || edge.z(value) + residual <= TRAP_QUANTILE
    };
    let above = ritz
        .values
        .partition_point(|value| edge.z(*value) > TRAP_QUANTILE);
    let all = (0..=above).filter(|index| *index < ritz.values.len());
    let count = all.clone().all(|index| settled(&index)).then_some(above);
    let first = ritz.residuals[0] <= TOLERANCE * edge.scale;
    (first.then(|| edge.z(ritz.values[0])), count)
}

fn settled(ritz: &Ritz, edge: &NoiseEdge, known: (Option<f64>, Option<usize>)) -> Traps {
    let steps = ritz.values.len();
    let reason = || {
        Measured::not_applicable(format!(
            "the largest eigenvalues of the shuffled matrix were not settled in {steps} steps"
        ))
    };
    let traps = known.1.unwrap_or(0);
    let zs = ritz.values.iter().map(|value| edge.z(*value));
    let next = ritz.values.get(traps).zip(ritz.residuals.get(traps));
    Traps {
        count: known.1.map_or_else(reason, Measured::count),
        z: known.0.map_or_else(reason, Measured::of),
        trap_zs: zs.take(traps).collect(),
        next_z: next.map_or(f64::INFINITY, |(value, residual)| edge.z(value + residual)),
        causes: None,
    }
}

/// The metric `new_traps`: those that the tuned matrix has beyond the base's number, and whose z is by
/// more than 3 (`LEAST_RISE`) above that of the base's first eigenvalue that is no trap; an eigenvalue that
/// crosses the edge by chance is not new.
pub fn new_traps(base: &Traps, tuned: &Traps) -> Measured {
    for (name, traps) in [("base", base), ("tuned", tuned)] {
        if let Some(reason) = traps.count.reason() {
            return Measured::not_applicable(format!("{name}: {reason}"));
        }
    }
    let risen = |z: &&f64| **z - base.next_z > LEAST_RISE;
    let beyond = tuned.trap_zs.iter().skip(base.trap_zs.len());
    Measured::count(beyond.filter(risen).count())
}
