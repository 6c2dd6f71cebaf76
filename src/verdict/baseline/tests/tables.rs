//! The tables of `docs/calibration.md`, by simulation: `TUNEGATE_SIMULATION=500` (baselines a line)
//! writes them to `target/simulation.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::simulation::{Judged, LAYERS, NONE, RUNS_EACH, Shift, Simulated, baselines};
use crate::code::Level;

const FACTORS: [f64; 3] = [0.5, 1.0, 2.0];
const COUNTS: [usize; 5] = [2, 3, 5, 10, 30];
/// One layer, 5 % of them, all.
const MOVED: [usize; 3] = [1, 11, LAYERS];
const SIZES: [f64; 3] = [0.25, 0.5, 1.0];

/// A share of runs with its 95 % interval.
#[derive(Debug, Clone, Copy)]
struct Share {
    value: f64,
    low: f64,
    high: f64,
}

impl Share {
    /// The interval of Wilson (1927) for so many independent runs as tell as much: those that share a
    /// baseline share its luck.
    fn of(groups: &[Vec<Judged>], which: impl Fn(Judged) -> bool) -> Self {
        let each = |group: &Vec<Judged>| {
            group.iter().filter(|run| which(**run)).count() as f64 / group.len() as f64
        };
        let shares: Vec<f64> = groups.iter().map(each).collect();
        let count = shares.len() as f64;
        let value = shares.iter().sum::<f64>() / count;
        let squares: f64 = shares.iter().map(|share| (share - value).powi(2)).sum();
        let alone = value * (1.0 - value) / RUNS_EACH as f64;
        let effect = if alone > 0.0 && count > 1.0 {
            crate::num::max(squares / (count - 1.0) / alone, 1.0)
        } else {
            1.0
        };
        let runs = count * RUNS_EACH as f64 / effect;
        let square = 1.96 * 1.96 / runs;
        let middle = (value + square / 2.0) / (1.0 + square);
        let half = (value * (1.0 - value) * square + square * square / 4.0).sqrt() / (1.0 + square);
        Self {
            value,
            low: crate::num::max(middle - half, 0.0),
            high: middle + half,
        }
    }

    /// `0.12 % (0.06 to 0.24)`.
    fn with_interval(self) -> String {
        format!(
            "{:.2} % ({:.2} to {:.2})",
            100.0 * self.value,
            100.0 * self.low,
            100.0 * self.high
        )
    }
}

fn history_fails(run: Judged) -> bool {
    run.history == Some(Level::Fail)
}

/// One setting of the simulation.
#[derive(Debug, Clone, Copy)]
struct Cell {
    factor: f64,
    count: usize,
    shift: Shift,
}

/// Shares of runs: those of sound ones, or those that fail and that fail or warn.
type Row = Vec<Share>;

fn row(cell: Cell, seed: u64, baselines: usize) -> Row {
    let mut simulated = Simulated::new(seed, cell.factor);
    let sound = cell.shift.layers == 0;
    let baselines = if sound {
        baselines
    } else {
        baselines.div_ceil(20)
    };
    let groups = simulated.judged(baselines, cell.count, cell.shift);
    let of = |which: fn(Judged) -> bool| Share::of(&groups, which);
    vec![
        of(history_fails),
        of(|run| run.history == Some(Level::Warn)),
        of(|run| run.trend),
        of(|run| run.fixed == Some(Level::Fail)),
        of(|run| run.fixed == Some(Level::Warn)),
    ]
}

fn cells() -> Vec<Cell> {
    let shifts = SIZES.iter().flat_map(|size| {
        MOVED.map(|layers| Shift {
            layers,
            size: *size,
        })
    });
    let settings = FACTORS
        .iter()
        .flat_map(|factor| COUNTS.map(|count| (*factor, count)));
    let settings: Vec<(f64, usize)> = settings.collect();
    let cell = |shift: Shift| {
        move |(factor, count): &(f64, usize)| Cell {
            factor: *factor,
            count: *count,
            shift,
        }
    };
    let mut cells: Vec<Cell> = settings.iter().map(cell(NONE)).collect();
    for setting in &settings {
        cells.extend(shifts.clone().map(|shift| cell(shift)(setting)));
    }
    cells
}

fn spread(factor: f64) -> &'static str {
    if factor < 1.0 {
        "half of it"
    } else if factor > 1.0 {
        "twice it"
    } else {
        "the assumed"
    }
}

/// Sound runs, then shifted ones against a history and by the limits of `init`.
fn text(cells: &[Cell], rows: &BTreeMap<usize, Row>) -> String {
    let mut text = String::from(
        "| spread | runs | fails | warns | creep | `init` fails | `init` warns |\n|---|--:|---|---|---|---|---|\n",
    );
    for (index, row) in rows {
        let cell = cells[*index];
        if cell.shift.layers == 0 {
            let shares: Vec<String> = row.iter().map(|share| share.with_interval()).collect();
            let (spread, count) = (spread(cell.factor), cell.count);
            let _ = writeln!(text, "| {spread} | {count} | {} |", shares.join(" | "));
        }
    }
    for (fails, warns) in [(0, 1), (3, 4)] {
        power(&mut text, cells, rows, (fails, warns));
    }
    text
}

/// `95 (100)`: percent that fail, and that fail or warn.
fn power(
    text: &mut String,
    cells: &[Cell],
    rows: &BTreeMap<usize, Row>,
    (fails, warns): (usize, usize),
) {
    text.push_str("\n| spread | runs |");
    for layers in MOVED {
        for size in SIZES {
            let _ = write!(text, " {layers}: {size} |");
        }
    }
    text.push_str("\n|---|--:|");
    text.push_str(&"---|".repeat(MOVED.len() * SIZES.len()));
    for factor in FACTORS {
        for count in COUNTS {
            let of = |layers: usize, size: f64| {
                let (_, row) = rows.iter().find(|(index, _)| {
                    let cell = cells[**index];
                    let same = (cell.factor - factor).abs() + (cell.shift.size - size).abs() <= 0.0;
                    same && cell.count == count && cell.shift.layers == layers
                })?;
                let both = row[fails].value + row[warns].value;
                Some(format!(
                    "{:.0} ({:.0})",
                    100.0 * row[fails].value,
                    100.0 * both
                ))
            };
            let line: Option<Vec<String>> = MOVED
                .iter()
                .flat_map(|layers| SIZES.map(|size| of(*layers, size)))
                .collect();
            if let Some(line) = line {
                let spread = spread(factor);
                let _ = write!(text, "\n| {spread} | {count} | {} |", line.join(" | "));
            }
        }
    }
    text.push('\n');
}

#[test]
fn tables_of_the_documentation() {
    let Some(baselines) = baselines() else {
        return;
    };
    let cells = cells();
    let next = AtomicUsize::new(0);
    let rows: Mutex<BTreeMap<usize, Row>> = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(cell) = cells.get(index) else { break };
            let row = row(*cell, 1000 + index as u64, baselines);
            let mut rows = rows.lock().unwrap();
            rows.insert(index, row);
            let path = std::path::Path::new("target/simulation.md");
            crate::fs::write_atomic(path, text(&cells, &rows).as_bytes()).unwrap();
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    assert_eq!(rows.lock().unwrap().len(), cells.len());
}

/// 10 of 1,000 independent runs: Wilson's interval is 0.54 % to 1.83 %.
#[test]
fn intervals_count_runs_that_share_a_baseline_once() {
    let failing = Judged {
        history: Some(Level::Fail),
        ..Judged::default()
    };
    let groups = |fails: usize, each: usize| -> Vec<Vec<Judged>> {
        (0..50)
            .map(|index| {
                let mut group = vec![Judged::default(); RUNS_EACH];
                if index < fails {
                    group[..each].fill(failing);
                }
                group
            })
            .collect()
    };
    let apart = Share::of(&groups(10, 1), history_fails);
    assert!((apart.value - 0.01).abs() <= 1e-12);
    assert!((apart.low - 0.0054).abs() <= 1e-4 && (apart.high - 0.0183).abs() <= 1e-4);
    let together = Share::of(&groups(1, 10), history_fails);
    assert!((together.value - 0.01).abs() <= 1e-12);
    assert!(together.high > 0.03, "{together:?}");
}
