//! The JSON document. Its keys are a contract: within a schema number they are only added.
//!
//! Numbers are finite or `null`, and a metric that is `null` has its reason under `reasons` beside
//! it. Whole numbers print without a fraction, the others with the shortest digits that read back to
//! the same f64. Invisible characters are written as `\uXXXX`, so that a report shown in a terminal
//! cannot act there.

mod trend;

use serde_json::{Map, Value, json};

use crate::compare::{
    CheckpointIdentity, Coverage, LayerComparison, LayerKind, LayerMetrics, SkippedTensor,
};
use crate::layer::Scope;
use crate::num::{Finite, Measured};
use crate::spectrum::metric::MetricTable;
use crate::verdict::{Finding, FindingLimit, Judgement, Waived};

use super::escape::is_hidden;
use super::{PolicyIdentity, Report, profile, roles};

/// Number of this document's schema.
pub const SCHEMA: u32 = 1;

/// The report as one JSON document with a line end.
pub fn render(report: &Report) -> String {
    let Report {
        comparison,
        judgement,
        policy,
        advisory,
        limits: _,
    } = report;
    let mut root = head();
    root.insert("verdict".into(), judgement.verdict.as_str().into());
    root.insert("reason".into(), judgement.reason.as_str().into());
    root.insert("advisory".into(), (*advisory).into());
    root.insert("base".into(), identity(&comparison.base));
    root.insert("tuned".into(), identity(&comparison.tuned));
    root.insert("policy".into(), policy_identity(policy));
    root.insert("estimator".into(), json!(comparison.estimator));
    root.insert("coverage".into(), coverage(&comparison.coverage));
    root.insert("summary".into(), summary(judgement, &comparison.layers));
    let findings: Vec<Value> = judgement.findings.iter().map(finding).collect();
    root.insert("findings".into(), findings.into());
    let layers: Vec<Value> = comparison.layers.iter().map(layer).collect();
    root.insert("layers".into(), layers.into());
    if let Some(trend) = &judgement.trend {
        root.insert("trend".into(), trend::value(trend));
    }
    to_text(root)
}

/// `schema` and `tool`, which start every document.
pub fn head() -> Map<String, Value> {
    let mut root = Map::new();
    root.insert("schema".into(), SCHEMA.into());
    root.insert(
        "tool".into(),
        json!({ "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") }),
    );
    root
}

pub(super) fn identity(checkpoint: &CheckpointIdentity) -> Value {
    let CheckpointIdentity {
        reference,
        revision,
        digest,
    } = checkpoint;
    json!({ "ref": reference, "revision": revision, "digest": digest })
}

pub(super) fn skipped(reasons: &[SkippedTensor]) -> Value {
    reasons
        .iter()
        .map(|SkippedTensor { tensor, reason }| json!({ "tensor": tensor, "reason": reason }))
        .collect()
}

/// The metrics in the order of tables, then `reasons`, `phase` and `fit` where there are any.
pub(super) fn layer_metrics(metrics: &LayerMetrics) -> Value {
    let LayerMetrics {
        table,
        fit,
        profile: _,
        phase,
    } = metrics;
    let mut map = metric_table(table);
    if let Some(phase) = phase {
        map.insert("phase".into(), phase.as_str().into());
    }
    if let Some(fit) = fit {
        map.insert("fit".into(), Value::Object(metric_table(fit)));
    }
    Value::Object(map)
}

pub(super) fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Body => "body",
        Scope::Head => "head",
    }
}

/// Pretty JSON with a line end; characters that a reader could not see are escaped.
pub fn to_text(root: Map<String, Value>) -> String {
    let pretty = format!("{:#}\n", Value::Object(root));
    let mut text = String::with_capacity(pretty.len());
    let mut rest = pretty.chars();
    while let Some(character) = rest.next() {
        let ci_command = character == '#' && rest.as_str().starts_with("#[");
        if (is_hidden(character) && character != '\n') || ci_command {
            // Only inside a string: JSON's own syntax is visible and has no `#`.
            for unit in character.encode_utf16(&mut [0; 2]) {
                text.push_str("\\u");
                let digits = [12, 8, 4, 0].map(|shift| u32::from(*unit) >> shift & 0xf);
                text.extend(
                    digits
                        .iter()
                        .filter_map(|digit| char::from_digit(*digit, 16)),
                );
            }
        } else {
            text.push(character);
        }
    }
    text
}

fn policy_identity(policy: &PolicyIdentity) -> Value {
    let PolicyIdentity {
        name,
        digest,
        source,
    } = policy;
    json!({ "name": name, "digest": digest, "source": source })
}

fn coverage(coverage: &Coverage) -> Value {
    let Coverage {
        compared,
        skipped: count,
        parameters_share,
        reasons,
        name_map,
    } = coverage;
    json!({
        "compared": compared,
        "skipped": count,
        "parameters_share": number(*parameters_share),
        "reasons": skipped(reasons),
        "name_map": name_map,
    })
}

fn summary(judgement: &Judgement, layers: &[LayerComparison]) -> Value {
    use crate::code::Level;
    let count = |level| {
        judgement
            .findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    };
    let aggregates: Map<String, Value> = judgement
        .aggregates
        .iter()
        .map(|(name, value)| (name.clone(), number(value.get())))
        .collect();
    json!({
        "layers": layers.len(),
        "fail": count(Level::Fail),
        "warn": count(Level::Warn),
        "notes": count(Level::Note),
        "aggregates": aggregates,
        "undefined": judgement.undefined,
        "roles": roles::of_comparison(layers),
    })
}

fn finding(finding: &Finding) -> Value {
    let Finding {
        code,
        rule,
        level,
        layer,
        over,
        metric,
        base,
        tuned,
        observed,
        limit,
        message,
        origin,
        waived,
    } = finding;
    json!({
        "code": code.as_str(),
        "rule": rule,
        "level": level.as_str(),
        "layer": layer.as_ref().map(crate::layer::LayerName::as_str),
        "metric": metric.map(crate::spectrum::metric::Metric::as_str),
        "base": optional(*base),
        "tuned": optional(*tuned),
        "observed": optional(*observed),
        "limit": limit.map(limit_value),
        "message": message,
        "policy_line": origin.as_ref().and_then(|origin| origin.line),
        "policy_source": origin.as_ref().map(|origin| origin.source.as_str()),
        "waived": waived.as_ref().map(waived_value),
        "over": over,
    })
}

fn limit_value(limit: FindingLimit) -> Value {
    let FindingLimit { min, max } = limit;
    let mut map = Map::new();
    for (name, bound) in [("min", min), ("max", max)] {
        if let Some(bound) = bound {
            map.insert(name.into(), number(bound.get()));
        }
    }
    Value::Object(map)
}

fn waived_value(waived: &Waived) -> Value {
    let Waived {
        owner,
        reason,
        until,
        days_left,
        level,
    } = waived;
    json!({ "owner": owner, "reason": reason, "until": until, "days_left": days_left, "level": level.as_str() })
}

fn layer(layer: &LayerComparison) -> Value {
    let LayerComparison {
        name,
        kind,
        role,
        block,
        expert,
        scope,
        shape,
        base_dtype,
        tuned_dtype,
        base,
        tuned,
        drift,
        identical,
        quantisation_error,
        update_profile: _,
    } = layer;
    let mut map = Map::new();
    map.insert("name".into(), name.as_str().into());
    map.insert("role".into(), role.as_str().into());
    map.insert("block".into(), json!(block));
    map.insert("expert".into(), json!(expert));
    map.insert("kind".into(), kind_name(*kind).into());
    map.insert("scope".into(), scope_name(*scope).into());
    map.insert("shape".into(), json!(shape));
    map.insert("dtype".into(), tuned_dtype.as_str().into());
    if base_dtype != tuned_dtype {
        map.insert("base_dtype".into(), base_dtype.as_str().into());
    }
    map.insert("identical".into(), (*identical).into());
    if let Some(error) = quantisation_error {
        map.insert("quantisation_error".into(), number(error.get()));
    }
    map.insert("base".into(), layer_metrics(base));
    map.insert("tuned".into(), layer_metrics(tuned));
    map.insert("drift".into(), Value::Object(metric_table(drift)));
    if let Some(profile) = profile::to_json(layer) {
        map.insert("profile".into(), profile);
    }
    Value::Object(map)
}

fn kind_name(kind: LayerKind) -> &'static str {
    match kind {
        LayerKind::Matrix => "matrix",
        LayerKind::Vector => "vector",
    }
}

fn metric_table(table: &MetricTable) -> Map<String, Value> {
    let mut map = Map::new();
    let mut reasons = Map::new();
    for (metric, measured) in table.iter() {
        let name = metric.as_str();
        map.insert(name.into(), measured.value().map_or(Value::Null, number));
        if let Some(reason) = measured.reason() {
            reasons.insert(name.into(), reason_text(measured, reason.as_str()).into());
        }
    }
    if !reasons.is_empty() {
        map.insert("reasons".into(), Value::Object(reasons));
    }
    map
}

/// A failed computation is told apart from a metric without a meaning.
fn reason_text(measured: &Measured, reason: &str) -> String {
    match measured {
        Measured::Failed(_) => format!("failed: {reason}"),
        Measured::Value(_) | Measured::NotApplicable(_) => reason.to_owned(),
    }
}

fn optional(value: Option<Finite>) -> Value {
    value.map_or(Value::Null, |value| number(value.get()))
}

/// A whole number that f64 holds exactly prints as an integer.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the magnitude is checked to be below 2^53"
)]
pub fn number(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract().abs() <= 0.0 && value.abs() < EXACT {
        Value::from(value as i64)
    } else {
        // NaN and infinity have no JSON number: `null`.
        Value::from(value)
    }
}

#[cfg(test)]
mod tests;
