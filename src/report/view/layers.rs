//! Layers, summed up by role.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::code::Level;
use crate::compare::LayerComparison;
use crate::layer::Role;
use crate::num;
use crate::report::{Report, number};
use crate::spectrum::metric::{Metric, MetricTable};

use super::List;

/// Stands for a median of nothing.
const NONE: &str = "-";

/// One role: how many layers, how many of them fail or warn, and medians over them.
#[derive(Debug, Clone, Serialize)]
pub struct RoleRow {
    pub role: &'static str,
    pub layers: usize,
    pub fail: usize,
    pub warn: usize,
    /// Median `relative_update`; `-` where no layer has one.
    pub relative_update: String,
    /// Median `alpha` of the base and of the tuned checkpoint.
    pub base_alpha: String,
    pub tuned_alpha: String,
}

/// The table of roles, and which of its columns say something.
#[derive(Debug, Clone, Serialize)]
pub struct Roles {
    pub shown: Vec<RoleRow>,
    pub hidden: usize,
    /// Whether any layer fails or warns.
    pub has_findings: bool,
    /// Whether any role has an alpha.
    pub has_alpha: bool,
}

impl Roles {
    pub(super) fn new(report: &Report, limit: usize) -> Self {
        let List { shown, hidden } = List::cut(roles(report), limit);
        let has_alpha = |row: &RoleRow| row.base_alpha != NONE || row.tuned_alpha != NONE;
        Self {
            has_findings: shown.iter().any(|row| row.fail + row.warn > 0),
            has_alpha: shown.iter().any(has_alpha),
            shown,
            hidden,
        }
    }
}

fn roles(report: &Report) -> impl Iterator<Item = RoleRow> {
    let mut by_role: BTreeMap<Role, Vec<&LayerComparison>> = BTreeMap::new();
    for layer in &report.comparison.layers {
        by_role.entry(layer.role).or_default().push(layer);
    }
    let failing = layers_at(report, Level::Fail);
    let warned = layers_at(report, Level::Warn);
    by_role.into_iter().map(move |(role, layers)| RoleRow {
        role: role.as_str(),
        layers: layers.len(),
        fail: count(&layers, &failing),
        warn: count(&layers, &warned),
        relative_update: median(&layers, Metric::RelativeUpdate, |layer| &layer.drift),
        base_alpha: median(&layers, Metric::Alpha, |layer| &layer.base.table),
        tuned_alpha: median(&layers, Metric::Alpha, |layer| &layer.tuned.table),
    })
}

fn layers_at(report: &Report, level: Level) -> BTreeSet<&str> {
    report
        .judgement
        .findings
        .iter()
        .filter(|finding| finding.level == level)
        .filter_map(|finding| Some(finding.layer.as_ref()?.as_str()))
        .collect()
}

fn count(layers: &[&LayerComparison], names: &BTreeSet<&str>) -> usize {
    layers
        .iter()
        .filter(|layer| names.contains(layer.name.as_str()))
        .count()
}

fn median(
    layers: &[&LayerComparison],
    metric: Metric,
    table: fn(&LayerComparison) -> &MetricTable,
) -> String {
    let values: Vec<f64> = layers
        .iter()
        .filter_map(|layer| table(layer).value(metric))
        .collect();
    num::median(&values).map_or_else(|| NONE.to_owned(), number::short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn roles_count_their_layers_and_take_medians() {
        let rows: Vec<RoleRow> = roles(&sample::fail()).collect();
        let down = rows.iter().find(|row| row.role == "mlp.down").unwrap();
        assert_eq!((down.layers, down.fail, down.warn), (2, 1, 1));
        assert_eq!(down.relative_update, "0.015");
        assert_eq!(down.tuned_alpha, "3.71");
        let query = rows.iter().find(|row| row.role == "attention.q").unwrap();
        assert_eq!(query.tuned_alpha, "-");
    }
}
