//! What a reference on the command line names: a checkpoint, an adapter, or `CHECKPOINT+ADAPTER`.

use std::path::Path;
use std::sync::Arc;

use super::CommandError;
use super::check::warn_of_unread_files;
use crate::checkpoint::{Access, Adapter, Checkpoint, CheckpointError};
use crate::term::Printer;

/// What a reference leads to.
#[derive(Debug)]
pub(super) enum Named {
    Checkpoint(Arc<Checkpoint>),
    Adapter(Box<Adapter>),
}

/// Opens what references name, and says what is odd about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opener<'a> {
    access: &'a Access,
    printer: &'a Printer,
}

impl<'a> Opener<'a> {
    pub(super) fn new(access: &'a Access, printer: &'a Printer) -> Self {
        Self { access, printer }
    }

    /// Opens whatever `reference` names. `known` is a checkpoint that is open already, by its reference.
    pub(super) fn named(
        self,
        reference: &str,
        known: Option<(&str, &Arc<Checkpoint>)>,
    ) -> Result<Named, CommandError> {
        if let Some((left, right)) = split(reference) {
            let base = match known {
                Some((name, checkpoint)) if name == left => Arc::clone(checkpoint),
                Some(_) | None => {
                    let checkpoint = self.checkpoint(left)?;
                    warn_of_unread_files(&checkpoint, self.printer);
                    checkpoint
                }
            };
            let adapter = self.adapter(right)?;
            let merged = Checkpoint::with_adapter(&base, &adapter, reference)?;
            return Ok(Named::Checkpoint(Arc::new(merged)));
        }
        match self.access.open(reference) {
            Ok(checkpoint) => Ok(Named::Checkpoint(Arc::new(checkpoint))),
            Err(CheckpointError::Adapter { .. }) => {
                let adapter = self.access.open_adapter(reference)?;
                say(&adapter, self.printer);
                Ok(Named::Adapter(Box::new(adapter)))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a checkpoint; an adapter by itself is none.
    pub(super) fn checkpoint(self, reference: &str) -> Result<Arc<Checkpoint>, CommandError> {
        match self.named(reference, None)? {
            Named::Checkpoint(checkpoint) => Ok(checkpoint),
            Named::Adapter(_) => Err(CommandError::AdapterAlone {
                reference: reference.to_owned(),
            }),
        }
    }

    /// Opens an adapter; a checkpoint is none.
    pub(super) fn adapter(self, reference: &str) -> Result<Adapter, CommandError> {
        match self.named(reference, None)? {
            Named::Adapter(adapter) => Ok(*adapter),
            Named::Checkpoint(_) => Err(CommandError::NotAnAdapter {
                reference: reference.to_owned(),
            }),
        }
    }

    /// The tuned checkpoint: an adapter alone is one on the base.
    pub(super) fn tuned(
        self,
        reference: &str,
        base: (&str, &Arc<Checkpoint>),
    ) -> Result<Arc<Checkpoint>, CommandError> {
        match self.named(reference, Some(base))? {
            Named::Checkpoint(checkpoint) => Ok(checkpoint),
            Named::Adapter(adapter) => {
                let merged = Checkpoint::with_adapter(base.1, &adapter, reference)?;
                Ok(Arc::new(merged))
            }
        }
    }
}

fn say(adapter: &Adapter, printer: &Printer) {
    let reference = adapter.reference();
    for field in adapter.unknown_fields() {
        printer.warning(&format!(
            "`{field}` in the configuration of adapter `{reference}` is not known and not honoured"
        ));
    }
    if let Some(base) = adapter.base_model() {
        printer.info(&format!(
            "adapter `{reference}` says that it was trained on `{base}`"
        ));
    }
}

/// The two sides of a `+`. A path may contain one: the whole path, and the last `+` between two that
/// exist, come first.
fn split(reference: &str) -> Option<(&str, &str)> {
    let exists = |side: &str| side.contains("://") || Path::new(side).exists();
    if !reference.contains("://") && exists(reference) {
        return None;
    }
    let whole_sides = |(left, right): &(&str, &str)| !left.is_empty() && !right.is_empty();
    let sides = || {
        reference
            .rmatch_indices('+')
            .filter_map(|(at, plus)| {
                let right = reference.get(at + plus.len()..)?;
                Some((reference.get(..at)?, right))
            })
            .filter(whole_sides)
    };
    // A checkpoint on the left may itself be one with an adapter.
    let opens = |side: &str| exists(side) || split_exists(side);
    sides()
        .find(|(left, right)| opens(left) && exists(right))
        .or_else(|| sides().next())
}

fn split_exists(side: &str) -> bool {
    side.contains('+')
        && split(side).is_some_and(|(left, right)| {
            let exists = |side: &str| side.contains("://") || Path::new(side).exists();
            exists(right) && (exists(left) || split_exists(left))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_parts_a_checkpoint_from_its_adapter() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        for name in ["a", "a+b", "c", "d"] {
            crate::fs::create_dir_all(Path::new(&at(name))).unwrap();
        }
        let join = |sides: &[&str]| {
            let sides: Vec<String> = sides.iter().map(|side| at(side)).collect();
            sides.join("+")
        };
        assert_eq!(split(&at("a+b")), None);
        assert_eq!(split("plain"), None);
        for (left, right) in [(&["a"][..], "c"), (&["a+b"], "c"), (&["a", "c"], "d")] {
            let (left, right) = (join(left), at(right));
            let both = format!("{left}+{right}");
            assert_eq!(split(&both), Some((left.as_str(), right.as_str())));
        }
        assert_eq!(
            split("hf://a/b@1+hf://c/d"),
            Some(("hf://a/b@1", "hf://c/d"))
        );
        assert_eq!(split("no/such+thing"), Some(("no/such", "thing")));
        assert_eq!(split("+x"), None);
    }
}
