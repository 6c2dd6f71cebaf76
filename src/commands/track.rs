//! `tunegate track`: the flow over the checkpoints of one run.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::check::{refuse_corrupt, warn_of_unread_files};
use super::emit::{self, Emit};
use super::reference::Opener;
use super::{CommandError, Outcome, access, indirect, on_pool, open_cache, say_traffic, say_usage};
use crate::checkpoint::{Access, Checkpoint};
use crate::cli::{ScanFormat, TrackArgs};
use crate::compare::CheckpointIdentity;
use crate::error::ExitStatus;
use crate::fs;
use crate::policy::Selector;
use crate::report::{self, TemplateError, human::Layout};
use crate::spectrum::Estimator;
use crate::term::Printer;
use crate::track::{self, Flow, Ordered, Snapshot, TrackError};

const FORMATS: &[(&str, ScanFormat)] = &[
    ("human", ScanFormat::Human),
    ("json", ScanFormat::Json),
    ("csv", ScanFormat::Csv),
    ("markdown", ScanFormat::Markdown),
    ("html", ScanFormat::Html),
];

pub(super) fn run(args: &TrackArgs, printer: &Printer) -> Result<Outcome, CommandError> {
    let emits = emit::parse(&args.emit, FORMATS)?;
    let selector = selector(args)?;
    let ordered = track::ordered(references(args, printer)?)?;
    let access = access(&args.remote);
    let mut flow = measure(ordered, args, &access, printer)?;
    say_traffic(&access, printer);
    let filtered = !args.layers.is_empty() || !args.roles.is_empty();
    if filtered {
        flow.keep_layers(|layer| selector.matches(&layer.name, layer.role, None, 0))?;
    }
    for Emit { format, path } in &emits {
        let document = render(&flow, *format, Layout::default(), filtered)?;
        fs::write_atomic(path, document.as_bytes())?;
    }
    let document = render(&flow, args.format, super::layout(printer), filtered)?;
    if flow.is_whole() {
        return Ok(Outcome::document(document));
    }
    printer.warning("the flow is not whole: its problems are in the document");
    Ok(Outcome {
        document,
        status: ExitStatus::Inconclusive,
    })
}

fn selector(args: &TrackArgs) -> Result<Selector, TrackError> {
    let roles: BTreeSet<_> = args.roles.iter().copied().collect();
    Selector::new(args.layers.clone(), roles, None).map_err(|(index, problem)| {
        TrackError::LayerPattern {
            pattern: args.layers.get(index).cloned().unwrap_or_default(),
            problem,
        }
    })
}

/// What the arguments name, with patterns expanded.
fn references(args: &TrackArgs, printer: &Printer) -> Result<Vec<String>, CommandError> {
    let mut references = Vec::new();
    for given in &args.references {
        if !track::is_pattern(given) {
            references.push(indirect::resolve(given)?.into_owned());
            continue;
        }
        let expanded = track::expand(given)?;
        for path in expanded.left_out {
            printer.warning(&format!(
                "`{path}` matches `{given}`, and is no folder and no .safetensors file"
            ));
        }
        references.extend(expanded.references);
    }
    Ok(references)
}

/// Opens and measures one checkpoint after the other.
fn measure(
    ordered: Ordered,
    args: &TrackArgs,
    access: &Access,
    printer: &Printer,
) -> Result<Flow, CommandError> {
    let opener = Opener::new(access, printer);
    let Ordered { steps, order } = ordered;
    let base_reference = match (&args.base, steps.first()) {
        (Some(base), _) => indirect::resolve(base)?.into_owned(),
        (None, Some((first, _))) => first.clone(),
        (None, None) => return Err(TrackError::TooFew { count: 0 }.into()),
    };
    let base = opener.checkpoint(&base_reference)?;
    if args.base.is_some() {
        refuse_corrupt(&base)?;
    }
    let estimator = Estimator::default();
    let store = open_cache(&args.work)?;
    let (mut labels, mut snapshots) = (Vec::new(), Vec::new());
    for (reference, label) in steps {
        printer.info(&format!("step {label}: `{reference}`"));
        let checkpoint = if reference == base_reference {
            Arc::clone(&base)
        } else {
            opener.tuned(&reference, (&base_reference, &base))?
        };
        warn_of_unread_files(&checkpoint, printer);
        let progress = printer.progress();
        let snapshot: Snapshot = on_pool(&args.work, |memory| {
            let progress = progress.as_ref();
            track::snapshot(
                &base,
                &checkpoint,
                &estimator,
                memory,
                store.as_ref(),
                progress,
            )
        })??;
        labels.push(label);
        snapshots.push(snapshot);
    }
    say_usage(store.as_ref(), printer);
    let identity = identity(&base, &snapshots);
    Ok(Flow::of(
        identity,
        labels,
        order,
        snapshots,
        estimator.describe(),
    ))
}

/// Of the base; its digest is known where it is one of the steps.
fn identity(base: &Checkpoint, snapshots: &[Snapshot]) -> CheckpointIdentity {
    let known = snapshots
        .iter()
        .find(|snapshot| snapshot.checkpoint.reference == base.reference());
    CheckpointIdentity {
        reference: base.reference().to_owned(),
        revision: base.revision().map(str::to_owned),
        digest: known.map_or_else(String::new, |snapshot| snapshot.checkpoint.digest.clone()),
    }
}

fn render(
    flow: &Flow,
    format: ScanFormat,
    layout: Layout,
    with_layers: bool,
) -> Result<String, TemplateError> {
    Ok(match format {
        ScanFormat::Human => report::track::human(flow, layout, with_layers),
        ScanFormat::Json => report::track::json(flow),
        ScanFormat::Csv => report::track::csv(flow),
        ScanFormat::Markdown => report::track::markdown(flow),
        ScanFormat::Html => report::track::html(flow, with_layers)?,
    })
}
