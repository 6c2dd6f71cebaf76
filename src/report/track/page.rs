//! The flow as a page: lines of the model, of each role and of the layers that were asked for or have a
//! mark.

use crate::code::Level;
use crate::layer::Role;
use crate::report::html::{self, FlowMark, FlowSection, FlowSeries, FlowText};
use crate::report::templates::TemplateError;
use crate::report::view::Target;
use crate::track::{DISPUTED, Flow, Series, Subject};

use super::rows;

/// # Errors
/// Where the page cannot be put together.
pub fn html(flow: &Flow, with_layers: bool) -> Result<String, TemplateError> {
    let title = format!("Spectral flow from {}", flow.base.reference);
    html::flow(&title, &section(flow, with_layers))
}

fn section(flow: &Flow, with_layers: bool) -> FlowSection {
    FlowSection {
        steps: flow.steps.iter().map(|step| step.label.clone()).collect(),
        series: flow
            .series
            .iter()
            .filter_map(|series| line(flow, series, with_layers))
            .collect(),
        marks: flow
            .marks
            .iter()
            .map(|mark| FlowMark {
                step: mark.step,
                metric: mark.metric,
                text: format!("{}: {}", mark.layer, mark.text),
                level: Level::Note,
            })
            .collect(),
        text: text(flow),
    }
}

/// What the other renderings say, and each step's checkpoint and the reason of its phase.
fn text(flow: &Flow) -> FlowText {
    let target = Target::Html;
    let mut titles: Vec<String> = rows::step_titles().into_iter().map(str::to_owned).collect();
    titles.extend(["why this phase", "checkpoint"].map(str::to_owned));
    let mut rows = rows::step_rows(flow, target);
    for ((row, step), stage) in rows.iter_mut().zip(&flow.steps).zip(&flow.stages) {
        row.push(target.text(&stage.reason));
        let checkpoint = &step.checkpoint;
        let place = match &checkpoint.revision {
            Some(revision) => format!("{} at {revision}", checkpoint.reference),
            None => checkpoint.reference.clone(),
        };
        row.push(target.code(&place));
    }
    FlowText {
        sentence: rows::sentence(flow, target),
        whole: flow.is_whole(),
        titles,
        rows,
        marks: rows::mark_lines(flow, target),
        search: target.text(&rows::search_text(flow)),
        problems: rows::problem_lines(flow, target),
        recommendation: rows::recommendation(flow, target),
        disputed: target.text(DISPUTED),
        skipped: flow.skipped.clone(),
        estimator: flow.estimator.clone(),
    }
}

/// `None` for a layer that is not shown, and where no step has a value.
fn line(flow: &Flow, series: &Series, with_layers: bool) -> Option<FlowSeries> {
    let (name, role) = match &series.subject {
        Subject::Model => ("all matrices".to_owned(), None),
        Subject::Role(role) => (role.to_string(), Some(*role)),
        Subject::Layer(layer) => {
            let shown = with_layers || flow.marks.iter().any(|mark| mark.layer == *layer);
            if !shown {
                return None;
            }
            let of = |known: &&crate::track::LayerIdentity| known.name == *layer;
            let role = flow.layers.iter().find(of).map(|known| known.role);
            (layer.to_string(), role.or(Some(Role::Other)))
        }
    };
    let values = series.numbers();
    values.iter().any(Option::is_some).then_some(FlowSeries {
        name,
        role,
        metric: series.metric,
        values,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::track::sample;

    #[test]
    fn layers_are_drawn_where_they_are_asked_for_or_marked() {
        let rows = [(Some(3.0), 0.05, 0.0, None), (Some(2.5), 0.05, 0.0, None)];
        let mut flow = sample::flow(&rows);
        flow.marks.clear();
        let names = |section: &FlowSection| -> std::collections::BTreeSet<String> {
            section
                .series
                .iter()
                .map(|line| line.name.clone())
                .collect()
        };
        let few = names(&section(&flow, false));
        assert!(few.contains("all matrices"));
        assert!(!few.contains(flow.layers[0].name.as_str()));
        let all = names(&section(&flow, true));
        assert!(all.is_superset(&few) && all.contains(flow.layers[0].name.as_str()));
        let page = html(&flow, true).unwrap();
        assert!(page.contains("Spectral flow from"));
    }

    #[test]
    fn the_page_says_all_that_the_other_renderings_say() {
        const NOISE: sample::Row = (None, 0.14, 0.0, None);
        const TRAPPED: sample::Row = (Some(1.6), 0.05, 3.0, Some(90.0));
        let rows = [NOISE, NOISE, TRAPPED, TRAPPED];
        let mut flow = sample::flow_with(&rows, crate::track::Order::AsGiven, &[2]);
        flow.skipped.push(crate::compare::SkippedTensor {
            tensor: "<b>odd".to_owned(),
            reason: "three axes".to_owned(),
        });
        flow.estimator.insert("seed".to_owned(), 7.into());
        let page = html(&flow, false).unwrap();
        let (markup, _) = page
            .split_once("<script type=\"application/json\"")
            .unwrap();
        for part in [
            "Spectral flow, not whole",
            "problem at step 200, non-finite:",
            "traps appear at step 200: 3",
            "no recommendation: ",
            "Decide with a test set.",
            "no series was searched",
            "after (medium)",
            "run/checkpoint-300",
            "&lt;b&gt;odd",
            "three axes",
            "<dt>seed</dt>",
        ] {
            assert!(markup.contains(part), "{part}");
        }
        assert!(!markup.contains("<b>odd") && !markup.contains("the verdict"));
    }

    #[test]
    fn a_page_leaves_no_mark_and_no_problem_out() {
        const NOISE: sample::Row = (None, 0.14, 0.0, None);
        let broken: Vec<usize> = (0..30).collect();
        let flow = sample::flow_with(&[NOISE; 30], crate::track::Order::ByNumber, &broken);
        assert_eq!(text(&flow).problems.len(), 30);
    }
}
