//! Every event that the gate runs on.

use serde_json::json;

use super::{example, gate, replaced, runner, with};
use crate::support::act::policy;
use crate::support::github::BASE;

#[test]
fn a_sound_pull_request_passes_and_says_nothing() {
    let Some(runner) = runner() else { return };
    let payload = runner.pull_request("octo/demo", "mona");
    let ran = runner.run("gate", "pull_request", &payload).expect_code(0);
    assert_eq!(ran.outcome(), "success", "{}", ran.text());
    let outputs = ["verdict", "exit-code", "fail-count", "policy-changed"];
    assert_eq!(
        outputs.map(|name| ran.output(name)),
        ["pass", "0", "0", "false"]
    );
    assert_eq!(ran.report()["verdict"], "pass");
    assert!(ran.summary().contains("pass: "), "{}", ran.summary());
    assert_eq!(runner.github.writes(), [""; 0]);
    assert_eq!(ran.commands("notice"), [""; 0]);
}

#[test]
fn a_broken_pull_request_fails_the_job_and_its_comment_turns_green() {
    let Some(runner) = runner() else { return };
    let payload = runner.pull_request("octo/demo", "mona");
    runner.recipe("broken");
    let ran = runner.run("gate", "pull_request", &payload).expect_code(1);
    assert_eq!(ran.outcome(), "failure");
    let outputs = ["verdict", "exit-code", "fail-count", "warn-count"];
    assert_eq!(
        outputs.map(|name| ran.output(name)),
        ["fail", "1", "1", "0"]
    );
    assert_eq!(ran.report()["verdict"], "fail");
    assert!(ran.summary().contains("fail: "), "{}", ran.summary());
    assert_eq!(ran.commands("error").len(), 1, "{}", ran.text());
    let comment = runner.github.comment();
    assert!(comment.body.contains("fail: "), "{}", comment.body);
    let address = ran.output("comment-url");
    assert!(address.ends_with(&format!("-{}", comment.id)), "{address}");
    runner.recipe("tuned");
    let ran = runner.run("gate", "pull_request", &payload).expect_code(0);
    assert_eq!(ran.output("comment-url"), address);
    let mended = runner.github.comment();
    assert!(
        mended.id == comment.id && mended.body.contains("pass: "),
        "{mended:?}"
    );
}

#[test]
fn an_advisory_gate_says_fail_and_lets_the_job_pass() {
    let Some(runner) = runner() else { return };
    runner.workflow("gate", &with(&gate(), "advisory: true"));
    runner.recipe("broken");
    let payload = runner.pull_request("octo/demo", "mona");
    let ran = runner.run("gate", "pull_request", &payload).expect_code(0);
    assert_eq!(
        (ran.outcome(), ran.output("verdict").as_str()),
        ("success", "fail")
    );
}

#[test]
fn the_base_s_policy_judges_from_the_checkout_and_from_github() {
    let Some(runner) = runner() else { return };
    runner.write("repo/policies/gate.toml", &policy(0.005));
    let strict = runner.commit();
    runner.write("repo/policies/gate.toml", &policy(0.5));
    let mut payload = runner.pull_request("octo/demo", "mona");
    payload["pull_request"]["base"]["sha"] = strict.into();
    let ran = runner.run("gate", "pull_request", &payload).expect_code(1);
    assert_eq!(ran.output("policy-changed"), "true");
    assert!(
        !runner
            .github
            .requests()
            .iter()
            .any(|asked| asked.contains("/contents/"))
    );
    // A checkout of depth one does not hold the base.
    payload["pull_request"]["base"]["sha"] = BASE.into();
    runner
        .github
        .content("policies/gate.toml", BASE, &policy(0.005));
    let ran = runner.run("gate", "pull_request", &payload).expect_code(1);
    assert_eq!(ran.output("policy-changed"), "true");
    assert!(
        runner
            .github
            .requests()
            .iter()
            .any(|asked| asked.contains("/contents/"))
    );
}

#[test]
fn a_check_run_is_published_where_it_is_asked_for() {
    let Some(runner) = runner() else { return };
    runner.workflow("gate", &with(&gate(), "check-run: true"));
    runner.recipe("broken");
    let payload = runner.pull_request("octo/demo", "mona");
    runner.run("gate", "pull_request", &payload).expect_code(1);
    let runs = runner.github.check_runs();
    assert_eq!(runs.len(), 1);
    assert_eq!(
        (&runs[0]["name"], &runs[0]["conclusion"]),
        (&json!("tunegate / gate"), &json!("failure"))
    );
}

#[test]
fn events_without_a_pull_request_are_judged_and_change_nothing() {
    let Some(runner) = runner() else { return };
    let group = json!({ "merge_group": { "base_sha": runner.base, "head_sha": BASE } });
    let events = [
        ("push", json!({})),
        ("merge_group", group),
        ("schedule", json!({ "schedule": "17 3 * * *" })),
        ("workflow_dispatch", json!({})),
    ];
    for (tuned, verdict, code) in [("tuned", "pass", 0), ("broken", "fail", 1)] {
        runner.recipe(tuned);
        for (event, payload) in &events {
            let ran = runner.run("gate", event, payload).expect_code(code);
            assert_eq!(ran.output("verdict"), verdict, "{event}");
            assert!(
                ran.summary().contains(verdict),
                "{event}: {}",
                ran.summary()
            );
            assert_eq!(ran.commands("notice"), [""; 0], "{event}");
            assert_eq!(runner.github.requests(), [""; 0], "{event}");
        }
    }
}

#[test]
fn a_missing_input_is_named_and_closes_the_gate() {
    let Some(runner) = runner() else { return };
    let tuned = "          tuned: file:recipes/support-bot.yaml#output.model\n";
    runner.workflow("gate", &replaced(&gate(), tuned, ""));
    let payload = runner.pull_request("octo/demo", "mona");
    let ran = runner.run("gate", "pull_request", &payload).expect_code(1);
    assert_eq!(
        (ran.outcome(), ran.output("exit-code").as_str()),
        ("failure", "2")
    );
    assert_eq!(ran.output("verdict"), "");
    let errors = ran.commands("error");
    assert!(
        errors
            .iter()
            .any(|error| error.contains("no tuned checkpoint is named")),
        "{errors:?}"
    );
    assert!(
        ran.text().contains("set the input `tuned`"),
        "{}",
        ran.text()
    );
}

#[test]
fn an_input_that_the_program_does_not_take_closes_the_gate() {
    let Some(runner) = runner() else { return };
    runner.workflow("gate", &with(&gate(), "comment: sometimes"));
    let payload = runner.pull_request("octo/demo", "mona");
    let ran = runner.run("gate", "pull_request", &payload).expect_code(1);
    assert_eq!(
        (ran.outcome(), ran.output("exit-code").as_str()),
        ("failure", "2")
    );
    let errors = ran.commands("error");
    assert!(
        errors.len() == 1 && errors[0].contains("does not take these inputs"),
        "{errors:?}"
    );
    assert!(ran.text().contains("sometimes"), "{}", ran.text());
}

#[test]
fn a_nightly_run_judges_what_the_schedule_names() {
    let Some(mut runner) = runner() else { return };
    let text = example("cron:");
    let text = replaced(&text, "hf://org/base@0123abcd", "base");
    let text = replaced(&text, "s3://models/nightly/latest", "${{ env.TUNED }}");
    let cache = "          cache: .tunegate-cache\n";
    let program = format!("{cache}          binary: ${{{{ env.PROGRAM }}}}\n");
    runner.workflow("nightly", &replaced(&text, cache, &program));
    runner.write("repo/policies/nightly.toml", &policy(0.5));
    let payload = json!({ "schedule": "17 3 * * *" });
    for (tuned, verdict, code) in [("tuned", "pass", 0), ("broken", "fail", 1)] {
        runner.environment = vec![("TUNED".to_owned(), tuned.to_owned())];
        let ran = runner
            .run("nightly", "schedule", &payload)
            .expect_code(code);
        let expected = format!("{verdict}: ");
        assert!(ran.summary().contains(&expected), "{}", ran.text());
        std::fs::remove_dir_all(runner.path("artifacts/tunegate-history")).unwrap();
    }
    // The second night found the first in the cache, and both were kept though it failed.
    let nights = runner.path("artifacts.cache/nights.db");
    let shown = std::process::Command::new(crate::support::act::program())
        .args(["history", "show", "--format", "json", "--history"])
        .arg(nights)
        .output()
        .unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["runs"].as_array().unwrap().len(), 2, "{shown}");
}
