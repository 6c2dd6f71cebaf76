//! A GitHub of comments, check runs, contents and pull requests, which keeps what it is told and
//! fails where a test asks it to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::server::{Reply, Request, Server};
use super::shapes;

pub(crate) const HEAD: &str = "ce587453ced02b1526dfb4cb910479d431683101";
pub(crate) const BASE: &str = "6dcb09b5b57875f334f61aebed695e2e4193db5e";
pub(crate) const BOT: &str = "github-actions[bot]";

#[derive(Debug, Clone)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) body: String,
    pub(crate) login: String,
    pub(crate) kind: String,
}

/// What happens to one request instead of the usual, or beside it.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Refuses, and does nothing.
    Refuse(Reply),
    /// Does what was asked, then loses the answer.
    LoseAnswer,
    /// Does what was asked, then answers this.
    DoneBut(Reply),
    /// Waits, then does what was asked.
    Slow(Duration),
    /// Somebody else posts this comment first.
    Meanwhile(Comment),
}

#[derive(Debug, Default)]
struct State {
    comments: Vec<Comment>,
    check_runs: Vec<Value>,
    /// By path and revision.
    contents: BTreeMap<(String, String), String>,
    pulls: Vec<Value>,
    next_id: u64,
    faults: Vec<(String, String, Fault)>,
    read_only: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct GitHub {
    state: Arc<Mutex<State>>,
    server: Arc<Server>,
}

impl GitHub {
    pub(crate) fn start() -> Self {
        let state = Arc::new(Mutex::new(State {
            next_id: 100,
            ..State::default()
        }));
        let own = Arc::clone(&state);
        let server = Server::start(move |request| answer(&own, request));
        Self {
            state,
            server: Arc::new(server),
        }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    pub(crate) fn comments(&self) -> Vec<Comment> {
        self.state.lock().unwrap().comments.clone()
    }

    /// The only comment there is.
    #[track_caller]
    pub(crate) fn comment(&self) -> Comment {
        let comments = self.comments();
        assert_eq!(comments.len(), 1, "{comments:#?}");
        comments[0].clone()
    }

    pub(crate) fn check_runs(&self) -> Vec<Value> {
        self.state.lock().unwrap().check_runs.clone()
    }

    /// Adds a comment as if somebody had written it; returns its id.
    pub(crate) fn add_comment(&self, login: &str, kind: &str, body: &str) -> u64 {
        let mut state = self.state.lock().unwrap();
        state.add(body, login, kind)
    }

    pub(crate) fn content(&self, path: &str, revision: &str, text: &str) {
        let key = (path.to_owned(), revision.to_owned());
        self.state
            .lock()
            .unwrap()
            .contents
            .insert(key, text.to_owned());
    }

    pub(crate) fn pull(&self, number: u64, head: &str, repository: &str, branch: &str) {
        let pull = shapes::pull(number, head, repository, branch);
        self.state.lock().unwrap().pulls.push(pull);
    }

    /// The next request by `method` whose path holds `part` meets the fault.
    pub(crate) fn fault(&self, method: &str, part: &str, fault: Fault) {
        let fault = (method.to_owned(), part.to_owned(), fault);
        self.state.lock().unwrap().faults.push(fault);
    }

    /// Whether the token may read only, as that of a fork.
    pub(crate) fn read_only(&self, read_only: bool) {
        self.state.lock().unwrap().read_only = read_only;
    }

    /// Method and path of every request since the last call, without the query.
    pub(crate) fn requests(&self) -> Vec<String> {
        let log = self.server.log();
        self.server.forget();
        log.iter()
            .map(|served| format!("{} {}", served.request.method, served.request.path()))
            .collect()
    }

    /// Requests that change something, since the last call.
    pub(crate) fn writes(&self) -> Vec<String> {
        let mut requests = self.requests();
        requests.retain(|request| !request.starts_with("GET "));
        requests
    }

    /// Every header of that name that came, since the last call of `requests`.
    pub(crate) fn headers(&self, name: &str) -> Vec<String> {
        let log = self.server.log();
        let values = log.iter().filter_map(|served| served.request.header(name));
        values.map(str::to_owned).collect()
    }
}

impl State {
    fn add(&mut self, body: &str, login: &str, kind: &str) -> u64 {
        self.next_id += 1;
        self.comments.push(Comment {
            id: self.next_id,
            body: body.to_owned(),
            login: login.to_owned(),
            kind: kind.to_owned(),
        });
        self.next_id
    }

    fn take_fault(&mut self, request: &Request) -> Option<Fault> {
        let at = self.faults.iter().position(|(method, part, _)| {
            *method == request.method && request.target.contains(part.as_str())
        })?;
        Some(self.faults.remove(at).2)
    }
}

fn answer(state: &Mutex<State>, request: &Request) -> Reply {
    let fault = state.lock().unwrap().take_fault(request);
    match fault {
        None => act(state, request),
        Some(Fault::Refuse(reply)) => reply,
        Some(Fault::DoneBut(reply)) => {
            act(state, request);
            reply
        }
        Some(Fault::LoseAnswer) => {
            let mut reply = act(state, request);
            reply.cut = Some(reply.body.len() / 2);
            reply
        }
        Some(Fault::Slow(pause)) => {
            let mut reply = act(state, request);
            reply.pause = pause;
            reply
        }
        Some(Fault::Meanwhile(comment)) => {
            state.lock().unwrap().comments.push(comment);
            act(state, request)
        }
    }
}

fn act(state: &Mutex<State>, request: &Request) -> Reply {
    let mut state = state.lock().unwrap();
    let body: Value = serde_json::from_str(&request.body).unwrap_or(Value::Null);
    // A server of one's own has a path before the routes, and a proxy is told the whole address.
    let whole = request.path();
    let start = whole.find("/repos/").unwrap_or(0);
    let path: Vec<&str> = whole[start..].trim_start_matches('/').split('/').collect();
    let ["repos", "octo", "demo", rest @ ..] = &path[..] else {
        return problem(404, "Not Found");
    };
    if request.method != "GET" && state.read_only {
        return problem(403, "Resource not accessible by integration");
    }
    if request.method != "GET" && request.header("authorization").is_none() {
        return problem(401, "Requires authentication");
    }
    match (request.method.as_str(), rest) {
        ("GET", ["issues", "7", "comments"]) => page(
            request,
            &state
                .comments
                .iter()
                .map(shapes::comment)
                .collect::<Vec<_>>(),
        ),
        ("POST", ["issues", "7", "comments"]) => {
            let Some(text) = acceptable(&body) else {
                return problem(422, "Body is too long");
            };
            state.add(text, BOT, "Bot");
            json(201, &shapes::comment(state.comments.last().unwrap()))
        }
        (method, ["issues", "comments", id]) => edit(&mut state, method, id, &body),
        ("POST", ["check-runs"]) => create_check_run(&mut state, &body),
        ("PATCH", ["check-runs", id]) => append_annotations(&mut state, id, &body),
        ("GET", ["contents", file @ ..]) => content(&state, request, &file.join("/")),
        ("GET", ["commits", revision]) => json(200, &shapes::commit(revision)),
        ("GET", ["pulls"]) => page(request, &state.pulls),
        _ => problem(404, "Not Found"),
    }
}

/// As GitHub documents: `PATCH` edits, `POST` is not allowed here.
fn edit(state: &mut State, method: &str, id: &str, body: &Value) -> Reply {
    let id: u64 = id.parse().unwrap();
    let Some(at) = state.comments.iter().position(|comment| comment.id == id) else {
        return problem(404, "Not Found");
    };
    match method {
        "PATCH" => {
            let Some(text) = acceptable(body) else {
                return problem(422, "Body is too long");
            };
            text.clone_into(&mut state.comments[at].body);
            json(200, &shapes::comment(&state.comments[at]))
        }
        "DELETE" => {
            state.comments.remove(at);
            Reply::new(204, "")
        }
        _ => problem(405, "Method Not Allowed"),
    }
}

fn acceptable(body: &Value) -> Option<&str> {
    body["body"]
        .as_str()
        .filter(|text| text.chars().count() <= 65_536)
}

fn create_check_run(state: &mut State, body: &Value) -> Reply {
    let annotations = body["output"]["annotations"].as_array().map_or(0, Vec::len);
    let conclusion = body["conclusion"].as_str().unwrap_or_default();
    let known = ["success", "failure", "neutral"].contains(&conclusion);
    if annotations > 50 || !known || body["head_sha"].as_str().is_none() {
        return problem(422, "Validation Failed");
    }
    state.check_runs.push(body.clone());
    json(201, &shapes::check_run(state.check_runs.len(), body))
}

fn append_annotations(state: &mut State, id: &str, body: &Value) -> Reply {
    let at = id.parse::<usize>().unwrap() - 1;
    let more = body["output"]["annotations"].as_array().unwrap().clone();
    let complete = body["output"]["title"].is_string() && body["output"]["summary"].is_string();
    if more.len() > 50 || !complete {
        return problem(422, "Validation Failed");
    }
    let known = state.check_runs[at]["output"]["annotations"]
        .as_array_mut()
        .unwrap();
    known.extend(more);
    json(200, &shapes::check_run(at + 1, &state.check_runs[at]))
}

fn content(state: &State, request: &Request, path: &str) -> Reply {
    let revision = query(request, "ref").unwrap_or_default();
    match state.contents.get(&(path.to_owned(), revision)) {
        None => problem(404, "Not Found"),
        Some(text) => {
            let mut lines = BASE64_STANDARD.encode(text);
            lines.insert(lines.len() / 2, '\n');
            json(200, &shapes::content(path, text.len(), &lines))
        }
    }
}

fn query(request: &Request, name: &str) -> Option<String> {
    let (_, query) = request.target.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value.to_owned())
}

fn page(request: &Request, items: &[Value]) -> Reply {
    let number =
        |name: &str, usual: usize| query(request, name).map_or(usual, |text| text.parse().unwrap());
    let (size, page) = (number("per_page", 30).min(100), number("page", 1));
    let shown: Vec<&Value> = items.iter().skip((page - 1) * size).take(size).collect();
    let reply = json(200, &json!(shown));
    if page * size < items.len() {
        // A link that leads elsewhere: whoever follows it is found out.
        reply.with("Link", "<http://192.0.2.1/next>; rel=\"next\"")
    } else {
        reply
    }
}

fn json(status: u16, body: &Value) -> Reply {
    Reply::new(status, body.to_string()).with("Content-Type", "application/json; charset=utf-8")
}

pub(crate) fn problem(status: u16, message: &str) -> Reply {
    json(status, &shapes::problem(status, message))
}
