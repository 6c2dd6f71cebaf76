//! The policy file: what is allowed, at which level, and who waived what until when.
//!
//! ```text
//! name or path --load--> chain of texts --read--> tables + problems --rule--> rules + problems
//!                                                                                  |
//!                                       Policy <--merge (nearest file wins)--------+
//! ```
//!
//! Reading never stops at the first mistake: every file of the chain is read to its end and all
//! problems are shown together, each with its place. A policy either has no problem or does not
//! exist, so that a typing error cannot open the gate. The grammar is described in
//! `docs/policy.md`; the idea of a waiver with an owner, a reason and a last day, and of a finding
//! that points at the line that asked for it, is cargo-deny's.

mod across;
mod field;
mod file;
mod load;
mod loosened;
mod merge;
mod problem;
mod read;
mod rule;
mod select;
mod shipped;
mod show;
mod suggest;
mod table;
mod waiver;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use crate::code::{FindingCode, Level};
use crate::layer::Role;
use crate::num::{Finite, Fraction};
use crate::spectrum::metric::Metric;

pub use load::ReadText;
pub use loosened::loosened;
pub use problem::{PolicyError, Problem};
pub use shipped::{shipped_names, shipped_text};
pub use show::{Dropped, EffectivePolicy, SettingOrigins};
pub use waiver::WaiverStatus;

/// An effective policy: every `extends` is resolved and every value is checked.
#[derive(Debug, Clone)]
pub struct Policy {
    pub name: String,
    /// `sha256:...` over the files that made it, the named file first.
    pub digest: String,
    /// Path as given, or `builtin:sft` for a shipped one.
    pub source: String,
    pub coverage_min: Fraction,
    /// Level of each hygiene code; `None` means allow.
    pub hygiene: BTreeMap<FindingCode, HygieneSetting>,
    pub rules: Vec<Rule>,
    pub waivers: Vec<Waiver>,
    pub base: Option<BasePin>,
    pub baseline: BaselineSettings,
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Path as given, or `builtin:NAME`.
    pub source: String,
    /// From 1; `None` for a shipped policy, which has no line in the user's repository.
    pub line: Option<usize>,
}

#[derive(Debug, Clone)]
pub struct HygieneSetting {
    /// `None` allows.
    pub level: Option<Level>,
    pub origin: Origin,
}

#[derive(Debug, Clone)]
pub struct Rule {
    pub id: String,
    pub metric: Metric,
    pub select: Selector,
    pub absolute: bool,
    pub undefined: Undefined,
    pub aggregate: Aggregate,
    pub warn: Option<Limit>,
    pub fail: Option<Limit>,
    pub origin: Origin,
}

/// Which layers a rule or waiver is about.
#[derive(Debug, Clone)]
pub struct Selector {
    /// As written; empty means every matrix of the body.
    pub globs: Vec<String>,
    pub matcher: globset::GlobSet,
    /// Empty means any role.
    pub roles: BTreeSet<Role>,
    pub depth: Option<Depth>,
}

/// A band of the block indices: `0%..25%` of the depth. Both ends are shares; a block b of n lies at
/// (b + 0.5) / n.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Depth {
    pub from: Fraction,
    pub to: Fraction,
}

/// What a metric without a value means to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undefined {
    Skip,
    Warn,
    Fail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    Each,
    Mean,
    Median,
    Max,
    Min,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    pub min: Option<Finite>,
    pub max: Option<Finite>,
    pub at_least: AtLeast,
}

/// How many of the selected layers must be outside before a limit fires.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AtLeast {
    Layers(u32),
    Share(Fraction),
}

#[derive(Debug, Clone)]
pub struct Waiver {
    /// Rule id or hygiene code.
    pub rule: String,
    pub select: Selector,
    pub ceiling: Option<Finite>,
    pub owner: String,
    pub reason: String,
    /// Last day on which it holds.
    pub until: Date,
    pub origin: Origin,
}

/// `[base]`: the base that a pull request cannot swap.
#[derive(Debug, Clone)]
pub struct BasePin {
    pub reference: String,
    pub origin: Origin,
}

#[derive(Debug, Clone, Copy)]
pub struct BaselineSettings {
    pub min_runs: u32,
    pub required: bool,
    pub family_wise_error: Fraction,
    pub false_discovery_rate: Fraction,
}

impl Policy {
    /// Level at which a hygiene code is found; `None` allows it. A code that the policy does not
    /// name has the default policy's level.
    pub fn hygiene_level(&self, code: FindingCode) -> Option<Level> {
        match self.hygiene.get(&code) {
            Some(setting) => setting.level,
            None => shipped::default_hygiene()
                .get(&code)
                .copied()
                .unwrap_or(Some(Level::Fail)),
        }
    }
}

#[cfg(test)]
mod tests;
