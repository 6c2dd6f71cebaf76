//! Sound and unsound runs against few good ones.

use super::*;

#[test]
fn another_good_run_passes_against_two_to_thirty() {
    let mut random = Random::new(11);
    for count in [2, 3, 5, 30] {
        for _ in 0..20 {
            let runs = SOUND.runs(count, &mut random);
            let judgement = judged(runs, &SOUND.comparison(&mut random), "");
            is_pass(&judgement);
            assert!(judgement.findings.is_empty(), "{:#?}", judgement.findings);
        }
    }
}

/// The measured medians of runs that went wrong without looking broken, and of a changed recipe.
#[test]
fn quiet_failures_and_a_doubled_learning_rate_fail_against_two_runs() {
    let constant = Recipe {
        update: 0.018,
        stable_rank: 3.1,
        ..SOUND
    };
    let shuffled = Recipe {
        update: 0.056,
        stable_rank: 17.0,
        ..SOUND
    };
    let doubled = Recipe {
        update: 0.022,
        stable_rank: 8.8,
        ..SOUND
    };
    let mut random = Random::new(12);
    for recipe in [constant, shuffled, doubled] {
        for count in [2, 3, 5] {
            let runs = SOUND.runs(count, &mut random);
            let judgement = judged(runs, &recipe.comparison(&mut random), "");
            assert_eq!(judgement.verdict, Verdict::Fail, "{recipe:?} {count}");
            let finding = only(&judgement);
            assert_eq!(finding.code, FindingCode::BaselineDeviation);
            assert!(
                finding.message.contains("history accept"),
                "{}",
                finding.message
            );
            assert!(
                finding.message.contains("of 36 layers"),
                "{}",
                finding.message
            );
            let limit = finding.limit.unwrap();
            let observed = finding.observed.unwrap();
            assert!(observed < limit.min.unwrap() || observed > limit.max.unwrap());
        }
    }
}

#[test]
fn a_layer_that_sticks_out_is_the_only_finding() {
    let mut random = Random::new(13);
    let runs = SOUND.runs(5, &mut random);
    let mut tonight = SOUND.comparison(&mut random);
    set(&mut tonight, "layers.4.v", Metric::RelativeUpdate, 0.06);
    set(&mut tonight, "layers.4.v", Metric::UpdateStableRank, 1.2);
    let judgement = judged(runs, &tonight, "");
    assert_eq!(judgement.verdict, Verdict::Fail);
    let finding = only(&judgement);
    assert_eq!(finding.layer.as_ref().unwrap().as_str(), "layers.4.v");
}

#[test]
fn a_role_that_moves_alone_is_one_finding() {
    let mut random = Random::new(14);
    let runs = SOUND.runs(5, &mut random);
    let mut tonight = SOUND.comparison(&mut random);
    for block in 0..SOUND.blocks {
        set(
            &mut tonight,
            &format!("layers.{block}.v"),
            Metric::RelativeUpdate,
            0.045,
        );
    }
    let judgement = judged(runs, &tonight, "");
    let finding = only(&judgement);
    assert_eq!(finding.level, Level::Fail);
    assert!(
        finding.message.contains("of attention.v"),
        "{}",
        finding.message
    );
}

#[test]
fn a_role_that_fails_is_told_where_the_model_only_warns() {
    let mut random = Random::new(14);
    let runs = SOUND.runs(5, &mut random);
    let mut tonight = SOUND.comparison(&mut random);
    for layer in &mut tonight.layers {
        let factor = if layer.role == Role::AttentionV {
            3.0
        } else {
            1.1
        };
        let update = layer.drift.value(Metric::RelativeUpdate).unwrap();
        let update = Measured::of(factor * update);
        layer.drift.set(Metric::RelativeUpdate, update);
    }
    let judgement = judged(runs, &tonight, "");
    assert_eq!(judgement.verdict, Verdict::Fail);
    let levels: Vec<(Level, bool)> = judgement
        .findings
        .iter()
        .filter(|finding| finding.code == FindingCode::BaselineDeviation && finding.layer.is_none())
        .map(|finding| (finding.level, finding.message.contains("of attention.v")))
        .collect();
    assert_eq!(
        levels,
        [(Level::Fail, true), (Level::Warn, false)],
        "{:#?}",
        judgement.findings
    );
}

#[test]
fn a_slow_creep_is_a_trend_and_says_since_when() {
    let mut random = Random::new(15);
    let mut night = |index: u32| {
        let grown = 1.0 + 0.008 * f64::from(index.saturating_sub(20));
        Recipe {
            update: SOUND.update * grown,
            ..SOUND
        }
        .comparison(&mut random)
    };
    let runs: Vec<BaselineRun> = (0..32)
        .map(|index| run(&format!("night-{index}"), &night(index)))
        .collect();
    let judgement = judged(runs, &night(32), "");
    let finding = only(&judgement);
    assert_eq!(
        (finding.code, finding.level),
        (FindingCode::DriftTrend, Level::Warn)
    );
    assert!(
        finding.message.contains("since run night-2"),
        "{}",
        finding.message
    );
    let trend = judgement.trend.as_ref().unwrap();
    let series = &trend.series[0];
    assert_eq!((series.metric, series.role), (Metric::RelativeUpdate, None));
    assert_eq!(series.points.len(), 33);
    assert!(series.since.unwrap() >= 20);
    assert!(series.points[32].smoothed.is_some() && series.points[5].smoothed.is_none());
    assert!(series.upper.unwrap() > series.centre.unwrap());
}

#[test]
fn a_jump_is_a_deviation_and_no_trend() {
    let mut random = Random::new(16);
    let runs = SOUND.runs(12, &mut random);
    let doubled = Recipe {
        update: 0.022,
        stable_rank: 8.8,
        ..SOUND
    };
    let judgement = judged(runs, &doubled.comparison(&mut random), "");
    assert_eq!(
        codes(&judgement),
        [(FindingCode::BaselineDeviation, Level::Fail)]
    );
}

#[test]
fn runs_before_the_accepted_reference_do_not_count() {
    let mut random = Random::new(17);
    let doubled = Recipe {
        update: 0.022,
        stable_rank: 8.8,
        ..SOUND
    };
    let mut runs = SOUND.runs(8, &mut random);
    let mut reference = doubled.run("reference", &mut random);
    reference.anchor = true;
    runs.push(reference);
    let alone = judged(runs.clone(), &doubled.comparison(&mut random), "");
    assert_eq!(
        codes(&alone),
        [(FindingCode::NotEnoughHistory, Level::Note)]
    );
    runs.push(doubled.run("next", &mut random));
    is_pass(&judged(runs.clone(), &doubled.comparison(&mut random), ""));
    let back = judged(runs, &SOUND.comparison(&mut random), "");
    assert_eq!(back.verdict, Verdict::Fail);
}

#[test]
fn identical_nights_leave_room_for_another_seed_and_still_see_a_failure() {
    let mut random = Random::new(18);
    let same = SOUND.comparison(&mut random);
    let runs: Vec<BaselineRun> = (0..10)
        .map(|index| BaselineRun {
            tuned_digest: "sha256:same".to_owned(),
            ..run(&format!("night-{index}"), &same)
        })
        .collect();
    is_pass(&judged(runs.clone(), &same, ""));
    is_pass(&judged(runs.clone(), &SOUND.comparison(&mut random), ""));
    let shuffled = Recipe {
        update: 0.056,
        stable_rank: 17.0,
        ..SOUND
    };
    let judgement = judged(runs, &shuffled.comparison(&mut random), "");
    assert_eq!(judgement.verdict, Verdict::Fail);
}

#[test]
fn equal_numbers_of_different_checkpoints_do_not_make_limits_of_no_width() {
    let mut random = Random::new(19);
    let same = SOUND.comparison(&mut random);
    let runs = (0..6)
        .map(|index| run(&format!("night-{index}"), &same))
        .collect();
    is_pass(&judged(runs, &SOUND.comparison(&mut random), ""));
}

#[test]
fn too_few_runs_are_a_note_or_make_the_run_inconclusive() {
    let mut random = Random::new(20);
    let runs = SOUND.runs(1, &mut random);
    let tonight = SOUND.comparison(&mut random);
    let noted = judged(runs.clone(), &tonight, "");
    assert_eq!(noted.verdict, Verdict::Pass);
    assert_eq!(
        codes(&noted),
        [(FindingCode::NotEnoughHistory, Level::Note)]
    );
    assert!(noted.trend.unwrap().series[0].centre.is_none());
    let required = judged(runs, &tonight, "[baseline]\nrequired = true\n");
    assert_eq!(required.verdict, Verdict::Inconclusive);
    assert!(
        required.reason.contains("1 good run"),
        "{}",
        required.reason
    );
    let asked = judged(
        SOUND.runs(4, &mut random),
        &tonight,
        "[baseline]\nmin_runs = 5\n",
    );
    assert_eq!(
        codes(&asked),
        [(FindingCode::NotEnoughHistory, Level::Note)]
    );
}

#[test]
fn a_history_that_cannot_be_read_is_said_first_and_a_missing_one_matters_where_it_is_required() {
    let mut random = Random::new(21);
    let tonight = SOUND.comparison(&mut random);
    let baseline = Baseline::Unreadable {
        source: "nightly.db".to_owned(),
        reason: "schema 4 is newer than this program".to_owned(),
    };
    let judge = |baseline: Option<&Baseline>, settings: &str| {
        let text = format!("version = 1\nname = \"gate\"\n{settings}");
        let policy = Policy::parse("gate.toml", &text).unwrap();
        judge_against(&tonight, baseline, &policy, date(2026, 11, 24))
    };
    let required = "[baseline]\nrequired = true\n";
    let unread = judge(Some(&baseline), "");
    assert_eq!(unread.verdict, Verdict::Pass);
    assert_eq!(
        codes(&unread),
        [(FindingCode::NotEnoughHistory, Level::Note)]
    );
    assert!(
        unread.reason.ends_with("could not be read"),
        "{}",
        unread.reason
    );
    assert_eq!(
        judge(Some(&baseline), required).verdict,
        Verdict::Inconclusive
    );
    assert_eq!(judge(None, required).verdict, Verdict::Inconclusive);
    assert_eq!(judge(None, "").verdict, Verdict::Pass);
}

#[test]
fn a_waiver_holds_a_deviation_back() {
    let mut random = Random::new(22);
    let runs = SOUND.runs(3, &mut random);
    let doubled = Recipe {
        update: 0.022,
        stable_rank: 8.8,
        ..SOUND
    };
    let waiver = "[[waiver]]\nrule = \"baseline-deviation\"\nowner = \"ml\"\nreason = \"new rate\"\nuntil = \"2026-12-31\"\n";
    let judgement = judged(runs, &doubled.comparison(&mut random), waiver);
    is_pass(&judgement);
    assert!(only(&judgement).waived.is_some());
}
