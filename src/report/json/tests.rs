use super::*;
use crate::report::sample;

fn parsed(report: &Report) -> Value {
    serde_json::from_str(&render(report)).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn keys_stand_in_the_order_of_the_contract() {
    let document = parsed(&sample::fail());
    assert_eq!(
        keys(&document),
        [
            "schema",
            "tool",
            "verdict",
            "reason",
            "advisory",
            "base",
            "tuned",
            "policy",
            "estimator",
            "coverage",
            "summary",
            "findings",
            "layers"
        ]
    );
    assert_eq!(keys(&document["base"]), ["ref", "revision", "digest"]);
    assert_eq!(
        keys(&document["coverage"]),
        [
            "compared",
            "skipped",
            "parameters_share",
            "reasons",
            "name_map"
        ]
    );
    assert_eq!(
        keys(&document["summary"]),
        [
            "layers",
            "fail",
            "warn",
            "notes",
            "aggregates",
            "undefined",
            "roles"
        ]
    );
    assert_eq!(
        keys(&document["findings"][0]),
        [
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
            "policy_source",
            "waived",
            "over"
        ]
    );
    assert_eq!(
        keys(&document["layers"][0]),
        [
            "name",
            "role",
            "block",
            "expert",
            "kind",
            "scope",
            "shape",
            "dtype",
            "identical",
            "base",
            "tuned",
            "drift",
            "profile"
        ]
    );
}

#[test]
fn a_finding_carries_its_numbers_limit_and_policy_line() {
    let document = parsed(&sample::fail());
    insta::assert_snapshot!(format!("{:#}", document["findings"][1]), @r#"
    {
      "code": "alpha-drift",
      "rule": "alpha-drift",
      "level": "fail",
      "layer": "model.layers.3.mlp.down_proj.weight",
      "metric": "alpha_drift",
      "base": 3.42,
      "tuned": 3.83,
      "observed": 0.41,
      "limit": {
        "max": 0.3
      },
      "message": "`alpha_drift` is 0.41",
      "policy_line": 17,
      "policy_source": "policies/gate.toml",
      "waived": null,
      "over": null
    }
    "#);
    let shipped = &document["findings"][0];
    assert_eq!(shipped["policy_line"], Value::Null);
    assert_eq!(shipped["policy_source"], "builtin:default");
    assert_eq!(document["findings"][3]["waived"]["days_left"], 37);
    assert_eq!(document["findings"][3]["waived"]["level"], "fail");
}

#[test]
fn a_metric_without_a_value_is_null_beside_its_reason() {
    let document = parsed(&sample::fail());
    insta::assert_snapshot!(format!("{:#}", document["layers"][2]), @r#"
    {
      "name": "model.layers.10.self_attn.q_proj.weight",
      "role": "attention.q",
      "block": 10,
      "expert": null,
      "kind": "matrix",
      "scope": "body",
      "shape": [
        4096,
        11008
      ],
      "dtype": "BF16",
      "base_dtype": "F32",
      "identical": false,
      "base": {
        "rows": 4096,
        "cols": 11008,
        "alpha": 3.42,
        "phase": "heavy-tailed"
      },
      "tuned": {
        "rows": 4096,
        "cols": 11008,
        "alpha": null,
        "reasons": {
          "alpha": "ks_distance 0.14 exceeds 0.1"
        },
        "fit": {
          "alpha": 4.75,
          "ks_distance": 0.14
        }
      },
      "drift": {
        "relative_update": 0.015,
        "alpha_drift": null,
        "reasons": {
          "alpha_drift": "failed: alpha of the tuned checkpoint has no value"
        }
      },
      "profile": {
        "base": [
          3,
          2.7,
          2.4,
          2.1,
          1.8,
          1.5,
          1.2,
          0.9,
          0.6,
          0.3,
          0,
          -0.3,
          -0.6,
          -0.9,
          -1.2,
          -1.5
        ],
        "tuned": [
          3,
          2.7,
          2.4,
          2.1,
          1.8,
          1.5,
          1.2,
          0.9,
          0.6,
          0.3,
          0,
          -0.3,
          -0.6,
          -0.9,
          -1.2,
          -1.5
        ]
      }
    }
    "#);
}

#[test]
fn numbers_read_back_to_the_same_bits() {
    for value in [
        0.1 + 0.2,
        1.0 / 3.0,
        5e-324,
        1.797e308,
        75.0,
        -0.0,
        9e15,
        1e22,
    ] {
        let read: f64 = serde_json::from_str(&number(value).to_string()).unwrap();
        assert_eq!(
            read.total_cmp(&(value + 0.0)),
            std::cmp::Ordering::Equal,
            "{value}"
        );
    }
    assert_eq!(number(75.0).to_string(), "75");
    assert_eq!(number(f64::NAN), Value::Null);
    assert_eq!(number(f64::INFINITY), Value::Null);
}

#[test]
fn a_hostile_name_is_kept_whole_and_cannot_act_in_a_terminal() {
    let report = sample::fail();
    let text = render(&report);
    assert!(
        text.chars()
            .all(|character| character == '\n' || !is_hidden(character))
    );
    assert!(text.ends_with("}\n"));
    assert_eq!(parsed(&report)["layers"][3]["name"], sample::HOSTILE);
}

#[test]
fn a_share_that_is_not_a_number_is_null() {
    let mut report = sample::pass();
    report.comparison.coverage.parameters_share = f64::NAN;
    assert_eq!(parsed(&report)["coverage"]["parameters_share"], Value::Null);
}
