//! One checkpoint of the run: its numbers, how far it is from the base, and what is wrong with it.

use std::collections::BTreeMap;

use crate::cache::Store;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::compare::{CheckpointIdentity, Fact, SkippedTensor, updates};
use crate::layer::{Form, LayerName, Role, Scope};
use crate::num::Measured;
use crate::spectrum::metric::{Metric, MetricTable};
use crate::spectrum::validity::ValidityRequest;
use crate::spectrum::{Estimator, MemoryLimit, scan};
use crate::term::Progress;

/// What remains of a checkpoint when it is closed.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub checkpoint: CheckpointIdentity,
    /// Matrices in natural order of their names.
    pub layers: Vec<LayerSnapshot>,
    /// |W - W0|_F / |W0|_F over all tensors.
    pub relative_update: Option<Measured>,
    pub facts: Vec<Fact>,
    /// What is wrong with the base, as far as it was compared.
    pub base_facts: Vec<Fact>,
    /// What the base calls the layers that it has too.
    pub base_names: BTreeMap<LayerName, LayerName>,
    pub skipped: Vec<SkippedTensor>,
}

/// One matrix of a checkpoint.
#[derive(Debug, Clone)]
pub struct LayerSnapshot {
    pub name: LayerName,
    pub role: Role,
    pub scope: Scope,
    pub shape: Vec<usize>,
    pub eigenvalues: usize,
    /// The metrics of one checkpoint, and `relative_update`.
    pub table: MetricTable,
}

/// Scans a checkpoint and compares its entries with the base's, on the current rayon pool. `store` keeps
/// the spectra of unchanged tensors, so that a second run over a longer list measures only what is new.
///
/// # Errors
/// Where weights cannot be read.
pub fn snapshot(
    base: &Checkpoint,
    checkpoint: &Checkpoint,
    estimator: &Estimator,
    memory: MemoryLimit,
    store: Option<&Store>,
    progress: &dyn Progress,
) -> Result<Snapshot, CheckpointError> {
    let scanned = scan(
        checkpoint,
        estimator,
        ValidityRequest::default(),
        memory,
        store,
        progress,
    )?;
    let updates = updates(base, checkpoint, memory)?;
    let layers = scanned.matrices.into_iter().map(|matrix| {
        let mut table = matrix.metrics.table;
        let update = updates
            .layers
            .get(&matrix.source.name)
            .and_then(|updates| updates.get(Metric::RelativeUpdate).cloned());
        let not_there = || Measured::not_applicable("the base has no such layer");
        table.set(Metric::RelativeUpdate, update.unwrap_or_else(not_there));
        let eigenvalues = match matrix.source.form {
            Form::Matrix { rows, cols } => rows.min(cols),
            Form::Vector | Form::NotAMatrix(_) => 0,
        };
        LayerSnapshot {
            eigenvalues,
            name: matrix.source.name,
            role: matrix.source.traits.role,
            scope: matrix.source.traits.scope,
            shape: matrix.source.shape,
            table,
        }
    });
    Ok(Snapshot {
        checkpoint: CheckpointIdentity {
            reference: checkpoint.reference().to_owned(),
            revision: checkpoint.revision().map(str::to_owned),
            digest: scanned.digest,
        },
        layers: layers.collect(),
        relative_update: updates.relative_update,
        facts: updates.facts,
        base_facts: updates.base_facts,
        base_names: updates.base_names,
        skipped: scanned
            .skipped
            .into_iter()
            .map(|(tensor, reason)| SkippedTensor { tensor, reason })
            .collect(),
    })
}
