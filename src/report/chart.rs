//! One number over runs, drawn for a terminal: a column a run, with the limits it is judged by.
//!
//! ```text
//!   0.0214 ┤            ✗
//!          ┤┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄ upper 0.0182
//!          ┤● ● ●●  ● ●   ●
//!   0.0141 ┤ ● ●  ●● ●  ●● ●
//! ```

use super::number;
use crate::num;

/// How a run is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Accepted,
    /// The start of a baseline.
    Anchor,
    /// Failed, or not accepted.
    Open,
}

impl Mark {
    fn symbol(self) -> char {
        match self {
            Self::Accepted => '●',
            Self::Anchor => '▲',
            Self::Open => '✗',
        }
    }
}

/// A chart; every number in it is finite.
#[derive(Debug, Clone)]
pub struct Chart {
    pub title: String,
    /// Oldest first; `None` where a run has no value.
    pub points: Vec<Option<(f64, Mark)>>,
    pub lower: Option<f64>,
    pub upper: Option<f64>,
}

/// Rows of a chart.
const ROWS: usize = 11;
/// What marks mean, for below the last chart.
pub const LEGEND: &str =
    "● accepted  ▲ start of a baseline  ✗ open: failed, or not accepted  ┄ limits";

impl Chart {
    /// At most `columns` runs, the newest.
    pub fn draw(&self, columns: usize) -> String {
        let hidden = self.points.len().saturating_sub(columns);
        let points = &self.points[hidden..];
        let values: Vec<f64> = points.iter().flatten().map(|(value, _)| *value).collect();
        let Some((low, high)) = self.range(&values) else {
            return format!("{}: no values\n", self.title);
        };
        let row_of = |value: f64| row(value, low, high);
        let mut grid = vec![vec![' '; points.len()]; ROWS];
        for limit in [self.lower, self.upper].into_iter().flatten() {
            grid[row_of(limit)].fill('┄');
        }
        for (column, point) in points.iter().enumerate() {
            if let Some((value, mark)) = point {
                grid[row_of(*value)][column] = mark.symbol();
            }
        }
        let labels: Vec<String> = (0..ROWS).map(|row| axis(row, low, high)).collect();
        let width = labels.iter().map(String::len).max().unwrap_or(0);
        let mut text = format!("{}\n", self.title);
        for (row, (cells, label)) in grid.iter().zip(&labels).enumerate() {
            let drawn: String = cells.iter().collect();
            let note = self.note(row, row_of);
            let line = format!("  {label:>width$} ┤{drawn}{note}");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        if hidden > 0 {
            text.extend([format!("  {hidden} older runs are not drawn\n")]);
        }
        text
    }

    fn note(&self, row: usize, row_of: impl Fn(f64) -> usize) -> String {
        let named = [("upper", self.upper), ("lower", self.lower)];
        let here = named
            .into_iter()
            .filter_map(|(name, limit)| Some((name, limit?)));
        let drawn: Vec<String> = here
            .filter(|(_, limit)| row_of(*limit) == row)
            .map(|(name, limit)| format!(" {name} {}", number::short(limit)))
            .collect();
        drawn.concat()
    }

    /// From the smallest to the largest of values and limits; `None` without values.
    fn range(&self, values: &[f64]) -> Option<(f64, f64)> {
        let first = *values.first()?;
        let limits = [self.lower, self.upper];
        let all = values.iter().copied().chain(limits.into_iter().flatten());
        Some(all.fold((first, first), |(low, high), value| {
            (num::min(low, value), num::max(high, value))
        }))
    }
}

/// The value at the height of a row, on the rows at the ends and in the middle.
fn axis(row: usize, low: f64, high: f64) -> String {
    if row == 0 || row == ROWS - 1 || row == ROWS / 2 {
        let share = (ROWS - 1 - row) as f64 / (ROWS - 1) as f64;
        number::short(low + share * (high - low))
    } else {
        String::new()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is clamped to the rows first"
)]
fn row(value: f64, low: f64, high: f64) -> usize {
    let span = high - low;
    let last = (ROWS - 1) as f64;
    // Equal values are drawn in the middle.
    let share = if span > 0.0 {
        (value - low) / span
    } else {
        0.5
    };
    let up = (share * last).round().clamp(0.0, last) as usize;
    ROWS - 1 - up
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_marks_are_where_their_values_are() {
        let point = |value, mark| Some((value, mark));
        let chart = Chart {
            title: "alpha".to_owned(),
            points: vec![
                point(1.0, Mark::Accepted),
                None,
                point(2.0, Mark::Anchor),
                point(11.0, Mark::Open),
            ],
            lower: None,
            upper: Some(6.0),
        };
        let text = chart.draw(80);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "alpha");
        assert_eq!(lines[1], "  11 ┤   ✗");
        assert_eq!(lines[6], "   6 ┤┄┄┄┄ upper 6");
        assert_eq!(lines[10], "     ┤  ▲");
        assert_eq!(lines[11], "   1 ┤●");
        assert_eq!(lines.len(), 12);
        assert!(chart.draw(2).ends_with("  2 older runs are not drawn\n"));
    }

    #[test]
    fn equal_values_and_no_values_are_drawn() {
        let mut chart = Chart {
            title: "alpha".to_owned(),
            points: vec![Some((3.0, Mark::Accepted)); 5],
            lower: None,
            upper: None,
        };
        assert!(chart.draw(80).contains("●●●●●"));
        chart.points = vec![None];
        assert_eq!(chart.draw(80), "alpha: no values\n");
    }
}
