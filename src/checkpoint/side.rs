//! Files beside the weights: the model's config and its tokenizer.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::checkpoint::fingerprint::sha256_hex;
use crate::checkpoint::source::Folder;
use crate::checkpoint::{CheckpointError, Defect};

const CONFIG: &str = "config.json";
const MODEL_OPT_CONFIG: &str = "hf_quant_config.json";

/// Files that decide how text becomes tokens.
pub(super) const TOKENIZER_FILES: &[&str] = &[
    "added_tokens.json",
    "merges.txt",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
];

/// `config.json`, if there is one. A broken one is a defect, not an error: the weights can be judged
/// without it.
pub(super) fn read_config(
    folder: &dyn Folder,
    defects: &mut Vec<Defect>,
) -> Result<Option<Value>, CheckpointError> {
    read_object(folder, CONFIG, defects)
}

/// `hf_quant_config.json`, which ModelOpt writes beside older checkpoints.
pub(super) fn read_model_opt(
    folder: &dyn Folder,
    defects: &mut Vec<Defect>,
) -> Result<Option<Value>, CheckpointError> {
    read_object(folder, MODEL_OPT_CONFIG, defects)
}

fn read_object(
    folder: &dyn Folder,
    name: &str,
    defects: &mut Vec<Defect>,
) -> Result<Option<Value>, CheckpointError> {
    let Some(bytes) = folder.read(name)? else {
        return Ok(None);
    };
    let message = match serde_json::from_slice::<Value>(&bytes) {
        Ok(config) if config.is_object() => return Ok(Some(config)),
        Ok(_) => "not a JSON object".to_owned(),
        Err(error) => format!("not readable as JSON: {error}"),
    };
    defects.push(Defect {
        file: name.to_owned(),
        message,
    });
    Ok(None)
}

/// SHA-256 by name of the tokenizer files that are there.
pub(super) fn tokenizer_hashes(
    folder: &dyn Folder,
) -> Result<BTreeMap<String, String>, CheckpointError> {
    let mut hashes = BTreeMap::new();
    for name in TOKENIZER_FILES {
        if let Some(bytes) = folder.read(name)? {
            hashes.insert((*name).to_owned(), sha256_hex(&bytes));
        }
    }
    Ok(hashes)
}

/// `tie_word_embeddings` of a config, also that of the text part of a multimodal one; `None` where
/// the config leaves it to the architecture.
pub(super) fn tie_word_embeddings(config: &Value) -> Option<bool> {
    let key = "tie_word_embeddings";
    config
        .get(key)
        .and_then(Value::as_bool)
        .or_else(|| config.get("text_config")?.get(key)?.as_bool())
}

/// The quantisation that a config declares: its `quant_method`, or `mlx`.
pub(super) fn quantisation_method(config: &Value) -> Option<&str> {
    [Some(config), config.get("text_config")]
        .into_iter()
        .flatten()
        .find_map(|part| {
            part.get("quantization_config")?
                .get("quant_method")?
                .as_str()
        })
        .or_else(|| config.get("quantization")?.is_object().then_some("mlx"))
}
