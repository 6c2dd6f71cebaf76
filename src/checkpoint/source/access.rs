//! How remote checkpoints are reached: one runtime, one deadline, one set of settings for a run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Runtime;

use super::ahead::Ahead;
use super::error::RemoteError;
use super::hub::HubSettings;
use super::wire::Wire;

/// How long a run may take, as `90s`, `10m` or `1h30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimit(Duration);

impl FromStr for TimeLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("expected a duration such as 90s, 10m or 1h30m, got `{text}`");
        let duration: jiff::SignedDuration = text.parse().ok().ok_or_else(wrong)?;
        match Duration::try_from(duration) {
            Ok(duration) if !duration.is_zero() => Ok(Self(duration)),
            Ok(_) | Err(_) => Err(wrong()),
        }
    }
}

/// What the user chose about remote checkpoints.
#[derive(Debug, Clone, Default)]
pub struct AccessOptions {
    /// Use no network.
    pub offline: bool,
    /// Keep whole files in this folder and read them there.
    pub download: Option<PathBuf>,
    /// Counted from the making of the access.
    pub deadline: Option<TimeLimit>,
    pub hub: HubSettings,
}

/// Opens checkpoints wherever they lie. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Access(pub(super) Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: AccessOptions,
    pub(super) deadline: Option<Deadline>,
    pub(super) wire: Arc<Wire>,
    pub(super) ahead: Ahead,
    heads: Mutex<BTreeMap<HeadKey, Bytes>>,
    fetched: AtomicU64,
    requests: AtomicU64,
}

/// SHA-256 of a file, and how many of its first bytes.
type HeadKey = (String, u64);

/// When a run must have read everything.
#[derive(Debug, Clone, Copy)]
pub(in crate::checkpoint) struct Deadline {
    limit: Duration,
    at: Instant,
}

impl Deadline {
    /// An error where the time is over.
    pub(in crate::checkpoint) fn check(&self, location: &str) -> Result<(), RemoteError> {
        if Instant::now() < self.at {
            return Ok(());
        }
        Err(self.over(location))
    }

    pub(super) fn over(&self, location: &str) -> RemoteError {
        RemoteError::Deadline {
            location: location.to_owned(),
            limit: self.limit,
        }
    }

    pub(super) fn left(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }
}

impl Access {
    pub fn new(options: AccessOptions) -> Self {
        // Fails only where the process has chosen a provider already, which then stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let deadline = options.deadline.map(|TimeLimit(limit)| Deadline {
            limit,
            at: Instant::now() + limit,
        });
        Self(Arc::new(Shared {
            options,
            deadline,
            wire: Arc::default(),
            ahead: Ahead::default(),
            heads: Mutex::default(),
            fetched: AtomicU64::new(0),
            requests: AtomicU64::new(0),
        }))
    }

    /// Bytes of files that were fetched, and in how many requests, listings not counted.
    pub fn traffic(&self) -> (u64, u64) {
        let Self(shared) = self;
        (
            shared.fetched.load(Ordering::Relaxed),
            shared.requests.load(Ordering::Relaxed),
        )
    }
}

impl Shared {
    pub(super) fn count(&self, bytes: usize) {
        self.fetched.fetch_add(bytes as u64, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// First bytes of a file that another file of the same content has brought.
    pub(super) fn head_of(&self, key: &HeadKey) -> Option<Bytes> {
        self.heads().get(key).cloned()
    }

    pub(super) fn keep_head(&self, key: HeadKey, head: &Bytes) {
        self.heads().entry(key).or_insert_with(|| head.clone());
    }

    fn heads(&self) -> MutexGuard<'_, BTreeMap<HeadKey, Bytes>> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a task of the network, not longer than the deadline. Not to be called from one.
    pub(super) fn wait<T>(
        &self,
        location: &str,
        task: impl Future<Output = Result<T, RemoteError>>,
    ) -> Result<T, RemoteError> {
        let runtime = runtime(location)?;
        runtime.block_on(async {
            match &self.deadline {
                None => task.await,
                Some(deadline) => tokio::time::timeout_at(deadline.at.into(), task)
                    .await
                    .unwrap_or_else(|_| Err(deadline.over(location))),
            }
        })
    }
}

/// The threads that talk to the network. Never torn down: the process ends with them.
pub(super) fn runtime(location: &str) -> Result<&'static Runtime, RemoteError> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("network")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())
    });
    runtime.as_ref().map_err(|problem| RemoteError::Setup {
        location: location.to_owned(),
        problem: problem.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_limit_is_a_positive_duration_with_units() {
        let seconds = |text: &str| text.parse::<TimeLimit>().map(|limit| limit.0.as_secs());
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("10m"), Ok(600));
        assert_eq!(seconds("1h30m"), Ok(5400));
        for wrong in ["", "10", "-1s", "0s", "soon", "1 parsec"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_deadline_that_is_over_says_so() {
        let deadline = Deadline {
            limit: Duration::from_millis(1500),
            at: Instant::now(),
        };
        let error = deadline.check("hf://a/b").unwrap_err();
        assert_eq!(
            error.to_string(),
            "gave up reading `hf://a/b`: the deadline of 1.5 s is over"
        );
    }
}
