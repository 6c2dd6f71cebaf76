//! The grammar of a policy file, one struct a table. `policies/policy.schema.json` is generated from
//! these; `read.rs` fills them from text and keeps going after a mistake.

use std::collections::BTreeMap;

use jiff::civil::Date;
use toml::Spanned;

use super::{Aggregate, AtLeast, Depth, Undefined};
use crate::code::{FindingCode, Level};
use crate::layer::Role;
use crate::num::{Finite, Fraction};
use crate::spectrum::metric::Metric;

/// A policy of tunegate: what a fine-tuned checkpoint may look like.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub(super) struct PolicyFile {
    /// Version of the grammar: 1.
    #[cfg_attr(test, schemars(required, range(min = 1, max = 1)))]
    #[expect(dead_code, reason = "the reader accepts only 1; kept for the schema")]
    pub(super) version: Option<u32>,
    /// Name that reports show; the file's own name where it is left out.
    pub(super) name: Option<String>,
    /// A shipped policy, or a path relative to this file.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) extends: Option<Spanned<String>>,
    pub(super) coverage: Option<CoverageTable>,
    /// Level of each hygiene code.
    #[cfg_attr(test, schemars(with = "Option<BTreeMap<FindingCode, HygieneLevel>>"))]
    pub(super) hygiene: BTreeMap<FindingCode, Spanned<HygieneLevel>>,
    #[cfg_attr(test, schemars(with = "Option<Vec<RuleTable>>"))]
    pub(super) rule: Vec<Spanned<RuleTable>>,
    #[cfg_attr(test, schemars(with = "Option<Vec<WaiverTable>>"))]
    pub(super) waiver: Vec<Spanned<WaiverTable>>,
    pub(super) base: Option<BaseTable>,
    pub(super) baseline: Option<BaselineTable>,
}

/// How much of the model must have been compared.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub(super) struct CoverageTable {
    /// Share of the matrix parameters, 0 to 1; below it the run is inconclusive.
    #[cfg_attr(test, schemars(with = "Option<f64>", range(min = 0, max = 1)))]
    pub(super) min: Option<Spanned<Fraction>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(rename_all = "kebab-case")
)]
pub(super) enum HygieneLevel {
    Fail,
    Warn,
    Allow,
}

impl HygieneLevel {
    pub(super) const NAMES: &[&str] = &["fail", "warn", "allow"];

    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "fail" => Some(Self::Fail),
            "warn" => Some(Self::Warn),
            "allow" => Some(Self::Allow),
            _ => None,
        }
    }

    pub(super) fn level(self) -> Option<Level> {
        match self {
            Self::Fail => Some(Level::Fail),
            Self::Warn => Some(Level::Warn),
            Self::Allow => None,
        }
    }
}

/// A limit on a metric. A rule with an inherited id and no limits drops the inherited rule.
#[derive(Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub(super) struct RuleTable {
    /// Unique in the file; replaces an inherited rule of the same id.
    #[cfg_attr(test, schemars(with = "String"))]
    pub(super) id: Spanned<String>,
    pub(super) metric: Option<Metric>,
    /// Globs on layer names; every matrix of the body where they are left out.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) layers: Option<Vec<Spanned<String>>>,
    pub(super) roles: Option<Vec<Role>>,
    /// Band of the block indices, `0%..25%`.
    #[cfg_attr(
        test,
        schemars(
            with = "Option<String>",
            regex(pattern = r"^[0-9.]+ ?%\.\.[0-9.]+ ?%$")
        )
    )]
    pub(super) depth: Option<Depth>,
    /// Compare the value without its sign.
    pub(super) absolute: Option<bool>,
    /// What a metric without a value means.
    #[cfg_attr(test, schemars(with = "Option<tests::UndefinedName>"))]
    pub(super) undefined: Option<Undefined>,
    #[cfg_attr(test, schemars(with = "Option<tests::AggregateName>"))]
    pub(super) aggregate: Option<Aggregate>,
    #[cfg_attr(test, schemars(with = "Option<LimitTable>"))]
    pub(super) warn: Option<Spanned<LimitTable>>,
    #[cfg_attr(test, schemars(with = "Option<LimitTable>"))]
    pub(super) fail: Option<Spanned<LimitTable>>,
}

/// The values that are allowed; at least one of `min` and `max`.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub(super) struct LimitTable {
    #[cfg_attr(test, schemars(with = "Option<Finite>"))]
    pub(super) min: Option<Spanned<Finite>>,
    #[cfg_attr(test, schemars(with = "Option<Finite>"))]
    pub(super) max: Option<Spanned<Finite>>,
    /// How many layers (`2`), or which share of the selected ones (`"2%"`), must be outside.
    #[cfg_attr(test, schemars(with = "Option<tests::AtLeastValue>"))]
    pub(super) at_least: Option<Spanned<AtLeast>>,
}

/// Holds a finding back, for a reason and until a day.
#[derive(Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub(super) struct WaiverTable {
    /// Id of a rule, or a hygiene code.
    #[cfg_attr(test, schemars(required, with = "String"))]
    pub(super) rule: Option<Spanned<String>>,
    /// Globs on layer names; all layers where they are left out.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) layers: Option<Vec<Spanned<String>>>,
    /// Past it the finding comes back.
    pub(super) ceiling: Option<Finite>,
    #[cfg_attr(test, schemars(required))]
    pub(super) owner: Option<String>,
    #[cfg_attr(test, schemars(required))]
    pub(super) reason: Option<String>,
    /// Last day on which it holds, `2026-12-31`.
    #[cfg_attr(
        test,
        schemars(required, with = "String", regex(pattern = r"^\d{4}-\d{2}-\d{2}$"))
    )]
    pub(super) until: Option<Date>,
}

/// Pins the base, so that a pull request cannot swap it.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub(super) struct BaseTable {
    #[cfg_attr(test, schemars(required, with = "String"))]
    pub(super) r#ref: Option<Spanned<String>>,
}

/// Limits learnt from good or accepted runs.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub(super) struct BaselineTable {
    /// How many runs make a baseline.
    #[cfg_attr(test, schemars(with = "Option<u32>", range(min = 1)))]
    pub(super) min_runs: Option<Spanned<u32>>,
    /// Whether a run without a usable baseline is inconclusive.
    #[cfg_attr(test, schemars(with = "Option<bool>"))]
    pub(super) required: Option<Spanned<bool>>,
    /// Chance of any false finding at level fail (Holm).
    #[cfg_attr(test, schemars(with = "Option<f64>", range(min = 0, max = 1)))]
    pub(super) family_wise_error: Option<Spanned<Fraction>>,
    /// Expected share of false findings at level warn (Benjamini-Hochberg).
    #[cfg_attr(test, schemars(with = "Option<f64>", range(min = 0, max = 1)))]
    pub(super) false_discovery_rate: Option<Spanned<Fraction>>,
}

#[cfg(test)]
mod tests;
