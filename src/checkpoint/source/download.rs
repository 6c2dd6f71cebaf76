//! A remote folder whose files are kept in a local one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt as _;

use super::blob::ObjectBlob;
use super::blocks::blocks_of;
use super::error::RemoteError;
use super::local::open as open_local;
use super::name::is_plain;
use super::{Blob, Folder};
use crate::checkpoint::CheckpointError;
use crate::checkpoint::fingerprint::{TensorHash, sha256_hex};
use crate::fs::{self, AtomicFile};

/// Blocks fetched at a time.
const REQUESTS: usize = 4;

/// Fetches each file whole when it is opened, checks it, and reads it from the disk.
#[derive(Debug)]
pub(super) struct Downloaded {
    remote: Arc<dyn Folder>,
    target: PathBuf,
}

impl Downloaded {
    /// Keeps the files in a folder below `parent` whose name tells `identity`, the reference with its
    /// commit, from others.
    pub(super) fn new(remote: Arc<dyn Folder>, parent: &Path, identity: &str) -> Self {
        let readable: String = identity
            .chars()
            .map(|one| {
                if one.is_ascii_alphanumeric() || "._".contains(one) {
                    one
                } else {
                    '-'
                }
            })
            .take(80)
            .collect();
        let digest: String = sha256_hex(identity.as_bytes()).chars().take(12).collect();
        Self {
            remote,
            target: parent.join(format!("{readable}-{digest}")),
        }
    }

    /// Where a file is kept; its folder is there.
    fn place(&self, name: &str) -> Result<PathBuf, CheckpointError> {
        if !is_plain(name) {
            return Err(RemoteError::Name {
                folder: self.remote.path("").display().to_string(),
                name: name.to_owned(),
            }
            .into());
        }
        let path = self.target.join(name);
        fs::create_dir_all(path.parent().unwrap_or(&self.target))?;
        Ok(path)
    }
}

impl Folder for Downloaded {
    fn path(&self, name: &str) -> PathBuf {
        self.remote.path(name)
    }

    fn names(&self) -> Result<Vec<String>, CheckpointError> {
        self.remote.names()
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, CheckpointError> {
        let Some(bytes) = self.remote.read(name)? else {
            return Ok(None);
        };
        fs::write_atomic(&self.place(name)?, &bytes)?;
        Ok(Some(bytes))
    }

    fn open(&self, name: &str) -> Result<Option<Arc<dyn Blob>>, CheckpointError> {
        let Some(blob) = self.remote.open(name)? else {
            return Ok(None);
        };
        let Some(object) = blob.object() else {
            return Ok(Some(blob));
        };
        let path = self.place(name)?;
        if !is_here(&path, &object)? {
            let location = object.location().to_owned();
            let mut file = AtomicFile::create(&path)?;
            object
                .shared()
                .wait(&location, fetch(&object, &mut file))??;
            file.persist()?;
        }
        Ok(Some(open_local(path)?))
    }
}

/// Whether an earlier run has left the very file. Without a digest that cannot be known.
fn is_here(path: &Path, object: &ObjectBlob) -> Result<bool, CheckpointError> {
    let Some(expected) = object.sha256() else {
        return Ok(false);
    };
    if !path.is_file() || fs::size(path)? != object.size() {
        return Ok(false);
    }
    let file = open_local(path.to_path_buf())?;
    let mut hash = TensorHash::new();
    for block in blocks_of(0..object.size()) {
        hash.update(&file.read("file", block.start, block.end - block.start)?);
    }
    Ok(hash.finish() == expected)
}

/// Fetches a file block by block, and checks its digest before anything is kept.
async fn fetch(
    object: &Arc<ObjectBlob>,
    file: &mut AtomicFile,
) -> Result<Result<(), CheckpointError>, RemoteError> {
    let blocks = blocks_of(0..object.size()).map(|block| object.fetch(block));
    let mut answers = futures_util::stream::iter(blocks).buffered(REQUESTS);
    let mut hash = TensorHash::new();
    while let Some(block) = answers.next().await {
        let block = block?;
        hash.update(&block);
        if let Err(error) = file.write(&block) {
            return Ok(Err(error.into()));
        }
    }
    object.check_sha256(hash.finish())?;
    Ok(Ok(()))
}
