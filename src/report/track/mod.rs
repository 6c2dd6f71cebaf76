//! The flow over the checkpoints of a run: JSON and CSV for scripts, sparklines for people.

mod human;
mod json;
mod markdown;
mod page;
mod rows;

#[cfg(test)]
mod tests;

use crate::spectrum::metric::Metric;
use crate::track::{Flow, Stage, Subject, TRACKED};

use super::csv;

pub use human::human;
pub use json::json;
pub use markdown::markdown;
pub use page::html;

/// One row for each step of the model, of each role, and of each layer: `step,ref,subject,name,role`, then the
/// metrics, then `phase` and `confidence` for the model. An empty cell has no value; the JSON document
/// says why.
pub fn csv(flow: &Flow) -> String {
    let mut header = vec!["step", "ref", "subject", "name", "role"];
    header.extend(TRACKED.iter().map(|metric| metric.as_str()));
    header.extend(["phase", "confidence"]);
    let mut subjects: Vec<&Subject> = Vec::new();
    for series in &flow.series {
        if subjects.last() != Some(&&series.subject) {
            subjects.push(&series.subject);
        }
    }
    let rows = subjects
        .into_iter()
        .flat_map(|subject| (0..flow.steps.len()).map(move |step| csv_row(flow, subject, step)));
    csv::write(&header, rows)
}

fn csv_row(flow: &Flow, subject: &Subject, step: usize) -> Vec<String> {
    let (kind, name, role) = identity(flow, subject);
    let at = flow.steps.get(step);
    let mut row = vec![
        csv::text_cell(at.map_or("", |step| step.label.as_str())),
        csv::text_cell(at.map_or("", |step| step.checkpoint.reference.as_str())),
        kind.to_owned(),
        csv::text_cell(name),
        role.to_owned(),
    ];
    let value = |metric: Metric| {
        let series = flow.series_of(subject, metric)?;
        series.values.get(step)?.value()
    };
    row.extend(
        TRACKED
            .iter()
            .map(|metric| csv::number_cell(value(*metric))),
    );
    let stage = flow.stages.get(step).filter(|_| *subject == Subject::Model);
    let confidence = stage.and_then(|stage| stage.confidence);
    row.push(stage.map_or("", |stage| stage.stage.as_str()).to_owned());
    row.push(confidence.map_or("", |found| found.as_str()).to_owned());
    row
}

/// Kind, name and role of a subject; empty where it has none.
fn identity<'a>(flow: &'a Flow, subject: &'a Subject) -> (&'static str, &'a str, &'static str) {
    match subject {
        Subject::Model => ("model", "", ""),
        Subject::Role(role) => ("role", "", role.as_str()),
        Subject::Layer(name) => {
            let known = flow.layers.iter().find(|layer| layer.name == *name);
            let role = known.map_or("", |layer| layer.role.as_str());
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
