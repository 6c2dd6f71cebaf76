//! What spectral flow gives the page: numbers over the checkpoints of one run, or over nights.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::code::Level;
use crate::compare::SkippedTensor;
use crate::layer::Role;
use crate::spectrum::metric::Metric;

/// Lines over a common axis of steps.
#[derive(Debug, Clone, Default)]
pub struct FlowSection {
    /// Names of the checkpoints, in order.
    pub steps: Vec<String>,
    pub series: Vec<FlowSeries>,
    pub marks: Vec<FlowMark>,
    pub text: FlowText,
}

/// What is read without scripts. All but `skipped` and `estimator` is HTML already: texts of others are
/// escaped by who makes it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct FlowText {
    /// What was followed.
    pub sentence: String,
    /// False where a checkpoint could not be measured in full.
    pub whole: bool,
    /// A table of one row a step, and the titles of its columns.
    pub titles: Vec<String>,
    pub rows: Vec<Vec<String>>,
    pub marks: Vec<String>,
    /// What was searched for marks.
    pub search: String,
    pub problems: Vec<String>,
    pub recommendation: String,
    pub disputed: String,
    #[serde(skip)]
    pub skipped: Vec<SkippedTensor>,
    /// Settings of the estimators.
    #[serde(skip)]
    pub estimator: BTreeMap<String, Value>,
}

/// One line: a layer, or the layers of a role taken together.
#[derive(Debug, Clone)]
pub struct FlowSeries {
    pub name: String,
    /// `None`: over all matrices of the body.
    pub role: Option<Role>,
    pub metric: Metric,
    /// One for each step; `None` where there is no value.
    pub values: Vec<Option<f64>>,
}

/// Something that happened at a step.
#[derive(Debug, Clone)]
pub struct FlowMark {
    /// Index into the steps.
    pub step: usize,
    /// In whose chart it stands.
    pub metric: Metric,
    pub text: String,
    pub level: Level,
}
