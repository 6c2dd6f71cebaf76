//! The policy's rules against the layers.

use std::collections::BTreeSet;

use super::{Finding, FindingLimit, UndefinedCount, aggregate};
use crate::code::{FindingCode, Level};
use crate::compare::{Comparison, LayerComparison, LayerKind};
use crate::layer::{self, Role, Scope};
use crate::num::Finite;
use crate::policy::{Aggregate, Limit, Policy, Rule, Undefined};
use crate::spectrum::metric::Subject;

pub(super) struct Outcome {
    pub(super) findings: Vec<Finding>,
    pub(super) undefined: Vec<UndefinedCount>,
}

pub(super) fn evaluate(comparison: &Comparison, policy: &Policy) -> Outcome {
    let mut outcome = Outcome {
        findings: Vec::new(),
        undefined: Vec::new(),
    };
    let blocks = block_count(comparison);
    for rule in &policy.rules {
        let selected: Vec<&LayerComparison> = comparison
            .layers
            .iter()
            .filter(|layer| selects(rule, layer, blocks))
            .collect();
        if !comparison.layers.is_empty() {
            outcome.findings.extend(unused(rule, &selected, comparison));
        }
        if !selected.is_empty() {
            evaluate_rule(rule, &selected, &mut outcome);
        }
    }
    outcome
}

/// Number of blocks that the names show: the largest index plus one.
pub(super) fn block_count(comparison: &Comparison) -> u32 {
    comparison
        .layers
        .iter()
        .filter_map(|layer| layer.block)
        .max()
        .map_or(0, |last| last + 1)
}

/// Rules judge the matrices of the body. Vectors are judged only where `roles` names `norm` or
/// `bias`, heads only where the rule names them (role `head`, or a glob with the head's own word).
pub(super) fn selects(rule: &Rule, layer: &LayerComparison, blocks: u32) -> bool {
    let named = rule.select.roles.contains(&layer.role);
    let vector_asked = named && matches!(layer.role, Role::Norm | Role::Bias);
    if layer.kind == LayerKind::Vector && !vector_asked {
        return false;
    }
    if layer.scope == Scope::Head && !(named || names_head(rule, layer)) {
        return false;
    }
    rule.select
        .matches(&layer.name, layer.role, layer.block, blocks)
}

fn names_head(rule: &Rule, layer: &LayerComparison) -> bool {
    layer::head_word(layer.name.as_str())
        .is_some_and(|word| rule.select.globs.iter().any(|glob| glob.contains(word)))
}

/// A rule or glob that matches nothing is likely a mistake; in a shipped policy it only means that
/// the model lacks such layers.
fn unused(rule: &Rule, selected: &[&LayerComparison], comparison: &Comparison) -> Vec<Finding> {
    let level = if rule.origin.line.is_some() {
        Level::Warn
    } else {
        Level::Note
    };
    let finding = |message: String| Finding {
        metric: Some(rule.metric),
        origin: Some(rule.origin.clone()),
        ..Finding::plain(FindingCode::UnusedRule, &rule.id, level, message)
    };
    let layers = comparison.layers.iter();
    let live: BTreeSet<usize> = layers
        .flat_map(|layer| rule.select.globs_of(&layer.name))
        .collect();
    let globs = rule.select.globs.iter().enumerate();
    let dead_globs = globs.filter(|(index, _)| !live.contains(index));
    let mut findings: Vec<Finding> = dead_globs
        .map(|(_, glob)| {
            finding(format!(
                "glob `{glob}` of rule `{}` matches no layer of the report",
                rule.id
            ))
        })
        .collect();
    if selected.is_empty() && findings.is_empty() {
        findings.push(finding(format!(
            "rule `{}` selects no layer that it may judge",
            rule.id
        )));
    }
    findings
}

fn evaluate_rule(rule: &Rule, selected: &[&LayerComparison], outcome: &mut Outcome) {
    let mut measured = Vec::new();
    let mut undefined = Vec::new();
    for layer in selected {
        match aggregate::value_of(layer, rule.metric) {
            Some(value) => measured.push((*layer, if rule.absolute { value.abs() } else { value })),
            None => undefined.push(*layer),
        }
    }
    if rule.aggregate == Aggregate::Each {
        each(rule, &measured, selected.len(), &mut outcome.findings);
    } else {
        folded(rule, &measured, &mut outcome.findings);
    }
    for layer in &undefined {
        outcome.findings.extend(undefined_finding(rule, layer));
    }
    if !undefined.is_empty() {
        outcome.undefined.push(UndefinedCount {
            rule: rule.id.clone(),
            metric: rule.metric,
            selected: selected.len(),
            undefined: undefined.len(),
        });
    }
}

/// The fail limit fires where enough layers are outside it; the layers that it did not report are
/// then held against the warn limit.
fn each(
    rule: &Rule,
    measured: &[(&LayerComparison, f64)],
    selected: usize,
    findings: &mut Vec<Finding>,
) {
    let mut rest: Vec<(&LayerComparison, f64)> = measured.to_vec();
    for (level, limit) in [(Level::Fail, rule.fail), (Level::Warn, rule.warn)] {
        let Some(limit) = limit else { continue };
        let (outside, inside): (Vec<_>, Vec<_>) = rest
            .iter()
            .copied()
            .partition(|(_, value)| limit.outside(*value).is_some());
        // Layers that failed count towards the warn limit's `at_least`, they are outside it too.
        let failed = measured.len() - rest.len();
        if limit.at_least.reached(outside.len() + failed, selected) && !outside.is_empty() {
            findings.extend(
                outside
                    .iter()
                    .map(|(layer, value)| each_finding(rule, layer, *value, level, &limit)),
            );
            rest = inside;
        }
    }
}

fn each_finding(
    rule: &Rule,
    layer: &LayerComparison,
    value: f64,
    level: Level,
    limit: &Limit,
) -> Finding {
    let name = if rule.absolute {
        format!("|{}|", rule.metric)
    } else {
        rule.metric.to_string()
    };
    let (base, tuned) = sides(rule, layer);
    Finding {
        layer: Some(layer.name.clone()),
        metric: Some(rule.metric),
        base,
        tuned,
        observed: Finite::new(value),
        limit: Some(FindingLimit {
            min: limit.min,
            max: limit.max,
        }),
        origin: Some(rule.origin.clone()),
        ..Finding::plain(
            rule.metric.code(),
            &rule.id,
            level,
            format!("{name} is {} ({})", number(value), bounds(limit)),
        )
    }
}

/// What base and tuned measured themselves, where the metric has such a side.
fn sides(rule: &Rule, layer: &LayerComparison) -> (Option<Finite>, Option<Finite>) {
    let Some(metric) = rule.metric.per_side() else {
        return (None, None);
    };
    let of =
        |table: &crate::spectrum::metric::MetricTable| table.value(metric).and_then(Finite::new);
    (of(&layer.base.table), of(&layer.tuned.table))
}

fn folded(rule: &Rule, measured: &[(&LayerComparison, f64)], findings: &mut Vec<Finding>) {
    let values: Vec<f64> = measured.iter().map(|(_, value)| *value).collect();
    let Some(value) = aggregate::fold(rule.aggregate, &values) else {
        return;
    };
    let tiers = [(Level::Fail, rule.fail), (Level::Warn, rule.warn)];
    let fired = tiers.iter().find_map(|(level, limit)| {
        limit
            .filter(|limit| limit.outside(value).is_some())
            .map(|limit| (*level, limit))
    });
    let Some((level, limit)) = fired else { return };
    let metric = rule.metric;
    let over = format!(
        "{} of {} layers",
        aggregate_name(rule.aggregate),
        values.len()
    );
    findings.push(Finding {
        over: Some(over.clone()),
        metric: Some(metric),
        observed: Finite::new(value),
        limit: Some(FindingLimit {
            min: limit.min,
            max: limit.max,
        }),
        origin: Some(rule.origin.clone()),
        ..Finding::plain(
            metric.code(),
            &rule.id,
            level,
            format!(
                "{metric}, {over}, is {} ({})",
                number(value),
                bounds(&limit)
            ),
        )
    });
}

fn aggregate_name(aggregate: Aggregate) -> &'static str {
    match aggregate {
        Aggregate::Each => "each",
        Aggregate::Mean => "mean",
        Aggregate::Median => "median",
        Aggregate::Max => "largest",
        Aggregate::Min => "smallest",
    }
}

fn undefined_finding(rule: &Rule, layer: &LayerComparison) -> Option<Finding> {
    let level = match rule.undefined {
        Undefined::Skip => return None,
        Undefined::Warn => Level::Warn,
        Undefined::Fail => Level::Fail,
    };
    let measured = match rule.metric.subject() {
        Subject::Checkpoint => layer.tuned.table.get(rule.metric),
        Subject::Pair => layer.drift.get(rule.metric),
    };
    let reason = measured.and_then(|measured| measured.reason());
    let reason = reason.map_or("it was not measured", |reason| reason.as_str());
    Some(Finding {
        layer: Some(layer.name.clone()),
        metric: Some(rule.metric),
        origin: Some(rule.origin.clone()),
        ..Finding::plain(
            rule.metric.code(),
            &rule.id,
            level,
            format!("{} has no value: {reason}", rule.metric),
        )
    })
}

/// How far a finding lies beyond its limit, relative to the limit's size, to show the worst first.
/// A finding without numbers is exact and comes first.
pub(super) fn excess(finding: &Finding) -> f64 {
    let (Some(observed), Some(limit)) = (finding.observed, finding.limit) else {
        return f64::INFINITY;
    };
    let beyond = |bound: Option<Finite>, sign: f64| {
        bound.map(|bound| {
            sign * (observed.get() - bound.get()) / crate::num::max(bound.get().abs(), 1e-12)
        })
    };
    let above = beyond(limit.max, 1.0).unwrap_or(f64::NEG_INFINITY);
    let below = beyond(limit.min, -1.0).unwrap_or(f64::NEG_INFINITY);
    crate::num::max(above, below)
}

/// `at most 0.3`, `2 to 6`.
fn bounds(limit: &Limit) -> String {
    match (limit.min, limit.max) {
        (Some(min), Some(max)) => format!("allowed {} to {}", number(min.get()), number(max.get())),
        (Some(min), None) => format!("at least {} is asked", number(min.get())),
        (None, Some(max)) => format!("at most {} is allowed", number(max.get())),
        (None, None) => "no limit".to_owned(),
    }
}

/// Four significant digits, without an exponent for ordinary sizes.
pub(super) fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e6).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    let digits = if magnitude >= 1000.0 {
        0
    } else if magnitude >= 1.0 {
        3
    } else {
        5
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}
