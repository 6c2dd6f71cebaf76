//! Flows for tests, from a few numbers.

use std::collections::BTreeMap;

use super::{Flow, LayerSnapshot, Order, Snapshot};
use crate::code::FindingCode;
use crate::compare::{CheckpointIdentity, Fact};
use crate::layer::{LayerName, Role, Scope};
use crate::num::Measured;
use crate::spectrum::metric::{Metric, MetricTable};

/// alpha, ks_distance, trap_count and trap_z of one step.
pub(crate) type Row = (Option<f64>, f64, f64, Option<f64>);

/// A flow over steps 0, 100, 200, ... of two layers with the same numbers.
pub(crate) fn flow(rows: &[Row]) -> Flow {
    flow_with(rows, Order::ByNumber, &[])
}

/// As [`flow`], with non-finite values at some steps.
pub(crate) fn flow_with(rows: &[Row], order: Order, broken: &[usize]) -> Flow {
    let snapshots = rows.iter().enumerate().map(|(step, row)| Snapshot {
        checkpoint: identity(step),
        layers: ["a.weight", "b.weight"]
            .map(|name| layer(name, *row))
            .to_vec(),
        relative_update: Some(Measured::of(0.01 * step as f64)),
        facts: broken
            .iter()
            .filter(|broken| **broken == step)
            .map(|_| non_finite())
            .collect(),
        base_facts: Vec::new(),
        base_names: BTreeMap::new(),
        skipped: Vec::new(),
    });
    let labels = (0..rows.len())
        .map(|step| (100 * step).to_string())
        .collect();
    let estimator = BTreeMap::new();
    Flow::of(identity(0), labels, order, snapshots.collect(), estimator)
}

fn identity(step: usize) -> CheckpointIdentity {
    CheckpointIdentity {
        reference: format!("run/checkpoint-{}", 100 * step),
        revision: None,
        digest: "sha256:0".to_owned(),
    }
}

fn non_finite() -> Fact {
    Fact {
        code: FindingCode::NonFinite,
        layer: Some(LayerName::new("a.weight")),
        note: false,
        metric: None,
        base: None,
        tuned: None,
        observed: None,
        limit_min: None,
        limit_max: None,
        message: "3 of 9 values are NaN or infinite".to_owned(),
    }
}

fn layer(name: &str, (alpha, distance, traps, z): Row) -> LayerSnapshot {
    let mut table = MetricTable::default();
    let or_none = |value: Option<f64>| {
        value.map_or_else(|| Measured::not_applicable("there is none"), Measured::of)
    };
    table.set(Metric::Alpha, or_none(alpha));
    table.set(Metric::KsDistance, Measured::of(distance));
    table.set(Metric::TrapCount, Measured::of(traps));
    table.set(Metric::TrapZ, or_none(z));
    LayerSnapshot {
        name: LayerName::new(name),
        role: Role::MlpFc1,
        scope: Scope::Body,
        shape: vec![200, 200],
        eigenvalues: 200,
        table,
    }
}

/// A checkpoint without numbers, by its layers' names and what the base calls them.
pub(crate) fn snapshot(names: &[(&str, &str)]) -> Snapshot {
    let row = (None, 0.1, 0.0, None);
    Snapshot {
        checkpoint: identity(0),
        layers: names.iter().map(|(name, _)| layer(name, row)).collect(),
        relative_update: None,
        facts: Vec::new(),
        base_facts: Vec::new(),
        base_names: names
            .iter()
            .map(|(name, base)| (LayerName::new(*name), LayerName::new(*base)))
            .collect(),
        skipped: Vec::new(),
    }
}
