//! The one request that resolves a revision and lists its files.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::settings::HubSettings;
use crate::checkpoint::source::cloud::USER_AGENT;
use crate::checkpoint::source::error::RemoteError;
use crate::checkpoint::source::name::is_plain;
use crate::checkpoint::source::store::{Known, innermost, refusal};
use crate::checkpoint::source::wire::{Answer, asked_wait, clean, is_short, message_of};

const ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A commit and its files by name.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) commit: String,
    pub(super) files: BTreeMap<String, Listed>,
}

/// One file.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) size: u64,
    pub(super) known: Known,
}

#[derive(Debug, Deserialize)]
struct Repository {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Debug, Deserialize)]
struct Lfs {
    sha256: Option<String>,
    size: Option<u64>,
}

/// Asks the Hub for a revision of a repository.
pub(super) async fn list(
    settings: &HubSettings,
    repository: &str,
    revision: &str,
    location: &str,
) -> Result<Listing, RemoteError> {
    let setup = |problem: String| RemoteError::Setup {
        location: location.to_owned(),
        problem,
    };
    let mut url = Url::parse(&settings.endpoint)
        .map_err(|error| setup(format!("HF_ENDPOINT is no address: {error}")))?;
    url.path_segments_mut()
        .map_err(|()| setup("HF_ENDPOINT is no address of a server".to_owned()))?
        .extend(["api", "models"])
        .extend(repository.split('/'))
        // One segment: a `/` in it is sent as %2F.
        .extend(["revision", revision]);
    url.set_query(Some("blobs=true"));
    let body = get(&client(settings, location)?, &url, settings, location).await?;
    let found: Repository =
        serde_json::from_slice(&body).map_err(|source| RemoteError::Answer {
            location: location.to_owned(),
            source: Arc::new(source),
        })?;
    listing(found, revision, location)
}

/// A client for requests that bring no weights.
pub(super) fn client(
    settings: &HubSettings,
    location: &str,
) -> Result<reqwest::Client, RemoteError> {
    reqwest::Client::builder()
        // No redirect leads out of an encrypted connection.
        .https_only(settings.endpoint.starts_with("https://"))
        .user_agent(USER_AGENT)
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .build()
        .map_err(|error| RemoteError::Setup {
            location: location.to_owned(),
            problem: innermost(&error),
        })
}

/// The body of a good answer. A server that is busy or gone is asked again.
async fn get(
    client: &reqwest::Client,
    url: &Url,
    settings: &HubSettings,
    location: &str,
) -> Result<Vec<u8>, RemoteError> {
    let mut pause = FIRST_PAUSE;
    let mut attempt = 1;
    loop {
        let (error, wait) = match ask(client, url, settings, location).await {
            Ok(body) => return Ok(body),
            Err(failed) => failed,
        };
        let Some(wait) = wait.filter(|_| attempt < ATTEMPTS) else {
            return Err(error);
        };
        tokio::time::sleep(wait.max(pause)).await;
        pause *= 2;
        attempt += 1;
    }
}

/// One request. With the error comes how long to wait before the next, if another one may help.
async fn ask(
    client: &reqwest::Client,
    url: &Url,
    settings: &HubSettings,
    location: &str,
) -> Result<Vec<u8>, (RemoteError, Option<Duration>)> {
    let network = |error: reqwest::Error| {
        let error = RemoteError::Network {
            location: location.to_owned(),
            // The endpoint is a setting, which may be the mistake.
            reason: format!(
                "{} at {}",
                innermost(&error),
                url.origin().ascii_serialization()
            ),
        };
        (error, Some(Duration::ZERO))
    };
    let mut request = client.get(url.clone());
    if let Some(token) = &settings.token {
        request = request.header("authorization", token.header());
    }
    let response = request.send().await.map_err(network)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response.bytes().await.map_err(network)?.to_vec());
    }
    let header = |name: &str| {
        let value = response.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
            .to_owned()
    };
    let (code, message) = (header("x-error-code"), clean(&header("x-error-message")));
    let status = status.as_u16();
    let asked = asked_wait(status, response.headers());
    let is_passing = status >= 500 || matches!(status, 408 | 429);
    let message = if message.is_empty() {
        message_of(&response.text().await.unwrap_or_default())
    } else {
        message
    };
    let answer = Answer {
        status: Some(status),
        code,
        message,
        refused_wait: asked
            .filter(|wait| !is_short(*wait))
            .map(|wait| wait.as_secs()),
        ..Answer::default()
    };
    let may_help = is_passing && answer.refused_wait.is_none();
    let error = refused(answer, location);
    Err((error, may_help.then(|| asked.unwrap_or_default())))
}

pub(super) fn refused(answer: Answer, location: &str) -> RemoteError {
    match refusal(&answer) {
        Some(refusal) => RemoteError::Refused {
            location: location.to_owned(),
            refusal,
            detail: answer.message,
        },
        None => RemoteError::Network {
            location: location.to_owned(),
            reason: "there was no answer".to_owned(),
        },
    }
}

/// Checks what the Hub says: nothing of it reaches an address or a path unchecked.
fn listing(found: Repository, revision: &str, location: &str) -> Result<Listing, RemoteError> {
    let Repository { sha, siblings } = found;
    let odd = |problem: &str| RemoteError::Network {
        location: location.to_owned(),
        reason: problem.to_owned(),
    };
    if !is_commit(&sha) {
        return Err(odd("the Hub gives no commit for the revision"));
    }
    if is_commit(revision) && !revision.eq_ignore_ascii_case(&sha) {
        return Err(odd("the Hub gives another commit than the one asked for"));
    }
    let mut files = BTreeMap::new();
    for Sibling {
        rfilename: name,
        size,
        blob_id,
        lfs,
    } in siblings
    {
        if !is_plain(&name) {
            // No name of ours; only what may hold weights must not be passed over.
            if name.contains(".safetensors") {
                return Err(RemoteError::Name {
                    folder: location.to_owned(),
                    name,
                });
            }
            continue;
        }
        let Some(size) = lfs.as_ref().and_then(|lfs| lfs.size).or(size) else {
            return Err(odd("the Hub gives no sizes of the files"));
        };
        let hex = |text: &Option<String>, length| text.clone().filter(|text| is_hex(text, length));
        let known = Known {
            size: Some(size),
            sha256: lfs.as_ref().and_then(|lfs| hex(&lfs.sha256, 64)),
            // Of a large file it is the name of its pointer.
            git_sha1: hex(&blob_id, 40).filter(|_| lfs.is_none()),
        };
        files.insert(name, Listed { size, known });
    }
    Ok(Listing { commit: sha, files })
}

/// Forty hexadecimal digits.
pub(super) fn is_commit(text: &str) -> bool {
    is_hex(text, 40)
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn read(json: &serde_json::Value, revision: &str) -> Result<Listing, RemoteError> {
        listing(Repository::deserialize(json).unwrap(), revision, "hf://a/b")
    }

    #[test]
    fn sizes_and_digests_are_taken_from_the_listing() {
        let json = serde_json::json!({"sha": COMMIT, "siblings": [
            {"rfilename": "config.json", "size": 3, "blobId": COMMIT},
            {"rfilename": "sub/m.safetensors", "size": 9, "blobId": COMMIT,
             "lfs": {"sha256": "ab".repeat(32), "size": 9, "pointerSize": 134}},
            {"rfilename": "image:1.png", "size": 1},
        ]});
        let listing = read(&json, "main").unwrap();
        assert_eq!(listing.files.len(), 2);
        let file = |name: &str| listing.files.get(name).cloned().unwrap();
        let config = file("config.json");
        assert_eq!(
            (config.size, config.known.git_sha1.as_deref()),
            (3, Some(COMMIT))
        );
        let weights = file("sub/m.safetensors").known;
        assert_eq!(weights.sha256, Some("ab".repeat(32)));
        assert_eq!(weights.git_sha1, None);
    }

    #[test]
    fn a_listing_that_does_not_hold_together_is_refused() {
        let one = |name: &str| serde_json::json!({"sha": COMMIT, "siblings": [{"rfilename": name, "size": 1}]});
        assert!(read(&one("x.safetensors"), COMMIT).is_ok());
        assert!(read(&one("x.safetensors"), &"0".repeat(40)).is_err());
        for name in [
            "../x.safetensors",
            "/x.safetensors",
            "a\\x.safetensors",
            "c:x.safetensors",
            "x\0.safetensors",
        ] {
            assert!(
                matches!(read(&one(name), "main"), Err(RemoteError::Name { .. })),
                "{name}"
            );
        }
        let short = serde_json::json!({"sha": "abc", "siblings": []});
        assert!(read(&short, "main").is_err());
        let no_size = serde_json::json!({"sha": COMMIT, "siblings": [{"rfilename": "x"}]});
        assert!(read(&no_size, "main").is_err());
    }
}
