//! Why a checkpoint could not be read at all.

use std::path::PathBuf;

use crate::checkpoint::{AdapterError, HeaderError, RemoteError};
use crate::fs::FsError;

/// No verdict is possible. A checkpoint that can be read but is damaged carries
/// [`Defect`](crate::checkpoint::Defect)s instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    #[error(transparent)]
    Fs(#[from] FsError),
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error("cannot read checkpoint `{}`", path.display())]
    Header {
        path: PathBuf,
        #[source]
        source: HeaderError,
    },
    #[error("cannot read index `{}`", path.display())]
    Index {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("cannot use index `{}`: it names the file `{}`", path.display(), name.escape_debug())]
    IndexName { path: PathBuf, name: String },
    #[error("cannot choose an index in `{}`: found `{first}` and `{second}`", path.display())]
    ManyIndexes {
        path: PathBuf,
        first: String,
        second: String,
    },
    #[error("cannot read `{}`: it leads out of the checkpoint's folder", path.display())]
    Escapes { path: PathBuf },
    #[error("cannot read checkpoint `{}`: neither a folder nor a `.safetensors` file", path.display())]
    NotACheckpoint { path: PathBuf },
    #[error("cannot read checkpoint `{}`: the folder holds no `.safetensors` file", path.display())]
    NoWeights { path: PathBuf },
    #[error("cannot read checkpoint `{}`: `{pickle}` is a pickle, which is never loaded", path.display())]
    Pickle { path: PathBuf, pickle: String },
    #[error("cannot read checkpoint `{}`: `{file}` is in the GGUF format, which is not read", path.display())]
    Gguf { path: PathBuf, file: String },
    #[error("cannot read checkpoint `{}`: it is an adapter (`{file}`), not a model", path.display())]
    Adapter { path: PathBuf, file: String },
    #[error("cannot use adapter `{reference}`")]
    AdapterUnusable {
        reference: String,
        #[source]
        source: Box<AdapterError>,
    },
    #[error("cannot read tensor `{tensor}`: {bytes} bytes do not fit into memory")]
    TooLarge { tensor: String, bytes: u64 },
    #[error("cannot read part of tensor `{tensor}`: it has no {part}")]
    NoSuchPart { tensor: String, part: String },
}

impl CheckpointError {
    pub(super) fn adapter(reference: &str, problem: AdapterError) -> Self {
        Self::AdapterUnusable {
            reference: reference.to_owned(),
            source: Box::new(problem),
        }
    }

    /// What the user can do about it: one imperative sentence.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Header {
                source: HeaderError::LfsPointer,
                ..
            } => Some("run `git lfs pull` in the repository that holds it"),
            Self::Header {
                source:
                    HeaderError::TooShort { .. }
                    | HeaderError::TooLong { .. }
                    | HeaderError::PastTheEnd { .. },
                ..
            } => {
                Some("compare its size with the original: it may be cut off or no safetensors file")
            }
            Self::Pickle { .. } => Some(
                "convert it with `save_pretrained(..., safe_serialization=True)` of transformers",
            ),
            Self::Gguf { .. } => Some(
                "judge the safetensors repository that it was made from, or convert it: `from_pretrained(folder, gguf_file=NAME)`, then `save_pretrained` of transformers",
            ),
            Self::Adapter { .. } => Some("name it together with its base, as `BASE+ADAPTER`"),
            Self::AdapterUnusable { source, .. } => source.hint(),
            Self::NoWeights { .. } | Self::NotACheckpoint { .. } => {
                Some("pass the folder that holds `model.safetensors` or its shards")
            }
            Self::ManyIndexes { .. } => Some("keep one `*.safetensors.index.json` in the folder"),
            Self::IndexName { .. } => {
                Some("name the shards by plain relative names that end with `.safetensors`")
            }
            Self::Remote(error) => error.hint(),
            Self::Escapes { .. } => Some("copy the file into the folder instead of linking to it"),
            Self::Header { .. }
            | Self::Fs(_)
            | Self::Index { .. }
            | Self::TooLarge { .. }
            | Self::NoSuchPart { .. } => None,
        }
    }
}
