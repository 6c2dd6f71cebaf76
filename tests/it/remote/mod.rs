//! Checkpoints elsewhere, read from servers on this machine.

mod cloud;
mod faults;
mod formats;
mod hub;
mod offline;
mod web;
