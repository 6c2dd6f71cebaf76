//! The limit of a comment, to the byte, and what is left out past it.

use serde_json::{Value, json};

use super::{Document, LIMIT, assert_sound, large, publish};
use crate::github::setup::Job;

/// A report with notes of three bytes a character, so many that its comment comes near the limit, and one
/// note of `padding` bytes.
fn report(notes: usize, padding: usize) -> String {
    let mut report: Value = serde_json::from_str(&large::report(40)).unwrap();
    let note = |message: String| {
        json!({
            "code": "unexpected-tensor", "rule": "unexpected-tensor", "level": "note", "layer": "x.weight", "metric": null,
            "base": null, "tuned": null, "observed": null, "limit": null, "message": message, "policy_line": null,
            "policy_source": null, "waived": null, "over": null,
        })
    };
    let findings = report["findings"].as_array_mut().unwrap();
    findings.push(note("x".repeat(padding)));
    findings.extend((0..notes).map(|_| note("漢字é\u{1f600}".repeat(20))));
    report.to_string()
}

fn body(notes: usize, padding: usize) -> String {
    let mut job = Job::new();
    publish(&mut job, &report(notes, padding));
    job.github.comment().body
}

#[test]
fn a_comment_is_whole_up_to_the_limit_and_cut_between_blocks_past_it() {
    // As many notes as fit, and then bytes up to the limit.
    let (none, one) = (body(0, 1).len(), body(1, 1).len());
    let notes = (LIMIT - none - 40) / (one - none);
    let near = body(notes, 1).len();
    // The number of notes in the summary line has grown by digits.
    let padding = LIMIT + 1 - near;
    assert!((1..400).contains(&padding), "{padding}");
    let mut documents = Vec::new();
    for (extra, expected) in [(padding - 1, LIMIT - 1), (padding, LIMIT)] {
        let body = body(notes, extra);
        assert_eq!(body.len(), expected);
        assert!(
            !body.contains(" more: see the JSON report"),
            "{expected} bytes"
        );
        documents.push(Document::comment("whole", &body));
    }
    let past = body(notes, padding + 1);
    assert!(
        past.len() <= LIMIT && past.contains(" more: see the JSON report"),
        "{}",
        past.len()
    );
    assert!(past.contains("[run and full report]"), "{past}");
    documents.push(Document::comment("past", &past));
    for notes in [3 * notes, 5_000] {
        documents.push(Document::comment("far past", &body(notes, 7)));
    }
    assert_sound(&documents);
    for document in &documents {
        let text = &document.markdown;
        assert!(text.contains("<details><summary>Notes ("), "{text}");
        assert!(text.ends_with("</sub>\n"), "{text}");
    }
}

#[test]
fn thousands_of_failing_layers_fit_and_are_counted() {
    let mut documents = Vec::new();
    for layers in [500, 504, 3_000] {
        let mut job = Job::new();
        let left = publish(&mut job, &large::report(layers));
        documents.push(Document::comment("comment", &job.github.comment().body).plain());
        documents.push(Document {
            limit: super::NO_LIMIT,
            ..Document::comment("summary", &left.summary).plain()
        });
    }
    assert_sound(&documents);
}
