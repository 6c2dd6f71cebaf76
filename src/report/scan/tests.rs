use unicode_width::UnicodeWidthStr as _;

use super::*;
use crate::report::sample;

fn scan() -> ScanReport {
    let report = sample::fail();
    let layers = report.comparison.layers.into_iter().map(|layer| ScanLayer {
        name: layer.name,
        role: layer.role,
        block: layer.block,
        shape: layer.shape,
        dtype: layer.tuned_dtype,
        scope: layer.scope,
        metrics: layer.tuned,
        validity: None,
    });
    ScanReport {
        checkpoint: report.comparison.tuned,
        estimator: report.comparison.estimator,
        layers: layers.collect(),
        skipped: report.comparison.coverage.reasons,
    }
}

#[test]
fn the_json_has_no_verdict_and_its_numbers_under_metrics() {
    let document: Value = serde_json::from_str(&json(&scan())).unwrap();
    let keys: Vec<&String> = document.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "schema",
            "tool",
            "checkpoint",
            "estimator",
            "coverage",
            "summary",
            "layers"
        ]
    );
    assert_eq!(document["layers"][0]["metrics"]["alpha"], 3.83);
    assert_eq!(document["layers"][2]["metrics"]["alpha"], Value::Null);
    assert_eq!(document["layers"][2]["metrics"]["fit"]["alpha"], 4.75);
}

#[test]
fn the_csv_has_one_row_a_layer_and_an_empty_cell_for_no_value() {
    let mut report = scan();
    report.layers[1].name = crate::layer::LayerName::new("=cmd,\"x\"");
    let text = csv(&report);
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 5);
    assert!(lines[0].starts_with("name,role,block,rows,cols,dtype,q,eigenvalue_count,"));
    assert!(
        lines[1].starts_with("model.layers.3.mlp.down_proj.weight,mlp.down,3,4096,11008,BF16,")
    );
    assert!(lines[2].starts_with("\"'=cmd,\"\"x\"\"\",mlp.down,7,"));
    let columns: Vec<&str> = lines[0].split(',').collect();
    let alpha = columns.iter().position(|name| *name == "alpha").unwrap();
    assert_eq!(lines[1].split(',').nth(alpha), Some("3.83"));
    assert_eq!(lines[3].split(',').nth(alpha), Some(""));
    assert_eq!(lines[3].split(',').count(), columns.len());
}

#[test]
fn the_table_fits_the_terminal() {
    let text = human(
        &scan(),
        Layout {
            width: 100,
            colour: false,
        },
    );
    insta::assert_snapshot!(text, @r#"
    layer                          shape       alpha  stable_rank  rank_loss  phase         spectrum
    model.layers.3…wn_proj.weight  4096x11008  3.83   -            -          heavy-tailed  █▅▅▄▃▂▂▁
    model.layers.7…wn_proj.weight  4096x11008  3.59   -            -          heavy-tailed  █▆▅▅▃▃▂▁
    model.layers.1….q_proj.weight  4096x11008  -      -            -          -             █▇▆▅▄▃▂▁
    x\u{1b}[31m|`@…\u{a}\u{202e}y  4096x11008  3.42   -            -          heavy-tailed  █▇▆▅▄▃▂▁

    runs/ft: 4 layers, 1 tensors skipped; mean alpha 3.613 over 3 layers that have one
    skipped cls.predictions.bias: only in the base
    "#);
    assert!(text.lines().all(|line| line.width() <= 100));
}

#[test]
fn the_markdown_table_keeps_its_columns() {
    let text = markdown(&scan());
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 6);
    assert!(
        rows.iter()
            .all(|row| row.matches('|').count() == titles(SHOWN, false).len() + 1),
        "{text}"
    );
}

#[test]
fn what_was_asked_beside_the_fit_stands_under_it_and_in_a_column() {
    use crate::spectrum::validity::{Alternatives, Interval, Ratio, Validity};
    let ratio = |log_ratio, p| Ratio { log_ratio, p };
    let mut report = scan();
    report.layers[2].validity = Some(Validity {
        alpha_unbiased: 4.7,
        finger_count: Some(2),
        interval: Some(Interval {
            low: 4.5,
            high: 5.0,
            level: 0.95,
            draws: 100,
            seed: 7,
        }),
        alternatives: Some(Alternatives {
            truncated: ratio(-3.0, 0.01),
            lognormal: ratio(-4.0, 0.2),
            exponential: ratio(9.0, 0.001),
        }),
        windows: None,
    });
    let document: Value = serde_json::from_str(&json(&report)).unwrap();
    let metrics = &document["layers"][2]["metrics"];
    assert_eq!(metrics["fit"]["alpha_unbiased"], 4.7);
    assert_eq!(metrics["fit"]["finger_count"], 2);
    assert_eq!(metrics["fit"]["interval"]["high"], 5);
    assert_eq!(metrics["alternatives"]["lr_lognormal"], -4);
    assert_eq!(metrics["alternatives"]["p_truncated"], 0.01);
    assert_eq!(
        document["layers"][0]["metrics"]["alternatives"],
        Value::Null
    );
    let layout = Layout {
        width: 140,
        colour: false,
    };
    let text = human(&report, layout);
    assert!(text.contains("better than a power law"), "{text}");
    // The log-normal's larger ratio is no evidence at its p.
    assert!(
        text.lines()
            .nth(3)
            .is_some_and(|line| line.contains("truncated")),
        "{text}"
    );
}
