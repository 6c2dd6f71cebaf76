//! Numbers about the model as a whole.

use std::collections::BTreeMap;

use crate::compare::{Comparison, LayerComparison, LayerKind};
use crate::layer::Scope;
use crate::num::{self, Finite};
use crate::policy::Aggregate;
use crate::spectrum::metric::{Metric, Subject};

/// Metrics of which the report shows mean and median over the matrices of the body.
const SHOWN: &[Metric] = &[
    Metric::Alpha,
    Metric::KsDistance,
    Metric::StableRank,
    Metric::RelativeUpdate,
    Metric::Cosine,
    Metric::SpectralNormRatio,
    Metric::StableRankRatio,
    Metric::AlphaDrift,
    Metric::EsdDistance,
    Metric::UpdateStableRank,
    Metric::UpdateRank1Share,
    Metric::IntruderCount,
];

/// `mean_...` and `median_...` over the body's matrices that have a value.
pub(super) fn of_body(comparison: &Comparison) -> BTreeMap<String, Finite> {
    let body: Vec<&LayerComparison> = comparison
        .layers
        .iter()
        .filter(|layer| layer.kind == LayerKind::Matrix && layer.scope == Scope::Body)
        .collect();
    let mut aggregates = BTreeMap::new();
    for metric in SHOWN {
        let values: Vec<f64> = body
            .iter()
            .filter_map(|layer| value_of(layer, *metric))
            .collect();
        for (name, value) in [
            ("mean", num::mean(&values)),
            ("median", num::median(&values)),
        ] {
            if let Some(value) = value.and_then(Finite::new) {
                aggregates.insert(format!("{name}_{metric}"), value);
            }
        }
    }
    aggregates
}

/// The value that a rule sees: the tuned matrix's, or the pair's.
pub(super) fn value_of(layer: &LayerComparison, metric: Metric) -> Option<f64> {
    match metric.subject() {
        Subject::Checkpoint => layer.tuned.table.value(metric),
        Subject::Pair => layer.drift.value(metric),
    }
}

/// Folds the values of a rule's layers; `None` where there are none.
pub(super) fn fold(aggregate: Aggregate, values: &[f64]) -> Option<f64> {
    match aggregate {
        Aggregate::Each => None,
        Aggregate::Mean => num::mean(values),
        Aggregate::Median => num::median(values),
        Aggregate::Max => values.iter().copied().reduce(num::max),
        Aggregate::Min => values.iter().copied().reduce(num::min),
    }
}
