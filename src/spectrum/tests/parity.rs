//! `docs/parity.md`: WeightWatcher's alpha beside ours, for every entry of the reference table.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::Value;

use super::super::weightwatcher::analyze;
use super::super::{CheckpointMetrics, measure, metric::Metric};
use super::estimator;
use super::reference::{table, tensor, tensors};
use crate::num::Measured;

const HEAD: &str = "\
# Parity with WeightWatcher 0.7.7

Every entry of `tests/reference` (matrices with WeightWatcher's own numbers): WeightWatcher's alpha, ours with
`scan --compat weightwatcher`, and ours by default. Made by `TUNEGATE_BLESS=1 cargo test parity`, which also
checks this page. The other columns of the compatible table are checked to 1e-6 relative by
`cargo test reference`; the one deviation is detX, which is summed in logarithms.

| entry | shape | WeightWatcher | compat | default | default's tail and KS distance | why they differ |
|---|---|--:|--:|--:|---|---|
";

const TAIL: &str = "
Reasons, in short:

- **tail of at least 50.** WeightWatcher tries every cut down to two eigenvalues and takes the smallest KS distance; a
  short tail fits by chance. The default keeps 50.
- **withheld.** The default gives no alpha where the fit does not hold (KS distance above 0.10) or with fewer than 100
  eigenvalues. The fitted number stays visible under `fit`.
- **absolute cut.** WeightWatcher drops eigenvalues below 1e-5 whatever the scale of the weights, so a matrix times
  0.001 has another alpha. The default drops what the arithmetic cannot resolve, relative to the largest.
- **failed.** WeightWatcher reports a failed fit as -1.
";

#[test]
fn the_parity_page_is_what_the_code_computes() {
    let page = page();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/parity.md");
    if std::env::var_os("TUNEGATE_BLESS").is_some() {
        crate::fs::write_atomic(&path, page.as_bytes()).unwrap();
    }
    let stored = crate::fs::read_to_string(&path).unwrap();
    assert_eq!(stored, page, "run `TUNEGATE_BLESS=1 cargo test parity`");
}

fn page() -> String {
    let tensors = tensors();
    let mut page = HEAD.to_owned();
    for (entry, expected) in table() {
        let source = tensor(&tensors, &entry);
        let theirs = &expected["weightwatcher"]["alpha"];
        let compat = analyze(&source.values, &source.shape).unwrap().alpha;
        let ours = source
            .matrix()
            .map(|matrix| measure(&matrix, 0.0, &estimator()).unwrap().1);
        let sides: Vec<String> = source.shape.iter().map(ToString::to_string).collect();
        writeln!(
            page,
            "| {entry} | {} | {} | {} | {} | {} | {} |",
            sides.join("x"),
            number(theirs.as_f64().unwrap()),
            number(compat),
            ours.as_ref()
                .map_or("pooled kernels, see below".to_owned(), default_alpha),
            ours.as_ref().map_or(String::new(), tail),
            reason(theirs, ours.as_ref(), &expected["weightwatcher"]),
        )
        .unwrap();
    }
    page.push_str(TAIL);
    page.push_str(
        "- **pooled kernels.** WeightWatcher pools the spectra of a convolution's kernel positions; the default reads \
         the kernel\n  as one matrix [out, in x positions].\n",
    );
    page
}

fn number(value: f64) -> String {
    format!("{value:.3}")
}

fn default_alpha(metrics: &CheckpointMetrics) -> String {
    match metrics.table.get(Metric::Alpha) {
        Some(Measured::Value(value)) => number(value.get()),
        _ => "withheld".to_owned(),
    }
}

fn tail(metrics: &CheckpointMetrics) -> String {
    let Some(fit) = &metrics.fit else {
        return "no fit".to_owned();
    };
    let value = |metric| fit.value(metric).unwrap();
    format!(
        "{} of {}, {:.3}",
        value(Metric::TailCount),
        count(metrics),
        value(Metric::KsDistance)
    )
}

fn count(metrics: &CheckpointMetrics) -> f64 {
    metrics.table.value(Metric::EigenvalueCount).unwrap()
}

fn reason(theirs: &Value, ours: Option<&CheckpointMetrics>, expected: &Value) -> String {
    let Some(ours) = ours else {
        return "pooled kernels".to_owned();
    };
    let mut reasons = Vec::new();
    if theirs.as_f64() == Some(-1.0) {
        reasons.push("failed");
    }
    if ours.table.value(Metric::Alpha).is_none() {
        reasons.push("withheld");
    }
    let their_tail = expected["num_pl_spikes"].as_f64().unwrap();
    let below_cut = expected["norm"].as_f64().unwrap() < 1.0 && theirs.as_f64() != Some(-1.0);
    if below_cut {
        reasons.push("absolute cut");
    } else if (0.0..50.0).contains(&their_tail) && count(ours) >= 50.0 {
        reasons.push("tail of at least 50");
    }
    let our_tail = ours
        .fit
        .as_ref()
        .and_then(|fit| fit.value(Metric::TailCount));
    if reasons.is_empty() && our_tail.is_some_and(|tail| (tail - their_tail).abs() > 0.0) {
        reasons.push("two-sided distance");
    }
    if reasons.is_empty() {
        "same cut".to_owned()
    } else {
        reasons.join(", ")
    }
}
