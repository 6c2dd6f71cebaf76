//! What is published: a judged report, or why there is none.

use super::super::{CommandError, judged};
use crate::code::Level;
use crate::github::annotate::{self, Remark};
use crate::report::escape::{markdown_text, terminal};
use crate::report::{Report, Templates, markdown};
use crate::verdict::Verdict;

/// Starts the line with the verdict.
const HEADING: &str = "### ";
/// Of an error that a comment shows; the log has all of it.
const MOST_LINES: usize = 40;
const MOST_COLUMNS: usize = 200;

pub(in crate::commands) enum Subject<'a> {
    Judged {
        report: &'a Report,
        templates: &'a Templates,
    },
    NotJudged {
        error: &'a CommandError,
    },
}

impl Subject<'_> {
    /// `None` where the run could not judge.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        match self {
            Self::Judged { report, .. } => Some(report.judgement.verdict),
            Self::NotJudged { .. } => None,
        }
    }

    /// Nothing to say to somebody who has not seen a remark before.
    pub(super) fn is_quiet(&self) -> bool {
        self.verdict() == Some(Verdict::Pass)
    }

    /// Findings at fail and at warn.
    pub(super) fn counts(&self) -> (usize, usize) {
        match self {
            Self::Judged { report, .. } => (
                judged::count(report, Level::Fail),
                judged::count(report, Level::Warn),
            ),
            Self::NotJudged { .. } => (0, 0),
        }
    }

    /// A heading without Markdown.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Judged { report, .. } => {
                let (fail, warn) = self.counts();
                format!(
                    "{}: {fail} fail, {warn} warn",
                    report.judgement.verdict.as_str()
                )
            }
            Self::NotJudged { .. } => "no verdict".to_owned(),
        }
    }

    pub(super) fn remarks(&self, locate: &dyn Fn(&str) -> Option<String>) -> Vec<Remark> {
        match self {
            Self::Judged { report, .. } => annotate::remarks(report, locate),
            Self::NotJudged { error } => vec![Remark {
                level: Level::Fail,
                path: None,
                line: None,
                title: "tunegate: no verdict".to_owned(),
                message: annotate::plain(&super::chain(*error)),
            }],
        }
    }

    /// At most `limit` bytes, with the banners above the rest. `gate` tells the headings of several gates
    /// apart; it is Markdown.
    pub(super) fn markdown(
        &self,
        banners: &[String],
        gate: Option<&str>,
        limit: usize,
    ) -> Result<String, String> {
        let above = banners.concat();
        let gate = gate
            .map(|gate| format!("{HEADING}{gate} "))
            .unwrap_or_default();
        let room = limit.saturating_sub(above.len() + gate.len());
        let below = match self {
            Self::Judged { report, templates } => markdown::render_within(report, templates, room)
                .map_err(|error| super::chain(&error))?,
            Self::NotJudged { error } => not_judged(error),
        };
        // A template of the user's own may start otherwise.
        let below = match below.strip_prefix(HEADING) {
            Some(rest) if !gate.is_empty() => gate + rest,
            Some(_) | None => below,
        };
        Ok(above + &below)
    }
}

/// The gate is closed here as well, and nobody should look for a finding.
fn not_judged(error: &CommandError) -> String {
    let said = error.to_string();
    let (first, rest) = said.split_once('\n').unwrap_or((&said, ""));
    let mut text = format!("### ⚠ no verdict: {}\n", markdown_text(first));
    text.push_str(&fenced(rest));
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&["\nCaused by: ", &markdown_text(&error.to_string()), "\n"].concat());
        cause = error.source();
    }
    text.push_str(
        "\nThe checkpoint was not judged; an earlier result does not hold for this commit.\n",
    );
    if let Some(hint) = error.hint() {
        text.push_str(&["\n**What to do:** ", &markdown_text(&hint), ".\n"].concat());
    }
    text
}

/// Lines of an error, such as those of a policy with a caret below, as they are. A fence cannot be closed
/// from inside: no line keeps a tilde.
fn fenced(text: &str) -> String {
    const FENCE: &str = "~~~~~~~~";
    let lines: Vec<String> = text
        .lines()
        .take(MOST_LINES)
        .map(|line| {
            let start: String = line.chars().take(MOST_COLUMNS).collect();
            let shown = terminal(&start).replace('~', "\\u{7e}");
            // Cut again: what is hidden has become longer.
            shown.chars().take(MOST_COLUMNS).collect::<String>()
        })
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    format!("\n{FENCE}text\n{}\n{FENCE}\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_an_error_cannot_leave_their_fence() {
        let text = fenced("a\n~~~~~~~~\n@octocat\u{1b}[31m\n");
        let lines: Vec<&str> = text.trim().lines().collect();
        assert_eq!(lines.first(), Some(&"~~~~~~~~text"));
        assert_eq!(lines.iter().filter(|line| **line == "~~~~~~~~").count(), 1);
        assert!(!text.contains('\u{1b}'));
        assert_eq!(fenced(""), "");
        assert!(fenced(&"é\n".repeat(9_000)).len() < 1_000);
        for wide in ["\u{202e}", "\u{1f600}", "~"] {
            let lines = format!("{}\n", wide.repeat(9_000)).repeat(90);
            assert!(fenced(&lines).len() < 40_000);
        }
    }
}
