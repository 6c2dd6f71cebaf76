//! A comparison in parts: each process measures its share of the tensors, and the parts are put
//! together to the comparison that one process would have given.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::measure::{MeasuredLayer, Outcome};
use super::{CheckpointIdentity, Comparison, Coverage, Fact, SkippedTensor, model_facts};
use crate::checkpoint::fingerprint::{TensorDigest, checkpoint_digest};
use crate::layer::natural_order;

/// Format of a part; a part of another format is refused.
const SCHEMA: u32 = 1;

/// Share `index` (from 1) of `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shard {
    pub index: u32,
    pub count: u32,
}

impl Shard {
    pub const WHOLE: Self = Self { index: 1, count: 1 };

    /// Which of the jobs with these costs belong to this share. Every job goes to the share that has
    /// least so far, the costly ones first, so that the shares are about equal and any two
    /// processes agree on them.
    pub(super) fn select(self, costs: &[u128]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..costs.len()).collect();
        order.sort_by_key(|job| (std::cmp::Reverse(costs[*job]), *job));
        let mut loads = vec![0_u128; self.count as usize];
        let mut selected = Vec::new();
        for job in order {
            let lightest = (0..loads.len())
                .min_by_key(|share| (loads[*share], *share))
                .unwrap_or(0);
            loads[lightest] += costs[job];
            if lightest + 1 == self.index as usize {
                selected.push(job);
            }
        }
        selected
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("expected K/N with K from 1 to N, got `{text}`");
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let number = |part: &str| part.trim().parse::<u32>().ok();
        match (number(index), number(count)) {
            (Some(index), Some(count)) if index >= 1 && index <= count => Ok(Self { index, count }),
            _ => Err(wrong()),
        }
    }
}

/// One share of a comparison, complete enough to be judged together with the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    schema: u32,
    version: String,
    shard: Shard,
    /// What every part of one comparison has in common.
    pub(super) common: Common,
    pub(super) results: Vec<PairResult>,
}

/// What is known of the pair before any weight is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Common {
    pub(super) base: String,
    pub(super) tuned: String,
    /// Commits that were read, where the checkpoints have some.
    pub(super) base_revision: Option<String>,
    pub(super) tuned_revision: Option<String>,
    pub(super) estimator: BTreeMap<String, serde_json::Value>,
    pub(super) facts: Vec<Fact>,
    pub(super) skipped: Vec<SkippedTensor>,
    pub(super) name_map: String,
    pub(super) compared_parameters: u64,
    pub(super) total_parameters: u64,
    pub(super) has_new_heads: bool,
    /// Names in the tuned checkpoint of all tensors to measure.
    pub(super) tensors: Vec<String>,
}

/// A tensor as the digest of its checkpoint names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TensorLine {
    pub(super) name: String,
    pub(super) dtype: String,
    pub(super) shape: Vec<usize>,
    pub(super) sha256: String,
}

/// One measured pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct PairResult {
    pub(super) base: TensorLine,
    pub(super) tuned: TensorLine,
    pub(super) outcome: Outcome,
}

/// Why parts do not make one comparison.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    #[error("there is no part")]
    None,
    #[error("part {index} was written by tunegate {found}, this is {}", env!("CARGO_PKG_VERSION"))]
    Version { index: usize, found: String },
    #[error("part {index} is share {} of {}, the first is of {count}", shard.index, shard.count)]
    Count {
        index: usize,
        shard: Shard,
        count: u32,
    },
    #[error("share {share} of {count} is there twice")]
    Doubled { share: u32, count: u32 },
    #[error("share {share} of {count} is missing")]
    Missing { share: u32, count: u32 },
    #[error("part {index} belongs to another comparison: {difference}")]
    Foreign { index: usize, difference: String },
    #[error("tensor `{tensor}` is measured in no part or in two")]
    Tensors { tensor: String },
}

impl Part {
    pub(super) fn new(shard: Shard, common: Common, results: Vec<PairResult>) -> Self {
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            shard,
            common,
            results,
        }
    }

    pub fn shard(&self) -> Shard {
        self.shard
    }

    /// How the base was named when the part was made.
    pub fn base_reference(&self) -> &str {
        &self.common.base
    }

    /// Number of tensors that this part measured.
    pub fn tensor_count(&self) -> usize {
        self.results.len()
    }
}

impl Comparison {
    /// Puts the parts of one comparison together. Their order does not matter, and the result is that
    /// of a single process.
    ///
    /// # Errors
    /// Where a part is missing, doubled, of another version or of another comparison. Indices in
    /// errors count from 1 in the order given.
    pub fn from_parts(parts: Vec<Part>) -> Result<Self, PartError> {
        check_parts(&parts)?;
        let mut common = None;
        let mut results = Vec::new();
        for part in parts {
            results.extend(part.results);
            common.get_or_insert(part.common);
        }
        let common = common.ok_or(PartError::None)?;
        results.sort_by(|left, right| natural_order(&left.tuned.name, &right.tuned.name));
        check_tensors(&common, &results)?;
        Ok(assemble(common, results))
    }
}

fn check_parts(parts: &[Part]) -> Result<(), PartError> {
    let first = parts.first().ok_or(PartError::None)?;
    let count = first.shard.count;
    let mut shares = BTreeSet::new();
    for (index, part) in (1..).zip(parts) {
        if part.schema != SCHEMA || part.version != env!("CARGO_PKG_VERSION") {
            let found = format!("{} (schema {})", part.version, part.schema);
            return Err(PartError::Version { index, found });
        }
        if part.shard.count != count {
            return Err(PartError::Count {
                index,
                shard: part.shard,
                count,
            });
        }
        if let Some(difference) = difference(&first.common, &part.common) {
            return Err(PartError::Foreign { index, difference });
        }
        if !shares.insert(part.shard.index) {
            return Err(PartError::Doubled {
                share: part.shard.index,
                count,
            });
        }
    }
    match (1..=count).find(|share| !shares.contains(share)) {
        Some(share) => Err(PartError::Missing { share, count }),
        None => Ok(()),
    }
}

/// What tells two parts apart that should have everything in common.
fn difference(first: &Common, other: &Common) -> Option<String> {
    if first == other {
        None
    } else if first.base != other.base {
        Some(format!(
            "the base is `{}`, in the first part `{}`",
            other.base, first.base
        ))
    } else if first.tuned != other.tuned {
        Some(format!(
            "the tuned checkpoint is `{}`, in the first part `{}`",
            other.tuned, first.tuned
        ))
    } else if (&first.base_revision, &first.tuned_revision)
        != (&other.base_revision, &other.tuned_revision)
    {
        Some("the revisions that were read differ: pin a commit in the references".to_owned())
    } else if first.estimator != other.estimator {
        Some("the estimator's settings differ".to_owned())
    } else {
        Some("the checkpoints' names, shapes or files differ".to_owned())
    }
}

/// Every tensor exactly once.
fn check_tensors(common: &Common, results: &[PairResult]) -> Result<(), PartError> {
    let mut expected: Vec<&str> = common.tensors.iter().map(String::as_str).collect();
    expected.sort_by(|left, right| natural_order(left, right));
    let mut found = results.iter().map(|result| result.tuned.name.as_str());
    for name in expected {
        match found.next() {
            Some(measured) if measured == name => {}
            Some(_) | None => {
                return Err(PartError::Tensors {
                    tensor: name.to_owned(),
                });
            }
        }
    }
    match found.next() {
        Some(extra) => Err(PartError::Tensors {
            tensor: extra.to_owned(),
        }),
        None => Ok(()),
    }
}

fn assemble(common: Common, results: Vec<PairResult>) -> Comparison {
    let digest = |side: fn(&PairResult) -> &TensorLine| {
        checkpoint_digest(results.iter().map(|result| {
            let TensorLine {
                name,
                dtype,
                shape,
                sha256,
            } = side(result);
            TensorDigest {
                name,
                dtype,
                shape,
                sha256,
            }
        }))
    };
    let base = CheckpointIdentity {
        digest: digest(|result| &result.base),
        reference: common.base,
        revision: common.base_revision,
    };
    let tuned = CheckpointIdentity {
        digest: digest(|result| &result.tuned),
        reference: common.tuned,
        revision: common.tuned_revision,
    };
    let mut facts = common.facts;
    let mut layers: Vec<MeasuredLayer> = Vec::new();
    for result in results {
        facts.extend(result.outcome.facts);
        layers.extend(result.outcome.layers);
    }
    facts.extend(model_facts::of_model(&layers, common.has_new_heads));
    let coverage = Coverage {
        compared: layers.len(),
        skipped: common.skipped.len(),
        parameters_share: share(common.compared_parameters, common.total_parameters),
        reasons: common.skipped,
        name_map: common.name_map,
    };
    Comparison {
        base,
        tuned,
        layers: layers.into_iter().map(|layer| layer.comparison).collect(),
        facts,
        coverage,
        estimator: common.estimator,
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_shard_is_read_from_k_of_n() {
        assert_eq!("2/3".parse(), Ok(Shard { index: 2, count: 3 }));
        for wrong in ["0/3", "4/3", "1", "a/b", "1/0", "-1/2", "1/2/3"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_job_belongs_to_exactly_one_share(
            costs in proptest::collection::vec(0_u128..1000, 0..40),
            count in 1_u32..8,
        ) {
            let mut all: Vec<usize> = (1..=count)
                .flat_map(|index| Shard { index, count }.select(&costs))
                .collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..costs.len()).collect::<Vec<_>>());
        }

        #[test]
        fn no_share_is_heavier_than_the_mean_and_one_job(
            costs in proptest::collection::vec(0_u128..1000, 1..40),
            count in 1_u32..8,
        ) {
            let total: u128 = costs.iter().sum();
            let largest = costs.iter().copied().max().unwrap_or(0);
            for index in 1..=count {
                let share = Shard { index, count }.select(&costs);
                let load: u128 = share.iter().map(|job| costs[*job]).sum();
                prop_assert!(load * u128::from(count) <= total + largest * u128::from(count));
            }
        }
    }
}
