//! A folder of the file system.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Blob, Folder, zeros};
use crate::checkpoint::CheckpointError;
use crate::fs::{self, FsError};

/// A folder that is read where it lies.
#[derive(Debug)]
pub(in crate::checkpoint) struct LocalFolder {
    path: PathBuf,
}

impl LocalFolder {
    pub(in crate::checkpoint) fn new(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
        }
    }

    /// The file that `name` leads to, if it is one. A link may stay inside the folder, or lead to
    /// the blobs of the Hugging Face cache that the folder is a snapshot of.
    fn resolve(&self, name: &str) -> Result<Option<PathBuf>, CheckpointError> {
        let path = self.path.join(name);
        if !path.is_file() {
            return Ok(None);
        }
        let here = if self.path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            &self.path
        };
        let (root, target) = (fs::canonical(here)?, fs::canonical(&path)?);
        let is_blob = root
            .parent()
            .filter(|snapshots| {
                snapshots
                    .file_name()
                    .is_some_and(|name| name == "snapshots")
            })
            .and_then(Path::parent)
            .is_some_and(|cache| target.starts_with(cache.join("blobs")));
        if target.starts_with(&root) || is_blob {
            Ok(Some(path))
        } else {
            Err(CheckpointError::Escapes { path })
        }
    }
}

impl Folder for LocalFolder {
    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() {
            self.path.clone()
        } else {
            self.path.join(name)
        }
    }

    fn names(&self) -> Result<Vec<String>, CheckpointError> {
        Ok(fs::list(&self.path)?)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, CheckpointError> {
        let path = self.resolve(name)?;
        Ok(path.map(|path| fs::read(&path)).transpose()?)
    }

    fn open(&self, name: &str) -> Result<Option<Arc<dyn Blob>>, CheckpointError> {
        self.resolve(name)?.map(open).transpose()
    }
}

/// Opens the file at `path`, wherever it leads.
pub(in crate::checkpoint) fn open(path: PathBuf) -> Result<Arc<dyn Blob>, CheckpointError> {
    let file = fs::open(&path)?;
    // The size of the opened file, not of what the path leads to by now.
    let size = file
        .metadata()
        .map_err(|source| FsError::new("read", &path, source))?
        .len();
    Ok(Arc::new(LocalBlob { path, file, size }))
}

#[derive(Debug)]
struct LocalBlob {
    path: PathBuf,
    file: File,
    size: u64,
}

impl Blob for LocalBlob {
    fn path(&self) -> &Path {
        &self.path
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, what: &str, offset: u64, length: u64) -> Result<Vec<u8>, CheckpointError> {
        let mut bytes = zeros(what, length)?;
        read_exact_at(&self.file, &mut bytes, offset)
            .map_err(|source| FsError::new("read", &self.path, source))?;
        Ok(bytes)
    }
}

/// Reads without moving the file's own position, so that threads can share it.
#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt as _;
    file.read_exact_at(buffer, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
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
