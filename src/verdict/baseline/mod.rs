//! The run at hand against earlier good runs: what is expected of it, where it departs, and whether
//! the level creeps.
//!
//! ```text
//! BaselineRuns --good--> runs since the anchor --levels--> medians of the model and of each role
//!                                              --layers--> single layers that stick out
//!                                              --drift---> weighted means against the first runs
//!                                              --structure-> layers that came, went, froze or thawed
//! ```
//!
//! A change of the whole model and a layer that sticks out are told apart: `levels` tests medians, and
//! `layers` tests what is left of each layer after the common shift of its role is taken off. So a
//! changed learning rate is one finding and not one for each layer, and the layers' scatter can be
//! pooled, for what they share is gone from it.
//!
//! The chance of a false failure is `family_wise_error` for the run: a half of it goes to the medians
//! of the model, a quarter to those of the roles and a quarter to single layers, each shared among its
//! tests by Holm's method. `docs/calibration.md` has the formulae and their sources.

mod calibrated;
mod drift;
mod expected;
mod findings;
mod good;
mod judged;
mod layers;
mod levels;
mod next;
mod structure;
#[cfg(test)]
mod tests;
mod text;

use super::{Finding, Trend};
use crate::code::{FindingCode, Level};
use crate::compare::{Baseline, BaselineRuns, Comparison, Levels, RunLayer};
use crate::policy::Policy;

pub use calibrated::{
    Basis, CalibratedLimit, Scope, Untouched, calibrated, disagreements, untouched,
};
pub use expected::{Bounds, Expected};
pub use good::GoodRuns;
pub use judged::{JUDGED, Judged};
pub use layers::{LayerModel, layer_models};
pub use next::{NextLimits, next_limits};

/// Shares of the chance of a false failure.
pub const MODEL_SHARE: f64 = 0.5;
pub const ROLE_SHARE: f64 = 0.25;
pub const LAYER_SHARE: f64 = 0.25;

#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) findings: Vec<Finding>,
    pub(super) trend: Option<Trend>,
    /// The policy requires a baseline, and there is none that could be used.
    pub(super) unjudged: bool,
    /// There are earlier runs that could not be read.
    pub(super) unread: bool,
}

/// What earlier runs say about this one; no baseline is nothing to say unless the policy requires it.
pub(super) fn evaluate(
    comparison: &Comparison,
    baseline: Option<&Baseline>,
    policy: &Policy,
) -> Outcome {
    let required = policy.baseline.required;
    match baseline {
        None if required => unusable(
            Level::Warn,
            "the policy requires a baseline and none was given; pass `--history STORE`".to_owned(),
            true,
        ),
        None => Outcome::default(),
        Some(Baseline::Unreadable { source, reason }) => Outcome {
            unread: true,
            ..unusable(
                if required { Level::Warn } else { Level::Note },
                format!("not judged against earlier runs: cannot read `{source}`: {reason}"),
                required,
            )
        },
        Some(Baseline::Runs(runs)) => against(comparison, runs, policy),
    }
}

fn unusable(level: Level, message: String, required: bool) -> Outcome {
    let code = FindingCode::NotEnoughHistory;
    Outcome {
        findings: vec![Finding::plain(code, code.as_str(), level, message)],
        trend: None,
        unjudged: required,
        unread: false,
    }
}

fn against(comparison: &Comparison, runs: &BaselineRuns, policy: &Policy) -> Outcome {
    let layers = RunLayer::all(comparison);
    let current = Levels::of(&layers);
    let good = GoodRuns::since_anchor(&runs.runs);
    let settings = policy.baseline;
    if good.count() < settings.min_runs as usize || good.count() == 0 {
        let level = if settings.required {
            Level::Warn
        } else {
            Level::Note
        };
        let message = text::not_enough(runs, &good, settings.min_runs);
        return Outcome {
            trend: Some(drift::trend(comparison, runs, &good, &current, None).0),
            ..unusable(level, message, settings.required)
        };
    }
    let models = layer_models(&good);
    let judged = layers::judge(&models, &layers, &good, &settings);
    let levels = levels::judge(&good, &models, &current, &settings);
    let (trend, creeps) = drift::trend(
        comparison,
        runs,
        &good,
        &current,
        Some((&models, &settings)),
    );
    let mut findings = structure::findings(&good, &layers, &current);
    findings.extend(findings::of_levels(&good, &levels, &judged, &layers));
    findings.extend(findings::of_layers(&good, &levels, &judged));
    findings.extend(findings::of_creeps(&good, &trend, &creeps));
    Outcome {
        findings,
        trend: Some(trend),
        unjudged: false,
        unread: false,
    }
}
