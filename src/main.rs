//! The `tunegate` program.

use std::process::ExitCode;

use clap::Parser as _;
use tunegate::cli::Cli;
use tunegate::commands;
use tunegate::error::ExitStatus;

fn main() -> ExitCode {
    let cli = Cli::parse(); // Prints usage errors and exits with 2 itself.
    let printer = commands::printer(cli.output, std::env::var_os("CI").is_some());
    match commands::run(&cli, &printer) {
        Ok(outcome) => match printer.document(&outcome.document) {
            Ok(()) => outcome.status.into(),
            Err(error) => {
                printer.error(&error, Some("free the disk or the device behind stdout"));
                ExitStatus::NoVerdict.into()
            }
        },
        Err(error) => {
            printer.error(&error, error.hint().as_deref());
            ExitStatus::NoVerdict.into()
        }
    }
}
