//! Comparison and policy in, findings and verdict out. Pure: no clock, no files, no printing.

mod aggregate;
pub mod baseline;
mod hygiene;
mod judge;
mod limits;
mod rules;
#[cfg(test)]
mod tests;
mod trend;
mod waive;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::code::{FindingCode, Level};
use crate::layer::LayerName;
use crate::num::Finite;
use crate::policy::Origin;
use crate::spectrum::metric::Metric;

pub use judge::{judge, judge_against};
pub use limits::{RuleLimits, layer_limits};
pub use trend::{Series, Trend, TrendPoint};

/// Ordered by precedence: `Fail` > `Inconclusive` > `Warn` > `Pass`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[must_use]
pub enum Verdict {
    Pass,
    Warn,
    Inconclusive,
    Fail,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Inconclusive => "inconclusive",
            Self::Fail => "fail",
        }
    }
}

/// What the gate has to say: one departure from the policy.
#[derive(Debug, Clone)]
pub struct Finding {
    pub code: FindingCode,
    /// Id of the rule, or the hygiene code's name.
    pub rule: String,
    /// After waivers: a waived finding is a `Note`.
    pub level: Level,
    pub layer: Option<LayerName>,
    /// What a finding without a layer was taken over, such as `median of 36 layers`.
    pub over: Option<String>,
    pub metric: Option<Metric>,
    pub base: Option<Finite>,
    pub tuned: Option<Finite>,
    pub observed: Option<Finite>,
    pub limit: Option<FindingLimit>,
    pub message: String,
    /// Where the policy says so.
    pub origin: Option<Origin>,
    pub waived: Option<Waived>,
}

impl Finding {
    /// A finding about the checkpoint as a whole, without numbers.
    pub(crate) fn plain(code: FindingCode, rule: &str, level: Level, message: String) -> Self {
        Self {
            code,
            rule: rule.to_owned(),
            level,
            layer: None,
            over: None,
            metric: None,
            base: None,
            tuned: None,
            observed: None,
            limit: None,
            message,
            origin: None,
            waived: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FindingLimit {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Finite>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Finite>,
}

/// The waiver that holds a finding back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waived {
    pub owner: String,
    pub reason: String,
    pub until: String,
    pub days_left: i32,
    /// The level that the finding would have had.
    pub level: Level,
}

/// How often a rule met a metric that had no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UndefinedCount {
    pub rule: String,
    pub metric: Metric,
    /// Layers that the rule selected.
    pub selected: usize,
    /// Of these, without a value.
    pub undefined: usize,
}

#[derive(Debug, Clone)]
pub struct Judgement {
    pub verdict: Verdict,
    /// One sentence: why this verdict.
    pub reason: String,
    /// Fail first, then warn, then notes; within a level by distance beyond the limit.
    pub findings: Vec<Finding>,
    /// Means and medians over the matrices of the body, by name (`mean_alpha`).
    pub aggregates: BTreeMap<String, Finite>,
    pub undefined: Vec<UndefinedCount>,
    /// Where there was a history to judge against.
    pub trend: Option<Trend>,
}
