//! What a run on GitHub publishes: a sticky comment, a check run, annotations, the job summary and
//! the step's outputs. No type of HTTP leaves this module.
//!
//! ```text
//! environment, event --event--> Event --publish--> comment | check_run --client--> GitHub
//!                                          |
//!                                          +--> outputs, summary, annotations (files and the log)
//! ```
//!
//! Three rules hold everywhere:
//!
//! - Publishing is a side door: it never changes the verdict, and whatever cannot be published is
//!   said in one notice. A fork's token may read only, so a refusal is expected there.
//! - Whoever opens a pull request chooses the tensor names and may write comments, so a comment
//!   counts as ours only by marker and author, and every text is escaped before it is sent.
//! - A request that creates something is never sent twice blindly: GitHub may have done the work and
//!   lost the answer. Only requests that may be repeated are.

pub mod annotate;
pub mod body;
pub mod check_run;
pub mod checkout;
pub mod client;
pub mod comment;
pub mod contents;
mod error;
pub mod event;
pub mod hub;
pub mod marker;
pub mod outputs;
pub mod pulls;

use std::fmt;
use std::str::FromStr;

pub use error::GitHubError;

/// `owner/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    pub owner: String,
    pub name: String,
}

impl FromStr for Repository {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |part: &str| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
                && part.chars().any(|c| c != '.')
        };
        match text.split_once('/') {
            Some((owner, name)) if allowed(owner) && allowed(name) => Ok(Self {
                owner: owner.to_owned(),
                name: name.to_owned(),
            }),
            Some(_) | None => Err(format!("`{text}` is no `owner/name`")),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.owner, self.name)
    }
}

/// Id of a commit: 40 or 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitSha(String);

impl CommitSha {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl FromStr for CommitSha {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.chars().all(|c| c.is_ascii_hexdigit());
        if matches!(text.len(), 40 | 64) && digits {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(format!("`{text}` is no commit id"))
        }
    }
}

/// Which run of a workflow this is; a later one compares greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct RunId {
    /// `GITHUB_RUN_ID`, which grows with time within a repository.
    pub run: u64,
    /// `GITHUB_RUN_ATTEMPT`: the same run, started again.
    pub attempt: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_has_an_owner_and_a_name_and_no_path() {
        let repository: Repository = "octo-org/demo.rs".parse().unwrap();
        assert_eq!(repository.to_string(), "octo-org/demo.rs");
        for wrong in ["", "demo", "/demo", "octo/", "octo/a/b", "octo/..", "o?/r"] {
            assert!(wrong.parse::<Repository>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_commit_id_is_all_hexadecimal_digits() {
        let sha: CommitSha = "CE587453ced02b1526dfb4cb910479d431683101".parse().unwrap();
        assert_eq!(sha.short(), "ce587453ced0");
        for wrong in ["", "ce58", "refs/heads/main", &"g".repeat(40)] {
            assert!(wrong.parse::<CommitSha>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_second_attempt_is_later_than_the_first_and_a_new_run_later_than_both() {
        let id = |run, attempt| RunId { run, attempt };
        assert!(id(5, 1) < id(5, 2) && id(5, 2) < id(6, 1));
    }
}
