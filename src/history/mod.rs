//! What earlier runs were like: kept over nights, and given to the verdict as a
//! [`Baseline`](crate::compare::Baseline).
//!
//! A store is a SQLite file or a PostgreSQL database ([`Location`]); both have one schema and one
//! set of statements. It is kept small: one row a run, with the numbers of the model and its roles
//! in one compressed document and those of the layers in another, rounded to seven digits.
//!
//! | module | does |
//! |---|---|
//! | `run` | a [`Run`], its identity, and the acts of people on it |
//! | `pack` | layers and levels as columns, compressed |
//! | `connection`, `migrate` | the database, and its schema |
//! | `store` | [`HistoryStore`]: record, read, accept, forget |
//! | `baseline` | the accepted runs that a run may be judged against |
//! | `exchange` | JSON lines, out and in |
//! | [`bisect`] | the first bad one of a list |
//!
//! Invariants: a run is written whole or not at all; a schema that is newer than this program's is
//! never written to; numbers of different estimators never meet; nothing of SQL leaves this module.

mod baseline;
pub mod bisect;
mod connection;
mod error;
mod exchange;
mod location;
mod migrate;
mod pack;
mod run;
mod store;

pub use baseline::{BaselineQuery, LATER, setting_limits};
pub use connection::Access;
pub use error::HistoryError;
pub use exchange::{Exported, Imported};
pub use location::Location;
pub use run::{Act, CheckpointKey, PolicyKey, Run, RunIdentity, Standing, standing};
pub use store::{Filter, HistoryStore, Kept, Recorded, find};

/// Schema that this program writes: the number of its last migration.
pub const SCHEMA: i64 = migrate::NEWEST;
