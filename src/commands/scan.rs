//! `tunegate scan`: the spectral table of one checkpoint.

use super::check::warn_of_unread_files;
use super::emit::{self, Emit};
use super::plot::{self, Plot};
use super::reference::{Named, Opener};
use super::{CommandError, Outcome, access, on_pool, open_cache, say_traffic, say_usage};
use crate::checkpoint::{Adapter, Checkpoint, read_ahead, to_f64};
use crate::cli::{CompatArg, ScanArgs, ScanFormat};
use crate::compare::{CheckpointIdentity, LayerMetrics, SkippedTensor};
use crate::fs;
use crate::layer::{Form, natural_order};
use crate::report::{self, ScanLayer, ScanReport};
use crate::spectrum::validity::{Bootstrap, ValidityRequest};
use crate::spectrum::{CheckpointMetrics, Estimator, Scan, scan, scan_adapter, weightwatcher};
use crate::term::Printer;

const FORMATS: &[(&str, ScanFormat)] = &[
    ("human", ScanFormat::Human),
    ("json", ScanFormat::Json),
    ("csv", ScanFormat::Csv),
    ("markdown", ScanFormat::Markdown),
    ("html", ScanFormat::Html),
];

pub(super) fn run(args: &ScanArgs, printer: &Printer) -> Result<Outcome, CommandError> {
    let emits = emit::parse(&args.emit, FORMATS)?;
    let plots = plot::parse(&args.plot)?;
    plot::refuse_shared(&plots, emits.iter().map(|emit| emit.path.as_path()))?;
    let access = access(&args.remote);
    let checkpoint = match Opener::new(&access, printer).named(&args.reference, None)? {
        Named::Checkpoint(checkpoint) => checkpoint,
        Named::Adapter(adapter) => return run_adapter(&adapter, (&emits, &plots), args, printer),
    };
    warn_of_unread_files(&checkpoint, printer);
    for defect in checkpoint.defects() {
        printer.warning(&format!("`{}`: {}", defect.file, defect.message));
    }
    if let Some(CompatArg::Weightwatcher) = args.compat {
        let table = compat_table(&checkpoint, args)?;
        for emit in &emits {
            fs::write_atomic(&emit.path, table.as_bytes())?;
        }
        return Ok(Outcome::document(table));
    }
    let layers = matrices(&checkpoint);
    plot::check_layers(
        &plots,
        &layers.iter().map(String::as_str).collect::<Vec<_>>(),
    )?;
    let estimator = Estimator::default();
    let request = ValidityRequest {
        alternatives: args.alternatives,
        bootstrap: args.bootstrap.map(|draws| Bootstrap {
            draws,
            seed: args.seed,
        }),
        windows: args.windows,
    };
    let store = open_cache(&args.work)?;
    let progress = printer.progress();
    let scanned = on_pool(&args.work, |memory| {
        scan(
            &checkpoint,
            &estimator,
            request,
            memory,
            store.as_ref(),
            progress.as_ref(),
        )
    })??;
    say_usage(store.as_ref(), printer);
    say_traffic(&access, printer);
    let identity = (checkpoint.reference(), checkpoint.revision());
    let report = report_of(identity, scanned, &estimator);
    finish(&report, (&emits, &plots), args, printer)
}

/// The low-rank updates of an adapter without its base.
fn run_adapter(
    adapter: &Adapter,
    targets: (&[Emit<ScanFormat>], &[Plot]),
    args: &ScanArgs,
    printer: &Printer,
) -> Result<Outcome, CommandError> {
    if args.compat.is_some() {
        return Err(CommandError::AdapterAlone {
            reference: args.reference.clone(),
        });
    }
    for defect in adapter.weights().defects() {
        printer.warning(&format!("`{}`: {}", defect.file, defect.message));
    }
    let modules = adapter.low_rank_modules()?.modules;
    let layers: Vec<&str> = modules.iter().map(|module| module.name.as_str()).collect();
    plot::check_layers(targets.1, &layers)?;
    let estimator = Estimator::default();
    let scanned = on_pool(&args.work, |_memory| scan_adapter(adapter, &estimator))??;
    let report = report_of((adapter.reference(), None), scanned, &estimator);
    finish(&report, targets, args, printer)
}

/// Names of the matrices that a scan measures.
fn matrices(checkpoint: &Checkpoint) -> Vec<String> {
    let architecture = checkpoint.architecture();
    let tensors = checkpoint.tensors().values();
    tensors
        .flat_map(|tensor| tensor.layers(&architecture))
        .filter(|layer| matches!(layer.form, Form::Matrix { .. }))
        .map(|layer| layer.name.as_str().to_owned())
        .collect()
}

fn report_of(
    (reference, revision): (&str, Option<&str>),
    scanned: Scan,
    estimator: &Estimator,
) -> ScanReport {
    ScanReport {
        checkpoint: CheckpointIdentity {
            reference: reference.to_owned(),
            revision: revision.map(str::to_owned),
            digest: scanned.digest,
        },
        estimator: estimator.describe(),
        layers: scanned
            .matrices
            .into_iter()
            .map(|matrix| {
                let CheckpointMetrics {
                    table,
                    fit,
                    profile,
                    phase,
                } = matrix.metrics;
                ScanLayer {
                    name: matrix.source.name,
                    role: matrix.source.traits.role,
                    block: matrix.source.traits.block,
                    shape: matrix.source.shape,
                    dtype: matrix
                        .scheme
                        .unwrap_or_else(|| matrix.dtype.as_str().to_owned()),
                    scope: matrix.source.traits.scope,
                    metrics: LayerMetrics {
                        table,
                        fit,
                        profile,
                        phase,
                    },
                    validity: matrix.validity,
                }
            })
            .collect(),
        skipped: scanned
            .skipped
            .into_iter()
            .map(|(tensor, reason)| SkippedTensor { tensor, reason })
            .collect(),
    }
}

/// Writes every `--emit` and `--plot`, and the document for stdout.
fn finish(
    report: &ScanReport,
    (emits, plots): (&[Emit<ScanFormat>], &[Plot]),
    args: &ScanArgs,
    printer: &Printer,
) -> Result<Outcome, CommandError> {
    for emit in emits {
        fs::write_atomic(
            &emit.path,
            render(report, emit.format, report::human::Layout::default())?.as_bytes(),
        )?;
    }
    // A figure that cannot be drawn costs no report.
    plot::write(plots, report)?;
    Ok(Outcome::document(render(
        report,
        args.format,
        super::layout(printer),
    )?))
}

fn render(
    report: &ScanReport,
    format: ScanFormat,
    layout: report::human::Layout,
) -> Result<String, CommandError> {
    Ok(match format {
        ScanFormat::Human => report::scan::human(report, layout),
        ScanFormat::Json => report::scan::json(report),
        ScanFormat::Csv => report::scan::csv(report),
        ScanFormat::Markdown => report::scan::markdown(report),
        ScanFormat::Html => report::html::scan(report)?,
    })
}

/// WeightWatcher's CSV: one row for every 2-D and 4-D tensor, in natural order of the names.
fn compat_table(checkpoint: &Checkpoint, args: &ScanArgs) -> Result<String, CommandError> {
    let mut tensors: Vec<_> = checkpoint
        .tensors()
        .values()
        .filter(|tensor| matches!(tensor.shape.len(), 2 | 4))
        .collect();
    tensors.sort_by(|left, right| natural_order(&left.name, &right.name));
    let _ahead = read_ahead(tensors.iter().map(|tensor| (checkpoint, *tensor)));
    let rows = on_pool(&args.work, |_memory| {
        use rayon::prelude::*;
        tensors
            .par_iter()
            .enumerate()
            .map(|(index, tensor)| {
                let values = to_f64(tensor.dtype, &checkpoint.bytes(tensor)?);
                let mut row = weightwatcher::analyze(&values, &tensor.shape).map_err(|source| {
                    CommandError::Spectrum {
                        tensor: tensor.name.clone(),
                        source,
                    }
                })?;
                row.layer_id = index;
                short_name(&tensor.name).clone_into(&mut row.name);
                row.longname.clone_from(&tensor.name);
                Ok(row)
            })
            .collect::<Result<Vec<_>, CommandError>>()
    })??;
    let cells = |row: &weightwatcher::Row| {
        weightwatcher::COLUMNS.map(|column| {
            row.cell(column)
                .map_or_else(String::new, |cell| cell.to_string())
        })
    };
    Ok(report::csv::write(
        &weightwatcher::COLUMNS,
        rows.iter().map(cells),
    ))
}

/// The last module of a tensor's name.
fn short_name(tensor: &str) -> &str {
    let module = tensor.strip_suffix(".weight").unwrap_or(tensor);
    module.rsplit('.').next().unwrap_or(module)
}
