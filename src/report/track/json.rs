//! The flow as one JSON document.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::layer::Role;
use crate::num::Measured;
use crate::report::json as document;
use crate::track::{
    DISPUTED, Flow, Mark, MarkKind, Order, Problem, Recommendation, Series, StepStage, changes,
};

use super::{identity, roles_of_layers};

/// `steps` with their phases, `series` (one value a step, `null` with its reason under `reasons` by the
/// step's label), `marks`, `recommendation` and `problems`.
pub fn json(flow: &Flow) -> String {
    let mut root = document::head();
    let mut base = document::identity(&flow.base);
    if flow.base.digest.is_empty() {
        // A base that is no step is only compared with.
        base["digest"] = Value::Null;
    }
    root.insert("base".into(), base);
    root.insert("estimator".into(), json!(flow.estimator));
    let order = match flow.order {
        Order::ByNumber => "by-number",
        Order::AsGiven => "as-given",
    };
    root.insert("order".into(), order.into());
    root.insert("whole".into(), flow.is_whole().into());
    let steps = flow.steps.iter().zip(&flow.stages).map(|(step, stage)| {
        json!({
            "step": step.label,
            "checkpoint": document::identity(&step.checkpoint),
            "phase": phase(stage),
        })
    });
    root.insert("steps".into(), steps.collect());
    root.insert("recommendation".into(), recommendation(flow));
    root.insert("disputed".into(), DISPUTED.into());
    let unsearched: Vec<_> = flow
        .unsearched
        .iter()
        .filter_map(|step| label(flow, *step))
        .collect();
    root.insert(
        "search".into(),
        json!({
            "method": "generalised-esd-of-differences",
            "series": flow.tested_series,
            "level": changes::LEVEL,
            "unsearched": unsearched,
        }),
    );
    let marks = flow.marks.iter().map(|found| mark(flow, found));
    root.insert("marks".into(), marks.collect());
    let problems = flow.problems.iter().map(|found| problem(flow, found));
    root.insert("problems".into(), problems.collect());
    root.insert("skipped".into(), document::skipped(&flow.skipped));
    let layers = flow.layers.iter().map(|layer| {
        json!({
            "name": layer.name.as_str(),
            "role": layer.role.as_str(),
            "scope": document::scope_name(layer.scope),
            "shape": layer.shape,
        })
    });
    root.insert("layers".into(), layers.collect());
    let roles = roles_of_layers(flow);
    let series = flow.series.iter().map(|found| series(flow, &roles, found));
    root.insert("series".into(), series.collect());
    document::to_text(root)
}

fn label(flow: &Flow, step: usize) -> Option<&str> {
    flow.steps.get(step).map(|step| step.label.as_str())
}

fn phase(stage: &StepStage) -> Value {
    let StepStage {
        stage,
        confidence,
        reason,
    } = stage;
    json!({
        "name": stage.as_str(),
        "confidence": confidence.map(crate::track::Confidence::as_str),
        "reason": reason,
    })
}

fn recommendation(flow: &Flow) -> Value {
    match &flow.recommendation {
        Recommendation::Checkpoint { step, reason } => json!({
            "step": label(flow, *step),
            "ref": flow.steps.get(*step).map(|step| &step.checkpoint.reference),
            "reason": reason,
        }),
        Recommendation::None { reason } => json!({ "step": null, "ref": null, "reason": reason }),
    }
}

fn mark(flow: &Flow, mark: &Mark) -> Value {
    let Mark {
        step,
        kind,
        layer,
        metric,
        before,
        after,
        p_value,
        text,
    } = mark;
    let kind = match kind {
        MarkKind::Change => "change",
        MarkKind::Traps => "traps",
    };
    let from = step.checked_sub(1).and_then(|before| label(flow, before));
    json!({
        "step": label(flow, *step),
        "from": from,
        "kind": kind,
        "layer": layer.as_str(),
        "metric": metric.as_str(),
        "before": before.map(document::number),
        "after": after.map(document::number),
        "p_value": p_value.map(document::number),
        "message": text,
    })
}

fn problem(flow: &Flow, problem: &Problem) -> Value {
    json!({
        "step": label(flow, problem.step),
        "code": problem.fact.code.as_str(),
        "layer": problem.fact.layer.as_ref().map(crate::layer::LayerName::as_str),
        "note": problem.fact.note,
        "message": problem.fact.message,
    })
}

fn series(flow: &Flow, roles: &BTreeMap<&str, Role>, series: &Series) -> Value {
    let (subject, name, role) = identity(roles, &series.subject);
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let value = |measured: &Measured| measured.value().map_or(Value::Null, document::number);
    let values: Vec<Value> = series.values.iter().map(value).collect();
    let mut map = Map::new();
    map.insert("subject".into(), subject.into());
    map.insert("name".into(), json!(text(name)));
    map.insert("role".into(), json!(text(role)));
    map.insert("metric".into(), series.metric.as_str().into());
    map.insert("values".into(), values.into());
    let reasons: Map<String, Value> = series
        .values
        .iter()
        .enumerate()
        .filter_map(|(step, measured)| {
            let reason = measured.reason()?;
            Some((label(flow, step)?.to_owned(), reason.as_str().into()))
        })
        .collect();
    if !reasons.is_empty() {
        map.insert("reasons".into(), reasons.into());
    }
    map.insert("layers".into(), json!(series.counts));
    Value::Object(map)
}
