//! The flow as a page: lines of the model, of each role and of the layers that were asked for or have a
//! mark.

use crate::code::Level;
use crate::layer::Role;
use crate::report::html::{self, FlowMark, FlowSection, FlowSeries};
use crate::report::templates::TemplateError;
use crate::track::{Flow, Series, Subject};

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
                text: format!("{}: {}", mark.layer, mark.text),
                level: Level::Note,
            })
            .collect(),
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
}
