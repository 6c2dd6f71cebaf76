//! The terminal's view: verdict first, then what to look at, worst first.

use comfy_table::{ContentArrangement, Table, presets};
use unicode_width::UnicodeWidthStr;

use super::Report;
use super::escape::shorten;
use super::templates::{self, TemplateError, Templates};
use super::view::{Group, Row, Size, Target, View};

/// Rows shown of one group; the rest is counted.
const ROWS: usize = 10;
const ITEMS: usize = 20;
/// A layer name is not cut shorter than this, however narrow the terminal.
const SHORTEST_NAME: usize = 32;

/// How wide, and whether with colour. Colour only repeats what the words say.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Terminal columns.
    pub width: usize,
    pub colour: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            width: 130,
            colour: false,
        }
    }
}

/// The report for people, without trailing spaces and with a line end.
///
/// # Errors
/// Where the template refers to what does not exist.
pub fn render(
    report: &Report,
    templates: &Templates,
    layout: Layout,
) -> Result<String, TemplateError> {
    let size = Size {
        worst: ROWS,
        groups: ITEMS,
        rows: ROWS,
        items: ITEMS,
        counts_only: false,
    };
    let mut view = View::new(report, Target::Terminal, size);
    for group in &mut view.groups.shown {
        group.table = group_rows(group, layout.width);
    }
    if layout.colour {
        view.style = style().into();
    }
    let text = templates.render(templates::HUMAN, &view)?;
    Ok(tidy(&text))
}

fn style() -> [(&'static str, String); 6] {
    use anstyle::{AnsiColor, Reset, Style};
    let bold = Style::new().bold();
    let coloured = |colour: AnsiColor| bold.fg_color(Some(colour.into())).render().to_string();
    [
        ("bold", bold.render().to_string()),
        ("dim", Style::new().dimmed().render().to_string()),
        ("fail", coloured(AnsiColor::Red)),
        ("pass", coloured(AnsiColor::Green)),
        ("reset", Reset.render().to_string()),
        ("warn", coloured(AnsiColor::Yellow)),
    ]
}

/// One cell of a row.
type Cell = fn(&Row) -> &str;

fn group_rows(group: &Group, width: usize) -> String {
    let rows = &group.rows.shown;
    if !group.measured {
        return rows
            .iter()
            .map(|row| format!("  {}: {}", shorten(&row.layer, width / 2), row.message))
            .collect::<Vec<_>>()
            .join("\n");
    }
    let metric = rows.first().map_or("value", |row| row.metric.as_str());
    let columns: [(&str, Cell); 5] = [
        (metric, |row| &row.observed),
        ("base", |row| &row.base),
        ("tuned", |row| &row.tuned),
        ("limit", |row| &row.limit),
        ("spectrum", |row| &row.spectrum),
    ];
    let used: Vec<_> = columns
        .into_iter()
        .filter(|(_, cell)| rows.iter().any(|row| !cell(row).is_empty()))
        .collect();
    let taken: usize = used
        .iter()
        .map(|(title, cell)| {
            let widest = rows.iter().map(|row| cell(row).width()).max().unwrap_or(0);
            widest.max(title.width()) + 2
        })
        .sum();
    let name_width = width.saturating_sub(taken + 4).max(SHORTEST_NAME);
    let header = std::iter::once("layer").chain(used.iter().map(|(title, _)| *title));
    let body = rows.iter().map(|row| {
        std::iter::once(shorten(&row.layer, name_width).into_owned())
            .chain(used.iter().map(|(_, cell)| cell(row).to_owned()))
            .collect()
    });
    columns_text(header.map(str::to_owned).collect(), body)
}

/// Columns two spaces apart, indented by two; numbers to the right.
pub fn columns_text(header: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((2, 0));
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

/// No trailing spaces, no two empty lines in a row, one line end at the end.
pub(super) fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = 1;
    for line in text.lines().map(str::trim_end) {
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty <= 1 {
            out.push_str(line);
            out.push('\n');
        }
    }
    while out.ends_with("\n\n") {
        out.pop();
    }
    out
}

#[cfg(test)]
mod tests;
