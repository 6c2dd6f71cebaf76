//! A simulated year of nights through the command line: what is caught, when, and what it costs.
//!
//! The test runs a short year. The figures of docs/history.md are of the whole one:
//! `TUNEGATE_YEAR=1 cargo test --test it history::year -- --nocapture`.

use std::time::{Duration, Instant};

use serde_json::Value;
use tunegate::spectrum::metric::Metric;

use super::{Store, time};
use crate::support::nights::{Event, Nights};

/// Good nights with two changes and a bad week among them.
#[derive(Debug, Clone, Copy)]
struct Year {
    nights: usize,
    layers: usize,
    /// From this night on the update is half as large again; accepted two nights after it is noticed.
    jump: usize,
    /// From the first to the second night the update loses a little more of its rank; accepted then.
    creep: (usize, usize),
    /// Share of the rank that a night of the creep takes.
    loss: f64,
    /// A week in which a fifth of the layers move 1.6 times as far.
    week: usize,
}

const WHOLE: Year = Year {
    nights: 365,
    layers: 225,
    jump: 121,
    creep: (201, 260),
    loss: 0.003,
    week: 301,
};

const SHORT: Year = Year {
    nights: 48,
    layers: 28,
    jump: 17,
    creep: (24, 36),
    loss: 0.012,
    week: 42,
};

/// What became of a year.
#[derive(Debug, Default)]
struct Told {
    jump: Option<usize>,
    creep: Option<usize>,
    week: Vec<usize>,
    /// Good nights at level fail, and at level warn.
    false_fails: Vec<usize>,
    false_warns: Vec<usize>,
    slowest: Duration,
    total: Duration,
}

impl Year {
    fn event(&self, night: usize) -> Event {
        let mut factors = Vec::new();
        if night >= self.jump {
            factors.push((Metric::RelativeUpdate, 1.5, self.layers));
        }
        let steps = night.clamp(self.creep.0, self.creep.1) - self.creep.0;
        let left = (1.0 - self.loss).powi(i32::try_from(steps).unwrap());
        factors.push((Metric::UpdateEffectiveRank, left, self.layers));
        if (self.week..self.week + 7).contains(&night) {
            factors.push((Metric::RelativeUpdate, 1.6, self.layers / 5));
        }
        Event { factors }
    }

    fn run(&self, store: &Store) -> Told {
        let policy = store.write("nightly.toml", POLICY);
        let nights = Nights::new(self.layers);
        let mut told = Told::default();
        for night in 1..=self.nights {
            let report =
                store.write_report("night.json", &nights.report(night, &self.event(night)));
            let args = [
                "--judge",
                "--policy",
                &policy,
                &report,
                "--time",
                &time(night),
                "--format",
                "json",
            ];
            let started = Instant::now();
            let ran = store.run("record", &args);
            let elapsed = started.elapsed();
            assert!(ran.code < 2, "night {night}: {}", ran.stderr);
            told.slowest = told.slowest.max(elapsed);
            told.total += elapsed;
            self.note(night, &ran.json()["runs"][0], &mut told);
            let accepted = told.jump.map(|noticed| noticed + 2) == Some(night);
            if accepted || night == self.creep.1 + 1 {
                let why = ["--last", "--by", "ana", "--reason", "wanted"];
                store.run("accept", &why).expect_code(0);
            }
        }
        told
    }

    /// A night at warn or fail is an alarm.
    fn note(&self, night: usize, run: &Value, told: &mut Told) {
        if run["verdict"] == "pass" {
            return;
        }
        let after_jump = told.jump.map_or(self.nights, |noticed| noticed + 2);
        if (self.jump..=after_jump).contains(&night) {
            told.jump.get_or_insert(night);
        } else if (self.creep.0..=self.creep.1 + 1).contains(&night) {
            told.creep.get_or_insert(night);
        } else if (self.week..self.week + 7).contains(&night) {
            told.week.push(night);
        } else if run["verdict"] == "warn" {
            told.false_warns.push(night);
        } else {
            told.false_fails.push(night);
        }
    }
}

const POLICY: &str = "version = 1\nname = \"nightly\"\nextends = \"default\"\n";

#[expect(
    clippy::print_stderr,
    reason = "the figures are what the whole year is run for"
)]
fn tell(store: &Store, year: &Year, told: &Told) {
    let kind = if store.is_file() {
        "SQLite"
    } else {
        "PostgreSQL"
    };
    let (bytes, blobs) = size(store);
    eprintln!(
        "{kind}: {} nights of {} layers: {told:?}",
        year.nights, year.layers
    );
    eprintln!("{kind}: {bytes} bytes in all, {blobs} a run in the largest");
}

/// Bytes of the store, and of the numbers of its largest run.
fn size(store: &Store) -> (i64, i64) {
    let blobs = store.number("SELECT MAX(LENGTH(levels) + LENGTH(layers)) FROM tunegate_runs");
    let bytes = if store.is_file() {
        i64::try_from(std::fs::metadata(store.path("nights.db")).unwrap().len()).unwrap()
    } else {
        store.number("SELECT pg_total_relation_size('tunegate_runs')")
    };
    (bytes, blobs)
}

fn check(store: &Store, year: &Year) {
    let told = year.run(store);
    tell(store, year, &told);
    assert_eq!(store.runs().len(), year.nights);
    assert_eq!(
        told.jump,
        Some(year.jump),
        "the jump is noticed in its night"
    );
    let creep = told.creep.expect("the creep is noticed");
    assert!(
        creep <= year.creep.1,
        "the creep is noticed while it goes on"
    );
    let week: Vec<usize> = (year.week..year.week + 7).collect();
    assert_eq!(told.week, week, "no bad night becomes normal");
    // Sound runs fail in one of a hundred at most, and warn in one of twenty at most.
    assert!(told.false_fails.len() * 100 <= year.nights, "{told:?}");
    assert!(told.false_warns.len() * 10 <= year.nights, "{told:?}");
}

#[test]
fn what_goes_wrong_in_a_year_of_nights_is_caught() {
    let year = if std::env::var_os("TUNEGATE_YEAR").is_some() {
        WHOLE
    } else {
        SHORT
    };
    super::on_each_store("year", |store| check(store, &year));
}

#[test]
fn a_night_of_a_large_model_takes_less_than_200_kib() {
    let store = Store::file();
    store.record(1, &Nights::new(225).report(1, &Event::default()));
    let (_, blobs) = size(&store);
    assert!(blobs > 10_000, "{blobs}");
    assert!(blobs < 200 << 10, "{blobs}");
}
