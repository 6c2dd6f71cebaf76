//! The numbers of all checkpoints side by side: one series per layer, role and model for each metric.

use std::collections::{BTreeMap, BTreeSet};

use super::order::Order;
use super::recommend::recommend;
use super::stages::stages;
use super::{Mark, Recommendation, Snapshot, StepStage, changes, join, mark};
use crate::compare::{CheckpointIdentity, Fact, SkippedTensor};
use crate::layer::{LayerName, Role, Scope, natural_order};
use crate::num::{self, Measured};
use crate::spectrum::metric::Metric;

/// What is followed, in the order of tables. `frobenius_norm` and `abs_weight_entropy` are what others
/// have followed beside the spectrum.
pub const TRACKED: [Metric; 13] = [
    Metric::Alpha,
    Metric::KsDistance,
    Metric::SpectralNorm,
    Metric::SpectralGap,
    Metric::StableRank,
    Metric::ParticipationRatio,
    Metric::TrapCount,
    Metric::TrapZ,
    Metric::ErgFraction,
    Metric::Entropy,
    Metric::RelativeUpdate,
    Metric::FrobeniusNorm,
    Metric::AbsWeightEntropy,
];

/// The flow over the checkpoints of one run.
#[derive(Debug, Clone)]
#[must_use]
pub struct Flow {
    /// What the size of updates is measured from.
    pub base: CheckpointIdentity,
    pub steps: Vec<Step>,
    pub order: Order,
    /// Matrices of any checkpoint, in natural order of their names.
    pub layers: Vec<LayerIdentity>,
    /// Of the model, of each role, then of each layer.
    pub series: Vec<Series>,
    pub marks: Vec<Mark>,
    /// How many series were searched for abrupt changes.
    pub tested_series: usize,
    /// Steps behind a gap that is too wide to be searched; none where no step has a number.
    pub unsearched: Vec<usize>,
    pub stages: Vec<StepStage>,
    pub recommendation: Recommendation,
    pub problems: Vec<Problem>,
    pub skipped: Vec<SkippedTensor>,
    /// Settings of the estimators.
    pub estimator: BTreeMap<String, serde_json::Value>,
}

/// A checkpoint of the run.
#[derive(Debug, Clone)]
pub struct Step {
    /// The step's number, or what tells its reference from the others.
    pub label: String,
    pub checkpoint: CheckpointIdentity,
}

#[derive(Debug, Clone, PartialEq)]
pub struct LayerIdentity {
    pub name: LayerName,
    pub role: Role,
    pub scope: Scope,
    pub shape: Vec<usize>,
    pub eigenvalues: usize,
}

/// What a series is of.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    /// Median over the body's layers that have a value; of `trap_count` the sum; of `relative_update` over
    /// all tensors together.
    Model,
    /// Median, or of `trap_count` the sum, over the role's layers.
    Role(Role),
    Layer(LayerName),
}

/// One metric over the steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub subject: Subject,
    pub metric: Metric,
    /// One a step.
    pub values: Vec<Measured>,
    /// How many layers have a value at each step; 1 or 0 for a layer.
    pub counts: Vec<usize>,
}

/// Something wrong with a checkpoint, by the exact checks of `check`.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Index of the step.
    pub step: usize,
    pub fact: Fact,
}

impl Series {
    /// The values without the reasons of those that are missing.
    pub fn numbers(&self) -> Vec<Option<f64>> {
        self.values.iter().map(Measured::value).collect()
    }
}

impl Flow {
    /// Puts the checkpoints side by side, and says what their flow shows. `snapshots` and `labels` are in
    /// the order of the steps.
    pub fn of(
        base: CheckpointIdentity,
        labels: Vec<String>,
        order: Order,
        snapshots: Vec<Snapshot>,
        estimator: BTreeMap<String, serde_json::Value>,
    ) -> Self {
        let problems = problems(&base, &snapshots);
        let snapshots = join::joined(snapshots);
        let layers = identities(&snapshots);
        let mut series = of_groups(&layers, &snapshots);
        let of_layers = of_layers(&layers, &snapshots);
        let unsearched = changes::wide_gaps(&numbers(&labels, order));
        let (mut marks, tested_series) = mark::marks(&layers, &of_layers, &labels, &unsearched);
        marks.extend(mark::of_traps(&layers, &of_layers, &labels));
        marks.sort_by_key(|mark| mark.step);
        let stages = stages(&layers, &of_layers, labels.len());
        let recommendation = recommend(&stages, &labels, order, &problems);
        series.extend(of_layers);
        let skipped = snapshots.iter().flat_map(|snapshot| {
            let of = |skipped: &SkippedTensor| (skipped.tensor.clone(), skipped.reason.clone());
            snapshot.skipped.iter().map(of)
        });
        let skipped: BTreeSet<(String, String)> = skipped.collect();
        let steps = labels
            .into_iter()
            .zip(snapshots)
            .map(|(label, snapshot)| Step {
                label,
                checkpoint: snapshot.checkpoint,
            });
        Self {
            base,
            steps: steps.collect(),
            order,
            layers,
            series,
            marks,
            tested_series,
            unsearched,
            stages,
            recommendation,
            problems,
            skipped: skipped
                .into_iter()
                .map(|(tensor, reason)| SkippedTensor { tensor, reason })
                .collect(),
            estimator,
        }
    }

    /// Whether every checkpoint was measured in full: finite, with the same layers and shapes.
    pub fn is_whole(&self) -> bool {
        self.problems.iter().all(|problem| problem.fact.note)
    }

    /// The series of one subject and metric.
    pub fn series_of(&self, subject: &Subject, metric: Metric) -> Option<&Series> {
        self.series
            .iter()
            .find(|series| series.metric == metric && series.subject == *subject)
    }

    /// Leaves only the series of layers that are selected; those of the model and its roles stay, and so do the
    /// marks and what they led to.
    ///
    /// # Errors
    /// Where no layer is selected.
    pub fn keep_layers(
        &mut self,
        selected: impl Fn(&LayerIdentity) -> bool,
    ) -> Result<(), super::TrackError> {
        self.layers.retain(|layer| selected(layer));
        if self.layers.is_empty() {
            return Err(super::TrackError::NoLayer);
        }
        let names: BTreeSet<&LayerName> = self.layers.iter().map(|layer| &layer.name).collect();
        self.series.retain(|series| match &series.subject {
            Subject::Model | Subject::Role(_) => true,
            Subject::Layer(name) => names.contains(name),
        });
        Ok(())
    }
}

/// What is wrong: with the base, where it is no step itself, at the first step that shows it; then a step at
/// a time.
fn problems(base: &CheckpointIdentity, snapshots: &[Snapshot]) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    let mut said: BTreeSet<&LayerName> = BTreeSet::new();
    let is_a_step = |snapshot: &Snapshot| snapshot.checkpoint.reference == base.reference;
    if !snapshots.iter().any(is_a_step) {
        for (step, snapshot) in snapshots.iter().enumerate() {
            let mut facts: Vec<&Fact> = snapshot.base_facts.iter().collect();
            facts.retain(|fact| fact.layer.as_ref().is_some_and(|layer| said.insert(layer)));
            problems.extend(
                facts
                    .into_iter()
                    .cloned()
                    .map(|fact| Problem { step, fact }),
            );
        }
    }
    for (step, snapshot) in snapshots.iter().enumerate() {
        problems.extend(snapshot.facts.iter().map(|fact| Problem {
            step,
            fact: fact.clone(),
        }));
    }
    problems
}

/// The numbers of the steps; empty where they have none.
fn numbers(labels: &[String], order: Order) -> Vec<f64> {
    let number = |label: &String| label.parse().ok().filter(|step: &f64| step.is_finite());
    let numbers: Option<Vec<f64>> = labels.iter().map(number).collect();
    match order {
        Order::ByNumber => numbers.unwrap_or_default(),
        Order::AsGiven => Vec::new(),
    }
}

fn identities(snapshots: &[Snapshot]) -> Vec<LayerIdentity> {
    let mut known: BTreeMap<&LayerName, LayerIdentity> = BTreeMap::new();
    for layer in snapshots.iter().flat_map(|snapshot| &snapshot.layers) {
        known.entry(&layer.name).or_insert_with(|| LayerIdentity {
            name: layer.name.clone(),
            role: layer.role,
            scope: layer.scope,
            shape: layer.shape.clone(),
            eigenvalues: layer.eigenvalues,
        });
    }
    let mut layers: Vec<LayerIdentity> = known.into_values().collect();
    layers.sort_by(|left, right| natural_order(left.name.as_str(), right.name.as_str()));
    layers
}

fn of_layers(layers: &[LayerIdentity], snapshots: &[Snapshot]) -> Vec<Series> {
    let by_name: Vec<BTreeMap<&LayerName, &super::LayerSnapshot>> = snapshots
        .iter()
        .map(|snapshot| {
            let named = snapshot.layers.iter().map(|layer| (&layer.name, layer));
            named.collect()
        })
        .collect();
    let mut series = Vec::new();
    for layer in layers {
        for metric in TRACKED {
            let at =
                |step: &BTreeMap<&LayerName, &super::LayerSnapshot>| match step.get(&layer.name) {
                    Some(found) => found
                        .table
                        .get(metric)
                        .cloned()
                        .unwrap_or_else(|| Measured::not_applicable("it was not measured")),
                    None => Measured::not_applicable("the checkpoint has no such layer"),
                };
            let values: Vec<Measured> = by_name.iter().map(at).collect();
            series.push(Series {
                subject: Subject::Layer(layer.name.clone()),
                metric,
                counts: values
                    .iter()
                    .map(|value| usize::from(value.value().is_some()))
                    .collect(),
                values,
            });
        }
    }
    series
}

/// Of the model, then of each role in the order of [`Role`].
fn of_groups(layers: &[LayerIdentity], snapshots: &[Snapshot]) -> Vec<Series> {
    let roles: BTreeSet<Role> = layers.iter().map(|layer| layer.role).collect();
    let subjects = std::iter::once(Subject::Model).chain(roles.into_iter().map(Subject::Role));
    let mut series = Vec::new();
    for subject in subjects {
        for metric in TRACKED {
            let (mut values, mut counts) = (Vec::new(), Vec::new());
            for snapshot in snapshots {
                let (value, count) = of_group(&subject, metric, snapshot);
                values.push(value);
                counts.push(count);
            }
            series.push(Series {
                subject: subject.clone(),
                metric,
                values,
                counts,
            });
        }
    }
    series
}

fn of_group(subject: &Subject, metric: Metric, snapshot: &Snapshot) -> (Measured, usize) {
    let members = snapshot.layers.iter().filter(|layer| match subject {
        Subject::Model => layer.scope == Scope::Body,
        Subject::Role(role) => layer.role == *role,
        Subject::Layer(name) => layer.name == *name,
    });
    let found: Vec<f64> = members
        .filter_map(|layer| layer.table.value(metric))
        .collect();
    let none = || Measured::not_applicable("no layer has a value");
    let value = match (metric, subject, &snapshot.relative_update) {
        (Metric::RelativeUpdate, Subject::Model, Some(whole)) => whole.clone(),
        (Metric::TrapCount, _, _) if !found.is_empty() => Measured::of(found.iter().sum()),
        _ => num::median(&found).map_or_else(none, Measured::of),
    };
    (value, found.len())
}
