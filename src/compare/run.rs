//! The comparison as a whole: pair, measure in parallel, put together in the order of the names.

use std::collections::BTreeMap;
use std::time::Duration;

use rayon::prelude::*;

use super::measure::{self, MeasuredLayer, Outcome, TensorPair};
use super::prepare::{Prepared, prepare};
use super::{CheckpointIdentity, CompareError, Comparison, Coverage, Fact, config, model_facts};
use crate::checkpoint::fingerprint::{TensorDigest, checkpoint_digest};
use crate::checkpoint::{Checkpoint, Tensor};
use crate::code::FindingCode;
use crate::layer::natural_order;
use crate::spectrum::Estimator;
use crate::term::Progress;

/// A comparison and how long each tensor took; times never enter the report.
#[derive(Debug)]
pub struct Compared {
    pub comparison: Comparison,
    pub timings: BTreeMap<String, Duration>,
}

/// Compares two open checkpoints. Runs on the current rayon pool; the result does not depend on the
/// number of its threads.
///
/// # Errors
///
/// Only where weights cannot be read. What one layer's mathematics cannot do is said in that layer.
pub fn compare(
    base: &Checkpoint,
    tuned: &Checkpoint,
    estimator: &Estimator,
    progress: &dyn Progress,
) -> Result<Compared, CompareError> {
    let prepared = prepare(base, tuned);
    let mut queue: Vec<&TensorPair<'_>> = prepared.pairs.iter().collect();
    queue.sort_by_key(|pair| std::cmp::Reverse(pair.cost()));
    progress.start(queue.len(), queue.iter().map(|pair| pair.bytes()).sum());
    let measured = queue
        .par_iter()
        .map(|pair| {
            let outcome = measure::measure(pair, base, tuned, estimator)?;
            progress.advance(pair.bytes(), &pair.tuned.name);
            Ok((*pair, outcome))
        })
        .collect::<Result<Vec<_>, CompareError>>();
    progress.finish();
    assemble(measured?, &prepared, base, tuned, estimator)
}

fn assemble(
    mut measured: Vec<(&TensorPair<'_>, Outcome)>,
    prepared: &Prepared<'_>,
    base: &Checkpoint,
    tuned: &Checkpoint,
    estimator: &Estimator,
) -> Result<Compared, CompareError> {
    measured.sort_by(|(left, _), (right, _)| natural_order(&left.tuned.name, &right.tuned.name));
    let digests = digests(&measured);
    let mut facts: Vec<Fact> = prepared.facts.clone();
    let mut layers: Vec<MeasuredLayer> = Vec::new();
    let mut timings = BTreeMap::new();
    for (pair, outcome) in measured {
        timings.insert(pair.tuned.name.clone(), outcome.elapsed);
        facts.extend(outcome.facts);
        layers.extend(outcome.layers);
    }
    facts.extend(model_facts::of_model(&layers, prepared, tuned)?);
    facts.extend(config::of_side_files(base, tuned));
    facts.extend(tuned.defects().iter().map(|defect| {
        Fact::plain(
            FindingCode::CorruptFile,
            None,
            format!("`{}`: {}", defect.file, defect.message),
        )
    }));
    let coverage = Coverage {
        compared: layers.len(),
        skipped: prepared.skipped.len(),
        parameters_share: share(prepared.compared_parameters, prepared.total_parameters),
        reasons: prepared.skipped.clone(),
        name_map: prepared.name_map.clone(),
    };
    let (base_digest, tuned_digest) = digests;
    let comparison = Comparison {
        base: identity(base, base_digest),
        tuned: identity(tuned, tuned_digest),
        layers: layers.into_iter().map(|layer| layer.comparison).collect(),
        facts,
        coverage,
        estimator: estimator.describe(),
    };
    Ok(Compared {
        comparison,
        timings,
    })
}

fn identity(checkpoint: &Checkpoint, digest: String) -> CheckpointIdentity {
    CheckpointIdentity {
        reference: checkpoint.reference().to_owned(),
        revision: None,
        digest,
    }
}

/// Digests of the compared tensors of base and tuned.
fn digests(measured: &[(&TensorPair<'_>, Outcome)]) -> (String, String) {
    let base = measured
        .iter()
        .map(|(pair, outcome)| line(pair.base, &outcome.base_sha256));
    let tuned = measured
        .iter()
        .map(|(pair, outcome)| line(pair.tuned, &outcome.tuned_sha256));
    (checkpoint_digest(base), checkpoint_digest(tuned))
}

fn line<'a>(tensor: &'a Tensor, sha256: &'a str) -> TensorDigest<'a> {
    TensorDigest {
        name: &tensor.name,
        dtype: tensor.dtype.as_str(),
        shape: &tensor.shape,
        sha256,
    }
}

/// Nothing to compare is a share of 0.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}
