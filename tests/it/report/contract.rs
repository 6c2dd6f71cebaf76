//! The JSON document: keys, types, numbers and their reasons.

use serde_json::{Value, json};
use tunegate::spectrum::Phase;
use tunegate::spectrum::metric::{Metric, Subject};

use crate::support::cmd::{Judged, Pair};
use crate::support::dtype::Dtype;
use crate::support::spectrum::Spectrum;
use crate::support::tiny::{DOWN, KEY, NORM, QUERY, TinyCheckpoint, WIDTH};

const SMALL: &str = "model.layers.0.small.weight";
const FLAT: &str = "model.layers.0.flat.weight";
const POLICY: &str = r#"version = 1
name = "gate"
extends = "default"

[hygiene]
missing-tensor = "warn"

[[rule]]
id = "tight"
metric = "relative_update"
layers = ["*.layers.0.*"]
fail = { max = 0.001 }

[[rule]]
id = "traced"
metric = "alpha"
fail = { max = 90.0 }
undefined = "warn"
"#;

fn base() -> TinyCheckpoint {
    TinyCheckpoint::model()
        .layer(SMALL, [64, WIDTH], Spectrum::PowerLaw(3.0))
        .layer(FLAT, [WIDTH, WIDTH], Spectrum::Gaussian)
}

/// A pair with a bit of everything: a NaN, a missing tensor, another dtype, withheld fits.
fn judged() -> Judged {
    let tuned = base()
        .tuned(0.01)
        .edit(KEY, |values| values[0] = f32::NAN)
        .without(NORM)
        .dtype_of(DOWN, Dtype::Bf16);
    let pair = Pair::new(&base(), &tuned);
    let policy = pair.file("gate.toml", POLICY);
    pair.judged_by(&policy)
}

#[track_caller]
fn has_keys(value: &Value, keys: &[&str]) {
    let object = value.as_object().unwrap_or_else(|| panic!("{value}"));
    for key in keys {
        assert!(object.contains_key(*key), "no `{key}` in {value:#}");
    }
}

#[test]
fn every_key_of_the_contract_is_there() {
    let judged = judged();
    let report = &judged.report;
    has_keys(
        report,
        &[
            "schema",
            "tool",
            "verdict",
            "base",
            "tuned",
            "policy",
            "estimator",
            "coverage",
            "summary",
            "findings",
            "layers",
        ],
    );
    assert_eq!(report["schema"], 1);
    assert_eq!(report["tool"]["name"], "tunegate");
    assert_eq!(report["tool"]["version"], env!("CARGO_PKG_VERSION"));
    for side in ["base", "tuned"] {
        has_keys(&report[side], &["ref", "revision", "digest"]);
        assert_eq!(report[side]["ref"], side);
        let digest = report[side]["digest"].as_str().unwrap();
        let hex = digest.strip_prefix("sha256:").unwrap();
        assert!(hex.len() == 64 && hex.chars().all(|c| c.is_ascii_hexdigit()));
    }
    has_keys(&report["policy"], &["name", "digest", "source"]);
    assert_eq!(report["policy"]["name"], "gate");
    assert_eq!(report["estimator"]["alpha"], "csn-ks");
    has_keys(
        &report["coverage"],
        &[
            "compared",
            "skipped",
            "parameters_share",
            "reasons",
            "name_map",
        ],
    );
    assert_eq!(
        report["coverage"]["reasons"],
        json!([{ "tensor": NORM, "reason": "only in the base" }])
    );
    has_keys(
        &report["summary"],
        &["layers", "fail", "warn", "aggregates"],
    );
    assert!(report["summary"]["aggregates"]["mean_alpha"].is_number());
}

#[test]
fn every_finding_has_its_keys_and_the_summary_counts_them() {
    let judged = judged();
    let findings = judged.report["findings"].as_array().unwrap();
    for finding in findings {
        has_keys(
            finding,
            &[
                "code",
                "rule",
                "level",
                "layer",
                "metric",
                "base",
                "tuned",
                "observed",
                "limit",
                "message",
                "policy_line",
                "waived",
            ],
        );
        assert!(!finding["message"].as_str().unwrap().is_empty());
    }
    for level in ["fail", "warn"] {
        let count = findings.iter().filter(|finding| finding["level"] == level);
        assert_eq!(judged.report["summary"][level], count.count());
    }
    let layers = judged.report["layers"].as_array().unwrap();
    assert_eq!(judged.report["summary"]["layers"], layers.len());
}

#[test]
fn a_finding_of_a_rule_states_limit_and_values() {
    let judged = judged();
    let findings = judged.findings("update-size");
    let query = findings.iter().find(|finding| finding["layer"] == QUERY);
    let finding = query.unwrap();
    assert_eq!(finding["rule"], "tight");
    assert_eq!(finding["level"], "fail");
    assert_eq!(finding["metric"], "relative_update");
    assert_eq!(finding["limit"], json!({ "max": 0.001 }));
    let observed = finding["observed"].as_f64().unwrap();
    assert!((observed - 0.01).abs() <= 1e-6, "{observed}");
}

#[test]
fn a_finding_names_the_line_of_the_policy_file_and_none_of_a_shipped_one() {
    let judged = judged();
    let line_of = |text: &str| POLICY.lines().position(|line| line == text).unwrap() + 1;
    let missing = judged.findings("missing-tensor")[0];
    assert_eq!(missing["level"], "warn");
    assert_eq!(missing["policy_line"], line_of("missing-tensor = \"warn\""));
    for finding in judged.findings("update-size") {
        let start = line_of("id = \"tight\"") - 1;
        let line = finding["policy_line"].as_u64().unwrap();
        let end = line_of("fail = { max = 0.001 }");
        assert!((start as u64..=end as u64).contains(&line), "{finding:#}");
    }
    let non_finite = judged.findings("non-finite")[0];
    assert_eq!(non_finite["policy_line"], Value::Null);
    assert_eq!(non_finite["policy_source"], "builtin:default");
}

#[test]
fn a_rule_can_warn_where_its_metric_has_no_value() {
    let judged = judged();
    let undefined: Vec<&Value> = judged.report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["rule"] == "traced" && finding["level"] == "warn")
        .collect();
    for layer in [KEY, SMALL] {
        assert!(
            undefined.iter().any(|finding| finding["layer"] == layer),
            "{undefined:#?}"
        );
    }
    let counted = judged.report["summary"]["undefined"].as_array().unwrap();
    assert!(counted.iter().any(|count| count["rule"] == "traced"));
}

#[test]
fn every_layer_has_its_keys_and_types() {
    for layer in judged().report["layers"].as_array().unwrap() {
        has_keys(
            layer,
            &[
                "name", "role", "block", "shape", "dtype", "base", "tuned", "drift",
            ],
        );
        let vector = layer["kind"] == "vector";
        assert!(vector || layer["kind"] == "matrix");
        assert!(matches!(layer["scope"].as_str(), Some("body" | "head")));
        assert!(layer["shape"].as_array().unwrap().iter().all(Value::is_u64));
        assert!(layer["block"].is_u64() || layer["block"].is_null());
        for metric in Metric::ALL {
            let sides: &[&str] = match metric.subject() {
                Subject::Checkpoint => &["base", "tuned"],
                Subject::Pair => &["drift"],
            };
            let nan = layer["name"] == KEY;
            for side in sides
                .iter()
                .filter(|side| !(vector || nan && **side != "drift"))
            {
                has_keys(&layer[side], &[metric.as_str()]);
            }
        }
    }
    let judged = judged();
    assert_eq!(judged.layer(QUERY)["role"], "attention.q");
    assert_eq!(judged.layer(QUERY)["block"], 0);
    assert_eq!(judged.layer(QUERY)["shape"], json!([WIDTH, WIDTH]));
    assert_eq!(judged.layer(DOWN)["dtype"], "BF16");
}

/// Numbers are numbers, or `null` beside a reason.
fn numbers_have_reasons(table: &Value, place: &str) {
    let empty = serde_json::Map::new();
    let reasons = table["reasons"].as_object().unwrap_or(&empty);
    for (metric, value) in table.as_object().unwrap() {
        if metric == "reasons" {
            continue;
        }
        if metric == "phase" {
            let known = Phase::ALL.map(Phase::as_str);
            assert!(value.as_str().is_some_and(|name| known.contains(&name)));
            continue;
        }
        if metric == "fit" {
            numbers_have_reasons(value, place);
            continue;
        }
        let reason = reasons.get(metric).and_then(Value::as_str).unwrap_or("");
        assert!(
            value.is_number() != value.is_null() && value.is_null() != reason.is_empty(),
            "{place} {metric}: {value}, reason `{reason}`"
        );
    }
    for metric in reasons.keys() {
        assert!(table[metric].is_null(), "{place}: a reason for {metric}");
    }
}

#[test]
fn every_number_is_finite_or_null_beside_a_reason() {
    let judged = judged();
    for layer in judged.report["layers"].as_array().unwrap() {
        for side in ["base", "tuned", "drift"] {
            numbers_have_reasons(&layer[side], layer["name"].as_str().unwrap());
        }
    }
}

#[test]
fn the_fit_stays_visible_where_alpha_is_withheld() {
    let judged = judged();
    for (layer, part) in [(SMALL, "eigenvalues"), (FLAT, "KS distance")] {
        for side in ["base", "tuned"] {
            let table = &judged.layer(layer)[side];
            assert_eq!(table["alpha"], Value::Null, "{layer}");
            let reason = table["reasons"]["alpha"].as_str().unwrap();
            assert!(reason.contains(part), "{reason}");
            assert!(table["fit"]["alpha"].is_number(), "{table:#}");
        }
    }
    let held = &judged.layer(QUERY)["base"];
    assert!(held["alpha"].is_number(), "{held:#}");
    assert_eq!(held["alpha"], held["fit"]["alpha"]);
}

#[test]
fn the_alpha_of_a_power_law_is_found() {
    let alpha = judged().layer(QUERY)["base"]["alpha"].as_f64().unwrap();
    assert!((alpha - 3.0).abs() <= 0.2, "{alpha}");
}

#[test]
fn layers_stand_in_natural_order() {
    let mut base = TinyCheckpoint::new(1);
    for block in [10, 2, 1] {
        let name = format!("model.layers.{block}.mlp.up_proj.weight");
        base = base.layer(&name, [16, 16], Spectrum::Gaussian);
    }
    let report = Pair::new(&base, &base.tuned(0.01)).judged().report;
    let blocks: Vec<&Value> = report["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| &layer["block"])
        .collect();
    assert_eq!(blocks, [1, 2, 10]);
}
