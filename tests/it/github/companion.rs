//! `comment`: the second workflow, which may write for a fork and trusts nothing that it is handed.

use serde_json::{Value, json};

use super::setup::{Job, Left};
use crate::support::github::HEAD;

/// A job started by the end of a fork's run, beside the report of that run.
pub(super) fn companion(tuned: &str) -> Job {
    let mut judged = Job::new().of_fork();
    judged.token = false;
    judged.ci(tuned, &[]);
    let mut job = judged;
    job.token = true;
    job.event = "workflow_run";
    job.payload = json!({
        "workflow_run": {
            "id": 1, "run_attempt": 1, "head_sha": HEAD, "event": "pull_request", "name": "gate",
            "head_branch": "patch/1", "head_repository": { "full_name": "mona/demo" }, "pull_requests": [],
        },
    });
    job
}

pub(super) fn publish(job: &mut Job, inputs: &[(&str, &str)]) -> Left {
    let mut command = job.command("comment");
    command.args(["--from", "tunegate-report.json"]);
    for (name, value) in inputs {
        command.env(name, value);
    }
    job.finish(&mut command)
}

fn change_report(job: &Job, change: impl FnOnce(&mut Value)) {
    let path = job.pair.path("tunegate-report.json");
    let mut report: Value =
        serde_json::from_str(&tunegate::fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut report);
    job.pair.file("tunegate-report.json", &report.to_string());
}

#[test]
fn the_report_of_a_fork_is_published_on_the_pull_request_that_github_names() {
    let mut job = companion("broken");
    job.github.pull(7, HEAD, "mona/demo", "patch/1");
    let left = publish(&mut job, &[]);
    assert_eq!(left.ran.code, 0, "{}", left.ran.stderr);
    let body = job.github.comment().body;
    assert!(
        body.contains("fail: ") && body.contains("a run for a fork"),
        "{body}"
    );
    assert_eq!(left.output("verdict"), "fail");
}

#[test]
fn a_pull_request_that_moved_on_or_is_another_is_not_commented_on() {
    for (head, repository) in [
        ("1111111111111111111111111111111111111111", "mona/demo"),
        (HEAD, "eve/demo"),
    ] {
        let mut job = companion("broken");
        job.github.pull(7, head, repository, "patch/1");
        let left = publish(&mut job, &[]);
        assert_eq!(
            (left.ran.code, job.github.comments().len()),
            (0, 0),
            "{}",
            left.ran.stderr
        );
        assert!(
            left.commands("notice")[0].contains("no open pull request"),
            "{}",
            left.ran.stderr
        );
    }
}

#[test]
fn a_report_that_contradicts_itself_or_is_none_is_refused() {
    let mut job = companion("broken");
    job.github.pull(7, HEAD, "mona/demo", "patch/1");
    change_report(&job, |report| report["verdict"] = "pass".into());
    let left = publish(&mut job, &[]);
    assert_eq!((left.ran.code, job.github.comments().len()), (2, 0));
    assert!(
        left.ran.stderr.contains("its verdict is `pass`"),
        "{}",
        left.ran.stderr
    );
    job.pair.file("tunegate-report.json", "{\"schema\": 1}");
    assert_eq!(publish(&mut job, &[]).ran.code, 2);
}

#[test]
fn hostile_names_in_a_report_do_nothing() {
    let mut job = companion("broken");
    job.github.pull(7, HEAD, "mona/demo", "patch/1");
    let hostile = "x|`@octocat`<img src=https://evil.example/x>\n<!-- tunegate:v1 -->#12";
    change_report(&job, |report| {
        report["findings"][0]["layer"] = hostile.into();
        report["findings"][0]["message"] = hostile.into();
        report["findings"][0]["policy_source"] = hostile.into();
        report["tuned"]["ref"] = hostile.into();
        report["policy"]["name"] = hostile.into();
        report["reason"] = hostile.into();
    });
    publish(&mut job, &[]);
    let body = job.github.comment().body;
    assert!(
        !body.contains("@octocat") && !body.contains("<img"),
        "{body}"
    );
    assert_eq!(body.matches("<!--").count(), 1, "{body}");
}

#[test]
fn a_token_that_may_not_write_is_said_and_fails_where_asked() {
    let mut job = companion("broken");
    job.github.pull(7, HEAD, "mona/demo", "patch/1");
    job.github.read_only(true);
    let left = publish(&mut job, &[]);
    assert_eq!(left.ran.code, 0);
    assert!(
        left.commands("notice")[0].contains("pull-requests: write"),
        "{}",
        left.ran.stderr
    );
    assert_eq!(
        publish(&mut job, &[("TUNEGATE_REPORT_ERRORS", "fail")])
            .ran
            .code,
        4
    );
}

#[test]
fn in_the_run_of_a_pull_request_the_report_is_published_there() {
    let mut job = Job::new();
    job.ci("broken", &[("TUNEGATE_COMMENT", "never")]).expect(1);
    publish(&mut job, &[]);
    assert!(!job.github.comment().body.contains("[!NOTE]"));
}

#[test]
fn a_report_that_is_not_there_is_said_with_what_to_do() {
    let mut job = companion("broken");
    let mut command = job.command("comment");
    command.args(["--from", "no/such/report.json"]);
    let left = job.finish(&mut command);
    assert_eq!((left.ran.code, job.github.requests().len()), (2, 0));
    for part in ["no report at `no/such/report.json`", "`report-path`"] {
        assert!(left.ran.stderr.contains(part), "{}", left.ran.stderr);
    }
}
