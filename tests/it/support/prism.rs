//! GitHub's published description of its API as a proxy before the fake: Prism refuses what we send
//! and GitHub would not take, and what the fake answers and GitHub would not. `scripts/test-servers`
//! installs it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::github::GitHub;
use super::repository;
use super::server::{Reply, Request, Server};
use super::store::{free_port, installed};

/// Longer than the start of Prism on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A description, and where its paths begin.
pub(crate) const DESCRIPTIONS: [(&str, &str); 2] =
    [("api.github.com", ""), ("ghes-3.19", "/api/v3")];

/// A request that came through, and how it was answered.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) status: u16,
    /// The header `sl-violations`.
    pub(crate) violations: Option<String>,
    pub(crate) body: String,
}

/// A running proxy. Ends when dropped.
pub(crate) struct Contract {
    process: Child,
    folder: TempDir,
    prefix: &'static str,
    /// Before the proxy: the only one that sees its answers to the program.
    recorder: Server,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Drop for Contract {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Contract {
    /// `None`, having said so, where Prism is not installed.
    pub(crate) fn start(
        (description, prefix): (&str, &'static str),
        github: &GitHub,
    ) -> Option<Self> {
        let prism = installed("contract/node_modules/.bin/prism")?;
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let log = File::create(folder.path().join("log")).unwrap();
        let mut process = Command::new(prism)
            .args([
                "proxy",
                "--errors",
                "--host",
                "127.0.0.1",
                "--port",
                &port.to_string(),
            ])
            .arg(repository("tests/contract").join(format!("{description}.json")))
            .arg(github.url())
            .env("NO_COLOR", "1")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        wait_for(&mut process, port);
        let exchanges = Arc::new(Mutex::new(Vec::new()));
        let own = Arc::clone(&exchanges);
        let recorder = Server::start(move |request| {
            let reply = forwarded(port, request);
            own.lock().unwrap().push(Exchange::new(request, &reply));
            reply
        });
        Some(Self {
            process,
            folder,
            prefix,
            recorder,
            exchanges,
        })
    }

    /// What `GITHUB_API_URL` is set to.
    pub(crate) fn url(&self) -> String {
        self.recorder.url() + self.prefix
    }

    /// Everything since the last call.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        std::mem::take(&mut *self.exchanges.lock().unwrap())
    }

    /// Sends a request that the program would not, and returns how it was answered.
    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Exchange {
        let headers = [
            ("accept", "application/vnd.github+json"),
            ("authorization", "Bearer ghs_secret"),
            ("content-type", "application/json"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let request = Request {
            method: method.to_owned(),
            target: format!("{}/repos/octo/demo/{path}", self.prefix),
            headers: headers.to_vec(),
            body: if body.is_null() {
                String::new()
            } else {
                body.to_string()
            },
        };
        let recorder = self.recorder.port;
        Exchange::new(&request, &forwarded(recorder, &request))
    }

    /// What Prism itself has said.
    pub(crate) fn log(&self) -> String {
        tunegate::fs::read_to_string(&self.folder.path().join("log")).unwrap()
    }
}

impl Exchange {
    fn new(request: &Request, reply: &Reply) -> Self {
        let header = |wanted: &str| {
            let found = reply.headers.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.clone())
        };
        Self {
            method: request.method.clone(),
            target: request.target.clone(),
            status: reply.status,
            violations: header("sl-violations"),
            body: String::from_utf8_lossy(&reply.body).into_owned(),
        }
    }

    /// Whether the description allows the request and the answer to it: not where the proxy has
    /// refused the one or the other, with 4xx or 5xx and a problem of its own.
    pub(crate) fn is_as_described(&self) -> bool {
        self.violations.is_none() && !self.body.contains("stoplight.io/prism/errors")
    }
}

fn wait_for(process: &mut Child, port: u16) {
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = process.try_wait().unwrap();
        assert!(ended.is_none(), "Prism ended with {ended:?}");
        assert!(started.elapsed() < PATIENCE, "Prism does not listen");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Sends the request on as it came. In HTTP/1.0, so that the answer comes in one piece.
fn forwarded(port: u16, request: &Request) -> Reply {
    let mut head = format!("{} {} HTTP/1.0\r\n", request.method, request.target);
    let own = ["connection", "content-length", "host"];
    let passed = request
        .headers
        .iter()
        .filter(|(name, _)| !own.contains(&name.as_str()));
    for (name, value) in passed {
        head.push_str(&[name, ": ", value, "\r\n"].concat());
    }
    if !request.body.is_empty() {
        head.push_str(&["content-length: ", &request.body.len().to_string(), "\r\n"].concat());
    }
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        stream,
        "{head}host: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n{}",
        request.body
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    parsed(&answer)
}

fn parsed(answer: &[u8]) -> Reply {
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let mut reply = Reply::new(status, &answer[end + 4..]);
    let own = ["connection", "content-length", "date", "keep-alive"];
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        let name = name.to_ascii_lowercase();
        assert_ne!(name, "transfer-encoding", "{head}");
        if !own.contains(&name.as_str()) {
            reply = reply.with(&name, value.trim());
        }
    }
    reply
}
