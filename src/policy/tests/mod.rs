//! Whole policies, from text to what a verdict reads.

mod chain;
mod document;
mod errors;
mod robust;
mod round_trip;
mod shipped;

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::fs::FsError;

/// Files by path, in place of a disk.
pub(super) struct Files(BTreeMap<&'static str, String>);

impl Files {
    pub(super) fn new<const COUNT: usize>(files: [(&'static str, &str); COUNT]) -> Self {
        Self(files.map(|(path, text)| (path, text.to_owned())).into())
    }

    pub(super) fn load(&self, path: &str) -> Result<EffectivePolicy, PolicyError> {
        EffectivePolicy::load_through(path, &|path: &Path| {
            let found = path.to_str().and_then(|path| self.0.get(path)).cloned();
            found.ok_or_else(|| {
                let source = std::io::Error::from(std::io::ErrorKind::NotFound);
                FsError::new("read", path, source)
            })
        })
    }
}

/// Loads `text` as `gate.toml`.
pub(super) fn gate(text: &str) -> Result<Policy, PolicyError> {
    Policy::parse("gate.toml", text)
}

/// The messages of an invalid `gate.toml`, without places.
pub(super) fn complaints(text: &str) -> Vec<String> {
    match gate(text) {
        Ok(_) => Vec::new(),
        Err(PolicyError::Invalid { problems, .. }) => problems
            .into_iter()
            .map(|problem| problem.message)
            .collect(),
        Err(other) => panic!("{other}"),
    }
}
