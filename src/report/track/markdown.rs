//! The flow in Markdown: the model over the steps, the marks, and what they led to.

use crate::report::human::tidy;
use crate::report::view::Target;
use crate::track::{DISPUTED, Flow};

use super::rows;

pub fn markdown(flow: &Flow) -> String {
    let target = Target::Markdown;
    let titles = rows::step_titles();
    let mut lines = vec![
        "### Spectral flow".to_owned(),
        String::new(),
        rows::sentence(flow, target),
        String::new(),
        format!("| {} |", titles.join(" | ")),
        format!("|{}", ":--|".repeat(titles.len())),
    ];
    for row in rows::step_rows(flow, target) {
        lines.push(format!("| {} |", row.join(" | ")));
    }
    lines.push(String::new());
    let items = rows::mark_lines(flow, target);
    lines.extend(items.into_iter().map(|line| format!("- {line}")));
    lines.extend([
        String::new(),
        target.text(&rows::search_text(flow)),
        String::new(),
    ]);
    let items = rows::problem_lines(flow, target);
    lines.extend(items.into_iter().map(|line| format!("- {line}")));
    lines.extend([
        String::new(),
        format!("**{}**", rows::recommendation(flow, target)),
        String::new(),
        DISPUTED.to_owned(),
    ]);
    tidy(&lines.join("\n"))
}
