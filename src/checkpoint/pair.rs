//! Which tensor of the base is which tensor of the tuned checkpoint.

use std::collections::BTreeSet;

use crate::checkpoint::Checkpoint;
use crate::layer::{NamePairing, Scope, TiedAlias, describe, pair_names, tied_embedding};

/// The tensors of two checkpoints, matched by name. Shapes and dtypes are not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairing {
    /// (base name, tuned name), both readable, in natural order of the tuned names.
    pub pairs: Vec<(String, String)>,
    /// Pairs that at least one side skips: see [`Checkpoint::skipped`] for the reason.
    pub unread: Vec<(String, String)>,
    /// Readable tensors without a partner. Skipped ones are left to [`Checkpoint::skipped`]: an
    /// integer buffer that comes or goes is no change of the model.
    pub base_only: Vec<String>,
    pub tuned_only: Vec<String>,
    /// Tensors that one side stores and the other ties; in neither of the lists above.
    pub tied_aliases: Vec<TiedAlias>,
    /// One sentence for the report, such as "stripped `bert.` from base".
    pub name_map: String,
}

/// Pairs all tensors of two checkpoints by name; see [`pair_names`].
pub fn pair(base: &Checkpoint, tuned: &Checkpoint) -> Pairing {
    let NamePairing {
        pairs,
        base_only,
        tuned_only,
        name_map,
    } = pair_names(&all_names(base), &all_names(tuned));
    let (pairs, unread) = pairs.into_iter().partition(|(base_name, tuned_name)| {
        base.tensors.contains_key(base_name) && tuned.tensors.contains_key(tuned_name)
    });
    let (base_aliases, base_only) = split_aliases(base_only, base, tuned, false);
    let (tuned_aliases, tuned_only) = split_aliases(tuned_only, tuned, base, true);
    Pairing {
        pairs,
        unread,
        base_only,
        tuned_only,
        tied_aliases: [base_aliases, tuned_aliases].concat(),
        name_map,
    }
}

fn all_names(checkpoint: &Checkpoint) -> BTreeSet<&str> {
    checkpoint
        .tensors
        .keys()
        .chain(checkpoint.skipped.keys())
        .map(String::as_str)
        .collect()
}

/// Parts the readable names that `own` alone stores into those that `other` ties, and the rest.
fn split_aliases(
    names: Vec<String>,
    own: &Checkpoint,
    other: &Checkpoint,
    in_tuned: bool,
) -> (Vec<TiedAlias>, Vec<String>) {
    let stored = own.tensors.keys().map(String::as_str);
    let other_ties = other.tie_word_embeddings() != Some(false);
    let (mut aliases, mut rest) = (Vec::new(), Vec::new());
    for name in names {
        if !own.tensors.contains_key(&name) {
            continue;
        }
        // Encoder and decoder share their embedding whatever the head does.
        let may_be_tied = other_ties || describe(&name, &[]).scope == Scope::Body;
        match tied_embedding(&name, &stored) {
            Some(target) if may_be_tied => aliases.push(TiedAlias {
                target: target.to_owned(),
                name,
                in_tuned,
            }),
            Some(_) | None => rest.push(name),
        }
    }
    (aliases, rest)
}
