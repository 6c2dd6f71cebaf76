//! `tunegate merge`: the parts of a sharded check become one verdict.

use std::path::Path;

use super::emit;
use super::judged::{self, FORMATS, Timings};
use super::{CommandError, Outcome};
use crate::cli::MergeArgs;
use crate::compare::{Comparison, Part};
use crate::fs;
use crate::policy::Policy;
use crate::report::Templates;
use crate::term::Printer;

pub(super) fn run(args: &MergeArgs, printer: &Printer) -> Result<Outcome, CommandError> {
    let emits = emit::parse(&args.judge.rendering.emit, FORMATS)?;
    let templates = Templates::new(args.judge.rendering.templates.as_deref())?;
    let policy = Policy::load(&args.judge.policy)?;
    super::history::check_place(&args.judge.history)?;
    let parts = args
        .parts
        .iter()
        .map(|path| read(path))
        .collect::<Result<Vec<Part>, _>>()?;
    if let Some(first) = parts.first() {
        judged::base_reference(Some(first.base_reference()), &policy)?;
    }
    let comparison = Comparison::from_parts(parts)?;
    let (history, advisory) = (&args.judge.history, args.judge.advisory);
    let (report, recorder) =
        judged::report_over_time(comparison, &policy, history, advisory, printer)?;
    recorder.record(&report, printer);
    let timings = Timings::default();
    let document = judged::publish(
        &report,
        &timings,
        &emits,
        args.judge.format,
        &templates,
        printer,
    )?;
    Ok(Outcome {
        document,
        status: judged::status(&report),
    })
}

fn read(path: &Path) -> Result<Part, CommandError> {
    serde_json::from_slice(&fs::read(path)?).map_err(|source| CommandError::ReadPart {
        path: path.to_path_buf(),
        source,
    })
}
