//! What is read of the runs without scripts: how they stand, and a table of them. Escaped for HTML.

use serde::Serialize;

use super::{RunAct, RunGroup, RunRow, RunsPage, minute, role_name};
use crate::report::escape;
use crate::report::number;
use crate::report::view::{Pair, Target, short_digest};

/// Of a commit.
const SHORT: usize = 12;
/// Characters of a reason that is folded up.
const LONG: usize = 160;

#[derive(Debug, Clone, Default, Serialize)]
pub(in crate::report::html) struct RunsText {
    pub(in crate::report::html) title: String,
    pub(in crate::report::html) tone: &'static str,
    pub(in crate::report::html) heading: String,
    pub(in crate::report::html) sentence: String,
    /// Name, value and what belongs to it.
    #[serde(skip)]
    pub(in crate::report::html) facts: Vec<(&'static str, (String, String))>,
    counts: Vec<Pair>,
    metrics: Vec<&'static str>,
    /// Empty for all matrices of the body.
    role: &'static str,
    /// Newest first.
    pub(in crate::report::html) rows: Vec<Row>,
    several: bool,
    older: usize,
    others: Vec<String>,
    limits: String,
    groups: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(in crate::report::html) struct Row {
    /// Place of the run in the data.
    index: usize,
    time: String,
    commit: String,
    whole_commit: String,
    tuned: String,
    verdict: &'static str,
    open: bool,
    deviates: bool,
    reference: bool,
    fail: u32,
    warn: u32,
    reason: String,
    /// Start of a long reason, which is shown in full on request; else empty.
    start: String,
    acts: Vec<ActText>,
    values: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
struct ActText {
    by: String,
    reason: String,
    time: String,
}

impl RunsText {
    pub(in crate::report::html) fn of(page: &RunsPage) -> Self {
        let model = Target::Html.code(&page.model);
        let (tone, heading, sentence) = standing(page);
        Self {
            title: match page.runs.last() {
                Some(newest) => format!("{}: runs of {model}", newest.verdict.as_str()),
                None => "no runs".to_owned(),
            },
            tone,
            heading,
            sentence,
            facts: facts(page),
            counts: counts(page),
            metrics: page.metrics.iter().map(|metric| metric.as_str()).collect(),
            role: role_name(page.role),
            rows: rows(page),
            several: page.groups.len() > 1,
            older: page.older,
            others: page.others.iter().map(|text| escape::html(text)).collect(),
            limits: Target::Html.text(&page.limits),
            groups: page
                .groups
                .iter()
                .map(|group| escape::html(&group.name()))
                .collect(),
        }
    }
}

/// Tone, heading and sentence: how the runs stand.
fn standing(page: &RunsPage) -> (&'static str, String, String) {
    let (Some(newest), Some(group)) = (page.runs.last(), page.groups.first()) else {
        let sentence = "The history holds no run that matches. <code>tunegate check --history STORE</code> records one.";
        return ("none", "No run yet".to_owned(), sentence.to_owned());
    };
    let verdict = newest.verdict.as_str();
    let open = open_since(page, group);
    let heading = match open.len() {
        0 => capitalised(verdict),
        1 => format!("{}, 1 run open", capitalised(verdict)),
        count => format!("{}, {count} runs open", capitalised(verdict)),
    };
    let whole = Target::Html.text(newest.reason.trim_end_matches('.'));
    let folded = start(&newest.reason);
    let said = [&folded, &whole].into_iter().find(|text| !text.is_empty());
    let said = said.map_or(verdict, String::as_str);
    let since = match group.reference {
        Some(_) => " since the reference",
        None => "",
    };
    let waiting = match open.as_slice() {
        [] => format!("No run{since} is open."),
        [only] => format!(
            "One run{since}, of {}, is open: it waits for somebody to accept it.",
            at(&only.recorded)
        ),
        [first, ..] => format!(
            "{} runs{since} are open, the first of {}: they wait for somebody to accept them.",
            open.len(),
            at(&first.recorded)
        ),
    };
    let newest = at(&newest.recorded);
    let reference = reference(page, group);
    let sentence = format!("The newest run, of {newest}: {said}. {waiting} {reference}");
    (verdict, heading, sentence)
}

/// Open runs of the newest run's group, from its reference on.
fn open_since<'a>(page: &'a RunsPage, group: &RunGroup) -> Vec<&'a RunRow> {
    let from = group.reference.unwrap_or(0);
    let rows = page.runs.iter().skip(from);
    rows.filter(|run| run.group == 0 && run.open).collect()
}

fn reference(page: &RunsPage, group: &RunGroup) -> String {
    let Some(run) = group.reference.and_then(|index| page.runs.get(index)) else {
        return "No run on this base and with these settings is accepted yet, so there is no reference.".to_owned();
    };
    let time = at(&run.recorded);
    match run.acts.last() {
        Some(RunAct { by, reason, .. }) => format!(
            "The reference is the run of {time}, accepted by {}: {}.",
            escape::html(by),
            escape::html(reason.trim_end_matches('.'))
        ),
        None => format!(
            "The reference is the run of {time}, the first that was accepted by its verdict."
        ),
    }
}

fn facts(page: &RunsPage) -> Vec<(&'static str, (String, String))> {
    let mut facts = Vec::new();
    let mut fact = |name, value: &str, more: String| {
        if !value.is_empty() {
            facts.push((name, (escape::html(value), more)));
        }
    };
    fact("model", &page.model, String::new());
    fact("branch", &page.branch, String::new());
    if let Some(group) = page.groups.first() {
        let digest = escape::html(&short_digest(&group.base_digest));
        fact("base", &group.base, digest);
    }
    if let Some(newest) = page.runs.last() {
        fact("policy", &newest.policy, String::new());
    }
    fact("history", &page.source, String::new());
    facts
}

fn counts(page: &RunsPage) -> Vec<Pair> {
    let mut counts = vec![("runs", page.runs.len())];
    for verdict in ["pass", "warn", "inconclusive", "fail"] {
        let of = page.runs.iter();
        let found = of.filter(|run| run.verdict.as_str() == verdict).count();
        counts.push((verdict, found));
    }
    let accepted = page.runs.iter().filter(|run| !run.acts.is_empty()).count();
    counts.push(("accepted by somebody", accepted));
    let pair = |(name, count): (&str, usize)| Pair {
        name: name.to_owned(),
        value: count.to_string(),
    };
    counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(pair)
        .collect()
}

fn rows(page: &RunsPage) -> Vec<Row> {
    let of = |(index, run): (usize, &RunRow)| {
        let commit = run.commit.as_deref().unwrap_or_default();
        Row {
            index,
            time: at(&run.recorded),
            commit: escape::html(&commit.chars().take(SHORT).collect::<String>()),
            whole_commit: escape::html(commit),
            tuned: escape::html(&run.tuned),
            verdict: run.verdict.as_str(),
            open: run.open,
            deviates: run.deviates,
            reference: page
                .groups
                .iter()
                .any(|group| group.reference == Some(index)),
            fail: run.fail,
            warn: run.warn,
            reason: Target::Html.text(&run.reason),
            start: start(&run.reason),
            acts: run.acts.iter().map(act).collect(),
            values: page
                .metrics
                .iter()
                .map(|metric| {
                    let value = run.levels.get(*metric, page.role);
                    value.map_or_else(|| "–".to_owned(), number::short)
                })
                .collect(),
        }
    };
    page.runs.iter().enumerate().rev().map(of).collect()
}

/// The first words of a reason that would make its row tall.
fn start(reason: &str) -> String {
    if reason.chars().count() <= LONG {
        return String::new();
    }
    let start: String = reason.chars().take(LONG / 2).collect();
    let words = start.rsplit_once(' ').map_or(&*start, |(words, _)| words);
    escape::html(&format!("{}…", words.trim_end_matches([',', ';'])))
}

fn act(act: &RunAct) -> ActText {
    ActText {
        by: escape::html(&act.by),
        reason: escape::html(&act.reason),
        time: at(&act.time),
    }
}

fn at(time: &str) -> String {
    escape::html(&minute(time))
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}
