//! The flow over the checkpoints of a run: JSON and CSV for scripts, sparklines for people.

mod human;
mod json;
mod markdown;
mod page;
mod rows;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::layer::Role;
use crate::spectrum::metric::Metric;
use crate::track::{Flow, Series, Stage, Subject, TRACKED};

use super::csv;

pub use human::human;
pub use json::json;
pub use markdown::markdown;
pub use page::html;

/// Kind of the whole model in a table.
const MODEL: &str = "model";

/// One row for each step of the model, of each role, and of each layer: `step,ref,subject,name,role`, then the
/// metrics, then `phase` and `confidence` for the model. An empty cell has no value; the JSON document
/// says why.
pub fn csv(flow: &Flow) -> String {
    let mut header = vec!["step", "ref", "subject", "name", "role"];
    header.extend(TRACKED.iter().map(|metric| metric.as_str()));
    header.extend(["phase", "confidence"]);
    // The series of one subject stand together, so that nothing is searched for in all of them.
    let subjects = flow
        .series
        .chunk_by(|one, next| one.subject == next.subject);
    let roles = roles_of_layers(flow);
    let rows = subjects
        .filter_map(<[Series]>::split_first)
        .flat_map(|(first, others)| {
            let columns = columns(first, others);
            let identity = identity(&roles, &first.subject);
            (0..flow.steps.len()).map(move |step| csv_row(flow, &columns, identity, step))
        });
    csv::write(&header, rows)
}

/// The series of one subject in the order of the columns.
fn columns<'a>(first: &'a Series, others: &'a [Series]) -> Vec<Option<&'a Series>> {
    let all = std::iter::once(first).chain(others);
    let of = |metric: &Metric| all.clone().find(|series| series.metric == *metric);
    TRACKED.iter().map(of).collect()
}

fn csv_row(
    flow: &Flow,
    columns: &[Option<&Series>],
    (kind, name, role): (&'static str, &str, &'static str),
    step: usize,
) -> Vec<String> {
    let at = flow.steps.get(step);
    let mut row = vec![
        csv::text_cell(at.map_or("", |step| step.label.as_str())),
        csv::text_cell(at.map_or("", |step| step.checkpoint.reference.as_str())),
        kind.to_owned(),
        csv::text_cell(name),
        role.to_owned(),
    ];
    let value = |column: Option<&Series>| column?.values.get(step)?.value();
    row.extend(
        columns
            .iter()
            .map(|column| csv::number_cell(value(*column))),
    );
    let stage = flow.stages.get(step).filter(|_| kind == MODEL);
    let confidence = stage.and_then(|stage| stage.confidence);
    row.push(stage.map_or("", |stage| stage.stage.as_str()).to_owned());
    row.push(confidence.map_or("", |found| found.as_str()).to_owned());
    row
}

fn roles_of_layers(flow: &Flow) -> BTreeMap<&str, Role> {
    let layers = flow.layers.iter();
    layers
        .map(|layer| (layer.name.as_str(), layer.role))
        .collect()
}

/// Kind, name and role of a subject; empty where it has none.
fn identity<'a>(
    roles: &BTreeMap<&str, Role>,
    subject: &'a Subject,
) -> (&'static str, &'a str, &'static str) {
    match subject {
        Subject::Model => (MODEL, "", ""),
        Subject::Role(role) => ("role", "", role.as_str()),
        Subject::Layer(name) => {
            let role = roles.get(name.as_str()).map_or("", |role| role.as_str());
            ("layer", name.as_str(), role)
        }
    }
}

/// How the stage of a step reads in a table.
fn stage_text(flow: &Flow, step: usize) -> String {
    let Some(found) = flow.stages.get(step) else {
        return "-".to_owned();
    };
    match (found.stage, found.confidence) {
        (Stage::Undetermined, _) | (_, None) => found.stage.as_str().to_owned(),
        (stage, Some(confidence)) => format!("{} ({})", stage.as_str(), confidence.as_str()),
    }
}
