//! The standard streams, the only place that writes to them.
//!
//! Stdout carries one document and nothing else. Stderr carries progress, logs, warnings, errors and
//! hints. A reader that goes away (`| head`) changes nothing: a gate that fails must still fail.
//! Text may hold names that the author of a checkpoint chose, so everything but the document, which
//! its renderer has escaped, passes through [`visible`].

use std::error::Error;
use std::io::{self, IsTerminal as _, Write};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressDrawTarget};
use unicode_width::UnicodeWidthChar;

mod progress;

pub use progress::{Hidden, Progress};

/// How much is said on stderr.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// `-qq`: nothing, not even errors; the exit code speaks.
    Silent,
    /// `-q`: errors only.
    Quiet,
    #[default]
    Normal,
    /// `-v`: what is being done.
    Verbose,
    /// `-vv`: also how.
    Debug,
}

/// `--color`. `Auto` follows the terminal, `NO_COLOR` and `CLICOLOR_FORCE`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Colour {
    #[default]
    Auto,
    Always,
    Never,
}

/// Writes to the standard streams in the way that the user asked for.
#[derive(Debug)]
pub struct Printer {
    verbosity: Verbosity,
    colour: Colour,
    /// Running under a CI system, whose log keeps every line.
    ci: bool,
    bars: MultiProgress,
}

impl Printer {
    pub fn new(verbosity: Verbosity, colour: Colour, ci: bool) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Self {
            verbosity,
            colour,
            ci,
            bars,
        }
    }

    /// Writes the one document to stdout. A closed pipe is no error.
    ///
    /// # Errors
    /// Where stdout refuses for another reason, such as a full disk.
    pub fn document(&self, text: &str) -> io::Result<()> {
        write_document(&mut io::stdout().lock(), text)
    }

    /// Whether the document may hold colour.
    pub fn document_has_colour(&self) -> bool {
        self.choice(AutoStream::choice(&io::stdout())) != anstream::ColorChoice::Never
    }

    /// Columns of the terminal on stdout; `None` where stdout is none.
    pub fn width(&self) -> Option<usize> {
        terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0))
    }

    /// The error, its causes and what to do about it.
    pub fn error(&self, error: &dyn Error, hint: Option<&str>) {
        if self.verbosity >= Verbosity::Quiet {
            self.write(&error_text(error, hint));
        }
    }

    /// Commands for the runner of a CI system, which reads both streams. They hold no raw text.
    pub fn commands(&self, text: &str) {
        self.write(text);
    }

    pub fn warning(&self, text: &str) {
        if self.verbosity >= Verbosity::Normal {
            self.write(&labelled(AnsiColor::Yellow, "warning", text));
        }
    }

    pub fn hint(&self, text: &str) {
        if self.verbosity >= Verbosity::Normal {
            self.write(&labelled(AnsiColor::Cyan, "hint", text));
        }
    }

    pub fn info(&self, text: &str) {
        if self.verbosity >= Verbosity::Verbose {
            self.write(&format!("{}\n", visible_lines(text)));
        }
    }

    pub fn debug(&self, text: &str) {
        if self.verbosity >= Verbosity::Debug {
            self.write(&labelled(AnsiColor::Magenta, "debug", text));
        }
    }

    /// A bar on a terminal; in CI one line per tenth of the layers; otherwise nothing.
    pub fn progress(&self) -> Box<dyn Progress + '_> {
        if self.verbosity < Verbosity::Normal {
            Box::new(Hidden)
        } else if self.ci {
            Box::new(progress::Tenths::new(self))
        } else if self.verbosity == Verbosity::Normal && io::stderr().is_terminal() {
            Box::new(progress::Bar::new(&self.bars))
        } else {
            Box::new(Hidden)
        }
    }

    fn choice(&self, automatic: anstream::ColorChoice) -> anstream::ColorChoice {
        match self.colour {
            Colour::Auto => automatic,
            Colour::Always => anstream::ColorChoice::Always,
            Colour::Never => anstream::ColorChoice::Never,
        }
    }

    /// Writes to stderr above the bars. When stderr itself is gone, there is nobody to tell.
    fn write(&self, text: &str) {
        let choice = self.choice(AutoStream::choice(&io::stderr()));
        self.bars.suspend(|| {
            let mut stream = AutoStream::new(io::stderr(), choice);
            let _nobody_to_tell = stream
                .write_all(text.as_bytes())
                .and_then(|()| stream.flush());
        });
    }
}

/// The text with everything invisible or active written as `\u{hex}`: control characters (and with
/// them ANSI sequences and line ends), bidirectional controls, zero-width and combining characters,
/// and what a CI log would take for a command (`::` at the start, `##[`).
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let command = text.trim_start().starts_with("::");
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        let starts_command = command && character == ':' && out.trim_start().is_empty();
        let old_command = character == '#' && rest.as_str().starts_with("#[");
        if is_hidden(character) || starts_command || old_command {
            push_hex(&mut out, character);
        } else {
            out.push(character);
        }
    }
    out
}

/// True for what a reader would not see, or what would change how the rest is shown.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
        || character.width().is_none_or(|width| width == 0)
}

/// Appends `\u{hex}`.
pub fn push_hex(out: &mut String, character: char) {
    out.extend(character.escape_unicode());
}

fn write_document(stream: &mut dyn Write, text: &str) -> io::Result<()> {
    match stream
        .write_all(text.as_bytes())
        .and_then(|()| stream.flush())
    {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn error_text(error: &dyn Error, hint: Option<&str>) -> String {
    let mut text = labelled(AnsiColor::Red, "error", &error.to_string());
    let mut cause = error.source();
    while let Some(error) = cause {
        let lines = visible_lines(&error.to_string()).replace('\n', "\n  ");
        text.extend(["  caused by: ", &lines, "\n"]);
        cause = error.source();
    }
    if let Some(hint) = hint {
        text.push('\n');
        text.push_str(&labelled(AnsiColor::Cyan, "hint", hint));
    }
    text
}

fn labelled(colour: AnsiColor, label: &str, text: &str) -> String {
    let style = Style::new().bold().fg_color(Some(colour.into()));
    format!("{style}{label}:{style:#} {}\n", visible_lines(text))
}

/// Keeps the line ends: an error about a policy shows its lines with a caret below.
fn visible_lines(text: &str) -> String {
    text.lines().map(visible).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
