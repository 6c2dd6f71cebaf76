//! What the cache of the Python client has of a repository.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hf_hub::{Cache, Repo};
use serde::Deserialize;

use super::api::is_commit;
use super::settings::HubSettings;
use crate::checkpoint::CheckpointError;
use crate::checkpoint::source::error::RemoteError;
use crate::checkpoint::source::name::is_plain;
use crate::checkpoint::source::{Blob, Folder, LocalFolder};
use crate::fs;

/// The files of one commit that are in the cache.
#[derive(Debug)]
pub(super) struct Snapshot(LocalFolder);

impl Snapshot {
    pub(super) fn of(settings: &HubSettings, repository: &str, commit: &str) -> Self {
        Self(LocalFolder::new(&folder_of(
            &settings.cache,
            repository,
            commit,
        )))
    }

    /// A file that is there; what cannot be read counts as missing.
    pub(super) fn read(&self, name: &str) -> Option<Vec<u8>> {
        self.0.read(name).ok().flatten()
    }

    pub(super) fn open(&self, name: &str) -> Option<Arc<dyn Blob>> {
        self.0.open(name).ok().flatten()
    }
}

fn folder_of(cache: &Cache, repository: &str, commit: &str) -> PathBuf {
    cache.model(repository.to_owned()).pointer_path(commit)
}

/// A repository of which there is nothing but the cache.
#[derive(Debug)]
pub(super) struct CachedFolder {
    snapshot: LocalFolder,
    location: String,
    cache: PathBuf,
    /// Names of all files of the commit, where the cache knows them.
    listing: Option<BTreeSet<String>>,
}

/// What newer clients write beside the snapshots.
#[derive(Debug, Deserialize)]
struct Tree {
    files: serde_json::Map<String, serde_json::Value>,
}

/// Opens a revision that is in the cache; also gives its commit.
pub(super) fn open(
    settings: &HubSettings,
    repository: &str,
    revision: &str,
    location: &str,
) -> Result<(CachedFolder, String), RemoteError> {
    let cache = settings.cache.path();
    let missing = || RemoteError::NotCached {
        location: location.to_owned(),
        cache: cache.clone(),
    };
    let repo = Repo::model(repository.to_owned());
    let root = cache.join(repo.folder_name());
    let commit = if is_commit(revision) {
        revision.to_owned()
    } else {
        // The revision's name was checked when the reference was read.
        let text = fs::read_to_string(&root.join("refs").join(revision)).ok();
        let text = text.map(|text| text.trim().to_owned());
        text.filter(|text| is_commit(text)).ok_or_else(missing)?
    };
    let path = folder_of(&settings.cache, repository, &commit);
    if !path.is_dir() {
        return Err(missing());
    }
    let tree = fs::read(&root.join("trees").join(format!("{commit}.json"))).ok();
    let tree = tree.and_then(|bytes| serde_json::from_slice::<Tree>(&bytes).ok());
    let folder = CachedFolder {
        snapshot: LocalFolder::new(&path),
        location: location.to_owned(),
        cache: cache.clone(),
        listing: tree.map(|tree| {
            tree.files
                .into_iter()
                .map(|(name, _)| name)
                .filter(|name| is_plain(name))
                .collect()
        }),
    };
    Ok((folder, commit))
}

impl CachedFolder {
    fn missing(&self, name: &str) -> RemoteError {
        RemoteError::NotCached {
            location: format!("{}/{name}", self.location),
            cache: self.cache.clone(),
        }
    }

    /// Whether the repository has the file, as far as the cache knows.
    fn is_listed(&self, name: &str) -> bool {
        self.listing
            .as_ref()
            .is_some_and(|listing| listing.contains(name))
    }
}

impl Folder for CachedFolder {
    fn path(&self, name: &str) -> PathBuf {
        self.snapshot.path(name)
    }

    fn names(&self) -> Result<Vec<String>, CheckpointError> {
        let Some(listing) = &self.listing else {
            let names = self.snapshot.names()?;
            check_complete(&names).map_err(|name| self.missing(&name))?;
            return Ok(names);
        };
        let top = listing.iter().filter(|name| !name.contains('/'));
        Ok(top.cloned().collect())
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, CheckpointError> {
        match self.snapshot.read(name)? {
            None if self.is_listed(name) => Err(self.missing(name).into()),
            found => Ok(found),
        }
    }

    /// Only files that must be there are opened, so one that is not in the cache is no file that the
    /// repository lacks.
    fn open(&self, name: &str) -> Result<Option<Arc<dyn Blob>>, CheckpointError> {
        match self.snapshot.open(name)? {
            None => Err(self.missing(name).into()),
            found => Ok(found),
        }
    }
}

/// Without a listing, a snapshot may hold some of the shards and not their index.
fn check_complete(names: &[String]) -> Result<(), String> {
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    if has("model.safetensors")
        || names
            .iter()
            .any(|name| name.ends_with(".safetensors.index.json"))
    {
        return Ok(());
    }
    let weights = |name: &&String| {
        Path::new(name.as_str())
            .extension()
            .is_some_and(|extension| extension == "safetensors")
    };
    match names
        .iter()
        .filter(weights)
        .find(|name| name.contains("-of-"))
    {
        Some(_) => Err("model.safetensors.index.json".to_owned()),
        None if names.iter().any(|name| weights(&name)) => Ok(()),
        None => Err("model.safetensors".to_owned()),
    }
}
