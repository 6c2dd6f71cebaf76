//! The numbers of the page, as JSON: by column rather than by layer, since names of metrics repeat.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::code::Level;
use crate::compare::{LayerComparison, LayerKind};
use crate::layer::Role;
use crate::report::escape;
use crate::report::json::number;
use crate::report::{Report, ScanLayer, ScanReport};
use crate::spectrum::Phase;
use crate::spectrum::metric::{Metric, MetricTable};
use crate::verdict::{FindingLimit, RuleLimits, Trend};

use super::flow::FlowSection;
use super::runs::{self, RunsPage};
use super::spectra::histograms;

/// Of the fit behind a withheld alpha, what a figure draws.
const OF_THE_FIT: [Metric; 4] = [Metric::Alpha, Metric::Xmin, Metric::Xmax, Metric::TailCount];

/// Columns of metrics and of reasons why there are none.
#[derive(Debug, Default)]
struct Columns {
    metrics: Map<String, Value>,
    reasons: Map<String, Value>,
    texts: Vec<String>,
    known: BTreeMap<String, usize>,
    /// Limits of the rules, by metric: no value may come to lie on the other side of one, or on it.
    bounds: BTreeMap<Metric, Vec<f64>>,
}

impl Columns {
    /// One column for each metric that some layer has, under `part`.
    fn add(&mut self, part: &str, tables: &[Option<&MetricTable>], wanted: &[Metric]) {
        let mut columns = Map::new();
        for metric in wanted.iter().copied() {
            let cells = tables.iter().map(|table| table.and_then(|t| t.get(metric)));
            if cells.clone().all(|cell| cell.is_none()) {
                continue;
            }
            let bounds = self.bounds.get(&metric).map_or(&[][..], Vec::as_slice);
            let values: Vec<Value> = cells
                .clone()
                .map(|cell| {
                    let value = cell.and_then(crate::num::Measured::value);
                    value.map_or(Value::Null, |value| rounded_beside(value, bounds))
                })
                .collect();
            let mut reasons = Map::new();
            for (index, cell) in cells.enumerate() {
                if let Some(reason) = cell.and_then(|cell| cell.reason()) {
                    let text = self.text(reason.as_str());
                    reasons.insert(index.to_string(), text.into());
                }
            }
            columns.insert(metric.as_str().into(), values.into());
            if !reasons.is_empty() {
                let name = format!("{part}.{metric}");
                self.reasons.insert(name, Value::Object(reasons));
            }
        }
        self.metrics.insert(part.into(), Value::Object(columns));
    }

    /// Index of a text, kept once.
    fn text(&mut self, text: &str) -> usize {
        let text = escape::terminal(text);
        let next = self.texts.len();
        let index = *self.known.entry(text.clone()).or_insert(next);
        if index == next {
            self.texts.push(text);
        }
        index
    }

    fn into(self, root: &mut Map<String, Value>) {
        root.insert("metrics".into(), Value::Object(self.metrics));
        root.insert("reasons".into(), Value::Object(self.reasons));
        root.insert("texts".into(), json!(self.texts));
    }
}

/// Of a judged pair.
pub(super) fn of_check(report: &Report, flow: Option<&FlowSection>) -> Map<String, Value> {
    let layers = &report.comparison.layers;
    let mut root = head("check");
    let roles = roles(layers.iter().map(|layer| layer.role));
    root.insert("layers".into(), comparison_layers(report, &roles));
    root.insert("roles".into(), names(&roles));
    let mut columns = Columns {
        bounds: bounds(&report.limits),
        ..Columns::default()
    };
    let tables = |of: fn(&LayerComparison) -> Option<&MetricTable>| -> Vec<Option<&MetricTable>> {
        layers.iter().map(of).collect()
    };
    columns.add(
        "base",
        &tables(|layer| Some(&layer.base.table)),
        Metric::ALL,
    );
    columns.add(
        "tuned",
        &tables(|layer| Some(&layer.tuned.table)),
        Metric::ALL,
    );
    columns.add(
        "tuned.fit",
        &tables(|layer| layer.tuned.fit.as_ref()),
        &OF_THE_FIT,
    );
    columns.add("drift", &tables(|layer| Some(&layer.drift)), Metric::ALL);
    columns.into(&mut root);
    let rules: Vec<Value> = report.limits.iter().map(rule).collect();
    root.insert("rules".into(), rules.into());
    if let Some(trend) = &report.judgement.trend {
        root.insert("trend".into(), trend_value(trend));
    }
    if let Some(flow) = flow {
        root.insert("flow".into(), flow_value(flow));
    }
    root
}

/// Of one checkpoint.
pub(super) fn of_scan(report: &ScanReport) -> Map<String, Value> {
    let layers = &report.layers;
    let mut root = head("scan");
    let roles = roles(layers.iter().map(|layer| layer.role));
    root.insert("layers".into(), scan_layers(layers, &roles));
    root.insert("roles".into(), names(&roles));
    let mut columns = Columns::default();
    let tables: Vec<_> = layers
        .iter()
        .map(|layer| Some(&layer.metrics.table))
        .collect();
    columns.add("metrics", &tables, Metric::ALL);
    let fits: Vec<_> = layers
        .iter()
        .map(|layer| layer.metrics.fit.as_ref())
        .collect();
    columns.add("metrics.fit", &fits, &OF_THE_FIT);
    columns.into(&mut root);
    root
}

/// Of flow alone.
pub(super) fn of_flow(flow: &FlowSection) -> Map<String, Value> {
    let mut root = head("flow");
    Columns::default().into(&mut root);
    root.insert("roles".into(), json!([]));
    root.insert("flow".into(), flow_value(flow));
    root
}

/// Of the runs of a history.
pub(super) fn of_runs(page: &RunsPage) -> Map<String, Value> {
    let mut root = head("runs");
    Columns::default().into(&mut root);
    root.insert("roles".into(), json!([]));
    root.insert("history".into(), runs::data(page));
    root
}

/// Five significant digits: more than a reader sees, and half the size of all of them.
pub(super) fn rounded(value: f64) -> Value {
    let short: Option<f64> = format!("{value:.4e}").parse().ok();
    number(short.unwrap_or(f64::NAN))
}

/// As [`rounded`], with as many digits more as it takes to stand to every bound as the value itself does:
/// the page tells from these numbers what is past a limit.
fn rounded_beside(value: f64, bounds: &[f64]) -> Value {
    let stands = |value: f64| bounds.iter().map(move |bound| value.total_cmp(bound));
    let alike =
        |short: f64| stands(short).eq(stands(value)) && stands(short.abs()).eq(stands(value.abs()));
    let mut shorts = (4..17).filter_map(|digits| format!("{value:.digits$e}").parse::<f64>().ok());
    number(shorts.find(|short| alike(*short)).unwrap_or(value))
}

fn bounds(limits: &[RuleLimits]) -> BTreeMap<Metric, Vec<f64>> {
    let mut bounds: BTreeMap<Metric, Vec<f64>> = BTreeMap::new();
    for limits in limits {
        for limit in [limits.warn, limits.fail].into_iter().flatten() {
            let found = [limit.min, limit.max].into_iter().flatten();
            let of_metric = bounds.entry(limits.metric).or_default();
            of_metric.extend(found.map(crate::num::Finite::get));
        }
    }
    bounds
}

fn head(kind: &str) -> Map<String, Value> {
    let mut root = Map::new();
    root.insert("kind".into(), kind.into());
    root
}

/// In order, each once.
fn roles(roles: impl Iterator<Item = Role>) -> Vec<Role> {
    let set: std::collections::BTreeSet<Role> = roles.collect();
    set.into_iter().collect()
}

fn names(roles: &[Role]) -> Value {
    roles.iter().map(|role| role.as_str()).collect()
}

fn list<T>(items: &[T], of: impl Fn(&T) -> Value) -> Value {
    items.iter().map(of).collect()
}

fn shape(shape: &[usize]) -> Value {
    let sides: Vec<String> = shape.iter().map(ToString::to_string).collect();
    sides.join("×").into()
}

fn phase(phase: Option<Phase>) -> Value {
    phase.map_or("", Phase::as_str).into()
}

fn comparison_layers(report: &Report, roles: &[Role]) -> Value {
    let layers = &report.comparison.layers;
    let levels = levels(report);
    let dtype = |layer: &LayerComparison| {
        let (base, tuned) = (&layer.base_dtype, &layer.tuned_dtype);
        if base == tuned {
            escape::terminal(tuned)
        } else {
            escape::terminal(&format!("{base} → {tuned}"))
        }
    };
    json!({
        "name": list(layers, |layer| escape::terminal(layer.name.as_str()).into()),
        "role": list(layers, |layer| json!(roles.binary_search(&layer.role).ok())),
        "block": list(layers, |layer| json!(layer.block)),
        "shape": list(layers, |layer| shape(&layer.shape)),
        "parameters": list(layers, |layer| layer.parameters().into()),
        "dtype": list(layers, |layer| dtype(layer).into()),
        "vector": list(layers, |layer| (layer.kind == LayerKind::Vector).into()),
        "identical": list(layers, |layer| layer.identical.into()),
        "phase": list(layers, |layer| phase(layer.tuned.phase)),
        "level": list(layers, |layer| {
            levels.get(layer.name.as_str()).map_or("", |level| level.as_str()).into()
        }),
        "spectrum": list(layers, |layer| {
            histograms(&[("base", &layer.base.profile), ("tuned", &layer.tuned.profile)])
        }),
        "update": list(layers, |layer| histograms(&[("counts", &layer.update_profile)])),
    })
}

fn scan_layers(layers: &[ScanLayer], roles: &[Role]) -> Value {
    json!({
        "name": list(layers, |layer| escape::terminal(layer.name.as_str()).into()),
        "role": list(layers, |layer| json!(roles.binary_search(&layer.role).ok())),
        "block": list(layers, |layer| json!(layer.block)),
        "shape": list(layers, |layer| shape(&layer.shape)),
        "parameters": list(layers, |layer| {
            layer.shape.iter().map(|side| *side as u64).product::<u64>().into()
        }),
        "dtype": list(layers, |layer| escape::terminal(&layer.dtype).into()),
        "vector": list(layers, |_| false.into()),
        "phase": list(layers, |layer| phase(layer.metrics.phase)),
        "level": list(layers, |_| "".into()),
        "spectrum": list(layers, |layer| histograms(&[("metrics", &layer.metrics.profile)])),
    })
}

/// The worst level that a layer has.
fn levels(report: &Report) -> BTreeMap<&str, Level> {
    let mut levels: BTreeMap<&str, Level> = BTreeMap::new();
    for finding in &report.judgement.findings {
        if let Some(layer) = &finding.layer {
            let level = levels.entry(layer.as_str()).or_insert(finding.level);
            *level = (*level).max(finding.level);
        }
    }
    levels
}

fn rule(limits: &RuleLimits) -> Value {
    let RuleLimits {
        rule,
        metric,
        absolute,
        warn,
        fail,
        layers,
    } = limits;
    let bounds = |limit: &Option<FindingLimit>| limit.map(|limit| json!(limit));
    json!({
        "rule": escape::terminal(rule),
        "metric": metric.as_str(),
        "absolute": absolute,
        "warn": bounds(warn),
        "fail": bounds(fail),
        "layers": runs(layers),
    })
}

/// Ascending numbers as pairs of the first and the last of each run.
fn runs(numbers: &[usize]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for number in numbers.iter().copied() {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    runs
}

fn trend_value(trend: &Trend) -> Value {
    let series: Vec<Value> = trend
        .series
        .iter()
        .map(|series| {
            let points: Vec<Value> = series
                .points
                .iter()
                .map(|point| {
                    json!({
                        "run": escape::terminal(&point.run),
                        "recorded": escape::terminal(&point.recorded),
                        "value": point.value,
                        "smoothed": point.smoothed,
                    })
                })
                .collect();
            json!({
                "metric": series.metric.as_str(),
                "role": series.role.map(Role::as_str),
                "points": points,
                "centre": series.centre,
                "lower": series.lower,
                "upper": series.upper,
                "since": series.since,
            })
        })
        .collect();
    json!({ "series": series })
}

fn flow_value(flow: &FlowSection) -> Value {
    json!({
        "steps": list(&flow.steps, |step| escape::terminal(step).into()),
        "series": list(&flow.series, |series| json!({
            "name": escape::terminal(&series.name),
            "role": series.role.map(Role::as_str),
            "metric": series.metric.as_str(),
            "values": list(&series.values, |value| value.map_or(Value::Null, rounded)),
        })),
        "marks": list(&flow.marks, |mark| json!({
            "step": mark.step,
            "metric": mark.metric.as_str(),
            "text": escape::terminal(&mark.text),
            "level": mark.level.as_str(),
        })),
    })
}
