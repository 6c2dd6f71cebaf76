//! Means and medians by role, for the JSON summaries.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::compare::LayerComparison;
use crate::layer::Role;
use crate::num;
use crate::spectrum::metric::{Metric, MetricTable};

use super::ScanLayer;
use super::json::number;

/// In this order, each as `mean_...` and `median_...` over the layers that have a value.
const SHOWN: [Metric; 10] = [
    Metric::Alpha,
    Metric::AlphaHat,
    Metric::KsDistance,
    Metric::StableRank,
    Metric::LogSpectralNorm,
    Metric::RelativeUpdate,
    Metric::Cosine,
    Metric::AlphaDrift,
    Metric::UpdateStableRank,
    Metric::UpdateNoiseShare,
];

/// Of a pair: the metrics of the tuned side and of the drift.
pub(super) fn of_comparison(layers: &[LayerComparison]) -> Value {
    summary(
        layers
            .iter()
            .map(|layer| (layer.role, vec![&layer.tuned.table, &layer.drift])),
    )
}

pub(super) fn of_scan(layers: &[ScanLayer]) -> Value {
    summary(
        layers
            .iter()
            .map(|layer| (layer.role, vec![&layer.metrics.table])),
    )
}

/// Role to how many layers it has and their means and medians; a number that no layer has is left out.
fn summary<'a>(layers: impl Iterator<Item = (Role, Vec<&'a MetricTable>)>) -> Value {
    let mut by_role: BTreeMap<Role, Vec<Vec<&MetricTable>>> = BTreeMap::new();
    for (role, tables) in layers {
        by_role.entry(role).or_default().push(tables);
    }
    let rows = by_role
        .into_iter()
        .map(|(role, layers)| (role.as_str().to_owned(), Value::Object(row(&layers))));
    Value::Object(rows.collect())
}

fn row(layers: &[Vec<&MetricTable>]) -> Map<String, Value> {
    let mut row = Map::new();
    row.insert("layers".into(), layers.len().into());
    for metric in SHOWN {
        let of_layer = |tables: &Vec<&MetricTable>| -> Option<f64> {
            tables.iter().find_map(|table| table.value(metric))
        };
        let values: Vec<f64> = layers.iter().filter_map(of_layer).collect();
        for (name, value) in [
            ("mean", num::mean(&values)),
            ("median", num::median(&values)),
        ] {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                row.insert(format!("{name}_{metric}"), number(value));
            }
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn roles_have_means_and_medians_of_the_layers_with_a_value() {
        let roles = of_comparison(&sample::fail().comparison.layers);
        let down = &roles["mlp.down"];
        assert_eq!(down["layers"], 2);
        // 3.83 and 3.59.
        let mean = down["mean_alpha"].as_f64().unwrap();
        assert!((mean - 3.71).abs() <= 1e-9, "{mean}");
        assert_eq!(down["mean_alpha"], down["median_alpha"]);
        let update = down["median_relative_update"].as_f64().unwrap();
        assert!((update - 0.015).abs() <= 1e-9, "{update}");
        let query = roles["attention.q"].as_object().unwrap();
        assert!(!query.contains_key("mean_alpha"));
        assert_eq!(query["layers"], 1);
        assert_eq!(of_comparison(&[]), Value::Object(Map::new()));
    }
}
