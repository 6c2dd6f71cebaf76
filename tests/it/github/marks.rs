//! What is pinned to the policy's lines, and the limits of what GitHub takes.

use super::setup::Job;
use crate::support::tiny::{QUERY, TinyCheckpoint};

const CHECK_RUN: (&str, &str) = ("TUNEGATE_CHECK_RUN", "true");
const GATE: (&str, &str) = ("TUNEGATE_POLICY", "gate.toml");

/// A job on a push, whose policy has so many rules that every layer breaks; every rule takes five lines.
pub(super) fn job_with_rules(count: usize, id: &str) -> Job {
    let mut job = Job::new();
    job.event = "push";
    let mut policy = "version = 1\nname = \"gate\"\nextends = \"default\"\n".to_owned();
    for index in 0..count {
        let level = if index % 2 == 0 { "fail" } else { "warn" };
        policy.extend([format!("\n[[rule]]\nid = \"{id}{index}\"\nmetric = \"relative_update\"\n{level} = {{ max = 0.005 }}\n")]);
    }
    job.pair.file("gate.toml", &policy);
    job
}

#[test]
fn annotations_stand_on_the_lines_of_the_rules_at_most_ten_of_a_kind() {
    let mut job = job_with_rules(26, "rule-");
    let left = job.ci("tuned", &[GATE]).expect(1);
    let (errors, warnings) = (left.commands("error"), left.commands("warning"));
    assert_eq!(
        (errors.len(), warnings.len()),
        (10, 10),
        "{}",
        left.ran.stderr
    );
    assert!(
        errors[0].starts_with("::error file=gate.toml,line=5,title=tunegate%3A rule-0::"),
        "{}",
        errors[0]
    );
    assert!(
        errors[9].contains("(3 more rules: see the summary)"),
        "{}",
        errors[9]
    );
    assert!(warnings[0].contains("What to do: "), "{}", warnings[0]);
    let off = job
        .ci("tuned", &[GATE, ("TUNEGATE_ANNOTATIONS", "false")])
        .expect(1);
    assert_eq!(off.commands("error").len(), 0);
}

#[test]
fn a_check_run_gets_its_annotations_by_the_fifty() {
    let mut job = job_with_rules(120, "rule-");
    job.ci("tuned", &[GATE, CHECK_RUN]).expect(1);
    let runs = job.github.check_runs();
    let annotations = runs[0]["output"]["annotations"].as_array().unwrap();
    assert_eq!(annotations.len(), 120);
    assert_eq!(annotations[0]["path"], "gate.toml");
    assert_eq!(annotations[0]["start_line"], 5);
    let writes = job.github.writes();
    assert_eq!(writes.len(), 3, "{writes:?}");
    assert!(writes[1].starts_with("PATCH "), "{writes:?}");
    assert_eq!(
        runs[0]["head_sha"],
        "0123456789012345678901234567890123456789"
    );
}

#[test]
fn a_shipped_policy_has_no_line_in_the_repository() {
    let mut job = Job::new();
    let left = job.ci("broken", &[CHECK_RUN]).expect(1);
    assert!(left.commands("error")[0].starts_with("::error title=tunegate%3A non-finite::"));
    let annotations = &job.github.check_runs()[0]["output"]["annotations"];
    assert_eq!(annotations.as_array().unwrap().len(), 0);
}

#[test]
fn an_inconclusive_run_is_neutral_and_closes_the_gate() {
    let mut job = Job::new();
    job.event = "push";
    TinyCheckpoint::model()
        .tuned(0.01)
        .without(QUERY)
        .write(&job.pair.path("partial"));
    let policy = "version = 1\nextends = \"default\"\n[hygiene]\nmissing-tensor = \"allow\"\n";
    job.pair.file("gate.toml", policy);
    let left = job.ci("partial", &[GATE, CHECK_RUN]).expect(3);
    assert_eq!(left.output("verdict"), "inconclusive");
    assert_eq!(job.github.check_runs()[0]["conclusion"], "neutral");
}

#[test]
fn a_report_beyond_the_limit_of_a_comment_is_cut_by_whole_blocks() {
    let mut job = job_with_rules(600, &"r".repeat(60));
    job.event = "pull_request";
    let left = job
        .ci("tuned", &[GATE, ("TUNEGATE_POLICY_REF", "head")])
        .expect(1);
    let body = job.github.comment().body;
    assert!(body.len() <= 60_000, "{} bytes", body.len());
    assert_eq!(
        body.matches("<details>").count(),
        body.matches("</details>").count()
    );
    assert!(body.trim_end().ends_with("</sub>"), "{body}");
    assert!(left.summary.len() > 60_000, "the comment was not cut");
    assert!(left.summary.len() < 1_000_000 && left.summary.contains("### "));
}

#[test]
fn a_folder_can_be_worked_in_and_is_part_of_the_path() {
    let mut job = job_with_rules(1, "rule-");
    let text = tunegate::fs::read_to_string(&job.pair.path("gate.toml")).unwrap();
    tunegate::fs::create_dir_all(&job.pair.path("models")).unwrap();
    job.pair.file("models/gate.toml", &text);
    job.pair.file("models/recipe.txt", "../tuned\n");
    let inputs = [
        GATE,
        ("TUNEGATE_WORKING_DIRECTORY", "models"),
        ("TUNEGATE_BASE", "../base"),
    ];
    let left = job.ci("file:recipe.txt", &inputs).expect(1);
    assert!(
        left.commands("error")[0].contains("file=models/gate.toml,line=5"),
        "{}",
        left.ran.stderr
    );
}

#[test]
fn empty_inputs_are_no_inputs() {
    let mut job = Job::new();
    let empty = [
        "POLICY",
        "POLICY_REF",
        "COMMENT",
        "COMMENT_KEY",
        "CHECK_RUN",
        "ANNOTATIONS",
        "SUMMARY",
        "CACHE",
        "SHARD",
        "EMIT",
        "ADVISORY",
        "REPORT_ERRORS",
        "WORKING_DIRECTORY",
        "REPORT_PATH",
        "BOT_LOGIN",
        "ALLOW_PULL_REQUEST_TARGET",
    ]
    .map(|name| format!("TUNEGATE_{name}"));
    let inputs: Vec<(&str, &str)> = empty.iter().map(|name| (name.as_str(), "")).collect();
    let left = job.ci("tuned", &inputs);
    assert_eq!(left.ran.code, 0, "{}", left.ran.stderr);
    assert!(left.summary.contains("pass: "));
}
