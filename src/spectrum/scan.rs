//! All matrices of one checkpoint, measured in parallel.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::metric::Metric;
use super::validity::{Validity, ValidityRequest, validity, windows};
use super::{
    Arithmetic, CheckpointMetrics, Estimator, LazyMatrix, Matrix, MemoryLimit, SpectrumError,
    Stored, decomposition_bytes, measure_quantised, run_in_order, squared_error_of,
};
use crate::cache::{Key, Store};
use crate::checkpoint::fingerprint::{TensorDigest, checkpoint_digest, sha256_hex};
use crate::checkpoint::{Checkpoint, CheckpointError, Dtype, Tensor, read_ahead, to_f32, to_f64};
use crate::layer::{Form, LayerSource, Part, natural_order, transpose};
use crate::term::Progress;

/// What a scan gives: the matrices in natural order of their names, and what was left out.
#[derive(Debug)]
pub struct Scan {
    pub matrices: Vec<ScannedMatrix>,
    /// Tensor and reason.
    pub skipped: Vec<(String, String)>,
    /// Digest of the measured tensors.
    pub digest: String,
}

#[derive(Debug)]
pub struct ScannedMatrix {
    pub source: LayerSource,
    pub dtype: Dtype,
    /// How the tensor is quantised in its file; `None` where it is not.
    pub scheme: Option<String>,
    pub metrics: CheckpointMetrics,
    /// Beside the fit, where there is one.
    pub validity: Option<Validity>,
}

/// Measures every matrix of a checkpoint on the current rayon pool, the most work first. `request` asks
/// for more on how far the fits may be believed; `store` keeps the results of unchanged tensors.
///
/// # Errors
/// Where weights cannot be read. A matrix that cannot be decomposed says so in its metrics.
pub fn scan(
    checkpoint: &Checkpoint,
    estimator: &Estimator,
    request: ValidityRequest,
    memory: MemoryLimit,
    store: Option<&Store>,
    progress: &dyn Progress,
) -> Result<Scan, CheckpointError> {
    let mut skipped: Vec<(String, String)> = checkpoint
        .skipped()
        .iter()
        .map(|(name, skipped)| (name.clone(), skipped.reason.clone()))
        .collect();
    let mut queue: Vec<(&Tensor, Vec<LayerSource>)> = Vec::new();
    let architecture = checkpoint.architecture();
    for tensor in checkpoint.tensors().values() {
        let mut matrices = Vec::new();
        for layer in tensor.layers(&architecture) {
            match &layer.form {
                Form::Matrix { .. } => matrices.push(layer),
                Form::Vector => {}
                Form::NotAMatrix(reason) => {
                    skipped.push((layer.name.as_str().to_owned(), reason.as_str().to_owned()));
                }
            }
        }
        if !matrices.is_empty() {
            queue.push((tensor, matrices));
        }
    }
    queue.sort_by_key(|(_, layers)| std::cmp::Reverse(work_of(layers)));
    progress.start(
        queue.len(),
        queue.iter().map(|(tensor, _)| tensor.byte_length()).sum(),
    );
    let need = |(tensor, layers): &(&Tensor, Vec<LayerSource>)| {
        let working = layers.iter().filter_map(|layer| match layer.form {
            Form::Matrix { rows, cols } => {
                let width = estimator.arithmetic(rows, cols).bytes();
                let copied = if layer.is_stored_as_read() {
                    0
                } else {
                    tensor.dtype.bytes() as u64
                };
                let decoded = rows as u64 * cols as u64 * (width + copied);
                Some(decomposition_bytes(rows, cols, estimator) + decoded)
            }
            Form::Vector | Form::NotAMatrix(_) => None,
        });
        tensor.byte_length() + working.max().unwrap_or(0)
    };
    let _ahead = read_ahead(queue.iter().map(|(tensor, _)| (checkpoint, *tensor)));
    let measured = run_in_order(&queue, memory, need, |(tensor, layers)| {
        let (bytes, errors) = checkpoint.bytes_and_errors(tensor)?;
        let errors = errors.unwrap_or_default();
        let sha256 = sha256_hex(&bytes);
        let measure = || -> Vec<Measurement> {
            let of = |layer: &LayerSource| {
                let error = squared_error_of(&errors, layer.part, tensor.parameters());
                of_layer(layer, tensor, &bytes, error, estimator, request)
            };
            layers.iter().map(of).collect()
        };
        // What is asked for beside the fit is not kept.
        let measured = match store.filter(|_| request == ValidityRequest::default()) {
            Some(store) => kept(
                store,
                &key_of(tensor, layers, &sha256, estimator),
                layers.len(),
                measure,
            ),
            None => measure(),
        };
        let matrices: Vec<ScannedMatrix> = layers
            .iter()
            .zip(measured)
            .map(|(layer, measurement)| ScannedMatrix {
                source: layer.clone(),
                dtype: tensor.dtype,
                scheme: tensor.scheme().map(ToOwned::to_owned),
                metrics: measurement.metrics,
                validity: measurement.validity,
            })
            .collect();
        progress.advance(tensor.byte_length(), &tensor.name);
        Ok::<_, CheckpointError>((*tensor, sha256, matrices))
    });
    progress.finish();
    let mut measured = measured?;
    measured.sort_by(|(left, ..), (right, ..)| natural_order(&left.name, &right.name));
    let digest = checkpoint_digest(measured.iter().map(|(tensor, sha256, _)| TensorDigest {
        name: &tensor.name,
        dtype: tensor.dtype.as_str(),
        shape: &tensor.shape,
        sha256,
    }));
    skipped.sort_by(|(left, _), (right, _)| natural_order(left, right));
    let matrices = measured
        .into_iter()
        .flat_map(|(_, _, matrices)| matrices)
        .collect();
    Ok(Scan {
        matrices,
        skipped,
        digest,
    })
}

/// Flops of the decompositions but for a factor.
fn work_of(layers: &[LayerSource]) -> u128 {
    let of_layer = |layer: &LayerSource| match layer.form {
        Form::Matrix { rows, cols } => {
            let (short, long) = (rows.min(cols) as u128, rows.max(cols) as u128);
            short * short * (long + 2 * short)
        }
        Form::Vector | Form::NotAMatrix(_) => 0,
    };
    layers.iter().map(of_layer).sum()
}

/// What was measured of one matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Measurement {
    metrics: CheckpointMetrics,
    validity: Option<Validity>,
}

/// Everything that decides what is measured of a tensor.
fn key_of(tensor: &Tensor, layers: &[LayerSource], sha256: &str, estimator: &Estimator) -> Key {
    Key::of(&[
        // Raised when what is measured, or its form, changes.
        "scan 3",
        env!("CARGO_PKG_VERSION"),
        &format!("{:?}", estimator.describe()),
        &tensor.name,
        tensor.scheme().unwrap_or(tensor.dtype.as_str()),
        &format!("{:?}", tensor.shape),
        &format!("{layers:?}"),
        sha256,
    ])
}

/// What the store holds of `count` matrices under this key, or what `measure` gives, which is then kept.
fn kept(
    store: &Store,
    key: &Key,
    count: usize,
    measure: impl FnOnce() -> Vec<Measurement>,
) -> Vec<Measurement> {
    let parse = |bytes: &[u8]| {
        let known: Option<Vec<Measurement>> = serde_json::from_slice(bytes).ok();
        known.filter(|known| known.len() == count)
    };
    if let Some(known) = store.get(key, parse) {
        return known;
    }
    let measured = measure();
    if let Ok(payload) = serde_json::to_vec(&measured) {
        store.put(key, &payload);
    }
    measured
}

fn of_layer(
    source: &LayerSource,
    tensor: &Tensor,
    bytes: &[u8],
    squared_error: f64,
    estimator: &Estimator,
    request: ValidityRequest,
) -> Measurement {
    let part = layer_bytes(bytes, tensor, source);
    let stored = Stored {
        dtype: tensor.dtype,
        bytes: &part,
    };
    let (rows, cols) = match source.form {
        Form::Matrix { rows, cols } => (rows, cols),
        Form::Vector | Form::NotAMatrix(_) => (0, 0),
    };
    let (spectrum, metrics) = measure_quantised(stored, rows, cols, squared_error, estimator);
    let found = metrics
        .fit
        .as_ref()
        .and_then(|fit| fit.value(Metric::TailCount));
    let validity = spectrum.zip(found).and_then(|(spectrum, tail_count)| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of eigenvalues"
        )]
        let tail_count = tail_count as usize;
        let found = validity(&spectrum, tail_count, estimator, request)?;
        let matrix = LazyMatrix::of_stored(stored, rows, cols, estimator);
        let of_aspect = |aspect| windows(&matrix, aspect, estimator);
        Some(Validity {
            windows: request.windows.and_then(of_aspect),
            ..found
        })
    });
    Measurement { metrics, validity }
}

/// The bytes of one part of a tensor in row-major order; copied only where they do not lie together.
pub fn part_of<'a>(bytes: &'a [u8], tensor: &Tensor, part: Part) -> Cow<'a, [u8]> {
    part.cut(bytes, &tensor.shape, tensor.dtype.bytes())
}

/// The bytes of one layer, a matrix as [out, in] in row-major order: what is stored [in, out] is
/// transposed, so that rows are outputs in every model.
pub fn layer_bytes<'a>(bytes: &'a [u8], tensor: &Tensor, layer: &LayerSource) -> Cow<'a, [u8]> {
    let part = part_of(bytes, tensor, layer.part);
    match layer.form {
        Form::Matrix { rows, cols } if layer.input_first => {
            Cow::Owned(transpose(&part, cols, rows, tensor.dtype.bytes()))
        }
        Form::Matrix { .. } | Form::Vector | Form::NotAMatrix(_) => part,
    }
}

/// Decodes stored bytes to a rows x cols matrix in that arithmetic.
///
/// # Errors
/// If the number of values is not rows x cols.
pub fn matrix_of(
    dtype: Dtype,
    bytes: &[u8],
    rows: usize,
    cols: usize,
    arithmetic: Arithmetic,
) -> Result<Matrix, SpectrumError> {
    match arithmetic {
        Arithmetic::F64 => Matrix::from_f64(rows, cols, to_f64(dtype, bytes)),
        Arithmetic::F32 => Matrix::from_f32(rows, cols, to_f32(dtype, bytes)),
    }
}
