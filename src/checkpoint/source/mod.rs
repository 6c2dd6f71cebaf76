//! Where the files of a checkpoint lie, behind one interface.
//!
//! A [`Folder`] lists names, reads small files whole and opens weight files; a [`Blob`] is one opened
//! weight file that is read by position. What reads checkpoints sees nothing else, so every rule on
//! names, headers and side files holds wherever the bytes come from.

mod access;
mod ahead;
mod blob;
mod blocks;
mod cloud;
mod download;
mod error;
mod hub;
mod local;
mod name;
mod object;
mod reference;
mod remote;
mod store;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::checkpoint::CheckpointError;

pub use self::access::{Access, AccessOptions, TimeLimit};
pub use self::ahead::{ReadAhead, read_ahead};
pub use self::error::{Refusal, RemoteError};
pub use self::hub::HubSettings;

pub(super) use self::access::Deadline;
use self::blob::ObjectBlob;
pub(super) use self::local::{LocalFolder, open as open_local};
pub(super) use self::name::is_plain;

/// The place of one checkpoint's files. Names are relative, with `/` between the parts.
pub(super) trait Folder: std::fmt::Debug + Send + Sync {
    /// What messages call the file `name`; the folder itself for an empty name.
    fn path(&self, name: &str) -> PathBuf;

    /// Names of what lies directly in the folder, sorted.
    fn names(&self) -> Result<Vec<String>, CheckpointError>;

    /// All bytes of a small file, or `None` where there is no such file.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, CheckpointError>;

    /// Opens a file that is read by position, or `None` where there is no such file.
    fn open(&self, name: &str) -> Result<Option<Arc<dyn Blob>>, CheckpointError>;
}

/// An opened file. What is read from it belongs to one version of the file.
pub(super) trait Blob: std::fmt::Debug + Send + Sync {
    /// What messages call it.
    fn path(&self) -> &Path;

    fn size(&self) -> u64;

    /// `length` bytes from `offset` on; `what` they are is for the message when memory does not
    /// suffice.
    fn read(&self, what: &str, offset: u64, length: u64) -> Result<Vec<u8>, CheckpointError>;

    /// The file as one that is fetched, if it is.
    fn object(&self) -> Option<Arc<ObjectBlob>> {
        None
    }
}

/// A buffer of that many bytes.
pub(super) fn zeros(what: &str, length: u64) -> Result<Vec<u8>, CheckpointError> {
    let too_large = || CheckpointError::TooLarge {
        tensor: what.to_owned(),
        bytes: length,
    };
    let size = usize::try_from(length).ok().ok_or_else(too_large)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).ok().ok_or_else(too_large)?;
    bytes.resize(size, 0);
    Ok(bytes)
}
