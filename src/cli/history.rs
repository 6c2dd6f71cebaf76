//! Arguments of the history: of `check` and its relatives, and of `history` itself.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{RemoteArgs, WorkArgs};

/// Earlier runs to judge against.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "History")]
pub struct HistoryArgs {
    /// SQLite file, or postgres://..., with earlier runs: judge against them, and record this run
    #[arg(
        long,
        value_name = "STORE",
        env = "TUNEGATE_HISTORY",
        hide_env_values = true
    )]
    pub history: Option<String>,
    #[command(flatten)]
    pub run: RunArgs,
    /// Judge against the history without recording; always so for pull requests and in merge queues
    #[arg(long, env = "TUNEGATE_HISTORY_READ_ONLY", value_parser = clap::builder::FalseyValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub history_read_only: bool,
}

/// Which run it is.
#[derive(Debug, Clone, Default, Args)]
pub struct RunArgs {
    /// What the runs are runs of; default: the name of the policy
    #[arg(long, value_name = "NAME", env = "TUNEGATE_HISTORY_MODEL")]
    pub history_model: Option<String>,
    /// Branch of the run; default: GITHUB_BASE_REF for a pull request, else GITHUB_REF_NAME, else main
    #[arg(long, value_name = "NAME", env = "TUNEGATE_HISTORY_BRANCH")]
    pub history_branch: Option<String>,
    /// Commit of the run; default: GITHUB_SHA
    #[arg(long, value_name = "SHA", env = "TUNEGATE_HISTORY_COMMIT")]
    pub history_commit: Option<String>,
    #[arg(long, hide = true, env = "GITHUB_EVENT_NAME")]
    pub history_event: Option<String>,
    #[arg(long, hide = true, env = "GITHUB_REF_NAME")]
    pub history_ref_name: Option<String>,
    #[arg(long, hide = true, env = "GITHUB_BASE_REF")]
    pub history_base_ref: Option<String>,
    #[arg(long, hide = true, env = "GITHUB_SHA")]
    pub history_sha: Option<String>,
}

#[derive(Debug, Args)]
pub struct HistoryCommandArgs {
    #[command(subcommand)]
    pub action: HistoryAction,
}

/// Where the history is, and which runs of it are meant.
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// SQLite file, or postgres://...
    #[arg(
        long,
        value_name = "STORE",
        env = "TUNEGATE_HISTORY",
        hide_env_values = true
    )]
    pub history: String,
}

/// The policy of what is judged anew.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// Policy that judges, or by which one more run would be judged
    #[arg(
        long,
        value_name = "NAME|FILE",
        env = "TUNEGATE_POLICY",
        default_value = "default"
    )]
    pub policy: String,
}

#[derive(Debug, Args)]
pub struct OutputArgs {
    #[arg(long, value_enum, default_value_t = HistoryFormat::Human)]
    pub format: HistoryFormat,
}

/// Which runs are meant.
#[derive(Debug, Args)]
pub struct SelectArgs {
    /// Only runs of this model
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Only runs of this branch
    #[arg(long, value_name = "NAME")]
    pub branch: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum HistoryAction {
    /// Add the runs that finished reports are of
    Record(RecordArgs),
    /// List the runs, or show one
    Show(ShowArgs),
    /// Take a run as the reference from now on
    Accept(AcceptArgs),
    /// Draw numbers of the model over its runs
    Trend(TrendArgs),
    /// Find the first run, or the first of several checkpoints, that is bad
    Bisect(Box<BisectArgs>),
    /// Write the runs as JSON lines to stdout
    Export(ExportArgs),
    /// Add runs that `export` wrote
    Import(ImportArgs),
    /// Forget old runs
    Prune(PruneArgs),
}

#[derive(Debug, Args)]
pub struct RecordArgs {
    /// Reports that `--format json` or `--emit json=FILE` wrote, in the order of their runs
    #[arg(value_name = "REPORT.json", required = true)]
    pub reports: Vec<PathBuf>,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub run: RunArgs,
    /// Judge each anew, by --policy and the runs before it; the exit code is that of the worst
    #[arg(long)]
    pub judge: bool,
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Time of the run, RFC 3339; of several reports, that of the first, the others a second apart
    #[arg(long, value_name = "TIME")]
    pub time: Option<jiff::Timestamp>,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HistoryFormat {
    Human,
    Json,
    Markdown,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Start of the identity of a run
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub select: SelectArgs,
    /// Show the newest N runs
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub last: usize,
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Also write the newest run of each model and branch: openmetrics=FILE; or a page of the newest 400 runs: html=FILE
    #[arg(long, value_name = "FORMAT=PATH")]
    pub emit: Vec<String>,
}

#[derive(Debug, Args)]
pub struct AcceptArgs {
    /// Start of the identity of the run
    #[arg(
        value_name = "RUN",
        required_unless_present = "last",
        conflicts_with = "last"
    )]
    pub run: Option<String>,
    /// The newest run; of a history of several models or branches, with --model and --branch
    #[arg(long)]
    pub last: bool,
    /// Who accepts it
    #[arg(long, value_name = "WHO", value_parser = one_line)]
    pub by: String,
    /// Why
    #[arg(long, value_name = "TEXT", value_parser = one_line)]
    pub reason: String,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub select: SelectArgs,
}

/// Words of a person, which are kept and printed in one line.
fn one_line(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        Err("it is blank")
    } else if text.contains(char::is_control) {
        Err("it has more than one line, or a control character")
    } else {
        Ok(text.to_owned())
    }
}

#[derive(Debug, Args)]
pub struct TrendArgs {
    /// Metric; default: those that are judged over runs
    #[arg(long, value_name = "METRIC")]
    pub metric: Vec<String>,
    /// Over the matrices of this role; default: all of the body
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub select: SelectArgs,
    /// Draw the newest N runs
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub last: usize,
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Also write a page of the newest 400 runs: html=FILE
    #[arg(long, value_name = "FORMAT=PATH")]
    pub emit: Vec<String>,
}

#[derive(Debug, Args)]
pub struct BisectArgs {
    /// Checkpoints in their order, each judged against their base; default: recorded runs of --history
    #[arg(value_name = "REF")]
    pub references: Vec<String>,
    /// Base of the checkpoints; default: the one that the policy pins
    #[arg(long, value_name = "REF", requires = "references")]
    pub base: Option<String>,
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// SQLite file, or postgres://...
    #[arg(
        long,
        value_name = "STORE",
        env = "TUNEGATE_HISTORY",
        hide_env_values = true
    )]
    pub history: Option<String>,
    #[command(flatten)]
    pub select: SelectArgs,
    /// Metric of the model that is bad above --above or below --below; default: a verdict of fail is bad
    #[arg(long, value_name = "METRIC")]
    pub metric: Option<String>,
    /// Over the matrices of this role; default: all of the body
    #[arg(long, value_name = "ROLE", requires = "metric")]
    pub role: Option<String>,
    #[command(flatten)]
    pub bounds: BoundArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub work: WorkArgs,
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// Where a number is bad.
#[derive(Debug, Clone, Copy, Args)]
pub struct BoundArgs {
    #[arg(
        long,
        value_name = "NUMBER",
        requires = "metric",
        allow_negative_numbers = true
    )]
    pub above: Option<f64>,
    #[arg(
        long,
        value_name = "NUMBER",
        requires = "metric",
        allow_negative_numbers = true
    )]
    pub below: Option<f64>,
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub select: SelectArgs,
    /// Only runs from this time on, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub since: Option<jiff::Timestamp>,
}

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Files that `export` wrote
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub store: StoreArgs,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["run", "keep", "before"]))]
pub struct PruneArgs {
    /// Start of the identity of one run to forget, which may be damaged
    #[arg(value_name = "RUN", conflicts_with_all = ["model", "branch"])]
    pub run: Option<String>,
    /// Keep the newest N runs of each model and branch, the last one that somebody accepted, and those that set the
    /// limits of a run that is kept
    #[arg(long, value_name = "N")]
    pub keep: Option<usize>,
    /// Forget runs from before this day, YYYY-MM-DD, which begins at midnight UTC
    #[arg(long, value_name = "DATE")]
    pub before: Option<jiff::civil::Date>,
    /// Only say what would be forgotten
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub select: SelectArgs,
}
