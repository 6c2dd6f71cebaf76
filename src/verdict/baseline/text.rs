//! Words of the messages.

use std::fmt::Write as _;

use super::{Bounds, GoodRuns, LayerModel, levels::LevelTest};
use crate::compare::BaselineRuns;
use crate::layer::LayerName;
use crate::verdict::rules::number;

/// What to do where the change was meant.
pub(super) const RECIPE: &str = "a changed recipe needs a new baseline: \
     `tunegate history accept --last --by WHO --reason TEXT --history STORE`";

/// `5 good runs`; with few, that the limits are wide.
pub(super) fn runs(good: &GoodRuns<'_>) -> String {
    match good.setting().count() {
        1 => "1 good run".to_owned(),
        count => format!("{count} good runs"),
    }
}

/// `3 layers (first: NAME) are`.
pub(super) fn counted(count: usize, first: &LayerName) -> String {
    match count {
        1 => format!("{first} is"),
        count => format!("{count} layers ({first} among them) are"),
    }
}

pub(super) fn plural(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

/// `0.018 (0.0141 to 0.0162)`.
pub(super) fn value_in(observed: f64, bounds: Bounds) -> String {
    format!(
        "{} ({} to {})",
        number(observed),
        number(bounds.min),
        number(bounds.max)
    )
}

/// `update_stable_rank 3.1 (4.5 to 7.3)`, with the role where there is one.
pub(super) fn test(test: &LevelTest) -> String {
    let role = test
        .role
        .map_or_else(String::new, |role| format!(" of {role}"));
    format!(
        "{}{role} {}",
        test.metric(),
        value_in(test.observed, test.bounds)
    )
}

/// Limits of a layer whose group is shifted.
pub(super) fn layer_bounds(model: &LayerModel<'_>, shift: f64, half_width: f64) -> Bounds {
    let scale = model.judged.scale;
    Bounds {
        min: scale.inverse(model.centre + shift - half_width),
        max: scale.inverse(model.centre + shift + half_width),
    }
}

pub(super) fn not_enough(runs: &BaselineRuns, good: &GoodRuns<'_>, asked: u32) -> String {
    let asked = asked.max(1);
    let accepted = plural(good.count(), "good run");
    let place = if runs.source.is_empty() {
        String::new()
    } else {
        format!(" in {}", runs.source)
    };
    let since = if good.skipped() > 0 {
        " since the last accepted reference"
    } else {
        ""
    };
    let mut message = format!(
        "not judged against earlier runs: {accepted}{since}{place}, and {asked} are asked for; \
         only the policy's fixed limits hold"
    );
    for left_out in &runs.left_out {
        let count = plural(left_out.runs, "run");
        let _ = write!(message, "; {count} left out: {}", left_out.reason);
    }
    message
}
