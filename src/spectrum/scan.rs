//! All matrices of one checkpoint, measured in parallel.

use super::validity::{Validity, ValidityRequest, validity};
use super::{
    Arithmetic, CheckpointMetrics, Estimator, Matrix, MemoryLimit, SpectrumError, Stored,
    decomposition_bytes, measure_stored, run_in_order,
};
use crate::checkpoint::fingerprint::{TensorDigest, checkpoint_digest, sha256_hex};
use crate::checkpoint::{Checkpoint, CheckpointError, Dtype, Tensor, to_f32, to_f64};
use crate::layer::{Form, LayerSource, Part, natural_order};
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
    pub metrics: CheckpointMetrics,
    /// Beside the fit, where there is one.
    pub validity: Option<Validity>,
}

/// Measures every matrix of a checkpoint on the current rayon pool, the most work first. `request` asks
/// for more on how far the fits may be believed.
///
/// # Errors
/// Where weights cannot be read. A matrix that cannot be decomposed says so in its metrics.
pub fn scan(
    checkpoint: &Checkpoint,
    estimator: &Estimator,
    request: ValidityRequest,
    memory: MemoryLimit,
    progress: &dyn Progress,
) -> Result<Scan, CheckpointError> {
    let mut skipped: Vec<(String, String)> = checkpoint
        .skipped()
        .iter()
        .map(|(name, skipped)| (name.clone(), skipped.reason.clone()))
        .collect();
    let mut queue: Vec<(&Tensor, Vec<LayerSource>)> = Vec::new();
    for tensor in checkpoint.tensors().values() {
        let mut matrices = Vec::new();
        for layer in tensor.layers() {
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
            Form::Matrix { rows, cols } => Some(decomposition_bytes(rows, cols, estimator)),
            Form::Vector | Form::NotAMatrix(_) => None,
        });
        tensor.byte_length() + working.max().unwrap_or(0)
    };
    let measured = run_in_order(&queue, memory, need, |(tensor, layers)| {
        let bytes = checkpoint.bytes(tensor)?;
        let matrices = layers
            .iter()
            .map(|layer| of_layer(layer.clone(), tensor, &bytes, estimator, request));
        let matrices: Vec<ScannedMatrix> = matrices.collect();
        progress.advance(tensor.byte_length(), &tensor.name);
        Ok::<_, CheckpointError>((*tensor, sha256_hex(&bytes), matrices))
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

fn of_layer(
    source: LayerSource,
    tensor: &Tensor,
    bytes: &[u8],
    estimator: &Estimator,
    request: ValidityRequest,
) -> ScannedMatrix {
    let stored = Stored {
        dtype: tensor.dtype,
        bytes: part_of(bytes, tensor, source.part),
    };
    let (rows, cols) = match source.form {
        Form::Matrix { rows, cols } => (rows, cols),
        Form::Vector | Form::NotAMatrix(_) => (0, 0),
    };
    let (spectrum, metrics) = measure_stored(stored, rows, cols, estimator);
    let beside_the_fit = spectrum.and_then(|spectrum| validity(&spectrum, estimator, request));
    ScannedMatrix {
        source,
        dtype: tensor.dtype,
        metrics,
        validity: beside_the_fit,
    }
}

/// The contiguous bytes of one part of a tensor.
pub fn part_of<'a>(bytes: &'a [u8], tensor: &Tensor, part: Part) -> &'a [u8] {
    match part {
        Part::Whole => bytes,
        Part::Expert(expert) => {
            let experts = tensor.shape.first().copied().unwrap_or(1).max(1);
            let size = bytes.len() / experts;
            let start = size * expert as usize;
            bytes.get(start..start + size).unwrap_or_default()
        }
    }
}

/// Decodes stored bytes to a rows x cols matrix in the arithmetic that the estimator asks for.
///
/// # Errors
/// If the number of values is not rows x cols.
pub fn matrix_of(
    dtype: Dtype,
    bytes: &[u8],
    rows: usize,
    cols: usize,
    estimator: &Estimator,
) -> Result<Matrix, SpectrumError> {
    match estimator.arithmetic(rows, cols) {
        Arithmetic::F64 => Matrix::from_f64(rows, cols, to_f64(dtype, bytes)),
        Arithmetic::F32 => Matrix::from_f32(rows, cols, to_f32(dtype, bytes)),
    }
}
