//! From tests to the few findings that a reader needs: one for the model, else one for the roles, and
//! single layers only where they stick out of a model that is otherwise as expected.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::drift::Creep;
use super::layers::LayerTest;
use super::levels::{LevelTest, worst_roles};
use super::{Bounds, GoodRuns, text};
use crate::code::{FindingCode, Level};
use crate::compare::RunLayer;
use crate::layer::{LayerName, Role};
use crate::num::Finite;
use crate::spectrum::metric::Metric;
use crate::verdict::rules::number;
use crate::verdict::{Finding, FindingLimit, Trend};

/// Single layers that are listed; the others are counted.
const LISTED: usize = 5;
/// Other metrics and roles that a message names.
const NAMED: usize = 3;

fn limit(bounds: Bounds) -> FindingLimit {
    FindingLimit {
        min: Finite::new(bounds.min),
        max: Finite::new(bounds.max),
    }
}

/// The tests that fired, the worst first: by level, then by how far they are out.
fn fired(tests: &[LevelTest], of_roles: bool) -> Vec<&LevelTest> {
    let mut fired: Vec<&LevelTest> = tests
        .iter()
        .filter(|test| test.role.is_some() == of_roles && test.level.is_some())
        .collect();
    fired.sort_by(|left, right| {
        right
            .level
            .cmp(&left.level)
            .then(right.excess().total_cmp(&left.excess()))
    });
    fired
}

fn worst_level(tests: &[&LevelTest]) -> Option<Level> {
    tests.iter().filter_map(|test| test.level).max()
}

/// The model's medians that are out, as one finding; else, or where they are worse, those of roles.
pub(super) fn of_levels(
    good: &GoodRuns<'_>,
    tests: &[LevelTest],
    layers: &[LayerTest<'_>],
    current: &[RunLayer],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let model = fired(tests, false);
    findings.extend(model.first().map(|worst| {
        let over = median_of(current, worst.metric(), None);
        let roles = worst_roles(tests, worst.metric());
        let outside = share_outside(worst, layers);
        finding(good, &model, over, &[outside, named_roles(&roles)])
    }));
    // A role's own departure, where it weighs more than what the model's finding says already.
    let said = worst_level(&model);
    let roles: Vec<&LevelTest> = fired(tests, true)
        .into_iter()
        .filter(|test| test.level > said)
        .collect();
    findings.extend(roles.first().map(|worst| {
        let over = median_of(current, worst.metric(), worst.role);
        finding(good, &roles, over, &[])
    }));
    findings
}

fn finding(
    good: &GoodRuns<'_>,
    tests: &[&LevelTest],
    over: String,
    remarks: &[Option<String>],
) -> Finding {
    let worst = tests[0];
    let role = worst
        .role
        .map_or_else(String::new, |role| format!(" of {role}"));
    let mut message = format!(
        "{}{role}, {over}, is {} where {} give {} ({} to {} is allowed)",
        worst.metric(),
        number(worst.observed),
        text::runs(good),
        number(worst.expected.centre_value()),
        number(worst.bounds.min),
        number(worst.bounds.max),
    );
    let others: Vec<String> = tests
        .iter()
        .skip(1)
        .take(NAMED)
        .map(|other| text::test(other))
        .collect();
    if !others.is_empty() {
        message.push_str("; also outside: ");
        message.push_str(&others.join(", "));
        if tests.len() > NAMED + 1 {
            let _ = write!(message, " and {} more", tests.len() - NAMED - 1);
        }
    }
    for remark in remarks.iter().flatten() {
        message.push_str("; ");
        message.push_str(remark);
    }
    message.push_str("; ");
    message.push_str(text::RECIPE);
    let code = FindingCode::BaselineDeviation;
    Finding {
        over: Some(over),
        metric: Some(worst.metric()),
        observed: Finite::new(worst.observed),
        limit: Some(limit(worst.bounds)),
        ..Finding::plain(
            code,
            code.as_str(),
            worst.level.unwrap_or(Level::Warn),
            message,
        )
    }
}

/// `median of 22 layers`, of those that have a value.
fn median_of(current: &[RunLayer], metric: Metric, role: Option<Role>) -> String {
    let count = current
        .iter()
        .filter(|layer| super::good::is_body_matrix(layer))
        .filter(|layer| role.is_none_or(|role| role == layer.role))
        .filter(|layer| layer.metrics.contains_key(&metric))
        .count();
    format!("median of {}", text::plural(count, "layer"))
}

/// How many layers left their own centre with the model, in the same direction.
fn share_outside(worst: &LevelTest, layers: &[LayerTest<'_>]) -> Option<String> {
    let metric = worst.metric();
    let own: Vec<_> = layers
        .iter()
        .filter(|test| test.model.judged.metric == metric)
        .collect();
    let out = own.iter().filter(|test| {
        let both = test.model.spread.with(worst.expected.spread);
        test.deviation * worst.deviation > 0.0
            && test.deviation.abs() >= worst.expected.judged.warn
            && both.prediction_p(test.deviation, test.model.runs) <= 0.05
    });
    let count = out.count();
    (!own.is_empty()).then(|| format!("{count} of {} layers are outside their own", own.len()))
}

fn named_roles(roles: &[Role]) -> Option<String> {
    let names: Vec<&str> = roles.iter().take(NAMED).map(|role| role.as_str()).collect();
    (!names.is_empty()).then(|| format!("most in {}", names.join(", ")))
}

/// Single layers. Where the model's medians are out already, its finding counts those that are no worse.
pub(super) fn of_layers(
    good: &GoodRuns<'_>,
    levels: &[LevelTest],
    layers: &[LayerTest<'_>],
) -> Vec<Finding> {
    let said = worst_level(&fired(levels, false));
    // Where roles are out, the worst layer is an example of it.
    let roles = levels.iter().any(|test| test.level.is_some());
    let listed = if roles { 1 } else { LISTED };
    let mut by_layer: BTreeMap<&LayerName, Vec<&LayerTest<'_>>> = BTreeMap::new();
    for test in layers.iter().filter(|test| test.level > said) {
        by_layer.entry(test.model.name).or_default().push(test);
    }
    let mut worst: Vec<Vec<&LayerTest<'_>>> = by_layer.into_values().collect();
    for tests in &mut worst {
        tests.sort_by(|left, right| by_weight(left, right));
    }
    worst.sort_by(|left, right| by_weight(left[0], right[0]));
    let mut findings: Vec<Finding> = worst
        .iter()
        .take(listed)
        .map(|tests| layer_finding(good, tests))
        .collect();
    if let Some(next) = worst.get(listed) {
        let code = FindingCode::BaselineDeviation;
        let level = next[0].level.unwrap_or(Level::Warn);
        let message = format!(
            "{} beyond their limits too, {} the worst of them",
            text::plural(worst.len() - listed, "more layer"),
            next[0].model.name
        );
        findings.push(Finding::plain(code, code.as_str(), level, message));
    }
    findings
}

fn by_weight(left: &LayerTest<'_>, right: &LayerTest<'_>) -> std::cmp::Ordering {
    right
        .level
        .cmp(&left.level)
        .then(right.excess().total_cmp(&left.excess()))
        .then(left.model.name.cmp(right.model.name))
}

fn layer_finding(good: &GoodRuns<'_>, tests: &[&LayerTest<'_>]) -> Finding {
    let worst = tests[0];
    let metric = worst.model.judged.metric;
    let bounds = text::layer_bounds(worst.model, worst.shift, worst.half_width);
    let mut message = format!(
        "{metric} is {} where {} of this layer give {}, and the other layers of its role did not move with it",
        text::value_in(worst.observed, bounds),
        text::runs(good),
        number(worst.model.judged.scale.inverse(worst.model.centre)),
    );
    let others: Vec<String> = tests
        .iter()
        .skip(1)
        .map(|other| format!("{} {}", other.model.judged.metric, number(other.observed)))
        .collect();
    if !others.is_empty() {
        message.push_str("; also ");
        message.push_str(&others.join(", "));
    }
    let code = FindingCode::BaselineDeviation;
    Finding {
        layer: Some(worst.model.name.clone()),
        metric: Some(metric),
        observed: Finite::new(worst.observed),
        limit: Some(limit(bounds)),
        ..Finding::plain(
            code,
            code.as_str(),
            worst.level.unwrap_or(Level::Warn),
            message,
        )
    }
}

/// A slow creep, as one finding: the worst number, since when, and where.
pub(super) fn of_creeps(good: &GoodRuns<'_>, trend: &Trend, creeps: &[Creep]) -> Vec<Finding> {
    let Some(worst) = creeps.first() else {
        return Vec::new();
    };
    let since = worst.since.and_then(|index| {
        let series = &trend.series[worst.series];
        series.points.get(index)
    });
    let since = since.map_or_else(String::new, |point| {
        let when = if point.recorded.is_empty() {
            String::new()
        } else {
            format!(" of {}", point.recorded)
        };
        format!(" since run {}{when}", point.run)
    });
    let role = worst
        .role
        .map_or_else(String::new, |role| format!(" of {role}"));
    let far = match worst.far {
        0 => "no single run of which is".to_owned(),
        1 => "one run of which is".to_owned(),
        count => format!("{count} runs of which are"),
    };
    let mut message = format!(
        "{}{role} has moved from {} to {} (weighted mean, {} to {} is allowed){since}, {far} far out",
        worst.judged.metric,
        number(worst.centre),
        number(worst.level),
        number(worst.bounds.min),
        number(worst.bounds.max),
    );
    let metrics: BTreeSet<&str> = creeps
        .iter()
        .skip(1)
        .map(|creep| creep.judged.metric.as_str())
        .filter(|metric| *metric != worst.judged.metric.as_str())
        .collect();
    if !metrics.is_empty() {
        let names: Vec<&str> = metrics.into_iter().collect();
        let _ = write!(message, "; also {}", names.join(", "));
    }
    let roles: Vec<Role> = creeps
        .iter()
        .filter(|creep| creep.judged.metric == worst.judged.metric)
        .filter_map(|creep| creep.role)
        .filter(|role| worst.role != Some(*role))
        .collect();
    if let Some(roles) = named_roles(&roles) {
        message.push_str("; ");
        message.push_str(&roles);
    }
    let reference = if good.anchored() {
        "the accepted reference"
    } else {
        "the first runs"
    };
    let _ = write!(message, "; judged against {reference}; {}", text::RECIPE);
    let code = FindingCode::DriftTrend;
    vec![Finding {
        over: Some("weighted mean over runs".to_owned()),
        metric: Some(worst.judged.metric),
        observed: Finite::new(worst.level),
        limit: Some(limit(worst.bounds)),
        ..Finding::plain(code, code.as_str(), Level::Warn, message)
    }]
}
