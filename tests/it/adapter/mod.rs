//! Adapters: on their base, by themselves, and merged as they should not be.

mod golden;
mod merge;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use tunegate::fs;

use crate::support::cmd::{Judged, Ran, tunegate};
use crate::support::random::Random;
use crate::support::tiny::{DOWN, QUERY, TinyCheckpoint, TinyTensor, encode, narrow};

const RANK: usize = 4;
const ALPHA: f64 = 16.0;
/// alpha / r.
const SCALE: f64 = 4.0;

/// A LoRA on two matrices of the tiny model.
#[derive(Debug, Clone)]
struct TinyAdapter {
    tensors: BTreeMap<String, TinyTensor>,
    config: Value,
}

impl TinyAdapter {
    /// Moves its matrices by about a twentieth of what the default policy lets them move.
    fn new(base: &TinyCheckpoint) -> Self {
        let mut tensors = BTreeMap::new();
        for target in [QUERY, DOWN] {
            let [out, input] = base.tensors[target].shape[..] else {
                panic!("{target} is no matrix")
            };
            let mut random = Random::named(3, target);
            let mut factor = |rows: usize, cols: usize, size: f64| {
                let values = random.gaussians(rows * cols);
                let values = values
                    .into_iter()
                    .map(|value| narrow(value * size))
                    .collect();
                TinyTensor::new(&[rows, cols], values)
            };
            let size = norm(&base.tensors[target].values) / 160.0;
            let (a, b) = (factor(RANK, input, 0.05), factor(out, RANK, 0.05 * size));
            tensors.insert(part(target, "lora_A"), a);
            tensors.insert(part(target, "lora_B"), b);
        }
        let config = json!({
            "peft_type": "LORA",
            "r": RANK,
            "lora_alpha": ALPHA,
            "target_modules": ["q_proj", "down_proj"],
            "base_model_name_or_path": "tiny/base",
        });
        Self { tensors, config }
    }

    fn write(&self, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        let save = |name: &str, bytes: &[u8]| fs::write_atomic(&folder.join(name), bytes).unwrap();
        save("adapter_model.safetensors", &encode(self.tensors.iter()));
        save("adapter_config.json", self.config.to_string().as_bytes());
    }

    fn edit(mut self, target: &str, factor: &str, change: impl FnOnce(&mut [f32])) -> Self {
        let tensor = self.tensors.get_mut(&part(target, factor)).unwrap();
        change(&mut tensor.values);
        self
    }

    /// `base + factor s B A`, in the arithmetic of f64.
    fn merged(&self, base: &TinyCheckpoint, factor: f64) -> TinyCheckpoint {
        let mut merged = base.clone();
        for target in [QUERY, DOWN] {
            let a = &self.tensors[&part(target, "lora_A")];
            let b = &self.tensors[&part(target, "lora_B")];
            let cols = a.shape[1];
            merged = merged.edit(target, |values| {
                for (index, value) in values.iter_mut().enumerate() {
                    let (row, col) = (index / cols, index % cols);
                    let product: f64 = (0..RANK)
                        .map(|k| {
                            f64::from(b.values[row * RANK + k])
                                * f64::from(a.values[k * cols + col])
                        })
                        .sum();
                    *value = narrow(f64::from(*value) + factor * SCALE * product);
                }
            });
        }
        merged
    }
}

fn norm(values: &[f32]) -> f64 {
    let squares = values.iter().map(|value| f64::from(*value).powi(2));
    squares.sum::<f64>().sqrt()
}

/// Name of a factor of the module that holds this weight.
fn part(target: &str, factor: &str) -> String {
    let module = target.strip_suffix(".weight").unwrap();
    format!("base_model.model.{module}.{factor}.weight")
}

/// `base`, `adapter` and, where there is one, `tuned` in a folder.
struct Folder {
    folder: TempDir,
}

impl Folder {
    fn new(base: &TinyCheckpoint, adapter: &TinyAdapter) -> Self {
        let folder = tempfile::tempdir().unwrap();
        base.write(&folder.path().join("base"));
        adapter.write(&folder.path().join("adapter"));
        Self { folder }
    }

    fn tuned(self, tuned: &TinyCheckpoint) -> Self {
        tuned.write(&self.folder.path().join("tuned"));
        self
    }

    fn run(&self, args: &[&str]) -> Ran {
        Ran::of(tunegate().current_dir(self.folder.path()).args(args))
    }

    /// The report of `check` with these arguments.
    fn judged(&self, args: &[&str]) -> Judged {
        let ran = self.run(&[&["check", "--format", "json"], args].concat());
        Judged {
            report: ran.json(),
            code: ran.code,
        }
    }
}

const ON_BASE: &[&str] = &["--base", "base", "--tuned", "adapter"];

#[test]
fn an_adapter_is_judged_on_its_base() {
    let base = TinyCheckpoint::model();
    let adapter = TinyAdapter::new(&base);
    let folder = Folder::new(&base, &adapter);
    let judged = folder.judged(ON_BASE);
    judged.ends("pass", 0);
    assert_eq!(judged.report["estimator"]["update"], "adapter-factors");
    assert_eq!(judged.report["tuned"]["ref"], "adapter");
    let drift = &judged.layer(QUERY)["drift"];
    assert_eq!(drift["update_rank_99"], 4);
    assert_eq!(drift["update_noise_share"], 0);
    // The same weights by any other name.
    let by_sum = folder.judged(&["--base", "base", "--tuned", "base+adapter"]);
    assert_eq!(by_sum.report["layers"], judged.report["layers"]);
    assert_eq!(
        by_sum.report["tuned"]["digest"],
        judged.report["tuned"]["digest"]
    );
    let scanned = folder
        .run(&["scan", "base+adapter", "--format", "json"])
        .expect_code(0);
    assert_eq!(scanned.json()["layers"].as_array().unwrap().len(), 16);
}

#[test]
fn an_update_of_an_adapter_is_exact_where_rounding_would_bury_it() {
    let base = TinyCheckpoint::model().dtype(crate::support::dtype::Dtype::Bf16);
    let small = |values: &mut [f32]| values.iter_mut().for_each(|value| *value *= 0.02);
    let adapter = TinyAdapter::new(&base).edit(QUERY, "lora_B", small);
    let judged = Folder::new(&base, &adapter).judged(ON_BASE);
    let drift = &judged.layer(QUERY)["drift"];
    assert_eq!(drift["update_rank_99"], 4, "{drift:#}");
    let rank = drift["update_effective_rank"].as_f64().unwrap();
    assert!((1.0..=4.0).contains(&rank), "{drift:#}");
}

#[test]
fn a_base_may_be_a_checkpoint_with_an_adapter() {
    let base = TinyCheckpoint::model();
    let adapter = TinyAdapter::new(&base);
    let folder = Folder::new(&base, &adapter);
    let judged = folder.judged(&["--base", "base+adapter", "--tuned", "base+adapter"]);
    judged.has("no-op", &[(None, "fail")]);
    // From an adapted base on, the same adapter once more.
    let judged = folder.judged(&["--base", "base+adapter", "--tuned", "adapter"]);
    judged.ends("pass", 0);
    // Over both adapters the update has no single pair of factors.
    let judged = folder.judged(&["--base", "base", "--tuned", "base+adapter+adapter"]);
    assert_eq!(judged.report["estimator"]["update"], Value::Null);
}

#[test]
fn shards_of_a_check_of_an_adapter_join_to_the_whole() {
    let base = TinyCheckpoint::model();
    let folder = Folder::new(&base, &TinyAdapter::new(&base));
    let whole = folder
        .run(&[&["check", "--format", "json"], ON_BASE].concat())
        .expect_code(0);
    for share in ["1/2", "2/2"] {
        let emit = format!("part={}.json", &share[..1]);
        let args = ["check", "--shard", share, "--emit", &emit];
        folder.run(&[&args, ON_BASE].concat()).expect_code(0);
    }
    let joined = folder
        .run(&["merge", "1.json", "2.json", "--format", "json"])
        .expect_code(0);
    assert_eq!(joined.stdout, whole.stdout);
}

#[test]
fn the_cache_tells_an_update_by_factors_from_a_difference() {
    let base = TinyCheckpoint::model();
    let adapter = TinyAdapter::new(&base);
    let folder = Folder::new(&base, &adapter);
    let first = folder.judged(&[ON_BASE, &["--cache", "cache"]].concat());
    let again = folder.judged(&[ON_BASE, &["--cache", "cache"]].concat());
    assert_eq!(first.report, again.report);
    // The same bytes on a base that is another one to the program: no factors.
    let args = [
        "--base",
        "base/model.safetensors",
        "--tuned",
        "base+adapter",
    ];
    let by_difference = folder.judged(&[&args[..], &["--cache", "cache"]].concat());
    assert_eq!(
        by_difference.report["tuned"]["digest"],
        first.report["tuned"]["digest"]
    );
    let size = |judged: &Judged| judged.layer(QUERY)["drift"]["update_spectral_norm"].as_f64();
    let (exact, rounded) = (size(&first).unwrap(), size(&by_difference).unwrap());
    assert!(exact.total_cmp(&rounded).is_ne() && (exact / rounded - 1.0).abs() <= 1e-4);
}

#[test]
fn a_broken_or_untrained_adapter_fails() {
    let base = TinyCheckpoint::model();
    for factor in ["lora_A", "lora_B"] {
        let broken = TinyAdapter::new(&base).edit(QUERY, factor, |values| values[0] = f32::NAN);
        let judged = Folder::new(&base, &broken).judged(ON_BASE);
        judged.has("non-finite", &[(Some(QUERY), "fail")]);
        judged.ends("fail", 1);
    }
    let untrained = TinyAdapter::new(&base)
        .edit(QUERY, "lora_B", |values| values.fill(0.0))
        .edit(DOWN, "lora_B", |values| values.fill(0.0));
    let judged = Folder::new(&base, &untrained).judged(ON_BASE);
    judged.has("no-op", &[(None, "fail")]);
    judged.ends("fail", 1);
}

#[test]
fn an_adapter_by_itself_is_scanned_and_not_judged() {
    let base = TinyCheckpoint::model();
    let folder = Folder::new(&base, &TinyAdapter::new(&base));
    let scanned = folder
        .run(&["scan", "adapter", "--format", "json"])
        .expect_code(0)
        .json();
    let judged = folder.judged(ON_BASE);
    let layers = scanned["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 2);
    for (layer, name) in layers.iter().zip([QUERY, DOWN]) {
        let module = name.strip_suffix(".weight").unwrap();
        assert_eq!(layer["name"], module);
        assert_eq!(layer["metrics"]["eigenvalue_count"], 4);
        let drift = &judged.layer(name)["drift"];
        for (own, of_pair) in [
            ("spectral_norm", "update_spectral_norm"),
            ("stable_rank", "update_stable_rank"),
            ("effective_rank", "update_effective_rank"),
        ] {
            assert_eq!(layer["metrics"][own], drift[of_pair], "{name} {own}");
        }
    }
    let table = folder.run(&["scan", "adapter"]).expect_code(0).stdout;
    assert!(table.contains("effective_rank"), "{table}");
    for args in [
        &["scan", "adapter", "--compat", "weightwatcher"][..],
        &["check", "--base", "adapter", "--tuned", "base"],
    ] {
        let ran = folder.run(args).expect_code(2);
        assert!(
            ran.stderr.contains("its base is not named"),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("BASE+ADAPTER"), "{}", ran.stderr);
    }
}

#[test]
fn an_adapter_that_cannot_be_used_is_two_and_says_why() {
    let base = TinyCheckpoint::model();
    let with = |field: &str, value: Value| {
        let mut adapter = TinyAdapter::new(&base);
        adapter.config[field] = value;
        let folder = Folder::new(&base, &adapter);
        folder.run(&[&["check"], ON_BASE].concat())
    };
    for (field, value, expected) in [
        ("peft_type", json!("IA3"), "of the type `IA3`"),
        (
            "init_lora_weights",
            json!("pissa"),
            "changed by the initialisation `pissa`",
        ),
        ("use_qalora", json!(true), "`use_qalora`"),
        (
            "layer_replication",
            json!([[0, 1], [0, 1]]),
            "`layer_replication`",
        ),
        ("r", json!(8), "has rank 4, the configuration says 8"),
    ] {
        let ran = with(field, value).expect_code(2);
        assert!(
            ran.stderr.contains("cannot use adapter `adapter`"),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
        assert!(ran.stdout.is_empty());
    }
    let ran = with("sees_the_future", json!(true)).expect_code(0);
    assert!(ran.stderr.contains("`sees_the_future`"), "{}", ran.stderr);
    let other = base.without(QUERY);
    let folder = Folder::new(&other, &TinyAdapter::new(&TinyCheckpoint::model()));
    let ran = folder.run(&[&["check"], ON_BASE].concat()).expect_code(2);
    assert!(
        ran.stderr.contains("no tensor for its module"),
        "{}",
        ran.stderr
    );
}
