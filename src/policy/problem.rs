//! What is wrong with a policy file, where, and how that is shown.

use std::fmt::{self, Write as _};
use std::ops::Range;

use unicode_width::UnicodeWidthChar as _;

use crate::fs::FsError;

/// Longest piece of a source line that an error shows, in characters.
const EXCERPT_WIDTH: usize = 120;

/// Why there is no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("unknown policy `{}`, {}", clean(name), clean(expected))]
    Unknown { name: String, expected: String },
    #[error("cannot load policy `{}`", clean(name))]
    Unreadable {
        name: String,
        #[source]
        source: FsError,
    },
    #[error("{}", Listing { name: source_name, problems })]
    Invalid {
        /// The policy that was asked for; a problem may lie in a file that it extends.
        source_name: String,
        problems: Vec<Problem>,
    },
}

/// One mistake in a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as the policy's origin names it.
    pub source: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong and what was expected.
    pub message: String,
    excerpt: Excerpt,
}

/// The piece of the source line that a problem is about, free of control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Excerpt {
    text: String,
    /// In terminal cells.
    caret_offset: usize,
    caret_width: usize,
}

/// The text of one policy file.
#[derive(Debug, Clone)]
pub(super) struct SourceText {
    /// Path as given, or `builtin:NAME`.
    pub(super) name: String,
    pub(super) text: String,
}

impl SourceText {
    /// Line, from 1, of the byte `offset`.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.before(offset).matches('\n').count() + 1
    }

    pub(super) fn problem(&self, span: &Range<usize>, message: &str) -> Problem {
        let before = self.before(span.start);
        let line_start = before.rfind('\n').map_or(0, |index| index + 1);
        let column = before.get(line_start..).unwrap_or("").chars().count();
        let line = self.text.get(line_start..).unwrap_or("");
        let line = line.lines().next().unwrap_or("");
        let marked = self.text.get(span.clone()).unwrap_or("");
        let marked = marked.lines().next().unwrap_or("").chars().count();
        Problem {
            source: self.name.clone(),
            line: self.line(span.start),
            column: column + 1,
            message: clean(message),
            excerpt: Excerpt::of(line, column, marked),
        }
    }

    /// Text up to `offset`, moved back to the start of a character where it is inside one.
    fn before(&self, offset: usize) -> &str {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        self.text.get(..end).unwrap_or("")
    }
}

impl Excerpt {
    /// `column` and `marked` count characters of `line`.
    fn of(line: &str, column: usize, marked: usize) -> Self {
        let skipped = if column + marked > EXCERPT_WIDTH {
            column.saturating_sub(EXCERPT_WIDTH / 3)
        } else {
            0
        };
        let length = line.chars().count();
        let mut text = String::from(if skipped > 0 { "..." } else { "" });
        let mut caret_offset = text.len();
        let mut caret_width = 0;
        for (index, character) in line.chars().enumerate().skip(skipped).take(EXCERPT_WIDTH) {
            let shown = clean_character(character);
            let cells = shown.width().unwrap_or(0);
            if index < column {
                caret_offset += cells;
            } else if index < column + marked {
                caret_width += cells;
            }
            text.push(shown);
        }
        if skipped + EXCERPT_WIDTH < length {
            text.push_str("...");
        }
        Self {
            text: text.trim_end().to_owned(),
            caret_offset,
            caret_width: caret_width.max(1),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            line,
            column,
            message,
            excerpt,
        } = self;
        let number = line.to_string();
        let gutter = " ".repeat(number.len());
        writeln!(formatter, "{}:{line}:{column}: {message}", clean(source))?;
        writeln!(formatter, "{gutter} |")?;
        writeln!(formatter, "{number} | {}", excerpt.text)?;
        write!(
            formatter,
            "{gutter} | {}{}",
            " ".repeat(excerpt.caret_offset),
            "^".repeat(excerpt.caret_width)
        )
    }
}

/// All problems of a policy, one after the other.
struct Listing<'a> {
    name: &'a str,
    problems: &'a [Problem],
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        write!(
            formatter,
            "invalid policy `{}`: {count} {noun}",
            clean(self.name)
        )?;
        for (index, problem) in self.problems.iter().enumerate() {
            formatter.write_char('\n')?;
            if index > 0 {
                formatter.write_char('\n')?;
            }
            write!(formatter, "{problem}")?;
        }
        Ok(())
    }
}

/// `text` without characters that would steer a terminal or reorder what a reader sees.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(clean_character).collect()
}

fn clean_character(character: char) -> char {
    match character {
        '\t' => ' ',
        '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}' => char::REPLACEMENT_CHARACTER,
        other if other.is_control() => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> SourceText {
        SourceText {
            name: "gate.toml".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_problem_shows_its_line_with_a_caret() {
        let problem = source("a = 1\nmin = 1.7\n").problem(&(12..15), "too large");
        assert_eq!(
            problem.to_string(),
            "gate.toml:2:7: too large\n  |\n2 | min = 1.7\n  |       ^^^"
        );
    }

    #[test]
    fn control_and_direction_characters_of_the_file_never_reach_the_terminal() {
        let text = "a = \"\u{1b}[31m\u{202e}x\"\n";
        let problem = source(text).problem(&(4..text.len() - 1), "bad \u{1b}[0m value");
        let shown = problem.to_string();
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'));
        assert!(shown.contains("a = \"\u{fffd}[31m\u{fffd}x\""));
    }

    #[test]
    fn wide_characters_before_the_mark_keep_the_caret_under_it() {
        let text = "\u{6f22} = 1";
        let problem = source(text).problem(&(6..7), "bad");
        assert_eq!(problem.column, 5);
        assert!(problem.to_string().ends_with("  |      ^"));
    }

    #[test]
    fn a_long_line_is_cut_around_the_mark() {
        let text = format!("a = \"{}\" b", "x".repeat(5000));
        let start = text.len() - 1;
        let shown = source(&text)
            .problem(&(start..start + 1), "bad")
            .to_string();
        assert!(shown.lines().all(|line| line.chars().count() < 200));
        assert!(shown.contains("...x"));
    }

    #[test]
    fn a_span_outside_the_text_or_inside_a_character_is_harmless() {
        for span in [0..0, 1..2, 2..900, 700..900] {
            let problem = source("\u{6f22}\u{6f22}").problem(&span, "bad");
            assert_eq!(problem.line, 1);
        }
    }
}
