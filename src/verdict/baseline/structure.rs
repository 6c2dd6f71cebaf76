//! What statistics cannot see: layers that came or went, that no longer change or newly do, and
//! values that are gone. Each is said once, with how many layers it is about.

use std::collections::BTreeMap;

use super::good::{is_body_matrix, metrics_in_all, values_in_all};
use super::{GoodRuns, JUDGED, text};
use crate::code::{FindingCode, Level};
use crate::compare::{Levels, RunLayer};
use crate::layer::LayerName;
use crate::num::{self, Finite};
use crate::spectrum::metric::Metric;
use crate::verdict::{Finding, FindingLimit};

/// An update of this size is clear of what storing weights in bf16 does to them (1.7e-3 at most): a
/// smaller one may be lost in the rounding.
const CLEAR_UPDATE: f64 = 2e-3;

/// A layer, and the size of its update in good runs or now.
type Sized<'a> = (&'a LayerName, f64);

pub(super) fn findings(good: &GoodRuns<'_>, current: &[RunLayer], levels: &Levels) -> Vec<Finding> {
    let common = good.common_layers();
    if common.is_empty() {
        return lost_levels(good, levels);
    }
    let now: BTreeMap<&LayerName, &RunLayer> =
        current.iter().map(|layer| (&layer.name, layer)).collect();
    let mut seen = Seen::default();
    for (name, runs) in &common {
        seen.add(name, runs, now.get(name).copied());
    }
    let known = good.known_layers();
    let new: Vec<&LayerName> = current
        .iter()
        .filter(|layer| is_body_matrix(layer) && !known.contains(&layer.name))
        .map(|layer| &layer.name)
        .collect();
    let runs = text::runs(good);
    let mut findings = Vec::new();
    findings.extend(listed(&seen.gone, |layers| {
        format!("{layers} missing from this run, while all of the {runs} have them, and not judged")
    }));
    findings.extend(listed(&new, |layers| {
        format!("{layers} in none of the {runs}, and not judged against them")
    }));
    findings.extend(moved(&seen.frozen, &runs, true));
    findings.extend(moved(&seen.thawed, &runs, false));
    for (metric, layers) in &seen.lost {
        findings.extend(listed(layers, |layers| {
            format!("{layers} without a value of {metric}, which every one of the {runs} has")
        }));
    }
    findings
}

/// What became of the layers that every good run has.
#[derive(Default)]
struct Seen<'a> {
    gone: Vec<&'a LayerName>,
    frozen: Vec<Sized<'a>>,
    thawed: Vec<Sized<'a>>,
    lost: BTreeMap<Metric, Vec<&'a LayerName>>,
}

impl<'a> Seen<'a> {
    fn add(&mut self, name: &'a LayerName, runs: &[&RunLayer], now: Option<&RunLayer>) {
        let Some(layer) = now else {
            self.gone.push(name);
            return;
        };
        let update = layer.metrics.get(&Metric::RelativeUpdate);
        let before = values_in_all(runs, Metric::RelativeUpdate).unwrap_or_default();
        let changed = before.iter().all(|value| *value > 0.0) && !before.is_empty();
        let unchanged = before.iter().all(|value| value.abs() <= 0.0) && !before.is_empty();
        match update.map(|update| update.get()) {
            Some(update) if changed && update <= 0.0 => {
                let size = num::median(&before).unwrap_or(0.0);
                self.frozen.push((name, size));
                return;
            }
            Some(update) if unchanged && update > 0.0 => self.thawed.push((name, update)),
            Some(_) | None => {}
        }
        for metric in metrics_in_all(runs) {
            if !layer.metrics.contains_key(&metric) {
                self.lost.entry(metric).or_default().push(name);
            }
        }
    }
}

/// Where no run has layers, whether the model's medians are all there.
fn lost_levels(good: &GoodRuns<'_>, levels: &Levels) -> Vec<Finding> {
    let lost: Vec<&str> = JUDGED
        .iter()
        .map(|judged| judged.metric)
        .filter(|metric| good.levels(*metric, None).len() == good.setting().count())
        .filter(|metric| levels.get(*metric, None).is_none())
        .map(Metric::as_str)
        .collect();
    if lost.is_empty() {
        return Vec::new();
    }
    let code = FindingCode::BaselineDeviation;
    let message = format!(
        "no layer has a value of {}, which every one of the {} has",
        lost.join(", "),
        text::runs(good)
    );
    vec![Finding::plain(code, code.as_str(), Level::Warn, message)]
}

fn listed(layers: &[&LayerName], message: impl FnOnce(String) -> String) -> Option<Finding> {
    let first = layers.first()?;
    let code = FindingCode::BaselineDeviation;
    let text = message(text::counted(layers.len(), first));
    Some(Finding::plain(code, code.as_str(), Level::Warn, text))
}

/// Layers that every good run changes and this one does not, or the other way round.
fn moved(layers: &[Sized<'_>], runs: &str, frozen: bool) -> Option<Finding> {
    let (worst, size) = layers
        .iter()
        .copied()
        .reduce(|left, right| if right.1 > left.1 { right } else { left })?;
    let level = if size >= CLEAR_UPDATE {
        Level::Fail
    } else {
        Level::Warn
    };
    let layers = text::counted(layers.len(), worst);
    let message = if frozen {
        format!("{layers} unchanged, while every one of the {runs} changes them")
    } else {
        format!(
            "{layers} changed, while none of the {runs} changes them; {}",
            text::RECIPE
        )
    };
    let code = FindingCode::BaselineDeviation;
    let (observed, limit) = if frozen {
        (Finite::ZERO, None)
    } else {
        (
            Finite::new(size)?,
            Some(FindingLimit {
                min: None,
                max: Some(Finite::ZERO),
            }),
        )
    };
    Some(Finding {
        metric: Some(Metric::RelativeUpdate),
        observed: Some(observed),
        limit,
        over: Some("unchanged layers".to_owned()),
        ..Finding::plain(code, code.as_str(), level, message)
    })
}
