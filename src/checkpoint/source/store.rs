//! Requests to one object store, with every answer checked.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use object_store::path::Path as ObjectPath;
use object_store::{
    BackoffConfig, Error as StoreError, Extensions, GetOptions, GetRange, GetResult, ObjectMeta,
    ObjectStore, RetryConfig,
};
use sha1::Digest as _;

use super::access::Shared;
use super::error::{Refusal, RemoteError};
use super::wire::{Answer, Trace};
use crate::checkpoint::fingerprint::sha256_hex;

/// How often and how long a failed request is tried again.
pub(super) fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: 5,
        retry_timeout: Duration::from_secs(180),
    }
}

/// How it is known that all bytes read belong to one version of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Versions {
    /// The address never leads to other bytes.
    Immutable,
    /// By the entity tag or the time of change that comes with the bytes.
    Tagged,
}

/// What is known of the bytes of a file before they are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) size: Option<u64>,
    /// SHA-256 of the bytes.
    pub(super) sha256: Option<String>,
    /// SHA-1 of the bytes as git counts it.
    pub(super) git_sha1: Option<String>,
}

/// One object store, or one folder behind a web server.
#[derive(Debug, Clone)]
pub(super) struct Store {
    pub(super) inner: Arc<dyn ObjectStore>,
    pub(super) shared: Arc<Shared>,
    pub(super) versions: Versions,
}

impl Store {
    pub(super) fn options(trace: &Trace) -> GetOptions {
        let mut extensions = Extensions::new();
        extensions.insert(trace.clone());
        GetOptions {
            extensions,
            ..GetOptions::default()
        }
    }

    /// What the store says about an object; `None` where there is none.
    pub(super) async fn head(
        &self,
        location: &str,
        object: &ObjectPath,
    ) -> Result<Option<ObjectMeta>, RemoteError> {
        let trace = Trace::default();
        let options = GetOptions {
            head: true,
            ..Self::options(&trace)
        };
        match self.inner.get_opts(object, options).await {
            Ok(result) => Ok(Some(result.meta)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.explain(location, &error, &trace)),
        }
    }

    /// Size of an object of a web server; `None` where there is none. An address may be signed for GET
    /// alone.
    pub(super) async fn size(
        &self,
        location: &str,
        object: &ObjectPath,
    ) -> Result<Option<u64>, RemoteError> {
        match self.head(location, object).await {
            Err(RemoteError::Refused {
                refusal: Refusal::Forbidden | Refusal::Status(405 | 501),
                ..
            }) => {}
            found => return Ok(found?.map(|meta| meta.size)),
        }
        let trace = Trace::default();
        let options = GetOptions {
            range: Some(GetRange::Bounded(0..1)),
            ..Self::options(&trace)
        };
        match self.inner.get_opts(object, options).await {
            Ok(result) => Ok(Some(result.meta.size)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.explain(location, &error, &trace)),
        }
    }

    /// All bytes of a small object, checked against what is known of it.
    pub(super) async fn read(
        &self,
        location: &str,
        object: &ObjectPath,
        known: &Known,
    ) -> Result<Vec<u8>, RemoteError> {
        let trace = Trace::default();
        let result = self
            .inner
            .get_opts(object, Self::options(&trace))
            .await
            .map_err(|error| self.explain(location, &error, &trace))?;
        let announced = result.meta.size;
        let bytes = self.collect(location, result, &trace).await?;
        self.shared.count(bytes.len());
        known.check_size(location, announced)?;
        check_length(location, announced, bytes.len() as u64)?;
        known.check_digest(location, &bytes)?;
        Ok(bytes)
    }

    pub(super) async fn collect(
        &self,
        location: &str,
        result: GetResult,
        trace: &Trace,
    ) -> Result<Vec<u8>, RemoteError> {
        let announced = result.range.end - result.range.start;
        let mut bytes = Vec::new();
        let mut stream = result.into_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| self.explain(location, &error, trace))?;
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > announced {
                break;
            }
        }
        Ok(bytes)
    }

    /// What went wrong, in words that hold no address but `location`.
    pub(super) fn explain(&self, location: &str, error: &StoreError, trace: &Trace) -> RemoteError {
        let location = location.to_owned();
        let answer = self.shared.wire.answer(trace);
        if answer.no_credentials {
            return RemoteError::NoCredentials { location };
        }
        if let StoreError::Precondition { .. } = error {
            return RemoteError::Replaced { location };
        }
        if let StoreError::NotSupported { .. } = error {
            return RemoteError::RangeIgnored { location };
        }
        if let Some(refusal) = refusal(&answer) {
            let detail = answer.message;
            return RemoteError::Refused {
                location,
                refusal,
                detail,
            };
        }
        let reason = innermost(error);
        if reason.starts_with("Requested ") || reason.contains("Content-Range") {
            return RemoteError::RangeIgnored { location };
        }
        RemoteError::Network { location, reason }
    }
}

/// The refusal that a status and the Hub's error codes stand for.
pub(super) fn refusal(answer: &Answer) -> Option<Refusal> {
    if let Some(seconds) = answer.refused_wait {
        return Some(Refusal::Wait(seconds));
    }
    let status = answer.status?;
    Some(match (answer.code.as_str(), status) {
        ("GatedRepo", _) => Refusal::Gated,
        ("RepoNotFound", _) => Refusal::NoRepository,
        ("RevisionNotFound", _) => Refusal::NoRevision,
        (_, 401) => Refusal::Unauthorised,
        (_, 403) => Refusal::Forbidden,
        ("EntryNotFound", _) | (_, 404) => Refusal::NoEntry,
        (_, 429) => Refusal::RateLimited,
        (_, 500..) => Refusal::Server(status),
        _ => Refusal::Status(status),
    })
}

/// The cause at the bottom: those above it repeat it and quote the address.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let text = super::wire::clean(&cause.to_string());
    if text.contains("://") {
        "the request failed".to_owned()
    } else {
        text
    }
}

pub(super) fn check_length(location: &str, expected: u64, found: u64) -> Result<(), RemoteError> {
    if expected == found {
        return Ok(());
    }
    Err(RemoteError::Size {
        location: location.to_owned(),
        expected,
        found,
    })
}

impl Known {
    pub(super) fn check_size(&self, location: &str, found: u64) -> Result<(), RemoteError> {
        self.size
            .map_or(Ok(()), |expected| check_length(location, expected, found))
    }

    pub(super) fn check_digest(&self, location: &str, bytes: &[u8]) -> Result<(), RemoteError> {
        let wrong = |kind, expected: &str, found| {
            Err(RemoteError::Digest {
                location: location.to_owned(),
                kind,
                expected: expected.to_owned(),
                found,
            })
        };
        if let Some(expected) = &self.sha256 {
            let found = sha256_hex(bytes);
            if found != *expected {
                return wrong("SHA-256", expected, found);
            }
        } else if let Some(expected) = &self.git_sha1 {
            let found = git_sha1(bytes);
            if found != *expected {
                return wrong("git SHA-1", expected, found);
            }
        }
        Ok(())
    }
}

/// The name that git gives to a file's bytes.
pub(super) fn git_sha1(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut hash = sha1::Sha1::new();
    hash.update(format!("blob {}\0", bytes.len()));
    hash.update(bytes);
    let mut text = String::with_capacity(40);
    for byte in hash.finalize() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Runs requests at the same time, in order, and gives up at the first error.
pub(super) async fn all<T, F: Future<Output = Result<T, RemoteError>>>(
    requests: impl IntoIterator<Item = F>,
) -> Result<Vec<T>, RemoteError> {
    let mut answers = futures_util::stream::iter(requests).buffered(8);
    let mut all = Vec::new();
    while let Some(answer) = answers.next().await {
        all.push(answer?);
    }
    Ok(all)
}
