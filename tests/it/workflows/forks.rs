//! Pull requests whose run may not write, and the second workflow that publishes for them.

use serde_json::{Value, json};

use super::{example, gate, replaced, runner};
use crate::support::act::Runner;
use crate::support::github::HEAD;

/// The second workflow, with the program on this machine as the image.
fn companion() -> String {
    let image = "docker://ghcr.io/tunegate/tunegate:0.1.0";
    replaced(&example("name: gate-comment\n"), image, "tunegate/image@v0")
}

fn finished() -> Value {
    json!({
        "workflow_run": {
            "id": 1, "run_attempt": 1, "head_sha": HEAD, "event": "pull_request", "name": "gate",
            "head_branch": "patch/1", "head_repository": { "full_name": "mona/demo" }, "pull_requests": [],
        },
    })
}

/// The first workflow with the step that hands its report on, and the second.
fn with_companion(runner: &Runner) {
    let upload = example("name: tunegate-report\n          path: ${{");
    let (_, step) = upload.split_once('\n').unwrap();
    runner.workflow("gate", &(gate() + step));
    runner.workflow("gate-comment", &companion());
}

#[test]
fn a_fork_gets_a_notice_a_summary_and_a_report_and_the_same_verdict() {
    let Some(runner) = runner() else { return };
    runner.github.read_only(true);
    for (tuned, verdict, code) in [("broken", "fail", 1), ("tuned", "pass", 0)] {
        runner.recipe(tuned);
        let payload = runner.pull_request("mona/demo", "mona");
        let ran = runner
            .run("gate", "pull_request", &payload)
            .expect_code(code);
        assert_eq!(ran.output("verdict"), verdict);
        assert_eq!(ran.report()["verdict"], verdict);
        assert!(ran.summary().contains(verdict), "{}", ran.summary());
        assert_eq!(ran.output("comment-url"), "");
        // Where nothing would have been published, nothing is missing.
        let notices = ran.commands("notice").len();
        assert_eq!(notices, usize::from(code == 1), "{}", ran.text());
    }
    assert_eq!(runner.github.comments().len(), 0);
}

#[test]
fn a_run_of_dependabot_is_as_one_of_a_fork() {
    let Some(runner) = runner() else { return };
    runner.github.read_only(true);
    runner.recipe("broken");
    let payload = runner.pull_request("octo/demo", "dependabot[bot]");
    let ran = runner.run("gate", "pull_request", &payload).expect_code(1);
    let notices = ran.commands("notice");
    assert_eq!(notices.len(), 1, "{}", ran.text());
    assert!(notices[0].contains("Dependabot"), "{notices:?}");
    assert!(ran.summary().contains("fail: "));
}

#[test]
fn the_second_workflow_publishes_the_report_of_the_first() {
    let Some(runner) = runner() else { return };
    with_companion(&runner);
    runner.github.pull(7, HEAD, "mona/demo", "patch/1");
    runner.github.read_only(true);
    runner.recipe("broken");
    let payload = runner.pull_request("mona/demo", "mona");
    runner.run("gate", "pull_request", &payload).expect_code(1);
    let before = runner.github.comments().len();
    runner.github.read_only(false);
    let ran = runner
        .run("gate-comment", "workflow_run", &finished())
        .expect_code(0);
    assert!(ran.has_run("tunegate/image@v0"), "{}", ran.text());
    assert_eq!(
        (before, runner.github.comments().len()),
        (0, 1),
        "{}",
        ran.text()
    );
    let body = runner.github.comment().body;
    assert!(
        body.contains("fail: ") && body.contains("a run for a fork"),
        "{body}"
    );
}

#[test]
fn the_second_workflow_does_nothing_after_a_push_and_fails_without_a_report() {
    let Some(runner) = runner() else { return };
    with_companion(&runner);
    let mut payload = finished();
    payload["workflow_run"]["event"] = "push".into();
    let ran = runner
        .run("gate-comment", "workflow_run", &payload)
        .expect_code(0);
    assert!(!ran.has_run("tunegate/image@v0"), "{}", ran.text());
    let ran = runner
        .run("gate-comment", "workflow_run", &finished())
        .expect_code(1);
    assert!(!ran.has_run("tunegate/image@v0"), "{}", ran.text());
    assert_eq!(runner.github.requests(), [""; 0]);
}
