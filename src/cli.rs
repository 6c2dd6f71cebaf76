//! The command line: structs and enums only, no logic.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::checkpoint::TimeLimit;
use crate::num::ByteSize;

/// Judges whether a fine-tuned checkpoint is a sound fine-tune of its base, from the weights alone.
#[derive(Debug, Parser)]
#[command(
    name = "tunegate",
    version,
    propagate_version = true,
    after_help = "Exit codes: 0 pass or warn, 1 fail, 2 could not judge, 3 inconclusive."
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
    Check(CheckArgs),
    /// Print the spectral table of one checkpoint
    Scan(ScanArgs),
    /// Join the parts of a sharded check into one verdict
    Merge(MergeArgs),
    /// Validate a policy, or print the effective one
    Policy(PolicyArgs),
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
    #[arg(long, value_name = "DIR", env = "TUNEGATE_TEMPLATES")]
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
    #[arg(long, value_name = "DIR", env = "TUNEGATE_CACHE")]
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
    #[arg(long, value_name = "DIR", env = "TUNEGATE_DOWNLOAD")]
    pub download: Option<PathBuf>,
    /// Give up, with exit code 2, when the run has not read everything after this time, such as 30m
    #[arg(long, value_name = "DURATION", env = "TUNEGATE_DEADLINE")]
    pub deadline: Option<TimeLimit>,
    /// On GitHub Actions, exchange the job's identity for a token of the Hub with access to this
    /// repository or user (a trusted publisher there), instead of HF_TOKEN
    #[arg(long, value_name = "OWNER/NAME|USER", env = "TUNEGATE_HUB_OIDC")]
    pub hub_oidc: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    Human,
    Json,
    Markdown,
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

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Finding code or metric
    #[arg(value_name = "CODE|METRIC")]
    pub topic: String,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
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
