//! Why a checkpoint elsewhere could not be read.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// No byte was judged. Locations never carry credentials: queries and user names are left out of them.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    #[error("cannot use the reference `{reference}`: {problem}")]
    Reference { reference: String, problem: String },
    #[error("cannot read `{location}`: the run is offline")]
    Offline { location: String },
    #[error("cannot read `{location}` offline: it is not in the cache `{}`", cache.display())]
    NotCached { location: String, cache: PathBuf },
    #[error("cannot read `{location}`: {refusal}{}", said(detail))]
    Refused {
        location: String,
        refusal: Refusal,
        /// What the server said, cleaned; may be empty.
        detail: String,
    },
    #[error("cannot read `{location}`: {reason}")]
    Network { location: String, reason: String },
    #[error("cannot read `{location}`: no credentials were found for it")]
    NoCredentials { location: String },
    #[error("cannot read `{location}`: it was replaced while it was being read")]
    Replaced { location: String },
    #[error("cannot read `{location}`: {found} bytes where {expected} were announced")]
    Size {
        location: String,
        expected: u64,
        found: u64,
    },
    #[error("cannot use `{location}`: its {kind} is {found}, announced was {expected}")]
    Digest {
        location: String,
        kind: &'static str,
        expected: String,
        found: String,
    },
    #[error(
        "cannot read `{location}` by range: the server sent something else than the range asked for"
    )]
    RangeIgnored { location: String },
    #[error("gave up reading `{location}`: the deadline of {} is over", human(*limit))]
    Deadline { location: String, limit: Duration },
    #[error("cannot use `{folder}`: it lists the file `{}`", name.escape_debug())]
    Name { folder: String, name: String },
    #[error("cannot understand what the server says about `{location}`")]
    Answer {
        location: String,
        #[source]
        source: Arc<serde_json::Error>,
    },
    #[error("cannot read `{location}`: {bytes} bytes do not fit into memory")]
    TooLarge { location: String, bytes: u64 },
    #[error("cannot set up the access to `{location}`: {problem}")]
    Setup { location: String, problem: String },
}

/// Why a server did not give what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the server wants credentials, and those given are none or not valid (401)")]
    Unauthorised,
    #[error("the repository is gated, and this token has no access to it (403)")]
    Gated,
    #[error("access is denied (403)")]
    Forbidden,
    #[error("there is no such repository, or it is private and the token cannot see it")]
    NoRepository,
    #[error("the repository has no such revision")]
    NoRevision,
    #[error("there is no such file (404)")]
    NoEntry,
    #[error("there is nothing at this prefix")]
    NothingThere,
    #[error("the server limits the rate of requests (429), and still did after the retries")]
    RateLimited,
    #[error("the server asks to wait {0} seconds, which is too long")]
    Wait(u64),
    #[error("the server answered with status {0}, and still did after the retries")]
    Server(u16),
    #[error("the server answered with status {0}")]
    Status(u16),
}

impl RemoteError {
    /// What the user can do about it: one imperative sentence.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Reference { .. } => {
                "write a folder, a `.safetensors` file, hf://owner/name[@revision], s3://, gs://, az:// or https://"
            }
            Self::Offline { .. } => "leave out `--offline`, or pass a local folder",
            Self::NotCached { .. } => {
                "run once without `--offline` and HF_HUB_OFFLINE, or fetch it with `hf download`"
            }
            Self::Refused { refusal, .. } => return refusal.hint(),
            Self::Network { .. } => {
                "check the address, the network and the proxy settings, and run again"
            }
            Self::NoCredentials { .. } => {
                "set the credentials of the store in the environment: see docs/remote.md"
            }
            Self::Replaced { .. } => "run again when nothing writes to the checkpoint any more",
            Self::Size { .. } | Self::Digest { .. } => {
                "upload the file again, or pass another revision or mirror"
            }
            Self::RangeIgnored { .. } => {
                "use a server or mirror that answers range requests, or fetch the checkpoint whole with another tool"
            }
            Self::Deadline { .. } => "raise `--deadline`, or split the work with `--shard`",
            Self::Name { .. } => "rename the file in the checkpoint to a plain relative name",
            Self::Answer { .. } => "check that HF_ENDPOINT leads to a Hugging Face Hub",
            Self::TooLarge { .. } => return None,
            Self::Setup { .. } => "correct the setting: see docs/remote.md",
        })
    }
}

impl Refusal {
    fn hint(self) -> Option<&'static str> {
        Some(match self {
            Self::Unauthorised => {
                "set HF_TOKEN (or log in with `hf auth login`), or the credentials of the store"
            }
            Self::Gated => {
                "accept the conditions on the repository's page, then pass a token of that user in HF_TOKEN"
            }
            Self::Forbidden => "give the token or key the right to read and to list",
            Self::NoRepository => "check owner and name; for a private repository set HF_TOKEN",
            Self::NoRevision => {
                "check the revision after `@`: a branch, a tag, a commit or refs/pr/N"
            }
            Self::NoEntry | Self::NothingThere => {
                "check the address, and that the upload is complete"
            }
            Self::RateLimited | Self::Wait(_) => {
                "run again later, or set HF_TOKEN for a higher limit"
            }
            Self::Server(_) => "run again later",
            Self::Status(_) => return None,
        })
    }
}

fn said(detail: &str) -> String {
    if detail.is_empty() {
        String::new()
    } else {
        format!("; the server says: {detail}")
    }
}

/// Seconds, without a fraction where there is none.
fn human(limit: Duration) -> String {
    format!("{} s", limit.as_secs_f64())
}
