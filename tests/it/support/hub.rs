//! A look-alike of the Hugging Face Hub with faults: the requests that the program makes, answered as
//! the Hub answers them. Large files lie on a second server, to which the first one redirects.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use sha1::Digest as _;
use tempfile::TempDir;
use tunegate::checkpoint::fingerprint::sha256_hex;

use super::cmd::{Ran, tunegate};
use super::server::{Reply, Request, Server};
use super::tiny::TinyCheckpoint;

type Files = BTreeMap<String, Vec<u8>>;

/// What goes wrong.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    /// Without this token everything is refused.
    pub(crate) token: Option<&'static str>,
    /// `X-Error-Code` and status of the answer to a listing.
    pub(crate) refusal: Option<(u16, &'static str)>,
    /// So many listings are first answered with this status and `Retry-After`.
    pub(crate) busy_listing: (u32, u16, &'static str),
    /// So many requests for weights are first answered with this status and `Retry-After`.
    pub(crate) busy: (u32, u16, &'static str),
    /// So many answers with weights break off in the middle.
    pub(crate) cut: u32,
    pub(crate) ignore_range: bool,
    /// The range that is sent begins one byte later than the one asked for.
    pub(crate) shift_range: bool,
    /// A byte of this file is another than the listing's digest says.
    pub(crate) wrong_byte: Option<&'static str>,
    /// The listing gives this file another size than it has.
    pub(crate) wrong_size: Option<&'static str>,
    /// A file of this name is in the listing.
    pub(crate) extra_name: Option<&'static str>,
    /// This file is in the listing and gone.
    pub(crate) gone: Option<&'static str>,
    /// Waits before the weights.
    pub(crate) pause: Duration,
}

#[derive(Debug, Default)]
struct State {
    /// By `owner/name` and revision.
    repositories: BTreeMap<(String, String), Files>,
    blobs: BTreeMap<String, Vec<u8>>,
    faults: Faults,
}

/// The running look-alike, and an empty home for the program.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) front: Server,
    pub(crate) back: Arc<Server>,
    state: Arc<Mutex<State>>,
    pub(crate) home: TempDir,
}

impl Hub {
    pub(crate) fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let back = {
            let state = Arc::clone(&state);
            Arc::new(Server::start(move |request| {
                weights(&mut state.lock().unwrap(), request)
            }))
        };
        let front = {
            let (state, back) = (Arc::clone(&state), Arc::clone(&back));
            Server::start(move |request| answer(&mut state.lock().unwrap(), request, &back))
        };
        let home = tempfile::tempdir().unwrap();
        Self {
            front,
            back,
            state,
            home,
        }
    }

    /// With `acme/base` and `acme/tuned`.
    pub(crate) fn with_pair(base: &TinyCheckpoint, tuned: &TinyCheckpoint) -> Self {
        let hub = Self::start();
        hub.add("acme/base", "main", base);
        hub.add("acme/tuned", "main", tuned);
        hub
    }

    /// Also keeps the files in a local folder of the repository's name, for comparison.
    pub(crate) fn add(&self, repository: &str, revision: &str, checkpoint: &TinyCheckpoint) {
        let folder = checkpoint.write(&self.home.path().join("local").join(repository));
        self.put(repository, revision, &files_of(&folder));
    }

    pub(crate) fn put(&self, repository: &str, revision: &str, files: &Files) {
        let mut state = self.state.lock().unwrap();
        for bytes in files.values() {
            state.blobs.insert(sha256_hex(bytes), bytes.clone());
        }
        let key = (repository.to_owned(), revision.to_owned());
        state.repositories.insert(key, files.clone());
    }

    pub(crate) fn files(&self, repository: &str) -> Files {
        files_of(&self.home.path().join("local").join(repository))
    }

    pub(crate) fn set(&self, faults: Faults) {
        self.state.lock().unwrap().faults = faults;
    }

    pub(crate) fn command(&self, args: &[&str]) -> assert_cmd::Command {
        let mut command = tunegate();
        command
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .env("HF_ENDPOINT", self.front.url())
            .args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&mut self.command(args))
    }

    pub(crate) fn check(&self, args: &[&str]) -> Ran {
        let mut all = vec![
            "check",
            "--base",
            "hf://acme/base",
            "--tuned",
            "hf://acme/tuned",
        ];
        all.extend(args);
        self.run(&all)
    }

    /// The same check of the local copies.
    pub(crate) fn check_local(&self, args: &[&str]) -> Ran {
        let mut all = vec![
            "check",
            "--base",
            "local/acme/base",
            "--tuned",
            "local/acme/tuned",
        ];
        all.extend(args);
        self.run(&all)
    }

    /// Bytes of weights that were sent.
    pub(crate) fn sent(&self) -> usize {
        self.back.log().iter().map(|served| served.sent).sum()
    }

    /// Puts a repository's files into the cache as the Python client lays them out; names that `keep`
    /// refuses are left out.
    pub(crate) fn fill_cache(&self, repository: &str, keep: impl Fn(&str) -> bool) -> String {
        let files = self.files(repository);
        let commit = commit_of(&files);
        let name = format!("models--{}", repository.replace('/', "--"));
        let root = self.home.path().join(".cache/huggingface/hub").join(name);
        let save = |path: &str, bytes: &[u8]| {
            let path = root.join(path);
            tunegate::fs::create_dir_all(path.parent().unwrap()).unwrap();
            tunegate::fs::write_atomic(&path, bytes).unwrap();
        };
        save("refs/main", commit.as_bytes());
        for (name, bytes) in files.iter().filter(|(name, _)| keep(name)) {
            save(&format!("snapshots/{commit}/{name}"), bytes);
        }
        commit
    }
}

fn files_of(folder: &Path) -> Files {
    let names = tunegate::fs::list(folder).unwrap();
    let read = |name: String| {
        let bytes = tunegate::fs::read(&folder.join(&name)).unwrap();
        (name, bytes)
    };
    names.into_iter().map(read).collect()
}

fn sha1_hex(bytes: &[u8]) -> String {
    let digest = sha1::Sha1::digest(bytes);
    let digits: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

fn git_sha1(bytes: &[u8]) -> String {
    let head = format!("blob {}\0", bytes.len());
    sha1_hex(&[head.as_bytes(), bytes].concat())
}

/// A commit that depends on all files.
pub(crate) fn commit_of(files: &Files) -> String {
    let lines: Vec<String> = files
        .iter()
        .map(|(name, bytes)| format!("{name} {}\n", sha256_hex(bytes)))
        .collect();
    sha1_hex(lines.concat().as_bytes())
}

fn is_large(name: &str) -> bool {
    name.ends_with(".safetensors")
}

fn refusal(status: u16, code: &str, message: &str) -> Reply {
    Reply::new(status, json!({ "error": message }).to_string())
        .with("X-Error-Code", code)
        .with("X-Error-Message", message)
}

fn busy(fault: &mut (u32, u16, &'static str)) -> Option<Reply> {
    if fault.0 == 0 {
        return None;
    }
    fault.0 -= 1;
    let reply = Reply::new(fault.1, "busy");
    Some(if fault.2.is_empty() {
        reply
    } else {
        reply.with("Retry-After", fault.2)
    })
}

fn answer(state: &mut State, request: &Request, back: &Server) -> Reply {
    let path = request.path().replace("%2F", "\u{1}");
    let parts: Vec<String> = path
        .split('/')
        .skip(1)
        .map(|part| part.replace('\u{1}', "/"))
        .collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts[..] {
        [.., "id-token"] => {
            return Reply::new(200, json!({ "value": "signed-by-ci" }).to_string());
        }
        ["oauth", "token"] if request.body.contains("signed-by-ci") => {
            return Reply::new(200, json!({ "access_token": "exchanged" }).to_string());
        }
        ["oauth", "token"] => {
            return Reply::new(400, json!({ "error": "invalid_grant" }).to_string());
        }
        _ => {}
    }
    let expected = state.faults.token.map(|token| format!("Bearer {token}"));
    if expected.is_some() && request.header("authorization") != expected.as_deref() {
        return refusal(401, "RepoNotFound", "Invalid username or password.");
    }
    match parts[..] {
        ["api", "models", owner, name, "revision", revision] => {
            if let Some(reply) = busy(&mut state.faults.busy_listing) {
                return reply;
            }
            if let Some((status, code)) = state.faults.refusal {
                return refusal(status, code, "as the test wants it");
            }
            let repository = format!("{owner}/{name}");
            match find(state, &repository, revision) {
                Some(files) => Reply::new(200, listing(state, &repository, files).to_string()),
                None if state
                    .repositories
                    .keys()
                    .any(|(known, _)| *known == repository) =>
                {
                    refusal(404, "RevisionNotFound", "Invalid rev id")
                }
                None => refusal(401, "RepoNotFound", "Repository not found"),
            }
        }
        [owner, name, "resolve", revision, ref file @ ..] => {
            let (repository, file) = (format!("{owner}/{name}"), file.join("/"));
            let found = find(state, &repository, revision).and_then(|files| files.get(&file));
            match found {
                Some(_) if state.faults.gone == Some(&file) => {
                    refusal(404, "EntryNotFound", "Entry not found")
                }
                Some(bytes) if is_large(&file) => {
                    let target =
                        format!("{}/blob/{}?Signature=secret", back.url(), sha256_hex(bytes));
                    Reply::new(302, "Found").with("Location", target)
                }
                Some(bytes) => {
                    let mut bytes = bytes.clone();
                    if state.faults.wrong_byte == Some(&file) {
                        bytes[0] ^= 1;
                    }
                    Reply::ranged(request, &bytes).with("ETag", "\"small\"")
                }
                None => refusal(404, "EntryNotFound", "Entry not found"),
            }
        }
        _ => refusal(404, "NotFound", "no such page"),
    }
}

/// Files at a branch, or at the commit of one.
fn find<'a>(state: &'a State, repository: &str, revision: &str) -> Option<&'a Files> {
    let mut all = state.repositories.iter();
    all.find(|((known, branch), files)| {
        known == repository && (branch == revision || commit_of(files) == revision)
    })
    .map(|(_, files)| files)
}

fn listing(state: &State, repository: &str, files: &Files) -> Value {
    let faults = &state.faults;
    let mut siblings: Vec<Value> = files
        .iter()
        .map(|(name, bytes)| {
            let size = bytes.len() + usize::from(faults.wrong_size == Some(name));
            let mut entry = json!({"rfilename": name, "size": size, "blobId": git_sha1(bytes)});
            if is_large(name) {
                entry["lfs"] =
                    json!({"sha256": sha256_hex(bytes), "size": size, "pointerSize": 134});
            }
            entry
        })
        .collect();
    siblings.extend(
        faults
            .extra_name
            .map(|name| json!({"rfilename": name, "size": 1})),
    );
    json!({"id": repository, "sha": commit_of(files), "siblings": siblings})
}

/// The second server: signed addresses, no token.
fn weights(state: &mut State, request: &Request) -> Reply {
    if let Some(reply) = busy(&mut state.faults.busy) {
        return reply;
    }
    let sha256 = request.path().trim_start_matches("/blob/");
    let mut bytes = state.blobs[sha256].clone();
    let faults = &mut state.faults;
    if faults.wrong_byte.is_some_and(is_large) {
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
    }
    if faults.ignore_range {
        return Reply::new(200, bytes).with("ETag", "\"blob\"");
    }
    let mut reply = Reply::ranged(request, &bytes).with("ETag", format!("\"{}\"", &sha256[..32]));
    if faults.shift_range {
        let (first, last) = request.range().unwrap();
        let range = format!("bytes {}-{}/{}", first + 1, last + 1, bytes.len());
        reply.headers.retain(|(name, _)| name != "Content-Range");
        reply = reply.with("Content-Range", range);
    }
    if faults.cut > 0 {
        faults.cut -= 1;
        reply.cut = Some(reply.body.len() / 2);
    }
    reply.pause = faults.pause;
    reply
}
