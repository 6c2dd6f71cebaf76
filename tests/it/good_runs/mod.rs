//! Limits learnt from good runs, on the reports of real fine-tunes (`tests/reference/good-runs`): good
//! ones that were held out, quiet failures, and a doubled learning rate.

mod inputs;
mod page;
mod reaction;

use std::path::Path;

use jiff::civil::date;
use tunegate::code::{FindingCode, Level};
use tunegate::compare::{Baseline, BaselineRun, BaselineRuns, Levels, RunLayer};
use tunegate::fs;
use tunegate::policy::Policy;
use tunegate::report::Report;
use tunegate::verdict::{Judgement, Verdict, judge, judge_against};

use crate::support::cmd::{Pair, Ran, run, tunegate};
use crate::support::tiny::TinyCheckpoint;

const FULL: [&str; 6] = ["good-1", "good-2", "good-3", "good-4", "good-5", "good-6"];
const ADAPTERS: [&str; 5] = [
    "lora-good-1",
    "lora-good-2",
    "lora-good-3",
    "lora-good-4",
    "lora-good-5",
];
const BAD: [&str; 3] = ["constant-1", "shuffled-1", "doubled-1"];
const BAD_ADAPTERS: [&str; 3] = ["lora-constant-1", "lora-shuffled-1", "lora-doubled-1"];

fn path(name: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let (folder, name) = name.split_once('/').unwrap_or(("good-runs", name));
    format!("{root}/tests/reference/{folder}/{name}.json")
}

fn report(name: &str) -> Report {
    let text = fs::read_to_string(Path::new(&path(name))).unwrap();
    Report::from_json(&text).unwrap()
}

fn against(good: &[&str], tuned: &str) -> Judgement {
    let runs = good.iter().map(|name| {
        let layers = RunLayer::all(&report(name).comparison);
        BaselineRun {
            id: (*name).to_owned(),
            recorded: String::new(),
            commit: None,
            tuned_digest: report(name).comparison.tuned.digest,
            anchor: false,
            levels: Levels::of(&layers),
            layers,
        }
    });
    let baseline = Baseline::Runs(BaselineRuns {
        source: "reports".to_owned(),
        runs: runs.collect(),
        left_out: Vec::new(),
    });
    let policy = Policy::load("default").unwrap();
    let today = date(2026, 11, 24);
    judge_against(&report(tuned).comparison, Some(&baseline), &policy, today)
}

/// All choices of `count` of the names, with those that are held out.
fn choices<'a>(names: &[&'a str], count: usize) -> Vec<(Vec<&'a str>, Vec<&'a str>)> {
    (0..1u32 << names.len())
        .filter(|mask| mask.count_ones() as usize == count)
        .map(|mask| {
            let chosen = |index: &usize| mask >> index & 1 == 1;
            let indices = 0..names.len();
            let (good, held): (Vec<usize>, Vec<usize>) = indices.partition(chosen);
            let named =
                |indices: Vec<usize>| indices.into_iter().map(|index| names[index]).collect();
            (named(good), named(held))
        })
        .collect()
}

fn of_runs(judgement: &Judgement) -> Vec<Level> {
    let findings = judgement.findings.iter();
    findings
        .filter(|finding| finding.code == FindingCode::BaselineDeviation)
        .map(|finding| finding.level)
        .collect()
}

/// Every choice of good runs, every run that was held out: it raises at most `allowed`.
fn holds(names: &[&str], bad: &[&str], counts: &[usize], allowed: Option<Level>) {
    for count in counts {
        for (good, held) in choices(names, *count) {
            for name in held {
                let judgement = against(&good, name);
                let levels = of_runs(&judgement);
                assert!(
                    levels.into_iter().max() <= allowed,
                    "{name} against {good:?}: {:#?}",
                    judgement.findings
                );
            }
            for name in bad {
                let judgement = against(&good, name);
                assert_eq!(judgement.verdict, Verdict::Fail, "{name} against {good:?}");
                let findings = of_runs(&judgement);
                assert!(findings.len() <= 3, "{name}: {:#?}", judgement.findings);
            }
        }
    }
}

#[test]
fn two_three_and_five_good_runs_tell_held_out_good_ones_from_quiet_failures() {
    holds(&FULL, &BAD, &[2, 3, 5], None);
}

/// Small adapters that trained for a short time scatter by up to a sixth: one seed warns against some of the others.
#[test]
fn so_they_do_for_adapters() {
    let wrong = &BAD_ADAPTERS[..2];
    holds(&ADAPTERS, wrong, &[2, 3, 4], Some(Level::Warn));
}

/// They scatter so much that two or three of them may leave the doubled learning rate at a warning.
#[test]
fn an_adapter_at_twice_the_learning_rate_never_passes() {
    for count in [2, 3, 4] {
        for (good, _) in choices(&ADAPTERS, count) {
            let verdict = against(&good, BAD_ADAPTERS[2]).verdict;
            assert_ne!(verdict, Verdict::Pass, "{good:?}");
        }
    }
}

#[test]
fn the_shipped_policy_of_the_recipe_passes_every_one_of_them() {
    let policy = Policy::load("sft").unwrap();
    for name in FULL.iter().chain(&BAD) {
        let judgement = judge(&report(name).comparison, &policy, date(2026, 11, 24));
        assert_ne!(judgement.verdict, Verdict::Fail, "{name}");
    }
}

#[test]
fn a_doubled_learning_rate_is_told_that_a_changed_recipe_needs_a_new_baseline() {
    let judgement = against(&FULL[..5], "doubled-1");
    let finding = judgement.findings.first().unwrap();
    assert_eq!(finding.level, Level::Fail);
    assert!(
        finding.message.contains("`tunegate history accept"),
        "{}",
        finding.message
    );
}

/// `init` over these reports.
fn init(good: &[&str], policy: &str) -> Ran {
    let mut command = tunegate();
    command.args(["init", "--base", "base", "--policy", policy]);
    for name in good {
        command.args(["--good", &path(name)]);
    }
    Ran::of(&mut command)
}

fn policy_of(text: &str) -> Policy {
    Policy::parse("gate.toml", text).unwrap()
}

fn verdict(policy: &Policy, name: &str) -> Verdict {
    judge(&report(name).comparison, policy, date(2026, 11, 24)).verdict
}

#[test]
fn a_policy_from_good_runs_passes_them_and_fails_what_went_wrong() {
    for (names, bad, recipe) in [
        (&FULL[..], &BAD[..], "sft"),
        (&ADAPTERS[..], &BAD_ADAPTERS[..], "lora"),
    ] {
        for count in [2, 3, names.len() - 1] {
            let ran = init(&names[..count], recipe).expect_code(0);
            let policy = policy_of(&ran.stdout);
            for name in &names[..count] {
                assert_eq!(verdict(&policy, name), Verdict::Pass, "{name} of {count}");
            }
            for name in &names[count..] {
                assert_ne!(verdict(&policy, name), Verdict::Fail, "{name} of {count}");
            }
            for name in bad {
                assert_eq!(verdict(&policy, name), Verdict::Fail, "{name} of {count}");
            }
        }
    }
}

#[test]
fn a_policy_from_three_good_runs_reads_as_expected() {
    let ran = init(&FULL[..3], "sft").expect_code(0);
    assert_eq!(ran.stderr, "");
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/good-runs/");
    insta::assert_snapshot!("policy_from_three_good_runs", ran.stdout.replace(root, ""));
}

#[test]
fn two_runs_are_enough_and_said_to_be_wide_one_or_none_are_not() {
    let two = init(&FULL[..2], "sft").expect_code(0);
    assert!(
        two.stderr.contains("two good runs make wide limits"),
        "{}",
        two.stderr
    );
    for (count, words) in [(0, "none was given"), (1, "only one was given")] {
        let ran = init(&FULL[..count], "sft").expect_code(0);
        assert!(ran.stdout.contains(words), "{}", ran.stdout);
        let policy = policy_of(&ran.stdout);
        assert_eq!(policy.rules.len(), Policy::load("sft").unwrap().rules.len());
    }
    let twice = init(&["good-1", "good-1"], "sft").expect_code(0);
    assert!(
        twice.stderr.contains("the same checkpoint again"),
        "{}",
        twice.stderr
    );
}

#[test]
fn a_bad_run_among_the_good_is_reported() {
    for good in [
        &["good-1", "good-2", "shuffled-1", "good-3"][..],
        &["good-1", "constant-1"],
    ] {
        let ran = init(good, "default").expect_code(0);
        assert!(
            ran.stderr.contains("the good runs disagree"),
            "{}",
            ran.stderr
        );
    }
    let named = init(
        &["good-1", "good-2", "good-4", "good-5", "shuffled-1"],
        "default",
    );
    assert!(
        named.stderr.contains("shuffled-1.json` would fail"),
        "{}",
        named.stderr
    );
}

#[test]
fn runs_of_another_base_estimator_or_shape_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(Path::new(&path("good-2"))).unwrap();
    for (from, to, what) in [
        ("52e56dc1", "00000000", "another base"),
        ("\"min_tail\":50", "\"min_tail\":40", "other settings"),
        ("[256,128]", "[512,128]", "other layers or shapes"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let other = folder.path().join("other.json");
        fs::write_atomic(&other, changed.as_bytes()).unwrap();
        let other = other.display().to_string();
        let ran = run(&[
            "init",
            "--base",
            "base",
            "--good",
            &path("good-1"),
            "--good",
            &other,
        ]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
        assert!(ran.stderr.contains(what), "{}", ran.stderr);
    }
}

#[test]
fn checkpoints_are_measured_and_their_policy_passes_them() {
    let base = TinyCheckpoint::model();
    let pair = Pair::new(&base, &base.tuned(0.0100));
    base.tuned(0.0101).write(&pair.path("other"));
    let mut command = tunegate();
    let arguments = [
        "init", "--base", "base", "--good", "tuned", "--good", "other",
    ];
    command.current_dir(pair.path("")).args(arguments);
    let ran = Ran::of(&mut command).expect_code(0);
    let gate = pair.file("gate.toml", &ran.stdout);
    run(&["policy", "check", &gate]).expect_code(0);
    pair.judged_by(&gate).ends("pass", 0);
}
