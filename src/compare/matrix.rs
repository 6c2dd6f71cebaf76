//! The matrices of a pair: three spectra, leading directions, and what they say of the update.

use super::entries::{PairSums, Stored};
use super::{LayerComparison, LayerKind, LayerMetrics, drift};
use crate::checkpoint::LowRankUpdate;
use crate::num::Measured;
use crate::spectrum::metric::{Metric, MetricTable, Subject};
use crate::spectrum::{
    self, CheckpointMetrics, Effort, EntryStatistics, Estimator, LazyMatrix, Spectrum,
    SpectrumError, direction_metrics, entry_metrics, storage_noise,
};

/// Cosine below which one of the leading left singular vectors is an intruder.
/// Source: Shuttleworth et al. 2024.
const INTRUDER_COSINE: f64 = 0.5;

/// One side's values and what its entries alone say.
#[derive(Debug)]
pub(super) struct Values<'a> {
    stored: Stored<'a>,
    rows: usize,
    cols: usize,
    entries: EntryStatistics,
    /// Rms relative error of how the values are stored.
    noise: f64,
}

impl<'a> Values<'a> {
    pub(super) fn of(
        stored: Stored<'a>,
        rows: usize,
        cols: usize,
        squared_error: f64,
    ) -> Result<Self, SpectrumError> {
        let count = stored.bytes.len() / stored.dtype.bytes();
        if count != rows * cols {
            return Err(SpectrumError::ValueCount { rows, cols, count });
        }
        let entries = EntryStatistics::of_stored(stored.dtype, stored.bytes);
        let noise = storage_noise(stored.dtype, squared_error, &entries);
        Ok(Self {
            stored,
            rows,
            cols,
            entries,
            noise,
        })
    }

    fn matrix(&self, estimator: &Estimator) -> LazyMatrix<'a> {
        LazyMatrix::of_stored(self.stored, self.rows, self.cols, estimator)
    }

    fn measured(&self, estimator: &Estimator) -> Result<MeasuredSide, SpectrumError> {
        let arithmetic = estimator.arithmetic(self.rows, self.cols);
        let spectrum = Spectrum::of_stored(self.stored, self.rows, self.cols, arithmetic)?;
        let metrics = spectrum::metrics(&spectrum, &self.entries, self.noise, estimator);
        Ok(MeasuredSide { spectrum, metrics })
    }

    pub(super) fn entry_metrics(&self, kind: LayerKind) -> LayerMetrics {
        let shape = (kind == LayerKind::Matrix).then_some((self.rows, self.cols));
        LayerMetrics {
            table: entry_metrics(&self.entries, shape),
            fit: None,
            profile: spectrum::Profile::default(),
            phase: None,
        }
    }
}

/// Spectra of base, tuned and update. Returns the rank losses of base and tuned at the coarser of
/// the two dtypes' rounding noise. The factors of the update give its spectrum exactly, where there are
/// any; otherwise it is that of the difference of the stored weights, rounding included.
pub(super) fn measure_matrix(
    layer: &mut LayerComparison,
    (base, tuned): (&Values<'_>, &Values<'_>),
    sums: &PairSums,
    factors: Option<&LowRankUpdate>,
    estimator: &Estimator,
) -> Option<(f64, f64)> {
    let noise = crate::num::max(base.noise, tuned.noise);
    let decomposed = (|| {
        let update = if let Some(factors) = factors {
            spectrum::of_factors(factors)?
        } else {
            let (rows, cols) = (base.rows, base.cols);
            let arithmetic = estimator.arithmetic(rows, cols);
            Spectrum::of_update(base.stored, tuned.stored, rows, cols, arithmetic)?
        };
        let sides = (base.measured(estimator)?, tuned.measured(estimator)?);
        Ok::<_, SpectrumError>((sides, update))
    })();
    let ((mut base_side, mut tuned_side), update) = match decomposed {
        Ok(parts) => parts,
        Err(error) => {
            fail_spectra(layer, &error.to_string());
            return None;
        }
    };
    drift::of_spectra(base_side.side(), tuned_side.side(), &mut layer.drift);
    let same_precision = base.noise.total_cmp(&tuned.noise).is_eq();
    let rounding = match factors {
        Some(_) => (0.0, 0.0),
        None => (noise, sums.rounding_energy(noise, same_precision)),
    };
    set_update(&update, sums, rounding, estimator, &mut layer.drift);
    layer.update_profile = spectrum::Profile::of(&update);
    set_directions(
        (base, &mut base_side),
        (tuned, &mut tuned_side),
        estimator,
        layer,
    );
    let rank_loss = |side: &MeasuredSide| spectrum::rank_loss(&side.spectrum, noise).value();
    let losses = rank_loss(&base_side).zip(rank_loss(&tuned_side));
    layer.base = adopted(base_side.metrics);
    layer.tuned = adopted(tuned_side.metrics);
    losses
}

/// `rounding`: the rms relative error of the stored weights, and the energy that it is expected to have put
/// into the update.
fn set_update(
    update: &Spectrum,
    sums: &PairSums,
    rounding: (f64, f64),
    estimator: &Estimator,
    table: &mut MetricTable,
) {
    // Nothing is asked of the entries of an update that the sums do not say.
    let no_entries = EntryStatistics::default();
    let side = drift::Side {
        spectrum: update,
        metrics: &spectrum::metrics(update, &no_entries, 0.0, estimator),
    };
    drift::of_update(side, sums, rounding.0, rounding.1, table);
}

/// Leading directions of both sides, and what they say of each other.
fn set_directions(
    (base, base_side): (&Values<'_>, &mut MeasuredSide),
    (tuned, tuned_side): (&Values<'_>, &mut MeasuredSide),
    estimator: &Estimator,
    layer: &mut LayerComparison,
) {
    let (base_matrix, tuned_matrix) = (base.matrix(estimator), tuned.matrix(estimator));
    let before = direction_metrics(
        &base_matrix,
        &base_side.spectrum,
        &base.entries,
        Effort::Bounded,
        &mut base_side.metrics.table,
    );
    let after = direction_metrics(
        &tuned_matrix,
        &tuned_side.spectrum,
        &tuned.entries,
        Effort::Exact,
        &mut tuned_side.metrics.table,
    );
    let leading = after.leading.as_ref().map_err(Clone::clone);
    let found = leading.and_then(|leading| {
        let base = base_matrix.get()?;
        spectrum::intruders_among(base, &base_side.spectrum, leading, INTRUDER_COSINE)
    });
    drift::of_intruders(found, &mut layer.drift);
    drift::of_directions(&before, &after, &mut layer.drift);
}

/// The spectrum of one side and its metrics.
#[derive(Debug)]
struct MeasuredSide {
    spectrum: Spectrum,
    metrics: CheckpointMetrics,
}

impl MeasuredSide {
    fn side(&self) -> drift::Side<'_> {
        drift::Side {
            spectrum: &self.spectrum,
            metrics: &self.metrics,
        }
    }
}

fn adopted(metrics: CheckpointMetrics) -> LayerMetrics {
    let CheckpointMetrics {
        table,
        fit,
        profile,
        phase,
    } = metrics;
    LayerMetrics {
        table,
        fit,
        profile,
        phase,
    }
}

/// The decomposition went wrong: every metric that needs it says so.
fn fail_spectra(layer: &mut LayerComparison, reason: &str) {
    for metric in Metric::ALL.iter().copied() {
        let tables = match metric.subject() {
            Subject::Checkpoint => vec![&mut layer.base.table, &mut layer.tuned.table],
            Subject::Pair => vec![&mut layer.drift],
        };
        for table in tables
            .into_iter()
            .filter(|table| table.get(metric).is_none())
        {
            table.set(metric, Measured::failed(reason.to_owned()));
        }
    }
}
