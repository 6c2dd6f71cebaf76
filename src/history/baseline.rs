//! The runs that a run may be judged against.

use std::borrow::Borrow;
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

/// Why runs are left out that a clock may have put there.
pub const LATER: &str = "recorded at a later time than this run";

/// Why a run is not part of a baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    Open,
    OtherBase,
    OtherEstimator,
    SameCheckpoint,
    BeforeReference,
    TooMany,
    Later,
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
            Self::Later => LATER,
        }
    }
}

impl Reason {
    fn of(self, runs: usize) -> LeftOut {
        LeftOut {
            runs,
            reason: self.as_str().to_owned(),
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
        let all = runs.len();
        runs.retain(|run| run.recorded < query.before);
        let later = all - runs.len();
        let estimator = super::run::estimator_digest(&comparison.estimator);
        let judged = Judged {
            base: &comparison.base.digest,
            tuned: Some(&comparison.tuned.digest),
            estimator: &estimator,
        };
        let (kept, mut left_out) = choose(runs, &acts, judged);
        left_out.extend((later > 0).then(|| Reason::Later.of(later)));
        Ok(BaselineRuns {
            source: source(self.location(), query),
            runs: self.with_layers(kept)?,
            left_out,
        })
    }

    /// What one more run like `last`, on its base and measured as it was, would be judged against: of
    /// `runs`, which are those of its model and branch.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn baseline_after(
        &mut self,
        last: &Run,
        runs: Vec<Run>,
        acts: &[Act],
    ) -> Result<BaselineRuns, HistoryError> {
        let query = BaselineQuery {
            model: last.model.clone(),
            branch: last.branch.clone(),
            before: last.recorded,
        };
        let judged = Judged {
            base: &last.base.digest,
            tuned: None,
            estimator: &last.estimator,
        };
        let (kept, left_out) = choose(runs, acts, judged);
        Ok(BaselineRuns {
            source: source(self.location(), &query),
            runs: self.with_layers(kept)?,
            left_out,
        })
    }

    /// Runs that count, the first ones since the reference with their layers.
    fn with_layers(
        &mut self,
        kept: Vec<(Run, Standing)>,
    ) -> Result<Vec<BaselineRun>, HistoryError> {
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
        Ok(baseline)
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
fn reference<R>(runs: &[(R, Standing)]) -> usize {
    let accepted = |(_, standing): &(R, Standing)| *standing == Standing::Anchor;
    runs.iter().rposition(accepted).unwrap_or(0)
}

/// Takes out all runs of a checkpoint but one, and tells how many these were. From the reference on the
/// first one stays, so that a checkpoint that is judged once more does not leave the runs that set the
/// limits; before it the last one. What somebody accepted always stays.
fn once_each<R: Borrow<Run>>(runs: &mut Vec<(R, Standing)>) -> usize {
    let first = reference(runs);
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut repeated = BTreeSet::new();
    for index in (first..runs.len()).chain((0..first).rev()) {
        let (run, standing) = &runs[index];
        if !seen.insert(&run.borrow().tuned.digest) && *standing != Standing::Anchor {
            repeated.insert(index);
        }
    }
    let mut index = 0..;
    runs.retain(|_| index.next().is_none_or(|index| !repeated.contains(&index)));
    repeated.len()
}

/// The identities of the runs that set the limits, of each model and branch, on each base and with each
/// setting of the estimators: the runs of [`HistoryStore::baseline`] whose layers are read.
pub fn setting_limits<'a>(runs: &'a [Run], acts: &[Act]) -> BTreeSet<&'a str> {
    let mut lines: BTreeMap<[&str; 4], Vec<(&Run, Standing)>> = BTreeMap::new();
    for run in runs {
        let standing = standing(run, acts);
        let line = [&run.model, &run.branch, &run.base.digest, &run.estimator];
        let line = lines.entry(line.map(String::as_str)).or_default();
        if standing != Standing::Open {
            line.push((run, standing));
        }
    }
    let mut setting = BTreeSet::new();
    for mut line in lines.into_values() {
        once_each(&mut line);
        let first = reference(&line);
        let window = line.into_iter().skip(first).take(LAYER_WINDOW);
        setting.extend(window.map(|(run, _)| run.id.as_str()));
    }
    setting
}

/// The run that a baseline is for.
#[derive(Debug, Clone, Copy)]
struct Judged<'a> {
    base: &'a str,
    /// `None`: a run that is still to come.
    tuned: Option<&'a str>,
    estimator: &'a str,
}

/// The runs that count, oldest first, and how many do not, by reason.
fn choose(
    runs: Vec<Run>,
    acts: &[Act],
    judged: Judged<'_>,
) -> (Vec<(Run, Standing)>, Vec<LeftOut>) {
    let mut counts: BTreeMap<Reason, usize> = BTreeMap::new();
    let mut kept: Vec<(Run, Standing)> = Vec::new();
    for run in runs {
        let standing = standing(&run, acts);
        let at_hand = judged.tuned == Some(run.tuned.digest.as_str());
        let reason = if standing == Standing::Open {
            Some(Reason::Open)
        } else if run.estimator != judged.estimator {
            Some(Reason::OtherEstimator)
        } else if run.base.digest != judged.base {
            Some(Reason::OtherBase)
        } else if at_hand && standing != Standing::Anchor {
            Some(Reason::SameCheckpoint)
        } else {
            None
        };
        match reason {
            Some(reason) => *counts.entry(reason).or_default() += 1,
            None => kept.push((run, standing)),
        }
    }
    match once_each(&mut kept) {
        0 => {}
        repeated => *counts.entry(Reason::SameCheckpoint).or_default() += repeated,
    }
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
    let left_out = counts.into_iter().map(|(reason, runs)| reason.of(runs));
    (kept, left_out.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Levels;
    use crate::history::run::{CheckpointKey, PolicyKey, estimator_digest};
    use crate::verdict::Verdict;

    /// A run that is still to come, measured as `night` is.
    fn tonight(estimator: &str) -> Judged<'_> {
        Judged {
            base: "base",
            tuned: Some("tonight"),
            estimator,
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
        let (kept, left_out) = choose(runs, &[], tonight(&night(0).estimator));
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
        let (kept, _) = choose(runs.clone(), &acts, tonight(&night(0).estimator));
        assert_eq!(kept[reference(&kept)].0.id, night(50).id);
        let (kept, _) = choose(runs, &[], tonight(&night(0).estimator));
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
        let (kept, left_out) = choose(runs, &accepted, tonight(&night(0).estimator));
        assert_eq!(kept.len(), BEFORE_REFERENCE + LONGEST);
        assert_eq!(kept[0].0.id, night(960).id);
        assert_eq!(reference(&kept), BEFORE_REFERENCE);
        let counts: Vec<usize> = left_out.iter().map(|left| left.runs).collect();
        assert_eq!(counts, [960, 100]);
    }

    #[test]
    fn a_checkpoint_that_is_judged_once_more_stays_where_it_was() {
        let mut runs: Vec<Run> = (0..60).map(night).collect();
        runs[55].tuned.digest = night(0).tuned.digest;
        let (kept, left_out) = choose(runs.clone(), &[], tonight(&night(0).estimator));
        assert_eq!(kept[0].0.id, night(0).id);
        assert_eq!((kept.len(), left_out[0].runs), (59, 1));
        assert!(setting_limits(&runs, &[]).contains(night(0).id.as_str()));
        // From a reference on it is one of the new recipe's runs, wherever else it was.
        let accepted = [Act {
            acted: Timestamp::from_second(86_400 * 60).unwrap(),
            id: "act".to_owned(),
            run: night(50).id,
            by: "somebody".to_owned(),
            reason: "a new recipe".to_owned(),
        }];
        let (kept, _) = choose(runs.clone(), &accepted, tonight(&night(0).estimator));
        let ids: Vec<&str> = kept.iter().map(|(run, _)| run.id.as_str()).collect();
        assert!(!ids.contains(&night(0).id.as_str()));
        assert!(ids[reference(&kept)..].contains(&night(55).id.as_str()));
        assert!(setting_limits(&runs, &accepted).contains(night(55).id.as_str()));
    }

    #[test]
    fn the_runs_that_set_the_limits_are_those_whose_layers_are_read() {
        let mut runs: Vec<Run> = (0..60).map(night).collect();
        runs[3].verdict = Verdict::Fail;
        runs[9].tuned.digest = night(5).tuned.digest;
        let (kept, _) = choose(runs.clone(), &[], tonight(&night(0).estimator));
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
