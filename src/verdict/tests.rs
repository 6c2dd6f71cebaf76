//! The judgement on comparisons made by hand.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::{Finding, Judgement, Verdict, judge};
use crate::code::{FindingCode, Level};
use crate::compare::{
    CheckpointIdentity, Comparison, Coverage, Fact, LayerComparison, LayerKind, LayerMetrics,
};
use crate::layer::{LayerName, Role, Scope};
use crate::num::Measured;
use crate::policy::Policy;
use crate::spectrum::metric::{Metric, MetricTable};

const TODAY: Date = date(2026, 11, 24);

fn layer(name: &str, role: Role, block: u32, drift: &[(Metric, f64)]) -> LayerComparison {
    let mut table = MetricTable::default();
    for (metric, value) in drift {
        table.set(*metric, Measured::of(*value));
    }
    LayerComparison {
        name: LayerName::new(name),
        kind: LayerKind::Matrix,
        role,
        block: Some(block),
        expert: None,
        scope: Scope::Body,
        shape: vec![128, 128],
        base_dtype: "BF16".to_owned(),
        tuned_dtype: "BF16".to_owned(),
        base: LayerMetrics::default(),
        tuned: LayerMetrics::default(),
        drift: table,
        identical: false,
        quantisation_error: None,
        update_profile: crate::spectrum::Profile::default(),
    }
}

/// Four attention matrices over two blocks with the given relative updates.
fn comparison(updates: [f64; 4]) -> Comparison {
    let names = ["layers.0.q", "layers.0.v", "layers.1.q", "layers.1.v"];
    let roles = [
        Role::AttentionQ,
        Role::AttentionV,
        Role::AttentionQ,
        Role::AttentionV,
    ];
    let layers = (0..4)
        .map(|index| {
            let block = u32::try_from(index / 2).unwrap();
            layer(
                names[index],
                roles[index],
                block,
                &[(Metric::RelativeUpdate, updates[index])],
            )
        })
        .collect();
    let identity = |reference: &str| CheckpointIdentity {
        reference: reference.to_owned(),
        revision: None,
        digest: "sha256:0".to_owned(),
    };
    Comparison {
        base: identity("base"),
        tuned: identity("tuned"),
        layers,
        facts: Vec::new(),
        coverage: Coverage {
            compared: 4,
            parameters_share: 1.0,
            ..Coverage::default()
        },
        estimator: BTreeMap::new(),
    }
}

/// A policy with nothing but what the text says.
fn policy(text: &str) -> Policy {
    Policy::parse(
        "gate.toml",
        &format!("version = 1\nname = \"gate\"\n{text}"),
    )
    .unwrap()
}

const LIMITS: &str = r#"
[[rule]]
id = "size"
metric = "relative_update"
warn = { max = 0.1 }
fail = { max = 0.3 }
"#;

fn judged(comparison: &Comparison, text: &str) -> Judgement {
    judge(comparison, &policy(text), TODAY)
}

fn codes(judgement: &Judgement) -> Vec<(FindingCode, Level)> {
    judgement
        .findings
        .iter()
        .map(|finding| (finding.code, finding.level))
        .collect()
}

fn first(judgement: &Judgement) -> &Finding {
    judgement.findings.first().unwrap()
}

#[test]
fn values_inside_both_limits_pass() {
    let judgement = judged(&comparison([0.01, 0.02, 0.03, 0.1]), LIMITS);
    assert_eq!(judgement.verdict, Verdict::Pass);
    assert!(judgement.findings.is_empty());
}

#[test]
fn the_two_tiers_give_their_own_levels_and_the_worst_comes_first() {
    let judgement = judged(&comparison([0.01, 0.2, 0.5, 0.9]), LIMITS);
    assert_eq!(judgement.verdict, Verdict::Fail);
    let names: Vec<_> = judgement
        .findings
        .iter()
        .map(|finding| finding.layer.clone().unwrap())
        .collect();
    let names: Vec<_> = names.iter().map(LayerName::as_str).collect();
    assert_eq!(names, ["layers.1.v", "layers.1.q", "layers.0.v"]);
    assert_eq!(judgement.findings[2].level, Level::Warn);
    assert_eq!(first(&judgement).origin.as_ref().unwrap().line, Some(4));
}

#[test]
fn the_reason_counts_layers_and_not_findings() {
    let median = LIMITS.replace("id = \"size\"", "id = \"median\"");
    let median = median.replace("warn =", "aggregate = \"median\"\nwarn =");
    let judgement = judged(
        &comparison([0.5, 0.6, 0.9, 0.01]),
        &format!("{LIMITS}{median}"),
    );
    assert_eq!(judgement.findings.len(), 4);
    assert_eq!(judgement.reason, "update-size on 3 layers");
}

#[test]
fn at_least_holds_a_limit_until_enough_layers_are_outside() {
    let text = LIMITS.replace("max = 0.3 }", "max = 0.3, at_least = 2 }");
    let one = judged(&comparison([0.01, 0.01, 0.01, 0.9]), &text);
    assert_eq!(codes(&one), [(FindingCode::UpdateSize, Level::Warn)]);
    let two = judged(&comparison([0.01, 0.01, 0.8, 0.9]), &text);
    assert_eq!(codes(&two), [(FindingCode::UpdateSize, Level::Fail); 2]);
    let share = LIMITS.replace("max = 0.3 }", "max = 0.3, at_least = \"75%\" }");
    assert_eq!(
        judged(&comparison([0.01, 0.01, 0.8, 0.9]), &share).verdict,
        Verdict::Warn
    );
    assert_eq!(
        judged(&comparison([0.01, 0.7, 0.8, 0.9]), &share).verdict,
        Verdict::Fail
    );
}

#[test]
fn an_aggregate_judges_the_layers_together() {
    let text = LIMITS.replace("warn =", "aggregate = \"median\"\nwarn =");
    assert_eq!(
        judged(&comparison([0.01, 0.01, 0.9, 0.01]), &text).verdict,
        Verdict::Pass
    );
    let judgement = judged(&comparison([0.5, 0.6, 0.9, 0.01]), &text);
    assert_eq!(codes(&judgement), [(FindingCode::UpdateSize, Level::Fail)]);
    assert_eq!(first(&judgement).layer, None);
    assert!((first(&judgement).observed.unwrap().get() - 0.55).abs() <= 1e-12);
}

#[test]
fn roles_and_depth_select_layers() {
    let text = LIMITS.replace(
        "warn =",
        "roles = [\"attention.q\"]\ndepth = \"0%..50%\"\nwarn =",
    );
    assert_eq!(
        judged(&comparison([0.01, 0.9, 0.9, 0.9]), &text).verdict,
        Verdict::Pass
    );
    assert_eq!(
        judged(&comparison([0.9, 0.01, 0.01, 0.01]), &text).verdict,
        Verdict::Fail
    );
}

#[test]
fn absolute_limits_look_at_the_size_of_a_signed_drift() {
    let mut pair = comparison([0.0; 4]);
    pair.layers[0]
        .drift
        .set(Metric::AlphaDrift, Measured::of(-0.5));
    let text = "[[rule]]\nid = \"drift\"\nmetric = \"alpha_drift\"\nabsolute = true\nfail = { max = 0.3 }\n";
    assert_eq!(
        codes(&judged(&pair, text)),
        [(FindingCode::AlphaDrift, Level::Fail)]
    );
}

#[test]
fn a_metric_without_value_is_counted_or_raised_as_the_rule_says() {
    let mut pair = comparison([0.01; 4]);
    pair.layers[1].drift.set(
        Metric::RelativeUpdate,
        Measured::not_applicable("the base is all zero"),
    );
    let skipped = judged(&pair, LIMITS);
    assert_eq!(skipped.verdict, Verdict::Pass);
    assert_eq!(
        (
            skipped.undefined[0].selected,
            skipped.undefined[0].undefined
        ),
        (4, 1)
    );
    let raised = judged(
        &pair,
        &LIMITS.replace("warn =", "undefined = \"fail\"\nwarn ="),
    );
    assert_eq!(raised.verdict, Verdict::Fail);
    assert!(first(&raised).message.contains("the base is all zero"));
}

#[test]
fn a_rule_or_glob_that_matches_nothing_is_a_finding() {
    let text = LIMITS.replace("warn =", "layers = [\"*.q\", \"*.gone\"]\nwarn =");
    let judgement = judged(&comparison([0.01; 4]), &text);
    assert_eq!(codes(&judgement), [(FindingCode::UnusedRule, Level::Warn)]);
    assert!(first(&judgement).message.contains("`*.gone`"));
    let roles = LIMITS.replace("warn =", "roles = [\"router\"]\nwarn =");
    assert_eq!(
        codes(&judged(&comparison([0.01; 4]), &roles)),
        [(FindingCode::UnusedRule, Level::Warn)]
    );
}

#[test]
fn heads_are_judged_only_where_a_rule_names_them() {
    let mut pair = comparison([0.01; 4]);
    let mut head = layer(
        "classifier.weight",
        Role::Head,
        0,
        &[(Metric::RelativeUpdate, 5.0)],
    );
    head.scope = Scope::Head;
    head.block = None;
    pair.layers.push(head);
    assert_eq!(judged(&pair, LIMITS).verdict, Verdict::Pass);
    let wide = LIMITS.replace("warn =", "layers = [\"*\"]\nwarn =");
    assert_eq!(judged(&pair, &wide).verdict, Verdict::Pass);
    let named = LIMITS.replace("warn =", "layers = [\"classifier.*\"]\nwarn =");
    assert_eq!(judged(&pair, &named).verdict, Verdict::Fail);
    let role = LIMITS.replace("warn =", "roles = [\"head\"]\nwarn =");
    assert_eq!(judged(&pair, &role).verdict, Verdict::Fail);
}

fn fact(code: FindingCode) -> Fact {
    Fact {
        code,
        layer: Some(LayerName::new("layers.0.q")),
        note: false,
        metric: None,
        base: None,
        tuned: None,
        observed: None,
        limit_min: None,
        limit_max: None,
        message: "seen".to_owned(),
    }
}

#[test]
fn hygiene_takes_its_level_from_the_policy_and_notes_never_judge() {
    let mut pair = comparison([0.01; 4]);
    pair.facts.push(fact(FindingCode::NonFinite));
    assert_eq!(judged(&pair, LIMITS).verdict, Verdict::Fail);
    let warn = format!("[hygiene]\nnon-finite = \"warn\"\n{LIMITS}");
    assert_eq!(judged(&pair, &warn).verdict, Verdict::Warn);
    let allow = judged(
        &pair,
        &format!("[hygiene]\nnon-finite = \"allow\"\n{LIMITS}"),
    );
    assert_eq!(codes(&allow), [(FindingCode::NonFinite, Level::Note)]);
    pair.facts[0].note = true;
    assert_eq!(judged(&pair, LIMITS).verdict, Verdict::Pass);
}

#[test]
fn too_little_coverage_is_inconclusive_and_a_failure_still_fails() {
    let mut pair = comparison([0.01; 4]);
    pair.coverage.parameters_share = 0.5;
    let judgement = judged(&pair, LIMITS);
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
    assert_eq!(first(&judgement).code, FindingCode::LowCoverage);
    pair.facts.push(fact(FindingCode::NonFinite));
    assert_eq!(judged(&pair, LIMITS).verdict, Verdict::Fail);
}

#[test]
fn nothing_compared_is_inconclusive_whatever_the_policy_asks() {
    let mut pair = comparison([0.01; 4]);
    pair.layers.clear();
    pair.coverage.compared = 0;
    pair.coverage.parameters_share = 0.0;
    let judgement = judged(&pair, "[coverage]\nmin = 0.0\n");
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
}

#[test]
fn a_share_that_is_not_a_number_is_inconclusive() {
    let mut pair = comparison([0.01; 4]);
    pair.coverage.parameters_share = f64::NAN;
    assert_eq!(judged(&pair, LIMITS).verdict, Verdict::Inconclusive);
}

fn waiver(extra: &str) -> String {
    format!(
        "{LIMITS}\n[[waiver]]\nrule = \"size\"\nlayers = [\"layers.1.*\"]\nowner = \"ml-platform\"\n\
         reason = \"new vocabulary\"\n{extra}\n"
    )
}

#[test]
fn a_waiver_turns_its_findings_into_notes_until_its_last_day() {
    let pair = comparison([0.01, 0.01, 0.01, 0.5]);
    for until in ["2026-11-24", "2026-12-31"] {
        let judgement = judged(&pair, &waiver(&format!("until = \"{until}\"")));
        assert_eq!(judgement.verdict, Verdict::Pass, "{until}");
        let waived = first(&judgement).waived.as_ref().unwrap();
        assert_eq!(
            (waived.owner.as_str(), waived.level),
            ("ml-platform", Level::Fail)
        );
    }
    let expired = judged(&pair, &waiver("until = \"2026-11-23\""));
    assert_eq!(
        codes(&expired),
        [
            (FindingCode::UpdateSize, Level::Fail),
            (FindingCode::ExpiredWaiver, Level::Warn)
        ]
    );
}

#[test]
fn days_left_count_to_the_last_day() {
    let judgement = judged(
        &comparison([0.01, 0.01, 0.01, 0.5]),
        &waiver("until = \"2026-12-04\""),
    );
    assert_eq!(first(&judgement).waived.as_ref().unwrap().days_left, 10);
}

#[test]
fn past_the_ceiling_the_finding_comes_back() {
    let text = waiver("until = \"2026-12-31\"\nceiling = 0.6");
    assert_eq!(
        judged(&comparison([0.01, 0.01, 0.01, 0.5]), &text).verdict,
        Verdict::Pass
    );
    assert_eq!(
        judged(&comparison([0.01, 0.01, 0.01, 0.7]), &text).verdict,
        Verdict::Fail
    );
}

#[test]
fn a_waiver_that_matches_nothing_is_a_finding() {
    let judgement = judged(
        &comparison([0.5, 0.01, 0.01, 0.01]),
        &waiver("until = \"2026-12-31\""),
    );
    assert_eq!(
        codes(&judgement),
        [
            (FindingCode::UpdateSize, Level::Fail),
            (FindingCode::UnusedWaiver, Level::Warn)
        ]
    );
}

proptest! {
    #[test]
    fn a_stricter_limit_never_improves_the_verdict(
        updates in proptest::array::uniform4(0.0_f64..1.0),
        loose in 0.2_f64..1.0,
        by in 0.0_f64..0.2,
    ) {
        let with = |limit: f64| {
            let text = format!("[[rule]]\nid = \"size\"\nmetric = \"relative_update\"\nfail = {{ max = {limit:?} }}\n");
            judged(&comparison(updates), &text).verdict
        };
        prop_assert!(with(loose - by) >= with(loose));
    }
}
