//! Why something could not be published, or read from GitHub.

use crate::fs::FsError;

#[derive(Debug, thiserror::Error)]
pub enum GitHubError {
    #[error("cannot use the API address `{url}`: {problem}")]
    ApiUrl { url: String, problem: String },
    #[error("cannot set up the connection to GitHub")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("cannot {action}: {status} from {method} {path}: {message}")]
    Refused {
        action: String,
        method: &'static str,
        path: String,
        status: u16,
        message: String,
    },
    #[error("cannot {action}: GitHub asks to wait {seconds} s, longer than is left")]
    RateLimited { action: String, seconds: u64 },
    #[error("cannot {action}: no answer to {method} {path}: {problem}")]
    NoAnswer {
        action: String,
        method: &'static str,
        path: String,
        problem: String,
    },
    #[error("cannot {action}: the answer to {method} {path} is not what GitHub documents")]
    Answer {
        action: String,
        method: &'static str,
        path: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("cannot {action}: more than {limit} comments")]
    TooMany { action: String, limit: usize },
    #[error(transparent)]
    Fs(#[from] FsError),
    #[error("cannot publish from `{event}`: {problem}")]
    Untrusted { event: String, problem: String },
}

impl GitHubError {
    /// True for a token that may not do this. By status alone: the text is not documented.
    pub fn is_forbidden(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                status: 401 | 403,
                ..
            }
        )
    }

    pub fn is_not_found(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                status: 404 | 410,
                ..
            }
        )
    }

    /// Whether the other side may have done what was asked, and only the answer is lost.
    pub(super) fn may_have_been_done(&self) -> bool {
        match self {
            Self::Refused { status, .. } => *status >= 500,
            Self::NoAnswer { .. } | Self::Answer { .. } => true,
            Self::ApiUrl { .. }
            | Self::Setup(_)
            | Self::RateLimited { .. }
            | Self::TooMany { .. }
            | Self::Fs(_)
            | Self::Untrusted { .. } => false,
        }
    }

    /// What the user can do, in one sentence.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Refused { status: 401, .. } => Some("pass a valid token as the input `token`"),
            Self::Refused {
                status: 403 | 404, ..
            } => Some(
                "give the job `permissions: { contents: read, pull-requests: write }` (and `checks: write` \
                 for `check-run`); on pull requests from forks read the job summary instead",
            ),
            Self::ApiUrl { .. } => Some("leave `GITHUB_API_URL` as the runner sets it"),
            Self::RateLimited { .. } => Some("run the job again later"),
            Self::Refused { .. }
            | Self::Setup(_)
            | Self::NoAnswer { .. }
            | Self::Answer { .. }
            | Self::TooMany { .. }
            | Self::Fs(_)
            | Self::Untrusted { .. } => None,
        }
    }
}
