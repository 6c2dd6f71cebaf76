//! How far the fits may be believed: into the JSON document, and as a column for people.

use serde_json::{Map, Value, json};

use super::document::number;
use crate::report::{ScanLayer, ScanReport};
use crate::spectrum::validity::{Alternatives, Validity};

/// An alternative is called better below this p-value.
const CALLED_BETTER_BELOW: f64 = 0.1;

pub(super) fn any_alternatives(report: &ScanReport) -> bool {
    report.layers.iter().any(|layer| {
        layer
            .validity
            .is_some_and(|found| found.alternatives.is_some())
    })
}

/// `alpha_unbiased`, `finger_count`, `interval` and `windows` under `fit`, `alternatives` beside it.
pub(super) fn insert(metrics: &mut Map<String, Value>, validity: &Validity) {
    let Validity {
        alpha_unbiased,
        finger_count,
        interval,
        alternatives,
        windows,
    } = validity;
    if let Some(fit) = metrics.get_mut("fit").and_then(Value::as_object_mut) {
        fit.insert("alpha_unbiased".into(), number(*alpha_unbiased));
        if let Some(count) = finger_count {
            fit.insert("finger_count".into(), json!(count));
        }
        if let Some(interval) = interval {
            let interval = json!({
                "low": number(interval.low),
                "high": number(interval.high),
                "level": number(interval.level),
                "draws": interval.draws,
                "seed": interval.seed,
            });
            fit.insert("interval".into(), interval);
        }
        if let Some(windows) = windows {
            let windows = json!({
                "alpha": number(windows.alpha),
                "ks_distance": number(windows.ks_distance),
                "tail_count": windows.tail_count,
                "eigenvalues": windows.eigenvalues,
                "windows": windows.windows,
                "shape": [windows.rows, windows.cols],
            });
            fit.insert("windows".into(), windows);
        }
    }
    if let Some(alternatives) = alternatives {
        let mut map = Map::new();
        for (name, ratio) in named(alternatives) {
            map.insert(format!("lr_{name}"), number(ratio.log_ratio));
            map.insert(format!("p_{name}"), number(ratio.p));
        }
        metrics.insert("alternatives".into(), Value::Object(map));
    }
}

/// The alternative that fits better by the largest ratio and with a p-value below 0.1; `none` where there is
/// none, `-` where no test was made.
pub(super) fn better(layer: &ScanLayer) -> &'static str {
    let Some(alternatives) = layer.validity.and_then(|found| found.alternatives) else {
        return "-";
    };
    named(&alternatives)
        .into_iter()
        .filter(|(_, ratio)| ratio.log_ratio < 0.0 && ratio.p < CALLED_BETTER_BELOW)
        .min_by(|(_, left), (_, right)| left.log_ratio.total_cmp(&right.log_ratio))
        .map_or("none", |(name, _)| name)
}

fn named(alternatives: &Alternatives) -> [(&'static str, crate::spectrum::validity::Ratio); 3] {
    let Alternatives {
        truncated,
        lognormal,
        exponential,
    } = *alternatives;
    [
        ("truncated", truncated),
        ("lognormal", lognormal),
        ("exponential", exponential),
    ]
}
