//! One checkpoint's spectral table: JSON for scripts, CSV for spreadsheets, and a short table for
//! people.

mod beside_the_fit;

use serde_json::{Map, Value, json};

use crate::compare::SkippedTensor;
use crate::num;
use crate::spectrum::Phase;
use crate::spectrum::metric::{Metric, Subject};

use super::human::{Layout, columns_text, tidy};
use super::view::Target;
use super::{ScanLayer, ScanReport, csv, escape, json as document, number, roles, spark};

/// Metrics of the tables for people; JSON and CSV have all.
const SHOWN: [Metric; 3] = [Metric::Alpha, Metric::StableRank, Metric::RankLoss];
/// Of an adapter by itself, whose few singular values give no alpha.
const SHOWN_OF_ADAPTER: [Metric; 3] = [
    Metric::SpectralNorm,
    Metric::StableRank,
    Metric::EffectiveRank,
];
const SPARK_COLUMNS: usize = 8;
const SHORTEST_NAME: usize = 20;

/// The JSON document: that of a check without verdict and findings; the numbers of each layer stand
/// under `metrics`.
pub fn json(report: &ScanReport) -> String {
    let ScanReport {
        checkpoint,
        estimator,
        layers,
        skipped,
    } = report;
    let mut root = document::head();
    root.insert("checkpoint".into(), document::identity(checkpoint));
    root.insert("estimator".into(), json!(estimator));
    root.insert(
        "coverage".into(),
        json!({
            "scanned": layers.len(),
            "skipped": skipped.len(),
            "reasons": document::skipped(skipped),
        }),
    );
    let roles = roles::of_scan(layers);
    let layers: Vec<Value> = layers.iter().map(layer).collect();
    root.insert(
        "summary".into(),
        json!({ "layers": layers.len(), "roles": roles }),
    );
    root.insert("layers".into(), layers.into());
    document::to_text(root)
}

/// One row a layer: `name,role,block,rows,cols,dtype`, then every other metric of one checkpoint, then `phase`. An
/// empty cell has no value; the JSON document says why.
pub fn csv(report: &ScanReport) -> String {
    let metrics: Vec<Metric> = Metric::ALL
        .iter()
        .copied()
        .filter(|metric| metric.subject() == Subject::Checkpoint)
        .filter(|metric| !matches!(metric, Metric::Rows | Metric::Cols))
        .collect();
    let mut header = vec!["name", "role", "block", "rows", "cols", "dtype"];
    header.extend(metrics.iter().map(|metric| metric.as_str()));
    header.push("phase");
    csv::write(
        &header,
        report.layers.iter().map(|layer| csv_row(layer, &metrics)),
    )
}

/// The table for a terminal.
pub fn human(report: &ScanReport, layout: Layout) -> String {
    let target = Target::Terminal;
    let with_alternatives = beside_the_fit::any_alternatives(report);
    let shown = shown(report);
    let titles = titles(shown, with_alternatives);
    let rows: Vec<Vec<String>> = report
        .layers
        .iter()
        .map(|layer| cells(layer, target, shown, with_alternatives))
        .collect();
    let taken: usize = (1..titles.len())
        .map(|column| column_width(titles[column], &rows, column) + 2)
        .sum();
    let name_width = layout.width.saturating_sub(taken + 4).max(SHORTEST_NAME);
    let header = titles.iter().map(|title| (*title).to_owned()).collect();
    let body = rows.into_iter().map(|mut row| {
        if let Some(name) = row.first_mut() {
            *name = escape::shorten(name, name_width).into_owned();
        }
        row
    });
    let mut lines = vec![
        columns_text(header, body),
        String::new(),
        format!("  {}", sentence(report, target)),
    ];
    for SkippedTensor { tensor, reason } in &report.skipped {
        lines.push(format!(
            "  skipped {}: {}",
            target.name(tensor),
            target.text(reason)
        ));
    }
    tidy(&lines.join("\n"))
}

/// The table in Markdown.
pub fn markdown(report: &ScanReport) -> String {
    let target = Target::Markdown;
    let with_alternatives = beside_the_fit::any_alternatives(report);
    let shown = shown(report);
    let titles = titles(shown, with_alternatives);
    let mut lines = vec![
        format!(
            "### Spectral table of {}",
            target.code(&report.checkpoint.reference)
        ),
        String::new(),
        sentence(report, target),
        String::new(),
        format!("| {} |", titles.join(" | ")),
        format!("|{}", ":--|".repeat(titles.len())),
    ];
    for layer in &report.layers {
        lines.push(format!(
            "| {} |",
            cells(layer, target, shown, with_alternatives).join(" | ")
        ));
    }
    if !report.skipped.is_empty() {
        lines.extend([String::new(), "Skipped:".to_owned(), String::new()]);
    }
    for SkippedTensor { tensor, reason } in &report.skipped {
        lines.push(format!(
            "- {}: {}",
            target.name(tensor),
            target.text(reason)
        ));
    }
    tidy(&lines.join("\n"))
}

fn layer(layer: &ScanLayer) -> Value {
    let ScanLayer {
        name,
        role,
        block,
        shape,
        dtype,
        scope,
        metrics,
        validity,
    } = layer;
    let mut map = Map::new();
    map.insert("name".into(), name.as_str().into());
    map.insert("role".into(), role.as_str().into());
    map.insert("block".into(), json!(block));
    map.insert("shape".into(), json!(shape));
    map.insert("dtype".into(), dtype.as_str().into());
    map.insert("scope".into(), document::scope_name(*scope).into());
    let mut metrics = document::layer_metrics(metrics);
    if let (Some(validity), Some(metrics)) = (validity, metrics.as_object_mut()) {
        beside_the_fit::insert(metrics, validity);
    }
    map.insert("metrics".into(), metrics);
    Value::Object(map)
}

fn csv_row(layer: &ScanLayer, metrics: &[Metric]) -> Vec<String> {
    let table = &layer.metrics.table;
    let side = |metric: Metric, index: usize| {
        let shape = || layer.shape.get(index).map(|side| *side as f64);
        csv::number_cell(table.value(metric).or_else(shape))
    };
    let mut row = vec![
        csv::text_cell(layer.name.as_str()),
        layer.role.as_str().to_owned(),
        layer
            .block
            .map(|block| block.to_string())
            .unwrap_or_default(),
        side(Metric::Rows, 0),
        side(Metric::Cols, 1),
        csv::text_cell(&layer.dtype),
    ];
    row.extend(
        metrics
            .iter()
            .map(|metric| csv::number_cell(table.value(*metric))),
    );
    let phase = layer.metrics.phase.map_or("", Phase::as_str);
    row.push(phase.to_owned());
    row
}

/// An adapter's updates have no entries of their own, so no rank of them is lost.
fn shown(report: &ScanReport) -> [Metric; 3] {
    let is_adapter = |layer: &ScanLayer| {
        let table = &layer.metrics.table;
        table.get(Metric::RankLoss).is_none() && table.get(Metric::SpectralNorm).is_some()
    };
    if !report.layers.is_empty() && report.layers.iter().all(is_adapter) {
        SHOWN_OF_ADAPTER
    } else {
        SHOWN
    }
}

fn titles(shown: [Metric; 3], with_alternatives: bool) -> Vec<&'static str> {
    let mut titles = vec!["layer", "shape"];
    titles.extend(shown.iter().map(|metric| metric.as_str()));
    titles.push("phase");
    if with_alternatives {
        titles.push("better than a power law");
    }
    titles.push("spectrum");
    titles
}

fn cells(
    layer: &ScanLayer,
    target: Target,
    shown: [Metric; 3],
    with_alternatives: bool,
) -> Vec<String> {
    let shape: Vec<String> = layer.shape.iter().map(ToString::to_string).collect();
    let mut cells = vec![target.name(layer.name.as_str()), shape.join("x")];
    let value = |metric: &Metric| {
        layer
            .metrics
            .table
            .value(*metric)
            .map_or_else(|| "-".to_owned(), number::short)
    };
    cells.extend(shown.iter().map(value));
    cells.push(target.text(layer.metrics.phase.map_or("-", Phase::as_str)));
    if with_alternatives {
        cells.push(beside_the_fit::better(layer).to_owned());
    }
    cells.push(spark::sparkline(&spark::thin(
        &layer.metrics.profile.evenly(),
        SPARK_COLUMNS,
    )));
    cells
}

fn column_width(title: &str, rows: &[Vec<String>], column: usize) -> usize {
    let cells = rows
        .iter()
        .filter_map(|row| row.get(column))
        .map(String::as_str);
    cells
        .chain([title])
        .map(unicode_width::UnicodeWidthStr::width)
        .max()
        .unwrap_or(0)
}

fn sentence(report: &ScanReport, target: Target) -> String {
    let alphas: Vec<f64> = report
        .layers
        .iter()
        .filter_map(|layer| layer.metrics.table.value(Metric::Alpha))
        .collect();
    let alpha = num::mean(&alphas).map_or_else(
        || "no layer has an alpha".to_owned(),
        |mean| {
            format!(
                "mean alpha {} over {} layers that have one",
                number::short(mean),
                alphas.len()
            )
        },
    );
    format!(
        "{}: {} layers, {} tensors skipped; {alpha}",
        target.code(&report.checkpoint.reference),
        report.layers.len(),
        report.skipped.len(),
    )
}

#[cfg(test)]
mod tests;
