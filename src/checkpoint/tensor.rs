//! The opened checkpoint and its tensors.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::checkpoint::adapter::Adapted;
use crate::checkpoint::source::{Blob, Deadline};
use crate::checkpoint::{CheckpointError, Dtype, side};
use crate::layer::{Architecture, LayerSource, layers_of, natural_order};

/// One checkpoint: its tensors by name, and what is wrong with its files.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    pub(super) reference: String,
    /// Shared by copies whose tensors are laid out otherwise.
    pub(super) files: Arc<Vec<Arc<dyn Blob>>>,
    pub(super) tensors: BTreeMap<String, Tensor>,
    pub(super) skipped: BTreeMap<String, Skipped>,
    pub(super) defects: Vec<Defect>,
    pub(super) unread_files: Vec<String>,
    pub(super) config: Option<Value>,
    pub(super) tokenizer: BTreeMap<String, String>,
    /// Commit of a remote checkpoint that has one.
    pub(super) revision: Option<String>,
    pub(super) deadline: Option<Deadline>,
}

/// A tensor that can be read as weights.
#[derive(Debug, Clone)]
pub struct Tensor {
    pub name: String,
    /// Of the values that [`Checkpoint::bytes`] gives.
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub(super) source: Source,
}

/// Where the values of a tensor come from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// A file holds them as they are.
    Stored(Span),
    /// They are computed whenever they are read.
    Derived(Arc<dyn Derive>),
}

/// A run of bytes of one of a checkpoint's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Index into the checkpoint's files.
    pub(super) file: usize,
    /// From the start of the file.
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// How to compute the values of a tensor that no file holds as they are.
pub(super) trait Derive: std::fmt::Debug + Send + Sync {
    /// What [`Checkpoint::span_bytes`] will be asked for, so that it can be fetched ahead.
    fn spans(&self) -> Vec<Span> {
        Vec::new()
    }

    /// All values in the dtype of `tensor`, a tensor of `checkpoint`: row-major and little-endian.
    fn bytes(&self, checkpoint: &Checkpoint, tensor: &Tensor) -> Result<Vec<u8>, CheckpointError>;

    /// How the values are quantised in the file (`gptq-4bit-g128`); `None` where they are not.
    fn scheme(&self) -> Option<&str> {
        None
    }

    /// What quantisation is expected to have cost: for each index along the first axis, the sum of
    /// the squared errors of all its values. `None` where they are not quantised.
    fn squared_errors(
        &self,
        _checkpoint: &Checkpoint,
        _tensor: &Tensor,
    ) -> Result<Option<Vec<f64>>, CheckpointError> {
        Ok(None)
    }

    /// [`Self::bytes`] and [`Self::squared_errors`] from one reading of what they are made of.
    fn bytes_and_errors(
        &self,
        checkpoint: &Checkpoint,
        tensor: &Tensor,
    ) -> Result<(Vec<u8>, Option<Vec<f64>>), CheckpointError> {
        let bytes = self.bytes(checkpoint, tensor)?;
        Ok((bytes, self.squared_errors(checkpoint, tensor)?))
    }

    /// Tensors of other checkpoints that it is made of, each read once.
    fn sources(&self) -> Vec<(&Checkpoint, &str)> {
        Vec::new()
    }

    /// The update behind it, where an adapter made it.
    fn adapted(&self) -> Option<&Adapted> {
        None
    }
}

/// A tensor that is listed but not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    pub reason: String,
    /// Dtype name and shape as the header has them; `None` if no file holds the tensor.
    pub dtype: Option<String>,
    pub shape: Option<Vec<usize>>,
}

/// Something that does not hold together in a file that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// Name within the checkpoint's folder.
    pub file: String,
    pub message: String,
}

impl Tensor {
    /// Number of values.
    pub fn parameters(&self) -> u64 {
        self.shape.iter().map(|side| *side as u64).product()
    }

    /// Size of all values in bytes.
    pub fn byte_length(&self) -> u64 {
        match &self.source {
            Source::Stored(span) => span.length,
            Source::Derived(_) => self.parameters().saturating_mul(self.dtype.bytes() as u64),
        }
    }

    /// How its values are quantised in the file (`gptq-4bit-g128`, `nvfp4`); `None` where the file
    /// holds the values themselves.
    pub fn scheme(&self) -> Option<&str> {
        match &self.source {
            Source::Stored(_) => None,
            Source::Derived(derive) => derive.scheme(),
        }
    }

    /// Its layers: one, or one for each part of a fused projection and each expert of a 3-D tensor of
    /// experts.
    pub fn layers(&self, architecture: &Architecture) -> Vec<LayerSource> {
        layers_of(&self.name, &self.shape, architecture)
    }
}

impl Checkpoint {
    /// What the user called it.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The commit that was read, where the checkpoint has one.
    pub fn revision(&self) -> Option<&str> {
        self.revision.as_deref()
    }

    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }

    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// Tensors that are not read as weights, with the reason, by name.
    pub fn skipped(&self) -> &BTreeMap<String, Skipped> {
        &self.skipped
    }

    pub fn defects(&self) -> &[Defect] {
        &self.defects
    }

    /// Weight files in the folder that are not part of the model (an index or `model.safetensors`
    /// takes precedence).
    pub fn unread_files(&self) -> &[String] {
        &self.unread_files
    }

    /// The object in `config.json`.
    pub fn config(&self) -> Option<&Value> {
        self.config.as_ref()
    }

    /// What the config says about the layout of fused tensors; nothing without one.
    pub fn architecture(&self) -> Architecture {
        self.config()
            .map_or_else(Architecture::default, Architecture::of_config)
    }

    /// SHA-256 in hexadecimal digits of each tokenizer file, by name.
    pub fn tokenizer_files(&self) -> &BTreeMap<String, String> {
        &self.tokenizer
    }

    /// What the config says; `None` where it leaves that to the architecture.
    pub fn tie_word_embeddings(&self) -> Option<bool> {
        side::tie_word_embeddings(self.config.as_ref()?)
    }

    /// The quantisation that the config declares (`gptq`, `fp8`, ...).
    pub fn quantisation_method(&self) -> Option<&str> {
        side::quantisation_method(self.config.as_ref()?)
    }

    /// The layers of all tensors, in natural order of the tensors' names.
    pub fn layers(&self) -> Vec<LayerSource> {
        let mut tensors: Vec<&Tensor> = self.tensors.values().collect();
        tensors.sort_by(|left, right| natural_order(&left.name, &right.name));
        let architecture = self.architecture();
        tensors
            .into_iter()
            .flat_map(|tensor| tensor.layers(&architecture))
            .collect()
    }

    /// All values of a tensor of this checkpoint in its dtype, row-major and little-endian.
    pub fn bytes(&self, tensor: &Tensor) -> Result<Vec<u8>, CheckpointError> {
        match &tensor.source {
            Source::Stored(span) => self.span_bytes(&tensor.name, *span),
            Source::Derived(derive) => derive.bytes(self, tensor),
        }
    }

    /// What quantisation is expected to have cost a tensor of this checkpoint: for each index along
    /// the first axis, the sum of the squared errors of all its values, from the steps that its
    /// codes and scales have. `None` where it is not quantised.
    pub fn squared_errors(&self, tensor: &Tensor) -> Result<Option<Vec<f64>>, CheckpointError> {
        match &tensor.source {
            Source::Stored(_) => Ok(None),
            Source::Derived(derive) => derive.squared_errors(self, tensor),
        }
    }

    /// [`Self::bytes`] and [`Self::squared_errors`]; what the tensor is stored in is read once.
    pub fn bytes_and_errors(
        &self,
        tensor: &Tensor,
    ) -> Result<(Vec<u8>, Option<Vec<f64>>), CheckpointError> {
        match &tensor.source {
            Source::Stored(span) => Ok((self.span_bytes(&tensor.name, *span)?, None)),
            Source::Derived(derive) => derive.bytes_and_errors(self, tensor),
        }
    }

    /// The bytes of one run of a file, which holds (a part of) that tensor.
    pub(super) fn span_bytes(&self, tensor: &str, span: Span) -> Result<Vec<u8>, CheckpointError> {
        let blob = self
            .files
            .get(span.file)
            .ok_or_else(|| CheckpointError::NoSuchPart {
                tensor: tensor.to_owned(),
                part: "file".to_owned(),
            })?;
        if let Some(deadline) = &self.deadline {
            deadline.check(&self.reference)?;
        }
        blob.read(tensor, span.offset, span.length)
    }
}
