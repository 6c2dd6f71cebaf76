//! `docs/policy.md` says what the reader does.

use super::*;

const DOCUMENT: &str = include_str!("../../../docs/policy.md");

/// Fenced blocks of one language.
fn blocks(language: &str) -> Vec<&'static str> {
    DOCUMENT
        .split(&format!("\n```{language}\n"))
        .skip(1)
        .filter_map(|rest| rest.split("\n```").next())
        .collect()
}

#[test]
fn every_example_of_the_document_is_a_policy() {
    let examples = blocks("toml");
    assert!(examples.len() >= 5);
    for example in examples {
        // An example of one table stands on a rule to waive.
        let text = if example.contains("version = 1") {
            example.to_owned()
        } else {
            format!("version = 1\nextends = \"sft\"\n{example}")
        };
        if let Err(error) = Policy::parse("docs/policy.md", &text) {
            panic!("{error}\nin:\n{text}");
        }
    }
}

#[test]
fn the_document_names_every_key_and_every_shipped_policy() {
    use super::super::read;
    let keys = [
        read::FILE_KEYS,
        read::COVERAGE_KEYS,
        read::RULE_KEYS,
        read::LIMIT_KEYS,
        read::WAIVER_KEYS,
        read::BASE_KEYS,
        read::BASELINE_KEYS,
    ];
    for key in keys.concat().into_iter().chain(shipped_names()) {
        let quoted = [
            format!("`{key}`"),
            format!("`[{key}]`"),
            format!("`[[{key}]]`"),
        ];
        assert!(quoted.iter().any(|name| DOCUMENT.contains(name)), "{key}");
    }
}

#[test]
fn the_error_of_the_document_is_what_the_reader_says() {
    let shown = blocks("text");
    let error = gate("version = 1\n\n[coverage]\nmin = 1.7\n\n[hygiene]\nnop = \"fail\"\n");
    assert!(
        shown.contains(&error.unwrap_err().to_string().as_str()),
        "{shown:?}"
    );
}
