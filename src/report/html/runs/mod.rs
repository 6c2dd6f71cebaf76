//! What a history gives the page of its runs. Texts are as they were stored: the page escapes them.

mod text;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::compare::Levels;
use crate::layer::Role;
use crate::report::escape;
use crate::report::json::number;
use crate::spectrum::metric::Metric;
use crate::verdict::Verdict;

pub(super) use text::RunsText;

/// The runs of one model and branch.
#[derive(Debug, Clone, Default)]
pub struct RunsPage {
    pub model: String,
    pub branch: String,
    /// Where the history is.
    pub source: String,
    /// What else it holds, and how to see that.
    pub others: Vec<String>,
    /// Older runs, which the page does not show.
    pub older: usize,
    /// Metrics with a chart each.
    pub metrics: Vec<Metric>,
    /// Shown first; `None`: all matrices of the body.
    pub role: Option<Role>,
    /// Oldest first.
    pub runs: Vec<RunRow>,
    /// Runs whose numbers can be compared, those of the newest run first.
    pub groups: Vec<RunGroup>,
    /// What the limits are, as a sentence.
    pub limits: String,
}

#[derive(Debug, Clone)]
pub struct RunRow {
    pub id: String,
    /// RFC 3339 in UTC.
    pub recorded: String,
    pub commit: Option<String>,
    pub tuned: String,
    pub policy: String,
    pub verdict: Verdict,
    pub reason: String,
    /// Findings at level fail, and at level warn.
    pub fail: u32,
    pub warn: u32,
    /// Fails against the runs before it.
    pub deviates: bool,
    /// Waits for somebody to accept it.
    pub open: bool,
    pub acts: Vec<RunAct>,
    /// Index into the groups.
    pub group: usize,
    pub levels: Levels,
}

/// Somebody accepted a run.
#[derive(Debug, Clone)]
pub struct RunAct {
    pub by: String,
    pub reason: String,
    /// RFC 3339 in UTC.
    pub time: String,
}

/// Runs on one base, measured with the same settings.
#[derive(Debug, Clone, Default)]
pub struct RunGroup {
    pub base: String,
    pub base_digest: String,
    /// Digest of the settings.
    pub settings: String,
    /// Index of the run that later ones are judged against.
    pub reference: Option<usize>,
    pub limits: Vec<RunLimits>,
    /// What they are, or why there are none: a sentence without its full stop.
    pub about: String,
}

/// Limits of one number over the runs.
#[derive(Debug, Clone)]
pub struct RunLimits {
    pub metric: Metric,
    pub role: Option<Role>,
    pub centre: f64,
    pub lower: f64,
    pub upper: f64,
    /// The policy judges the number by them.
    pub judged: bool,
    /// How many runs set them.
    pub runs: usize,
}

impl RunsPage {
    /// Every role that a run has a number for, after all matrices together.
    fn roles(&self) -> Vec<Option<Role>> {
        let keys = self.runs.iter().flat_map(|run| run.levels.0.keys());
        let found: std::collections::BTreeSet<Option<Role>> = keys
            .filter(|(metric, _)| self.metrics.contains(metric))
            .map(|(_, role)| *role)
            .chain([None])
            .collect();
        found.into_iter().collect()
    }
}

impl RunGroup {
    /// Which runs these are, for a list of several.
    fn name(&self) -> String {
        let digest = |text: &str| {
            let bare = text.strip_prefix("sha256:").unwrap_or(text);
            bare.chars().take(8).collect::<String>()
        };
        format!(
            "base {} ({}), settings {}",
            escape::terminal(&self.base),
            digest(&self.base_digest),
            digest(&self.settings)
        )
    }
}

/// Day and minute of an RFC 3339 time.
fn minute(time: &str) -> String {
    let short: String = time.chars().take(16).collect();
    escape::terminal(&short.replace('T', " "))
}

fn role_name(role: Option<Role>) -> &'static str {
    role.map_or("", Role::as_str)
}

/// What the charts and the table are drawn from, by column.
pub(super) fn data(page: &RunsPage) -> Value {
    let column =
        |of: &dyn Fn(&RunRow) -> Value| -> Value { page.runs.iter().map(of).collect::<Value>() };
    let roles = page.roles();
    let mut values: BTreeMap<&str, BTreeMap<&str, Value>> = BTreeMap::new();
    for metric in &page.metrics {
        for role in &roles {
            let level = |run: &RunRow| run.levels.get(*metric, *role).map_or(Value::Null, number);
            let of_metric = values.entry(metric.as_str()).or_default();
            of_metric.insert(role_name(*role), column(&level));
        }
    }
    let metrics: Vec<&str> = page.metrics.iter().map(|metric| metric.as_str()).collect();
    let roles: Vec<&str> = roles.into_iter().map(role_name).collect();
    json!({
        "metrics": metrics,
        "roles": roles,
        "role": role_name(page.role),
        "recorded": column(&|run| minute(&run.recorded).into()),
        "id": column(&|run| escape::terminal(&run.id).into()),
        "commit": column(&|run| run.commit.as_deref().map(escape::terminal).into()),
        "verdict": column(&|run| run.verdict.as_str().into()),
        "reason": column(&|run| escape::terminal(&run.reason).into()),
        "findings": column(&|run| (u64::from(run.fail) * 1_000_000 + u64::from(run.warn)).into()),
        "open": column(&|run| run.open.into()),
        "accepted": column(&|run| {
            run.acts.last().map(|act| escape::terminal(&format!("{}: {}", act.by, act.reason))).into()
        }),
        "group": column(&|run| run.group.into()),
        "groups": page.groups.iter().map(group).collect::<Value>(),
        "values": values,
    })
}

fn group(group: &RunGroup) -> Value {
    let limits = group.limits.iter().map(|limits| {
        json!({
            "metric": limits.metric.as_str(),
            "role": role_name(limits.role),
            "centre": number(limits.centre),
            "lower": number(limits.lower),
            "upper": number(limits.upper),
            "judged": limits.judged,
            "runs": limits.runs,
        })
    });
    json!({
        "name": group.name(),
        "reference": group.reference,
        "limits": limits.collect::<Value>(),
        "about": group.about,
    })
}

#[cfg(test)]
mod tests;
