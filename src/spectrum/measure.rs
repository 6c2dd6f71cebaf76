//! The metrics of one checkpoint's matrix.

use serde::{Deserialize, Serialize};

use super::directions::{OF_DIRECTIONS, direction_metrics};
use super::entries::EntryStatistics;
use super::error::SpectrumError;
use super::estimator::Estimator;
use super::lazy::LazyMatrix;
use super::leading::Effort;
use super::matrix::{Arithmetic, Matrix};
use super::metric::{Metric, MetricTable};
use super::phase::{Phase, phase};
use super::profile::Profile;
use super::quantised::storage_noise;
use super::singular::Spectrum;
use super::stream::Stored;
use super::tail::{self, TailFit};
use crate::num::{Measured, Reason};

/// WeightWatcher adds this to every share and to the rank in its entropy.
const ENTROPY_OFFSET: f64 = 1e-10;

/// What the fit determines: withheld together where it does not hold.
const OF_THE_FIT: [Metric; 8] = [
    Metric::Alpha,
    Metric::AlphaStderr,
    Metric::Xmin,
    Metric::Xmax,
    Metric::TailCount,
    Metric::AlphaHat,
    Metric::LogAlphaNorm,
    Metric::ErgGap,
];

/// What depends on the singular values, or on the entries being finite.
const OF_THE_SPECTRUM: [Metric; 20] = [
    Metric::FrobeniusNorm,
    Metric::SpectralNorm,
    Metric::StableRank,
    Metric::EffectiveRank,
    Metric::Entropy,
    Metric::KsDistance,
    Metric::AlphaHill,
    Metric::LogNorm,
    Metric::LogSpectralNorm,
    Metric::ErgCount,
    Metric::ErgFraction,
    Metric::RankLoss,
    Metric::AbsWeightEntropy,
    Metric::Kurtosis,
    Metric::AlphaNoise,
    Metric::MpSigma,
    Metric::MpEdge,
    Metric::MpSoftrank,
    Metric::SpikeCount,
    Metric::SpectralGap,
];

/// Metrics of one matrix, and the raw power-law fit behind them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckpointMetrics {
    pub table: MetricTable,
    /// The fit as computed, also where `table` withholds it; `None` where there is no fit at all.
    pub fit: Option<MetricTable>,
    pub profile: Profile,
    /// `None` where none of the phases applies, or there is no spectrum.
    pub phase: Option<Phase>,
}

/// Decomposes a matrix and measures it. `storage_noise` is the root mean square relative error of
/// rounding a weight to its storage dtype (1.66e-3 for bf16); it sets the edge of `rank_loss`.
///
/// # Errors
/// As [`Spectrum::of`]; the metrics to report then are those of [`unmeasured`].
pub fn measure(
    matrix: &Matrix,
    storage_noise: f64,
    estimator: &Estimator,
) -> Result<(Spectrum, CheckpointMetrics), SpectrumError> {
    let spectrum = Spectrum::of(matrix)?;
    let entries = EntryStatistics::of(matrix);
    let mut measured = metrics(&spectrum, &entries, storage_noise, estimator);
    direction_metrics(
        &matrix.into(),
        &spectrum,
        &entries,
        Effort::Exact,
        &mut measured.table,
    );
    Ok((spectrum, measured))
}

/// Measures a stored rows x cols matrix; its storage noise is that of its dtype. It is decoded whole
/// only where leading directions or a shuffle need it. One that cannot be decomposed says so in its metrics, as in
/// [`unmeasured`].
pub fn measure_stored(
    stored: Stored<'_>,
    rows: usize,
    cols: usize,
    estimator: &Estimator,
) -> (Option<Spectrum>, CheckpointMetrics) {
    measure_quantised(stored, rows, cols, 0.0, estimator)
}

/// As [`measure_stored`], of values of which quantisation is expected to have cost `squared_error`:
/// the sum over all entries, 0 where they are not quantised.
pub fn measure_quantised(
    stored: Stored<'_>,
    rows: usize,
    cols: usize,
    squared_error: f64,
    estimator: &Estimator,
) -> (Option<Spectrum>, CheckpointMetrics) {
    let entries = EntryStatistics::of_stored(stored.dtype, stored.bytes);
    match Spectrum::of_stored(stored, rows, cols, estimator.arithmetic(rows, cols)) {
        Ok(spectrum) => {
            let noise = storage_noise(stored.dtype, squared_error, &entries);
            let mut measured = metrics(&spectrum, &entries, noise, estimator);
            let _directions = direction_metrics(
                &LazyMatrix::of_stored(stored, rows, cols, estimator),
                &spectrum,
                &entries,
                Effort::Bounded,
                &mut measured.table,
            );
            (Some(spectrum), measured)
        }
        Err(error) => {
            let reason = Reason::new(error.to_string());
            (None, unmeasured_entries((rows, cols), &entries, &reason))
        }
    }
}

/// Every metric of one checkpoint's matrix that its spectrum and entries give; `storage_noise` as in
/// [`measure`]. The others are those of [`direction_metrics`].
pub fn metrics(
    spectrum: &Spectrum,
    entries: &EntryStatistics,
    storage_noise: f64,
    estimator: &Estimator,
) -> CheckpointMetrics {
    let mut table = MetricTable::default();
    set_shape(&mut table, spectrum.rows(), spectrum.cols());
    set_norms(&mut table, spectrum);
    set_ranks(&mut table, spectrum);
    table.set(Metric::RankLoss, rank_loss(spectrum, storage_noise));
    set_entries(&mut table, entries);
    super::noise::set(&mut table, spectrum);
    let erg = erg_count(spectrum);
    set_erg(&mut table, spectrum, erg);
    let fit = set_fit(&mut table, spectrum, erg, estimator);
    let phase = phase(&table, spectrum, estimator);
    CheckpointMetrics {
        table,
        fit,
        profile: Profile::of(spectrum),
        phase,
    }
}

/// The table of a matrix that could not be decomposed: every metric is there, with `reason`.
pub fn unmeasured(matrix: &Matrix, reason: &Reason) -> CheckpointMetrics {
    unmeasured_entries(matrix.shape(), &EntryStatistics::of(matrix), reason)
}

/// As [`unmeasured`], for a rows x cols matrix with these entries.
fn unmeasured_entries(
    (rows, cols): (usize, usize),
    entries: &EntryStatistics,
    reason: &Reason,
) -> CheckpointMetrics {
    let mut table = MetricTable::default();
    set_shape(&mut table, rows, cols);
    let of_the_spectrum = OF_THE_SPECTRUM.into_iter().chain(OF_DIRECTIONS);
    for metric in of_the_spectrum.chain(OF_THE_FIT) {
        table.set(metric, Measured::Failed(reason.clone()));
    }
    set_entries(&mut table, entries);
    CheckpointMetrics {
        table,
        fit: None,
        profile: Profile::default(),
        phase: None,
    }
}

/// What the entries alone say, and the shape (rows, cols) where the tensor is a matrix.
pub fn entry_metrics(entries: &EntryStatistics, shape: Option<(usize, usize)>) -> MetricTable {
    let mut table = MetricTable::default();
    if let Some((rows, cols)) = shape {
        set_shape(&mut table, rows, cols);
    }
    set_entries(&mut table, entries);
    table
}

fn set_shape(table: &mut MetricTable, rows: usize, cols: usize) {
    table.set(Metric::Rows, Measured::count(rows));
    table.set(Metric::Cols, Measured::count(cols));
    table.set(Metric::EigenvalueCount, Measured::count(rows.min(cols)));
    let q = if rows.min(cols) == 0 {
        Measured::not_applicable("the matrix has no entries")
    } else {
        Measured::of(rows.max(cols) as f64 / rows.min(cols) as f64)
    };
    table.set(Metric::Q, q);
}

fn zero_matrix() -> Measured {
    Measured::not_applicable("all entries are zero")
}

fn set_norms(table: &mut MetricTable, spectrum: &Spectrum) {
    let (frobenius, spectral) = (spectrum.frobenius_norm(), spectrum.spectral_norm());
    table.set(Metric::FrobeniusNorm, Measured::of(frobenius));
    table.set(Metric::SpectralNorm, Measured::of(spectral));
    let defined = |value: f64| {
        if spectral > 0.0 {
            Measured::of(value)
        } else {
            zero_matrix()
        }
    };
    table.set(Metric::LogNorm, defined(2.0 * frobenius.log10()));
    table.set(Metric::LogSpectralNorm, defined(2.0 * spectral.log10()));
    table.set(Metric::StableRank, defined((frobenius / spectral).powi(2)));
    table.set(Metric::SpectralGap, spectral_gap(spectrum));
}

/// sigma_1 / sigma_2, where the second is more than rounding.
fn spectral_gap(spectrum: &Spectrum) -> Measured {
    match (spectrum.resolved_count(), spectrum.singular_values()) {
        (0, _) => zero_matrix(),
        (2.., [first, second, ..]) => Measured::of(first / second),
        _ => Measured::not_applicable("the matrix has rank 1"),
    }
}

/// Entropies of the shares `lambda / sum lambda`.
fn set_ranks(table: &mut MetricTable, spectrum: &Spectrum) {
    let frobenius = spectrum.frobenius_norm();
    if frobenius <= 0.0 {
        table.set(Metric::EffectiveRank, zero_matrix());
        table.set(Metric::Entropy, zero_matrix());
        return;
    }
    let mut entropy = 0.0;
    let mut offset_entropy = 0.0;
    for value in spectrum.singular_values() {
        let share = (value / frobenius).powi(2);
        if share > 0.0 {
            entropy -= share * share.ln();
        }
        let offset = share + ENTROPY_OFFSET;
        offset_entropy -= offset * offset.ln();
    }
    table.set(Metric::EffectiveRank, Measured::of(entropy.exp()));
    let rank = spectrum.resolved_count();
    let normalised = if rank < 2 {
        Measured::not_applicable("the matrix has rank 1")
    } else {
        Measured::of(offset_entropy / (rank as f64 + ENTROPY_OFFSET).ln())
    };
    table.set(Metric::Entropy, normalised);
}

/// Singular values below the edge that rounding to the storage dtype alone would give,
/// `noise |W|_F (1/sqrt M + 1/sqrt N)`, and never below what the arithmetic resolves.
pub fn rank_loss(spectrum: &Spectrum, storage_noise: f64) -> Measured {
    let (rows, cols) = (spectrum.rows() as f64, spectrum.cols() as f64);
    let edge =
        storage_noise * spectrum.frobenius_norm() * (rows.sqrt().recip() + cols.sqrt().recip());
    let count = |limit: f64| {
        let values = spectrum.singular_values();
        values.len() - values.partition_point(|value| *value > limit)
    };
    if edge >= spectrum.resolution() {
        return Measured::count(count(edge));
    }
    let unresolved = count(spectrum.resolution());
    match spectrum.arithmetic() {
        Arithmetic::F64 => Measured::count(unresolved),
        Arithmetic::F32 if unresolved == 0 => Measured::count(0),
        Arithmetic::F32 => Measured::not_applicable(format!(
            "{unresolved} singular values are below what f32 resolves, and the rounding of the \
             stored weights is smaller still"
        )),
    }
}

fn set_entries(table: &mut MetricTable, entries: &EntryStatistics) {
    table.set(
        Metric::NonfiniteCount,
        Measured::count(entries.nonfinite_count),
    );
    let no_entries = || Measured::not_applicable("the matrix has no entries");
    let zero_fraction = if entries.count == 0 {
        no_entries()
    } else {
        Measured::of(entries.zero_fraction())
    };
    table.set(Metric::ZeroFraction, zero_fraction);
    let defined = |value: f64| {
        if entries.count == 0 {
            no_entries()
        } else if entries.nonfinite_count > 0 {
            let count = entries.nonfinite_count;
            Measured::failed(format!("{count} entries are not finite"))
        } else {
            Measured::of(value)
        }
    };
    table.set(Metric::Mean, defined(entries.mean));
    table.set(Metric::Std, defined(entries.std));
    table.set(
        Metric::AbsWeightEntropy,
        defined(entries.abs_weight_entropy),
    );
    let kurtosis = match entries.kurtosis {
        Some(value) => defined(value),
        None => Measured::not_applicable("all finite entries are equal"),
    };
    table.set(Metric::Kurtosis, kurtosis);
}

/// SETOL's trace-log cut: how many of the largest eigenvalues, scaled to mean 1, it takes until
/// their product falls below 1 (that one included); all of them if it never does. Summed in logarithms:
/// the product itself leaves the range of f64 for layers of a few thousand. `None` for a zero matrix.
fn erg_count(spectrum: &Spectrum) -> Option<usize> {
    let norm = spectrum.frobenius_norm();
    let resolved = spectrum.resolved_count();
    if norm <= 0.0 || resolved == 0 {
        return None;
    }
    let count = spectrum.singular_values().len() as f64;
    let mut sum = 0.0;
    for (rank, value) in spectrum.singular_values()[..resolved].iter().enumerate() {
        sum += 2.0 * (value / norm).ln() + count.ln();
        // A flat spectrum stays at 1 but for rounding.
        let rounding = 1e-14 * (rank + 1) as f64;
        if sum < -rounding {
            return Some(rank + 1);
        }
    }
    Some(resolved)
}

fn set_erg(table: &mut MetricTable, spectrum: &Spectrum, erg: Option<usize>) {
    let (count, fraction) = match erg {
        Some(erg) => {
            let share = erg as f64 / spectrum.singular_values().len() as f64;
            (Measured::count(erg), Measured::of(share))
        }
        None => (zero_matrix(), zero_matrix()),
    };
    table.set(Metric::ErgCount, count);
    table.set(Metric::ErgFraction, fraction);
}

fn set_fit(
    table: &mut MetricTable,
    spectrum: &Spectrum,
    erg: Option<usize>,
    estimator: &Estimator,
) -> Option<MetricTable> {
    let eigenvalues = spectrum.resolved_eigenvalues();
    let hill = match tail::hill(&eigenvalues, spectrum.singular_values().len() / 2) {
        Ok(hill) => Measured::of(hill),
        Err(reason) => Measured::NotApplicable(reason),
    };
    table.set(Metric::AlphaHill, hill);
    let fit = match TailFit::search(&eigenvalues, estimator.min_tail) {
        Ok(fit) => fit,
        Err(reason) => {
            for metric in OF_THE_FIT.into_iter().chain([Metric::KsDistance]) {
                table.set(metric, Measured::NotApplicable(reason.clone()));
            }
            return None;
        }
    };
    let raw = fit_table(spectrum, &fit, erg);
    let refusal = estimator.refusal(&fit, eigenvalues.len());
    for (metric, measured) in raw.iter() {
        let shown = match &refusal {
            Some(reason) if metric != Metric::KsDistance => Measured::NotApplicable(reason.clone()),
            _ => measured.clone(),
        };
        table.set(metric, shown);
    }
    Some(raw)
}

/// The fit and what follows from it, in logarithms, so that no power overflows.
fn fit_table(spectrum: &Spectrum, fit: &TailFit, erg: Option<usize>) -> MetricTable {
    let largest = spectrum.spectral_norm();
    let log_largest = 2.0 * largest.log10();
    let powers: f64 = spectrum
        .singular_values()
        .iter()
        .map(|value| (value / largest).powf(2.0 * fit.alpha))
        .sum();
    let erg_gap = match erg {
        Some(erg) => Measured::of(erg as f64 - fit.tail_count as f64),
        None => zero_matrix(),
    };
    let mut raw = MetricTable::default();
    raw.set(Metric::Alpha, Measured::of(fit.alpha));
    raw.set(Metric::AlphaStderr, Measured::of(fit.stderr));
    raw.set(Metric::KsDistance, Measured::of(fit.ks_distance));
    raw.set(Metric::Xmin, Measured::of(fit.xmin));
    raw.set(Metric::Xmax, Measured::of(fit.xmax));
    raw.set(Metric::TailCount, Measured::count(fit.tail_count));
    raw.set(Metric::AlphaHat, Measured::of(fit.alpha * log_largest));
    raw.set(
        Metric::LogAlphaNorm,
        Measured::of(fit.alpha * log_largest + powers.log10()),
    );
    raw.set(Metric::ErgGap, erg_gap);
    raw
}
