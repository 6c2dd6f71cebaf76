//! Real servers of the object stores' protocols. `scripts/test-servers` installs them.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use tempfile::TempDir;

use super::repository;
use super::server::{Reply, Request};

/// Name and key that the emulator of Azure has by default; public.
const AZURE_ACCOUNT: &str = "devstoreaccount1";
const AZURE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const BUCKET: &str = "checkpoints";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    S3,
    Gcs,
    Azure,
}

/// A running server with one empty bucket. Ends when dropped.
#[derive(Debug)]
pub(crate) struct StoreServer {
    kind: Kind,
    process: Child,
    pub(crate) port: u16,
    folder: TempDir,
}

impl Drop for StoreServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A program below `target/test-servers`, or on the system for an absolute path. Where it is missing,
/// that is a failure in CI and said elsewhere.
#[expect(clippy::print_stderr, reason = "a test that is skipped must say so")]
pub(crate) fn installed(path: &str) -> Option<PathBuf> {
    let path = repository("target/test-servers").join(path);
    if path.is_file() {
        return Some(path);
    }
    let message = format!("{} is missing: run scripts/test-servers", path.display());
    assert!(std::env::var_os("CI").is_none(), "{message}");
    eprintln!("skipped: {message}");
    None
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Starts a server and waits until it listens.
pub(crate) fn start(command: &mut Command, port: u16) -> Child {
    let process = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{command:?} does not listen"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    process
}

impl StoreServer {
    pub(crate) fn start(kind: Kind) -> Option<Self> {
        let port = free_port();
        let number = port.to_string();
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(installed(match kind {
            Kind::S3 => "python/bin/moto_server",
            Kind::Gcs => "fake-gcs-server",
            Kind::Azure => "node/node_modules/.bin/azurite-blob",
        })?);
        command.current_dir(folder.path());
        match kind {
            Kind::S3 => command.args(["-H", "127.0.0.1", "-p", &number]),
            Kind::Gcs => command
                .args([
                    "-scheme",
                    "http",
                    "-host",
                    "127.0.0.1",
                    "-backend",
                    "memory",
                ])
                .args([
                    "-port",
                    &number,
                    "-public-host",
                    &format!("127.0.0.1:{port}"),
                ]),
            Kind::Azure => command
                .args(["--silent", "--skipApiVersionCheck", "--inMemoryPersistence"])
                .args([
                    "--disableTelemetry",
                    "--blobHost",
                    "127.0.0.1",
                    "--blobPort",
                    &number,
                ]),
        };
        let process = start(&mut command, port);
        let server = Self {
            kind,
            process,
            port,
            folder,
        };
        server.create_bucket();
        Some(server)
    }

    fn create_bucket(&self) {
        match self.kind {
            Kind::S3 => self.send("PUT", &format!("/{BUCKET}"), &[], b""),
            Kind::Gcs => {
                let body = format!(r#"{{"name":"{BUCKET}"}}"#);
                let json = [("Content-Type", "application/json".to_owned())];
                self.send("POST", "/storage/v1/b?project=test", &json, body.as_bytes());
            }
            Kind::Azure => {
                let path = format!("/{AZURE_ACCOUNT}/{BUCKET}");
                let headers = azure_headers(&path, "\nrestype:container", &[], 0);
                self.send("PUT", &format!("{path}?restype=container"), &headers, b"");
            }
        }
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        match self.kind {
            Kind::S3 => {
                // The server looks whether there is a signature, and not at it.
                let scope = "test/20260101/us-east-1/s3/aws4_request";
                let signed =
                    format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
                let headers = [("Authorization", signed)];
                self.send("PUT", &format!("/{BUCKET}/{name}"), &headers, bytes);
            }
            Kind::Gcs => {
                let name = name.replace('/', "%2F");
                let path = format!("/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name}");
                self.send("POST", &path, &[], bytes);
            }
            Kind::Azure => {
                let path = format!("/{AZURE_ACCOUNT}/{BUCKET}/{name}");
                let kind = [("x-ms-blob-type", "BlockBlob".to_owned())];
                self.send(
                    "PUT",
                    &path,
                    &azure_headers(&path, "", &kind, bytes.len()),
                    bytes,
                );
            }
        }
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, String)], body: &[u8]) {
        let headers: Vec<(String, String)> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        let reply = exchange(self.port, method, path, &headers, body);
        assert!(
            reply.status < 300,
            "{method} {path}: {} {:?}",
            reply.status,
            String::from_utf8_lossy(&reply.body)
        );
    }

    pub(crate) fn reference(&self, path: &str) -> String {
        let scheme = match self.kind {
            Kind::S3 => "s3",
            Kind::Gcs => "gs",
            Kind::Azure => "az",
        };
        format!("{scheme}://{BUCKET}/{path}")
    }

    /// What the program finds the server by; `port` may be that of something in between.
    pub(crate) fn environment(&self, port: u16) -> Vec<(&'static str, String)> {
        let url = format!("http://127.0.0.1:{port}");
        match self.kind {
            Kind::S3 => vec![
                ("AWS_ACCESS_KEY_ID", "test".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", "test-secret".to_owned()),
                ("AWS_REGION", "us-east-1".to_owned()),
                ("AWS_ENDPOINT_URL", url),
                ("AWS_ALLOW_HTTP", "true".to_owned()),
            ],
            Kind::Gcs => {
                let path = self.folder.path().join(format!("account-{port}.json"));
                let account = serde_json::json!({
                    "gcs_base_url": url, "disable_oauth": true,
                    "client_email": "", "private_key": "", "private_key_id": "",
                });
                tunegate::fs::write_atomic(&path, account.to_string().as_bytes()).unwrap();
                vec![("GOOGLE_SERVICE_ACCOUNT", path.display().to_string())]
            }
            Kind::Azure => vec![
                ("AZURE_STORAGE_USE_EMULATOR", "true".to_owned()),
                ("AZURITE_BLOB_STORAGE_URL", url),
            ],
        }
    }
}

/// Headers of a request with a shared key, as
/// <https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key> has them.
fn azure_headers(
    path: &str,
    query: &str,
    more: &[(&'static str, String)],
    length: usize,
) -> Vec<(&'static str, String)> {
    let now = Timestamp::now()
        .strftime("%a, %d %b %Y %H:%M:%S GMT")
        .to_string();
    let mut headers = more.to_vec();
    headers.push(("x-ms-date", now));
    headers.push(("x-ms-version", "2021-08-06".to_owned()));
    let listed: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let length = if length == 0 {
        String::new()
    } else {
        length.to_string()
    };
    let text = format!(
        "PUT\n\n\n{length}\n\n\n\n\n\n\n\n\n{}/{AZURE_ACCOUNT}{path}{query}",
        listed.concat()
    );
    let key = ring::hmac::Key::new(
        ring::hmac::HMAC_SHA256,
        &STANDARD.decode(AZURE_KEY).unwrap(),
    );
    let signature = STANDARD.encode(ring::hmac::sign(&key, text.as_bytes()));
    headers.push((
        "Authorization",
        format!("SharedKey {AZURE_ACCOUNT}:{signature}"),
    ));
    headers
}

/// Hands a request on to a server and its answer back.
pub(crate) fn forward(request: &Request, port: u16) -> Reply {
    let kept = |name: &str| !matches!(name, "host" | "connection" | "content-length");
    let headers: Vec<(String, String)> = request
        .headers
        .iter()
        .filter(|(name, _)| kept(name))
        .cloned()
        .collect();
    exchange(
        port,
        &request.method,
        &request.target,
        &headers,
        request.body.as_bytes(),
    )
}

fn exchange(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> Reply {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let headers: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{}Content-Length: {}\r\nConnection: close\r\n\r\n",
        headers.concat(),
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    parse(&answer)
}

fn parse(answer: &[u8]) -> Reply {
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let mut reply = Reply::new(status, &answer[end + 4..]);
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        match name.to_ascii_lowercase().as_str() {
            "transfer-encoding" => reply.body = unchunked(&reply.body),
            "content-length" => reply = reply.with("Content-Length", value),
            "connection" | "keep-alive" => {}
            _ => reply = reply.with(name, value),
        }
    }
    reply
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = std::str::from_utf8(&rest[..end]).unwrap();
        let size = usize::from_str_radix(size.split(';').next().unwrap(), 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
}
