//! The history, on real stores: a SQLite file and a PostgreSQL server. What holds for both is one
//! test body.

mod baseline;
mod bisect;
mod branch;
mod exchange;
mod faults;
mod formats;
mod known;
pub(crate) mod page;
mod refusals;
mod runs;
mod schema;
mod trends;
mod year;

use std::path::PathBuf;
use std::process::Command as Process;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::cmd::{Ran, tunegate};
use crate::support::nights::{Event, Nights};
use crate::support::{postgres, sql};

/// A store that holds nothing yet, and a folder for reports.
pub(crate) struct Store {
    /// What `--history` gets.
    place: String,
    /// What the tests' own connections get.
    sql_url: String,
    folder: TempDir,
}

impl Store {
    pub(crate) fn file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nights.db");
        Self {
            place: path.display().to_string(),
            sql_url: sql::file_url(&path),
            folder,
        }
    }

    pub(crate) fn postgres(name: &str) -> Option<Self> {
        let url = postgres::database(name)?;
        Some(Self {
            place: url.clone(),
            sql_url: url,
            folder: tempfile::tempdir().unwrap(),
        })
    }

    fn is_file(&self) -> bool {
        self.sql_url.starts_with("sqlite:")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file beside the store and returns its path.
    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        tunegate::fs::write_atomic(&path, text.as_bytes()).unwrap();
        path.display().to_string()
    }

    fn write_report(&self, name: &str, report: &Value) -> String {
        self.write(name, &report.to_string())
    }

    fn command(&self, action: &str, args: &[&str]) -> Command {
        let mut command = tunegate();
        command
            .args(["history", action, "--history", &self.place])
            .args(args);
        command
    }

    fn run(&self, action: &str, args: &[&str]) -> Ran {
        Ran::of(&mut self.command(action, args))
    }

    /// The same as a process of its own, with its streams closed.
    fn process(&self, action: &str, args: &[&str]) -> Process {
        let mut process = Process::new(env!("CARGO_BIN_EXE_tunegate"));
        process
            .args(["history", action, "--history", &self.place])
            .args(args)
            .env_remove("TUNEGATE_HISTORY")
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        process
    }

    /// Records one report at a day of March 2026; the first day is 1.
    #[track_caller]
    fn record(&self, day: usize, report: &Value) -> String {
        let path = self.write_report(&format!("night-{day}.json"), report);
        let ran = self.run("record", &[&path, "--time", &time(day), "--format", "json"]);
        let recorded = ran.expect_code(0).json();
        recorded["runs"][0]["id"].as_str().unwrap().to_owned()
    }

    /// The runs as `show --format json` has them.
    #[track_caller]
    fn runs(&self) -> Vec<Value> {
        let ran = self.run("show", &["--format", "json", "--last", "10000"]);
        ran.expect_code(0).json()["runs"]
            .as_array()
            .unwrap()
            .clone()
    }

    #[track_caller]
    fn export(&self) -> String {
        self.run("export", &[]).expect_code(0).stdout
    }

    fn number(&self, query: &str) -> i64 {
        sql::number(&self.sql_url, query)
    }
}

/// 03:00 of a day counted from the first of March 2026.
pub(crate) fn time(day: usize) -> String {
    let first: jiff::Timestamp = "2026-03-01T03:00:00Z".parse().unwrap();
    let days = jiff::SignedDuration::from_hours(24 * (i64::try_from(day).unwrap() - 1));
    (first + days).to_string()
}

/// A small model's nights.
fn nights() -> Nights {
    Nights::new(7)
}

fn quiet() -> Event {
    Event::default()
}

/// Runs `body` on an empty store of each kind.
fn on_each_store(name: &str, body: impl Fn(&Store)) {
    body(&Store::file());
    if let Some(store) = Store::postgres(name) {
        body(&store);
    }
}
