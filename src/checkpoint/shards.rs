//! Which files of a folder hold the weights.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};
use std::sync::Arc;

use serde::Deserialize;

use crate::checkpoint::CheckpointError;
use crate::checkpoint::json::{Object, UniqueStrings};
use crate::checkpoint::source::{
    self, Blob, Folder, LocalFolder, Refusal, RemoteError, is_plain as is_plain_name,
};
use crate::fs;

const SINGLE_FILE: &str = "model.safetensors";
const MAIN_INDEX: &str = "model.safetensors.index.json";
const INDEX_SUFFIX: &str = ".safetensors.index.json";
const ADAPTER_CONFIG: &str = "adapter_config.json";

/// The files to read, opened.
#[derive(Debug)]
pub(super) struct Layout {
    /// Where side files are looked for.
    pub(super) folder: Arc<dyn Folder>,
    pub(super) files: Vec<ShardFile>,
    pub(super) index: Option<Index>,
    /// Weight files in the folder that are not part of the model.
    pub(super) unread: Vec<String>,
}

#[derive(Debug)]
pub(super) struct ShardFile {
    /// Relative to the folder.
    pub(super) name: String,
    pub(super) blob: Arc<dyn Blob>,
}

#[derive(Debug)]
pub(super) struct Index {
    /// Name of the index file.
    pub(super) name: String,
    /// Shard by tensor.
    pub(super) weight_map: BTreeMap<String, String>,
    /// Shards that are named but not there.
    pub(super) missing: BTreeSet<String>,
}

/// Finds the weights at a local `path`: a `.safetensors` file, or a folder as [`locate_in`] has it.
pub(super) fn locate(path: &Path) -> Result<Layout, CheckpointError> {
    if path.is_dir() {
        return locate_in(Arc::new(LocalFolder::new(path)));
    }
    // Tells a missing path from one of the wrong kind.
    fs::size(path)?;
    let name = file_name(path);
    check_file(path, &name)?;
    // Opening a pipe would wait for a writer.
    if !path.is_file() {
        return Err(CheckpointError::NotACheckpoint {
            path: path.to_path_buf(),
        });
    }
    let folder = Arc::new(LocalFolder::new(path.parent().unwrap_or(Path::new(""))));
    let blob = source::open_local(path.to_path_buf())?;
    Ok(single(folder, name, blob))
}

/// Refuses a file that by its name is no file of weights.
fn check_file(path: &Path, name: &str) -> Result<(), CheckpointError> {
    let path = path.to_path_buf();
    let file = name.to_owned();
    if is_adapter_file(name) {
        Err(CheckpointError::Adapter { path, file })
    } else if is_weight_file(name) {
        Ok(())
    } else if is_gguf(name) {
        Err(CheckpointError::Gguf { path, file })
    } else if is_pickle(name) {
        Err(CheckpointError::Pickle { path, pickle: file })
    } else {
        Err(CheckpointError::NotACheckpoint { path })
    }
}

/// One file of a remote folder that is the whole checkpoint.
pub(super) fn locate_file(
    folder: Arc<dyn Folder>,
    name: String,
) -> Result<Layout, CheckpointError> {
    let path = folder.path(&name);
    check_file(&path, &name)?;
    match folder.open(&name)? {
        Some(blob) => Ok(single(folder, name, blob)),
        None => Err(CheckpointError::Remote(RemoteError::Refused {
            location: path.display().to_string(),
            refusal: Refusal::NoEntry,
            detail: String::new(),
        })),
    }
}

/// One file that is the whole checkpoint.
fn single(folder: Arc<dyn Folder>, name: String, blob: Arc<dyn Blob>) -> Layout {
    Layout {
        folder,
        files: vec![ShardFile { name, blob }],
        index: None,
        unread: Vec::new(),
    }
}

/// Finds the weights in a folder: `model.safetensors`, else an index with its shards, else any
/// `*.safetensors`.
pub(super) fn locate_in(folder: Arc<dyn Folder>) -> Result<Layout, CheckpointError> {
    let names = folder.names()?;
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    if has(ADAPTER_CONFIG) {
        return Err(adapter(&*folder, ADAPTER_CONFIG));
    }
    let (wanted, index) = if has(SINGLE_FILE) {
        (BTreeSet::from([SINGLE_FILE.to_owned()]), None)
    } else if let Some(index_name) = choose_index(&*folder, &names)? {
        let index = read_index(&*folder, index_name)?;
        (index.weight_map.values().cloned().collect(), Some(index))
    } else {
        let all = names.iter().filter(|name| is_weight_file(name));
        (
            all.filter(|name| !is_adapter_file(name)).cloned().collect(),
            None,
        )
    };
    if wanted.is_empty() {
        return Err(nothing_found(&*folder, &names));
    }
    gather(folder, &names, wanted, index)
}

fn gather(
    folder: Arc<dyn Folder>,
    names: &[String],
    wanted: BTreeSet<String>,
    mut index: Option<Index>,
) -> Result<Layout, CheckpointError> {
    let unread = names
        .iter()
        .filter(|name| is_weight_file(name) && !wanted.contains(*name))
        .cloned()
        .collect();
    let mut files = Vec::new();
    for name in wanted {
        match (folder.open(&name)?, &mut index) {
            (Some(blob), _) => files.push(ShardFile { name, blob }),
            (None, Some(index)) => {
                index.missing.insert(name);
            }
            // Listed a moment ago: a dangling link, or a folder of that name.
            (None, None) => {
                return Err(CheckpointError::NotACheckpoint {
                    path: folder.path(&name),
                });
            }
        }
    }
    Ok(Layout {
        folder,
        files,
        index,
        unread,
    })
}

fn nothing_found(folder: &dyn Folder, names: &[String]) -> CheckpointError {
    let path = folder.path("");
    let first = |is: fn(&str) -> bool| names.iter().find(|name| is(name)).cloned();
    if let Some(file) = first(is_adapter_file) {
        return CheckpointError::Adapter { path, file };
    }
    if let Some(file) = first(is_gguf) {
        return CheckpointError::Gguf { path, file };
    }
    match first(is_pickle) {
        Some(pickle) => CheckpointError::Pickle { path, pickle },
        None => CheckpointError::NoWeights { path },
    }
}

fn adapter(folder: &dyn Folder, file: &str) -> CheckpointError {
    CheckpointError::Adapter {
        path: folder.path(""),
        file: file.to_owned(),
    }
}

fn choose_index<'a>(
    folder: &dyn Folder,
    names: &'a [String],
) -> Result<Option<&'a str>, CheckpointError> {
    let mut indexes = names.iter().filter(|name| name.ends_with(INDEX_SUFFIX));
    if let Some(main) = names.iter().find(|name| *name == MAIN_INDEX) {
        return Ok(Some(main));
    }
    match (indexes.next(), indexes.next()) {
        (Some(first), Some(second)) => Err(CheckpointError::ManyIndexes {
            path: folder.path(""),
            first: first.clone(),
            second: second.clone(),
        }),
        (first, _) => Ok(first.map(String::as_str)),
    }
}

/// The index as its file has it. `metadata` is odd in the wild and never needed.
#[derive(Deserialize)]
struct IndexFile {
    weight_map: UniqueStrings,
}

fn read_index(folder: &dyn Folder, name: &str) -> Result<Index, CheckpointError> {
    let path = folder.path(name);
    let Some(bytes) = folder.read(name)? else {
        return Err(CheckpointError::NotACheckpoint { path });
    };
    let Object(IndexFile {
        weight_map: UniqueStrings(weight_map),
    }) = serde_json::from_slice(&bytes).map_err(|source| CheckpointError::Index {
        path: path.clone(),
        source,
    })?;
    if let Some(bad) = weight_map.values().find(|name| !is_plain(name)) {
        return Err(CheckpointError::IndexName {
            path,
            name: bad.clone(),
        });
    }
    Ok(Index {
        name: name.to_owned(),
        weight_map,
        missing: BTreeSet::new(),
    })
}

/// Whether a name from an index can only mean a weight file at or below the folder.
fn is_plain(name: &str) -> bool {
    is_plain_name(name)
        && is_weight_file(name)
        && !is_adapter_file(name)
        && Path::new(name)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn has_extension(name: &str, wanted: &[&str]) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|extension| wanted.iter().any(|one| extension == *one))
}

fn is_weight_file(name: &str) -> bool {
    has_extension(name, &["safetensors"])
}

/// Names that PEFT and MLX give to adapters.
fn is_adapter_file(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name);
    is_weight_file(name)
        && (name == "adapter_model.safetensors" || name.ends_with("adapters.safetensors"))
}

/// The container of llama.cpp.
fn is_gguf(name: &str) -> bool {
    has_extension(name, &["gguf"])
}

/// Names that PyTorch gives to weights; trainers keep other state in such files too.
fn is_pickle(name: &str) -> bool {
    let state = ["optimizer", "scheduler", "rng_state", "training_args"];
    has_extension(name, &["bin", "pt", "pth", "ckpt"])
        && !state.iter().any(|start| name.starts_with(start))
}
