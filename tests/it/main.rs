//! Behaviour through the program: every test here runs the built `tunegate` on checkpoints that it
//! writes itself. One binary, so that the linear algebra is linked once.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice,
    reason = "helpers of tests fail like tests"
)]

mod action;
mod adapter;
mod architecture;
mod browser;
mod cache;
mod demo;
mod docs;
mod edges;
mod exit_codes;
mod explain;
mod families;
mod github;
mod good_runs;
mod history;
mod hygiene;
mod policy;
mod quantised;
mod remote;
mod report;
mod scan;
mod shards;
mod spectral;
mod support;
mod track;
mod workflows;
