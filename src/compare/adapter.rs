//! Updates that are known by their factors: those of an adapter on the base.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::checkpoint::fingerprint::TensorHash;
use crate::checkpoint::{Checkpoint, LowRankUpdate};
use crate::layer::Part;
use crate::spectrum::Estimator;

/// The update of one part of a tensor.
pub(super) fn of_part(updates: &[LowRankUpdate], part: Part) -> Option<&LowRankUpdate> {
    if let Part::Expert(expert) = part {
        return updates.get(expert as usize);
    }
    match updates {
        [only] if part == Part::Whole => Some(only),
        _ => None,
    }
}

/// What tells these updates from others, and from none.
pub(super) fn fingerprint(updates: &[LowRankUpdate]) -> String {
    let mut hash = TensorHash::new();
    for update in updates {
        hash.update(&update.scale.to_le_bytes());
        for value in update.b.iter().chain(&update.a) {
            hash.update(&value.to_le_bytes());
        }
    }
    format!("{} updates {}", updates.len(), hash.finish())
}

/// The settings of the estimators, and where updates come from if not from the stored weights alone.
pub(super) fn describe(
    estimator: &Estimator,
    base: &Checkpoint,
    tuned: &Checkpoint,
) -> BTreeMap<String, Value> {
    let mut settings = estimator.describe();
    if tuned.has_low_rank_updates(base) {
        settings.insert("update".to_owned(), json!("adapter-factors"));
    }
    settings
}
