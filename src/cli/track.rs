//! The arguments of `track`.

use clap::Args;

use super::{RemoteArgs, ScanFormat, WorkArgs};
use crate::layer::Role;

pub(super) const TRACK_ABOUT: &str = "\
Follow the spectra over the checkpoints of one run: a series per layer, role and model, marks where one \
changes abruptly, and the phase that each checkpoint seems to be in.

Phases and the recommended checkpoint are information, never a verdict: the exit code is 0 where every checkpoint \
could be measured in full, 3 where one holds NaN, other shapes or other layers than the first, and 2 where there is no result.";

#[derive(Debug, Args)]
pub struct TrackArgs {
    /// Checkpoints of one run, as of `scan`, or a quoted pattern such as 'runs/x/checkpoint-*'; sorted by the number in
    /// which they differ
    #[arg(value_name = "REF", required = true)]
    pub references: Vec<String>,
    /// Checkpoint that updates are measured from, and on which adapters are put; default: the first one
    #[arg(long, value_name = "REF")]
    pub base: Option<String>,
    /// Show the series of these layers; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub layers: Vec<String>,
    /// Show the series of layers with these roles, separated by commas
    #[arg(long, value_name = "ROLE", value_delimiter = ',')]
    pub roles: Vec<Role>,
    /// Format of the flow on stdout
    #[arg(long, value_enum, default_value_t = ScanFormat::Human)]
    pub format: ScanFormat,
    /// Also write the flow to a file; may be repeated
    #[arg(
        long,
        value_name = "FORMAT=PATH",
        env = "TUNEGATE_EMIT",
        value_delimiter = '\n'
    )]
    pub emit: Vec<String>,
    #[command(flatten)]
    pub work: WorkArgs,
    #[command(flatten)]
    pub remote: RemoteArgs,
}
