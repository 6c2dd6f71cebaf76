//! Comments as users will see them, kept as files. `TUNEGATE_BLESS=1` writes them, and their copies in
//! `docs/github.md`, again.

use std::collections::BTreeSet;

use serde_json::Value;
use tunegate::fs;

use super::{Document, assert_sound, large, publish};
use crate::github::setup::Job;
use crate::support::cmd::Ran;
use crate::support::cmd::tunegate;
use crate::support::{repository, repository_text};

const REAL: [&str; 5] = ["pass", "warn", "fail", "inconclusive", "no-op"];
const GUIDE: &str = "docs/github.md";

fn fixture(name: &str) -> String {
    repository_text(&format!("tests/fixtures/reports/{name}.json"))
}

/// The comment that this report becomes.
fn comment(report: &str) -> String {
    let mut job = Job::new();
    publish(&mut job, report);
    job.github.comment().body
}

fn blessed() -> bool {
    std::env::var_os("TUNEGATE_BLESS").is_some()
}

/// Compares with a file below `tests/it/github/golden`, or writes it.
#[track_caller]
fn assert_golden(name: &str, found: &str) {
    let file = format!("tests/it/github/golden/{name}.md");
    if blessed() {
        fs::create_dir_all(&repository("tests/it/github/golden")).unwrap();
        fs::write_atomic(&repository(&file), found.as_bytes()).unwrap();
    }
    assert!(
        found == repository_text(&file),
        "{file} is another; it is now\n{found}"
    );
}

#[test]
fn every_verdict_looks_as_it_did() {
    let mut documents = Vec::new();
    for name in REAL {
        let body = comment(&fixture(name));
        assert_golden(name, &body);
        documents.push(Document::comment(name, &body).plain());
    }
    let body = comment(&large::report(500));
    assert_golden("large", &body);
    documents.push(Document::comment("large", &body).plain());
    assert_sound(&documents);
}

/// What stands between the two comments that mark an example in the guide.
fn marks(name: &str) -> (String, String) {
    (
        format!("<!-- example: {name} -->\n"),
        format!("<!-- end: {name} -->\n"),
    )
}

/// The comment as the guide shows it: without the marker, and of a large one only what is not folded.
fn example(name: &str) -> String {
    let text = repository_text(&format!("tests/it/github/golden/{name}.md"));
    let (_, shown) = text.split_once('\n').unwrap();
    let shown = if name == "large" {
        shown.split("<details>").next().unwrap()
    } else {
        shown
    };
    let quoted = shown
        .trim_end()
        .lines()
        .map(|line| format!("> {line}").trim_end().to_owned());
    format!("\n{}\n\n", quoted.collect::<Vec<_>>().join("\n"))
}

#[test]
fn the_guide_shows_the_comments_as_they_are() {
    let mut guide = repository_text(GUIDE);
    for name in REAL.into_iter().chain(["large"]) {
        let (start, end) = marks(name);
        let (before, rest) = guide.split_once(&start).unwrap();
        let (shown, after) = rest.split_once(&end).unwrap();
        let expected = example(name);
        if blessed() {
            guide = [before, &start, &expected, &end, after].concat();
        } else {
            assert_eq!(shown, expected, "{GUIDE}: {name}");
        }
    }
    if blessed() {
        fs::write_atomic(&repository(GUIDE), guide.as_bytes()).unwrap();
    }
}

/// Code, level and layer of every finding, without the numbers, which differ by processor in the last digits.
fn findings(report: &Value) -> BTreeSet<[String; 3]> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = report["findings"].as_array().unwrap().iter();
    all.map(|finding| ["code", "level", "layer"].map(|key| text(&finding[key])))
        .collect()
}

#[test]
fn the_reports_behind_the_examples_are_what_the_program_says() {
    let policies = repository("tests/fixtures/reports");
    let runs = [
        ("pass", "sound", "waived.toml"),
        ("warn", "sound", "gate.toml"),
        ("fail", "broken", "gate.toml"),
        ("no-op", "base", "gate.toml"),
    ];
    for (name, tuned, policy) in runs {
        let kept: Value = serde_json::from_str(&fixture(name)).unwrap();
        let mut command = tunegate();
        command
            .current_dir(repository("tests/fixtures/demo"))
            .args([
                "check", "--base", "base", "--tuned", tuned, "--format", "json", "--policy",
            ])
            .arg(policies.join(policy));
        let report = Ran::of(&mut command).json();
        // The waiver of the fixture ends one day; the layers that it holds back stay the same.
        if name != "pass" {
            assert_eq!(report["verdict"], kept["verdict"], "{name}");
            assert_eq!(report["reason"], kept["reason"], "{name}");
            assert_eq!(findings(&report), findings(&kept), "{name}");
        }
        assert_eq!(report["base"]["digest"], kept["base"]["digest"]);
        assert_eq!(report["tuned"]["digest"], kept["tuned"]["digest"]);
    }
}

#[test]
fn a_report_that_is_passed_on_looks_like_the_run_that_wrote_it() {
    for tuned in ["sound", "broken"] {
        let mut job = Job::new();
        for name in ["base", tuned] {
            let from = repository(&format!("tests/fixtures/demo/{name}"));
            for file in ["config.json", "model.safetensors"] {
                let bytes = fs::read(&from.join(file)).unwrap();
                fs::create_dir_all(&job.pair.path(&format!("demo/{name}"))).unwrap();
                fs::write_atomic(&job.pair.path(&format!("demo/{name}/{file}")), &bytes).unwrap();
            }
        }
        let inputs = [
            ("TUNEGATE_BASE", "demo/base"),
            ("TUNEGATE_COMMENT", "always"),
        ];
        let left = job.ci(&format!("demo/{tuned}"), &inputs);
        let of_the_run = job.github.comment().body;
        let report = fs::read_to_string(left.output("report-path").as_ref()).unwrap();
        let mut other = Job::new();
        other.run = job.run - 1;
        publish(&mut other, &report);
        let passed_on = other.github.comment().body;
        assert_eq!(passed_on, of_the_run);
        assert_eq!(passed_on.contains(" → "), tuned == "broken", "{passed_on}");
    }
}
