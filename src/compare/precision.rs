//! Quantised sides of a pair: how much of the difference is the error of quantisation, and what is
//! not said of a difference that is not clear of it.

use super::LayerKind;
use super::entries::PairSums;
use super::measure::TensorPair;
use crate::checkpoint::Tensor;
use crate::layer::Part;
use crate::num::{Finite, Measured};
use crate::spectrum::metric::{Metric, MetricTable};
use crate::spectrum::squared_error_of;

/// A difference below this multiple of the expected error is not told from it. Quantisers that let
/// one weight make up for the error of another leave up to about half as much again as rounding to
/// the nearest code, which is what is expected; what is left is a true update of at least the error.
const CLEAR_OF_ERROR: f64 = 2.0;

/// What quantisation moves as much as training does. The leading directions (norm, stable rank, the
/// tail at a frozen count, overlap, intruders) stand far above an error that is spread over all.
const WITHHELD: &[Metric] = &[
    Metric::RelativeUpdate,
    Metric::Cosine,
    Metric::ChangedFraction,
    Metric::AlphaChange,
    Metric::KsChange,
    Metric::EsdDistance,
    Metric::ErgFractionDrift,
    Metric::UpdateSpectralNorm,
    Metric::UpdateStableRank,
    Metric::UpdateEffectiveRank,
    Metric::UpdateRank1Share,
    Metric::UpdateNoiseShare,
    Metric::UpdateRank90,
    Metric::UpdateRank95,
    Metric::UpdateRank99,
    Metric::UpdateAlpha,
];

/// An error from which on the leading directions move too: dense noise of 0.17 of the norm leaves all of
/// ten leading directions of Gaussian, spiked and heavy-tailed matrices with a cosine above 0.5 to
/// the base and changes the stable rank by 3 %; 0.4, which 2 bits make, gives up to half of them away
/// in a matrix without spikes, and changes the stable rank by 14 %.
const COARSE_ERROR: f64 = 0.2;

/// What an error beyond [`COARSE_ERROR`] moves, whatever the update.
const OF_DIRECTIONS: &[Metric] = &[
    Metric::StableRankRatio,
    Metric::SubspaceOverlap,
    Metric::IntruderCount,
    Metric::IntruderEnergyShare,
];

/// How both sides of a pair of tensors are quantised.
#[derive(Debug, Default)]
pub(super) struct PairPrecision {
    base: Option<Quantised>,
    tuned: Option<Quantised>,
}

/// One side whose values are computed from codes.
#[derive(Debug)]
struct Quantised {
    scheme: String,
    /// Expected squared errors along the first axis.
    errors: Vec<f64>,
    elements: u64,
}

impl PairPrecision {
    /// From the expected squared errors of both sides.
    pub(super) fn of(
        pair: &TensorPair<'_>,
        base_errors: Option<Vec<f64>>,
        tuned_errors: Option<Vec<f64>>,
    ) -> Self {
        let side = |tensor: &Tensor, errors: Option<Vec<f64>>| {
            let (scheme, errors) = tensor.scheme().zip(errors)?;
            Some(Quantised {
                scheme: scheme.to_owned(),
                errors,
                elements: tensor.parameters(),
            })
        };
        Self {
            base: side(pair.base, base_errors),
            tuned: side(pair.tuned, tuned_errors),
        }
    }

    /// Everything that decides an outcome beside the values; empty for plain tensors.
    pub(super) fn key(&self) -> String {
        let side = |side: &Option<Quantised>| {
            side.as_ref().map(|quantised| {
                let total: f64 = quantised.errors.iter().sum();
                format!("{} {:016x}", quantised.scheme, total.to_bits())
            })
        };
        match (side(&self.base), side(&self.tuned)) {
            (None, None) => String::new(),
            (base, tuned) => format!("{base:?} {tuned:?}"),
        }
    }

    /// Of one layer of the pair.
    pub(super) fn of_part(&self, part: Part) -> LayerPrecision<'_> {
        let side = |side: &'_ Option<Quantised>| {
            side.as_ref().map_or(0.0, |quantised| {
                squared_error_of(&quantised.errors, part, quantised.elements)
            })
        };
        LayerPrecision {
            base: self.base.as_ref().map(|side| side.scheme.as_str()),
            tuned: self.tuned.as_ref().map(|side| side.scheme.as_str()),
            base_error: side(&self.base),
            tuned_error: side(&self.tuned),
        }
    }
}

/// Schemes of a layer's sides and their expected squared errors; 0 for plain values.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LayerPrecision<'a> {
    pub(super) base: Option<&'a str>,
    pub(super) tuned: Option<&'a str>,
    pub(super) base_error: f64,
    pub(super) tuned_error: f64,
}

impl LayerPrecision<'_> {
    /// The rms difference that quantisation alone is expected to make, relative to |W0|; `None` where
    /// no side is quantised, or nothing can be said.
    pub(super) fn relative_error(&self, sums: &PairSums) -> Option<Finite> {
        self.base.or(self.tuned)?;
        let energy = self.base_error + self.tuned_error;
        Finite::new((energy / sums.base_squares).sqrt())
    }

    /// Takes back what a difference that is not clear of the error would say of training.
    pub(super) fn withhold(&self, kind: LayerKind, sums: &PairSums, drift: &mut MetricTable) {
        let Some(error) = self.relative_error(sums).map(Finite::get) else {
            return;
        };
        if self.base != self.tuned {
            let reason = "the two sides are quantised in different ways: every entry differs";
            drift.set(Metric::ChangedFraction, Measured::not_applicable(reason));
        }
        if error > COARSE_ERROR && kind == LayerKind::Matrix {
            let reason = format!("the quantisation error of {error:.2e} moves leading directions");
            for metric in OF_DIRECTIONS {
                drift.set(*metric, Measured::not_applicable(reason.clone()));
            }
        }
        let difference = sums.relative_update();
        if difference.is_some_and(|size| size >= CLEAR_OF_ERROR * error) {
            return;
        }
        let size = difference.map_or_else(|| "unknown".to_owned(), |size| format!("{size:.2e}"));
        let reason = format!(
            "the relative difference is {size}, not clear of the quantisation error of {error:.2e}"
        );
        let entries = [
            Metric::RelativeUpdate,
            Metric::Cosine,
            Metric::ChangedFraction,
        ];
        for metric in WITHHELD {
            if kind == LayerKind::Matrix || entries.contains(metric) {
                drift.set(*metric, Measured::not_applicable(reason.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// |W0|^2 is 100 and |W - W0|^2 is `difference` squared times that.
    fn sums(difference: f64) -> PairSums {
        PairSums {
            count: 100,
            base_squares: 100.0,
            tuned_squares: 100.0,
            update_squares: 100.0 * difference * difference,
            ..PairSums::default()
        }
    }

    fn drift_after(precision: LayerPrecision<'_>, difference: f64) -> MetricTable {
        let mut drift = MetricTable::default();
        for metric in WITHHELD.iter().chain(OF_DIRECTIONS) {
            drift.set(*metric, Measured::of(0.5));
        }
        precision.withhold(LayerKind::Matrix, &sums(difference), &mut drift);
        drift
    }

    fn tuned(error: f64) -> LayerPrecision<'static> {
        LayerPrecision {
            tuned: Some("nvfp4"),
            tuned_error: 100.0 * error * error,
            ..LayerPrecision::default()
        }
    }

    #[test]
    fn a_difference_within_twice_the_error_is_withheld_and_a_larger_one_is_not() {
        let below = drift_after(tuned(0.1), 0.19);
        let above = drift_after(tuned(0.1), 0.21);
        for metric in WITHHELD {
            assert_eq!(below.value(*metric), None, "{metric}");
            let kept = *metric != Metric::ChangedFraction;
            assert_eq!(above.value(*metric).is_some(), kept, "{metric}");
        }
        for metric in OF_DIRECTIONS {
            assert!(below.value(*metric).is_some(), "{metric}");
        }
    }

    #[test]
    fn both_sides_of_one_scheme_add_their_errors_and_keep_the_share_of_changes() {
        let both = LayerPrecision {
            base: Some("nvfp4"),
            base_error: 100.0 * 0.03 * 0.03,
            tuned: Some("nvfp4"),
            tuned_error: 100.0 * 0.04 * 0.04,
        };
        let error = both.relative_error(&sums(0.0)).unwrap().get();
        assert!((error - 0.05).abs() <= 1e-12, "{error}");
        let drift = drift_after(both, 0.11);
        assert!(drift.value(Metric::ChangedFraction).is_some());
    }

    #[test]
    fn a_coarse_error_takes_the_leading_directions_along() {
        let drift = drift_after(tuned(0.4), 2.0);
        for metric in OF_DIRECTIONS {
            assert_eq!(drift.value(*metric), None, "{metric}");
        }
        assert!(drift.value(Metric::RelativeUpdate).is_some());
    }

    #[test]
    fn a_difference_that_is_no_number_is_withheld() {
        let drift = drift_after(tuned(0.01), f64::NAN);
        assert_eq!(drift.value(Metric::RelativeUpdate), None);
    }

    #[test]
    fn plain_pairs_are_left_alone() {
        let drift = drift_after(LayerPrecision::default(), 1e-6);
        for metric in WITHHELD.iter().chain(OF_DIRECTIONS) {
            assert!(drift.value(*metric).is_some(), "{metric}");
        }
        assert_eq!(LayerPrecision::default().relative_error(&sums(0.1)), None);
    }
}
