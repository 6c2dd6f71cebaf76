//! Reports of nights that never were: the numbers of a model that is retrained every night.
//!
//! Every metric of every layer has a mean of its own. A night multiplies it by the exponential of a
//! normal deviate that all layers of one role share and of another that is the layer's own, of the same
//! size: so layers of one role have a correlation of one half over the nights, as layers that one
//! training run moves together have.

use serde_json::{Map, Value, json};
use tunegate::spectrum::metric::{Metric, Subject};

use super::random::Random;

/// Matrices of a block, with their roles.
const PARTS: [(&str, &str); 7] = [
    ("self_attn.q_proj", "attention.q"),
    ("self_attn.k_proj", "attention.k"),
    ("self_attn.v_proj", "attention.v"),
    ("self_attn.o_proj", "attention.o"),
    ("mlp.gate_proj", "mlp.gate"),
    ("mlp.up_proj", "mlp.up"),
    ("mlp.down_proj", "mlp.down"),
];

/// A model and its recipe.
#[derive(Debug, Clone)]
pub(crate) struct Nights {
    pub(crate) seed: u64,
    pub(crate) layers: usize,
    /// Standard deviation of the logarithm, of the shared and of the own part each.
    pub(crate) noise: f64,
    pub(crate) policy: &'static str,
}

/// What is different about one night: factors of metrics on some layers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Event {
    /// Metric, factor, and how many layers from the first on.
    pub(crate) factors: Vec<(Metric, f64, usize)>,
}

impl Nights {
    pub(crate) fn new(layers: usize) -> Self {
        Self {
            seed: 11,
            layers,
            noise: 0.01,
            policy: "nightly",
        }
    }

    /// The report of one night, without a finding.
    pub(crate) fn report(&self, night: usize, event: &Event) -> Value {
        let layers: Vec<Value> = (0..self.layers)
            .map(|index| self.layer(night, index, event))
            .collect();
        let digest = |text: String| format!("sha256:{text:0>64}");
        json!({
            "schema": 1,
            "tool": { "name": "tunegate", "version": env!("CARGO_PKG_VERSION") },
            "verdict": "pass",
            "reason": format!("{} layers compared, all inside the policy", self.layers),
            "advisory": false,
            "base": { "ref": "hf://org/base@0123abcd", "revision": null, "digest": digest("ba5e".to_owned()) },
            "tuned": { "ref": format!("s3://nights/{night}"), "revision": null, "digest": digest(format!("{:x}", night + 1)) },
            "policy": { "name": self.policy, "digest": digest("1".to_owned()), "source": "policies/nightly.toml" },
            "estimator": { "alpha": "csn-ks", "min_tail": 50, "max_ks_distance": 0.1 },
            "coverage": { "compared": self.layers, "skipped": 0, "parameters_share": 1, "reasons": [], "name_map": "" },
            "summary": { "aggregates": {}, "undefined": [] },
            "findings": [],
            "layers": layers,
        })
    }

    /// The report as a failed one.
    pub(crate) fn failed(&self, night: usize, event: &Event) -> Value {
        let mut report = self.report(night, event);
        report["verdict"] = "fail".into();
        report["reason"] = "update-size on 1 layer".into();
        report["findings"] = json!([{
            "code": "update-size", "rule": "update-size", "level": "fail", "layer": null, "metric": null,
            "base": null, "tuned": null, "observed": null, "limit": null, "message": "too far",
            "policy_line": null, "policy_source": null, "waived": null, "over": null
        }]);
        report
    }

    fn layer(&self, night: usize, index: usize, event: &Event) -> Value {
        let (block, part) = (index / PARTS.len(), index % PARTS.len());
        let (part, role) = PARTS[part];
        let name = format!("model.layers.{block}.{part}.weight");
        let (mut tuned, mut drift) = (Map::new(), Map::new());
        for metric in Metric::ALL {
            let value = self.value(*metric, night, (&name, role, index), event);
            let table = match metric.subject() {
                Subject::Checkpoint => &mut tuned,
                Subject::Pair => &mut drift,
            };
            table.insert(metric.as_str().to_owned(), value.into());
        }
        json!({
            "name": name, "role": role, "block": block, "expert": null, "kind": "matrix", "scope": "body",
            "shape": [4096, 4096], "dtype": "BF16", "identical": false,
            "base": {}, "tuned": tuned, "drift": drift
        })
    }

    fn value(
        &self,
        metric: Metric,
        night: usize,
        layer: (&str, &str, usize),
        event: &Event,
    ) -> f64 {
        let (name, role, index) = layer;
        let deviate = |what: &str| Random::named(self.seed, &format!("{what} {metric}")).gaussian();
        let (centre, spread) = centre(metric);
        if spread <= 0.0 {
            return centre;
        }
        let mean = centre * (spread * deviate(name)).exp();
        let shared = deviate(&format!("night {night} {role}"));
        let own = deviate(&format!("night {night} {name}"));
        let factors = event.factors.iter();
        let factor: f64 = factors
            .filter(|(of, _, layers)| *of == metric && index < *layers)
            .map(|(_, factor, _)| *factor)
            .product();
        mean * (self.noise * (shared + own)).exp() * factor
    }
}

/// The middle over layers, and how far layers lie apart (of the logarithm; 0: a constant).
fn centre(metric: Metric) -> (f64, f64) {
    match metric.as_str() {
        "rows" | "cols" | "eigenvalue_count" => (4096.0, 0.0),
        "q" => (1.0, 0.0),
        "alpha" | "alpha_hat" => (3.4, 0.15),
        "relative_update" => (0.015, 0.2),
        "cosine" | "subspace_overlap" | "changed_fraction" => (0.99, 0.001),
        "spectral_norm_ratio" | "stable_rank_ratio" => (1.01, 0.005),
        "trap_count"
        | "new_traps"
        | "rank_loss"
        | "nonfinite_count"
        | "zero_fraction"
        | "intruder_count"
        | "intruder_energy_share" => (0.0, 0.0),
        "alpha_drift" | "alpha_change" | "ks_change" | "erg_fraction_drift" => (0.02, 0.2),
        "esd_distance" => (0.004, 0.2),
        _ => (1.0, 0.3),
    }
}
