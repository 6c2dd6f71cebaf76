//! Quantised checkpoints: what each format's codes stand for, and how such checkpoints are judged.

mod commands;
mod formats;
