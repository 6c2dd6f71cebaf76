//! One module a command: takes the parsed arguments, does the work, and returns what to print and
//! how to exit. Nothing here prints by itself.

mod check;
mod ci;
mod comment;
mod demo;
mod emit;
mod explain;
mod history;
mod indirect;
mod init;
mod judged;
mod memory;
mod merge;
mod plot;
mod policy;
mod publish;
mod reference;
mod scan;
mod track;

use std::path::PathBuf;

use clap::CommandFactory as _;

use crate::cache::{Store, Usage};
use crate::checkpoint::{Access, AccessOptions, CheckpointError, HubSettings};
use crate::cli::{Cli, ColorArg, Command, CompletionsArgs, OutputArgs, RemoteArgs, WorkArgs};
use crate::compare::{CompareError, PartError};
use crate::error::ExitStatus;
use crate::fs::FsError;
use crate::history::HistoryError;
use crate::policy::PolicyError;
use crate::report::TemplateError;
use crate::report::figure::FigureError;
use crate::report::human::Layout;
use crate::spectrum::{MemoryLimit, SpectrumError};
use crate::term::{Colour, Printer, Verbosity};
use crate::track::TrackError;

/// What a command leaves: one document for stdout, and the exit status.
#[derive(Debug)]
#[must_use]
pub struct Outcome {
    pub document: String,
    pub status: ExitStatus,
}

impl Outcome {
    /// A document that was asked for and could be made.
    fn document(document: String) -> Self {
        Self {
            document,
            status: ExitStatus::Sound,
        }
    }
}

/// Why a command has no result. Always exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Compare(#[from] CompareError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(transparent)]
    Fs(#[from] FsError),
    #[error("cannot analyse tensor `{tensor}`")]
    Spectrum {
        tensor: String,
        #[source]
        source: SpectrumError,
    },
    #[error("cannot use the base `{}`: {} in it", .reference, .defects.join("; "))]
    CorruptBase {
        reference: String,
        defects: Vec<String>,
    },
    #[error("cannot read the good run `{path}`")]
    GoodReport {
        path: String,
        #[source]
        source: crate::report::ReadError,
    },
    #[error("cannot learn limits from `{first}` and `{other}` together: the latter has {what}")]
    GoodRunsDiffer {
        first: String,
        other: String,
        what: &'static str,
    },
    #[error("no base is named, and policy `{policy}` pins none")]
    NoBase { policy: String },
    #[error("the base `{given}` is not the one that policy `{policy}` pins, `{pinned}`")]
    OtherBase {
        given: String,
        pinned: String,
        policy: String,
    },
    #[error("`{reference}` is an adapter, and its base is not named")]
    AdapterAlone { reference: String },
    #[error("`{reference}` is no adapter")]
    NotAnAdapter { reference: String },
    #[error("cannot read `--shard`: {problem}")]
    Shard { problem: String },
    #[error("share {index} of {count} would be measured and lost")]
    NoPart { index: u32, count: u32 },
    #[error("cannot write the part")]
    WritePart(#[source] serde_json::Error),
    #[error("cannot read part `{}`", path.display())]
    ReadPart {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("cannot join the parts")]
    Parts(#[from] PartError),
    #[error("cannot read `--emit {text}`: {problem}")]
    Emit {
        text: String,
        problem: String,
        formats: String,
    },
    #[error("`{topic}` is no finding code and no metric")]
    UnknownTopic {
        topic: String,
        near: Vec<&'static str>,
    },
    #[error("cannot read `--plot {text}`: {problem}")]
    Plot { text: String, problem: String },
    #[error("cannot draw layer `{layer}`: the checkpoint has no matrix of that name")]
    UnknownLayer { layer: String, near: Vec<String> },
    #[error(transparent)]
    Figure(#[from] FigureError),
    #[error(transparent)]
    Indirect(#[from] indirect::IndirectError),
    #[error(transparent)]
    Track(#[from] TrackError),
    #[error(transparent)]
    Ci(Box<ci::CiError>),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error("cannot read the arguments: {problem}")]
    HistoryArgument { problem: String },
    #[error("there is nothing to bisect")]
    NothingToBisect,
    #[error("cannot start {threads} threads")]
    Threads {
        threads: usize,
        #[source]
        source: rayon::ThreadPoolBuildError,
    },
}

impl From<ci::CiError> for CommandError {
    fn from(error: ci::CiError) -> Self {
        Self::Ci(Box::new(error))
    }
}

impl CommandError {
    /// What the user can do, in one sentence.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Checkpoint(error) | Self::Compare(CompareError::Checkpoint(error)) => {
                error.hint().map(str::to_owned)
            }
            Self::CorruptBase { .. } => Some(
                "fetch the base again, and compare its size and digest with the source".to_owned(),
            ),
            Self::NoBase { .. } => {
                Some("pass `--base REF`, or add `ref` under `[base]` to the policy".to_owned())
            }
            Self::OtherBase { .. } => {
                Some("leave out `--base`, or change `[base] ref` in the policy".to_owned())
            }
            Self::AdapterAlone { .. } => Some(
                "pass the base too: `BASE+ADAPTER`, or for `check` `--base BASE --tuned ADAPTER`"
                    .to_owned(),
            ),
            Self::NotAnAdapter { .. } => {
                Some("pass the folder that holds `adapter_config.json`".to_owned())
            }
            Self::GoodReport { .. } => Some(
                "pass what `check --format json` or `--emit json=FILE` wrote, or a checkpoint"
                    .to_owned(),
            ),
            Self::GoodRunsDiffer { .. } => Some(
                "pass runs of one recipe on one base, measured by one version of this program"
                    .to_owned(),
            ),
            Self::NoPart { .. } => Some("add `--emit part=FILE`".to_owned()),
            Self::ReadPart { .. } => {
                Some("pass files that `check --shard K/N --emit part=FILE` wrote".to_owned())
            }
            Self::Parts(_) => Some("pass each of the N parts of one check once".to_owned()),
            Self::Emit { formats, .. } => Some(format!(
                "write FORMAT=PATH with one of the formats {formats}"
            )),
            Self::Plot { .. } => Some("write `--plot LAYER=FILE.svg`".to_owned()),
            Self::UnknownLayer { near, .. } if near.is_empty() => {
                Some("the names are in the first column of the table".to_owned())
            }
            Self::UnknownLayer { near, .. } => Some(format!("did you mean {}?", near.join(", "))),
            Self::Indirect(_) => Some(indirect::HINT.to_owned()),
            Self::Track(error) => error.hint().map(str::to_owned),
            Self::Ci(error) => error.hint(),
            Self::History(error) => error.hint().map(str::to_owned),
            Self::NothingToBisect => {
                Some("pass `--history STORE`, or checkpoints with `--base REF`".to_owned())
            }
            Self::UnknownTopic { near, .. } if near.is_empty() => Some(
                "the codes are listed in docs/rules.md, the metrics in docs/metrics.md".to_owned(),
            ),
            Self::UnknownTopic { near, .. } => Some(format!("did you mean {}?", near.join(", "))),
            Self::Compare(CompareError::Values { .. } | CompareError::Parts(_))
            | Self::Shard { .. }
            | Self::HistoryArgument { .. }
            | Self::WritePart(_)
            | Self::Policy(_)
            | Self::Template(_)
            | Self::Fs(_)
            | Self::Spectrum { .. }
            | Self::Figure(_)
            | Self::Threads { .. } => None,
        }
    }
}

/// The printer that the arguments ask for; `ci` where a CI system keeps the log.
pub fn printer(args: OutputArgs, ci: bool) -> Printer {
    let verbosity = match (args.quiet, args.verbose) {
        (0, 0) => Verbosity::Normal,
        (0, 1) => Verbosity::Verbose,
        (0, _) => Verbosity::Debug,
        (1, _) => Verbosity::Quiet,
        (_, _) => Verbosity::Silent,
    };
    let colour = match args.color {
        ColorArg::Auto => Colour::Auto,
        ColorArg::Always => Colour::Always,
        ColorArg::Never => Colour::Never,
    };
    Printer::new(verbosity, colour, ci)
}

/// How the document on stdout is laid out.
fn layout(printer: &Printer) -> Layout {
    let width = printer.width().unwrap_or(Layout::default().width);
    Layout {
        colour: printer.document_has_colour(),
        width,
    }
}

/// Runs the command that the arguments name.
pub fn run(cli: &Cli, printer: &Printer) -> Result<Outcome, CommandError> {
    match &cli.command {
        Command::Check(args) => check::run(args, printer),
        Command::Ci(args) => Ok(ci::run(args, printer)),
        Command::Comment(args) => comment::run(args, printer),
        Command::Merge(args) => merge::run(args, printer),
        Command::Scan(args) => scan::run(args, printer),
        Command::Track(args) => track::run(args, printer),
        Command::History(args) => history::run(args, printer),
        Command::Policy(args) => policy::run(args),
        Command::Init(args) => init::run(args, printer),
        Command::Explain(args) => explain::run(args),
        Command::Demo(args) => demo::run(args, printer),
        Command::Completions(args) => Ok(completions(args)),
        Command::Man => man(),
    }
}

fn completions(args: &CompletionsArgs) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tunegate", &mut script);
    Outcome::document(String::from_utf8_lossy(&script).into_owned())
}

/// The manual page of the program and of each of its commands, one after the other.
fn man() -> Result<Outcome, CommandError> {
    let mut pages = Vec::new();
    let mut command = Cli::command();
    command.build();
    let failed = |source| FsError::new("write", std::path::Path::new("stdout"), source);
    clap_mangen::Man::new(command.clone())
        .render(&mut pages)
        .map_err(failed)?;
    for child in command
        .get_subcommands()
        .filter(|child| child.get_name() != "help")
    {
        clap_mangen::Man::new(child.clone())
            .render(&mut pages)
            .map_err(failed)?;
    }
    Ok(Outcome::document(
        String::from_utf8_lossy(&pages).into_owned(),
    ))
}

/// How checkpoints are opened, by the arguments and the environment.
fn access(args: &RemoteArgs) -> Access {
    let RemoteArgs {
        offline,
        download,
        deadline,
        hub_oidc,
    } = args.clone();
    let variable = |name: &str| std::env::var(name).ok();
    let hub = HubSettings::from_variables(variable);
    let hub_oidc = hub_oidc.filter(|resource| !resource.is_empty());
    Access::new(AccessOptions {
        offline,
        download: download.filter(|folder| !folder.as_os_str().is_empty()),
        deadline,
        hub: match hub_oidc {
            Some(resource) => hub.with_oidc(&resource, variable),
            None => hub,
        },
    })
}

/// The cache that the arguments name.
fn open_cache(args: &WorkArgs) -> Result<Option<Store>, FsError> {
    let folder = args
        .cache
        .as_deref()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.map(Store::open).transpose()
}

/// What was fetched, if anything.
fn say_traffic(access: &Access, printer: &Printer) {
    let (bytes, requests) = access.traffic();
    if requests > 0 {
        let megabytes = bytes as f64 / 1e6;
        printer.info(&format!(
            "network: {megabytes:.1} MB of files in {requests} requests"
        ));
    }
}

/// What the cache did; damage and unwritten entries are worth a warning.
fn say_usage(store: Option<&Store>, printer: &Printer) {
    let Some(store) = store else { return };
    let Usage {
        reused,
        missing,
        damaged,
        unwritten,
    } = store.usage();
    printer.info(&format!(
        "cache: {reused} results reused, {missing} computed"
    ));
    if damaged > 0 {
        printer.warning(&format!(
            "{damaged} entries of the cache were damaged and computed again"
        ));
    }
    if unwritten > 0 {
        printer.warning(&format!(
            "{unwritten} results could not be written to the cache"
        ));
    }
}

/// Runs `work`, given its memory limit, on a pool of as many threads as asked, with BLAS on one thread
/// each.
fn on_pool<T: Send>(
    args: &WorkArgs,
    work: impl FnOnce(MemoryLimit) -> T + Send,
) -> Result<T, CommandError> {
    crate::spectrum::use_one_blas_thread();
    let threads = args.threads.map_or_else(
        || std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        usize::from,
    );
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|source| CommandError::Threads { threads, source })?;
    let limit = memory::limit(args.memory);
    Ok(pool.install(|| work(limit)))
}
