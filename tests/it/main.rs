//! Behaviour through the program: every test here runs the built `tunegate` on checkpoints that it
//! writes itself. One binary, so that the linear algebra is linked once.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice,
    reason = "helpers of tests fail like tests"
)]

mod architecture;
mod cache;
mod demo;
mod docs;
mod edges;
mod exit_codes;
mod explain;
mod github;
mod hygiene;
mod policy;
mod report;
mod scan;
mod shards;
mod spectral;
mod support;
