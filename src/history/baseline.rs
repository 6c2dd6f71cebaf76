//! The runs that a run may be judged against.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Act, Filter, HistoryError, HistoryStore, Run, Standing, standing};
use crate::compare::{BaselineRun, BaselineRuns, Comparison, LeftOut};

/// Runs whose layers are read, counted from the newest.
const LAYER_WINDOW: usize = 40;
/// Runs whose numbers of the model are read.
const LONGEST: usize = 400;

/// What a baseline is wanted for.
#[derive(Debug, Clone)]
pub struct BaselineQuery {
    pub model: String,
    pub branch: String,
    /// Only runs recorded before this time: a report that is looked at later is judged as it was.
    pub before: Timestamp,
}

/// Why a run is not part of a baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    Open,
    OtherBase,
    OtherEstimator,
    SameCheckpoint,
    TooOld,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "not accepted",
            Self::OtherBase => "another base",
            Self::OtherEstimator => "measured with other settings",
            Self::SameCheckpoint => "the same checkpoint as another run",
            Self::TooOld => "older than the newest 400",
        }
    }
}

impl HistoryStore {
    /// The accepted runs of one model and branch that `comparison` may be judged against: the same
    /// base, the same settings of the estimators. Runs of one and the same checkpoint count once, and
    /// those of the checkpoint at hand only where somebody accepted it: copies would pass for
    /// evidence that the numbers do not vary.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn baseline(
        &mut self,
        query: &BaselineQuery,
        comparison: &Comparison,
    ) -> Result<BaselineRuns, HistoryError> {
        let filter = Filter {
            model: Some(query.model.clone()),
            branch: Some(query.branch.clone()),
            since: None,
        };
        let (mut runs, acts) = self.runs(&filter)?;
        runs.retain(|run| run.recorded < query.before);
        let source = source(self.location(), query);
        let (kept, left_out) = choose(runs, &acts, comparison);
        let first_with_layers = kept.len().saturating_sub(LAYER_WINDOW);
        let mut baseline = Vec::new();
        for (index, (run, standing)) in kept.into_iter().enumerate() {
            let layers = if index >= first_with_layers {
                self.layers(&run.id)?
            } else {
                Vec::new()
            };
            baseline.push(BaselineRun {
                id: run.id,
                recorded: run.recorded.to_string(),
                commit: run.commit,
                tuned_digest: run.tuned.digest,
                anchor: standing == Standing::Anchor,
                levels: run.levels,
                layers,
            });
        }
        Ok(BaselineRuns {
            source,
            runs: baseline,
            left_out,
        })
    }
}

impl BaselineQuery {
    /// A baseline without a run, for a store that is not there yet.
    pub fn nothing(&self, location: &str) -> BaselineRuns {
        BaselineRuns {
            source: source(location, self),
            ..BaselineRuns::default()
        }
    }
}

fn source(location: &str, query: &BaselineQuery) -> String {
    format!("{location}, model {}, branch {}", query.model, query.branch)
}

/// The runs that count, oldest first, and how many do not, by reason.
fn choose(
    runs: Vec<Run>,
    acts: &[Act],
    comparison: &Comparison,
) -> (Vec<(Run, Standing)>, Vec<LeftOut>) {
    let estimator = super::run::estimator_digest(&comparison.estimator);
    let mut counts: BTreeMap<Reason, usize> = BTreeMap::new();
    let mut kept: Vec<(Run, Standing)> = Vec::new();
    // Newest first, so that of several runs of one checkpoint the last counts.
    for run in runs.into_iter().rev() {
        let standing = standing(&run, acts);
        let is_anchor = standing == Standing::Anchor;
        let digest = &run.tuned.digest;
        let known = kept.iter().any(|(other, _)| other.tuned.digest == *digest);
        let at_hand = comparison.tuned.digest == *digest;
        let reason = if standing == Standing::Open {
            Some(Reason::Open)
        } else if run.estimator != estimator {
            Some(Reason::OtherEstimator)
        } else if run.base.digest != comparison.base.digest {
            Some(Reason::OtherBase)
        } else if (known || at_hand) && !is_anchor {
            Some(Reason::SameCheckpoint)
        } else if kept.len() >= LONGEST {
            Some(Reason::TooOld)
        } else {
            None
        };
        match reason {
            Some(reason) => *counts.entry(reason).or_default() += 1,
            None => kept.push((run, standing)),
        }
    }
    kept.reverse();
    let left_out = counts.into_iter().map(|(reason, runs)| LeftOut {
        runs,
        reason: reason.as_str().to_owned(),
    });
    (kept, left_out.collect())
}
