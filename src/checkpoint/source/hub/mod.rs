//! Repositories of the Hugging Face Hub.
//!
//! A revision is resolved to a commit once, by the one request that also lists the files with sizes and
//! digests, and everything after that is read at that commit. A file that the Python client has in its
//! cache is taken from there. Offline there is nothing but the cache.
//!
//! The crate `hf-hub` is used for the conventions of the cache and of the token file. Bytes are not
//! fetched by it: it keeps a server's error page as the file, and takes a whole file for a range.

mod api;
mod cached;
mod oidc;
mod settings;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use object_store::HeaderMap;
use object_store::path::Path as ObjectPath;
use url::Url;

use self::api::Listed;
use self::cached::Snapshot;
pub use self::settings::HubSettings;
use super::access::Shared;
use super::blob::ObjectBlob;
use super::cloud;
use super::error::RemoteError;
use super::store::{Store, Versions};
use super::{Blob, Folder};
use crate::checkpoint::CheckpointError;

/// A repository at one commit.
#[derive(Debug)]
pub(super) struct HubFolder {
    location: String,
    store: Store,
    files: BTreeMap<String, Listed>,
    /// What the cache has of this commit.
    snapshot: Snapshot,
}

/// Opens a repository; also gives the commit.
pub(super) fn open(
    repository: &str,
    revision: Option<&str>,
    location: &str,
    shared: &Arc<Shared>,
) -> Result<(Arc<dyn Folder>, String), RemoteError> {
    let settings = &shared.options.hub;
    let revision = revision.unwrap_or("main");
    if shared.options.offline || settings.offline {
        let (folder, commit) = cached::open(settings, repository, revision, location)?;
        return Ok((Arc::new(folder), commit));
    }
    let (settings, listing) = shared.wait(location, async {
        let settings = settings.with_token(location).await?;
        let listing = api::list(&settings, repository, revision, location).await?;
        Ok((settings, listing))
    })?;
    let address = format!(
        "{}/{repository}/resolve/{}",
        settings.endpoint, listing.commit
    );
    let url = Url::parse(&address).map_err(|error| RemoteError::Setup {
        location: location.to_owned(),
        problem: format!("HF_ENDPOINT is no address: {error}"),
    })?;
    let mut headers = HeaderMap::new();
    if let Some(token) = &settings.token {
        headers.insert("authorization", token.header());
    }
    let store = cloud::web(&url, headers, Versions::Immutable, location, shared)?;
    let snapshot = Snapshot::of(&settings, repository, &listing.commit);
    let folder = HubFolder {
        location: location.to_owned(),
        store,
        files: listing.files,
        snapshot,
    };
    Ok((Arc::new(folder), listing.commit))
}

impl HubFolder {
    fn locate(&self, name: &str) -> (String, ObjectPath) {
        (
            format!("{}/{name}", self.location),
            name.split('/').collect(),
        )
    }
}

impl Folder for HubFolder {
    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() {
            PathBuf::from(&self.location)
        } else {
            PathBuf::from(format!("{}/{name}", self.location))
        }
    }

    fn names(&self) -> Result<Vec<String>, CheckpointError> {
        let top = self.files.keys().filter(|name| !name.contains('/'));
        Ok(top.cloned().collect())
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, CheckpointError> {
        let Some(Listed { known, .. }) = self.files.get(name) else {
            return Ok(None);
        };
        let (location, object) = self.locate(name);
        if let Some(bytes) = self.snapshot.read(name)
            && known.check_size(&location, bytes.len() as u64).is_ok()
            && known.check_digest(&location, &bytes).is_ok()
        {
            return Ok(Some(bytes));
        }
        let task = self.store.read(&location, &object, known);
        Ok(Some(self.store.shared.wait(&location, task)?))
    }

    fn open(&self, name: &str) -> Result<Option<Arc<dyn Blob>>, CheckpointError> {
        let Some(Listed { size, known }) = self.files.get(name) else {
            return Ok(None);
        };
        if let Some(blob) = self.snapshot.open(name)
            && blob.size() == *size
        {
            return Ok(Some(blob));
        }
        let (location, object) = self.locate(name);
        let blob = ObjectBlob::new(self.store.clone(), location, object, *size, known.clone());
        Ok(Some(Arc::new(Arc::new(blob))))
    }
}
