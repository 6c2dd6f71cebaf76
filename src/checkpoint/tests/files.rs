//! Writes small checkpoints for the tests beside it.

use std::path::{Path, PathBuf};

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::fs::write_atomic;

/// A folder that is removed at the end of the test.
pub(super) struct Folder(tempfile::TempDir);

/// Name, dtype, shape and bytes of one tensor.
pub(super) type Spec<'a> = (&'a str, &'a str, &'a [usize], Vec<u8>);

impl Folder {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        crate::fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_atomic(&path, bytes).unwrap();
        path
    }

    pub(super) fn weights(&self, name: &str, tensors: &[Spec<'_>]) -> PathBuf {
        self.write(name, &safetensors(tensors))
    }

    pub(super) fn index(&self, map: &[(&str, &str)]) {
        let map: serde_json::Map<String, serde_json::Value> = map
            .iter()
            .map(|(tensor, file)| ((*tensor).to_owned(), (*file).into()))
            .collect();
        let json = serde_json::json!({"metadata": null, "weight_map": map});
        self.write("model.safetensors.index.json", json.to_string().as_bytes());
    }

    pub(super) fn open(&self) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::open(self.path(), "test")
    }
}

/// A file as the reference format describes it.
pub(super) fn safetensors(tensors: &[Spec<'_>]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for (name, dtype, shape, bytes) in tensors {
        let begin = data.len();
        data.extend_from_slice(bytes);
        let entry = serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": [begin, data.len()]});
        header.insert((*name).to_owned(), entry);
    }
    let header = serde_json::Value::Object(header).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(&data);
    file
}

/// Little-endian single-precision values 0, 1, 2, ...
pub(super) fn counting(count: u8) -> Vec<u8> {
    (0..count)
        .flat_map(|value| f32::from(value).to_le_bytes())
        .collect()
}
