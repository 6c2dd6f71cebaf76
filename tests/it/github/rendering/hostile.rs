//! Names and texts that a stranger chooses, in every place where a comment or a summary shows one.

use serde_json::{Map, Value, json};
use tunegate::report::escape::{markdown_code, markdown_name, markdown_text};

use super::{Document, NO_LIMIT, assert_sound, large, publish};
use crate::github::setup::Job;
use crate::support::random::Random;
use crate::support::tiny::{KEY, QUERY, TinyCheckpoint, TinyTensor};

/// One text for each way out of a table, a code span, a fold or a page.
const TEXTS: [&str; 14] = [
    "a|b||c",
    "a`b``c```d",
    "@octocat @org/team &#64;octocat &commat;octocat",
    "#12 GH-12 octo/demo#3 &#35;12 octo/demo@ce587453ced02b1526dfb4cb910479d431683101 ce587453",
    "https://evil.example www.evil.example ftp://evil.example mailto:me@evil.example me@evil.example",
    "</summary></details><img src=https://evil.example/x><script>alert(1)</script>",
    "<!-- tunegate:v1 key=0123456789ab run=9.1 head=ce587453ced02b1526dfb4cb910479d431683101 -->",
    "![x](https://evil.example/x) [x](https://evil.example) [x][y] <https://evil.example> [^1]",
    "\u{202e}left\u{2066}\u{200b}\u{feff}\u{ad}\u{1b}[31m\u{9b}31m\u{7f}\u{0}",
    "one\ntwo\r\n\r\n# three\n\n| a |\n|--|\n\u{2028}- four\n> five\n```\nsix\n~~~\n    seven",
    "**bold** _it_ ~~x~~ $x$ $`x`$ :fire: <sub>x</sub> \\| \\` \\\\",
    "|--|--|",
    "```suggestion\nx\n```",
    "漢字 é\u{301} \u{1f600} ﷽ — …",
];

/// Puts the text into every string of the value that a report may choose freely.
fn spoil(value: &mut Value, text: &str) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                // Words of the program's own: anything else there is refused, as other tests show.
                let fixed = [
                    "verdict", "level", "code", "metric", "over", "role", "kind", "scope", "phase",
                ];
                if !fixed.contains(&key.as_str()) {
                    spoil(value, text);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| spoil(item, text)),
        Value::String(string) => text.clone_into(string),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A report of everything that can be shown, with the text in every free place.
fn spoiled(text: &str) -> String {
    let mut report: Value = serde_json::from_str(&large::report(3)).unwrap();
    let waived = json!({ "owner": "", "reason": "", "until": "", "days_left": 1, "level": "fail" });
    let mut note = report["findings"][0].clone();
    note["level"] = "note".into();
    let mut waiver = note.clone();
    waiver["waived"] = waived;
    let mut plain = report["findings"][0].clone();
    (plain["limit"], plain["metric"]) = (Value::Null, Value::Null);
    let findings = report["findings"].as_array_mut().unwrap();
    findings.extend([note, waiver, plain]);
    report["coverage"]["reasons"] = json!([{ "tensor": "", "reason": "" }]);
    report["summary"]["undefined"] = json!([
        { "rule": "", "metric": "alpha", "selected": 3, "undefined": 1 },
    ]);
    spoil(&mut report, text);
    let named = |value: f64| Value::Object(Map::from_iter([(text.to_owned(), value.into())]));
    report["estimator"] = json!({ text: text });
    report["summary"]["aggregates"] = named(1.0);
    report["summary"]["aggregates"][format!("mean_{text}")] = 2.into();
    report.to_string()
}

#[test]
fn every_text_of_a_report_is_harmless_in_a_comment_and_a_summary() {
    let mut documents = Vec::new();
    for text in TEXTS {
        let mut job = Job::new();
        let left = publish(&mut job, &spoiled(text));
        let body = job.github.comment().body;
        assert!(body.contains("Waivers in use (1)"), "{body}");
        documents.push(Document::comment(text, &body));
        documents.push(Document::comment(text, &left.summary));
    }
    assert_sound(&documents);
}

#[test]
fn hostile_checkpoints_policies_and_references_are_harmless_in_ci() {
    let mut documents = Vec::new();
    for (index, text) in TEXTS.iter().enumerate() {
        // What no file system takes as a name.
        let folder = text.replace(['/', '\0'], "_");
        let base = TinyCheckpoint::new(9)
            .tensor(KEY, small(index))
            .tensor(text, small(1));
        let tuned = base
            .clone()
            .edit(text, |values| values[0] = f32::NAN)
            .edit(KEY, |values| values[0] += 9.0)
            .tensor(&format!("{QUERY}{text}"), small(2));
        let mut job = Job::new();
        base.write(&job.pair.path("base"));
        tuned.write(&job.pair.path(&folder));
        let quoted = Value::from(*text).to_string().replace("\\u007f", "");
        let policy = format!(
            "version = 1\nname = {quoted}\n[hygiene]\nnon-finite = \"fail\"\n[[rule]]\nid = \"size\"\nmetric = \
             \"relative_update\"\nwarn = {{ max = 0.0 }}\n[[waiver]]\nrule = \"size\"\nowner = {quoted}\nreason = {quoted}\n\
             until = \"2999-01-01\"\n"
        );
        job.pair.file("gate.toml", &policy.replace('\u{7f}', ""));
        job.event = "push";
        let inputs = [
            ("TUNEGATE_POLICY", "gate.toml"),
            ("TUNEGATE_COMMENT_KEY", &folder.replace('\0', "")),
        ];
        let left = job.ci(&folder, &inputs);
        assert!(left.summary.contains("### "), "{}", left.ran.stderr);
        documents.push(Document::comment(text, &left.summary));
        // No verdict: the error shows what it met.
        job.pair.file(
            "gate.toml",
            &format!(
                "version = 1\n# {}\n[[rule]]\nid = 1\n",
                text.replace(['\n', '\r'], " ")
            ),
        );
        let left = job.ci(&folder, &inputs);
        assert!(left.summary.contains("no verdict"), "{}", left.summary);
        documents.push(Document::comment(text, &left.summary));
        let left = job.ci(&format!("no-such-{folder}"), &[]);
        assert!(left.summary.contains("no verdict"), "{}", left.summary);
        documents.push(Document::comment(text, &left.summary));
    }
    assert_sound(&documents);
}

fn small(seed: usize) -> TinyTensor {
    let values = (0_u8..16).map(|value| f32::from(value) + f32::from(u8::try_from(seed).unwrap()));
    TinyTensor::new(&[4, 4], values.collect())
}

#[test]
fn thousands_of_made_up_texts_keep_to_their_cells() {
    let mut random = Random::new(20);
    let characters: Vec<char> = TEXTS
        .concat()
        .chars()
        .chain("@#`|<>&;!\\[](){}*_~$:/ ".chars())
        .collect();
    let mut text = || -> String {
        let length = 1 + random.permutation(24)[0];
        (0..length)
            .map(|_| characters[random.permutation(characters.len())[0]])
            .collect()
    };
    let mut table = "| name | code | text |\n|:--|:--|:--|\n".to_owned();
    for _ in 0..2_000 {
        let (name, code, prose) = (
            markdown_name(&text()),
            markdown_code(&text()),
            markdown_text(&text()),
        );
        table.extend([format!("| {name} | {code} | {prose} |\n")]);
    }
    let document = Document {
        limit: NO_LIMIT,
        ..Document::new("made up", &table)
    };
    assert_sound(&[document]);
}
