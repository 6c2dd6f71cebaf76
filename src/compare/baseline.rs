//! Earlier runs as plain data. The history, known-good reports or tests make a [`Baseline`]; the
//! verdict only sees this.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Comparison, LayerComparison, LayerKind};
use crate::layer::{LayerName, Role, Scope};
use crate::num::{self, Finite};
use crate::spectrum::metric::{Metric, MetricTable, Subject};

/// What there is to judge a run against, beside its base.
#[derive(Debug, Clone)]
pub enum Baseline {
    Runs(BaselineRuns),
    /// Asked for, but it could not be read; the reason is shown and nothing is passed over.
    Unreadable {
        source: String,
        reason: String,
    },
}

/// Accepted runs of one model, all measured by the same estimator.
#[derive(Debug, Clone, Default)]
pub struct BaselineRuns {
    /// Where they come from, for messages (`nightly.db, model support-bot, branch main`).
    pub source: String,
    /// Oldest first.
    pub runs: Vec<BaselineRun>,
    /// Runs of the history that are not in `runs`, by reason (another estimator, not accepted).
    pub left_out: Vec<LeftOut>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    pub runs: usize,
    pub reason: String,
}

/// One accepted run.
#[derive(Debug, Clone)]
pub struct BaselineRun {
    pub id: String,
    /// Time of the run, RFC 3339 in UTC.
    pub recorded: String,
    pub commit: Option<String>,
    pub tuned_digest: String,
    /// Somebody accepted it as the reference; runs after the last such one are judged against it.
    pub anchor: bool,
    /// Numbers about the model and each role; there for every run.
    pub levels: Levels,
    /// Numbers of each layer; empty for runs that are too old for the window.
    pub layers: Vec<RunLayer>,
}

/// One layer of one run, without what only a report shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunLayer {
    pub name: LayerName,
    pub kind: LayerKind,
    pub role: Role,
    pub scope: Scope,
    /// Metrics of the tuned matrix and of the pair, by name: the two sets are disjoint.
    pub metrics: BTreeMap<Metric, Finite>,
}

/// Medians over the matrices of the body: of all (`None`) and of each role.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Levels(pub BTreeMap<(Metric, Option<Role>), Finite>);

impl RunLayer {
    /// Only finite values stay; a metric without a value is absent.
    pub fn of(layer: &LayerComparison) -> Self {
        let mut metrics = BTreeMap::new();
        collect(&layer.tuned.table, Subject::Checkpoint, &mut metrics);
        collect(&layer.drift, Subject::Pair, &mut metrics);
        Self {
            name: layer.name.clone(),
            kind: layer.kind,
            role: layer.role,
            scope: layer.scope,
            metrics,
        }
    }

    /// The layers of a run, in the order of the comparison.
    pub fn all(comparison: &Comparison) -> Vec<Self> {
        comparison.layers.iter().map(Self::of).collect()
    }
}

fn collect(table: &MetricTable, subject: Subject, into: &mut BTreeMap<Metric, Finite>) {
    for (metric, measured) in table.iter() {
        if metric.subject() == subject
            && let Some(value) = measured.value().and_then(Finite::new)
        {
            into.insert(metric, value);
        }
    }
}

impl Levels {
    pub fn of(layers: &[RunLayer]) -> Self {
        let mut values: BTreeMap<(Metric, Option<Role>), Vec<f64>> = BTreeMap::new();
        let body = layers
            .iter()
            .filter(|layer| layer.kind == LayerKind::Matrix && layer.scope == Scope::Body);
        for layer in body {
            for (metric, value) in &layer.metrics {
                for role in [None, Some(layer.role)] {
                    values.entry((*metric, role)).or_default().push(value.get());
                }
            }
        }
        Self(
            values
                .into_iter()
                .filter_map(|(key, values)| {
                    let median = num::median(&values).and_then(Finite::new)?;
                    Some((key, median))
                })
                .collect(),
        )
    }

    /// Median of `metric` over the body's matrices, or over those of one role.
    pub fn get(&self, metric: Metric, role: Option<Role>) -> Option<f64> {
        self.0.get(&(metric, role)).map(|value| value.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(role: Role, scope: Scope, kind: LayerKind, value: f64) -> RunLayer {
        RunLayer {
            name: LayerName::new("layer"),
            kind,
            role,
            scope,
            metrics: Finite::new(value)
                .map(|value| (Metric::RelativeUpdate, value))
                .into_iter()
                .collect(),
        }
    }

    #[test]
    fn levels_are_medians_of_the_body_and_of_each_role() {
        let layers = [
            layer(Role::AttentionQ, Scope::Body, LayerKind::Matrix, 1.0),
            layer(Role::AttentionQ, Scope::Body, LayerKind::Matrix, 2.0),
            layer(Role::MlpUp, Scope::Body, LayerKind::Matrix, 9.0),
            layer(Role::Norm, Scope::Body, LayerKind::Vector, 100.0),
            layer(Role::Head, Scope::Head, LayerKind::Matrix, 100.0),
        ];
        let levels = Levels::of(&layers);
        let metric = Metric::RelativeUpdate;
        assert_eq!(levels.get(metric, None), Some(2.0));
        assert_eq!(levels.get(metric, Some(Role::AttentionQ)), Some(1.5));
        assert_eq!(levels.get(metric, Some(Role::MlpUp)), Some(9.0));
        assert_eq!(levels.get(metric, Some(Role::Norm)), None);
        assert_eq!(levels.get(Metric::Alpha, None), None);
    }
}
