//! One adapted tensor: which multiple of the update is in it.

use crate::checkpoint::Dtype;
use crate::num;

/// The merge is the adapter's if at most this share of its change is missed. Products of factors in
/// bf16 instead of f32 miss 0.01; a scale that is off by a seventh misses 0.02.
const SAME: f64 = 0.02;
/// Another factor explains the change if at most this share of it is left over.
const EXPLAINED: f64 = 0.35;
/// What is missed is only rounding up to this multiple of what two roundings are expected to make, one of
/// the base and one of the sum, if the update fits by a factor that is this near to 1.
const ROUNDED: f64 = 1.5;
const NEAR_ONE: f64 = 0.25;
/// A factor is called by a cause that is this near to it.
pub(super) const NEAR: f64 = 0.1;
/// What became of one adapted tensor.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Replay {
    /// The adapter's update, or nothing that could be told from it.
    Merged,
    NotMerged,
    /// The update times a factor, and where that comes from.
    Scaled {
        factor: f64,
        cause: Option<String>,
    },
    /// The best factor leaves this share of the change.
    Other {
        factor: f64,
        left: f64,
    },
}

/// The entries of one tensor, all of the same count.
pub(super) struct Entries {
    pub(super) before: Vec<f64>,
    pub(super) after: Vec<f64>,
    pub(super) update: Vec<f32>,
    /// Of the tuned tensor.
    pub(super) dtype: Dtype,
}

impl Entries {
    /// With the dtype in which the merge was made, where it was a coarser one: weights merged in bf16
    /// and saved in f32 are all on the grid of bf16.
    pub(super) fn with_true_dtype(self) -> Self {
        let holds_all = |dtype: &Dtype| {
            let mut values = self.after.iter();
            values.all(|value| dtype.round(*value).total_cmp(value).is_eq())
        };
        let coarser = [Dtype::Bf16, Dtype::F16].into_iter();
        let dtype = coarser
            .filter(|dtype| dtype.bits() < self.dtype.bits())
            .find(holds_all);
        Self {
            dtype: dtype.unwrap_or(self.dtype),
            ..self
        }
    }

    pub(super) fn replay(&self, causes: &[(f64, String)]) -> Replay {
        let is_rounded = |value: &f64| self.dtype.round(*value).total_cmp(value).is_eq();
        let same_precision = self.before.iter().all(is_rounded);
        let misfit = |factor: f64| self.least_misfit(factor, same_precision);
        let change = self.change_of_stored();
        let missed = misfit(1.0);
        // What is not finite has facts of its own, and a change that rounding took away shows nothing.
        if !missed.is_finite() || !change.is_finite() || change <= 0.0 || missed <= SAME * change {
            return Replay::Merged;
        }
        let observed = misfit(0.0);
        if observed <= 0.0 {
            return Replay::NotMerged;
        }
        let fitted = self.least_squares();
        // The base as it was merged may have been in higher precision than the one at hand.
        if missed <= ROUNDED * self.rounding() && (fitted - 1.0).abs() <= NEAR_ONE {
            return Replay::Merged;
        }
        let tried = causes.iter().map(|(factor, _)| *factor).chain([fitted]);
        let best = tried
            .filter(|factor| factor.is_finite())
            .map(|factor| (misfit(factor), factor))
            .min_by(|left, right| left.0.total_cmp(&right.0));
        let (left, factor) = best.unwrap_or((missed, 1.0));
        let explained = left <= EXPLAINED * observed;
        if observed <= SAME * change && !explained {
            return Replay::NotMerged;
        }
        // Rounding may leave as much of a correct merge as of any other.
        if missed <= left && missed <= EXPLAINED * observed {
            return Replay::Merged;
        }
        if explained {
            return Replay::Scaled {
                factor,
                cause: cause_of(factor, causes),
            };
        }
        Replay::Other {
            factor: fitted,
            left: left / observed,
        }
    }

    /// The better of both ways to round.
    fn least_misfit(&self, factor: f64, same_precision: bool) -> f64 {
        let late = self.misfit(factor, false);
        if same_precision {
            late
        } else {
            num::min(late, self.misfit(factor, true))
        }
    }

    /// `|W - E(c)|^2`; with `early` the base is rounded before the update is added.
    fn misfit(&self, factor: f64, early: bool) -> f64 {
        let entries = self.before.iter().zip(&self.update).zip(&self.after);
        entries
            .map(|((before, update), after)| {
                let start = if early {
                    self.dtype.round(*before)
                } else {
                    *before
                };
                let merged = self.dtype.round(start + factor * f64::from(*update));
                (after - merged).powi(2)
            })
            .sum()
    }

    /// `|E(1) - E(0)|^2`.
    fn change_of_stored(&self) -> f64 {
        let entries = self.before.iter().zip(&self.update);
        entries
            .map(|(before, update)| {
                let merged = self.dtype.round(before + f64::from(*update));
                (merged - self.dtype.round(*before)).powi(2)
            })
            .sum()
    }

    /// Expected energy of rounding the base and the merged weights.
    fn rounding(&self) -> f64 {
        let squares: f64 = self.after.iter().map(|value| value * value).sum();
        2.0 * self.dtype.rounding_noise().powi(2) * squares
    }

    /// The factor of the update in the observed change, over the entries where the update is at least one step of
    /// the dtype; over all where there is no such entry.
    fn least_squares(&self) -> f64 {
        let step = 2.0_f64.powi(-i32::try_from(self.dtype.mantissa_bits()).unwrap_or(0));
        let over = |least: f64| {
            let (mut dot, mut squares) = (0.0, 0.0);
            let entries = self.before.iter().zip(&self.update).zip(&self.after);
            for ((before, update), after) in entries {
                let update = f64::from(*update);
                if update.abs() >= least * before.abs() {
                    dot += (after - self.dtype.round(*before)) * update;
                    squares += update * update;
                }
            }
            (squares > 0.0).then(|| dot / squares)
        };
        over(step).or_else(|| over(0.0)).unwrap_or(f64::NAN)
    }
}

/// All causes that give about that factor.
fn cause_of(factor: f64, causes: &[(f64, String)]) -> Option<String> {
    let near: Vec<&str> = causes
        .iter()
        .filter(|(usual, _)| (factor / usual - 1.0).abs() <= NEAR)
        .map(|(_, cause)| cause.as_str())
        .collect();
    (!near.is_empty()).then(|| near.join(", or "))
}
