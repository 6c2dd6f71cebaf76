//! `ci` and `comment` against a GitHub of the tests' own.

mod comment;
mod companion;
mod contract;
mod degraded;
mod hub;
mod marks;
mod policy;
mod rendering;
mod setup;
