//! `tunegate check`: the gate, or one share of its work.

use std::time::Instant;

use super::emit::{self, Emit};
use super::history::{self, Recorder};
use super::judged::{self, FORMATS, Format, Timings};
use super::reference::Opener;
use super::{CommandError, Outcome, access, indirect, on_pool, open_cache, say_traffic, say_usage};
use crate::checkpoint::Checkpoint;
use crate::cli::{CheckArgs, HistoryArgs, RemoteArgs, WorkArgs};
use crate::compare::{self, Comparison, Options, Part, Shard};
use crate::fs;
use crate::policy::Policy;
use crate::report::{Report, Templates};
use crate::spectrum::Estimator;
use crate::term::Printer;

/// Of a share there is no verdict, so no report either.
const PART_FORMATS: &[(&str, Format)] = &[("part", Format::Part), ("timings", Format::Timings)];

pub(super) fn run(args: &CheckArgs, printer: &Printer) -> Result<Outcome, CommandError> {
    if let Some(shard) = args.shard.as_deref().filter(|text| !text.is_empty()) {
        return run_share(shard, args, printer);
    }
    let emits = emit::parse(&args.judge.rendering.emit, FORMATS)?;
    let templates = Templates::new(args.judge.rendering.templates.as_deref())?;
    let policy = Policy::load(&args.judge.policy)?;
    let (report, timings, recorder) = judge_whole(args, &args.judge.history, &policy, printer)?;
    recorder.record(&report, printer);
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

/// Compares what the arguments name and judges it by `policy`.
pub(super) fn judge_whole(
    args: &CheckArgs,
    history: &HistoryArgs,
    policy: &Policy,
    printer: &Printer,
) -> Result<(Report, Timings, Recorder), CommandError> {
    history::check_place(history)?;
    let (base, tuned) = references(args, policy)?;
    let sides = sides(&base, &tuned, args);
    let (comparison, timings) = compare_whole(sides, &args.work, &args.remote, printer)?;
    let (report, recorder) =
        judged::report_over_time(comparison, policy, history, args.judge.advisory, printer)?;
    Ok((report, timings, recorder))
}

/// Base and tuned, with what a `file:` reference names in its place.
fn references(args: &CheckArgs, policy: &Policy) -> Result<(String, String), CommandError> {
    let given = args.base.as_deref().map(indirect::resolve).transpose()?;
    let base = judged::base_reference(given.as_deref(), policy)?;
    let base = indirect::resolve(&base)?.into_owned();
    Ok((base, indirect::resolve(&args.tuned)?.into_owned()))
}

/// Measures one share and writes it; the verdict is `merge`'s.
fn run_share(shard: &str, args: &CheckArgs, printer: &Printer) -> Result<Outcome, CommandError> {
    let shard: Shard = shard
        .parse()
        .map_err(|problem| CommandError::Shard { problem })?;
    let emits = emit::parse(&args.judge.rendering.emit, PART_FORMATS)?;
    if !emits.iter().any(|emit| emit.format == Format::Part) {
        return Err(CommandError::NoPart {
            index: shard.index,
            count: shard.count,
        });
    }
    let policy = Policy::load(&args.judge.policy)?;
    let (base, tuned) = references(args, &policy)?;
    let sides = sides(&base, &tuned, args);
    let (part, timings) = compare_share(sides, shard, &args.work, &args.remote, printer)?;
    for Emit { format, path } in &emits {
        let bytes = match format {
            Format::Timings => timings.render().into_bytes(),
            Format::Part | Format::Report(_) | Format::Outputs | Format::OpenMetrics => {
                serde_json::to_vec(&part).map_err(CommandError::WritePart)?
            }
        };
        fs::write_atomic(path, &bytes)?;
    }
    Ok(Outcome::document(format!(
        "share {} of {}: {} tensors measured; `tunegate merge` gives the verdict\n",
        shard.index,
        shard.count,
        part.tensor_count()
    )))
}

/// References of what is compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sides<'a> {
    pub(super) base: &'a str,
    pub(super) tuned: &'a str,
    /// Said to be merged into the tuned checkpoint.
    pub(super) adapter: Option<&'a str>,
}

fn sides<'a>(base: &'a str, tuned: &'a str, args: &'a CheckArgs) -> Sides<'a> {
    Sides {
        base,
        tuned,
        adapter: args.adapter.as_deref().filter(|text| !text.is_empty()),
    }
}

/// Opens both checkpoints and compares them.
pub(super) fn compare_whole(
    sides: Sides<'_>,
    work: &WorkArgs,
    remote: &RemoteArgs,
    printer: &Printer,
) -> Result<(Comparison, Timings), CommandError> {
    let (part, timings) = compare_share(sides, Shard::WHOLE, work, remote, printer)?;
    Ok((Comparison::from_parts(vec![part])?, timings))
}

fn compare_share(
    sides: Sides<'_>,
    shard: Shard,
    work: &WorkArgs,
    remote: &RemoteArgs,
    printer: &Printer,
) -> Result<(Part, Timings), CommandError> {
    let started = Instant::now();
    let access = access(remote);
    let opener = Opener::new(&access, printer);
    let base = opener.checkpoint(sides.base)?;
    refuse_corrupt(&base)?;
    let tuned = opener.tuned(sides.tuned, (sides.base, &base))?;
    let replay = match sides.adapter {
        Some(reference) => {
            let adapter = opener.adapter(reference)?;
            Some(Checkpoint::with_adapter(&base, &adapter, reference)?)
        }
        None => None,
    };
    for checkpoint in [&base, &tuned] {
        warn_of_unread_files(checkpoint, printer);
    }
    let estimator = Estimator::default();
    let store = open_cache(work)?;
    let progress = printer.progress();
    let compared = on_pool(work, |memory| {
        let options = Options {
            estimator: &estimator,
            progress: progress.as_ref(),
            memory,
            store: store.as_ref(),
            replay: replay.as_ref(),
        };
        compare::compare_part(&base, &tuned, shard, options)
    })??;
    say_usage(store.as_ref(), printer);
    say_traffic(&access, printer);
    let timings = Timings {
        total: started.elapsed(),
        tensors: compared.timings,
    };
    Ok((compared.result, timings))
}

/// Weights that lie in the folder and belong to no model in it.
pub(super) fn warn_of_unread_files(checkpoint: &Checkpoint, printer: &Printer) {
    for file in checkpoint.unread_files() {
        let reference = checkpoint.reference();
        printer.warning(&format!(
            "`{file}` in `{reference}` is not part of the model and not read"
        ));
    }
}

/// Nothing can be judged against a base that is not whole.
pub(super) fn refuse_corrupt(base: &Checkpoint) -> Result<(), CommandError> {
    if base.defects().is_empty() {
        return Ok(());
    }
    Err(CommandError::CorruptBase {
        reference: base.reference().to_owned(),
        defects: base
            .defects()
            .iter()
            .map(|defect| format!("`{}`: {}", defect.file, defect.message))
            .collect(),
    })
}
