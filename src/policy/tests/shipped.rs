use super::*;

fn load(name: &str) -> Policy {
    Policy::load(name).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_shipped_policy_loads_and_names_itself() {
    for name in shipped_names() {
        let policy = load(name);
        assert_eq!(policy.name, name);
        assert_eq!(policy.source, format!("builtin:{name}"));
        assert!(!policy.rules.is_empty());
        assert!(policy.rules.iter().all(|rule| rule.origin.line.is_none()));
        assert!(policy.waivers.is_empty() && policy.base.is_none());
    }
}

#[test]
fn the_default_policy_names_every_hygiene_code() {
    let (_, file) = crate::policy::shipped::default_file();
    for code in field::hygiene_codes() {
        assert!(file.hygiene.contains_key(&code), "{code}");
    }
}

#[test]
fn low_coverage_never_outranks_the_inconclusive_verdict() {
    for name in shipped_names() {
        assert_ne!(
            load(name).hygiene_level(FindingCode::LowCoverage),
            Some(Level::Fail),
            "{name}"
        );
    }
}

#[test]
fn no_shipped_policy_fails_on_alpha_itself() {
    for name in shipped_names() {
        for rule in load(name).rules {
            let absolute_alpha = matches!(rule.metric, Metric::Alpha | Metric::UpdateAlpha);
            assert!(
                !absolute_alpha || rule.fail.is_none(),
                "{name}: {}",
                rule.id
            );
        }
    }
}

#[test]
fn a_fail_limit_is_at_or_beyond_its_warn_limit_in_every_shipped_rule() {
    for name in shipped_names() {
        for rule in load(name).rules {
            let (Some(warn), Some(fail)) = (rule.warn, rule.fail) else {
                assert!(
                    rule.warn.is_some(),
                    "{name}: {} fails without a warning",
                    rule.id
                );
                continue;
            };
            if let (Some(warn), Some(fail)) = (warn.max, fail.max) {
                assert!(fail >= warn, "{name}: {}", rule.id);
            }
            if let (Some(warn), Some(fail)) = (warn.min, fail.min) {
                assert!(fail <= warn, "{name}: {}", rule.id);
            }
            assert_eq!(
                warn.max.is_some(),
                fail.max.is_some(),
                "{name}: {}",
                rule.id
            );
            assert_eq!(
                warn.min.is_some(),
                fail.min.is_some(),
                "{name}: {}",
                rule.id
            );
        }
    }
}

/// Median and extremes of one metric over the matrices of a measured run: smallest, median, largest.
type Spread = (Metric, [f64; 3]);

/// Whether any fail limit would fire: single values against `each` rules that one or two matrices
/// can fire, medians against `median` rules.
fn fails(policy: &Policy, run: &[Spread]) -> bool {
    policy.rules.iter().any(|rule| {
        let Some((_, [least, median, most])) = run.iter().find(|one| one.0 == rule.metric) else {
            return false;
        };
        let Some(fail) = rule.fail else {
            return false;
        };
        match rule.aggregate {
            Aggregate::Median => fail.outside(*median).is_some(),
            Aggregate::Each => [least, most]
                .iter()
                .any(|value| fail.outside(**value).is_some()),
            Aggregate::Mean | Aggregate::Max | Aggregate::Min => false,
        }
    })
}

const HEALTHY: &[Spread] = &[
    (Metric::RelativeUpdate, [0.005, 0.015, 0.039]),
    (Metric::SpectralNormRatio, [0.99, 1.0, 1.01]),
    (Metric::AlphaDrift, [-0.066, 0.0006, 0.066]),
    (Metric::IntruderCount, [0.0, 0.0, 0.0]),
];
const ADAPTER: &[Spread] = &[
    (Metric::RelativeUpdate, [0.0, 0.0, 0.24]),
    (Metric::Cosine, [0.97, 1.0, 1.0]),
    (Metric::SpectralNormRatio, [0.99, 1.0, 1.61]),
    (Metric::AlphaDrift, [-1.7, 0.0, 0.1]),
    (Metric::IntruderCount, [0.0, 0.0, 2.0]),
];
const RXNFP: &[Spread] = &[
    (Metric::RelativeUpdate, [0.01, 0.032, 0.071]),
    (Metric::Cosine, [0.9975, 0.9995, 1.0]),
];
/// Smallest values of the broken runs are not known and set to harmless ones.
const DEGRADED: &[Spread] = &[
    (Metric::RelativeUpdate, [0.24, 0.24, 0.47]),
    (Metric::SpectralNormRatio, [1.0, 1.0, 1.17]),
    (Metric::AlphaDrift, [-1.0, -0.03, 0.0]),
    (Metric::IntruderCount, [0.0, 0.0, 5.0]),
];
const DIVERGED: &[Spread] = &[
    (Metric::RelativeUpdate, [0.39, 0.39, 0.59]),
    (Metric::SpectralNormRatio, [1.0, 1.0, 3.05]),
    (Metric::AlphaDrift, [-4.8, -0.48, 0.0]),
    (Metric::IntruderCount, [0.0, 2.0, 6.0]),
];

#[test]
fn measured_sound_runs_stay_inside_the_fail_limits_of_their_recipe() {
    for (name, run) in [
        ("default", HEALTHY),
        ("default", ADAPTER),
        ("default", RXNFP),
        ("sft", HEALTHY),
        ("sft", RXNFP),
        ("strict", HEALTHY),
        ("strict", RXNFP),
        ("lora", ADAPTER),
        ("continued-pretraining", HEALTHY),
        ("continued-pretraining", RXNFP),
    ] {
        assert!(!fails(&load(name), run), "{name}");
    }
}

#[test]
fn measured_broken_runs_are_beyond_the_fail_limits() {
    for (name, run) in [
        ("default", DIVERGED),
        ("sft", DEGRADED),
        ("sft", DIVERGED),
        ("strict", DEGRADED),
        ("strict", DIVERGED),
        ("rl", DIVERGED),
        ("lora", DIVERGED),
    ] {
        assert!(fails(&load(name), run), "{name}");
    }
}

#[test]
fn the_degraded_run_is_a_warning_to_the_default_policy() {
    let policy = load("default");
    assert!(!fails(&policy, DEGRADED));
    let rule = policy
        .rules
        .iter()
        .find(|rule| rule.id == "update-size-median")
        .unwrap();
    assert!(rule.warn.unwrap().outside(0.24).is_some());
}

#[test]
fn strict_is_at_least_as_strict_as_sft() {
    let (sft, strict) = (load("sft"), load("strict"));
    assert!(strict.coverage_min >= sft.coverage_min);
    for rule in &sft.rules {
        let other = strict
            .rules
            .iter()
            .find(|other| other.id == rule.id)
            .unwrap();
        if let (Some(loose), Some(tight)) = (rule.fail, other.fail) {
            assert!(tight.max <= loose.max, "{}", rule.id);
            assert!(tight.min >= loose.min, "{}", rule.id);
        }
    }
    for code in field::hygiene_codes() {
        assert!(
            strict.hygiene_level(code) >= sft.hygiene_level(code),
            "{code}"
        );
    }
}
