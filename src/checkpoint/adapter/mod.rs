//! Adapters: what PEFT and MLX save beside a frozen base, and the weights that merging them gives.
//!
//! ```text
//! adapter_config.json --config--> Settings --\
//! adapter_model.safetensors --names--> modules --attach (aliases)--> base tensor + updates --> Derived
//! ```
//!
//! [`Adapter::open`] reads the configuration and the header; [`Checkpoint::with_adapter`] finds the base's
//! tensor of every module and checks ranks and shapes; the weights are computed one tensor at a time,
//! whenever they are read, in f32 and rounded to the dtype of the base, as `merge_and_unload` of PEFT
//! does. Nothing of an adapter is passed over: a tensor that is not understood, or a module without a
//! tensor in the base, is an error.
//!
//! Sources: PEFT 0.21 (`tuners/lora/layer.py`, `variants.py`, `tuners/trainable_tokens`), mlx-lm
//! (`tuner/lora.py`, `tuner/dora.py`).

mod adapt;
mod aliases;
mod attach;
mod config;
mod encode;
mod error;
mod fit;
mod low_rank;
mod merged;
mod names;
mod spectra;
#[cfg(test)]
mod tests;
mod update;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub use error::AdapterError;
pub use low_rank::LowRankUpdate;
pub(in crate::checkpoint) use merged::Adapted;
pub use spectra::{AdapterModule, AdapterModules};

use self::config::{Settings, Writer};
use self::names::{Part, Place};
use crate::checkpoint::shards::ShardFile;
use crate::checkpoint::source::{Folder, LocalFolder};
use crate::checkpoint::{Checkpoint, CheckpointError, side};

const CONFIG: &str = "adapter_config.json";

/// An adapter: its configuration, and its tensors by what they are to the model.
#[derive(Debug)]
pub struct Adapter {
    reference: String,
    settings: Settings,
    /// The tensors of its file.
    weights: Arc<Checkpoint>,
    /// Names of tensors by module and part.
    modules: BTreeMap<String, BTreeMap<Part, String>>,
    /// Tensors that replace one of the model, by its name.
    whole: BTreeMap<String, String>,
    /// Tokenizer files of its folder with their SHA-256.
    tokenizer: BTreeMap<String, String>,
}

impl Adapter {
    /// Opens the local adapter at `path`, its folder or its `.safetensors` file; `reference` is what the
    /// user called it.
    ///
    /// # Errors
    /// If a file is missing or cannot be read, or the configuration asks for something of which no
    /// merged weights can be computed.
    pub fn open(path: &Path, reference: &str) -> Result<Self, CheckpointError> {
        if path.is_dir() {
            return Self::read(&LocalFolder::new(path), None, reference);
        }
        let folder = LocalFolder::new(path.parent().unwrap_or(Path::new("")));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self::read(&folder, Some(&name), reference)
    }

    /// Reads the adapter in a folder, or the one file of it that is meant.
    pub(super) fn read(
        folder: &dyn Folder,
        file: Option<&str>,
        reference: &str,
    ) -> Result<Self, CheckpointError> {
        let refused = |problem| CheckpointError::adapter(reference, problem);
        let config = folder.read(CONFIG)?;
        let config = config.ok_or_else(|| refused(AdapterError::NoConfig))?;
        let settings = Settings::parse(&config).map_err(refused)?;
        let (name, pickle) = match (file, settings.writer) {
            (Some(file), _) => (file, None),
            (None, Writer::Peft) => ("adapter_model.safetensors", Some("adapter_model.bin")),
            (None, Writer::Mlx) => ("adapters.safetensors", None),
        };
        let Some(blob) = folder.open(name)? else {
            let names = folder.names()?;
            let pickle = pickle.filter(|pickle| names.iter().any(|name| name == pickle));
            return Err(refused(match pickle {
                Some(pickle) => AdapterError::Pickle {
                    file: folder.path(pickle),
                },
                None => AdapterError::NoWeights {
                    file: name.to_owned(),
                },
            }));
        };
        let name = name.to_owned();
        let weights = Checkpoint::open_file(ShardFile { name, blob }, reference)?;
        let tokenizer = side::tokenizer_hashes(folder)?;
        Self::sort(reference, settings, weights, tokenizer)
    }

    fn sort(
        reference: &str,
        settings: Settings,
        weights: Checkpoint,
        tokenizer: BTreeMap<String, String>,
    ) -> Result<Self, CheckpointError> {
        let mut modules: BTreeMap<String, BTreeMap<Part, String>> = BTreeMap::new();
        let mut whole = BTreeMap::new();
        let exists = |name: &str| {
            weights.tensors().contains_key(name) || weights.skipped().contains_key(name)
        };
        for name in weights.tensors().keys().chain(weights.skipped().keys()) {
            let before = match names::place(name, settings.writer, exists) {
                Place::Of(module, part) => {
                    let parts = modules.entry(module).or_default();
                    parts.insert(part, name.clone())
                }
                Place::Whole(target) => whole.insert(target, name.clone()),
                Place::Unknown => {
                    let problem = "no part of an adapter that is known".to_owned();
                    let tensor = name.clone();
                    let problem = AdapterError::Tensor { tensor, problem };
                    return Err(CheckpointError::adapter(reference, problem));
                }
            };
            if let Some(other) = before {
                let problem = format!("the same part as `{other}`");
                let tensor = name.clone();
                let problem = AdapterError::Tensor { tensor, problem };
                return Err(CheckpointError::adapter(reference, problem));
            }
        }
        Ok(Self {
            reference: reference.to_owned(),
            settings,
            weights: Arc::new(weights),
            modules,
            whole,
            tokenizer,
        })
    }

    /// What the user called it.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The tensors of its file, by the names that they have there.
    pub fn weights(&self) -> &Checkpoint {
        &self.weights
    }

    /// The base as its trainer called it.
    pub fn base_model(&self) -> Option<&str> {
        self.settings.base_model.as_deref()
    }

    /// Fields of its configuration that this version does not know and that say something.
    pub fn unknown_fields(&self) -> &[String] {
        &self.settings.unknown_fields
    }

    fn refused(&self, problem: AdapterError) -> CheckpointError {
        CheckpointError::adapter(&self.reference, problem)
    }
}
