//! What kind of run this is, from the runner's environment and the event's payload.
//!
//! The head of a pull request is read from the payload: `GITHUB_SHA` names the merge commit there,
//! on which nobody looks for a check. What is missing or garbled is said in a notice, and the run
//! goes on with what is known.

use serde_json::Value;

use super::{CommitSha, Repository, RunId};

#[cfg(test)]
mod tests;

const DEPENDABOT: &str = "dependabot[bot]";

/// What the runner says; the texts are as they came, absent where empty.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `GITHUB_ACTIONS` is set.
    pub in_actions: bool,
    pub event_name: Option<String>,
    /// Content of the file at `GITHUB_EVENT_PATH`, or why it could not be read.
    pub payload: Option<Result<String, String>>,
    pub repository: Option<String>,
    pub server_url: Option<String>,
    pub sha: Option<String>,
    pub run_id: Option<String>,
    pub run_attempt: Option<String>,
    pub workflow: Option<String>,
    pub job: Option<String>,
}

/// A run, as far as it is known.
#[derive(Debug, Clone)]
pub struct Event {
    /// `GITHUB_EVENT_NAME`; empty outside GitHub.
    pub name: String,
    pub kind: Kind,
    pub repository: Option<Repository>,
    /// `GITHUB_SHA`, which is not the head of a pull request.
    pub sha: Option<CommitSha>,
    pub run: RunId,
    /// Page of the run that judged: of a `workflow_run` the run that started it.
    pub run_url: Option<String>,
    pub workflow: String,
    pub job: String,
    /// What could not be understood, one sentence each.
    pub notices: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    PullRequest(PullRequest),
    /// As a pull request, but run with the base's workflow, secrets and a token that may write.
    PullRequestTarget(PullRequest),
    Push,
    MergeGroup {
        base: CommitSha,
    },
    Schedule,
    WorkflowDispatch,
    WorkflowRun(WorkflowRun),
    /// An event without a rule of its own, or one whose payload could not be understood.
    Other,
    /// Not a run of GitHub Actions.
    Outside,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    pub number: u64,
    pub head: CommitSha,
    pub base: CommitSha,
    pub from: Source,
}

/// Where the commits of a pull request come from, which decides what the token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    SameRepository,
    /// Another repository, or one that is gone.
    Fork,
    /// The same repository, with the token of a fork.
    Dependabot,
}

/// The run whose end started this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowRun {
    pub id: RunId,
    pub head: CommitSha,
    /// `owner/name` of the repository of the head; `None` where it is gone.
    pub head_repository: Option<String>,
    pub head_branch: String,
    /// The event that started that run.
    pub event: String,
    pub workflow: String,
    /// Pull requests of the same repository; empty for a fork.
    pub pull_requests: Vec<u64>,
}

impl Event {
    pub fn read(environment: &Environment) -> Self {
        let mut notices = Vec::new();
        let name = environment.event_name.clone().unwrap_or_default();
        let repository = parsed(
            "GITHUB_REPOSITORY",
            environment.repository.as_deref(),
            &mut notices,
        );
        let run = RunId {
            run: parsed("GITHUB_RUN_ID", environment.run_id.as_deref(), &mut notices)
                .unwrap_or_default(),
            attempt: parsed(
                "GITHUB_RUN_ATTEMPT",
                environment.run_attempt.as_deref(),
                &mut notices,
            )
            .unwrap_or_default(),
        };
        let kind = if environment.in_actions {
            kind(&name, environment, repository.as_ref(), &mut notices)
        } else {
            Kind::Outside
        };
        if environment.in_actions && repository.is_none() {
            notices.push(
                "`GITHUB_REPOSITORY` names no repository; nothing is sent to GitHub".to_owned(),
            );
        }
        // What a second workflow publishes was judged by the run that started it.
        let judging = if let Kind::WorkflowRun(first) = &kind {
            first.id
        } else {
            run
        };
        let run_url = run_url(
            environment.server_url.as_deref(),
            repository.as_ref(),
            judging,
        );
        Self {
            kind,
            run_url,
            sha: parsed("GITHUB_SHA", environment.sha.as_deref(), &mut notices),
            workflow: environment.workflow.clone().unwrap_or_default(),
            job: environment.job.clone().unwrap_or_default(),
            name,
            repository,
            run,
            notices,
        }
    }

    /// The pull request that is judged, however it is run.
    pub fn pull_request(&self) -> Option<&PullRequest> {
        match &self.kind {
            Kind::PullRequest(pull) | Kind::PullRequestTarget(pull) => Some(pull),
            Kind::Push
            | Kind::MergeGroup { .. }
            | Kind::Schedule
            | Kind::WorkflowDispatch
            | Kind::WorkflowRun(_)
            | Kind::Other
            | Kind::Outside => None,
        }
    }

    /// The commit that a check run belongs to.
    pub fn judged_commit(&self) -> Option<&CommitSha> {
        self.pull_request()
            .map_or(self.sha.as_ref(), |pull| Some(&pull.head))
    }
}

/// The page of a run; only an address of the web is ever linked.
fn run_url(server: Option<&str>, repository: Option<&Repository>, run: RunId) -> Option<String> {
    let server = server.unwrap_or("https://github.com").trim_end_matches('/');
    let host = server
        .strip_prefix("https://")
        .or_else(|| server.strip_prefix("http://"))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '/');
    if run.run == 0 || host.is_empty() || !host.chars().all(plain) {
        return None;
    }
    Some(format!("{server}/{}/actions/runs/{}", repository?, run.run))
}

fn parsed<T: std::str::FromStr>(
    variable: &str,
    text: Option<&str>,
    notices: &mut Vec<String>,
) -> Option<T> {
    let text = text?;
    let value = text.parse().ok();
    if value.is_none() {
        notices.push(format!(
            "`{variable}` holds `{text}`, which is not understood"
        ));
    }
    value
}

fn kind(
    name: &str,
    environment: &Environment,
    repository: Option<&Repository>,
    notices: &mut Vec<String>,
) -> Kind {
    match name {
        "push" => return Kind::Push,
        "schedule" => return Kind::Schedule,
        "workflow_dispatch" => return Kind::WorkflowDispatch,
        "pull_request" | "pull_request_target" | "merge_group" | "workflow_run" => {}
        "" => {
            notices
                .push("`GITHUB_EVENT_NAME` is not set; the event is treated as a push".to_owned());
            return Kind::Other;
        }
        other => {
            notices.push(format!(
                "the event `{other}` has no rule of its own; it is treated as a push"
            ));
            return Kind::Other;
        }
    }
    let payload = match payload(environment) {
        Ok(payload) => payload,
        Err(problem) => {
            notices.push(format!(
                "the payload of the event `{name}` {problem}; it is treated as a push"
            ));
            return Kind::Other;
        }
    };
    let read = match name {
        "pull_request" => pull_request(&payload, repository).map(Kind::PullRequest),
        "pull_request_target" => pull_request(&payload, repository).map(Kind::PullRequestTarget),
        "merge_group" => {
            sha(&payload, "/merge_group/base_sha").map(|base| Kind::MergeGroup { base })
        }
        _ => workflow_run(&payload).map(Kind::WorkflowRun),
    };
    read.unwrap_or_else(|field| {
        notices.push(format!(
            "the payload of the event `{name}` has no usable `{field}`; it is treated as a push"
        ));
        Kind::Other
    })
}

fn payload(environment: &Environment) -> Result<Value, String> {
    match &environment.payload {
        None => Err("is not there: `GITHUB_EVENT_PATH` is not set".to_owned()),
        Some(Err(problem)) => Err(format!("cannot be read: {problem}")),
        Some(Ok(text)) => {
            serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))
        }
    }
}

/// `Err` names the field that is missing.
type Field<T> = Result<T, &'static str>;

fn pull_request(payload: &Value, repository: Option<&Repository>) -> Field<PullRequest> {
    let base_repository = text(payload, "/pull_request/base/repo/full_name")
        .or_else(|| repository.map(Repository::to_string));
    let head_repository = text(payload, "/pull_request/head/repo/full_name");
    let same = match (&base_repository, &head_repository) {
        (Some(base), Some(head)) => base.eq_ignore_ascii_case(head),
        _ => false,
    };
    let sender =
        text(payload, "/sender/login").or_else(|| text(payload, "/pull_request/user/login"));
    let from = match (same, sender.as_deref()) {
        (false, _) => Source::Fork,
        (true, Some(DEPENDABOT)) => Source::Dependabot,
        (true, _) => Source::SameRepository,
    };
    Ok(PullRequest {
        number: number(payload, "/pull_request/number")?,
        head: sha(payload, "/pull_request/head/sha")?,
        base: sha(payload, "/pull_request/base/sha")?,
        from,
    })
}

fn workflow_run(payload: &Value) -> Field<WorkflowRun> {
    let pull_requests = payload
        .pointer("/workflow_run/pull_requests")
        .and_then(Value::as_array);
    let numbers = pull_requests
        .into_iter()
        .flatten()
        .filter_map(|pull| number(pull, "/number").ok());
    Ok(WorkflowRun {
        id: RunId {
            run: number(payload, "/workflow_run/id")?,
            attempt: number(payload, "/workflow_run/run_attempt").unwrap_or(1),
        },
        head: sha(payload, "/workflow_run/head_sha")?,
        head_repository: text(payload, "/workflow_run/head_repository/full_name"),
        head_branch: text(payload, "/workflow_run/head_branch").unwrap_or_default(),
        event: text(payload, "/workflow_run/event").ok_or("/workflow_run/event")?,
        workflow: text(payload, "/workflow_run/name").unwrap_or_default(),
        pull_requests: numbers.collect(),
    })
}

fn text(payload: &Value, pointer: &str) -> Option<String> {
    payload.pointer(pointer)?.as_str().map(str::to_owned)
}

fn sha(payload: &Value, pointer: &'static str) -> Field<CommitSha> {
    text(payload, pointer)
        .and_then(|text| text.parse().ok())
        .ok_or(pointer)
}

fn number(payload: &Value, pointer: &'static str) -> Field<u64> {
    let number = payload.pointer(pointer).and_then(Value::as_u64);
    number.filter(|number| *number > 0).ok_or(pointer)
}
