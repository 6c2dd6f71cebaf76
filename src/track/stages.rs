//! Where in training a checkpoint seems to be: before, at or after generalisation.
//!
//! The signs are those of Prakash and Martin (arXiv 2506.04434 and 2602.02859) in networks that generalise long after
//! they know their training data: alpha falls from above 4 towards 2 where test accuracy rises, and
//! correlation traps appear, with alpha below 2 in the first paper, where it falls again. Traps are the
//! primary sign, alpha the secondary one. At each step the first of these holds:
//!
//! 1. `after`: traps in a layer that the first checkpoint did not have (more of them, and `trap_z` higher by
//!    more than 3), at this step and the next. With medium confidence where alpha has fallen below 2
//!    in a layer as well, where it was not at the first checkpoint; with low confidence otherwise.
//! 2. `undetermined`: alpha below 2 without traps (over-training to some, the onset of generalisation to
//!    others); a run that starts with a median alpha up to 4, as a fine-tune does; nothing to see.
//! 3. `at`: the median alpha of the layers is up to 4, and no new traps. Medium confidence for two layers
//!    or more with a good fit (median `ks_distance` up to 0.06).
//! 4. `before`: alpha above 4, or no power law holds in any layer.
//!
//! High confidence is never given: the evidence is from toy networks, and disputed.

use super::flow::{LayerIdentity, Series, Subject};
use crate::layer::{LayerName, Scope};
use crate::num;
use crate::spectrum::metric::Metric;

/// Alpha below this is very heavy-tailed.
const VERY_HEAVY: f64 = 2.0;
/// Up to this alpha a spectrum is heavy-tailed.
const HEAVY: f64 = 4.0;
/// Up to this distance a fit is good.
const GOOD_FIT: f64 = 0.06;
/// By how much `trap_z` must be above the first checkpoint's: as `new_traps` of a pair has it.
const LEAST_RISE: f64 = 3.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Before,
    At,
    After,
    Undetermined,
}

impl Stage {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::At => "at",
            Self::After => "after",
            Self::Undetermined => "undetermined",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    Low,
    Medium,
}

impl Confidence {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
        }
    }
}

/// The stage of one step, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct StepStage {
    pub stage: Stage,
    /// `None` where the stage is undetermined.
    pub confidence: Option<Confidence>,
    pub reason: String,
}

/// What the layers of the body show at one step.
#[derive(Debug, Clone, Copy, Default)]
struct Signs {
    /// Layers with new traps that stay.
    trapped: usize,
    /// Layers with an alpha, and those with one below 2.
    fitted: usize,
    below: usize,
    /// Of those below 2, the layers that were not at the first checkpoint.
    fallen: usize,
    alpha: Option<f64>,
    distance: Option<f64>,
}

pub(super) fn stages(layers: &[LayerIdentity], series: &[Series], steps: usize) -> Vec<StepStage> {
    let signs = signs(layers, series, steps);
    let start = signs.first().and_then(|signs| signs.alpha);
    let starts_heavy = start.filter(|alpha| *alpha <= HEAVY);
    signs
        .iter()
        .map(|signs| stage(*signs, starts_heavy))
        .collect()
}

fn stage(signs: Signs, starts_heavy: Option<f64>) -> StepStage {
    let Signs {
        trapped,
        fitted,
        below,
        fallen,
        alpha,
        distance,
    } = signs;
    let of = |stage, confidence, reason: String| StepStage {
        stage,
        confidence,
        reason,
    };
    if trapped > 0 {
        let traps = format!("new traps in {}", layers_text(trapped));
        return if fallen > 0 {
            let reason = format!("{traps}, alpha below 2 in {}", layers_text(fallen));
            of(Stage::After, Some(Confidence::Medium), reason)
        } else {
            let beside = match alpha {
                None => "no alpha to confirm them".to_owned(),
                Some(_) if below > 0 => format!(
                    "alpha was below 2 in {} at the first checkpoint already",
                    layers_text(below)
                ),
                Some(alpha) => format!("alpha ({alpha:.2}) does not confirm them"),
            };
            of(
                Stage::After,
                Some(Confidence::Low),
                format!("{traps}; {beside}"),
            )
        };
    }
    if below > 0 {
        let reason = format!(
            "alpha below 2 in {} without traps: disputed",
            layers_text(below)
        );
        return of(Stage::Undetermined, None, reason);
    }
    if let Some(start) = starts_heavy {
        let reason = format!(
            "alpha was {start:.2} at the first checkpoint already, and there are no new traps"
        );
        return of(Stage::Undetermined, None, reason);
    }
    match alpha {
        Some(alpha) if alpha <= HEAVY => {
            let good = fitted > 1 && distance.is_some_and(|distance| distance <= GOOD_FIT);
            let confidence = if good {
                Confidence::Medium
            } else {
                Confidence::Low
            };
            let reason = format!(
                "alpha is {alpha:.2} in {}, no new traps",
                layers_text(fitted)
            );
            of(Stage::At, Some(confidence), reason)
        }
        Some(alpha) => of(
            Stage::Before,
            Some(Confidence::Low),
            format!("alpha is {alpha:.2}, no new traps"),
        ),
        None if distance.is_some() => of(
            Stage::Before,
            Some(Confidence::Low),
            "no power law holds in any layer, no new traps".to_owned(),
        ),
        None => of(
            Stage::Undetermined,
            None,
            "no layer is large enough for a power law".to_owned(),
        ),
    }
}

fn layers_text(count: usize) -> String {
    format!("{count} layer{}", if count == 1 { "" } else { "s" })
}

fn signs(layers: &[LayerIdentity], series: &[Series], steps: usize) -> Vec<Signs> {
    let mut trapped = vec![0; steps];
    let mut alphas = vec![Vec::new(); steps];
    let mut distances = vec![Vec::new(); steps];
    let mut fallen = vec![0; steps];
    for layer in layers.iter().filter(|layer| layer.scope == Scope::Body) {
        let of = |metric| values(series, &layer.name, metric);
        let new = new_traps(series, &layer.name, steps);
        for (step, is_new) in new.into_iter().enumerate() {
            trapped[step] += usize::from(is_new);
        }
        let is_below = |alpha: &Option<f64>| alpha.is_some_and(|alpha| alpha < VERY_HEAVY);
        let of_layer = of(Metric::Alpha);
        if !of_layer.first().is_some_and(is_below) {
            for (fallen, alpha) in fallen.iter_mut().zip(&of_layer) {
                *fallen += usize::from(is_below(alpha));
            }
        }
        for (all, metric) in [
            (&mut alphas, Metric::Alpha),
            (&mut distances, Metric::KsDistance),
        ] {
            for (step, value) in of(metric).into_iter().enumerate() {
                if let (Some(value), Some(at_step)) = (value, all.get_mut(step)) {
                    at_step.push(value);
                }
            }
        }
    }
    (0..steps)
        .map(|step| Signs {
            trapped: trapped[step],
            fitted: alphas[step].len(),
            below: alphas[step]
                .iter()
                .filter(|alpha| **alpha < VERY_HEAVY)
                .count(),
            fallen: fallen[step],
            alpha: num::median(&alphas[step]),
            distance: num::median(&distances[step]),
        })
        .collect()
}

fn values(series: &[Series], layer: &LayerName, metric: Metric) -> Vec<Option<f64>> {
    let subject = Subject::Layer(layer.clone());
    series
        .iter()
        .find(|series| series.metric == metric && series.subject == subject)
        .map(Series::numbers)
        .unwrap_or_default()
}

/// At which steps a layer has traps that the first checkpoint did not have, and keeps them to the next step.
/// A `trap_z` that was not worth computing is that of a matrix without traps.
pub(super) fn new_traps(series: &[Series], layer: &LayerName, steps: usize) -> Vec<bool> {
    let counts = values(series, layer, Metric::TrapCount);
    let zs = values(series, layer, Metric::TrapZ);
    let at = |values: &[Option<f64>], step: usize| values.get(step).copied().flatten();
    let first = (0..steps).find_map(|step| Some((at(&counts, step)?, at(&zs, step))));
    let Some((first_count, first_z)) = first else {
        return vec![false; steps];
    };
    let beyond = |step: usize| {
        let (Some(count), Some(z)) = (at(&counts, step), at(&zs, step)) else {
            return false;
        };
        count > first_count && z - first_z.unwrap_or(0.0) > LEAST_RISE
    };
    (0..steps)
        .map(|step| beyond(step) && (step + 1 == steps || beyond(step + 1)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Row, flow};
    use super::*;

    /// alpha, ks_distance, trap_count, trap_z.
    const NOISE: Row = (None, 0.14, 0.0, None);
    const GENERAL: Row = (Some(2.6), 0.04, 0.0, Some(0.5));
    const TRAPPED: Row = (Some(1.6), 0.05, 3.0, Some(90.0));

    fn stages_of(rows: &[Row]) -> Vec<(Stage, Option<Confidence>)> {
        let stages = flow(rows).stages;
        stages
            .into_iter()
            .map(|step| (step.stage, step.confidence))
            .collect()
    }

    #[test]
    fn the_three_phases_of_grokking_are_named() {
        let found = stages_of(&[NOISE, NOISE, GENERAL, GENERAL, TRAPPED, TRAPPED]);
        let before = (Stage::Before, Some(Confidence::Low));
        let at = (Stage::At, Some(Confidence::Medium));
        let after = (Stage::After, Some(Confidence::Medium));
        assert_eq!(found, [before, before, at, at, after, after]);
    }

    #[test]
    fn one_sign_alone_is_not_enough() {
        // A heavy tail without traps is disputed; traps with an alpha above 2 are weak evidence.
        let found = stages_of(&[NOISE, (Some(1.5), 0.05, 0.0, None), NOISE]);
        assert_eq!(found[1], (Stage::Undetermined, None));
        let odd = (Some(2.6), 0.05, 2.0, Some(50.0));
        let found = stages_of(&[NOISE, odd, odd]);
        assert_eq!(found[1], (Stage::After, Some(Confidence::Low)));
    }

    #[test]
    fn an_alpha_that_was_below_two_from_the_first_checkpoint_on_confirms_no_traps() {
        let heavy = (Some(1.6), 0.05, 0.0, None);
        let steps = flow(&[heavy, heavy, TRAPPED, TRAPPED]).stages;
        let low = (Stage::After, Some(Confidence::Low));
        assert_eq!((steps[2].stage, steps[2].confidence), low);
        assert!(steps[2].reason.contains("at the first checkpoint already"));
    }

    #[test]
    fn traps_that_pass_or_were_there_are_no_sign() {
        let found = stages_of(&[NOISE, TRAPPED, GENERAL, GENERAL]);
        assert_eq!(found[1], (Stage::Undetermined, None));
        let start = (None, 0.14, 3.0, Some(89.0));
        assert_eq!(
            stages_of(&[start, TRAPPED, TRAPPED])[1].0,
            Stage::Undetermined
        );
        // Above the edge by chance: not by more than 3.
        let chance = (None, 0.14, 1.0, Some(2.9));
        assert_eq!(stages_of(&[NOISE, chance, chance])[1].0, Stage::Before);
    }

    #[test]
    fn a_run_that_starts_trained_has_no_phase_without_traps() {
        assert_eq!(stages_of(&[GENERAL, GENERAL])[1].0, Stage::Undetermined);
        assert_eq!(stages_of(&[GENERAL, TRAPPED, TRAPPED])[1].0, Stage::After);
    }
}
