//! The metrics of a pair, from its spectra and entry sums.

use super::entries::PairSums;
use crate::num::Measured;
use crate::spectrum::metric::{Metric, MetricTable};
use crate::spectrum::noise::{Bulk, SPIKE_QUANTILE};
use crate::spectrum::{
    self, CheckpointMetrics, Directions, Intruders, Spectrum, SpectrumError, esd_distance,
    new_traps, subspace_overlap,
};

/// Below this multiple of the storage dtype's rounding noise, the bulk of W - W0 is mostly rounding
/// (a true update of 3e-3 is stored in bf16 with a cosine of 0.89 to the truth).
const BULK_FLOOR: f64 = 1.8;

/// Shares of the energy whose directions are counted.
const ENERGY_RANKS: [(Metric, f64); 3] = [
    (Metric::UpdateRank90, 0.90),
    (Metric::UpdateRank95, 0.95),
    (Metric::UpdateRank99, 0.99),
];

/// One side of a pair: its spectrum and the metrics made from it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) spectrum: &'a Spectrum,
    pub(super) metrics: &'a CheckpointMetrics,
}

/// Drift of tensors of any form: relative update, cosine and changed share.
pub(super) fn of_entries(sums: &PairSums, drift: &mut MetricTable) {
    let all_zero = || Measured::not_applicable("the base is all zero");
    drift.set(
        Metric::RelativeUpdate,
        sums.relative_update().map_or_else(all_zero, Measured::of),
    );
    let flat = || Measured::not_applicable("one side is all zero");
    drift.set(
        Metric::Cosine,
        sums.cosine().map_or_else(flat, Measured::of),
    );
    drift.set(
        Metric::ChangedFraction,
        Measured::of(sums.changed as f64 / sums.count as f64),
    );
}

/// Drift of the two spectra.
pub(super) fn of_spectra(base: Side<'_>, tuned: Side<'_>, drift: &mut MetricTable) {
    for (metric, source) in [
        (Metric::SpectralNormRatio, Metric::SpectralNorm),
        (Metric::StableRankRatio, Metric::StableRank),
    ] {
        drift.set(
            metric,
            combine(base, tuned, source, |before, after| after / before),
        );
    }
    for (metric, source) in [
        (Metric::AlphaChange, Metric::Alpha),
        (Metric::KsChange, Metric::KsDistance),
        (Metric::ErgFractionDrift, Metric::ErgFraction),
    ] {
        drift.set(
            metric,
            combine(base, tuned, source, |before, after| after - before),
        );
    }
    drift.set(Metric::AlphaDrift, alpha_drift(base, tuned));
    drift.set(
        Metric::EsdDistance,
        esd_distance(base.spectrum, tuned.spectrum),
    );
}

/// A function of one metric's values on both sides; the first missing side gives the reason.
fn combine(
    base: Side<'_>,
    tuned: Side<'_>,
    metric: Metric,
    function: impl Fn(f64, f64) -> f64,
) -> Measured {
    let side = |name: &'static str, side: Side<'_>| match side.metrics.table.get(metric) {
        Some(Measured::Value(value)) => Ok(value.get()),
        Some(Measured::NotApplicable(reason) | Measured::Failed(reason)) => {
            Err(Measured::not_applicable(format!("{name}: {reason}")))
        }
        None => Err(Measured::not_applicable(format!(
            "{name}: {metric} was not measured"
        ))),
    };
    match (side("base", base), side("tuned", tuned)) {
        (Ok(before), Ok(_)) if before == 0.0 && metric != Metric::ErgFraction => {
            Measured::not_applicable(format!("base: {metric} is 0"))
        }
        (Ok(before), Ok(after)) => Measured::of(function(before, after)),
        (Err(reason), _) | (_, Err(reason)) => reason,
    }
}

/// Alpha of both sides over the top k eigenvalues, k the base's fitted tail; the frozen cut keeps
/// the choice of a cut from moving the number.
fn alpha_drift(base: Side<'_>, tuned: Side<'_>) -> Measured {
    let tail = match base.metrics.table.get(Metric::TailCount) {
        Some(Measured::Value(count)) => count.get(),
        Some(Measured::NotApplicable(reason) | Measured::Failed(reason)) => {
            return Measured::not_applicable(format!("base: {reason}"));
        }
        None => return Measured::not_applicable("base: no power-law fit was made"),
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a tail count is a small non-negative integer"
    )]
    let count = tail as usize;
    let fit = |name: &'static str, side: Side<'_>| {
        side.spectrum
            .fit_at_tail_count(count)
            .map_err(|reason| Measured::not_applicable(format!("{name}: {reason}")))
    };
    match (fit("base", base), fit("tuned", tuned)) {
        (Ok(before), Ok(after)) => Measured::of(after.alpha - before.alpha),
        (Err(reason), _) | (_, Err(reason)) => reason,
    }
}

/// Metrics of W - W0. `noise` is the rms relative rounding error of the coarser storage dtype,
/// `rounding_energy` the part of the update's sum of squares that rounding is expected to have made.
pub(super) fn of_update(
    update: Side<'_>,
    sums: &PairSums,
    noise: f64,
    rounding_energy: f64,
    drift: &mut MetricTable,
) {
    let floor = BULK_FLOOR * noise;
    let buried = sums.relative_update().is_some_and(|size| size < floor);
    let copy = |source: Metric| match update.metrics.table.get(source) {
        Some(measured) => measured.clone(),
        None => Measured::not_applicable(format!("{source} of the update was not measured")),
    };
    let unless_buried = |measured: Measured| {
        if buried {
            Measured::not_applicable(format!(
                "the relative update is below {floor:.1e}, where rounding of the stored weights \
                 dominates its bulk"
            ))
        } else {
            measured
        }
    };
    let bulk = |source: Metric| unless_buried(copy(source));
    drift.set(Metric::UpdateSpectralNorm, copy(Metric::SpectralNorm));
    drift.set(Metric::UpdateStableRank, copy(Metric::StableRank));
    drift.set(Metric::UpdateEffectiveRank, bulk(Metric::EffectiveRank));
    drift.set(Metric::UpdateAlpha, bulk(Metric::Alpha));
    drift.set(Metric::UpdateRank1Share, rank1_share(update));
    let share = spectrum::noise_share(update.spectrum, rounding_energy);
    drift.set(Metric::UpdateNoiseShare, unless_buried(share));
    for (metric, share) in ENERGY_RANKS {
        let rank = spectrum::energy_rank(update.spectrum, share);
        drift.set(metric, unless_buried(rank));
    }
}

/// Withheld where the update's largest singular value is what its own bulk gives as noise: its
/// direction then says nothing, and the share is below 4 / M anyway.
fn rank1_share(update: Side<'_>) -> Measured {
    let stable_rank = update.metrics.table.value(Metric::StableRank);
    let Some(stable_rank) = stable_rank.filter(|rank| *rank > 0.0) else {
        return Measured::not_applicable("the update is zero");
    };
    match Bulk::of(update.spectrum) {
        Ok(bulk) if bulk.count_beyond(update.spectrum, SPIKE_QUANTILE) == 0 => {
            let threshold = bulk.noise_matrix().threshold();
            Measured::not_applicable(format!(
                "no direction of the update stands out of its noise: it would have to be stronger \
                 than {threshold:.2e}"
            ))
        }
        // Without a bulk of noise there is nothing that could hide the direction.
        Ok(_) | Err(_) => Measured::of(1.0 / stable_rank),
    }
}

pub(super) fn of_intruders(intruders: Result<Intruders, SpectrumError>, drift: &mut MetricTable) {
    match intruders {
        Ok(found) => {
            drift.set(Metric::IntruderCount, Measured::count(found.count));
            drift.set(
                Metric::IntruderEnergyShare,
                Measured::of(found.energy_share),
            );
        }
        Err(error) => {
            for metric in [Metric::IntruderCount, Metric::IntruderEnergyShare] {
                drift.set(metric, Measured::failed(error.to_string()));
            }
        }
    }
}

/// What the leading directions and the traps of both sides say.
pub(super) fn of_directions(base: &Directions, tuned: &Directions, drift: &mut MetricTable) {
    let overlap = match (&base.leading, &tuned.leading) {
        (Ok(base), Ok(tuned)) => subspace_overlap(base, tuned),
        (Err(SpectrumError::NotConverged { .. }), _) => {
            Measured::not_applicable("the base's leading directions are not separate from the bulk")
        }
        (Err(error), _) | (_, Err(error)) => Measured::failed(error.to_string()),
    };
    drift.set(Metric::SubspaceOverlap, overlap);
    drift.set(Metric::NewTraps, new_traps(&base.traps, &tuned.traps));
}

/// What is exactly known of a tensor whose bytes are the base's.
pub(super) fn of_identical(matrix: bool, drift: &mut MetricTable) {
    let zero = [Metric::RelativeUpdate, Metric::ChangedFraction];
    let one = [Metric::Cosine];
    for metric in zero {
        drift.set(metric, Measured::of(0.0));
    }
    for metric in one {
        drift.set(metric, Measured::of(1.0));
    }
    if !matrix {
        return;
    }
    for metric in [
        Metric::SpectralNormRatio,
        Metric::StableRankRatio,
        Metric::SubspaceOverlap,
    ] {
        drift.set(metric, Measured::of(1.0));
    }
    for metric in [
        Metric::AlphaDrift,
        Metric::AlphaChange,
        Metric::KsChange,
        Metric::EsdDistance,
        Metric::ErgFractionDrift,
        Metric::UpdateSpectralNorm,
        Metric::IntruderCount,
        Metric::IntruderEnergyShare,
        Metric::NewTraps,
    ] {
        drift.set(metric, Measured::of(0.0));
    }
    for metric in [
        Metric::UpdateStableRank,
        Metric::UpdateEffectiveRank,
        Metric::UpdateRank1Share,
        Metric::UpdateNoiseShare,
        Metric::UpdateRank90,
        Metric::UpdateRank95,
        Metric::UpdateRank99,
        Metric::UpdateAlpha,
    ] {
        drift.set(metric, Measured::not_applicable("the tensor is unchanged"));
    }
}
