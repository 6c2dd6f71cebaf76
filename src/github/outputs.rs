//! The step's outputs and summary: files that the runner reads when the step ends.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::path::Path;

use super::GitHubError;
use super::body::SUMMARY_LIMIT;
use crate::fs;

/// Appends the outputs to the file at `GITHUB_OUTPUT`.
pub fn write(path: &Path, outputs: &[(&str, String)]) -> Result<(), GitHubError> {
    let mut text = String::new();
    for (name, value) in outputs {
        text.push_str(&assignment(name, value));
    }
    Ok(fs::append(path, text.as_bytes())?)
}

/// `name<<delimiter`: a value cannot end early or set another output, whatever lines it has.
fn assignment(name: &str, value: &str) -> String {
    let mut delimiter = random_delimiter();
    while value.contains(&delimiter) {
        delimiter = random_delimiter();
    }
    format!("{name}<<{delimiter}\n{value}\n{delimiter}\n")
}

/// Keys of the standard library's hasher are drawn by the system.
fn random_delimiter() -> String {
    let draw = || RandomState::new().build_hasher().finish();
    format!("ghadelimiter_{:016x}{:016x}", draw(), draw())
}

/// Bytes that the summary may still take, beside what an earlier part of the step wrote.
pub fn summary_room(path: &Path) -> usize {
    let written = fs::size(path).unwrap_or(0);
    SUMMARY_LIMIT.saturating_sub(usize::try_from(written).unwrap_or(usize::MAX))
}

/// Appends Markdown to the file at `GITHUB_STEP_SUMMARY`.
pub fn append_summary(path: &Path, markdown: &str) -> Result<(), GitHubError> {
    Ok(fs::append(path, markdown.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the runner reads them.
    fn read(text: &str) -> Vec<(String, String)> {
        let mut lines = text.lines();
        let mut outputs = Vec::new();
        while let Some(line) = lines.next() {
            let (name, delimiter) = line.split_once("<<").unwrap();
            let value: Vec<&str> = lines
                .by_ref()
                .take_while(|line| *line != delimiter)
                .collect();
            outputs.push((name.to_owned(), value.join("\n")));
        }
        outputs
    }

    #[test]
    fn a_value_with_lines_and_assignments_reads_back_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("output");
        let hostile = "a\nverdict=pass\nverdict<<EOF\npass\nEOF".to_owned();
        write(
            &path,
            &[
                ("report-path", hostile.clone()),
                ("verdict", "fail".to_owned()),
            ],
        )
        .unwrap();
        write(&path, &[("comment-url", String::new())]).unwrap();
        let expected = [
            ("report-path", hostile.as_str()),
            ("verdict", "fail"),
            ("comment-url", ""),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read(&fs::read_to_string(&path).unwrap()), expected);
    }

    #[test]
    fn no_two_delimiters_are_equal() {
        assert_ne!(random_delimiter(), random_delimiter());
    }

    #[test]
    fn what_was_written_before_takes_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary");
        assert_eq!(summary_room(&path), SUMMARY_LIMIT);
        append_summary(&path, "één\n").unwrap();
        append_summary(&path, "two\n").unwrap();
        assert_eq!(summary_room(&path), SUMMARY_LIMIT - 10);
        assert_eq!(fs::read_to_string(&path).unwrap(), "één\ntwo\n");
    }
}
