//! The text of a comment: marker, banners, report, footer, within GitHub's limit.

use super::marker::Marker;

/// Most bytes of a comment. GitHub documents no limit and refuses from 65,536 characters on.
pub const COMMENT_LIMIT: usize = 60_000;
/// Most bytes of a step's summary; over 1 MiB the runner drops all of it.
pub const SUMMARY_LIMIT: usize = 1_000_000;
/// Starts the footer, by which it is told apart from the report.
const FOOTER: &str = "\n\n<sub>";

/// A comment, ready to be sent.
#[derive(Debug, Clone)]
pub struct Body {
    pub marker: Marker,
    /// What the comment says; Markdown.
    pub content: String,
    /// Markdown on one line, without meaning for the verdict: which commit, which run.
    pub footer: String,
}

impl Body {
    pub fn text(&self) -> String {
        let Self {
            marker,
            content,
            footer,
        } = self;
        format!("{marker}\n{}{FOOTER}{footer}</sub>\n", content.trim_end())
    }

    /// Whether a comment on GitHub says this already, whichever run wrote it.
    pub fn says_the_same(&self, text: &str) -> bool {
        let text = text.replace("\r\n", "\n");
        let Some((_marker, rest)) = text.split_once('\n') else {
            return false;
        };
        let content = rest
            .rsplit_once(FOOTER)
            .map_or(rest, |(content, _)| content);
        content.trim_end() == self.content.trim_end()
    }
}

/// A warning at the top, as GitHub's alert. The paragraphs are Markdown already.
pub fn alert(kind: &str, paragraphs: &[String]) -> String {
    let mut text = format!("> [!{kind}]\n");
    for (index, paragraph) in paragraphs.iter().enumerate() {
        if index > 0 && !paragraph.starts_with("- ") {
            text.push_str(">\n");
        }
        text.push_str("> ");
        text.push_str(paragraph);
        text.push('\n');
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::super::RunId;
    use super::super::marker::Key;
    use super::*;

    fn body(run: u64, content: &str) -> Body {
        Body {
            marker: Marker {
                key: Key::of_name("gate"),
                run: RunId { run, attempt: 1 },
                head: "ce587453ced02b1526dfb4cb910479d431683101".parse().unwrap(),
            },
            content: content.to_owned(),
            footer: format!("run {run}"),
        }
    }

    #[test]
    fn the_run_and_the_line_ends_make_no_difference_and_the_words_do() {
        let text = body(5, "### ✗ fail: é\n\ntwo\n").text();
        assert!(body(6, "### ✗ fail: é\n\ntwo").says_the_same(&text));
        assert!(body(6, "### ✗ fail: é\n\ntwo").says_the_same(&text.replace('\n', "\r\n")));
        assert!(!body(5, "### ✓ pass").says_the_same(&text));
        assert!(!body(5, "").says_the_same("<!-- one line -->"));
    }

    #[test]
    fn an_alert_is_one_quotation() {
        let text = alert(
            "WARNING",
            &["one".to_owned(), "- a".to_owned(), "- b".to_owned()],
        );
        assert_eq!(text, "> [!WARNING]\n> one\n> - a\n> - b\n\n");
    }
}
