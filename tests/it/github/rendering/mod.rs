//! What people read on the pull request, as GitHub's own Markdown parser (cmark-gfm) shows it.

mod golden;
mod hostile;
mod large;
mod limits;

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::setup::{Job, Left};
use crate::support::repository;

/// Most bytes of a comment.
const LIMIT: usize = 60_000;
/// More than any summary.
const NO_LIMIT: usize = 1_000_000;

/// One text that GitHub shows.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) markdown: String,
    /// Addresses that may be linked.
    pub(crate) links: Vec<String>,
    pub(crate) limit: usize,
    /// Nobody chose any text in it.
    pub(crate) plain: bool,
}

impl Document {
    fn new(name: &str, markdown: &str) -> Self {
        Self {
            name: name.to_owned(),
            markdown: markdown.to_owned(),
            links: Vec::new(),
            limit: LIMIT,
            plain: false,
        }
    }

    /// A comment, which links to its run.
    fn comment(name: &str, markdown: &str) -> Self {
        let own = markdown.split("https://github.example/octo/demo/").skip(1);
        let links = own.filter_map(|rest| {
            let path = rest.split(')').next()?;
            let run = path.strip_prefix("actions/runs/")?;
            let digits = run.chars().all(|c| c.is_ascii_digit() || c == '/');
            (digits || run.contains("/attempts/"))
                .then(|| format!("https://github.example/octo/demo/{path}"))
        });
        Self {
            links: links.collect(),
            ..Self::new(name, markdown)
        }
    }

    fn plain(self) -> Self {
        Self {
            plain: true,
            ..self
        }
    }
}

/// What is wrong with the documents; `None` where the parser is not installed, which is a failure in CI
/// and said elsewhere.
#[expect(clippy::print_stderr, reason = "a test that is skipped must say so")]
pub(crate) fn problems(documents: &[Document]) -> Option<Vec<String>> {
    let python = repository("target/markdown/bin/python");
    if !python.is_file() {
        let message = format!("{} is missing: run scripts/test-markdown", python.display());
        assert!(std::env::var_os("CI").is_none(), "{message}");
        eprintln!("skipped: {message}");
        return None;
    }
    let documents: Vec<Value> = documents
        .iter()
        .map(|document| {
            json!({
                "name": document.name, "markdown": document.markdown, "links": document.links,
                "limit": document.limit, "plain": document.plain,
            })
        })
        .collect();
    let mut checker = Command::new(python)
        .arg(repository("tests/markdown/check.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = Value::from(documents).to_string();
    let mut pipe = checker.stdin.take().unwrap();
    pipe.write_all(input.as_bytes()).unwrap();
    drop(pipe);
    let output = checker.wait_with_output().unwrap();
    assert!(output.status.success(), "the checker ended with an error");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[track_caller]
pub(crate) fn assert_sound(documents: &[Document]) {
    if let Some(problems) = problems(documents) {
        assert!(problems.is_empty(), "{problems:#?}");
    }
}

/// Publishes a report from a second workflow on the pull request of the payload.
fn publish(job: &mut Job, report: &str) -> Left {
    job.pair.file("report.json", report);
    let mut command = job.command("comment");
    command
        .args(["--from", "report.json"])
        .env("TUNEGATE_COMMENT", "always");
    let left = job.finish(&mut command);
    assert_eq!(left.ran.code, 0, "{}", left.ran.stderr);
    left
}

#[test]
fn the_checker_sees_what_it_is_there_for() {
    let wrong = [
        ("an extra cell", "| a | b |\n|--|--|\n| 1 | 2 | 3 |\n"),
        ("a missing cell", "| a | b |\n|--|--|\n| 1 |\n"),
        (
            "a cell split in code",
            "| a | b |\n|--|--|\n| `1|2` | 3 |\n",
        ),
        ("no table", "| a | b |\n| 1 | 2 |\n"),
        ("a mention", "**x** @octocat"),
        ("a decoded mention", "x &#64;octocat"),
        ("a reference", "see #12"),
        ("another reference", "see octo/demo&#35;12"),
        ("a commit", "at ce587453 "),
        ("an address", "http://evil.example"),
        ("a bare address", "www.evil.example"),
        ("a link", "[x](https://evil.example)"),
        ("a picture", "![x](https://evil.example)"),
        ("an element", "<img src=x>"),
        ("emphasis", "*x*"),
        ("an open fold", "<details><summary>s</summary>\n\nx\n"),
        (
            "an unparsed fold",
            "<details><summary>s</summary>\n**x**\n</details>\n",
        ),
        ("a hidden character", "a\u{202e}b"),
        ("a second marker", "x\n\n<!-- tunegate:v1 -->\n"),
        ("a shortcode", "x :fire: y"),
        ("a formula", "&#36;x&#36;"),
    ];
    let documents = wrong.map(|(name, markdown)| Document::new(name, markdown));
    let mut sound = Document::comment(
        "sound",
        "**x** `@octocat #12`\n\n| a |\n|--|\n| `x` [run](https://github.example/octo/demo/actions/runs/1) |\n",
    );
    let long = Document {
        limit: 19,
        ..Document::new("too long", &"é".repeat(10))
    };
    sound.plain = true;
    let Some(found) = problems(&documents) else {
        return;
    };
    for (name, _) in wrong {
        let start = format!("{name}: ");
        assert!(
            found.iter().any(|problem| problem.starts_with(&start)),
            "{name} is not seen: {found:#?}"
        );
    }
    assert_eq!(problems(&[sound]).unwrap(), [""; 0]);
    assert_eq!(
        problems(&[long]).unwrap(),
        ["too long: 20 bytes, more than 19"]
    );
}
