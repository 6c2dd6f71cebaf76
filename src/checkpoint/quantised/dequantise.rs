//! From codes to values and to their expected error: one walk for both.

use std::sync::Arc;

use super::parts::Reader;
use crate::checkpoint::source::zeros;
use crate::checkpoint::tensor::{Derive, Span};
use crate::checkpoint::{Checkpoint, CheckpointError, Dtype, Tensor};

/// A way to store a matrix in codes.
pub(super) trait Scheme: std::fmt::Debug + Send + Sync {
    /// Hands every value of the tensor to the sink once, in any order.
    fn each(&self, reader: Reader<'_>, sink: &mut impl Sink) -> Result<(), CheckpointError>;
}

/// Takes the values of a tensor by their row-major index.
pub(super) trait Sink {
    /// `variance`: the mean squared error of rounding to this code.
    fn put(&mut self, index: usize, value: f32, variance: f32);
}

/// A tensor of values that are computed from the codes of a [`Scheme`].
#[derive(Debug)]
pub(super) struct Dequantised<S> {
    /// What reports call the scheme: `gptq-4bit-g128`.
    pub(super) name: String,
    pub(super) scheme: S,
}

impl<S: Scheme> Dequantised<S> {
    /// Walks over the values once for both, or for one of them.
    fn walk(
        &self,
        checkpoint: &Checkpoint,
        tensor: &Tensor,
        errors: Option<&mut Errors>,
    ) -> Result<Vec<u8>, CheckpointError> {
        let mut bytes = zeros(&tensor.name, tensor.byte_length())?;
        let reader = Reader {
            checkpoint,
            tensor: &tensor.name,
        };
        if tensor.dtype == Dtype::Bf16 {
            let halves = Halves(bytes.as_chunks_mut().0);
            self.scheme.each(reader, &mut Both(halves, errors))?;
        } else {
            let singles = Singles(bytes.as_chunks_mut().0);
            self.scheme.each(reader, &mut Both(singles, errors))?;
        }
        Ok(bytes)
    }
}

impl<S: Scheme> Derive for Dequantised<S> {
    fn bytes(&self, checkpoint: &Checkpoint, tensor: &Tensor) -> Result<Vec<u8>, CheckpointError> {
        self.walk(checkpoint, tensor, None)
    }

    fn scheme(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn squared_errors(
        &self,
        checkpoint: &Checkpoint,
        tensor: &Tensor,
    ) -> Result<Option<Vec<f64>>, CheckpointError> {
        let mut errors = Errors::of(tensor);
        let reader = Reader {
            checkpoint,
            tensor: &tensor.name,
        };
        self.scheme.each(reader, &mut errors)?;
        Ok(Some(errors.sums))
    }

    fn bytes_and_errors(
        &self,
        checkpoint: &Checkpoint,
        tensor: &Tensor,
    ) -> Result<(Vec<u8>, Option<Vec<f64>>), CheckpointError> {
        let mut errors = Errors::of(tensor);
        let bytes = self.walk(checkpoint, tensor, Some(&mut errors))?;
        Ok((bytes, Some(errors.sums)))
    }
}

/// A tensor that is computed from these runs of its checkpoint's files.
#[derive(Debug)]
pub(super) struct FromSpans {
    pub(super) spans: Vec<Span>,
    pub(super) derive: Arc<dyn Derive>,
}

impl Derive for FromSpans {
    fn spans(&self) -> Vec<Span> {
        self.spans.clone()
    }

    fn bytes(&self, checkpoint: &Checkpoint, tensor: &Tensor) -> Result<Vec<u8>, CheckpointError> {
        self.derive.bytes(checkpoint, tensor)
    }

    fn scheme(&self) -> Option<&str> {
        self.derive.scheme()
    }

    fn squared_errors(
        &self,
        checkpoint: &Checkpoint,
        tensor: &Tensor,
    ) -> Result<Option<Vec<f64>>, CheckpointError> {
        self.derive.squared_errors(checkpoint, tensor)
    }

    fn bytes_and_errors(
        &self,
        checkpoint: &Checkpoint,
        tensor: &Tensor,
    ) -> Result<(Vec<u8>, Option<Vec<f64>>), CheckpointError> {
        self.derive.bytes_and_errors(checkpoint, tensor)
    }
}

/// Values to one sink, and errors where they are wanted.
struct Both<'a, V>(V, Option<&'a mut Errors>);

impl<V: Sink> Sink for Both<'_, V> {
    fn put(&mut self, index: usize, value: f32, variance: f32) {
        self.0.put(index, value, variance);
        if let Some(errors) = &mut self.1 {
            errors.put(index, value, variance);
        }
    }
}

struct Singles<'a>(&'a mut [[u8; 4]]);

impl Sink for Singles<'_> {
    fn put(&mut self, index: usize, value: f32, _variance: f32) {
        if let Some(slot) = self.0.get_mut(index) {
            *slot = value.to_le_bytes();
        }
    }
}

struct Halves<'a>(&'a mut [[u8; 2]]);

impl Sink for Halves<'_> {
    fn put(&mut self, index: usize, value: f32, _variance: f32) {
        if let Some(slot) = self.0.get_mut(index) {
            *slot = half::bf16::from_f32(value).to_le_bytes();
        }
    }
}

/// Sums of the squared errors by the index along the first axis.
struct Errors {
    sums: Vec<f64>,
    /// Of one index along the first axis.
    values: usize,
}

impl Errors {
    fn of(tensor: &Tensor) -> Self {
        let slabs = tensor.shape.first().copied().unwrap_or(1).max(1);
        Self {
            sums: vec![0.0; slabs],
            values: tensor.shape.iter().skip(1).product::<usize>().max(1),
        }
    }
}

impl Sink for Errors {
    fn put(&mut self, index: usize, _value: f32, variance: f32) {
        if let Some(sum) = self.sums.get_mut(index / self.values) {
            *sum += f64::from(variance);
        }
    }
}

/// Outputs in a tile: enough to read whole lines of words, few enough to write to all of them at a
/// time from the first cache.
const TILE: usize = 64;

/// Every (input, output) of a matrix that is stored with the inputs as rows, in an order that is
/// kind to the caches on both sides.
pub(super) fn transposed(inputs: usize, outputs: usize, mut visit: impl FnMut(usize, usize)) {
    for first in (0..outputs).step_by(TILE) {
        let end = first.saturating_add(TILE).min(outputs);
        for input in 0..inputs {
            for output in first..end {
                visit(input, output);
            }
        }
    }
}
