//! Tokens that may not write, events that cannot be read, and what they do to the exit code: nothing.

use super::setup::Job;
use crate::support::github::Fault;
use crate::support::github::problem;

const STRICT: (&str, &str) = ("TUNEGATE_REPORT_ERRORS", "fail");
const ALWAYS: (&str, &str) = ("TUNEGATE_COMMENT", "always");

#[test]
fn a_fork_without_a_token_gets_the_summary_and_the_same_exit_code() {
    for (tuned, code) in [("broken", 1), ("tuned", 0)] {
        let mut job = Job::new().of_fork();
        job.token = false;
        let left = job.ci(tuned, &[STRICT, ALWAYS]).expect(code);
        assert_eq!(job.github.requests(), [""; 0]);
        assert_eq!(left.commands("notice").len(), 1, "{}", left.ran.stderr);
        assert!(left.commands("notice")[0].contains("from a fork"));
        assert!(left.summary.contains("### "));
        assert_eq!(left.output("comment-url"), "");
    }
}

#[test]
fn a_fork_whose_token_may_only_read_gets_one_notice() {
    for sender in ["mona", "dependabot[bot]"] {
        let mut job = Job::new();
        if sender == "mona" {
            job = job.of_fork();
        }
        job.payload["sender"]["login"] = sender.into();
        job.github.read_only(true);
        let left = job
            .ci("tuned", &[STRICT, ALWAYS, ("TUNEGATE_CHECK_RUN", "true")])
            .expect(0);
        let notices = left.commands("notice");
        assert_eq!(notices.len(), 1, "{notices:?}");
        assert!(
            notices[0].contains("no comment and no check run"),
            "{notices:?}"
        );
        assert!(left.summary.contains("pass: "));
    }
}

#[test]
fn a_missing_permission_is_named_and_changes_the_exit_code_only_where_asked() {
    let mut job = Job::new();
    job.github.read_only(true);
    let left = job.ci("tuned", &[ALWAYS]).expect(0);
    let notices = left.commands("notice");
    assert!(
        notices[0].contains("Resource not accessible by integration"),
        "{notices:?}"
    );
    assert!(notices[0].contains("pull-requests: write"), "{notices:?}");
    job.ci("tuned", &[ALWAYS, STRICT]).expect(4);
    let left = job.ci("broken", &[STRICT]).expect(1);
    assert_eq!(left.output("verdict"), "fail");
    assert!(left.summary.contains("fail: "));
}

#[test]
fn a_missing_token_is_a_failure_to_publish_only_where_there_was_something_to_say() {
    let mut job = Job::new();
    job.token = false;
    job.ci("tuned", &[STRICT]).expect(0);
    let left = job.ci("tuned", &[STRICT, ALWAYS]).expect(4);
    assert!(left.commands("notice")[0].contains("there is no token"));
}

#[test]
fn a_summary_that_cannot_be_written_is_said() {
    let mut job = Job::new();
    let left = job
        .ci(
            "tuned",
            &[("GITHUB_STEP_SUMMARY", "/no/such/folder/summary"), STRICT],
        )
        .expect(4);
    assert!(left.commands("notice")[0].contains("the job summary"));
}

#[test]
fn a_garbled_event_is_said_and_judged_as_a_push() {
    let mut job = Job::new();
    job.payload = serde_json::json!({ "pull_request": "?" });
    let left = job.ci("broken", &[]).expect(1);
    assert!(
        left.commands("notice")[0].contains("no usable"),
        "{}",
        left.ran.stderr
    );
    assert!(left.summary.contains("fail: "));
    assert_eq!(job.github.requests(), [""; 0]);
    let left = job
        .ci("tuned", &[("GITHUB_EVENT_PATH", "/no/such/event.json")])
        .expect(0);
    assert!(
        left.commands("notice")[0].contains("cannot be read"),
        "{}",
        left.ran.stderr
    );
}

#[test]
fn events_without_a_pull_request_get_no_comment() {
    for event in ["push", "schedule", "workflow_dispatch"] {
        let mut job = Job::new();
        job.event = event;
        let left = job.ci("broken", &[]).expect(1);
        assert_eq!(left.commands("notice").len(), 0, "{}", left.ran.stderr);
        assert_eq!(job.github.requests(), [""; 0]);
    }
}

#[test]
fn pull_request_target_is_refused_unless_asked() {
    let mut job = Job::new();
    job.event = "pull_request_target";
    let left = job.ci("tuned", &[]).expect(2);
    assert!(
        left.ran.stderr.contains("--allow-pull-request-target"),
        "{}",
        left.ran.stderr
    );
    assert_eq!(left.output("verdict"), "");
    let allowed = ("TUNEGATE_ALLOW_PULL_REQUEST_TARGET", "true");
    job.ci("tuned", &[allowed]).expect(0);
}

#[test]
fn a_run_that_cannot_judge_turns_a_green_comment() {
    let mut job = Job::new();
    job.ci("tuned", &[ALWAYS]).expect(0);
    let left = job.ci("no-such-folder", &[]).expect(2);
    assert_eq!(left.ran.stdout, "");
    assert!(left.ran.stderr.contains("error:"), "{}", left.ran.stderr);
    assert_eq!(
        (left.output("verdict"), left.output("report-path")),
        ("", "")
    );
    let body = job.github.comment().body;
    assert!(
        body.contains("no verdict") && !body.contains("pass: "),
        "{body}"
    );
    assert!(left.summary.contains("no verdict"), "{}", left.summary);
    assert_eq!(left.commands("error").len(), 1);
}

#[test]
fn nothing_to_judge_is_never_a_pass() {
    let mut job = Job::new();
    let left = job.ci("", &[]).expect(2);
    assert!(left.ran.stderr.contains("no tuned checkpoint is named"));
    let left = job
        .ci("tuned", &[("TUNEGATE_WORKING_DIRECTORY", "no/such")])
        .expect(2);
    assert!(left.summary.contains("no verdict"), "{}", left.summary);
}

#[test]
fn outside_of_actions_nothing_is_published() {
    let mut job = Job::new();
    let mut command = job.command("ci");
    for name in ["GITHUB_ACTIONS", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"] {
        command.env_remove(name);
    }
    command
        .env("TUNEGATE_BASE", "base")
        .env("TUNEGATE_TUNED", "broken");
    let left = job.finish(&mut command);
    assert_eq!(
        (left.ran.code, left.outputs.len(), left.summary.as_str()),
        (1, 0, "")
    );
    assert_eq!(job.github.requests(), [""; 0]);
    assert!(!left.ran.stderr.contains("::"), "{}", left.ran.stderr);
}

#[test]
fn stdout_holds_one_document_whatever_is_said() {
    let mut job = Job::new();
    job.github.read_only(true);
    let mut command = job.command("ci");
    command
        .env("TUNEGATE_BASE", "base")
        .env("TUNEGATE_TUNED", "broken")
        .args(["--format", "json"]);
    let left = job.finish(&mut command).expect(1);
    assert_eq!(left.ran.json()["verdict"], "fail");
    assert_eq!(left.commands("error").len(), 1);
}

#[test]
fn a_check_run_carries_the_verdict_of_the_head() {
    let mut job = Job::new();
    job.ci(
        "broken",
        &[
            ("TUNEGATE_CHECK_RUN", "true"),
            ("TUNEGATE_COMMENT_KEY", "full"),
        ],
    )
    .expect(1);
    let runs = job.github.check_runs();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0]["conclusion"], "failure");
    assert_eq!(runs[0]["head_sha"], crate::support::github::HEAD);
    assert_eq!(runs[0]["name"], "tunegate / full");
    assert!(
        runs[0]["output"]["summary"]
            .as_str()
            .unwrap()
            .contains("fail: ")
    );
    job.github.fault(
        "POST",
        "/check-runs",
        Fault::Refuse(problem(422, "Validation Failed")),
    );
    let left = job.ci("tuned", &[("TUNEGATE_CHECK_RUN", "true")]).expect(0);
    assert!(
        left.commands("notice")[0].contains("the check run"),
        "{}",
        left.ran.stderr
    );
}

#[test]
fn a_share_has_an_exit_code_and_no_verdict() {
    let mut job = Job::new();
    let inputs = [
        ("TUNEGATE_SHARD", "1/2"),
        ("TUNEGATE_EMIT", "part=part.json"),
    ];
    let left = job.ci("tuned", &inputs).expect(0);
    assert_eq!(left.output("verdict"), "");
    assert_eq!(job.github.requests(), [""; 0]);
    assert!(job.pair.path("part.json").exists());
}
