//! One tensor pair from raw bytes to layers: hashes, entry sums, spectra, drift, and the facts that
//! a single layer shows.
//!
//! Memory of one pair: the raw bytes of both tensors with one Gram matrix and one decoded panel at a
//! time; for the search for intruders, both matrices decoded (8 bytes an entry up to a shorter side
//! of 1024, 4 above). [`TensorPair::memory`] estimates it.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::entries::{PairSums, Stored, is_constant, zero_rows};
use super::facts::{self, MatrixState};
use super::matrix::{Values, measure_matrix};
use super::precision::{LayerPrecision, PairPrecision};
use super::{CompareError, Fact, LayerComparison, LayerKind, adapter, drift};
use crate::cache::{Key, Store};
use crate::checkpoint::fingerprint::sha256_hex;
use crate::checkpoint::{Checkpoint, LowRankUpdate, Tensor};
use crate::layer::{Form, LayerSource, Part};
use crate::num::Measured;
use crate::spectrum::metric::{Metric, MetricTable, Subject};
use crate::spectrum::{self, Estimator, Profile, SpectrumError, layer_bytes};

/// A base tensor and the tuned tensor of the same shape that it became.
#[derive(Debug, Clone)]
pub(super) struct TensorPair<'a> {
    pub(super) base: &'a Tensor,
    pub(super) tuned: &'a Tensor,
    /// The layers of the tuned tensor that have a form to compare.
    pub(super) layers: Vec<LayerSource>,
}

impl TensorPair<'_> {
    /// Grows with the work, to start the largest first.
    pub(super) fn cost(&self) -> u128 {
        self.layers
            .iter()
            .map(|layer| match layer.form {
                Form::Matrix { rows, cols } => {
                    let (short, long) = (rows.min(cols) as u128, rows.max(cols) as u128);
                    short * short * (long + 2 * short)
                }
                Form::Vector | Form::NotAMatrix(_) => 1,
            })
            .sum()
    }

    /// An upper estimate of the bytes that measuring takes: the raw tensors, and either a Gram matrix
    /// with a panel, or both matrices decoded with an eigendecomposition (the Gram matrix,
    /// workspace of twice its size, and the vectors kept).
    pub(super) fn memory(&self, estimator: &Estimator) -> u64 {
        let working = self.layers.iter().map(|layer| match layer.form {
            Form::Matrix { rows, cols } => {
                let width = estimator.arithmetic(rows, cols).bytes();
                let side = rows.min(cols) as u64;
                let decoded = 2 * width * rows as u64 * cols as u64 + 4 * width * side * side;
                let copied = if layer.is_stored_as_read() {
                    0
                } else {
                    let widths = self.base.dtype.bytes() + self.tuned.dtype.bytes();
                    rows as u64 * cols as u64 * widths as u64
                };
                copied + spectrum::decomposition_bytes(rows, cols, estimator).max(decoded)
            }
            Form::Vector | Form::NotAMatrix(_) => 0,
        });
        self.bytes() + working.max().unwrap_or(0)
    }

    /// Raw bytes of both sides.
    pub(super) fn bytes(&self) -> u64 {
        self.base.byte_length() + self.tuned.byte_length()
    }
}

/// What one pair gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) base_sha256: String,
    pub(super) tuned_sha256: String,
    pub(super) layers: Vec<MeasuredLayer>,
    pub(super) facts: Vec<Fact>,
    /// Not part of any result.
    #[serde(skip)]
    pub(super) elapsed: Duration,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct MeasuredLayer {
    pub(super) comparison: LayerComparison,
    pub(super) sums: PairSums,
    pub(super) base_sha256: String,
    pub(super) tuned_sha256: String,
    /// A constant tensor is no evidence of a copied layer.
    pub(super) constant: bool,
}

/// Reads and measures one pair, or takes from the store what was measured of the same bytes before.
pub(super) fn measure_through(
    store: Option<&Store>,
    pair: &TensorPair<'_>,
    base: &Checkpoint,
    tuned: &Checkpoint,
    estimator: &Estimator,
) -> Result<Outcome, CompareError> {
    let started = Instant::now();
    let (base_bytes, base_errors) = base.bytes_and_errors(pair.base)?;
    let (tuned_bytes, tuned_errors) = tuned.bytes_and_errors(pair.tuned)?;
    let hashes = (sha256_hex(&base_bytes), sha256_hex(&tuned_bytes));
    let updates = tuned.low_rank_updates(pair.tuned, base, pair.base)?;
    // What an adapter adds to a quantised base is known without the error that both sides share.
    let precision = if updates.is_empty() {
        PairPrecision::of(pair, base_errors, tuned_errors)
    } else {
        PairPrecision::default()
    };
    let key = key_of(pair, &precision, &hashes, &updates, estimator);
    let known: Option<Outcome> =
        store.and_then(|store| store.get(&key, |bytes| serde_json::from_slice(bytes).ok()));
    let mut outcome = if let Some(outcome) = known {
        outcome
    } else {
        let bytes = (base_bytes.as_slice(), tuned_bytes.as_slice());
        let outcome = measure(pair, &precision, bytes, hashes, &updates, estimator)?;
        if let (Some(store), Ok(payload)) = (store, serde_json::to_vec(&outcome)) {
            store.put(&key, &payload);
        }
        outcome
    };
    outcome.elapsed = started.elapsed();
    Ok(outcome)
}

/// Everything that decides a pair's outcome: program, estimator, names, dtypes, shape, layers and bytes.
fn key_of(
    pair: &TensorPair<'_>,
    precision: &PairPrecision,
    hashes: &(String, String),
    updates: &[LowRankUpdate],
    estimator: &Estimator,
) -> Key {
    Key::of(&[
        "pair 2",
        env!("CARGO_PKG_VERSION"),
        &format!("{:?}", estimator.describe()),
        &pair.tuned.name,
        pair.base.dtype.as_str(),
        pair.tuned.dtype.as_str(),
        &precision.key(),
        &format!("{:?}", pair.tuned.shape),
        &format!("{:?}", pair.layers),
        &hashes.0,
        &hashes.1,
        &adapter::fingerprint(updates),
    ])
}

fn measure(
    pair: &TensorPair<'_>,
    precision: &PairPrecision,
    (base_bytes, tuned_bytes): (&[u8], &[u8]),
    (base_sha256, tuned_sha256): (String, String),
    updates: &[LowRankUpdate],
    estimator: &Estimator,
) -> Result<Outcome, CompareError> {
    let mut outcome = Outcome {
        base_sha256,
        tuned_sha256,
        layers: Vec::new(),
        facts: Vec::new(),
        elapsed: Duration::ZERO,
    };
    for layer in &pair.layers {
        let base_values = layer_bytes(base_bytes, pair.base, layer);
        let tuned_values = layer_bytes(tuned_bytes, pair.tuned, layer);
        let base_part = Stored {
            bytes: &base_values,
            dtype: pair.base.dtype,
        };
        let tuned_part = Stored {
            bytes: &tuned_values,
            dtype: pair.tuned.dtype,
        };
        let whole = matches!(layer.part, Part::Whole);
        let hash = |bytes: &[u8], of_tensor: &str| {
            if whole {
                of_tensor.to_owned()
            } else {
                sha256_hex(bytes)
            }
        };
        let hashes = (
            hash(base_part.bytes, &outcome.base_sha256),
            hash(tuned_part.bytes, &outcome.tuned_sha256),
        );
        let measured = measure_layer(
            layer,
            (base_part, tuned_part),
            precision.of_part(layer.part),
            hashes,
            (estimator, adapter::of_part(updates, layer.part)),
            &mut outcome.facts,
        )
        .map_err(|source| CompareError::Values {
            layer: layer.name.as_str().to_owned(),
            source,
        })?;
        outcome.layers.push(measured);
    }
    Ok(outcome)
}

fn measure_layer(
    source: &LayerSource,
    (base, tuned): (Stored<'_>, Stored<'_>),
    precision: LayerPrecision<'_>,
    (base_sha256, tuned_sha256): (String, String),
    (estimator, update): (&Estimator, Option<&LowRankUpdate>),
    facts: &mut Vec<Fact>,
) -> Result<MeasuredLayer, SpectrumError> {
    let sums = PairSums::of(base, tuned);
    let constant = is_constant(tuned);
    let identical = base.dtype == tuned.dtype && base_sha256 == tuned_sha256;
    let (kind, rows, cols) = match source.form {
        Form::Matrix { rows, cols } => (LayerKind::Matrix, rows, cols),
        Form::Vector | Form::NotAMatrix(_) => (LayerKind::Vector, 1, source.shape.iter().product()),
    };
    let base_values = Values::of(base, rows, cols, precision.base_error)?;
    let tuned_values = Values::of(tuned, rows, cols, precision.tuned_error)?;
    let mut layer = LayerComparison {
        name: source.name.clone(),
        kind,
        role: source.traits.role,
        block: source.traits.block,
        expert: source.traits.expert,
        scope: source.traits.scope,
        shape: source.shape.clone(),
        base_dtype: precision.base.unwrap_or(base.dtype.as_str()).to_owned(),
        tuned_dtype: precision.tuned.unwrap_or(tuned.dtype.as_str()).to_owned(),
        base: base_values.entry_metrics(kind),
        tuned: tuned_values.entry_metrics(kind),
        drift: MetricTable::default(),
        identical,
        quantisation_error: precision.relative_error(&sums),
        update_profile: Profile::default(),
    };
    let mut rank_losses = None;
    if !sums.is_finite() {
        withhold(&mut layer, &sums);
    } else if identical {
        drift::of_identical(kind == LayerKind::Matrix, &mut layer.drift);
    } else {
        drift::of_entries(&sums, &mut layer.drift);
        if kind == LayerKind::Matrix {
            let sides = (&base_values, &tuned_values);
            rank_losses = measure_matrix(&mut layer, sides, &sums, update, estimator);
        }
        precision.withhold(kind, &sums, &mut layer.drift);
    }
    let state = MatrixState {
        sums: &sums,
        tuned_dtype: tuned.dtype,
        base_dtype: base.dtype,
        precision,
        constant: constant && !is_constant(base),
        dead_rows: dead_rows(kind, base, tuned, cols),
        rank_losses,
    };
    facts.extend(facts::of_layer(&layer, &state));
    Ok(MeasuredLayer {
        comparison: layer,
        sums,
        base_sha256,
        tuned_sha256,
        constant,
    })
}

/// Rows that are all zero now and were not in the base, and the number of rows.
fn dead_rows(kind: LayerKind, base: Stored<'_>, tuned: Stored<'_>, cols: usize) -> (usize, usize) {
    if kind == LayerKind::Vector {
        return (0, 0);
    }
    let after = zero_rows(tuned, cols);
    if !after.contains(&true) {
        return (0, after.len());
    }
    let before = zero_rows(base, cols);
    let dead = after
        .iter()
        .zip(&before)
        .filter(|(after, before)| **after && !**before)
        .count();
    (dead, after.len())
}

/// A layer with NaN or infinite entries has no metrics, and says so in each.
fn withhold(layer: &mut LayerComparison, sums: &PairSums) {
    let side = match (sums.base_nonfinite, sums.tuned_nonfinite) {
        (0, count) => format!("the tuned tensor holds {count} non-finite values"),
        (count, 0) => format!("the base tensor holds {count} non-finite values"),
        (_, _) => "both tensors hold non-finite values".to_owned(),
    };
    let metrics: &[Metric] = match layer.kind {
        LayerKind::Matrix => Metric::ALL,
        LayerKind::Vector => &[
            Metric::RelativeUpdate,
            Metric::Cosine,
            Metric::ChangedFraction,
        ],
    };
    for metric in metrics {
        if metric.subject() == Subject::Pair {
            layer.drift.set(*metric, Measured::failed(side.clone()));
        }
    }
}
