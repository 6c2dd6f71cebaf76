//! The updates of an adapter by themselves, without the weights that they belong to.

use super::low_rank::low_rank_spectrum;
use super::metric::{Metric, MetricTable};
use super::profile::Profile;
use super::scan::{Scan, ScannedMatrix};
use super::{
    CheckpointMetrics, EntryStatistics, Estimator, Matrix, Spectrum, SpectrumError, metrics,
};
use crate::checkpoint::fingerprint::{TensorDigest, checkpoint_digest, sha256_hex};
use crate::checkpoint::{Adapter, AdapterModule, CheckpointError, LowRankUpdate};
use crate::layer::{Form, LayerName, LayerSource, Part, describe, natural_order};
use crate::num::Measured;

/// What the spectrum of `s B A` says by itself.
const OF_AN_UPDATE: [Metric; 18] = [
    Metric::Rows,
    Metric::Cols,
    Metric::Q,
    Metric::FrobeniusNorm,
    Metric::SpectralNorm,
    Metric::StableRank,
    Metric::EffectiveRank,
    Metric::Entropy,
    Metric::LogNorm,
    Metric::LogSpectralNorm,
    Metric::Alpha,
    Metric::AlphaStderr,
    Metric::KsDistance,
    Metric::Xmin,
    Metric::Xmax,
    Metric::TailCount,
    Metric::AlphaHat,
    Metric::LogAlphaNorm,
];

/// The spectrum of each low-rank update `s B A` of an adapter, exact by its factors. `eigenvalue_count`
/// is the number of eigenvalues that the factors can have, their rank; the others are zero.
///
/// # Errors
/// Where the adapter's weights cannot be read or do not fit each other. Factors that cannot be
/// decomposed say so in their metrics.
pub fn scan_adapter(adapter: &Adapter, estimator: &Estimator) -> Result<Scan, CheckpointError> {
    let found = adapter.low_rank_modules()?;
    let mut matrices = Vec::new();
    for module in &found.modules {
        let factors = adapter.factors(module)?;
        matrices.push(ScannedMatrix {
            source: source(module),
            dtype: module.dtype,
            scheme: None,
            metrics: of_module(module, factors.as_ref(), estimator),
            validity: None,
        });
    }
    matrices.sort_by(|left, right| {
        natural_order(left.source.name.as_str(), right.source.name.as_str())
    });
    let mut skipped = found.others;
    skipped.sort_by(|(left, _), (right, _)| natural_order(left, right));
    Ok(Scan {
        matrices,
        skipped,
        digest: digest(adapter)?,
    })
}

/// Over all tensors of the adapter's file.
fn digest(adapter: &Adapter) -> Result<String, CheckpointError> {
    let weights = adapter.weights();
    let mut hashes = Vec::new();
    for tensor in weights.tensors().values() {
        hashes.push((tensor, sha256_hex(&weights.bytes(tensor)?)));
    }
    Ok(checkpoint_digest(hashes.iter().map(|(tensor, sha256)| {
        TensorDigest {
            name: &tensor.name,
            dtype: tensor.dtype.as_str(),
            shape: &tensor.shape,
            sha256,
        }
    })))
}

fn source(module: &AdapterModule) -> LayerSource {
    let (rows, cols) = module.shape;
    LayerSource {
        name: LayerName::new(module.name.clone()),
        tensor: module.name.clone(),
        part: Part::Whole,
        traits: describe(&format!("{}.weight", module.name), &[rows, cols]),
        form: Form::Matrix { rows, cols },
        shape: vec![rows, cols],
        input_first: false,
    }
}

fn of_module(
    module: &AdapterModule,
    factors: Option<&LowRankUpdate>,
    estimator: &Estimator,
) -> CheckpointMetrics {
    let missing = || SpectrumError::Empty { rows: 0, cols: 0 };
    let spectrum = factors.ok_or_else(missing).and_then(of_factors);
    let mut table = MetricTable::default();
    let (fit, profile) = match spectrum {
        Ok(spectrum) => {
            let all = metrics(&spectrum, &EntryStatistics::default(), 0.0, estimator);
            for metric in OF_AN_UPDATE {
                if let Some(measured) = all.table.get(metric) {
                    table.set(metric, measured.clone());
                }
            }
            (all.fit, all.profile)
        }
        Err(error) => {
            for metric in OF_AN_UPDATE {
                table.set(metric, Measured::failed(error.to_string()));
            }
            table.set(Metric::Rows, Measured::count(module.shape.0));
            table.set(Metric::Cols, Measured::count(module.shape.1));
            (None, Profile::default())
        }
    };
    let count = module.rank.min(module.shape.0).min(module.shape.1);
    table.set(Metric::EigenvalueCount, Measured::count(count));
    CheckpointMetrics {
        table,
        fit,
        profile,
        phase: None,
    }
}

/// The exact spectrum of an update, from two thin QR decompositions.
///
/// # Errors
/// As [`low_rank_spectrum`].
pub fn of_factors(update: &LowRankUpdate) -> Result<Spectrum, SpectrumError> {
    let LowRankUpdate {
        rows,
        cols,
        rank,
        b,
        a,
        scale,
    } = update;
    let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect();
    let b = Matrix::from_f64(*rows, *rank, wide(b))?;
    let a = Matrix::from_f64(*rank, *cols, wide(a))?;
    low_rank_spectrum(&b, &a, *scale)
}
