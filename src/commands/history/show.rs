//! `tunegate history show`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::page::{self, Wanted};
use super::render;
use super::{filter, reader};
use crate::cli::{HistoryFormat, ShowArgs};
use crate::commands::{CommandError, Outcome, emit};
use crate::fs;
use crate::history::{Act, HistoryStore, Run, find, standing};
use crate::policy::Policy;
use crate::report::openmetrics::{self, Sample};

#[derive(Debug, Clone, Copy)]
enum Format {
    OpenMetrics,
    Html,
}

const FORMATS: &[(&str, Format)] = &[("openmetrics", Format::OpenMetrics), ("html", Format::Html)];

pub(super) fn run(args: &ShowArgs) -> Result<Outcome, CommandError> {
    let emits = emit::parse(&args.emit, FORMATS)?;
    let mut store = reader(&args.store)?;
    let filter = filter(&args.select);
    let (mut runs, acts) = store.runs(&filter)?;
    let mut texts = Vec::new();
    for emit in &emits {
        let text = match emit.format {
            Format::OpenMetrics => openmetrics::render(&samples(&runs)),
            // Its limits alone need the policy.
            Format::Html => {
                let policy = Policy::load(&args.policy.policy)?;
                page::render(&mut store, &runs, &acts, &policy, Wanted::default())?
            }
        };
        texts.push((&emit.path, text));
    }
    let write = || {
        let mut texts = texts.iter();
        texts.try_for_each(|(path, text)| fs::write_atomic(path, text.as_bytes()))
    };
    if let Some(text) = &args.run {
        let run = find(text, runs)?;
        write()?;
        return one(&mut store, &run, &acts, args.output.format);
    }
    write()?;
    let hidden = runs.len().saturating_sub(args.last);
    runs.drain(..hidden);
    let document = match args.output.format {
        HistoryFormat::Json => {
            let runs: Vec<Value> = runs.iter().map(|run| listed(run, &acts)).collect();
            render::document("runs", runs.into())
        }
        HistoryFormat::Human => {
            let mut text = render::table(&runs, &acts);
            if hidden > 0 {
                text.extend([format!("  {hidden} older runs: --last N shows more\n")]);
            }
            text
        }
        HistoryFormat::Markdown => render::markdown_table(&runs, &acts),
    };
    Ok(Outcome::document(document))
}

fn listed(run: &Run, acts: &[Act]) -> Value {
    let mut value = render::summary(run);
    value["standing"] = standing(run, acts).as_str().into();
    value["acts"] = render::acts(run, acts);
    value
}

fn one(
    store: &mut HistoryStore,
    run: &Run,
    acts: &[Act],
    format: HistoryFormat,
) -> Result<Outcome, CommandError> {
    Ok(Outcome::document(match format {
        HistoryFormat::Human => render::details(run, acts),
        HistoryFormat::Markdown => render::markdown_table(std::slice::from_ref(run), acts),
        HistoryFormat::Json => {
            let mut value = listed(run, acts);
            value["levels"] = levels(run);
            value["layers"] = json!(store.layers(&run.id)?);
            render::document("run", value)
        }
    }))
}

/// The medians by metric, then by role; `all` stands for every role together.
fn levels(run: &Run) -> Value {
    let mut named: BTreeMap<&str, BTreeMap<&str, f64>> = BTreeMap::new();
    for ((metric, role), value) in &run.levels.0 {
        let role = role.map_or("all", crate::layer::Role::as_str);
        let roles = named.entry(metric.as_str()).or_default();
        roles.insert(role, value.get());
    }
    json!(named)
}

/// The newest run of each model and branch.
fn samples(runs: &[Run]) -> Vec<Sample<'_>> {
    let mut newest: BTreeMap<(&str, &str), &Run> = BTreeMap::new();
    for run in runs {
        newest.insert((&run.model, &run.branch), run);
    }
    newest.into_values().map(sample).collect()
}

fn sample(run: &Run) -> Sample<'_> {
    Sample {
        labels: vec![("model", &run.model), ("branch", &run.branch)],
        info: vec![
            ("base", &run.base.digest),
            ("tuned", &run.tuned.digest),
            ("run", &run.id),
        ],
        verdict: run.verdict,
        fail: u64::from(run.fail),
        warn: u64::from(run.warn),
        levels: &run.levels,
        seconds: Some(run.recorded.as_second()),
    }
}
