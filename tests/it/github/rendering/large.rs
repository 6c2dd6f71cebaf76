//! A made-up report of a large model: many layers, many of them outside of their limits.

use serde_json::{Value, json};

/// Kinds of matrices in a block: role and name.
const PARTS: [(&str, &str); 7] = [
    ("attention.q", "self_attn.q_proj"),
    ("attention.k", "self_attn.k_proj"),
    ("attention.v", "self_attn.v_proj"),
    ("attention.o", "self_attn.o_proj"),
    ("mlp.gate", "mlp.gate_proj"),
    ("mlp.up", "mlp.up_proj"),
    ("mlp.down", "mlp.down_proj"),
];

/// Up to four digits after the point, as a person would make numbers up.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// The deeper a layer, the further it moved; the values and queries are worst.
fn update(block: usize, part: usize) -> f64 {
    let slope = [0.9, 0.4, 1.0, 0.5, 0.3, 0.35, 0.45][part];
    rounded(0.02 + slope * (block as f64 / 71.0).powi(2) * 1.3)
}

fn layer(index: usize) -> Value {
    let (block, part) = (index / PARTS.len(), index % PARTS.len());
    let (role, name) = PARTS[part];
    let update = update(block, part);
    let alpha = rounded(2.4 + 0.02 * block as f64 + 0.3 * ((index * 7) % 5) as f64 / 5.0);
    let profile = |growth: f64| -> Vec<f64> {
        let rank = (0..16).map(f64::from);
        rank.map(|rank| {
            ((2.2 - 0.14 * rank - 0.02 * rank * rank + growth / (1.0 + rank)) * 100.0).round()
                / 100.0
        })
        .collect()
    };
    json!({
        "name": format!("model.layers.{block}.{name}.weight"), "role": role, "block": block, "expert": null,
        "kind": "matrix", "scope": "body", "shape": [8192, 8192], "dtype": "BF16", "identical": false,
        "base": { "alpha": alpha }, "tuned": { "alpha": rounded(alpha - 0.6 * update) },
        "drift": { "relative_update": update },
        "profile": { "base": profile(0.0), "tuned": profile(update) },
    })
}

fn finding(index: usize) -> Option<Value> {
    let (block, part) = (index / PARTS.len(), index % PARTS.len());
    let update = update(block, part);
    let (level, limit) = match update {
        value if value > 0.5 => ("fail", 0.5),
        value if value > 0.1 => ("warn", 0.1),
        _ => return None,
    };
    Some(json!({
        "code": "update-size", "rule": "update-size", "level": level,
        "layer": format!("model.layers.{block}.{}.weight", PARTS[part].1), "metric": "relative_update",
        "base": null, "tuned": null, "observed": update, "limit": { "max": limit },
        "message": format!("relative_update is {update}"), "policy_line": 9, "policy_source": "policies/gate.toml",
        "waived": null, "over": null,
    }))
}

/// The report as JSON; it fails where it has layers enough.
pub(super) fn report(layers: usize) -> String {
    let mut findings: Vec<Value> = (0..layers).filter_map(finding).collect();
    if findings.is_empty() {
        let mut first = finding(7 * 71).unwrap();
        first["layer"] = layer(0)["name"].clone();
        findings.push(first);
    }
    let size = |finding: &Value| finding["observed"].as_f64().unwrap();
    findings.sort_by(|left, right| {
        let level = left["level"].as_str().cmp(&right["level"].as_str());
        level.then(size(right).total_cmp(&size(left)))
    });
    let fail = findings
        .iter()
        .filter(|finding| finding["level"] == "fail")
        .count();
    json!({
        "schema": 1, "tool": { "name": "tunegate", "version": "0.1.0" }, "verdict": "fail",
        "reason": format!("update-size on {fail} layers"), "advisory": false,
        "base": { "ref": "hf://org/base-70b@0123abcd", "revision": null, "digest": format!("sha256:{}", "1".repeat(64)) },
        "tuned": { "ref": "hf://org/support-bot-70b@main", "revision": "4567cdef", "digest": format!("sha256:{}", "2".repeat(64)) },
        "policy": { "name": "support-bot", "digest": format!("sha256:{}", "3".repeat(64)), "source": "policies/gate.toml" },
        "estimator": { "alpha": "csn-ks", "min_tail": 50 },
        "coverage": {
            "compared": layers, "skipped": 0, "parameters_share": 1, "reasons": [], "name_map": "names equal",
        },
        "summary": { "aggregates": { "mean_relative_update": 0.31, "median_relative_update": 0.2075 }, "undefined": [] },
        "findings": findings,
        "layers": (0..layers).map(layer).collect::<Vec<Value>>(),
    })
    .to_string()
}
