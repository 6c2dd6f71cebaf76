//! One weight file of a store, read by range.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use object_store::path::Path as ObjectPath;
use object_store::{Error as StoreError, GetRange, ObjectMeta};

use super::access::Shared;
use super::error::RemoteError;
use super::store::{Known, Store, Versions, check_length};
use super::wire::Trace;
use super::{Blob, blocks, zeros};
use crate::checkpoint::CheckpointError;

/// How often a range is asked for; the store tries each again by itself.
const ATTEMPTS: u32 = 2;
/// A weight file up to this size is fetched whole, so that its digest can be checked.
const WHOLE: u64 = 8 << 20;
/// What is fetched of a larger file to begin with: most headers fit.
const HEAD: u64 = 128 << 10;

/// A weight file of a store, read by range.
#[derive(Debug)]
pub(in crate::checkpoint) struct ObjectBlob {
    pub(super) store: Store,
    path: PathBuf,
    location: String,
    object: ObjectPath,
    size: u64,
    known: Known,
    /// Version of the first answer; later ones must be of the same.
    version: Mutex<Option<Version>>,
    /// The first bytes of the file, or all of a small one.
    head: OnceLock<Bytes>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    tag: Option<String>,
    changed: Timestamp,
}

/// Seconds since the epoch.
type Timestamp = i64;

impl ObjectBlob {
    pub(super) fn new(
        store: Store,
        location: String,
        object: ObjectPath,
        size: u64,
        known: Known,
    ) -> Self {
        Self {
            store,
            path: PathBuf::from(&location),
            location,
            object,
            size,
            known,
            version: Mutex::new(None),
            head: OnceLock::new(),
        }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.store.shared
    }

    pub(super) fn location(&self) -> &str {
        &self.location
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn sha256(&self) -> Option<&str> {
        self.known.sha256.as_deref()
    }

    /// Checks the digest of the whole file, where it is known.
    pub(super) fn check_sha256(&self, found: String) -> Result<(), RemoteError> {
        match &self.known.sha256 {
            Some(expected) if *expected != found => Err(RemoteError::Digest {
                location: self.location.clone(),
                kind: "SHA-256",
                expected: expected.clone(),
                found,
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Equal for files whose bytes are known to be the same: two of them need not be fetched twice.
    pub(super) fn content(&self) -> String {
        match (&self.known.sha256, self.pinned()) {
            (Some(sha256), _) => format!("sha256 {sha256}"),
            (None, Some(Version { tag: Some(tag), .. })) => format!("{} {tag}", self.location),
            (None, _) => self.location.clone(),
        }
    }

    fn pinned(&self) -> Option<Version> {
        self.version
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether the bytes are here already.
    pub(super) fn has(&self, offset: u64, length: u64) -> bool {
        let here = self.head.get().map_or(0, Bytes::len) as u64;
        offset.checked_add(length).is_some_and(|end| end <= here)
    }

    /// Fetches a range that lies within the file. A body that broke off and that the store could not
    /// go on with is fetched anew.
    pub(super) async fn fetch(&self, range: Range<u64>) -> Result<Vec<u8>, RemoteError> {
        let mut attempt = 1;
        loop {
            match self.fetch_once(range.clone()).await {
                Err(RemoteError::Network { .. } | RemoteError::Size { .. })
                    if attempt < ATTEMPTS =>
                {
                    attempt += 1;
                }
                fetched => return fetched,
            }
        }
    }

    async fn fetch_once(&self, range: Range<u64>) -> Result<Vec<u8>, RemoteError> {
        let trace = Trace::default();
        let mut options = Store::options(&trace);
        options.range = Some(GetRange::Bounded(range.clone()));
        if self.store.versions == Versions::Tagged {
            // A weak tag never matches.
            let tag = self.pinned().and_then(|version| version.tag);
            options.if_match = tag.filter(|tag| !tag.starts_with("W/"));
        }
        let result = self
            .store
            .inner
            .get_opts(&self.object, options)
            .await
            .map_err(|error| self.explain(&error, &trace))?;
        self.check_version(&result.meta)?;
        let bytes = self.store.collect(&self.location, result, &trace).await?;
        self.shared().count(bytes.len());
        check_length(&self.location, range.end - range.start, bytes.len() as u64)?;
        Ok(bytes)
    }

    fn explain(&self, error: &StoreError, trace: &Trace) -> RemoteError {
        // A file that was there when it was opened, or a range that lay in it.
        let gone = matches!(trace.answer().status, Some(404 | 416));
        if gone && self.store.versions == Versions::Tagged && self.pinned().is_some() {
            return RemoteError::Replaced {
                location: self.location.clone(),
            };
        }
        self.store.explain(&self.location, error, trace)
    }

    fn check_version(&self, meta: &ObjectMeta) -> Result<(), RemoteError> {
        let replaced = || RemoteError::Replaced {
            location: self.location.clone(),
        };
        if self.store.versions == Versions::Immutable {
            return check_length(&self.location, self.size, meta.size);
        }
        if meta.size != self.size {
            return Err(replaced());
        }
        let found = Version {
            tag: meta.e_tag.clone(),
            changed: meta.last_modified.timestamp(),
        };
        let mut version = self.version.lock().unwrap_or_else(PoisonError::into_inner);
        match &*version {
            Some(pinned) if pinned.tag.is_some() && pinned.tag != found.tag => Err(replaced()),
            // Without a tag the time of change has to do.
            Some(pinned) if pinned.tag.is_none() && *pinned != found => Err(replaced()),
            Some(_) => Ok(()),
            None => {
                *version = Some(found);
                Ok(())
            }
        }
    }

    /// The first bytes, fetched once.
    fn head(&self) -> Result<&Bytes, RemoteError> {
        if let Some(head) = self.head.get() {
            return Ok(head);
        }
        let is_whole = self.size <= WHOLE;
        let end = if is_whole { self.size } else { HEAD };
        let key = self
            .known
            .sha256
            .as_ref()
            .map(|sha256| (sha256.clone(), end));
        let same = key.as_ref().and_then(|key| self.shared().head_of(key));
        let head = if let Some(head) = same {
            head
        } else {
            let bytes = self.shared().wait(&self.location, self.fetch(0..end))?;
            if is_whole {
                self.known.check_digest(&self.location, &bytes)?;
            }
            Bytes::from(bytes)
        };
        if let Some(key) = key {
            self.shared().keep_head(key, &head);
        }
        Ok(self.head.get_or_init(|| head))
    }
}

impl Blob for Arc<ObjectBlob> {
    fn path(&self) -> &Path {
        &self.path
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, what: &str, offset: u64, length: u64) -> Result<Vec<u8>, CheckpointError> {
        if length == 0 {
            return Ok(Vec::new());
        }
        if self.head.get().is_none() {
            self.head()?;
        }
        if self.has(offset, length) {
            let mut bytes = zeros(what, length)?;
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let here = self.head()?.get(start..).unwrap_or_default();
            for (to, from) in bytes.iter_mut().zip(here) {
                *to = *from;
            }
            return Ok(bytes);
        }
        if let Some(bytes) = self.shared().ahead.take(self, offset, length)? {
            return Ok(bytes);
        }
        let piece = blocks::fetch_whole(self, offset..offset.saturating_add(length));
        Ok(self.shared().wait(&self.location, piece)?)
    }

    fn object(&self) -> Option<Arc<ObjectBlob>> {
        Some(Self::clone(self))
    }
}
