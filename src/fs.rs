//! File access with the path in every error, and atomic writes.
//!
//! The only module that touches `std::fs`.
#![expect(
    clippy::disallowed_methods,
    reason = "this module is the wrapper that the ban points to"
)]

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// What was being done to which path when the system refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`", path.display())]
pub struct FsError {
    pub action: &'static str,
    pub path: PathBuf,
    #[source]
    pub source: io::Error,
}

impl FsError {
    pub fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self {
            action,
            path: path.to_path_buf(),
            source,
        }
    }

    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

pub fn open(path: &Path) -> Result<File, FsError> {
    File::open(path).map_err(|source| FsError::new("open", path, source))
}

pub fn read(path: &Path) -> Result<Vec<u8>, FsError> {
    std::fs::read(path).map_err(|source| FsError::new("read", path, source))
}

pub fn read_to_string(path: &Path) -> Result<String, FsError> {
    std::fs::read_to_string(path).map_err(|source| FsError::new("read", path, source))
}

/// Size in bytes of the file that `path` leads to.
pub fn size(path: &Path) -> Result<u64, FsError> {
    Ok(std::fs::metadata(path)
        .map_err(|source| FsError::new("read", path, source))?
        .len())
}

/// Names of the entries of a folder, sorted.
pub fn list(folder: &Path) -> Result<Vec<String>, FsError> {
    let failed = |source| FsError::new("list", folder, source);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        names.push(
            entry
                .map_err(failed)?
                .file_name()
                .to_string_lossy()
                .into_owned(),
        );
    }
    names.sort();
    Ok(names)
}

/// Resolves links and `..`.
pub fn canonical(path: &Path) -> Result<PathBuf, FsError> {
    std::fs::canonicalize(path).map_err(|source| FsError::new("resolve", path, source))
}

pub fn create_dir_all(path: &Path) -> Result<(), FsError> {
    std::fs::create_dir_all(path).map_err(|source| FsError::new("create", path, source))
}

/// Fails early when a file could not be written at `path` later: checks that the folder exists and
/// accepts a new file, without touching what is at `path` now.
pub fn check_writable(path: &Path) -> Result<(), FsError> {
    let failed = |source| FsError::new("write", path, source);
    if path.is_dir() {
        return Err(failed(io::Error::new(
            io::ErrorKind::IsADirectory,
            "it is a folder",
        )));
    }
    tempfile::NamedTempFile::new_in(parent(path))
        .map(drop)
        .map_err(failed)
}

/// Writes by way of a sibling temporary file and a rename, so that a reader sees the old bytes or
/// the new ones, never a mixture.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    let mut file = AtomicFile::create(path)?;
    file.write(bytes)?;
    file.persist()
}

/// A file that is written in pieces and is at its path once it is whole.
#[derive(Debug)]
pub struct AtomicFile {
    file: tempfile::NamedTempFile,
    path: PathBuf,
}

impl AtomicFile {
    /// Starts a file whose folder exists. Nothing is left of it unless it is persisted.
    pub fn create(path: &Path) -> Result<Self, FsError> {
        let file = tempfile::NamedTempFile::new_in(parent(path))
            .map_err(|source| FsError::new("write", path, source))?;
        Ok(Self {
            file,
            path: path.to_path_buf(),
        })
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        let written = self.file.write_all(bytes);
        written.map_err(|source| FsError::new("write", &self.path, source))
    }

    /// Puts the file at its path.
    pub fn persist(self) -> Result<(), FsError> {
        let Self { file, path } = self;
        let failed = |source| FsError::new("write", &path, source);
        file.as_file().sync_all().map_err(failed)?;
        set_usual_permissions(file.as_file()).map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

/// Adds to the end of a file that another program owns, and makes it where it is not there.
pub fn append(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    let failed = |source| FsError::new("write", path, source);
    let mut options = File::options();
    let mut file = options
        .append(true)
        .create(true)
        .open(path)
        .map_err(failed)?;
    file.write_all(bytes).map_err(failed)
}

/// A temporary file is private to its owner; a report is not.
#[cfg(unix)]
fn set_usual_permissions(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn set_usual_permissions(_file: &File) -> io::Result<()> {
    Ok(())
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_action_and_the_path() {
        let error = read(Path::new("no/such/file")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read `no/such/file`");
        assert!(error.is_not_found());
    }

    #[test]
    fn a_write_replaces_the_file_whole_and_leaves_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        write_atomic(&path, b"first").unwrap();
        write_atomic(&path, b"second").unwrap();
        assert_eq!(read_to_string(&path).unwrap(), "second");
        assert_eq!(list(folder.path()).unwrap(), ["report.json"]);
    }

    #[test]
    fn a_target_in_a_missing_folder_is_refused_before_the_work() {
        assert!(check_writable(Path::new("no/such/folder/report.json")).is_err());
    }
}
