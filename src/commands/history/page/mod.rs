//! The page of a history: every run of the model and branch that ran last, whichever command writes it.

use std::collections::{BTreeMap, BTreeSet};

use super::limits::Window;
use crate::commands::CommandError;
use crate::history::{Act, HistoryStore, Run, Standing, standing};
use crate::layer::Role;
use crate::policy::Policy;
use crate::report::html::{self, RunAct, RunGroup, RunLimits, RunRow, RunsPage};
use crate::spectrum::metric::Metric;
use crate::verdict::baseline::JUDGED;

/// Newest runs that the page shows, beside those that are a reference.
const NEWEST: usize = 400;

/// What is drawn.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Those that the verdict follows where none is named.
    pub(super) metrics: Vec<Metric>,
    pub(super) role: Option<Role>,
}

/// # Errors
/// Where the store cannot be read, or the page cannot be put together.
pub(super) fn render(
    store: &mut HistoryStore,
    runs: &[Run],
    acts: &[Act],
    policy: &Policy,
    wanted: Wanted,
) -> Result<String, CommandError> {
    let own = of_newest(runs);
    let mut baselines = Vec::new();
    for key in group_keys(&own) {
        let newest = own.iter().rfind(|run| group_key(run) == key);
        if let Some(newest) = newest {
            let line = own.iter().map(|run| (*run).clone()).collect();
            baselines.push(store.baseline_after(newest, line, acts)?);
        }
    }
    let windows: Vec<Window<'_>> = baselines
        .iter()
        .map(|baseline| Window::new(baseline, policy))
        .collect();
    let page = page(runs, acts, store.location(), wanted, &windows);
    Ok(html::runs(&page)?)
}

/// Those of the model and branch that ran last.
fn of_newest(runs: &[Run]) -> Vec<&Run> {
    let same = |run: &&Run| {
        runs.last()
            .is_some_and(|newest| run.model == newest.model && run.branch == newest.branch)
    };
    runs.iter().filter(same).collect()
}

/// With the limits of each group, in the order of `group_keys`.
fn page(
    runs: &[Run],
    acts: &[Act],
    source: &str,
    wanted: Wanted,
    windows: &[Window<'_>],
) -> RunsPage {
    let Wanted { mut metrics, role } = wanted;
    if metrics.is_empty() {
        metrics = JUDGED.iter().map(|judged| judged.metric).collect();
    }
    let Some(newest) = runs.last() else {
        return RunsPage {
            source: source.to_owned(),
            ..RunsPage::default()
        };
    };
    let own = of_newest(runs);
    let keys = group_keys(&own);
    let members: Vec<Vec<&Run>> = keys
        .iter()
        .map(|key| {
            own.iter()
                .copied()
                .filter(|run| group_key(run) == *key)
                .collect()
        })
        .collect();
    let references: Vec<Option<&str>> = members
        .iter()
        .map(|members| reference(members, acts))
        .collect();
    let first = own.len().saturating_sub(NEWEST);
    let shown: Vec<&Run> = own
        .iter()
        .enumerate()
        .filter(|(at, run)| *at >= first || references.contains(&Some(run.id.as_str())))
        .map(|(_, run)| *run)
        .collect();
    let place = |id: &str| shown.iter().position(|run| run.id == id);
    RunsPage {
        model: newest.model.clone(),
        branch: newest.branch.clone(),
        source: source.to_owned(),
        others: others(runs, newest),
        older: own.len() - shown.len(),
        runs: shown.iter().map(|run| row(run, &keys, acts)).collect(),
        groups: members
            .iter()
            .zip(&references)
            .zip(windows)
            .filter_map(|((members, reference), window)| {
                let reference = reference.and_then(place);
                group(members, reference, &metrics, window)
            })
            .collect(),
        limits: LIMITS.to_owned(),
        metrics,
        role,
    }
}

const LIMITS: &str = "The limits are those of `history trend`: beyond them one more run would fail by the policy. For numbers \
     that it does not judge they are those that one run in 370 leaves by chance. Single layers and slow creeps are judged as \
     well, so that a run may fail inside all of these limits; earlier runs were judged by the limits of their time";

type GroupKey<'a> = (&'a str, &'a str);

/// Numbers on another base, or measured with other settings, are never compared.
fn group_key(run: &Run) -> GroupKey<'_> {
    (&run.base.digest, &run.estimator)
}

/// Of the newest run first.
fn group_keys<'a>(runs: &[&'a Run]) -> Vec<GroupKey<'a>> {
    let mut keys: Vec<GroupKey<'a>> = Vec::new();
    for run in runs.iter().rev() {
        if !keys.contains(&group_key(run)) {
            keys.push(group_key(run));
        }
    }
    keys
}

/// The last run that somebody accepted; where there is none, the first that its verdict accepts.
fn reference<'a>(runs: &[&'a Run], acts: &[Act]) -> Option<&'a str> {
    let of = |wanted| move |run: &&&'a Run| standing(run, acts) == wanted;
    let anchor = runs.iter().rev().find(of(Standing::Anchor));
    let found = anchor.or_else(|| runs.iter().find(of(Standing::Accepted)));
    found.map(|run| run.id.as_str())
}

fn row(run: &Run, keys: &[GroupKey<'_>], acts: &[Act]) -> RunRow {
    let own = acts.iter().filter(|act| act.run == run.id);
    RunRow {
        id: run.id.clone(),
        recorded: run.recorded.to_string(),
        commit: run.commit.clone(),
        tuned: run.tuned.reference.clone(),
        policy: run.policy.name.clone(),
        verdict: run.verdict,
        reason: run.reason.clone(),
        fail: run.fail,
        warn: run.warn,
        deviates: run.deviates,
        open: standing(run, acts) == Standing::Open,
        acts: own
            .map(|act| RunAct {
                by: act.by.clone(),
                reason: act.reason.clone(),
                time: act.acted.to_string(),
            })
            .collect(),
        group: keys
            .iter()
            .position(|key| *key == group_key(run))
            .unwrap_or_default(),
        levels: run.levels.clone(),
    }
}

/// `None` where it has no run.
fn group(
    members: &[&Run],
    reference: Option<usize>,
    metrics: &[Metric],
    window: &Window<'_>,
) -> Option<RunGroup> {
    let newest = members.last()?;
    let roles: BTreeSet<Option<Role>> = members
        .iter()
        .flat_map(|run| run.levels.0.keys())
        .map(|(_, role)| *role)
        .collect();
    let limits = roles.iter().flat_map(|role| {
        let found = metrics.iter().zip(window.limits(metrics, *role));
        found.filter_map(|(metric, limits)| {
            let limits = limits?;
            Some(RunLimits {
                metric: *metric,
                role: *role,
                centre: limits.centre,
                lower: limits.lower,
                upper: limits.upper,
                judged: limits.judged,
                runs: window.count(),
            })
        })
    });
    Some(RunGroup {
        base: newest.base.reference.clone(),
        base_digest: newest.base.digest.clone(),
        settings: newest.estimator.clone(),
        reference,
        limits: limits.collect(),
        about: window.about(),
    })
}

/// Runs of other models and branches, as sentences.
fn others(runs: &[Run], newest: &Run) -> Vec<String> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for run in runs {
        *counts.entry((&run.model, &run.branch)).or_default() += 1;
    }
    counts.remove(&(newest.model.as_str(), newest.branch.as_str()));
    counts
        .into_iter()
        .map(|((model, branch), count)| format!("{count} of {model}, branch {branch}"))
        .collect()
}

#[cfg(test)]
mod tests;
