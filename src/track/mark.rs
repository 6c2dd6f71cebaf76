//! What is marked between two neighbouring checkpoints.

use super::changes::{LEVEL, Scale, abrupt};
use super::flow::{LayerIdentity, Series, Subject};
use super::stages::new_traps;
use crate::layer::LayerName;
use crate::num::Measured;
use crate::spectrum::metric::Metric;

/// Metrics that are searched for abrupt changes: on which scale, and how large a change must be to be
/// worth a mark. A tenth of a decade is a factor of 1.26.
///
/// Counts are no such series: `trap_count` has its own rule. Neither are those of [`IN_STEPS`] in small layers.
const SEARCHED: [(Metric, Scale, f64); 9] = [
    (Metric::Alpha, Scale::Plain, 0.10),
    (Metric::KsDistance, Scale::Plain, 0.02),
    (Metric::SpectralNorm, Scale::Logarithm, 0.04),
    (Metric::SpectralGap, Scale::Logarithm, 0.04),
    (Metric::StableRank, Scale::Logarithm, 0.04),
    (Metric::ParticipationRatio, Scale::Logarithm, 0.10),
    (Metric::ErgFraction, Scale::Plain, 0.02),
    (Metric::Entropy, Scale::Plain, 0.02),
    (Metric::RelativeUpdate, Scale::Plain, 0.02),
];

/// Metrics that move in visible steps where there are few eigenvalues, such as 1 / M.
const IN_STEPS: [Metric; 4] = [
    Metric::KsDistance,
    Metric::ParticipationRatio,
    Metric::ErgFraction,
    Metric::Entropy,
];
/// As many as a power law needs.
const LEAST_EIGENVALUES: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkKind {
    /// A difference of neighbouring checkpoints that the others of its series do not explain.
    Change,
    /// Traps that the first checkpoint did not have.
    Traps,
}

/// Something between step `step - 1` and step `step`.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Index of the later of the two steps.
    pub step: usize,
    pub kind: MarkKind,
    pub layer: LayerName,
    pub metric: Metric,
    pub before: Option<f64>,
    pub after: Option<f64>,
    /// Probability of such a difference anywhere in its series by chance; `None` for traps.
    pub p_value: Option<f64>,
    /// For people, without the layer's name.
    pub text: String,
}

/// The abrupt changes of the layers' series, and how many series were searched. The level of all marks
/// together is [`LEVEL`]: each series has its share. `unsearched` are the steps behind wide gaps.
pub(super) fn marks(
    layers: &[LayerIdentity],
    series: &[Series],
    labels: &[String],
    unsearched: &[usize],
) -> (Vec<Mark>, usize) {
    let is_small = |subject: &Subject| {
        layers.iter().any(|layer| {
            layer.eigenvalues < LEAST_EIGENVALUES && *subject == Subject::Layer(layer.name.clone())
        })
    };
    let searched: Vec<(&Series, Scale, f64)> = series
        .iter()
        .filter_map(|series| {
            let (_, scale, least) = SEARCHED
                .into_iter()
                .find(|(metric, ..)| *metric == series.metric)?;
            if IN_STEPS.contains(&series.metric) && is_small(&series.subject) {
                return None;
            }
            let values = series.numbers();
            super::changes::is_searchable(&values, unsearched).then_some((series, scale, least))
        })
        .collect();
    let level = LEVEL / searched.len().max(1) as f64;
    let mut marks = Vec::new();
    for (series, scale, least) in &searched {
        let Subject::Layer(layer) = &series.subject else {
            continue;
        };
        let values = series.numbers();
        for change in abrupt(&values, unsearched, *scale, *least, level) {
            let at = |step: usize| values.get(step).copied().flatten();
            let (before, after) = (at(change.step - 1), at(change.step));
            let (Some(from), Some(to)) = (before, after) else {
                continue;
            };
            marks.push(Mark {
                step: change.step,
                kind: MarkKind::Change,
                layer: layer.clone(),
                metric: series.metric,
                before,
                after,
                p_value: Some(change.p_value),
                text: format!(
                    "{} {} from {} to {} between steps {} and {}",
                    series.metric,
                    if to > from { "rises" } else { "falls" },
                    short(from),
                    short(to),
                    label(labels, change.step - 1),
                    label(labels, change.step),
                ),
            });
        }
    }
    (marks, searched.len())
}

/// Where layers first show traps that the run's first checkpoint did not have, and keep them.
pub(super) fn of_traps(
    layers: &[LayerIdentity],
    series: &[Series],
    labels: &[String],
) -> Vec<Mark> {
    let mut marks = Vec::new();
    for layer in layers {
        let new = new_traps(series, &layer.name, labels.len());
        let Some(step) = new.iter().position(|is_new| *is_new) else {
            continue;
        };
        let counts = series
            .iter()
            .find(|series| {
                series.metric == Metric::TrapCount
                    && series.subject == Subject::Layer(layer.name.clone())
            })
            .map(|series| {
                series
                    .values
                    .iter()
                    .map(Measured::value)
                    .collect::<Vec<_>>()
            })
            .unwrap_or_default();
        let at = |step: usize| counts.get(step).copied().flatten();
        marks.push(Mark {
            step,
            kind: MarkKind::Traps,
            layer: layer.name.clone(),
            metric: Metric::TrapCount,
            before: step.checked_sub(1).and_then(at),
            after: at(step),
            p_value: None,
            text: format!(
                "traps appear at step {}: {}",
                label(labels, step),
                short(at(step).unwrap_or_default())
            ),
        });
    }
    marks
}

fn label(labels: &[String], step: usize) -> &str {
    labels.get(step).map_or("?", String::as_str)
}

/// Three significant digits are enough beside a chart.
fn short(value: f64) -> String {
    let magnitude = value.abs();
    if value.fract().abs() <= 0.0 && magnitude < 1e6 {
        format!("{value:.0}")
    } else if (0.01..1e4).contains(&magnitude) {
        let decimals = if magnitude >= 100.0 {
            0
        } else if magnitude >= 10.0 {
            1
        } else {
            2
        };
        format!("{value:.decimals$}")
    } else {
        format!("{value:.2e}")
    }
}
