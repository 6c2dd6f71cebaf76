//! One [`Report`], many renderings. Every renderer is a pure function of it.

use crate::compare::Comparison;
use crate::verdict::Judgement;

/// Everything that a rendering may show.
#[derive(Debug, Clone)]
#[must_use]
pub struct Report {
    pub comparison: Comparison,
    pub judgement: Judgement,
    pub policy: PolicyIdentity,
    /// `check --advisory`: a failing verdict ends with exit 0.
    pub advisory: bool,
}

#[derive(Debug, Clone, serde::Serialize)]
pub struct PolicyIdentity {
    pub name: String,
    pub digest: String,
    pub source: String,
}
