//! How far a fitted power law may be believed: bias, interval, alternatives and outliers at the top.
//!
//! All of it assumes independent draws. Eigenvalues repel each other, so intervals are too wide and
//! p-values too kind: what they reject is rejected, what they accept is not thereby a power law.

mod alternatives;
mod normal;
mod windows;

#[cfg(test)]
mod tests;

pub use alternatives::{Alternatives, Ratio};
pub use windows::Windows;
pub(super) use windows::windows;

use serde::{Deserialize, Serialize};

use super::estimator::Estimator;
use super::random::SplitMix;
use super::singular::Spectrum;
use super::tail::{TailFit, fit_at_tail_count};
use crate::num;

/// The alpha of a fit must fall by this for what was dropped to be outliers.
const FINGER_FALL: f64 = 1.0;
const MOST_FINGERS: usize = 10;
const INTERVAL_LEVEL: f64 = 0.95;

/// What to work out beside the fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ValidityRequest {
    pub alternatives: bool,
    pub bootstrap: Option<Bootstrap>,
    /// Aspect ratio of windows.
    pub windows: Option<u8>,
}

/// Draws of the bootstrap and the seed of their random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    pub draws: u32,
    pub seed: u64,
}

/// Beside a fitted power law.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Validity {
    /// `1 + (n - 1) / sum ln(x / xmin)`, without the bias of small tails for a cut that is known.
    pub alpha_unbiased: f64,
    /// See [`finger_count`]; on request with the alternatives, since it takes up to ten more fits.
    pub finger_count: Option<usize>,
    pub interval: Option<Interval>,
    pub alternatives: Option<Alternatives>,
    /// Set by who has the matrix.
    pub windows: Option<Windows>,
}

/// Percentile interval of alpha.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
    /// Share of the draws inside.
    pub level: f64,
    /// Draws that gave a fit, of those asked for.
    pub draws: usize,
    pub seed: u64,
}

/// Of the fit to the `tail_count` largest eigenvalues, which a search has found; `None` where they have
/// no fit.
pub fn validity(
    spectrum: &Spectrum,
    tail_count: usize,
    estimator: &Estimator,
    request: ValidityRequest,
) -> Option<Validity> {
    let eigenvalues = spectrum.resolved_eigenvalues();
    let fit = fit_at_tail_count(&eigenvalues, tail_count).ok()?;
    let alternatives = if request.alternatives {
        Alternatives::of(&eigenvalues[..fit.tail_count], fit.alpha)
    } else {
        None
    };
    let count = fit.tail_count as f64;
    Some(Validity {
        alpha_unbiased: 1.0 + (fit.alpha - 1.0) * (count - 1.0) / count,
        finger_count: request
            .alternatives
            .then(|| finger_count(&eigenvalues, &fit, estimator)),
        interval: request
            .bootstrap
            .and_then(|bootstrap| interval(&eigenvalues, &fit, estimator, bootstrap)),
        alternatives,
        windows: None,
    })
}

/// How many of the largest eigenvalues must be dropped, 1 to 10, until alpha, fitted anew, has fallen by
/// 1.0 or more; 0 where none of them does it. Such outliers are called fingers by WeightWatcher
/// (`clip_xmax`).
pub fn finger_count(eigenvalues: &[f64], fit: &TailFit, estimator: &Estimator) -> usize {
    (1..=MOST_FINGERS)
        .find(|dropped| {
            eigenvalues
                .get(*dropped..)
                .and_then(|rest| TailFit::search(rest, estimator.min_tail).ok())
                .is_some_and(|clipped| fit.alpha - clipped.alpha >= FINGER_FALL)
        })
        .unwrap_or(0)
}

/// Draws the tail anew from itself, with replacement, keeps the eigenvalues below it, and fits again, the cut
/// included. Cost: one search a draw. `None` where fewer than half of the draws have a fit.
fn interval(
    eigenvalues: &[f64],
    fit: &TailFit,
    estimator: &Estimator,
    bootstrap: Bootstrap,
) -> Option<Interval> {
    let mut random = SplitMix::of_seed(bootstrap.seed);
    let mut alphas = Vec::new();
    for _ in 0..bootstrap.draws {
        let mut sample = eigenvalues.to_vec();
        for value in &mut sample[..fit.tail_count] {
            *value = eigenvalues[random.below(fit.tail_count)];
        }
        sample[..fit.tail_count].sort_by(|left, right| right.total_cmp(left));
        if let Ok(refitted) = TailFit::search(&sample, estimator.min_tail) {
            alphas.push(refitted.alpha);
        }
    }
    if alphas.is_empty() || 2 * alphas.len() < bootstrap.draws as usize {
        return None;
    }
    alphas.sort_by(f64::total_cmp);
    let outside = (1.0 - INTERVAL_LEVEL) / 2.0;
    Some(Interval {
        low: quantile(&alphas, outside),
        high: quantile(&alphas, 1.0 - outside),
        level: INTERVAL_LEVEL,
        draws: alphas.len(),
        seed: bootstrap.seed,
    })
}

/// Linear between the order statistics of a sorted, non-empty slice.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the length"
    )]
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    let between = num::max(position - below as f64, 0.0);
    sorted[below] + between * (sorted[above] - sorted[below])
}
