//! The command line: structs and enums only, no logic.

mod history;
mod publish;
mod runner;
mod track;

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::checkpoint::TimeLimit;
use crate::num::ByteSize;

pub use history::{
    AcceptArgs, BisectArgs, ExportArgs, HistoryAction, HistoryArgs, HistoryCommandArgs,
    HistoryFormat, ImportArgs, PruneArgs, RecordArgs, RunArgs, SelectArgs, ShowArgs, StoreArgs,
    TrendArgs,
};
pub use publish::{CommentWhen, PublishArgs, ReportErrors, Switch};
pub use runner::RunnerArgs;
use track::TRACK_ABOUT;
pub use track::TrackArgs;

/// Judges whether a fine-tuned checkpoint is a sound fine-tune of its base, from the weights alone.
#[derive(Debug, Parser)]
#[command(
    name = "tunegate",
    version,
    propagate_version = true,
    after_help = "Exit codes: 0 pass or warn, 1 fail, 2 could not judge, 3 inconclusive, 4 sound but not published."
)]
pub struct Cli {
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Judge a tuned checkpoint against its base
    ///
    /// A reference may also be `file:PATH#key.path`: the text at that key of a JSON, YAML or TOML file, or the only line
    /// of a text file, names the checkpoint.
    Check(CheckArgs),
    /// Print the spectral table of one checkpoint
    Scan(ScanArgs),
    /// Follow the spectra over the checkpoints of one run
    #[command(long_about = TRACK_ABOUT)]
    Track(TrackArgs),
    /// Join the parts of a sharded check into one verdict
    Merge(MergeArgs),
    /// Judge in a workflow of GitHub Actions, and publish the result there
    #[command(long_about = CI_ABOUT)]
    Ci(Box<CiArgs>),
    /// Publish a finished JSON report on its pull request
    #[command(long_about = COMMENT_ABOUT)]
    Comment(Box<CommentArgs>),
    /// Keep, show and search runs over time
    History(HistoryCommandArgs),
    /// Validate a policy, or print the effective one
    Policy(PolicyArgs),
    /// Write a commented policy, with limits learnt from good runs
    #[command(long_about = INIT_ABOUT)]
    Init(InitArgs),
    /// Explain a finding code or a metric
    Explain(ExplainArgs),
    /// Judge a small real base and two fine-tunes of it that are carried in the program
    Demo(DemoArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print the manual page (roff)
    Man,
}

/// What goes to the terminal beside the result.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// No progress and no warnings; twice: errors neither
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "verbose")]
    pub quiet: u8,
    /// More about what is being done
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Colour on the terminal
    #[arg(long, global = true, value_enum, default_value_t = ColorArg::Auto)]
    pub color: ColorArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorArg {
    /// Where the stream is a terminal, and NO_COLOR is not set
    Auto,
    Always,
    Never,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Base checkpoint: a folder, a .safetensors file, hf://owner/name@revision, s3://, gs://, az:// or
    /// https://; may be left out where the policy pins it
    #[arg(long, value_name = "REF", env = "TUNEGATE_BASE")]
    pub base: Option<String>,
    /// Tuned checkpoint, as the base; an adapter on the base; or CHECKPOINT+ADAPTER
    #[arg(long, value_name = "REF", env = "TUNEGATE_TUNED")]
    pub tuned: String,
    /// Adapter that the tuned checkpoint is said to contain: whether its merge is right is checked
    #[arg(long, value_name = "REF", env = "TUNEGATE_ADAPTER")]
    pub adapter: Option<String>,
    #[command(flatten)]
    pub judge: JudgeArgs,
    /// Measure only share K of N (K from 1) and write it with --emit part=FILE, for `merge`
    #[arg(long, value_name = "K/N", env = "TUNEGATE_SHARD")]
    pub shard: Option<String>,
    #[command(flatten)]
    pub work: WorkArgs,
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// By what is judged, and how the report is shown.
#[derive(Debug, Args)]
pub struct JudgeArgs {
    /// Shipped policy (default, sft, lora, continued-pretraining, rl, strict) or a policy file
    #[arg(
        long,
        value_name = "NAME|FILE",
        env = "TUNEGATE_POLICY",
        default_value = "default"
    )]
    pub policy: String,
    /// Format of the report on stdout
    #[arg(long, value_enum, default_value_t = CheckFormat::Human)]
    pub format: CheckFormat,
    #[command(flatten)]
    pub rendering: RenderingArgs,
    /// Exit with 0 where the verdict is fail, and say so
    #[arg(long, env = "TUNEGATE_ADVISORY", value_parser = clap::builder::FalseyValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub advisory: bool,
    #[command(flatten)]
    pub history: HistoryArgs,
}

#[derive(Debug, Args)]
pub struct RenderingArgs {
    /// Also write the report to a file; may be repeated. Formats: those of --format, and timings
    #[arg(
        long,
        value_name = "FORMAT=PATH",
        env = "TUNEGATE_EMIT",
        value_delimiter = '\n'
    )]
    pub emit: Vec<String>,
    /// Folder with templates that replace the built-in ones (human.txt.j2, markdown.md.j2)
    #[arg(long, value_name = "DIR", env = "TUNEGATE_TEMPLATES", value_parser = maybe_empty_path())]
    pub templates: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Parts that `check --shard K/N --emit part=FILE` wrote, all N of them
    #[arg(value_name = "PART", required = true)]
    pub parts: Vec<PathBuf>,
    #[command(flatten)]
    pub judge: JudgeArgs,
}

#[derive(Debug, Clone, Args)]
pub struct WorkArgs {
    /// Layers worked on at the same time; default: one a core
    #[arg(long, value_name = "N", env = "TUNEGATE_THREADS", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// Folder that keeps the results of unchanged tensors
    #[arg(long, value_name = "DIR", env = "TUNEGATE_CACHE", value_parser = maybe_empty_path())]
    pub cache: Option<PathBuf>,
    /// Memory that layers worked on at the same time may take, such as 4GiB; default: three quarters of
    /// what is free
    #[arg(long, value_name = "SIZE", env = "TUNEGATE_MEMORY")]
    pub memory: Option<ByteSize>,
}

/// How checkpoints elsewhere are read.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Remote checkpoints")]
pub struct RemoteArgs {
    /// Use no network: of the Hub, only what is in its cache
    #[arg(long, env = "TUNEGATE_OFFLINE", value_parser = clap::builder::FalseyValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub offline: bool,
    /// Keep remote files whole in this folder, and read them there
    #[arg(long, value_name = "DIR", env = "TUNEGATE_DOWNLOAD", value_parser = maybe_empty_path())]
    pub download: Option<PathBuf>,
    /// Give up, with exit code 2, when the run has not read everything after this time, such as 30m
    #[arg(long, value_name = "DURATION", env = "TUNEGATE_DEADLINE", value_parser = maybe_empty_limit, default_value = "", hide_default_value = true)]
    pub deadline: MaybeLimit,
    /// On GitHub Actions, exchange the job's identity for a token of the Hub with access to this
    /// repository or user (a trusted publisher there), instead of HF_TOKEN
    #[arg(long, value_name = "OWNER/NAME|USER", env = "TUNEGATE_HUB_OIDC")]
    pub hub_oidc: Option<String>,
}

/// An input of the Action that is not set arrives as an empty variable, which means "none".
fn maybe_empty_path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// Under a name of its own: an argument of type `Option` has a value that cannot be "none".
type MaybeLimit = Option<TimeLimit>;

fn maybe_empty_limit(text: &str) -> Result<MaybeLimit, String> {
    if text.is_empty() {
        Ok(None)
    } else {
        text.parse().map(Some)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    Human,
    Json,
    Markdown,
    /// One page with charts
    Html,
}

#[derive(Debug, Args)]
pub struct ScanArgs {
    /// Checkpoint: a folder, a .safetensors file, hf://owner/name@revision, s3://, gs://, az:// or https://;
    /// CHECKPOINT+ADAPTER; or an adapter by itself
    #[arg(value_name = "REF")]
    pub reference: String,
    /// Format of the table on stdout
    #[arg(long, value_enum, default_value_t = ScanFormat::Human)]
    pub format: ScanFormat,
    /// Also write the table to a file; may be repeated
    #[arg(
        long,
        value_name = "FORMAT=PATH",
        env = "TUNEGATE_EMIT",
        value_delimiter = '\n'
    )]
    pub emit: Vec<String>,
    /// Draw the spectrum of a layer as SVG, with its power law and the edge of the noise; may be
    /// repeated
    #[arg(long, value_name = "LAYER=FILE", conflicts_with = "compat")]
    pub plot: Vec<String>,
    /// Print the numbers of another tool, quirks included
    #[arg(long, value_enum)]
    pub compat: Option<CompatArg>,
    /// Test each power law against a truncated one, a log-normal and an exponential law
    #[arg(long, conflicts_with = "compat")]
    pub alternatives: bool,
    /// Interval of alpha from N draws of the tail, each fitted anew
    #[arg(long, value_name = "N", conflicts_with = "compat", value_parser = clap::value_parser!(u32).range(20..=100_000))]
    pub bootstrap: Option<u32>,
    /// Also fit alpha to windows of one aspect ratio Q, longer over shorter side, to compare layers of different shapes
    #[arg(long, value_name = "Q", conflicts_with = "compat", value_parser = clap::value_parser!(u8).range(1..=8))]
    pub windows: Option<u8>,
    /// Seed of the draws of --bootstrap
    #[arg(long, value_name = "S", requires = "bootstrap", default_value_t = 1)]
    pub seed: u64,
    #[command(flatten)]
    pub work: WorkArgs,
    #[command(flatten)]
    pub remote: RemoteArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScanFormat {
    Human,
    Json,
    Csv,
    Markdown,
    /// One page with charts
    Html,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompatArg {
    /// WeightWatcher 0.7.7
    Weightwatcher,
}

#[derive(Debug, Args)]
pub struct PolicyArgs {
    #[command(subcommand)]
    pub action: PolicyAction,
}

#[derive(Debug, Subcommand)]
pub enum PolicyAction {
    /// Validate a policy file and show every problem
    Check {
        /// Shipped policy or a policy file
        #[arg(value_name = "FILE")]
        policy: String,
    },
    /// Print the effective policy with the origin of each value
    Show {
        /// Shipped policy or a policy file
        #[arg(value_name = "FILE")]
        policy: String,
    },
}

const INIT_ABOUT: &str = "\
Write a commented policy to stdout: every option with its default and its meaning.

With two or more good runs of one recipe (`--good`, two to five with different seeds) it holds limits learnt from them: \
medians of the model and of each role, and all layers of each role at once. With none or one, the limits of the \
policy that it extends hold.";

#[derive(Debug, Args)]
pub struct InitArgs {
    /// Base checkpoint of the good runs, as for `check`
    #[arg(long, value_name = "REF", env = "TUNEGATE_BASE")]
    pub base: String,
    /// A run that is known to be good: a checkpoint, as for `check`, or the JSON report of one; may be repeated
    #[arg(long, value_name = "REF|REPORT.json")]
    pub good: Vec<String>,
    /// Policy that the new one extends: that of the recipe (sft, lora, ...), or a file
    #[arg(
        long,
        value_name = "NAME|FILE",
        env = "TUNEGATE_POLICY",
        default_value = "default"
    )]
    pub policy: String,
    #[command(flatten)]
    pub work: WorkArgs,
    #[command(flatten)]
    pub remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Finding code or metric
    #[arg(value_name = "CODE|METRIC")]
    pub topic: String,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Also write the reports to files, `-sound` and `-broken` added to their names; may be repeated
    #[arg(long, value_name = "FORMAT=PATH")]
    pub emit: Vec<String>,
    /// Write the carried checkpoints to this folder instead of a temporary one
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    #[command(flatten)]
    pub work: WorkArgs,
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

const CI_ABOUT: &str = "\
Judge in a workflow of GitHub Actions, and publish the result there: a comment on the pull request that \
later runs edit, the job summary, the step's outputs, annotations on the policy's lines, and a check run \
where `--check-run` asks for one.

`--tuned file:PATH#key.path` reads the reference from a JSON, YAML, TOML or text file of the repository, so that a \
pull request that changes a recipe names what is judged.

On a pull request the policy is read from the base branch, so that a change cannot move its own limits. \
Publishing never changes the exit code, unless `--report-errors fail` asks for it.";

const COMMENT_ABOUT: &str = "\
Publish a finished JSON report on its pull request.

Meant for a second workflow, started by `workflow_run`, that may write where the run for a fork may not. \
The report is only data: the pull request and its commit are taken from GitHub, never from the report.";

#[derive(Debug, Args)]
pub struct CiArgs {
    #[command(flatten)]
    pub check: CheckArgs,
    /// Where the policy is read from: auto (the base branch on pull requests and in merge queues, else the checkout),
    /// base, head, or a branch, tag or commit
    #[arg(
        long,
        value_name = "auto|base|head|REF",
        env = "TUNEGATE_POLICY_REF",
        default_value = "auto"
    )]
    pub policy_ref: String,
    /// Folder in which paths are read
    #[arg(long, value_name = "DIR", env = "TUNEGATE_WORKING_DIRECTORY")]
    pub working_directory: Option<String>,
    /// File for the JSON report; default: tunegate-report.json in the runner's temporary folder
    #[arg(long, value_name = "FILE", env = "TUNEGATE_REPORT_PATH")]
    pub report_path: Option<String>,
    /// Run on `pull_request_target` too: the checkpoint is data, but the job holds secrets
    #[arg(long, env = "TUNEGATE_ALLOW_PULL_REQUEST_TARGET", value_parser = clap::builder::FalseyValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub allow_pull_request_target: bool,
    #[command(flatten)]
    pub publish: PublishArgs,
    #[command(flatten)]
    pub runner: RunnerArgs,
}

#[derive(Debug, Args)]
pub struct CommentArgs {
    /// The report that `--format json` or `--emit json=FILE` wrote
    #[arg(long, value_name = "REPORT.json", env = "TUNEGATE_REPORT_PATH")]
    pub from: PathBuf,
    #[command(flatten)]
    pub publish: PublishArgs,
    #[command(flatten)]
    pub runner: RunnerArgs,
}
