//! The terminal's view: the model over the steps, then each series as a sparkline.

use crate::num;
use crate::report::escape;
use crate::report::human::{Layout, columns_text, tidy};
use crate::report::spark;
use crate::report::view::Target;
use crate::spectrum::metric::Metric;
use crate::track::{DISPUTED, Flow, Series, Subject, TRACKED};

use super::rows;

/// Blocks of one sparkline; more steps than that are thinned.
const SPARK_COLUMNS: usize = 40;
const SHORTEST_NAME: usize = 20;

/// The flow for a terminal; `with_layers` shows the series of every layer too.
pub fn human(flow: &Flow, layout: Layout, with_layers: bool) -> String {
    let target = Target::Terminal;
    let titles = rows::step_titles();
    let header = titles.iter().map(|title| (*title).to_owned()).collect();
    let mut lines = vec![
        format!("  {}", rows::sentence(flow, target)),
        String::new(),
        columns_text(header, rows::step_rows(flow, target).into_iter()),
        String::new(),
        series_table(flow, layout, with_layers),
        String::new(),
    ];
    lines.extend(
        rows::mark_lines(flow, target)
            .into_iter()
            .map(|line| format!("  {line}")),
    );
    lines.push(format!("  {}", rows::search_text(flow)));
    lines.push(String::new());
    lines.extend(
        rows::problem_lines(flow, target)
            .into_iter()
            .map(|line| format!("  {line}")),
    );
    lines.push(String::new());
    lines.push(format!("  {}", rows::recommendation(flow, target)));
    lines.push(String::new());
    lines.extend(wrapped(DISPUTED, layout.width.saturating_sub(4).max(40)));
    tidy(&lines.join("\n"))
}

fn series_table(flow: &Flow, layout: Layout, with_layers: bool) -> String {
    let shown = flow.series.iter().filter(|series| {
        let wanted = with_layers || !matches!(series.subject, Subject::Layer(_));
        wanted && series.metric != Metric::TrapZ && series.numbers().iter().any(Option::is_some)
    });
    let name_width = (layout.width / 3).max(SHORTEST_NAME);
    let mut before: Option<&Subject> = None;
    let mut body = Vec::new();
    for series in shown {
        // The name once for all its metrics.
        let name = if before == Some(&series.subject) {
            String::new()
        } else {
            before = Some(&series.subject);
            escape::shorten(&subject_name(&series.subject), name_width).into_owned()
        };
        let (first, last) = rows::ends(series);
        body.push(vec![
            name,
            series.metric.as_str().to_owned(),
            sparkline(series),
            first,
            last,
            marked_at(flow, series),
        ]);
    }
    let header = ["series", "metric", "flow", "first", "last", "marks at"];
    columns_text(header.map(str::to_owned).to_vec(), body.into_iter())
}

fn subject_name(subject: &Subject) -> String {
    match subject {
        Subject::Model => "model".to_owned(),
        Subject::Role(role) => format!("role {role}"),
        Subject::Layer(name) => Target::Terminal.name(name.as_str()),
    }
}

/// Metrics that move by factors are drawn on a logarithmic scale.
fn sparkline(series: &Series) -> String {
    const BY_FACTORS: [Metric; 4] = [
        Metric::SpectralNorm,
        Metric::SpectralGap,
        Metric::StableRank,
        Metric::FrobeniusNorm,
    ];
    debug_assert!(TRACKED.contains(&series.metric));
    #[expect(clippy::cast_possible_truncation, reason = "for drawing")]
    let point = |value: Option<f64>| match value {
        Some(value) if BY_FACTORS.contains(&series.metric) => {
            num::max(value, f64::MIN_POSITIVE).log10() as f32
        }
        Some(value) => value as f32,
        None => f32::NAN,
    };
    let points: Vec<f32> = series.numbers().into_iter().map(point).collect();
    spark::sparkline(&spark::thin(&points, SPARK_COLUMNS))
}

/// Steps with a mark of this series: of a layer its own, of the model those of any layer, and of a role
/// those of its layers.
fn marked_at(flow: &Flow, series: &Series) -> String {
    let is_of = |layer: &crate::layer::LayerName| match &series.subject {
        Subject::Model => true,
        Subject::Role(role) => flow
            .layers
            .iter()
            .any(|known| known.name == *layer && known.role == *role),
        Subject::Layer(name) => name == layer,
    };
    let mut steps: Vec<usize> = flow
        .marks
        .iter()
        .filter(|mark| mark.metric == series.metric && is_of(&mark.layer))
        .map(|mark| mark.step)
        .collect();
    steps.dedup();
    let labels = steps
        .iter()
        .filter_map(|step| Some(Target::Terminal.text(&flow.steps.get(*step)?.label)));
    labels.collect::<Vec<_>>().join(", ")
}

/// Lines of at most `width` columns, indented by two.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(format!("  {word}")),
        }
    }
    lines
}
