//! Runs made by hand, judged against good ones.

mod behaviour;
mod scatter;
mod simulation;
mod structure;
mod tables;

use std::collections::BTreeMap;

use jiff::civil::date;

use crate::calibrate::Random;
use crate::code::{FindingCode, Level};
use crate::compare::{
    Baseline, BaselineRun, BaselineRuns, CheckpointIdentity, Comparison, Coverage, LayerComparison,
    LayerKind, LayerMetrics, Levels, RunLayer,
};
use crate::layer::{LayerName, Role, Scope};
use crate::num::Measured;
use crate::policy::Policy;
use crate::spectrum::Profile;
use crate::spectrum::metric::{Metric, MetricTable};
use crate::verdict::{Finding, Judgement, Verdict, judge_against};

const ROLES: [(Role, &str); 4] = [
    (Role::AttentionQ, "q"),
    (Role::AttentionV, "v"),
    (Role::MlpUp, "up"),
    (Role::MlpDown, "down"),
];

/// What a run of one recipe looks like: medians, and how runs and layers scatter.
#[derive(Debug, Clone)]
struct Recipe {
    blocks: u32,
    update: f64,
    stable_rank: f64,
    effective_rank: f64,
    /// Standard deviation that all layers of a run share, and that each has for itself.
    shared: f64,
    own: f64,
}

/// The fine-tunes of MiniLM that were measured: 36 matrices, two seeds within 2 %.
const SOUND: Recipe = Recipe {
    blocks: 9,
    update: 0.0151,
    stable_rank: 5.75,
    effective_rank: 30.0,
    shared: 0.01,
    own: 0.03,
};

impl Recipe {
    fn comparison(&self, random: &mut Random) -> Comparison {
        let mut layers = Vec::new();
        let shift: Vec<f64> = (0..3).map(|_| self.shared * random.normal()).collect();
        for block in 0..self.blocks {
            for (role, name) in ROLES {
                let mut scatter = |index: usize| (shift[index] + self.own * random.normal()).exp();
                let depth = 1.0 + 0.05 * f64::from(block);
                let values = [
                    (Metric::RelativeUpdate, self.update * depth * scatter(0)),
                    (
                        Metric::UpdateStableRank,
                        self.stable_rank / depth * scatter(1),
                    ),
                    (
                        Metric::UpdateEffectiveRank,
                        self.effective_rank * scatter(2),
                    ),
                    (Metric::SpectralNormRatio, 1.0 + 1e-4 * random.normal()),
                    (Metric::AlphaDrift, 1e-3 * random.normal()),
                ];
                layers.push(layer(
                    &format!("layers.{block}.{name}"),
                    role,
                    block,
                    &values,
                ));
            }
        }
        comparison(layers)
    }

    fn run(&self, id: &str, random: &mut Random) -> BaselineRun {
        run(id, &self.comparison(random))
    }

    fn runs(&self, count: usize, random: &mut Random) -> Vec<BaselineRun> {
        (0..count)
            .map(|index| self.run(&format!("night-{index}"), random))
            .collect()
    }
}

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
        update_profile: Profile::default(),
    }
}

fn comparison(layers: Vec<LayerComparison>) -> Comparison {
    let identity = |reference: &str| CheckpointIdentity {
        reference: reference.to_owned(),
        revision: None,
        digest: "sha256:0".to_owned(),
    };
    Comparison {
        base: identity("base"),
        tuned: identity("tonight"),
        coverage: Coverage {
            compared: layers.len(),
            parameters_share: 1.0,
            ..Coverage::default()
        },
        layers,
        facts: Vec::new(),
        estimator: BTreeMap::new(),
    }
}

fn run(id: &str, comparison: &Comparison) -> BaselineRun {
    let layers = RunLayer::all(comparison);
    BaselineRun {
        id: id.to_owned(),
        recorded: format!("2026-11-01T00:00:00Z/{id}"),
        commit: None,
        tuned_digest: format!("sha256:{id}"),
        anchor: false,
        levels: Levels::of(&layers),
        layers,
    }
}

fn judged(runs: Vec<BaselineRun>, tonight: &Comparison, settings: &str) -> Judgement {
    let text = format!("version = 1\nname = \"gate\"\n{settings}");
    let policy = Policy::parse("gate.toml", &text).unwrap();
    let baseline = Baseline::Runs(BaselineRuns {
        source: "nightly.db".to_owned(),
        runs,
        left_out: Vec::new(),
    });
    judge_against(tonight, Some(&baseline), &policy, date(2026, 11, 24))
}

fn only(judgement: &Judgement) -> &Finding {
    assert_eq!(judgement.findings.len(), 1, "{:#?}", judgement.findings);
    &judgement.findings[0]
}

fn codes(judgement: &Judgement) -> Vec<(FindingCode, Level)> {
    let findings = judgement.findings.iter();
    findings
        .map(|finding| (finding.code, finding.level))
        .collect()
}

fn set(comparison: &mut Comparison, name: &str, metric: Metric, value: f64) {
    let layer = comparison
        .layers
        .iter_mut()
        .find(|layer| layer.name.as_str() == name);
    layer.unwrap().drift.set(metric, Measured::of(value));
}

fn is_pass(judgement: &Judgement) {
    assert_eq!(
        judgement.verdict,
        Verdict::Pass,
        "{:#?}",
        judgement.findings
    );
}
