//! One [`Report`], many renderings. Every renderer is a pure function of it: no clock, no files, no
//! terminal, so that the same run gives the same bytes everywhere.
//!
//! | module | gives |
//! |---|---|
//! | [`json`] | the document that scripts read |
//! | [`human`] | the terminal's view |
//! | [`markdown`] | the pull request comment and the step summary, within GitHub's size limit |
//! | [`html`] | one page that people open, with charts |
//! | [`scan`], [`csv`] | one checkpoint's numbers |
//! | [`track`] | the flow over the checkpoints of a run |
//!
//! [`Report::from_json`] reads the JSON document back.
//!
//! `human` and `markdown` are templates over [`view::View`], whose texts are escaped before a
//! template sees them ([`escape`]): names come from files that the author of a pull request controls.

use std::collections::BTreeMap;

use crate::compare::{CheckpointIdentity, Comparison, LayerMetrics, SkippedTensor};
use crate::layer::{LayerName, Role, Scope};
use crate::spectrum::validity::Validity;
use crate::verdict::{Judgement, RuleLimits, Verdict};

pub mod advice;
pub mod chart;
pub mod csv;
pub mod escape;
pub mod figure;
pub mod html;
pub mod human;
pub mod json;
pub mod markdown;
pub mod number;
pub mod openmetrics;
mod profile;
mod read;
mod read_trend;
mod roles;
pub mod scan;
pub mod spark;
pub mod templates;
pub mod track;
pub mod view;

#[cfg(test)]
mod sample;

pub use read::ReadError;
pub use templates::{TemplateError, Templates};

/// Everything that a rendering may show.
#[derive(Debug, Clone)]
#[must_use]
pub struct Report {
    pub comparison: Comparison,
    pub judgement: Judgement,
    pub policy: PolicyIdentity,
    /// `check --advisory`: a failing verdict ends with exit 0.
    pub advisory: bool,
    /// What the policy asks of each layer; empty in a report that was read back.
    pub limits: Vec<RuleLimits>,
}

impl Report {
    /// The verdict and its reason in one sentence, for every output. Raw text: a renderer escapes it.
    pub fn headline(&self) -> String {
        let verdict = self.judgement.verdict;
        let advisory = if self.advisory && verdict == Verdict::Fail {
            " (advisory: the exit code stays 0)"
        } else {
            ""
        };
        format!("{}: {}{advisory}", verdict.as_str(), self.judgement.reason)
    }
}

#[derive(Debug, Clone, serde::Serialize)]
pub struct PolicyIdentity {
    pub name: String,
    pub digest: String,
    pub source: String,
}

/// The spectral table of one checkpoint, without a verdict.
#[derive(Debug, Clone)]
#[must_use]
pub struct ScanReport {
    pub checkpoint: CheckpointIdentity,
    /// Settings of the estimators.
    pub estimator: BTreeMap<String, serde_json::Value>,
    /// In natural order of the names.
    pub layers: Vec<ScanLayer>,
    pub skipped: Vec<SkippedTensor>,
}

#[derive(Debug, Clone)]
pub struct ScanLayer {
    pub name: LayerName,
    pub role: Role,
    /// Index of the transformer block that the name shows.
    pub block: Option<u32>,
    pub shape: Vec<usize>,
    /// Dtype name of safetensors (`BF16`).
    pub dtype: String,
    pub scope: Scope,
    pub metrics: LayerMetrics,
    pub validity: Option<Validity>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headline_says_when_a_failure_is_only_advice() {
        let mut report = sample::fail();
        assert_eq!(
            report.headline(),
            format!("fail: {}", report.judgement.reason)
        );
        report.advisory = true;
        assert!(
            report
                .headline()
                .ends_with("(advisory: the exit code stays 0)")
        );
        let mut pass = sample::pass();
        pass.advisory = true;
        assert!(!pass.headline().contains("advisory"));
    }
}
