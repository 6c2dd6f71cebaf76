//! Every request of ours, and every answer of the fake, by GitHub's own description of its API.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::companion;
use super::marks::job_with_rules;
use super::setup::Job;
use crate::support::github::{BASE, BOT, Fault, HEAD};
use crate::support::prism::{Contract, DESCRIPTIONS, Exchange};
use crate::support::server::Reply;

const ALWAYS: (&str, &str) = ("TUNEGATE_COMMENT", "always");
const GATE: (&str, &str) = ("TUNEGATE_POLICY", "gate.toml");

/// Method and route, with numbers, commits and files as such.
fn operation(exchange: &Exchange) -> String {
    let path = exchange.target.split('?').next().unwrap();
    let (_, route) = path.split_once("/repos/octo/demo/").unwrap();
    let parts: Vec<&str> = route.split('/').collect();
    let route = match parts[..] {
        ["issues", "comments", _] => "issues/comments/ID".to_owned(),
        ["check-runs", _] => "check-runs/ID".to_owned(),
        ["contents", ..] => "contents/PATH".to_owned(),
        ["commits", _] => "commits/REF".to_owned(),
        _ => route.to_owned(),
    };
    format!("{} {route} {}", exchange.method, exchange.status)
}

/// One comment through its whole life, among those of other people on two pages.
fn comment(job: &mut Job) {
    for number in 0..130 {
        let login = if number == 7 { "" } else { "mona" };
        job.github
            .add_comment(login, "User", &format!("comment {number}"));
    }
    job.ci("tuned", &[]).expect(0);
    job.ci("broken", &[]).expect(1);
    job.ci("tuned", &[]).expect(0);
    let own = job.github.comments().pop().unwrap();
    assert!(own.login == BOT && own.body.contains("pass: "), "{own:?}");
    job.github.add_comment(BOT, "Bot", &own.body);
    job.ci("broken", &[]).expect(1);
    assert_eq!(job.github.comments().len(), 131);
}

/// A token that may only read, refused.
fn read_only(job: &mut Job) {
    job.github.read_only(true);
    let left = job
        .ci("tuned", &[ALWAYS, ("TUNEGATE_COMMENT_KEY", "other")])
        .expect(0);
    assert_eq!(left.commands("notice").len(), 1, "{}", left.ran.stderr);
    job.github.read_only(false);
}

/// The policy of the base: at the root, below a folder, and one that the base does not have.
fn policy_of_the_base(job: &mut Job) {
    let text = "version = 1\nname = \"gate\"\nextends = \"default\"\n";
    for path in ["gate.toml", "policies/gate.toml", "new.toml"] {
        tunegate::fs::create_dir_all(&job.pair.path("policies")).unwrap();
        job.pair.file(path, text);
        if path != "new.toml" {
            job.github.content(path, BASE, text);
        }
        let left = job.ci("tuned", &[("TUNEGATE_POLICY", path)]).expect(0);
        assert_eq!(
            left.output("policy-changed"),
            (path == "new.toml").to_string()
        );
    }
}

/// Annotations on 120 lines of a policy, and check runs without any.
fn check_runs(job: &Job) {
    let mut rules = job_with_rules(120, "rule-");
    rules.github = job.github.clone();
    rules.api.clone_from(&job.api);
    let check_run = ("TUNEGATE_CHECK_RUN", "true");
    rules.ci("tuned", &[GATE, check_run]).expect(1);
    for (tuned, code) in [("tuned", 0), ("broken", 1)] {
        rules.ci(tuned, &[check_run]).expect(code);
    }
    let annotations = |run: &Value| run["output"]["annotations"].as_array().unwrap().len();
    let runs = job.github.check_runs();
    assert_eq!(
        runs.iter().map(annotations).collect::<Vec<_>>(),
        [120, 0, 0]
    );
}

/// The report of a fork, published by a second workflow.
fn second_workflow(job: &Job) {
    let mut fork = companion::companion("broken");
    fork.github = job.github.clone();
    fork.api.clone_from(&job.api);
    fork.github.pull(7, HEAD, "mona/demo", "patch/1");
    let before = fork.github.comments().len();
    let left = companion::publish(&mut fork, &[("TUNEGATE_COMMENT_KEY", "fork")]);
    assert_eq!(left.ran.code, 0, "{}", left.ran.stderr);
    assert_eq!(
        fork.github.comments().len(),
        before + 1,
        "{}",
        left.ran.stderr
    );
}

fn everything_is_as_described(description: (&str, &'static str)) {
    let mut job = Job::new();
    let Some(contract) = Contract::start(description, &job.github) else {
        return;
    };
    job.api = Some(contract.url());
    comment(&mut job);
    read_only(&mut job);
    policy_of_the_base(&mut job);
    check_runs(&job);
    second_workflow(&job);

    let exchanges = contract.exchanges();
    for exchange in &exchanges {
        assert!(
            exchange.is_as_described(),
            "{exchange:#?}\n{}",
            contract.log()
        );
    }
    assert!(exchanges.len() >= 40, "{} requests", exchanges.len());
    let log = contract.log();
    let said = complaints(&log);
    assert!(said.is_empty(), "{said:#?}");
    // Each operation, and each end that is not a success.
    let expected = "GET issues/7/comments 200, POST issues/7/comments 201, POST issues/7/comments 403, \
                    PATCH issues/comments/ID 200, DELETE issues/comments/ID 204, POST check-runs 201, \
                    PATCH check-runs/ID 200, GET contents/PATH 200, GET contents/PATH 404, GET commits/REF 200, \
                    GET pulls 200";
    let expected: BTreeSet<String> = expected.split(", ").map(str::to_owned).collect();
    let operations: BTreeSet<String> = exchanges.iter().map(operation).collect();
    assert_eq!(operations, expected);
}

/// What Prism's log says about requests and answers that are not as described.
fn complaints(log: &str) -> Vec<&str> {
    // As words: paths that Prism makes up for its log can hold them too.
    let words = [" error ", " warning ", "iolation"];
    let lines = log.lines();
    lines
        .filter(|line| words.iter().any(|word| line.contains(word)))
        .collect()
}

#[test]
fn everything_is_as_github_describes_it() {
    everything_is_as_described(DESCRIPTIONS[0]);
}

#[test]
fn everything_is_as_a_server_of_one_s_own_describes_it() {
    everything_is_as_described(DESCRIPTIONS[1]);
}

/// A check run with so many annotations of that level, and that conclusion.
fn check_run(conclusion: &str, level: &str, annotations: usize) -> Value {
    let annotation = json!({
        "path": "gate.toml", "start_line": 1, "end_line": 1, "annotation_level": level, "message": "m",
    });
    json!({
        "name": "g", "head_sha": HEAD, "status": "completed", "conclusion": conclusion,
        "output": { "title": "t", "summary": "s", "annotations": vec![annotation; annotations] },
    })
}

#[test]
fn requests_and_answers_that_are_not_as_described_are_found() {
    for description in DESCRIPTIONS {
        let job = Job::new();
        let Some(contract) = Contract::start(description, &job.github) else {
            return;
        };
        let own = job.github.add_comment(BOT, "Bot", "a comment");
        let comment = format!("issues/comments/{own}");
        let wrong = [
            ("POST", comment.as_str(), json!({ "body": "b" }), 405),
            ("PATCH", comment.as_str(), json!({ "text": "b" }), 422),
            ("POST", "issues/7/comments", json!({}), 422),
            ("POST", "issues/seven/comments", json!({ "body": "b" }), 422),
            ("POST", "check-runs", check_run("fail", "failure", 1), 422),
            ("POST", "check-runs", check_run("failure", "error", 1), 422),
            (
                "POST",
                "check-runs",
                check_run("failure", "failure", 51),
                422,
            ),
            ("GET", "pulls?state=opened", Value::Null, 422),
            ("GET", "issues/7/labels", Value::Null, 404),
        ];
        for (method, path, body, status) in wrong {
            let found = contract.send(method, path, &body);
            assert_eq!(found.status, status, "{found:#?}");
            assert!(!found.is_as_described(), "{found:#?}");
            assert!(!complaints(&contract.log()).is_empty());
        }
        assert_eq!(job.github.requests(), [""; 0], "refused before the fake");
        // The right ones beside them, so that it is the mistake that is found.
        for (method, path, body, status) in [
            ("PATCH", comment.as_str(), json!({ "body": "b" }), 200),
            (
                "POST",
                "check-runs",
                check_run("failure", "failure", 50),
                201,
            ),
        ] {
            let found = contract.send(method, path, &body);
            assert_eq!(found.status, status, "{found:#?}");
            assert!(found.is_as_described(), "{found:#?}");
        }
        let incomplete = Reply::new(200, r#"[{ "id": 1, "body": "b" }]"#);
        let incomplete = incomplete.with("Content-Type", "application/json");
        job.github
            .fault("GET", "/comments", Fault::Refuse(incomplete));
        let found = contract.send("GET", "issues/7/comments", &Value::Null);
        assert_eq!(found.status, 500, "{found:#?}");
        assert!(!found.is_as_described(), "{found:#?}");
    }
}
