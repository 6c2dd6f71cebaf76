//! `tunegate comment`: publishes a finished report. Placeholder until the reader of reports stands.

use super::{CommandError, Outcome};
use crate::cli::CommentArgs;
use crate::term::Printer;

pub(super) fn run(_args: &CommentArgs, _printer: &Printer) -> Result<Outcome, CommandError> {
    Ok(Outcome::document(String::new()))
}
