//! The runner's arguments as values.

use std::path::Path;
use std::time::Duration;

use crate::cli::{PublishArgs, RunnerArgs};
use crate::fs;
use crate::github::GitHubError;
use crate::github::client::{Client, Settings};
use crate::github::event::Environment;

/// Larger than any payload: GitHub's own limit is 25 MB.
const LARGEST_PAYLOAD: u64 = 32 << 20;

/// What the runner says, with the event's payload.
pub(in crate::commands) fn read(runner: &RunnerArgs) -> Environment {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let path = given(&runner.github_event_path);
    Environment {
        in_actions: runner.github_actions,
        event_name: given(&runner.github_event_name),
        payload: path.map(|path| payload(Path::new(&path))),
        repository: given(&runner.github_repository),
        server_url: given(&runner.github_server_url),
        sha: given(&runner.github_sha),
        run_id: given(&runner.github_run_id),
        run_attempt: given(&runner.github_run_attempt),
        workflow: given(&runner.github_workflow),
        job: given(&runner.github_job),
    }
}

fn payload(path: &Path) -> Result<String, String> {
    let said = |error: fs::FsError| format!("{error}: {}", error.source);
    match fs::size(path) {
        Ok(size) if size > LARGEST_PAYLOAD => Err(format!("it has {size} bytes")),
        Ok(_) => fs::read_to_string(path).map_err(said),
        Err(error) => Err(said(error)),
    }
}

/// The token that was passed, or the one of the environment.
pub(in crate::commands) fn token(publish: &PublishArgs, runner: &RunnerArgs) -> Option<String> {
    [&publish.token, &runner.github_token]
        .into_iter()
        .flatten()
        .map(|token| token.trim())
        .find(|token| !token.is_empty())
        .map(str::to_owned)
}

/// The Hub is spoken to in the same way, with its own address and token.
pub(in crate::commands) fn hub(publish: &PublishArgs) -> Result<Client, GitHubError> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    Client::new(&Settings {
        api_url: given(&publish.hub_endpoint)
            .unwrap_or_else(|| "https://huggingface.co".to_owned()),
        token: given(&publish.hub_token),
        timeout: Duration::from_secs(publish.report_timeout),
        longest_wait: Duration::from_secs(publish.report_patience),
    })
}

pub(in crate::commands) fn client(
    publish: &PublishArgs,
    runner: &RunnerArgs,
) -> Result<Client, GitHubError> {
    let api_url = runner
        .github_api_url
        .as_deref()
        .filter(|url| !url.is_empty());
    Client::new(&Settings {
        api_url: api_url.unwrap_or("https://api.github.com").to_owned(),
        token: token(publish, runner),
        timeout: Duration::from_secs(publish.report_timeout),
        longest_wait: Duration::from_secs(publish.report_patience),
    })
}
