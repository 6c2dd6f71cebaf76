//! Reports made by hand, for the tests of every rendering.

use std::collections::BTreeMap;

use crate::code::{FindingCode, Level};
use crate::compare::{
    CheckpointIdentity, Comparison, Coverage, LayerComparison, LayerKind, LayerMetrics,
    SkippedTensor,
};
use crate::layer::{LayerName, Role, Scope};
use crate::num::{Finite, Measured};
use crate::policy::Origin;
use crate::spectrum::Profile;
use crate::spectrum::metric::{Metric, MetricTable};
use crate::verdict::{
    Finding, FindingLimit, Judgement, RuleLimits, UndefinedCount, Verdict, Waived,
};

use super::{PolicyIdentity, Report};

pub(super) const DOWN: &str = "model.layers.3.mlp.down_proj.weight";
/// Tries a terminal sequence, a mention, a table pipe, a code span's end and HTML.
pub(super) const HOSTILE: &str = "x\u{1b}[31m|`@octocat`<img src=x>#12\n\u{202e}y";

pub(super) fn finite(value: f64) -> Option<Finite> {
    Finite::new(value)
}

fn at_most(max: f64) -> FindingLimit {
    FindingLimit {
        min: None,
        max: finite(max),
    }
}

pub(super) fn table(values: &[(Metric, f64)]) -> MetricTable {
    let mut table = MetricTable::default();
    for (metric, value) in values {
        table.set(*metric, Measured::of(*value));
    }
    table
}

/// A layer of 4096 x 11008 with a profile that rises with its drift.
pub(super) fn layer(name: &str, role: Role, block: Option<u32>, drift: f64) -> LayerComparison {
    let base_profile = Profile::from_ranks(4096, |rank| 3.0 - 4.5 * rank as f64 / 4095.0);
    let tuned_profile = Profile::from_ranks(4096, |rank| {
        let lift = if rank == 0 { 4.0 * drift } else { 0.0 };
        3.0 - 4.5 * rank as f64 / 4095.0 + lift
    });
    let metrics = |alpha: f64, profile| LayerMetrics {
        table: table(&[
            (Metric::Rows, 4096.0),
            (Metric::Cols, 11008.0),
            (Metric::Alpha, alpha),
        ]),
        fit: None,
        profile,
        phase: Some(crate::spectrum::Phase::HeavyTailed),
    };
    LayerComparison {
        name: LayerName::new(name),
        kind: LayerKind::Matrix,
        role,
        block,
        expert: None,
        scope: Scope::Body,
        shape: vec![4096, 11008],
        base_dtype: "BF16".to_owned(),
        tuned_dtype: "BF16".to_owned(),
        base: metrics(3.42, base_profile),
        tuned: metrics(3.42 + drift, tuned_profile),
        drift: table(&[(Metric::RelativeUpdate, 0.015), (Metric::AlphaDrift, drift)]),
        identical: false,
        quantisation_error: None,
        update_profile: Profile::from_ranks(4096, |rank| -2.0 - rank as f64 / 2048.0),
    }
}

/// A layer whose alpha is withheld, with the fit that was not good enough.
fn layer_without_fit() -> LayerComparison {
    let mut layer = layer(
        "model.layers.10.self_attn.q_proj.weight",
        Role::AttentionQ,
        Some(10),
        0.0,
    );
    layer.base_dtype = "F32".to_owned();
    layer.tuned.table.set(
        Metric::Alpha,
        Measured::not_applicable("ks_distance 0.14 exceeds 0.1"),
    );
    layer.tuned.phase = None;
    layer.tuned.fit = Some(table(&[(Metric::Alpha, 4.75), (Metric::KsDistance, 0.14)]));
    layer.drift.set(
        Metric::AlphaDrift,
        Measured::failed("alpha of the tuned checkpoint has no value"),
    );
    layer
}

pub(super) fn finding(level: Level, layer: Option<&str>, observed: f64) -> Finding {
    Finding {
        code: FindingCode::AlphaDrift,
        rule: "alpha-drift".to_owned(),
        level,
        layer: layer.map(LayerName::new),
        over: None,
        metric: Some(Metric::AlphaDrift),
        base: finite(3.42),
        tuned: finite(3.42 + observed),
        observed: finite(observed),
        limit: Some(at_most(if level == Level::Fail { 0.3 } else { 0.1 })),
        message: format!("`alpha_drift` is {observed:.2}"),
        origin: Some(Origin {
            source: "policies/gate.toml".to_owned(),
            line: Some(17),
        }),
        waived: None,
    }
}

fn hygiene(code: FindingCode, level: Level, layer: &str, message: &str) -> Finding {
    Finding {
        code,
        rule: code.as_str().to_owned(),
        metric: None,
        base: None,
        tuned: None,
        observed: None,
        limit: None,
        message: message.to_owned(),
        origin: Some(Origin {
            source: "builtin:default".to_owned(),
            line: None,
        }),
        ..finding(level, Some(layer), 0.0)
    }
}

fn identity(reference: &str, revision: Option<&str>, digit: &str) -> CheckpointIdentity {
    CheckpointIdentity {
        reference: reference.to_owned(),
        revision: revision.map(str::to_owned),
        digest: format!("sha256:{}", digit.repeat(64)),
    }
}

fn alpha_drift_limits(layers: usize) -> RuleLimits {
    RuleLimits {
        rule: "alpha-drift".to_owned(),
        metric: Metric::AlphaDrift,
        absolute: true,
        warn: Some(at_most(0.1)),
        fail: Some(at_most(0.3)),
        layers: (0..layers).collect(),
    }
}

fn report(
    verdict: Verdict,
    reason: &str,
    layers: Vec<LayerComparison>,
    findings: Vec<Finding>,
) -> Report {
    let coverage = Coverage {
        compared: layers.len(),
        skipped: 1,
        parameters_share: 0.998,
        reasons: vec![SkippedTensor {
            tensor: "cls.predictions.bias".to_owned(),
            reason: "only in the base".to_owned(),
        }],
        name_map: "stripped `bert.` from base".to_owned(),
    };
    let count = layers.len();
    Report {
        comparison: Comparison {
            base: identity("hf://org/base@main", Some("0123abcd"), "a"),
            tuned: identity("runs/ft", None, "b"),
            layers,
            facts: Vec::new(),
            coverage,
            estimator: BTreeMap::from([
                ("alpha".to_owned(), "csn-ks".into()),
                ("minimum_tail".to_owned(), 50.into()),
            ]),
        },
        judgement: Judgement {
            verdict,
            reason: reason.to_owned(),
            findings,
            aggregates: BTreeMap::from_iter(
                finite(3.1).map(|mean| ("mean_alpha".to_owned(), mean)),
            ),
            undefined: vec![UndefinedCount {
                rule: "alpha-drift".to_owned(),
                metric: Metric::AlphaDrift,
                selected: 4,
                undefined: 1,
            }],
            trend: None,
        },
        policy: PolicyIdentity {
            name: "gate".to_owned(),
            digest: format!("sha256:{}", "c".repeat(64)),
            source: "policies/gate.toml".to_owned(),
        },
        advisory: false,
        limits: vec![alpha_drift_limits(count)],
    }
}

fn layers() -> Vec<LayerComparison> {
    vec![
        layer(DOWN, Role::MlpDown, Some(3), 0.41),
        layer(
            "model.layers.7.mlp.down_proj.weight",
            Role::MlpDown,
            Some(7),
            0.17,
        ),
        layer_without_fit(),
        layer(HOSTILE, Role::Other, None, 0.0),
    ]
}

/// One statistical and one hygiene failure, a warning, a waived finding and a head as a note.
pub(super) fn fail() -> Report {
    let mut waived = finding(
        Level::Note,
        Some("model.layers.0.mlp.down_proj.weight"),
        0.35,
    );
    waived.waived = Some(Waived {
        owner: "ml-platform".to_owned(),
        reason: "vocabulary was extended; tracked in #123".to_owned(),
        until: "2026-12-31".to_owned(),
        days_left: 37,
        level: Level::Fail,
    });
    let findings = vec![
        hygiene(
            FindingCode::NonFinite,
            Level::Fail,
            HOSTILE,
            "3 of 45088768 values are not finite",
        ),
        finding(Level::Fail, Some(DOWN), 0.41),
        finding(
            Level::Warn,
            Some("model.layers.7.mlp.down_proj.weight"),
            0.17,
        ),
        waived,
        hygiene(
            FindingCode::UnexpectedTensor,
            Level::Note,
            "classifier.weight",
            "a head that the base does not have",
        ),
    ];
    report(
        Verdict::Fail,
        "2 of 4 layers are past a fail limit",
        layers(),
        findings,
    )
}

pub(super) fn warn() -> Report {
    let findings = vec![finding(
        Level::Warn,
        Some("model.layers.7.mlp.down_proj.weight"),
        0.17,
    )];
    report(
        Verdict::Warn,
        "1 of 4 layers is past a warn limit",
        layers(),
        findings,
    )
}

pub(super) fn pass() -> Report {
    report(
        Verdict::Pass,
        "all 4 layers are within their limits",
        layers(),
        Vec::new(),
    )
}

pub(super) fn inconclusive() -> Report {
    let mut low = hygiene(
        FindingCode::LowCoverage,
        Level::Note,
        "",
        "coverage 0.41 is below 0.95",
    );
    low.layer = None;
    let mut report = report(
        Verdict::Inconclusive,
        "only 41 % of the parameters were compared; the policy asks for 95 %",
        layers(),
        vec![low],
    );
    report.comparison.coverage.parameters_share = 0.41;
    report
}

/// `count` failing findings, each on a layer with a name of `name_length` characters.
pub(super) fn huge(count: usize, name_length: usize) -> Report {
    let mut report = fail();
    report.judgement.findings = (0..count)
        .map(|index| {
            let name = format!("{index}{}", "\u{202e}@|".repeat(name_length.div_ceil(3)));
            let mut one = finding(Level::Fail, Some(&name), 0.4);
            one.rule = format!("rule-{index}");
            if index % 50 < 3 {
                one.rule.push_str(&"|".repeat(name_length));
                one.message = "@|".repeat(name_length);
            }
            one
        })
        .collect();
    report.judgement.reason = "@|".repeat(name_length);
    report.comparison.coverage.name_map = "|`".repeat(name_length);
    report.policy.source = "|".repeat(name_length);
    report
}
