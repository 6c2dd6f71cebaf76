//! One connection to a database of either kind. The statements number their parameters `$1`, `$2`,
//! which both kinds understand.

use std::time::Duration;

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, Connection as _};
use tokio::runtime::Runtime;

use super::{HistoryError, Location};

/// Longest wait for one answer, the wait for another writer included.
const PATIENCE: Duration = Duration::from_secs(120);
/// Longest wait for another writer.
const LOCK_WAIT_MS: u32 = 30_000;

/// What a connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing is written, not even by mistake: the database refuses it.
    Read,
    /// Made where it is not there yet.
    Write,
}

/// A value of a statement.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Whole(i64),
    Bytes(&'a [u8]),
}

#[derive(Debug)]
pub(super) struct Connection {
    runtime: Runtime,
    /// `None` once it is closed.
    inner: Option<AnyConnection>,
    location: String,
    is_file: bool,
}

impl Connection {
    pub(super) fn open(location: &Location, access: Access) -> Result<Self, HistoryError> {
        static DRIVERS: std::sync::Once = std::sync::Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(HistoryError::Runtime)?;
        let name = location.to_string();
        let url = location.connection_url(access == Access::Write);
        let opened = runtime
            .block_on(async { tokio::time::timeout(PATIENCE, AnyConnection::connect(&url)).await });
        let inner = opened
            .map_err(|_elapsed| timed_out(&name))?
            .map_err(|source| HistoryError::Open {
                location: name.clone(),
                source: source.into(),
            })?;
        let mut connection = Self {
            runtime,
            inner: Some(inner),
            location: name,
            is_file: matches!(location, Location::File(_)),
        };
        connection.prepare(access)?;
        Ok(connection)
    }

    /// What holds for this connection alone: the database may be another program's.
    fn prepare(&mut self, access: Access) -> Result<(), HistoryError> {
        if self.is_file {
            self.execute(
                "wait",
                &format!("PRAGMA busy_timeout = {LOCK_WAIT_MS}"),
                &[],
            )?;
            self.execute("read", "PRAGMA foreign_keys = ON", &[])?;
            // Fails here where the file is no database.
            self.rows("read", "SELECT COUNT(*) FROM sqlite_master", &[])?;
            if access == Access::Read {
                self.rows("read", "PRAGMA query_only = ON", &[])?;
            }
            return Ok(());
        }
        let read_only = if access == Access::Read { "on" } else { "off" };
        for setting in [
            format!("SET lock_timeout = {LOCK_WAIT_MS}"),
            "SET client_min_messages = warning".to_owned(),
            format!("SET default_transaction_read_only = {read_only}"),
        ] {
            self.execute("read", &setting, &[])?;
        }
        Ok(())
    }

    /// The whole history stays in one file between runs, so that it can be cached and copied: no
    /// write-ahead log is left beside it. Written into the file, so only once it is known as ours.
    pub(super) fn keep_one_file(&mut self) -> Result<(), HistoryError> {
        if self.is_file {
            self.rows("write", "PRAGMA journal_mode = DELETE", &[])?;
        }
        Ok(())
    }

    pub(super) fn is_file(&self) -> bool {
        self.is_file
    }

    pub(super) fn location(&self) -> &str {
        &self.location
    }

    /// Rows that were changed.
    pub(super) fn execute(
        &mut self,
        action: &'static str,
        statement: &str,
        values: &[Value<'_>],
    ) -> Result<u64, HistoryError> {
        let Self {
            runtime,
            inner,
            location,
            ..
        } = self;
        let inner = inner.as_mut().ok_or_else(|| closed(action, location))?;
        let done = runtime.block_on(async {
            tokio::time::timeout(PATIENCE, bound(statement, values).execute(inner)).await
        });
        let done = done.map_err(|_elapsed| timed_out(location))?;
        Ok(done
            .map_err(|source| failed(action, location, source))?
            .rows_affected())
    }

    pub(super) fn rows(
        &mut self,
        action: &'static str,
        statement: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<AnyRow>, HistoryError> {
        let Self {
            runtime,
            inner,
            location,
            ..
        } = self;
        let inner = inner.as_mut().ok_or_else(|| closed(action, location))?;
        let done = runtime.block_on(async {
            tokio::time::timeout(PATIENCE, bound(statement, values).fetch_all(inner)).await
        });
        let done = done.map_err(|_elapsed| timed_out(location))?;
        done.map_err(|source| failed(action, location, source))
    }

    /// The first column of the first row, such as a count.
    pub(super) fn whole(
        &mut self,
        action: &'static str,
        statement: &str,
        values: &[Value<'_>],
    ) -> Result<i64, HistoryError> {
        let rows = self.rows(action, statement, values)?;
        let first = rows.first().map(|row| sqlx::Row::try_get(row, 0));
        match first {
            Some(value) => value.map_err(|source| failed(action, &self.location, source)),
            None => Ok(0),
        }
    }

    /// All of `work` or nothing of it, one writer at a time.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, HistoryError>,
    ) -> Result<T, HistoryError> {
        // A lock that is taken at the first write could be refused half-way.
        let begin = if self.is_file {
            "BEGIN IMMEDIATE"
        } else {
            "BEGIN"
        };
        self.execute("begin", begin, &[])?;
        let done = work(self).and_then(|value| {
            self.execute("commit", "COMMIT", &[])?;
            Ok(value)
        });
        if done.is_err() {
            // What went wrong first is what is told; a connection that is gone rolls back by itself.
            let _rolled_back = self.execute("roll back", "ROLLBACK", &[]);
        }
        done
    }
}

/// Waits until a file is whole and unlocked.
impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take() {
            let _closed = self.runtime.block_on(async {
                tokio::time::timeout(Duration::from_secs(5), inner.close()).await
            });
        }
    }
}

fn bound<'q>(statement: &'q str, values: &'q [Value<'q>]) -> Query<'q, Any, AnyArguments<'q>> {
    values
        .iter()
        .fold(sqlx::query(statement), |query, value| match value {
            Value::Text(text) => query.bind(*text),
            Value::Whole(number) => query.bind(*number),
            Value::Bytes(bytes) => query.bind(*bytes),
        })
}

fn timed_out(location: &str) -> HistoryError {
    HistoryError::TimedOut {
        location: location.to_owned(),
        seconds: PATIENCE.as_secs(),
    }
}

fn failed(action: &'static str, location: &str, source: sqlx::Error) -> HistoryError {
    HistoryError::Statement {
        action,
        location: location.to_owned(),
        source: source.into(),
    }
}

fn closed(action: &'static str, location: &str) -> HistoryError {
    failed(action, location, sqlx::Error::WorkerCrashed)
}
