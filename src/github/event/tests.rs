use super::*;

const HEAD: &str = "ce587453ced02b1526dfb4cb910479d431683101";
const BASE: &str = "6dcb09b5b57875f334f61aebed695e2e4193db5e";

fn environment(name: &str, payload: &str) -> Environment {
    Environment {
        in_actions: true,
        event_name: Some(name.to_owned()),
        payload: Some(Ok(payload.to_owned())),
        repository: Some("octo/demo".to_owned()),
        server_url: Some("https://github.example".to_owned()),
        sha: Some("0123456789012345678901234567890123456789".to_owned()),
        run_id: Some("77".to_owned()),
        run_attempt: Some("2".to_owned()),
        workflow: Some("gate".to_owned()),
        job: Some("check".to_owned()),
    }
}

fn pull(head_repository: &str, sender: &str) -> String {
    format!(
        r#"{{"number": 7, "sender": {{"login": "{sender}"}}, "pull_request": {{"number": 7,
            "head": {{"sha": "{HEAD}", "repo": {head_repository}}},
            "base": {{"sha": "{BASE}", "repo": {{"full_name": "octo/demo"}}}}}}}}"#
    )
}

fn source(head_repository: &str, sender: &str) -> Source {
    let event = Event::read(&environment("pull_request", &pull(head_repository, sender)));
    assert_eq!(event.notices, Vec::<String>::new());
    event.pull_request().unwrap().from
}

#[test]
fn the_head_of_a_pull_request_is_the_payloads_not_the_merge_commit() {
    let payload = pull(r#"{"full_name": "octo/demo"}"#, "mona");
    let event = Event::read(&environment("pull_request", &payload));
    let pull = event.pull_request().unwrap();
    assert_eq!(
        (pull.number, pull.head.as_str(), pull.base.as_str()),
        (7, HEAD, BASE)
    );
    assert_eq!(event.judged_commit().unwrap().as_str(), HEAD);
    assert_eq!(
        event.run,
        RunId {
            run: 77,
            attempt: 2
        }
    );
    let url = "https://github.example/octo/demo/actions/runs/77";
    assert_eq!(event.run_url.as_deref(), Some(url));
}

#[test]
fn forks_and_dependabot_are_told_apart_from_the_same_repository() {
    let same = r#"{"full_name": "Octo/demo"}"#;
    assert_eq!(source(same, "mona"), Source::SameRepository);
    assert_eq!(source(same, "dependabot[bot]"), Source::Dependabot);
    assert_eq!(
        source(r#"{"full_name": "mona/demo"}"#, "mona"),
        Source::Fork
    );
    assert_eq!(source("null", "mona"), Source::Fork, "a deleted fork");
}

#[test]
fn a_pull_request_target_is_its_own_kind() {
    let payload = pull("null", "mona");
    let event = Event::read(&environment("pull_request_target", &payload));
    assert!(matches!(event.kind, Kind::PullRequestTarget(_)));
}

#[test]
fn a_merge_group_names_its_base() {
    let payload = format!(r#"{{"merge_group": {{"base_sha": "{BASE}", "head_sha": "{HEAD}"}}}}"#);
    let event = Event::read(&environment("merge_group", &payload));
    assert_eq!(
        event.kind,
        Kind::MergeGroup {
            base: BASE.parse().unwrap()
        }
    );
    assert_eq!(
        event.judged_commit().unwrap().as_str(),
        "0123456789012345678901234567890123456789"
    );
}

#[test]
fn a_workflow_run_says_whose_end_started_it() {
    let payload = format!(
        r#"{{"workflow_run": {{"id": 5, "run_attempt": 3, "head_sha": "{HEAD}", "event": "pull_request",
            "name": "gate", "head_branch": "patch", "head_repository": {{"full_name": "mona/demo"}},
            "pull_requests": []}}}}"#
    );
    let event = Event::read(&environment("workflow_run", &payload));
    let page = "https://github.example/octo/demo/actions/runs/5";
    assert_eq!(event.run_url.as_deref(), Some(page), "the run that judged");
    let Kind::WorkflowRun(run) = event.kind else {
        panic!("{:?}", event.kind)
    };
    assert_eq!(run.id, RunId { run: 5, attempt: 3 });
    assert_eq!(run.head.as_str(), HEAD);
    assert_eq!(run.head_repository.as_deref(), Some("mona/demo"));
}

#[test]
fn events_without_a_payload_of_interest_need_none() {
    for (name, kind) in [
        ("push", Kind::Push),
        ("schedule", Kind::Schedule),
        ("workflow_dispatch", Kind::WorkflowDispatch),
    ] {
        let mut environment = environment(name, "{");
        environment.payload = None;
        let event = Event::read(&environment);
        assert_eq!((event.kind, event.notices.len()), (kind, 0));
    }
}

#[test]
fn what_is_garbled_or_missing_is_said_and_leads_to_no_pull_request() {
    let zero = pull("null", "mona").replace("\"number\": 7", "\"number\": 0");
    let no_sha = pull("null", "mona").replace(HEAD, "HEAD");
    for payload in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"pull_request": 5}"#,
        &zero,
        &no_sha,
    ] {
        let event = Event::read(&environment("pull_request", payload));
        assert_eq!(event.kind, Kind::Other, "{payload}");
        assert_eq!(event.notices.len(), 1, "{payload}");
    }
    let mut unset = environment("pull_request", "");
    unset.payload = None;
    assert!(Event::read(&unset).notices[0].contains("GITHUB_EVENT_PATH"));
    unset.payload = Some(Err("no such file".to_owned()));
    assert!(Event::read(&unset).notices[0].contains("no such file"));
}

#[test]
fn an_unknown_event_and_a_strange_repository_are_said() {
    let mut strange = environment("deployment", "{}");
    strange.repository = Some("octo".to_owned());
    let event = Event::read(&strange);
    assert_eq!((event.kind, event.run_url), (Kind::Other, None));
    assert_eq!(event.notices.len(), 3, "{:?}", event.notices);
}

#[test]
fn outside_of_actions_nothing_is_expected() {
    let event = Event::read(&Environment::default());
    assert_eq!((event.kind, event.notices.len()), (Kind::Outside, 0));
}

#[test]
fn only_an_address_of_the_web_is_linked() {
    let repository = "octo/demo".parse().unwrap();
    let run = RunId { run: 1, attempt: 1 };
    let url = |server| run_url(Some(server), Some(&repository), run);
    assert!(url("http://127.0.0.1:8080/").is_some());
    for hostile in [
        "javascript:alert(1)",
        "https://x)[a](https://y",
        "https://",
        "",
    ] {
        assert_eq!(url(hostile), None, "{hostile}");
    }
}
