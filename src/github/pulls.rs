//! Which pull request a finished run was about. The report of an unprivileged run says nothing about
//! it that counts: only GitHub's own answer does.

use serde::Deserialize;

use super::client::{Client, encoded};
use super::event::WorkflowRun;
use super::{CommitSha, GitHubError, Repository};

#[derive(Debug, Deserialize)]
struct Pull {
    number: u64,
    head: Head,
}

#[derive(Debug, Deserialize)]
struct Head {
    sha: String,
    /// `null` where the fork is gone.
    repo: Option<HeadRepository>,
}

#[derive(Debug, Deserialize)]
struct HeadRepository {
    full_name: String,
}

/// The open pull request whose head is the commit of `run`, in the repository of its head.
///
/// # Errors
/// Where there is none: the pull request moved on, or the run was about something else.
pub fn of_run(
    client: &Client,
    repository: &Repository,
    run: &WorkflowRun,
) -> Result<(u64, CommitSha), GitHubError> {
    let nothing = |problem: &str| GitHubError::Untrusted {
        event: "workflow_run".to_owned(),
        problem: problem.to_owned(),
    };
    if run.event != "pull_request" {
        return Err(nothing(
            "the run before it was not started by a pull request",
        ));
    }
    let head_repository: Repository = run
        .head_repository
        .as_deref()
        .and_then(|name| name.parse().ok())
        .ok_or_else(|| nothing("the repository of the head is gone"))?;
    let branch = format!("{}:{}", head_repository.owner, run.head_branch);
    let branch = encoded(&branch).replace('/', "%2F");
    let path = format!("/repos/{repository}/pulls?state=open&head={branch}");
    let pulls: Vec<Pull> = client.get_all("find the pull request", &path)?;
    let found = pulls.into_iter().find(|pull| {
        let own = pull.head.repo.as_ref().is_some_and(|repo| {
            repo.full_name
                .eq_ignore_ascii_case(&head_repository.to_string())
        });
        own && pull.head.sha.eq_ignore_ascii_case(run.head.as_str())
    });
    let number = found.map(|pull| pull.number).ok_or_else(|| {
        nothing("no open pull request has the commit of that run as its head; a newer run reports on it")
    })?;
    Ok((number, run.head.clone()))
}
