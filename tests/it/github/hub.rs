//! The comment on a pull request of the Hub.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::setup::Job;
use crate::support::server::{Reply, Request, Server};

const PULL: &str = "/api/models/org/model/discussions/3";

/// A pull request of the Hub with its description, and the faults of its next creations.
struct Hub {
    events: Arc<Mutex<Vec<Value>>>,
    faults: Arc<Mutex<Vec<u16>>>,
    server: Server,
}

impl Hub {
    fn start() -> Self {
        let events = Arc::new(Mutex::new(vec![event("a0", "gate-bot", "the description")]));
        let faults = Arc::new(Mutex::new(Vec::new()));
        let (own, own_faults) = (Arc::clone(&events), Arc::clone(&faults));
        let server = Server::start(move |request| answer(&own, &own_faults, request));
        Self {
            events,
            faults,
            server,
        }
    }

    fn texts(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let texts = events
            .iter()
            .map(|event| event["data"]["latest"]["raw"].as_str().unwrap().to_owned());
        texts.collect()
    }

    fn inputs(&self) -> Vec<(&'static str, String)> {
        vec![
            (
                "TUNEGATE_HUB_PULL_REQUEST",
                "hf://org/model@refs/pr/3".to_owned(),
            ),
            ("HF_TOKEN", "hf_secret".to_owned()),
            ("HF_ENDPOINT", self.server.url()),
        ]
    }
}

fn event(id: &str, author: &str, text: &str) -> Value {
    json!({
        "id": id, "type": "comment", "author": { "name": author },
        "data": { "edited": false, "hidden": false, "latest": { "raw": text } },
    })
}

fn answer(events: &Mutex<Vec<Value>>, faults: &Mutex<Vec<u16>>, request: &Request) -> Reply {
    if request.header("authorization") != Some("Bearer hf_secret") {
        return Reply::new(401, json!({ "error": "Invalid credentials" }).to_string());
    }
    let mut events = events.lock().unwrap();
    let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let path = request.path().strip_prefix(PULL);
    match (request.method.as_str(), path) {
        ("GET", None) => Reply::new(200, json!({ "name": "gate-bot" }).to_string()),
        ("GET", Some("")) => Reply::new(200, json!({ "events": *events }).to_string()),
        ("POST", Some("/comment")) => {
            let id = format!("a{}", events.len());
            events.push(event(&id, "gate-bot", body["comment"].as_str().unwrap()));
            match faults.lock().unwrap().pop() {
                Some(status) => Reply::new(status, ""),
                None => Reply::new(200, json!({ "newMessage": {} }).to_string()),
            }
        }
        ("POST", Some(edit)) => {
            let id = edit
                .strip_prefix("/comment/")
                .and_then(|rest| rest.strip_suffix("/edit"))
                .unwrap();
            let own = events.iter_mut().find(|event| event["id"] == id).unwrap();
            own["data"]["latest"]["raw"] = body["content"].clone();
            Reply::new(200, "{}")
        }
        _ => Reply::new(404, ""),
    }
}

fn run(job: &mut Job, hub: &Hub, tuned: &str) -> super::setup::Left {
    let inputs = hub.inputs();
    let inputs: Vec<(&str, &str)> = inputs
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    job.ci(tuned, &inputs)
}

#[test]
fn a_pull_request_of_the_hub_gets_one_comment_that_turns_green() {
    let (mut job, hub) = (Job::new(), Hub::start());
    job.event = "workflow_dispatch";
    run(&mut job, &hub, "tuned").expect(0);
    assert_eq!(hub.texts().len(), 1, "a first green run says nothing");
    hub.faults.lock().unwrap().push(502);
    let left = run(&mut job, &hub, "broken").expect(1);
    assert_eq!(left.commands("notice").len(), 0, "{}", left.ran.stderr);
    let texts = hub.texts();
    assert!(texts.len() == 2 && texts[1].contains("fail: "), "{texts:?}");
    run(&mut job, &hub, "tuned").expect(0);
    let texts = hub.texts();
    assert!(texts.len() == 2 && texts[1].contains("pass: "), "{texts:?}");
    hub.server.forget();
    run(&mut job, &hub, "tuned").expect(0);
    let posts = hub
        .server
        .log()
        .iter()
        .filter(|served| served.request.method == "POST")
        .count();
    assert_eq!(posts, 0, "a comment that would say the same is not touched");
}

#[test]
fn a_token_that_the_hub_refuses_is_said() {
    let (mut job, hub) = (Job::new(), Hub::start());
    job.event = "workflow_dispatch";
    let url = hub.server.url();
    let inputs = [
        ("TUNEGATE_HUB_PULL_REQUEST", "hf://org/model@refs/pr/3"),
        ("HF_TOKEN", "wrong"),
        ("HF_ENDPOINT", url.as_str()),
    ];
    let left = job.ci("broken", &inputs).expect(1);
    assert!(
        left.commands("notice")[0].contains("the comment on the Hub"),
        "{}",
        left.ran.stderr
    );
    assert_eq!(hub.texts().len(), 1);
}
