//! What spectral flow gives the page: numbers over the checkpoints of one run, or over nights.

use crate::code::Level;
use crate::layer::Role;
use crate::spectrum::metric::Metric;

/// Lines over a common axis of steps.
#[derive(Debug, Clone, Default)]
pub struct FlowSection {
    /// Names of the checkpoints, in order.
    pub steps: Vec<String>,
    pub series: Vec<FlowSeries>,
    pub marks: Vec<FlowMark>,
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
    pub text: String,
    pub level: Level,
}
