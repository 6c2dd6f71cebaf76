//! The comparison as a whole: pair, measure in parallel, put together in the order of the names.

use std::collections::BTreeMap;
use std::time::Duration;

use super::measure::{self, TensorPair};
use super::part::{Common, PairResult, Part, Shard, TensorLine};
use super::prepare::{Prepared, prepare};
use super::{CompareError, Fact, adapter, config, model_facts, replay};
use crate::cache::Store;
use crate::checkpoint::{Checkpoint, CheckpointError, LaidOut, Tensor, read_ahead};
use crate::code::FindingCode;
use crate::spectrum::{Estimator, MemoryLimit, run_in_order};
use crate::term::Progress;

/// How to compare.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    pub estimator: &'a Estimator,
    pub progress: &'a dyn Progress,
    /// What the pairs in flight may take.
    pub memory: MemoryLimit,
    /// Where results of unchanged pairs are kept.
    pub store: Option<&'a Store>,
    /// The base with the adapter that the tuned checkpoint is said to hold.
    pub replay: Option<&'a Checkpoint>,
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            estimator,
            store,
            memory,
            replay,
            progress: _,
        } = self;
        let mut fields = formatter.debug_struct("Options");
        fields
            .field("estimator", estimator)
            .field("store", store)
            .field("memory", memory)
            .field("replay", &replay.map(Checkpoint::reference))
            .finish_non_exhaustive()
    }
}

/// What was compared and how long each tensor took; times never enter the report.
#[derive(Debug)]
pub struct Compared {
    pub result: Part,
    pub timings: BTreeMap<String, Duration>,
}

/// Compares two open checkpoints, or measures one share of their tensors;
/// [`Comparison::from_parts`](super::Comparison::from_parts) joins the shares. Runs on the current rayon
/// pool; the result does not depend on the number of its threads.
///
/// # Errors
/// Only where weights cannot be read. What one layer's mathematics cannot do is said in that layer.
pub fn compare_part(
    base: &Checkpoint,
    tuned: &Checkpoint,
    shard: Shard,
    options: Options<'_>,
) -> Result<Compared, CompareError> {
    let Options {
        estimator,
        progress,
        memory,
        store,
        replay,
    } = options;
    let laid_out = base.laid_out_like(tuned);
    let base = laid_out.as_ref().map_or(base, |laid_out| &laid_out.base);
    let mut prepared = prepare(base, tuned);
    if let Some(LaidOut { tensors, .. }) = laid_out {
        let note =
            format!("; put {tensors} tensors of the base into the tuned checkpoint's layout");
        prepared.name_map.push_str(&note);
    }
    let costs: Vec<u128> = prepared.pairs.iter().map(TensorPair::cost).collect();
    // The costliest first, so that no worker is left with a large one at the end.
    let queue: Vec<&TensorPair<'_>> = shard
        .select(&costs)
        .into_iter()
        .map(|index| &prepared.pairs[index])
        .collect();
    progress.start(queue.len(), queue.iter().map(|pair| pair.bytes()).sum());
    let need = |pair: &&TensorPair<'_>| pair.memory(estimator);
    let _ahead = read_ahead(
        queue
            .iter()
            .flat_map(|pair| [(base, pair.base), (tuned, pair.tuned)]),
    );
    let measured = run_in_order(&queue, memory, need, |pair| {
        let outcome = measure::measure_through(store, pair, base, tuned, estimator)?;
        progress.advance(pair.bytes(), &pair.tuned.name);
        let elapsed = outcome.elapsed;
        let result = PairResult {
            base: line(pair.base, &outcome.base_sha256),
            tuned: line(pair.tuned, &outcome.tuned_sha256),
            outcome,
        };
        Ok::<_, CompareError>((result, elapsed))
    });
    progress.finish();
    let mut common = common(&prepared, base, tuned, estimator)?;
    if let Some(expected) = replay {
        let facts = replay::of_adapter(base, tuned, expected, memory)?;
        common.facts.extend(facts);
    }
    let mut timings = BTreeMap::new();
    let mut results = Vec::new();
    for (result, elapsed) in measured? {
        timings.insert(result.tuned.name.clone(), elapsed);
        results.push(result);
    }
    Ok(Compared {
        result: Part::new(shard, common, results),
        timings,
    })
}

/// What is known before any weight is read, but for the few tensors that may be tied.
fn common(
    prepared: &Prepared<'_>,
    base: &Checkpoint,
    tuned: &Checkpoint,
    estimator: &Estimator,
) -> Result<Common, CheckpointError> {
    let mut facts: Vec<Fact> = prepared.facts.clone();
    facts.extend(model_facts::untied_aliases(&prepared.tied_aliases, tuned)?);
    facts.extend(config::of_side_files(base, tuned));
    facts.extend(tuned.defects().iter().map(|defect| {
        let message = format!("`{}`: {}", defect.file, defect.message);
        Fact::plain(FindingCode::CorruptFile, None, message)
    }));
    Ok(Common {
        base: base.reference().to_owned(),
        tuned: tuned.reference().to_owned(),
        base_revision: base.revision().map(str::to_owned),
        tuned_revision: tuned.revision().map(str::to_owned),
        estimator: adapter::describe(estimator, base, tuned),
        facts,
        skipped: prepared.skipped.clone(),
        name_map: prepared.name_map.clone(),
        compared_parameters: prepared.compared_parameters,
        total_parameters: prepared.total_parameters,
        has_new_heads: !prepared.new_heads.is_empty(),
        tensors: prepared
            .pairs
            .iter()
            .map(|pair| pair.tuned.name.clone())
            .collect(),
    })
}

fn line(tensor: &Tensor, sha256: &str) -> TensorLine {
    TensorLine {
        name: tensor.name.clone(),
        dtype: tensor.dtype.as_str().to_owned(),
        shape: tensor.shape.clone(),
        sha256: sha256.to_owned(),
    }
}
