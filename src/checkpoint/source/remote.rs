//! Opens a checkpoint wherever it lies.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::HeaderMap;
use object_store::path::Path as ObjectPath;
use url::Url;

use super::access::{Access, Shared};
use super::download::Downloaded;
use super::error::{Refusal, RemoteError};
use super::object::ObjectFolder;
use super::reference::{Remote, parse, shown};
use super::store::{Store, Versions};
use super::{Folder, cloud, hub};
use crate::checkpoint::{Adapter, Checkpoint, CheckpointError, shards};

/// A remote folder, and which file of it is meant, if not all.
struct Opened {
    folder: Arc<dyn Folder>,
    file: Option<String>,
    commit: Option<String>,
}

impl Access {
    /// Opens the checkpoint that a REF names: a local folder or `.safetensors` file, `hf://`, `s3://`,
    /// `gs://`, `az://` or `https://`. Of a remote one only what is read later is fetched.
    ///
    /// # Errors
    /// As [`Checkpoint::open`]; and if the place cannot be reached, refuses, or is not what it announced.
    pub fn open(&self, reference: &str) -> Result<Checkpoint, CheckpointError> {
        let Self(shared) = self;
        let Some(remote) = parse(reference)? else {
            let mut checkpoint = Checkpoint::open(Path::new(reference), reference)?;
            checkpoint.deadline = shared.deadline;
            return Ok(checkpoint);
        };
        let name = shown(reference);
        let Opened {
            folder,
            file,
            commit,
        } = self.place(&remote, &name)?;
        let layout = match file {
            None => shards::locate_in(folder)?,
            Some(file) => shards::locate_file(folder, file)?,
        };
        let mut checkpoint = Checkpoint::read(layout, &name)?;
        checkpoint.revision = commit;
        checkpoint.deadline = shared.deadline;
        Ok(checkpoint)
    }

    /// Opens the adapter that a REF names, as [`Access::open`] does a checkpoint.
    ///
    /// # Errors
    /// As [`Adapter::open`] and [`Access::open`].
    pub fn open_adapter(&self, reference: &str) -> Result<Adapter, CheckpointError> {
        let Some(remote) = parse(reference)? else {
            return Adapter::open(Path::new(reference), reference);
        };
        let name = shown(reference);
        let opened = self.place(&remote, &name)?;
        Adapter::read(&*opened.folder, opened.file.as_deref(), &name)
    }

    /// The folder, or its copy where whole files are kept.
    fn place(&self, remote: &Remote, name: &str) -> Result<Opened, CheckpointError> {
        let Self(shared) = self;
        let mut opened = open(remote, name, shared)?;
        if let Some(parent) = &shared.options.download {
            let commit = opened.commit.as_deref().unwrap_or_default();
            let identity = format!("{} {commit}", opened.folder.path("").display());
            opened.folder = Arc::new(Downloaded::new(opened.folder, parent, &identity));
        }
        Ok(opened)
    }
}

fn open(remote: &Remote, name: &str, shared: &Arc<Shared>) -> Result<Opened, RemoteError> {
    if let Remote::Hub {
        repository,
        revision,
    } = remote
    {
        let (folder, commit) = hub::open(repository, revision.as_deref(), name, shared)?;
        return Ok(Opened {
            folder,
            file: None,
            commit: Some(commit),
        });
    }
    if shared.options.offline {
        return Err(RemoteError::Offline {
            location: name.to_owned(),
        });
    }
    match remote {
        Remote::Cloud { kind, url } => {
            let (store, path) = cloud::bucket(*kind, url, name, shared)?;
            open_bucket(store, &path, name)
        }
        Remote::Web { url } => open_web(url, name, shared),
        Remote::Hub { .. } => Err(RemoteError::Offline {
            location: name.to_owned(),
        }),
    }
}

/// The folder and the name of the last part of a location.
fn split_file(name: &str) -> Option<(&str, &str)> {
    name.trim_end_matches('/').rsplit_once('/')
}

/// Whether a path means a file: weights, or what weights are not read from.
fn is_file(name: &str) -> bool {
    let kinds = ["safetensors", "bin", "pt", "pth", "ckpt", "gguf"];
    PathBuf::from(name)
        .extension()
        .is_some_and(|extension| kinds.iter().any(|kind| extension == *kind))
}

fn open_bucket(store: Store, path: &ObjectPath, name: &str) -> Result<Opened, RemoteError> {
    let (prefix, location, file) = match (path.filename(), split_file(name)) {
        (Some(file), Some((folder, _))) if is_file(file) && !name.ends_with('/') => {
            let parts: Vec<_> = path.parts().collect();
            let above = parts.len().saturating_sub(1);
            let prefix = parts.into_iter().take(above).collect();
            (prefix, folder, Some(file.to_owned()))
        }
        _ => (path.clone(), name, None),
    };
    let folder = ObjectFolder::listed(store, prefix, location)?;
    if folder.is_empty() {
        return Err(RemoteError::Refused {
            location: name.to_owned(),
            refusal: Refusal::NothingThere,
            detail: String::new(),
        });
    }
    Ok(Opened {
        folder: Arc::new(folder),
        file,
        commit: None,
    })
}

fn open_web(url: &Url, name: &str, shared: &Arc<Shared>) -> Result<Opened, RemoteError> {
    let mut folder = url.clone();
    let mut location = name.trim_end_matches('/').to_owned();
    let last = url.path_segments().and_then(|mut parts| parts.next_back());
    let file = last.filter(|last| is_file(last)).map(str::to_owned);
    if let Ok(mut parts) = folder.path_segments_mut() {
        parts.pop_if_empty();
        if file.is_some() {
            parts.pop();
        }
    }
    if let (Some(_), Some((above, _))) = (&file, split_file(name)) {
        above.clone_into(&mut location);
    }
    let store = cloud::web(
        &folder,
        HeaderMap::new(),
        Versions::Tagged,
        &location,
        shared,
    )?;
    // A signature is for one file.
    let only = file.as_deref().filter(|_| url.query().is_some());
    let folder = ObjectFolder::probed(store, ObjectPath::ROOT, &location, only)?;
    Ok(Opened {
        folder: Arc::new(folder),
        file,
        commit: None,
    })
}
