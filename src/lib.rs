//! `tunegate` judges whether a fine-tuned checkpoint is a sound fine-tune of its base, from the
//! weights alone.
//!
//! Data flows one way; each arrow is a pure function on plain data, except the two ends:
//!
//! ```text
//! checkpoint --matrices--> spectrum --metrics--> compare --Comparison--> verdict <--Policy-- policy
//!                                                                         ^ |
//!                                                     history --Baseline--+ Judgement
//!                                                                           v
//!                                          report::Report --> renderers --> stdout, files, github
//! ```
//!
//! A module may use only modules before it in this order (checked by `tests/it/architecture.rs`;
//! only `commands` and the program itself see `error`):
//! `num`, `fs`, `code`, `term`, `layer`, `checkpoint`, `cache`, `spectrum`, `compare`, `calibrate`,
//! `policy`, `verdict`, `track`, `report`, `history`, `github`, `cli`, `commands`. To add a metric:
//! name it in [`spectrum::metric`], compute it in `spectrum` (one checkpoint) or `compare` (the
//! pair), and describe it in `docs/metrics.md`.

pub mod cache;
pub mod calibrate;
pub mod checkpoint;
pub mod cli;
pub mod code;
pub mod commands;
pub mod compare;
pub mod error;
pub mod fs;
pub mod github;
pub mod history;
pub mod layer;
pub mod num;
pub mod policy;
pub mod report;
pub mod spectrum;
pub mod term;
pub mod track;
pub mod verdict;
