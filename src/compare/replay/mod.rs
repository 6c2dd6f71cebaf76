//! Is the tuned checkpoint its base with that adapter? The merge is done again, and compared.
//!
//! The merged weights were rounded to their dtype, and where an update is smaller than half a step of
//! it most entries do not change at all: the plain least-squares factor of a correct merge in bf16 is then far
//! below 1. So each hypothesis c is rounded too: `E(c) = round(W0 + c dW)`, and its misfit
//! `M(c) = |W - E(c)|^2` is held against the change that c = 1 makes to stored weights, `|E(1) - E(0)|^2`. A
//! base in higher precision may have been rounded before the merge; the better of both ways counts.

mod entries;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::entries::{Entries, NEAR, Replay};
use super::Fact;
use crate::checkpoint::{Checkpoint, CheckpointError, Tensor, pair, to_f64};
use crate::code::FindingCode;
use crate::layer::LayerName;
use crate::num::{self, Finite};
use crate::spectrum::{MemoryLimit, run_in_order};

/// Names in one message.
const NAMED: usize = 3;

/// One adapted tensor of the base, what it should have become, and what it is.
struct Job<'a> {
    base: &'a Tensor,
    expected: &'a Tensor,
    tuned: &'a Tensor,
}

/// Facts about the adapter that `tuned` is said to hold; `expected` is `base` with it.
pub(super) fn of_adapter(
    base: &Checkpoint,
    tuned: &Checkpoint,
    expected: &Checkpoint,
    memory: MemoryLimit,
) -> Result<Vec<Fact>, CheckpointError> {
    let pairing = pair(expected, tuned);
    let names: BTreeMap<&str, &str> = pairing
        .pairs
        .iter()
        .map(|(expected, tuned)| (expected.as_str(), tuned.as_str()))
        .collect();
    let jobs = jobs(base, tuned, expected, &names);
    let need = |job: &Job<'_>| {
        // Stored bytes, three vectors in f64, and the update.
        job.base.byte_length() + job.tuned.byte_length() + 28 * job.base.parameters()
    };
    let found = run_in_order(&jobs, memory, need, |job| {
        let update = expected.update_of(job.expected)?.unwrap_or_default();
        let entries = Entries {
            before: to_f64(job.base.dtype, &base.bytes(job.base)?),
            after: to_f64(job.tuned.dtype, &tuned.bytes(job.tuned)?),
            update,
            dtype: job.tuned.dtype,
        }
        .with_true_dtype();
        let replay = entries.replay(&causes(&expected.update_scales(job.expected)));
        Ok::<_, CheckpointError>((job.tuned.name.as_str(), replay))
    })?;
    let mut facts = summarise(&found);
    // Modules that the adapter holds whole and the base lacks.
    let brought = pairing
        .base_only
        .iter()
        .filter(|name| base.tensor(name).is_none() && !base.skipped().contains_key(*name));
    facts.extend(brought.map(|name| {
        let message = "the adapter holds it, and the tuned checkpoint does not".to_owned();
        let layer = Some(LayerName::new(name.clone()));
        Fact::plain(FindingCode::AdapterNotMerged, layer, message)
    }));
    Ok(facts)
}

/// The adapted tensors that both checkpoints hold in one shape; `names` are those of the tuned one.
fn jobs<'a>(
    base: &'a Checkpoint,
    tuned: &'a Checkpoint,
    expected: &'a Checkpoint,
    names: &BTreeMap<&str, &str>,
) -> Vec<Job<'a>> {
    expected
        .adapted_tensors()
        .filter_map(|expected| {
            let tuned = tuned.tensor(names.get(expected.name.as_str())?)?;
            let base = base.tensor(&expected.name)?;
            (tuned.shape == base.shape).then_some(Job {
                base,
                expected,
                tuned,
            })
        })
        .collect()
}

/// Usual factors with what leads to them, for updates of these scales and ranks.
fn causes(scales: &[(f64, usize)]) -> Vec<(f64, String)> {
    let mut causes = vec![
        (2.0, "it was merged twice".to_owned()),
        (-1.0, "it was subtracted".to_owned()),
    ];
    if let [(scale, rank), ..] = scales {
        let (scale, rank) = (*scale, *rank as f64);
        causes.extend([
            (1.0 / scale, format!("its scale {scale} was left out")),
            (scale, format!("its scale {scale} was applied twice")),
            (rank, "it was not divided by the rank".to_owned()),
            (1.0 / rank, "it was divided by the rank twice".to_owned()),
            (
                rank.sqrt(),
                "it was divided by the square root of the rank instead of the rank".to_owned(),
            ),
            (
                1.0 / rank.sqrt(),
                "it was divided by the rank instead of its square root".to_owned(),
            ),
            (1.0 / (scale * rank), "its alpha was left out".to_owned()),
        ]);
    }
    // What cannot be told from a correct merge is no cause.
    causes.retain(|(factor, _)| factor.is_finite() && (factor - 1.0).abs() > NEAR);
    causes
}

/// One fact for each thing that went wrong, with the tensors that show it.
fn summarise(found: &[(&str, Replay)]) -> Vec<Fact> {
    let mut groups: BTreeMap<(FindingCode, &str), Group<'_>> = BTreeMap::new();
    for (name, replay) in found {
        let (code, cause, factor, left) = match replay {
            Replay::Merged => continue,
            Replay::NotMerged => (FindingCode::AdapterNotMerged, "", 0.0, 0.0),
            Replay::Scaled { factor, cause } => {
                let cause = cause.as_deref().unwrap_or("");
                (FindingCode::AdapterWrongScale, cause, *factor, 0.0)
            }
            Replay::Other { factor, left } => {
                (FindingCode::AdapterWrongScale, OTHER, *factor, *left)
            }
        };
        let group = groups.entry((code, cause)).or_default();
        group.names.push(name);
        group.factors.push(factor);
        group.left.push(left);
    }
    groups
        .iter()
        .map(|((code, cause), group)| group.fact(*code, cause, found.len()))
        .collect()
}

const OTHER: &str = "other";

/// Tensors with which the same went wrong.
#[derive(Default)]
struct Group<'a> {
    names: Vec<&'a str>,
    factors: Vec<f64>,
    left: Vec<f64>,
}

impl Group<'_> {
    fn fact(&self, code: FindingCode, cause: &str, adapted: usize) -> Fact {
        let factor = num::median(&self.factors).unwrap_or(f64::NAN);
        let left = 100.0 * num::median(&self.left).unwrap_or(f64::NAN);
        let what = match (code, cause) {
            (FindingCode::AdapterNotMerged, _) => {
                "nothing of the adapter's update is in it: the adapter was not merged".to_owned()
            }
            (_, OTHER) => format!(
                "it is not the base with the adapter: the best factor of the adapter's update is \
                 {factor:.3}, and leaves {left:.0} % of the change"
            ),
            (_, "") => format!("it holds the adapter's update {factor:.3} times"),
            (_, cause) => format!("it holds the adapter's update {factor:.3} times: {cause}"),
        };
        let quoted = |name: &&str| format!("`{name}`");
        let names: Vec<String> = self.names.iter().take(NAMED).map(quoted).collect();
        let (layer, message) = match self.names.as_slice() {
            [name] => (Some(LayerName::new(*name)), what),
            names_of_all => {
                let count = names_of_all.len();
                let more = if count > NAMED { ", ..." } else { "" };
                let names = names.join(", ");
                let message =
                    format!("{count} of {adapted} adapted tensors ({names}{more}): {what}");
                (None, message)
            }
        };
        Fact {
            observed: Finite::new(factor),
            ..Fact::plain(code, layer, message)
        }
    }
}
