//! Base and tuned checkpoint in, one [`Comparison`] out: every layer's metrics, the drift between
//! the two, and the facts that need no statistics.

mod adapter;
mod baseline;
mod config;
mod drift;
mod entries;
mod error;
mod facts;
mod matrix;
mod measure;
mod model_facts;
mod part;
mod precision;
mod prepare;
mod replay;
mod run;
mod updates;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::code::FindingCode;
use crate::layer::{LayerName, Role, Scope};
use crate::num::Finite;
use crate::spectrum::metric::{Metric, MetricTable};
use crate::spectrum::{Phase, Profile};

pub use baseline::{Baseline, BaselineRun, BaselineRuns, LeftOut, Levels, RunLayer};
pub use error::CompareError;
pub use part::{Part, PartError, Shard};
pub use run::{Compared, Options, compare_part};
pub use updates::{Updates, updates};

/// Everything that was learnt about a pair; the only input of the verdict beside the policy.
#[derive(Debug, Clone)]
pub struct Comparison {
    pub base: CheckpointIdentity,
    pub tuned: CheckpointIdentity,
    /// In natural order of the names (`layers.2` before `layers.10`).
    pub layers: Vec<LayerComparison>,
    pub facts: Vec<Fact>,
    pub coverage: Coverage,
    /// Settings of the estimators, as the report shows them.
    pub estimator: BTreeMap<String, serde_json::Value>,
}

/// Which bytes were judged.
#[derive(Debug, Clone, Serialize)]
pub struct CheckpointIdentity {
    #[serde(rename = "ref")]
    pub reference: String,
    pub revision: Option<String>,
    /// `sha256:...` over the sorted lines `name dtype shape sha256(bytes)` of the judged tensors.
    pub digest: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerKind {
    Matrix,
    /// A 1-D tensor: norm or bias.
    Vector,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerComparison {
    pub name: LayerName,
    pub kind: LayerKind,
    pub role: Role,
    /// Index of the transformer block that the name shows.
    pub block: Option<u32>,
    pub expert: Option<u32>,
    pub scope: Scope,
    pub shape: Vec<usize>,
    /// Dtype names of safetensors (`BF16`), or how the tensor is quantised (`gptq-4bit-g128`).
    pub base_dtype: String,
    pub tuned_dtype: String,
    pub base: LayerMetrics,
    pub tuned: LayerMetrics,
    pub drift: MetricTable,
    /// The tensor's bytes are the base's.
    pub identical: bool,
    /// Rms difference that quantisation alone is expected to make, relative to |W0|; `None` where no
    /// side is quantised.
    #[serde(default)]
    pub quantisation_error: Option<Finite>,
    /// The spectrum of W - W0, for pictures; empty where it was not decomposed.
    #[serde(default)]
    pub update_profile: Profile,
}

impl LayerComparison {
    pub fn parameters(&self) -> u64 {
        self.shape.iter().map(|side| *side as u64).product()
    }
}

/// Metrics of one matrix and the raw power-law fit behind them, which stays visible where the
/// fit's numbers are withheld.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerMetrics {
    pub table: MetricTable,
    pub fit: Option<MetricTable>,
    /// The spectrum, for pictures.
    pub profile: Profile,
    /// Text, not a number: no rule can use it.
    pub phase: Option<Phase>,
}

/// A hygiene observation: exact, with no limit that a policy could move. The policy only sets its
/// level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    pub code: FindingCode,
    /// The tensor or layer, or `None` for the checkpoint as a whole.
    pub layer: Option<LayerName>,
    /// True for what is shown but never judged (a head that came or went).
    pub note: bool,
    pub metric: Option<Metric>,
    pub base: Option<Finite>,
    pub tuned: Option<Finite>,
    pub observed: Option<Finite>,
    pub limit_min: Option<Finite>,
    pub limit_max: Option<Finite>,
    pub message: String,
}

/// How much of the model was compared.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Coverage {
    /// Layers compared (matrices and vectors).
    pub compared: usize,
    pub skipped: usize,
    /// Share of the matrix parameters of the body of both checkpoints that were compared; 0 where
    /// there are none.
    pub parameters_share: f64,
    pub reasons: Vec<SkippedTensor>,
    /// How base names were turned into tuned names.
    pub name_map: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedTensor {
    pub tensor: String,
    pub reason: String,
}
