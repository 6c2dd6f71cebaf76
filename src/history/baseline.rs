//! The runs that a run may be judged against.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Act, Filter, HistoryError, HistoryStore, Run, Standing, standing};
use crate::compare::{BaselineRun, BaselineRuns, Comparison, LeftOut};

/// Runs whose layers are read, counted from the reference: the limits come from these. Newer ones would
/// move with a slow drift.
const LAYER_WINDOW: usize = 40;
/// Runs from the reference on whose numbers of the model are read.
const LONGEST: usize = 400;

/// Runs from before the reference: they are drawn, and nothing else.
const BEFORE_REFERENCE: usize = 40;

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
    BeforeReference,
    TooMany,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "not accepted",
            Self::OtherBase => "another base",
            Self::OtherEstimator => "measured with other settings",
            Self::SameCheckpoint => "the same checkpoint as another run",
            Self::BeforeReference => "older than the newest 40 before the reference",
            Self::TooMany => "between the first 40 and the newest 360",
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
        let with_layers = reference(&kept)..reference(&kept) + LAYER_WINDOW;
        let mut baseline = Vec::new();
        for (index, (run, standing)) in kept.into_iter().enumerate() {
            let layers = if with_layers.contains(&index) {
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

/// Index of the run that the others are judged against: the last one that somebody accepted, or the
/// first.
fn reference(runs: &[(Run, Standing)]) -> usize {
    let accepted = |(_, standing): &(Run, Standing)| *standing == Standing::Anchor;
    runs.iter().rposition(accepted).unwrap_or(0)
}

/// The identities of the runs that set the limits, of each model and branch, on each base and with each
/// setting of the estimators: the runs of [`HistoryStore::baseline`] whose layers are read.
pub fn setting_limits<'a>(runs: &'a [Run], acts: &[Act]) -> BTreeSet<&'a str> {
    let mut lines: BTreeMap<[&str; 4], Vec<(&Run, Standing)>> = BTreeMap::new();
    // As in `choose`: of several runs of one checkpoint the last counts.
    for run in runs.iter().rev() {
        let standing = standing(run, acts);
        let line = [&run.model, &run.branch, &run.base.digest, &run.estimator];
        let line = lines.entry(line.map(String::as_str)).or_default();
        let known = line
            .iter()
            .any(|(other, _)| other.tuned.digest == run.tuned.digest);
        if standing == Standing::Anchor || (standing == Standing::Accepted && !known) {
            line.push((run, standing));
        }
    }
    let mut setting = BTreeSet::new();
    for mut line in lines.into_values() {
        line.reverse();
        let is_anchor = |(_, standing): &(&Run, Standing)| *standing == Standing::Anchor;
        let first = line.iter().rposition(is_anchor).unwrap_or(0);
        let window = line.into_iter().skip(first).take(LAYER_WINDOW);
        setting.extend(window.map(|(run, _)| run.id.as_str()));
    }
    setting
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
        } else {
            None
        };
        match reason {
            Some(reason) => *counts.entry(reason).or_default() += 1,
            None => kept.push((run, standing)),
        }
    }
    kept.reverse();
    let older = reference(&kept).saturating_sub(BEFORE_REFERENCE);
    if older > 0 {
        kept.drain(..older);
        counts.insert(Reason::BeforeReference, older);
    }
    let first = reference(&kept);
    let excess = (kept.len() - first).saturating_sub(LONGEST);
    if excess > 0 {
        kept.drain(first + LAYER_WINDOW..first + LAYER_WINDOW + excess);
        counts.insert(Reason::TooMany, excess);
    }
    let left_out = counts.into_iter().map(|(reason, runs)| LeftOut {
        runs,
        reason: reason.as_str().to_owned(),
    });
    (kept, left_out.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{CheckpointIdentity, Coverage, Levels};
    use crate::history::run::{CheckpointKey, PolicyKey, estimator_digest};
    use crate::verdict::Verdict;

    fn comparison() -> Comparison {
        let identity = |digest: &str| CheckpointIdentity {
            reference: digest.to_owned(),
            revision: None,
            digest: digest.to_owned(),
        };
        Comparison {
            base: identity("base"),
            tuned: identity("tonight"),
            layers: Vec::new(),
            facts: Vec::new(),
            coverage: Coverage::default(),
            estimator: BTreeMap::new(),
        }
    }

    fn night(number: i64) -> Run {
        let key = |digest: String| CheckpointKey {
            reference: digest.clone(),
            digest,
        };
        Run {
            id: format!("{number:016x}"),
            recorded: Timestamp::from_second(86_400 * number).unwrap(),
            model: "nightly".to_owned(),
            branch: "main".to_owned(),
            commit: None,
            base: key("base".to_owned()),
            tuned: key(format!("tuned-{number}")),
            policy: PolicyKey {
                name: "gate".to_owned(),
                digest: String::new(),
            },
            estimator: estimator_digest(&BTreeMap::new()),
            tool: String::new(),
            verdict: Verdict::Pass,
            reason: String::new(),
            fail: 0,
            warn: 0,
            deviates: false,
            layer_count: 0,
            levels: Levels::default(),
        }
    }

    #[test]
    fn many_runs_lose_the_middle_and_never_those_that_set_the_limits() {
        let runs: Vec<Run> = (0..500).map(night).collect();
        let (kept, left_out) = choose(runs, &[], &comparison());
        assert_eq!(kept.len(), LONGEST);
        let ids: Vec<&str> = kept.iter().map(|(run, _)| run.id.as_str()).collect();
        let id = |number: i64| night(number).id;
        assert_eq!(ids[LAYER_WINDOW - 1], id(39));
        assert_eq!(ids[LAYER_WINDOW], id(140));
        assert_eq!(ids[LONGEST - 1], id(499));
        assert_eq!(left_out.len(), 1);
        assert_eq!(left_out[0].runs, 100);
    }

    #[test]
    fn the_limits_start_at_the_last_run_that_somebody_accepted() {
        let runs: Vec<Run> = (0..60).map(night).collect();
        let acts = [7, 50].map(|number| Act {
            acted: Timestamp::from_second(86_400 * 60).unwrap(),
            id: format!("act-{number}"),
            run: night(number).id,
            by: "somebody".to_owned(),
            reason: "a new recipe".to_owned(),
        });
        let (kept, _) = choose(runs.clone(), &acts, &comparison());
        assert_eq!(kept[reference(&kept)].0.id, night(50).id);
        let (kept, _) = choose(runs, &[], &comparison());
        assert_eq!(reference(&kept), 0);
    }

    #[test]
    fn runs_before_the_reference_are_few_however_long_the_history_is() {
        let runs: Vec<Run> = (0..1_500).map(night).collect();
        let accepted = [Act {
            acted: Timestamp::from_second(86_400 * 1_500).unwrap(),
            id: "act".to_owned(),
            run: night(1_000).id,
            by: "somebody".to_owned(),
            reason: "a new recipe".to_owned(),
        }];
        let (kept, left_out) = choose(runs, &accepted, &comparison());
        assert_eq!(kept.len(), BEFORE_REFERENCE + LONGEST);
        assert_eq!(kept[0].0.id, night(960).id);
        assert_eq!(reference(&kept), BEFORE_REFERENCE);
        let counts: Vec<usize> = left_out.iter().map(|left| left.runs).collect();
        assert_eq!(counts, [960, 100]);
    }

    #[test]
    fn the_runs_that_set_the_limits_are_those_whose_layers_are_read() {
        let mut runs: Vec<Run> = (0..60).map(night).collect();
        runs[3].verdict = Verdict::Fail;
        runs[9].tuned.digest = night(5).tuned.digest;
        let (kept, _) = choose(runs.clone(), &[], &comparison());
        let read: BTreeSet<&str> = kept[..LAYER_WINDOW]
            .iter()
            .map(|(run, _)| run.id.as_str())
            .collect();
        assert_eq!(setting_limits(&runs, &[]), read);
        // Another base has limits of its own.
        runs[59].base.digest = "another".to_owned();
        assert_eq!(setting_limits(&runs, &[]).len(), LAYER_WINDOW + 1);
    }
}
