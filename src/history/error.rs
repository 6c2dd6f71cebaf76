//! Why a history cannot be used.

use super::SCHEMA;
use crate::fs::FsError;

/// What the driver said. Its errors tell their own causes, which would be printed a second time.
#[derive(Debug)]
pub struct Cause(sqlx::Error);

impl From<sqlx::Error> for Cause {
    fn from(error: sqlx::Error) -> Self {
        Self(error)
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

impl std::error::Error for Cause {}

#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("cannot read `{text}` as a place for a history: {problem}")]
    Location { text: String, problem: String },
    #[error("cannot start the driver of the history")]
    Runtime(#[source] std::io::Error),
    #[error("cannot open the history `{location}`")]
    Open {
        location: String,
        #[source]
        source: Cause,
    },
    #[error("cannot {action} in the history `{location}`")]
    Statement {
        action: &'static str,
        location: String,
        #[source]
        source: Cause,
    },
    #[error("the history `{location}` does not answer within {seconds} s")]
    TimedOut { location: String, seconds: u64 },
    #[error(
        "the history `{location}` was written by a newer version (schema {found}, this one knows {SCHEMA})"
    )]
    NewerSchema { location: String, found: i64 },
    #[error("`{location}` holds tables of another program, and no history")]
    Foreign { location: String },
    #[error("there is no history at `{location}`")]
    Missing { location: String },
    #[error("run `{id}` of the history is damaged: {problem}")]
    Damaged { id: String, problem: String },
    #[error("no run of the history starts with `{text}`")]
    NoRun { text: String },
    #[error("`{text}` is the start of {count} runs of the history")]
    ManyRuns { text: String, count: usize },
    #[error("nothing is recorded: the event `{event}` {why}")]
    NotOfBranch { event: String, why: &'static str },
    #[error("the history holds no run that matches")]
    Empty,
    #[error(transparent)]
    NoReport(FsError),
    #[error(transparent)]
    NoExport(FsError),
    #[error("line {line} of `{file}` is no line of a history: {problem}")]
    Line {
        file: String,
        line: usize,
        problem: String,
    },
}

impl HistoryError {
    /// What the user can do, in one sentence.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Location { .. } => "pass the path of a file, or `postgres://USER@HOST/DATABASE`",
            Self::NewerSchema { .. } => "use the newer version; nothing was written",
            Self::Foreign { .. } => "name a file that does not exist yet",
            Self::Missing { .. } => {
                "see that the path is right; `check --history STORE` and `history record` make it with its first run"
            }
            Self::NoReport(_) => {
                "pass reports that `check --format json` or `--emit json=FILE` wrote"
            }
            Self::NoExport(_) => "pass files that `history export` wrote",
            Self::Empty => {
                "`history show` without `--model` and `--branch` lists all runs; `check --history STORE` records one"
            }
            Self::NoRun { .. } | Self::ManyRuns { .. } => "`history show` lists the runs",
            Self::Line { .. } => "nothing was imported; pass files that `history export` wrote",
            Self::Damaged { .. } => {
                "restore the store from an export, or remove the run with `history prune RUN`"
            }
            Self::Open { .. } => {
                "see that the folder of the file is there and may be used, or that the server answers this user"
            }
            Self::Statement { .. } => {
                "see that the history may be written, that its disk has space, and that no other program holds it"
            }
            Self::NotOfBranch { .. } => {
                "record the runs of `push`, `schedule`, `workflow_dispatch` or `repository_dispatch`; \
                 `check --history` judges any run against the history"
            }
            Self::Runtime(_) | Self::TimedOut { .. } => return None,
        })
    }
}
