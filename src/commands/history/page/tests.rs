use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use crate::compare::{BaselineRun, BaselineRuns, Levels};
use crate::history::{CheckpointKey, PolicyKey};
use crate::num::Finite;
use crate::verdict::Verdict;

fn night(number: i64) -> Run {
    let key = |digest: String| CheckpointKey {
        reference: digest.clone(),
        digest,
    };
    let values = [None, Some(Role::MlpDown)].map(|role| {
        let value = 0.015 + 0.0001 * f64::from(u32::try_from(number % 3).unwrap());
        ((Metric::RelativeUpdate, role), Finite::new(value).unwrap())
    });
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
        estimator: "settings".to_owned(),
        tool: String::new(),
        verdict: Verdict::Pass,
        reason: String::new(),
        fail: 0,
        warn: 0,
        deviates: false,
        layer_count: 0,
        levels: Levels(BTreeMap::from(values)),
    }
}

fn accept(number: i64) -> Act {
    Act::accept(
        &night(number).id,
        "ana",
        "wanted",
        Timestamp::from_second(0).unwrap(),
    )
}

/// The runs of each group, all accepted, from the last reference on.
fn baselines(runs: &[Run], acts: &[Act]) -> Vec<BaselineRuns> {
    let own = of_newest(runs);
    let of = |key: GroupKey<'_>| BaselineRuns {
        source: String::new(),
        left_out: Vec::new(),
        runs: own
            .iter()
            .filter(|run| group_key(run) == key)
            .map(|run| BaselineRun {
                id: run.id.clone(),
                recorded: run.recorded.to_string(),
                commit: None,
                tuned_digest: run.tuned.digest.clone(),
                anchor: standing(run, acts) == Standing::Anchor,
                levels: run.levels.clone(),
                layers: Vec::new(),
            })
            .collect(),
    };
    group_keys(&own).into_iter().map(of).collect()
}

fn page_of(runs: &[Run], acts: &[Act]) -> RunsPage {
    let policy = Policy::load("default").unwrap();
    let baselines = baselines(runs, acts);
    let windows: Vec<Window<'_>> = baselines
        .iter()
        .map(|baseline| Window::new(baseline, &policy))
        .collect();
    page(runs, acts, "nights.db", Wanted::default(), &windows)
}

#[test]
fn an_old_reference_stays_on_the_page_and_other_old_runs_do_not() {
    let runs: Vec<Run> = (0..500).map(night).collect();
    let shown = page_of(&runs, &[accept(7)]);
    assert_eq!(shown.runs.len(), NEWEST + 1);
    assert_eq!(shown.older, 99);
    assert_eq!(shown.groups[0].reference, Some(0));
    assert_eq!(shown.runs[0].id, night(7).id);
    assert_eq!(shown.runs[0].acts[0].by, "ana");
}

#[test]
fn runs_of_another_base_or_setting_have_limits_of_their_own() {
    let mut runs: Vec<Run> = (0..20).map(night).collect();
    for run in &mut runs[..8] {
        run.base.digest = "another".to_owned();
    }
    runs[19].estimator = "other settings".to_owned();
    let shown = page_of(&runs, &[]);
    let bases: Vec<&str> = shown
        .groups
        .iter()
        .map(|group| group.base_digest.as_str())
        .collect();
    assert_eq!(bases, ["base", "base", "another"]);
    let limits = |group: usize| shown.groups[group].limits.len();
    // One run has no limits; the others have them for all matrices and for the role.
    assert_eq!([limits(0), limits(1), limits(2)], [0, 2, 2]);
    assert_eq!(shown.groups[1].limits[0].runs, 11);
    assert_eq!(shown.runs[19].group, 0);
    assert_eq!(shown.runs[0].group, 2);
}

#[test]
fn the_limits_start_at_the_reference_and_say_what_they_are() {
    let runs: Vec<Run> = (0..20).map(night).collect();
    let shown = page_of(&runs, &[accept(9)]);
    let group = &shown.groups[0];
    assert!(
        group
            .limits
            .iter()
            .all(|limits| limits.judged && limits.runs == 11)
    );
    let text = "Limits: beyond them one more run fails by policy `default`; from the first 11 accepted runs since 1970-01-10";
    assert_eq!(group.about, text);
    let one = page_of(&runs[..1], &[]);
    assert_eq!(
        one.groups[0].about,
        "No limits: 1 accepted run since 1970-01-01, and policy `default` asks for 2"
    );
}

#[test]
fn runs_of_other_models_are_named_and_left_out() {
    let mut runs: Vec<Run> = (0..4).map(night).collect();
    "other".clone_into(&mut runs[1].model);
    let shown = page_of(&runs, &[]);
    assert_eq!(shown.runs.len(), 3);
    assert_eq!(shown.others, ["1 of other, branch main"]);
}

#[test]
fn no_run_is_a_page_without_charts() {
    let shown = page_of(&[], &[]);
    assert!(shown.runs.is_empty() && html::runs(&shown).is_ok());
}
