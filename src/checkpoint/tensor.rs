//! The opened checkpoint and its tensors.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use serde_json::Value;

use crate::checkpoint::{CheckpointError, Dtype, side};
use crate::fs::FsError;
use crate::layer::{LayerSource, Part, layers_of, natural_order};

/// One checkpoint: its tensors by name, and what is wrong with its files.
#[derive(Debug)]
pub struct Checkpoint {
    pub(super) reference: String,
    pub(super) files: Vec<WeightFile>,
    pub(super) tensors: BTreeMap<String, Tensor>,
    pub(super) skipped: BTreeMap<String, Skipped>,
    pub(super) defects: Vec<Defect>,
    pub(super) unread_files: Vec<String>,
    pub(super) config: Option<Value>,
    pub(super) tokenizer: BTreeMap<String, String>,
}

/// A tensor that can be read as weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// Index into the checkpoint's files.
    pub(super) file: usize,
    /// From the start of the file.
    pub(super) offset: u64,
    pub(super) length: u64,
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

#[derive(Debug)]
pub(super) struct WeightFile {
    pub(super) path: PathBuf,
    pub(super) file: File,
}

impl Tensor {
    /// Number of values.
    pub fn parameters(&self) -> u64 {
        self.shape.iter().map(|side| *side as u64).product()
    }

    /// Size in the file in bytes.
    pub fn byte_length(&self) -> u64 {
        self.length
    }

    /// Its layers: one, or one for each expert of a 3-D tensor of experts.
    pub fn layers(&self) -> Vec<LayerSource> {
        layers_of(&self.name, &self.shape)
    }
}

impl Checkpoint {
    /// What the user called it.
    pub fn reference(&self) -> &str {
        &self.reference
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

    /// SHA-256 in hexadecimal digits of each tokenizer file, by name.
    pub fn tokenizer_files(&self) -> &BTreeMap<String, String> {
        &self.tokenizer
    }

    /// What the config says; `None` where it leaves that to the architecture.
    pub fn tie_word_embeddings(&self) -> Option<bool> {
        side::tie_word_embeddings(self.config.as_ref()?)
    }

    /// The quantisation that the config declares (`gptq`, `fp8`, ...). Quantised tensors are skipped.
    pub fn quantisation_method(&self) -> Option<&str> {
        side::quantisation_method(self.config.as_ref()?)
    }

    /// The layers of all tensors, in natural order of the tensors' names.
    pub fn layers(&self) -> Vec<LayerSource> {
        let mut tensors: Vec<&Tensor> = self.tensors.values().collect();
        tensors.sort_by(|left, right| natural_order(&left.name, &right.name));
        tensors.into_iter().flat_map(Tensor::layers).collect()
    }

    /// All bytes of a tensor of this checkpoint, row-major and little-endian.
    pub fn bytes(&self, tensor: &Tensor) -> Result<Vec<u8>, CheckpointError> {
        self.part_bytes(tensor, Part::Whole)
    }

    /// The bytes of one part of a tensor of this checkpoint.
    pub fn part_bytes(&self, tensor: &Tensor, part: Part) -> Result<Vec<u8>, CheckpointError> {
        let missing = |part: String| CheckpointError::NoSuchPart {
            tensor: tensor.name.clone(),
            part,
        };
        let (offset, length) = match part {
            Part::Whole => (0, tensor.length),
            Part::Expert(expert) => {
                let experts = tensor.shape.first().map_or(0, |side| *side as u64);
                if u64::from(expert) >= experts {
                    return Err(missing(format!("expert {expert}")));
                }
                let length = tensor.length / experts;
                (u64::from(expert) * length, length)
            }
        };
        let source = self
            .files
            .get(tensor.file)
            .ok_or_else(|| missing("file".to_owned()))?;
        let mut bytes = zeros(length).ok_or_else(|| CheckpointError::TooLarge {
            tensor: tensor.name.clone(),
            bytes: length,
        })?;
        read_exact_at(&source.file, &mut bytes, tensor.offset + offset)
            .map_err(|error| FsError::new("read", &source.path, error))?;
        Ok(bytes)
    }
}

/// A buffer of that many bytes, or `None` if memory does not suffice.
fn zeros(length: u64) -> Option<Vec<u8>> {
    let length = usize::try_from(length).ok()?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).ok()?;
    bytes.resize(length, 0);
    Some(bytes)
}

/// Reads without moving the file's own position, so that threads can share it.
#[cfg(unix)]
pub(super) fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt as _;
    file.read_exact_at(buffer, offset)
}

#[cfg(windows)]
pub(super) fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt as _;
    while !buffer.is_empty() {
        let count = file.seek_read(buffer, offset)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer = buffer.get_mut(count..).unwrap_or_default();
        offset += count as u64;
    }
    Ok(())
}
