//! How far the work is: a bar for people, a few lines for a CI log.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{Printer, Verbosity, visible};

/// Told by the worker threads how far they are.
pub trait Progress: Sync {
    /// Before the first layer: how many layers, and how many bytes they hold.
    fn start(&self, layers: usize, bytes: u64);
    /// After each layer: its bytes and its name.
    fn advance(&self, bytes: u64, name: &str);
    /// After the last layer, or when the work stops.
    fn finish(&self);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hidden;

impl Progress for Hidden {
    fn start(&self, _layers: usize, _bytes: u64) {}
    fn advance(&self, _bytes: u64, _name: &str) {}
    fn finish(&self) {}
}

/// Layers done and in all; each call to `step` gets its own number.
#[derive(Debug, Default)]
struct Steps {
    done: AtomicUsize,
    total: OnceLock<usize>,
}

impl Steps {
    fn total(&self) -> usize {
        self.total.get().copied().unwrap_or(0)
    }

    fn step(&self) -> usize {
        self.done.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether `done` is the first count in a new tenth of the total.
    fn enters_tenth(&self, done: usize) -> bool {
        let total = self.total();
        total > 0 && done <= total && done * 10 / total > (done - 1) * 10 / total
    }
}

/// Layers, bytes and the time left, on one line of a terminal.
pub(super) struct Bar<'a> {
    bars: &'a MultiProgress,
    line: OnceLock<ProgressBar>,
    steps: Steps,
}

impl<'a> Bar<'a> {
    pub(super) fn new(bars: &'a MultiProgress) -> Self {
        Self {
            bars,
            line: OnceLock::new(),
            steps: Steps::default(),
        }
    }
}

impl fmt::Debug for Bar<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Bar")
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

impl Progress for Bar<'_> {
    fn start(&self, layers: usize, bytes: u64) {
        self.steps.total.get_or_init(|| layers);
        self.line.get_or_init(|| {
            let template =
                "{prefix} layers [{bar:24}] {bytes} of {total_bytes}, {eta} left  {wide_msg}";
            let style = ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = self.bars.add(ProgressBar::new(bytes).with_style(style));
            bar.set_prefix(format!("0/{layers}"));
            bar
        });
    }

    fn advance(&self, bytes: u64, name: &str) {
        let done = self.steps.step();
        if let Some(bar) = self.line.get() {
            bar.set_prefix(format!("{done}/{}", self.steps.total()));
            bar.set_message(visible(name));
            bar.inc(bytes);
        }
    }

    fn finish(&self) {
        if let Some(bar) = self.line.get() {
            bar.finish_and_clear();
        }
    }
}

/// One line per tenth of the layers, for a log that keeps every line.
#[derive(Debug)]
pub(super) struct Tenths<'a> {
    printer: &'a Printer,
    steps: Steps,
}

impl<'a> Tenths<'a> {
    pub(super) fn new(printer: &'a Printer) -> Self {
        Self {
            printer,
            steps: Steps::default(),
        }
    }
}

impl Progress for Tenths<'_> {
    fn start(&self, layers: usize, _bytes: u64) {
        self.steps.total.get_or_init(|| layers);
    }

    fn advance(&self, _bytes: u64, _name: &str) {
        let done = self.steps.step();
        if self.printer.verbosity >= Verbosity::Normal && self.steps.enters_tenth(done) {
            let total = self.steps.total();
            self.printer.write(&format!(
                "progress: {done} of {total} layers ({} %)\n",
                done * 100 / total
            ));
        }
    }

    fn finish(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::Colour;

    fn lines(total: usize) -> usize {
        let steps = Steps::default();
        steps.total.get_or_init(|| total);
        (0..total)
            .filter(|_| steps.enters_tenth(steps.step()))
            .count()
    }

    #[test]
    fn a_log_gets_one_line_per_tenth_and_never_more_than_layers() {
        assert_eq!(lines(75), 10);
        assert_eq!(lines(1000), 10);
        assert_eq!(lines(3), 3);
        assert_eq!(lines(0), 0);
    }

    #[test]
    fn threads_share_one_progress() {
        let printer = Printer::new(Verbosity::Silent, Colour::Never, true);
        let progress = Tenths::new(&printer);
        progress.start(400, 4000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|_| progress.advance(10, "layer")));
            }
        });
        progress.finish();
        assert_eq!(progress.steps.step(), 401);
    }

    #[test]
    fn a_bar_counts_layers_and_bytes_and_shows_names_escaped() {
        let bars = MultiProgress::with_draw_target(indicatif::ProgressDrawTarget::hidden());
        let progress = Bar::new(&bars);
        progress.start(2, 30);
        progress.advance(10, "a\u{1b}[31m");
        let bar = progress.line.get().unwrap();
        assert_eq!((bar.position(), bar.length()), (10, Some(30)));
        assert_eq!(
            (bar.prefix(), bar.message()),
            ("1/2".to_owned(), "a\\u{1b}[31m".to_owned())
        );
        progress.finish();
        assert!(bar.is_finished());
    }
}
