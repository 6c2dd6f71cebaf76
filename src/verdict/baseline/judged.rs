//! Which metrics are held against earlier runs, on which scale, and from which size a difference
//! matters.

use crate::calibrate::Scale;
use crate::spectrum::metric::Metric;

/// How one metric is judged. Sizes are on its scale: on the log scale 0.1 is about a tenth.
#[derive(Debug, PartialEq)]
pub struct Judged {
    pub metric: Metric,
    pub scale: Scale,
    /// Standard deviation of the model's median between good runs of one recipe, as measured and
    /// rounded up: what is assumed before a model's own runs say otherwise. It counts as
    /// `TYPICAL_DF` degrees of freedom.
    pub typical: f64,
    /// A median that moved by less does not warn, or does not fail, however significant.
    pub warn: f64,
    pub fail: f64,
}

/// Runs that the assumed spread counts for.
pub(super) const TYPICAL_DF: f64 = 4.0;
/// Single roles scatter more than the model.
pub(super) const ROLE_FACTOR: f64 = 1.5;
/// A single layer has to move so many times farther than a median to matter.
pub(super) const LAYER_FACTOR: f64 = 2.0;

/// Metrics of the update first: they are what tells recipes apart. `update_rank1_share` is one over
/// `update_stable_rank` and would be the same test again.
pub const JUDGED: &[Judged] = &[
    Judged {
        metric: Metric::RelativeUpdate,
        scale: Scale::Log,
        typical: 0.03,
        warn: 0.10,
        fail: 0.20,
    },
    Judged {
        metric: Metric::UpdateStableRank,
        scale: Scale::Log,
        typical: 0.05,
        warn: 0.15,
        fail: 0.30,
    },
    Judged {
        metric: Metric::UpdateEffectiveRank,
        scale: Scale::Log,
        typical: 0.03,
        warn: 0.10,
        fail: 0.20,
    },
    Judged {
        metric: Metric::SpectralNormRatio,
        scale: Scale::Log,
        typical: 0.003,
        warn: 0.02,
        fail: 0.05,
    },
    Judged {
        metric: Metric::StableRankRatio,
        scale: Scale::Log,
        typical: 0.005,
        warn: 0.02,
        fail: 0.05,
    },
    Judged {
        metric: Metric::AlphaDrift,
        scale: Scale::Identity,
        typical: 0.01,
        warn: 0.03,
        fail: 0.10,
    },
];

impl Judged {
    /// Least standard deviation: numerical jitter, and a hundredth of the value where `typical` is a
    /// twentieth. Without it identical nights would make any difference infinitely surprising.
    pub fn floor(&self) -> f64 {
        self.typical / 5.0
    }
}
