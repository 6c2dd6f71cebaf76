//! A published model, fine-tuned on its own task: good runs, four ways to go wrong quietly, and a doubled learning rate
//! (`tests/reference/reaction-runs`).

use jiff::civil::date;
use tunegate::policy::Policy;
use tunegate::verdict::{Verdict, judge};

use super::{against, choices, holds, init, policy_of, report, verdict};

pub(super) const FULL: [&str; 5] = [
    "reaction-runs/good-1",
    "reaction-runs/good-2",
    "reaction-runs/good-3",
    "reaction-runs/good-4",
    "reaction-runs/good-5",
];
pub(super) const BAD: [&str; 5] = [
    "reaction-runs/constant-1",
    "reaction-runs/stale-1",
    "reaction-runs/truncated-1",
    "reaction-runs/shuffled-1",
    "reaction-runs/doubled-1",
];
const ADAPTERS: [&str; 3] = [
    "reaction-runs/lora-good-1",
    "reaction-runs/lora-good-2",
    "reaction-runs/lora-good-3",
];
const BAD_ADAPTERS: [&str; 2] = [
    "reaction-runs/lora-constant-1",
    "reaction-runs/lora-shuffled-1",
];

#[test]
fn held_out_good_runs_of_a_published_model_are_told_from_quiet_failures() {
    holds(&FULL, &BAD, &[2, 3, 4], None);
}

/// Adapters scatter more: two of them leave the constant batch at a warning.
#[test]
fn two_adapters_fail_shuffled_classes_and_warn_of_a_constant_batch() {
    for (good, held) in choices(&ADAPTERS, 2) {
        let verdict = |name| against(&good, name).verdict;
        assert_eq!(verdict(held[0]), Verdict::Pass, "{good:?}");
        assert_eq!(verdict(BAD_ADAPTERS[0]), Verdict::Warn, "{good:?}");
        assert_eq!(verdict(BAD_ADAPTERS[1]), Verdict::Fail, "{good:?}");
    }
}

#[test]
fn the_shipped_policy_passes_all_of_them() {
    let policy = Policy::load("sft").unwrap();
    for name in FULL.iter().chain(&BAD) {
        let judgement = judge(&report(name).comparison, &policy, date(2026, 11, 24));
        assert_eq!(judgement.verdict, Verdict::Pass, "{name}");
    }
}

#[test]
fn a_policy_from_its_good_runs_passes_them_and_fails_what_went_wrong() {
    for count in [2, 3, 4] {
        let ran = init(&FULL[..count], "sft").expect_code(0);
        let policy = policy_of(&ran.stdout);
        for name in &FULL[..count] {
            assert_eq!(verdict(&policy, name), Verdict::Pass, "{name} of {count}");
        }
        for name in &FULL[count..] {
            assert_ne!(verdict(&policy, name), Verdict::Fail, "{name} of {count}");
        }
        for name in &BAD {
            assert_eq!(verdict(&policy, name), Verdict::Fail, "{name} of {count}");
        }
    }
}
