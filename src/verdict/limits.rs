//! The policy's limits as they apply to the layers at hand, for tables and charts that show a value
//! beside its limit.

use super::FindingLimit;
use super::rules::{block_count, selects};
use crate::compare::Comparison;
use crate::policy::{Aggregate, Limit, Policy};
use crate::spectrum::metric::Metric;

/// A rule that judges each layer by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleLimits {
    pub rule: String,
    pub metric: Metric,
    /// The magnitude of the value is compared.
    pub absolute: bool,
    pub warn: Option<FindingLimit>,
    pub fail: Option<FindingLimit>,
    /// Indices into the comparison's layers, ascending.
    pub layers: Vec<usize>,
}

/// The limits of every rule that judges each layer and selects one, in the order of the policy.
/// Rules on aggregates have no limit for a layer.
pub fn layer_limits(comparison: &Comparison, policy: &Policy) -> Vec<RuleLimits> {
    let blocks = block_count(comparison);
    let rules = policy
        .rules
        .iter()
        .filter(|rule| rule.aggregate == Aggregate::Each);
    rules
        .map(|rule| RuleLimits {
            rule: rule.id.clone(),
            metric: rule.metric,
            absolute: rule.absolute,
            warn: rule.warn.as_ref().map(bounds),
            fail: rule.fail.as_ref().map(bounds),
            layers: comparison
                .layers
                .iter()
                .enumerate()
                .filter(|(_, layer)| selects(rule, layer, blocks))
                .map(|(index, _)| index)
                .collect(),
        })
        .filter(|limits| !limits.layers.is_empty())
        .collect()
}

fn bounds(limit: &Limit) -> FindingLimit {
    FindingLimit {
        min: limit.min,
        max: limit.max,
    }
}
