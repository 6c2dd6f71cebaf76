//! The checkpoint before over-training, where the signs agree.

use super::flow::Problem;
use super::order::Order;
use super::stages::{Confidence, Stage, StepStage};

/// Fewer checkpoints say nothing of a course.
const LEAST_STEPS: usize = 5;

/// Which checkpoint to take, or why none is named. Information, never a verdict.
#[derive(Debug, Clone, PartialEq)]
pub enum Recommendation {
    Checkpoint { step: usize, reason: String },
    None { reason: String },
}

/// The last checkpoint at generalisation before traps appear, where alpha falls below 2 behind it.
pub(super) fn recommend(
    stages: &[StepStage],
    labels: &[String],
    order: Order,
    problems: &[Problem],
) -> Recommendation {
    let none = |reason: String| Recommendation::None { reason };
    let label = |step: usize| labels.get(step).map_or("?", String::as_str);
    if let Some(problem) = problems.iter().find(|problem| !problem.fact.note) {
        let code = problem.fact.code.as_str();
        return none(format!(
            "step {} has a problem: {code}",
            label(problem.step)
        ));
    }
    if stages.len() < LEAST_STEPS {
        return none(format!(
            "{} checkpoints are too few, {LEAST_STEPS} are the least",
            stages.len()
        ));
    }
    if order == Order::AsGiven {
        return none("the checkpoints could not be ordered by a step number".to_owned());
    }
    let is = |stage: Stage| move |step: &&StepStage| step.stage == stage;
    let Some(onset) = stages.iter().position(|step| step.stage == Stage::After) else {
        return none("no sign of over-training up to the last checkpoint".to_owned());
    };
    let agreed = stages.iter().enumerate().skip(onset).find(|(_, step)| {
        step.confidence == Some(Confidence::Medium) && step.stage == Stage::After
    });
    let Some((agreed, _)) = agreed else {
        return none(format!(
            "traps appear at step {}, but alpha does not fall below 2: the signs do not agree",
            label(onset)
        ));
    };
    let back = stages
        .iter()
        .skip(onset)
        .find(|step| step.stage != Stage::After);
    if back.is_some() {
        return none(format!(
            "the traps of step {} do not stay to the last checkpoint",
            label(onset)
        ));
    }
    let before = stages.iter().take(onset);
    if before.clone().filter(is(Stage::At)).count() == 0 {
        return none(format!(
            "the signs of over-training (from step {} on) come with those of generalisation: \
             no checkpoint shows the one without the other",
            label(onset)
        ));
    }
    match onset.checked_sub(1) {
        Some(step) if stages[step].stage == Stage::At => Recommendation::Checkpoint {
            step,
            reason: format!(
                "the last checkpoint at generalisation: traps appear at step {}, and alpha is below 2 from step {} on",
                label(onset),
                label(agreed)
            ),
        },
        Some(_) | None => none(format!(
            "the checkpoint before the traps of step {} is not at generalisation",
            label(onset)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Row, flow, flow_with};
    use super::*;

    const NOISE: Row = (None, 0.14, 0.0, None);
    const GENERAL: Row = (Some(2.6), 0.04, 0.0, Some(0.5));
    const HEAVY_TRAPPED: Row = (Some(1.6), 0.05, 3.0, Some(90.0));
    const TRAPPED: Row = (Some(2.6), 0.05, 3.0, Some(90.0));

    fn why_none(recommendation: &Recommendation) -> &str {
        match recommendation {
            Recommendation::None { reason } => reason,
            Recommendation::Checkpoint { step, .. } => panic!("step {step} is recommended"),
        }
    }

    #[test]
    fn the_last_checkpoint_before_the_traps_is_recommended() {
        let flow = flow(&[NOISE, NOISE, GENERAL, GENERAL, TRAPPED, HEAVY_TRAPPED]);
        let Recommendation::Checkpoint { step, reason } = flow.recommendation else {
            panic!("{:?}", flow.recommendation)
        };
        assert_eq!(step, 3);
        assert!(
            reason.contains("step 400") && reason.contains("step 500"),
            "{reason}"
        );
    }

    #[test]
    fn signs_that_do_not_agree_give_none() {
        for (rows, word) in [
            (&[NOISE, NOISE, GENERAL, GENERAL, GENERAL][..], "no sign"),
            (&[NOISE, NOISE, GENERAL, TRAPPED, TRAPPED], "do not agree"),
            (
                &[NOISE, NOISE, NOISE, HEAVY_TRAPPED, HEAVY_TRAPPED],
                "come with",
            ),
            (
                &[NOISE, GENERAL, HEAVY_TRAPPED, HEAVY_TRAPPED, GENERAL],
                "do not stay",
            ),
            (
                &[NOISE, GENERAL, NOISE, HEAVY_TRAPPED, HEAVY_TRAPPED],
                "not at generalisation",
            ),
            (&[NOISE, GENERAL, HEAVY_TRAPPED, HEAVY_TRAPPED], "too few"),
        ] {
            let flow = flow(rows);
            let reason = why_none(&flow.recommendation);
            assert!(reason.contains(word), "{reason}");
        }
    }

    #[test]
    fn an_unordered_run_and_a_broken_checkpoint_give_none() {
        let rows = [NOISE, NOISE, GENERAL, GENERAL, HEAVY_TRAPPED, HEAVY_TRAPPED];
        let unordered = flow_with(&rows, Order::AsGiven, &[]);
        assert!(why_none(&unordered.recommendation).contains("ordered"));
        let broken = flow_with(&rows, Order::ByNumber, &[2]);
        let reason = why_none(&broken.recommendation);
        assert!(
            reason.contains("step 200") && reason.contains("non-finite"),
            "{reason}"
        );
        assert!(!broken.is_whole());
    }
}
