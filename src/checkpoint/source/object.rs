//! A prefix of an object store, or a folder behind a web server.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use object_store::path::Path as ObjectPath;

use super::blob::ObjectBlob;
use super::error::RemoteError;
use super::name::is_plain;
use super::store::{Known, Store, all};
use super::wire::Trace;
use super::{Blob, Folder};
use crate::checkpoint::CheckpointError;
use crate::checkpoint::side::TOKENIZER_FILES;

/// Files other than those of the tokenizer that a checkpoint may have at fixed names.
const FIXED_NAMES: &[&str] = &[
    "adapter_config.json",
    "adapter_model.safetensors",
    "config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
];

/// What is asked for one by one where nothing can be listed.
fn fixed_names() -> impl Iterator<Item = &'static str> {
    FIXED_NAMES.iter().chain(TOKENIZER_FILES).copied()
}

/// Objects that begin with one prefix.
#[derive(Debug)]
pub(super) struct ObjectFolder {
    store: Store,
    prefix: ObjectPath,
    /// What messages call the folder, without a `/` at the end.
    location: String,
    /// Sizes of what lies directly in the folder, by name.
    listing: BTreeMap<String, u64>,
    is_listed: bool,
}

impl ObjectFolder {
    /// Lists the objects directly below the prefix.
    pub(super) fn listed(
        store: Store,
        prefix: ObjectPath,
        location: &str,
    ) -> Result<Self, RemoteError> {
        let mut folder = Self::empty(store, prefix, location);
        let objects = folder.store.shared.wait(location, async {
            let trace = Trace::default();
            let found = folder
                .store
                .inner
                .list_with_delimiter(Some(&folder.prefix))
                .await;
            found.map_err(|error| folder.store.explain(location, &error, &trace))
        })?;
        folder.is_listed = true;
        for object in objects.objects {
            let Some(name) = object.location.filename() else {
                continue;
            };
            if is_plain(name) {
                folder.listing.insert(name.to_owned(), object.size);
            } else if name.contains(".safetensors") {
                return Err(RemoteError::Name {
                    folder: folder.location,
                    name: name.to_owned(),
                });
            }
        }
        Ok(folder)
    }

    /// Asks for each name that a checkpoint usually has; for `only` one where an address leads to
    /// no other.
    pub(super) fn probed(
        store: Store,
        prefix: ObjectPath,
        location: &str,
        only: Option<&str>,
    ) -> Result<Self, RemoteError> {
        let mut folder = Self::empty(store, prefix, location);
        folder.is_listed = only.is_some();
        let names: Vec<&str> = match only {
            Some(name) => vec![name],
            None => fixed_names().collect(),
        };
        let sizes = folder.store.shared.wait(location, async {
            all(names.iter().map(|name| folder.size_of(name))).await
        })?;
        for (name, size) in names.into_iter().zip(sizes) {
            if let Some(size) = size {
                folder.listing.insert(name.to_owned(), size);
            }
        }
        Ok(folder)
    }

    /// A folder of which nothing is known yet.
    fn empty(store: Store, prefix: ObjectPath, location: &str) -> Self {
        Self {
            store,
            prefix,
            location: location.trim_end_matches('/').to_owned(),
            listing: BTreeMap::new(),
            is_listed: false,
        }
    }

    /// Whether nothing lies directly in it.
    pub(super) fn is_empty(&self) -> bool {
        self.listing.is_empty()
    }

    fn locate(&self, name: &str) -> (String, ObjectPath) {
        let object = name.split('/').fold(self.prefix.clone(), ObjectPath::join);
        (format!("{}/{name}", self.location), object)
    }

    async fn size_of(&self, name: &str) -> Result<Option<u64>, RemoteError> {
        let (location, object) = self.locate(name);
        self.store.size(&location, &object).await
    }

    /// Size of a file, asked for where the listing does not go.
    fn find(&self, name: &str) -> Result<Option<u64>, RemoteError> {
        match self.listing.get(name) {
            Some(size) => Ok(Some(*size)),
            None if self.may_have(name) => {
                let location = format!("{}/{name}", self.location);
                self.store.shared.wait(&location, self.size_of(name))
            }
            None => Ok(None),
        }
    }
}

impl ObjectFolder {
    /// Whether a file that is not in the listing can be there all the same.
    fn may_have(&self, name: &str) -> bool {
        let is_asked = self.is_listed || fixed_names().any(|fixed| fixed == name);
        is_plain(name) && (name.contains('/') || !is_asked)
    }
}

impl Folder for ObjectFolder {
    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() {
            PathBuf::from(&self.location)
        } else {
            PathBuf::from(format!("{}/{name}", self.location))
        }
    }

    fn names(&self) -> Result<Vec<String>, CheckpointError> {
        Ok(self.listing.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, CheckpointError> {
        let Some(size) = self.find(name)? else {
            return Ok(None);
        };
        let (location, object) = self.locate(name);
        let known = Known {
            size: Some(size),
            ..Known::default()
        };
        let task = self.store.read(&location, &object, &known);
        Ok(Some(self.store.shared.wait(&location, task)?))
    }

    fn open(&self, name: &str) -> Result<Option<Arc<dyn Blob>>, CheckpointError> {
        let Some(size) = self.find(name)? else {
            return Ok(None);
        };
        let (location, object) = self.locate(name);
        let blob = ObjectBlob::new(self.store.clone(), location, object, size, Known::default());
        Ok(Some(Arc::new(Arc::new(blob))))
    }
}
