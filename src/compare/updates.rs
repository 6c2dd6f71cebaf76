//! How far one checkpoint is from another, entry by entry, without a spectrum of either: what the flow
//! over the checkpoints of a run needs beside the metrics of each.

use std::collections::BTreeMap;

use super::entries::{PairSums, Stored};
use super::measure::TensorPair;
use super::prepare::prepare;
use super::{Fact, drift};
use crate::checkpoint::{Checkpoint, CheckpointError, LaidOut, read_ahead};
use crate::code::FindingCode;
use crate::layer::{Form, LayerName, LayerSource};
use crate::num::Measured;
use crate::spectrum::metric::{Metric, MetricTable};
use crate::spectrum::{MemoryLimit, layer_bytes, run_in_order};

/// What the entries of a pair say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Updates {
    /// `relative_update`, `cosine` and `changed_fraction` of every matrix and vector that both sides
    /// have, by its name in the second checkpoint.
    pub layers: BTreeMap<LayerName, MetricTable>,
    /// Tensors that are only on one side, of another shape, or hold NaN or infinite values; files of the second
    /// checkpoint that cannot be read whole.
    pub facts: Vec<Fact>,
    /// NaN or infinite values of the base, by their names there.
    pub base_facts: Vec<Fact>,
    /// What the base calls each layer of `layers`.
    pub base_names: BTreeMap<LayerName, LayerName>,
    /// |W - W0|_F / |W0|_F over everything that both sides have.
    pub relative_update: Option<Measured>,
}

/// Compares the entries of two open checkpoints on the current rayon pool, one tensor pair a worker in
/// memory; 2 N M flops an N x M matrix.
///
/// # Errors
/// Where weights cannot be read.
pub fn updates(
    base: &Checkpoint,
    later: &Checkpoint,
    memory: MemoryLimit,
) -> Result<Updates, CheckpointError> {
    let laid_out = base.laid_out_like(later);
    let base = laid_out.as_ref().map_or(base, |LaidOut { base, .. }| base);
    let prepared = prepare(base, later);
    let need = |pair: &TensorPair<'_>| pair.bytes();
    let _ahead = read_ahead(
        prepared
            .pairs
            .iter()
            .flat_map(|pair| [(base, pair.base), (later, pair.tuned)]),
    );
    let measured = run_in_order(&prepared.pairs, memory, need, |pair| {
        let (before, after) = (pair.base, pair.tuned);
        let (before_bytes, after_bytes) = (base.bytes(before)?, later.bytes(after)?);
        let of_layer = |layer: &LayerSource| {
            let before = Stored {
                dtype: before.dtype,
                bytes: &layer_bytes(&before_bytes, before, layer),
            };
            let after = Stored {
                dtype: after.dtype,
                bytes: &layer_bytes(&after_bytes, after, layer),
            };
            (layer.name.clone(), PairSums::of(before, after))
        };
        let compared = pair
            .layers
            .iter()
            .filter(|layer| !matches!(layer.form, Form::NotAMatrix(_)))
            .map(of_layer)
            .collect::<Vec<_>>();
        Ok::<_, CheckpointError>(compared)
    })?;
    let mut result = Updates {
        facts: prepared.facts.clone(),
        ..Updates::default()
    };
    result.facts.extend(later.defects().iter().map(|defect| {
        let message = format!("`{}`: {}", defect.file, defect.message);
        Fact::plain(FindingCode::CorruptFile, None, message)
    }));
    let names = prepared.pairs.iter().flat_map(|pair| {
        let of = |layer: &LayerSource| (layer.name.clone(), base_name(pair, &layer.name));
        pair.layers.iter().map(of)
    });
    result.base_names = names.collect();
    let mut whole = PairSums::default();
    for (name, sums) in measured.into_iter().flatten() {
        whole = whole.plus(sums);
        result.add(name, &sums);
    }
    result.relative_update = (whole.count > 0).then(|| of_whole(&whole));
    Ok(result)
}

impl Updates {
    fn add(&mut self, name: LayerName, sums: &PairSums) {
        let mut table = MetricTable::default();
        if sums.is_finite() {
            drift::of_entries(sums, &mut table);
        } else {
            let (side, count) = match (sums.base_nonfinite, sums.tuned_nonfinite) {
                (count, 0) => ("earlier", count),
                (_, count) => ("later", count),
            };
            let reason = format!("the {side} tensor holds {count} non-finite values");
            for metric in [
                Metric::RelativeUpdate,
                Metric::Cosine,
                Metric::ChangedFraction,
            ] {
                table.set(metric, Measured::failed(reason.clone()));
            }
        }
        let non_finite = |count: u64, place: &str, name: &LayerName| {
            let message = format!(
                "{count} of {} values{place} are NaN or infinite",
                sums.count
            );
            Fact::plain(FindingCode::NonFinite, Some(name.clone()), message)
        };
        if sums.tuned_nonfinite > 0 {
            self.facts.push(non_finite(sums.tuned_nonfinite, "", &name));
        }
        if sums.base_nonfinite > 0 {
            let name = self.base_names.get(&name).unwrap_or(&name);
            self.base_facts
                .push(non_finite(sums.base_nonfinite, " of the base", name));
        }
        self.layers.insert(name, table);
    }
}

/// A layer's name with the base's tensor in the place of the later one's.
fn base_name(pair: &TensorPair<'_>, layer: &LayerName) -> LayerName {
    let part = layer.as_str().strip_prefix(pair.tuned.name.as_str());
    part.map_or_else(
        || layer.clone(),
        |part| LayerName::new(format!("{}{part}", pair.base.name)),
    )
}

fn of_whole(sums: &PairSums) -> Measured {
    if !sums.is_finite() {
        return Measured::failed("some values are not finite");
    }
    sums.relative_update().map_or_else(
        || Measured::not_applicable("the base is all zero"),
        Measured::of,
    )
}
