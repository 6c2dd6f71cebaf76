//! From tensor names to layers: role, block, scope, form, and how base and tuned names meet.
//!
//! Nothing here reads a file: names and shapes go in, facts about them come out. What a name means
//! is one table (in `naming`), checked against every name of the supported families in
//! `tests/families.txt`. A name that the table does not know is [`Role::Other`] of the body, so an
//! unknown architecture is judged in full rather than passed over.

mod architecture;
mod form;
mod logical;
mod naming;
mod order;
mod pair;
mod part;
mod role;
mod split;
#[cfg(test)]
mod tests;
mod tied;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::architecture::Architecture;
pub use self::form::{Form, LayerSource, layers_of};
pub use self::logical::{LogicalLayer, logical_layer};
pub use self::naming::{LayerTraits, describe, head_word, is_buffer};
pub use self::order::natural_order;
pub use self::pair::{NamePairing, modern_name, pair_names, without_wrappers};
pub use self::part::{Part, Runs, transpose};
pub use self::role::Role;
pub use self::tied::{TiedAlias, tied_embedding};

/// Name of a layer as the report shows it: the tensor's name in the tuned checkpoint, with `[q]`
/// behind it for a part of a fused tensor, `[7]` or `[7][gate]` for one expert of it. Raw text from a checkpoint: renderers escape it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LayerName(String);

impl LayerName {
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name itself, and for a part of a fused tensor what it is a part of: `a[7][gate]`, `a[7]`
    /// and `a`.
    pub fn with_wholes(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self.as_str()), |name| {
            let (whole, _) = name.strip_suffix(']')?.rsplit_once('[')?;
            (!whole.is_empty()).then_some(whole)
        })
    }
}

impl fmt::Display for LayerName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether the policy's rules apply by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Judged.
    Body,
    /// A task head or pooler: reported, judged only by a rule that names it.
    Head,
}
