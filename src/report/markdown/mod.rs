//! The pull request comment and the step summary: readable in five seconds, details folded, and
//! always within the limit of a comment.
//!
//! GitHub refuses a comment of more than 65,536 characters. The text is rendered in a ladder of ever
//! shorter forms until one fits [`LIMIT`]; whole rows and blocks are left out and counted, so that no
//! table or `<details>` is ever cut open.

use super::Report;
use super::human::tidy;
use super::templates::{self, TemplateError, Templates};
use super::view::{Size, Target, View};

/// Most bytes of a rendering; the rest up to GitHub's limit is for the marker and links around it.
pub const LIMIT: usize = 60_000;

const LADDER: [Size; 8] = [
    detailed(100, 1_000, 1_000),
    detailed(100, 300, 300),
    detailed(50, 150, 150),
    detailed(50, 80, 80),
    detailed(30, 40, 40),
    detailed(20, 20, 20),
    detailed(10, 8, 10),
    Size {
        worst: 3,
        groups: 10,
        rows: 3,
        items: 0,
        counts_only: true,
    },
];

const fn detailed(groups: usize, rows: usize, items: usize) -> Size {
    Size {
        worst: 8,
        groups,
        rows,
        items,
        counts_only: false,
    }
}

/// The comment, at most [`LIMIT`] bytes.
///
/// # Errors
/// Where the user's template refers to what does not exist, or is too long in its shortest form.
pub fn render(report: &Report, templates: &Templates) -> Result<String, TemplateError> {
    render_within(report, templates, LIMIT)
}

/// As [`render`], for a target with another limit in bytes (a step summary takes 1 MiB).
///
/// # Errors
/// As [`render`].
pub fn render_within(
    report: &Report,
    templates: &Templates,
    limit: usize,
) -> Result<String, TemplateError> {
    let mut bytes = 0;
    for size in LADDER {
        let text = render_at(report, templates, size)?;
        if text.len() <= limit {
            return Ok(text);
        }
        bytes = text.len();
    }
    Err(TemplateError::TooLong {
        name: templates::MARKDOWN,
        bytes,
        limit,
    })
}

fn render_at(report: &Report, templates: &Templates, size: Size) -> Result<String, TemplateError> {
    let view = View::new(report, Target::Markdown, size);
    Ok(tidy(&templates.render(templates::MARKDOWN, &view)?))
}

#[cfg(test)]
mod tests;
