//! What an adapter does to one tensor of its base.

use super::AdapterError;
use super::encode::{add, encode};
use super::low_rank::{LowRankUpdate, transposed};
use crate::checkpoint::{Checkpoint, CheckpointError, Dtype, Tensor, to_f32};

/// One change of a tensor; the texts are names of tensors of the adapter.
#[derive(Debug, Clone)]
pub(super) enum Update {
    LowRank(LowRank),
    /// The whole new value.
    Whole(String),
    /// New values of these rows.
    Rows {
        values: String,
        rows: Vec<u64>,
    },
    /// Added, times the scale.
    Bias {
        values: String,
        scale: f64,
    },
}

/// `W + s B A`, or with a magnitude m `m (W + s B A) / |W + s B A|`, the norm of each output.
#[derive(Debug, Clone)]
pub(super) struct LowRank {
    pub(super) a: String,
    pub(super) b: String,
    pub(super) axes: Axes,
    pub(super) rank: usize,
    pub(super) scale: f64,
    pub(super) magnitude: Option<String>,
    /// The weight that the adapter brings along instead of the base's.
    pub(super) own_base: Option<String>,
    /// The update is rounded to the dtype of the base before it is added.
    pub(super) rounds: bool,
}

/// How the factors lie against the stored tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axes {
    /// A [r, in], B [out, r], stored [out, in]; kernels have more axes behind `in`.
    Linear,
    /// A [r, in], B [out, r], stored [in, out].
    Transposed,
    /// a [in, r], b [r, out], stored [out, in].
    MlxLinear,
    /// a [rows, r], b [r, cols], stored as that.
    MlxEmbedding,
    /// A [experts, r, in], B [out, r, experts], stored [experts, out, in] or [experts, in, out].
    Experts { count: usize, transposed: bool },
    /// One expert of such factors, and a run of its outputs, stored [rows, in].
    OfExpert {
        expert: usize,
        count: usize,
        first_row: usize,
        rows: usize,
    },
}

impl Update {
    /// The tensor's bytes after the change; `tensor` gives its dtype and shape.
    pub(super) fn apply(
        &self,
        tensor: &Tensor,
        base: Vec<u8>,
        weights: &Checkpoint,
    ) -> Result<Vec<u8>, CheckpointError> {
        let dtype = tensor.dtype;
        match self {
            Self::LowRank(update) => update.apply(tensor, base, weights),
            Self::Whole(values) => values_as(weights, values, dtype),
            Self::Rows { values, rows } => {
                let mut bytes = base;
                let values = values_as(weights, values, dtype)?;
                let width = row_width(tensor);
                for (row, new) in rows.iter().zip(values.chunks(width.max(1))) {
                    let start = usize::try_from(*row)
                        .ok()
                        .and_then(|row| row.checked_mul(width));
                    let old = start.and_then(|start| bytes.get_mut(start..start + width));
                    old.ok_or_else(|| unfit(tensor))?.copy_from_slice(new);
                }
                Ok(bytes)
            }
            Self::Bias { values, scale } => {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "the scale is applied in f32"
                )]
                let scale = *scale as f32;
                let change: Vec<f32> = read(weights, values)?
                    .into_iter()
                    .map(|value| value * scale)
                    .collect();
                add(dtype, &base, &change).ok_or_else(|| unfit(tensor))
            }
        }
    }
}

impl LowRank {
    fn apply(
        &self,
        tensor: &Tensor,
        base: Vec<u8>,
        weights: &Checkpoint,
    ) -> Result<Vec<u8>, CheckpointError> {
        let dtype = tensor.dtype;
        let base = match &self.own_base {
            Some(own) => values_as(weights, own, dtype)?,
            None => base,
        };
        let mut change = self.change(weights)?;
        if self.rounds {
            change = to_f32(dtype, &encode(dtype, &change));
        }
        let Some(magnitude) = &self.magnitude else {
            return add(dtype, &base, &change).ok_or_else(|| unfit(tensor));
        };
        let mut values = to_f32(dtype, &base);
        if values.len() != change.len() {
            return Err(unfit(tensor));
        }
        for (value, change) in values.iter_mut().zip(&change) {
            *value += change;
        }
        let magnitude = read(weights, magnitude)?;
        if self.axes == Axes::Transposed {
            rescale_columns(&mut values, &magnitude);
        } else {
            rescale_rows(&mut values, &magnitude);
        }
        Ok(encode(dtype, &values))
    }

    /// `s B A` in the order of the stored tensor.
    pub(super) fn change(&self, weights: &Checkpoint) -> Result<Vec<f32>, CheckpointError> {
        let mut factors = self.factors(weights)?;
        match (factors.pop(), factors.is_empty()) {
            (Some(only), true) => Ok(only.product()),
            (last, _) => Ok(factors
                .iter()
                .chain(last.as_ref())
                .flat_map(LowRankUpdate::product)
                .collect()),
        }
    }

    /// The factors of each matrix of the tensor, in their order.
    pub(super) fn factors(
        &self,
        weights: &Checkpoint,
    ) -> Result<Vec<LowRankUpdate>, CheckpointError> {
        let (a, b) = (read(weights, &self.a)?, read(weights, &self.b)?);
        let (rank, scale) = (self.rank, self.scale);
        let oriented = |b: Vec<f32>, a: Vec<f32>, turn| orient(b, a, (rank, scale), turn);
        Ok(match self.axes {
            Axes::Linear => vec![oriented(b, a, false)],
            Axes::Transposed => vec![oriented(b, a, true)],
            Axes::MlxEmbedding => vec![oriented(a, b, false)],
            Axes::MlxLinear => {
                let (out, input) = (b.len() / rank.max(1), a.len() / rank.max(1));
                let (b, a) = (transposed(&b, rank, out), transposed(&a, input, rank));
                vec![oriented(b, a, false)]
            }
            Axes::Experts { count, transposed } => (0..count)
                .map(|expert| {
                    let (b, a) = of_expert(&b, &a, rank, expert, count);
                    oriented(b, a, transposed)
                })
                .collect(),
            Axes::OfExpert {
                expert,
                count,
                first_row,
                rows,
            } => {
                let (b, a) = of_expert(&b, &a, rank, expert, count);
                let share = b.chunks(rank.max(1)).skip(first_row).take(rows);
                vec![oriented(share.flatten().copied().collect(), a, false)]
            }
        })
    }
}

/// The update of B (out x rank) and A (rank x in), or with `turn` of its transpose.
fn orient(b: Vec<f32>, a: Vec<f32>, (rank, scale): (usize, f64), turn: bool) -> LowRankUpdate {
    let (out, input) = (b.len() / rank.max(1), a.len() / rank.max(1));
    let (rows, cols, b, a) = if turn {
        let (b, a) = (transposed(&a, rank, input), transposed(&b, out, rank));
        (input, out, b, a)
    } else {
        (out, input, b, a)
    };
    LowRankUpdate {
        rows,
        cols,
        rank,
        b,
        a,
        scale,
    }
}

/// B (out x r) and A (r x in) of one expert of the stacked factors.
fn of_expert(
    b: &[f32],
    a: &[f32],
    rank: usize,
    expert: usize,
    count: usize,
) -> (Vec<f32>, Vec<f32>) {
    let b = b
        .chunks(rank.max(1) * count)
        .flat_map(|row| row.iter().skip(expert).step_by(count).copied())
        .collect();
    let slab = a.len() / count.max(1);
    let a = a.chunks(slab.max(1)).nth(expert).unwrap_or_default();
    (b, a.to_vec())
}

/// Gives each row the norm that `norms` says.
fn rescale_rows(values: &mut [f32], norms: &[f32]) {
    let cols = values.len() / norms.len().max(1);
    for (row, norm) in values.chunks_mut(cols.max(1)).zip(norms) {
        let factor = norm / row_norm(row);
        for value in row {
            *value *= factor;
        }
    }
}

/// The norm as PyTorch sums it on a processor with vectors of eight: eight partial sums in f32, added one
/// after the other.
fn row_norm(row: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let (chunks, rest) = row.as_chunks::<8>();
    for chunk in chunks {
        for (sum, value) in lanes.iter_mut().zip(chunk) {
            *sum += value * value;
        }
    }
    let squares = rest.iter().map(|value| value * value);
    lanes.into_iter().chain(squares).sum::<f32>().sqrt()
}

fn rescale_columns(values: &mut [f32], norms: &[f32]) {
    let mut squares = vec![0.0; norms.len()];
    for row in values.chunks(norms.len().max(1)) {
        for (sum, value) in squares.iter_mut().zip(row) {
            *sum += f64::from(*value).powi(2);
        }
    }
    let factors: Vec<f32> = norms
        .iter()
        .zip(squares)
        .map(|(norm, sum)| norm / root(sum))
        .collect();
    for row in values.chunks_mut(norms.len().max(1)) {
        for (value, factor) in row.iter_mut().zip(&factors) {
            *value *= factor;
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the norm is a number in f32, and summed in f64 only to be its nearest one"
)]
fn root(squares: f64) -> f32 {
    squares.sqrt() as f32
}

fn row_width(tensor: &Tensor) -> usize {
    tensor.shape.iter().skip(1).product::<usize>() * tensor.dtype.bytes()
}

/// The values of one of the adapter's tensors.
pub(super) fn read(weights: &Checkpoint, name: &str) -> Result<Vec<f32>, CheckpointError> {
    let tensor = own(weights, name)?;
    Ok(to_f32(tensor.dtype, &weights.bytes(tensor)?))
}

/// As [`read`], stored as `dtype`.
fn values_as(weights: &Checkpoint, name: &str, dtype: Dtype) -> Result<Vec<u8>, CheckpointError> {
    let tensor = own(weights, name)?;
    let bytes = weights.bytes(tensor)?;
    Ok(if tensor.dtype == dtype {
        bytes
    } else {
        encode(dtype, &to_f32(tensor.dtype, &bytes))
    })
}

fn own<'a>(weights: &'a Checkpoint, name: &str) -> Result<&'a Tensor, CheckpointError> {
    weights.tensor(name).ok_or_else(|| {
        let problem = AdapterError::Tensor {
            tensor: name.to_owned(),
            problem: "missing".to_owned(),
        };
        CheckpointError::adapter(weights.reference(), problem)
    })
}

/// Shapes are checked when an adapter is put on a base: the file has changed since.
fn unfit(tensor: &Tensor) -> CheckpointError {
    CheckpointError::NoSuchPart {
        tensor: tensor.name.clone(),
        part: "values that the adapter's update fits".to_owned(),
    }
}
