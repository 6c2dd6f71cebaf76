//! The runs that set the limits.

use std::collections::{BTreeMap, BTreeSet};

use super::JUDGED;
use crate::compare::{BaselineRun, LayerKind, RunLayer};
use crate::layer::{LayerName, Role, Scope};
use crate::num::Finite;
use crate::spectrum::metric::Metric;

/// No more runs than these, the first after the anchor, set the limits: a window that moved along would
/// follow a slow creep.
const MOST: usize = 30;

/// Good runs of one recipe, oldest first, and where they stand among all runs.
#[derive(Debug)]
pub struct GoodRuns<'a> {
    /// From the last anchor on, or from the start.
    all: &'a [BaselineRun],
    /// Runs before the anchor.
    skipped: usize,
    /// Indices into `all` of the runs that set the limits: the first [`MOST`] different ones.
    setting: Vec<usize>,
}

impl<'a> GoodRuns<'a> {
    /// The runs from the last one that was accepted as the reference, or all of them.
    pub fn since_anchor(runs: &'a [BaselineRun]) -> Self {
        let skipped = runs.iter().rposition(|run| run.anchor).unwrap_or(0);
        let all = runs.get(skipped..).unwrap_or_default();
        let mut seen = BTreeSet::new();
        let setting = all
            .iter()
            .enumerate()
            .filter(|(_, run)| run.tuned_digest.is_empty() || seen.insert(&run.tuned_digest))
            .map(|(index, _)| index)
            .take(MOST)
            .collect();
        Self {
            all,
            skipped,
            setting,
        }
    }

    /// Runs of this recipe, the repetitions of one checkpoint included.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Runs that set the limits. One checkpoint that was judged several times says nothing more about
    /// how runs scatter, and counts once.
    pub fn setting(&self) -> impl Iterator<Item = &'a BaselineRun> {
        self.setting.iter().map(|index| &self.all[*index])
    }

    pub fn all(&self) -> &'a [BaselineRun] {
        self.all
    }

    /// Runs of other recipes before the first of these.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// Whether somebody said from which run on this recipe holds.
    pub fn anchored(&self) -> bool {
        self.all.first().is_some_and(|run| run.anchor)
    }

    /// Values of a median in the runs that set the limits.
    pub fn levels(&self, metric: Metric, role: Option<Role>) -> Vec<f64> {
        self.setting()
            .filter_map(|run| run.levels.get(metric, role))
            .collect()
    }

    /// Roles that the medians name.
    pub fn roles(&self) -> BTreeSet<Role> {
        self.setting()
            .flat_map(|run| run.levels.0.keys())
            .filter_map(|(_, role)| *role)
            .collect()
    }

    /// The body's matrices that every run with layers has, with their values in each of these runs.
    pub fn common_layers(&self) -> BTreeMap<&'a LayerName, Vec<&'a RunLayer>> {
        let mut runs = 0;
        let mut common: BTreeMap<&LayerName, Vec<&RunLayer>> = BTreeMap::new();
        for run in self.setting().filter(|run| !run.layers.is_empty()) {
            runs += 1;
            for layer in run.layers.iter().filter(|layer| is_body_matrix(layer)) {
                common.entry(&layer.name).or_default().push(layer);
            }
        }
        common.retain(|_, layers| layers.len() == runs);
        common
    }

    /// Names of all layers that any of the runs has.
    pub fn known_layers(&self) -> BTreeSet<&'a LayerName> {
        self.setting()
            .flat_map(|run| run.layers.iter().map(|layer| &layer.name))
            .collect()
    }
}

pub(super) fn is_body_matrix(layer: &RunLayer) -> bool {
    layer.kind == LayerKind::Matrix && layer.scope == Scope::Body
}

/// Metrics that are judged and not withheld in any of the values.
pub(super) fn values_in_all(layers: &[&RunLayer], metric: Metric) -> Option<Vec<f64>> {
    layers
        .iter()
        .map(|layer| layer.metrics.get(&metric).copied().map(Finite::get))
        .collect()
}

/// Judged metrics that every one of these runs has for the layer.
pub(super) fn metrics_in_all(layers: &[&RunLayer]) -> Vec<Metric> {
    JUDGED
        .iter()
        .map(|judged| judged.metric)
        .filter(|metric| values_in_all(layers, *metric).is_some())
        .collect()
}
