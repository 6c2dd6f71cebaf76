//! Tiny checkpoints, made from a seed and written as real files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use tunegate::fs;

use super::dtype::Dtype;
use super::random::Random;
use super::spectrum::{Spectrum, matrix, norm};

/// Width of the model: enough eigenvalues for the default estimator, and quick.
pub(crate) const WIDTH: usize = 128;
pub(crate) const VOCABULARY: usize = 160;
const INNER: usize = 144;

pub(crate) const QUERY: &str = "model.layers.0.self_attn.q_proj.weight";
pub(crate) const KEY: &str = "model.layers.0.self_attn.k_proj.weight";
pub(crate) const DOWN: &str = "model.layers.1.mlp.down_proj.weight";
pub(crate) const NORM: &str = "model.norm.weight";
pub(crate) const EMBEDDING: &str = "model.embed_tokens.weight";
pub(crate) const HEAD: &str = "lm_head.weight";

#[derive(Debug, Clone)]
pub(crate) struct TinyTensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
    pub(crate) dtype: Dtype,
}

impl TinyTensor {
    pub(crate) fn new(shape: &[usize], values: Vec<f32>) -> Self {
        assert_eq!(values.len(), shape.iter().product::<usize>());
        Self {
            shape: shape.to_vec(),
            values,
            dtype: Dtype::F32,
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct TinyCheckpoint {
    seed: u64,
    pub(crate) tensors: BTreeMap<String, TinyTensor>,
    pub(crate) config: Option<Value>,
    files: BTreeMap<String, String>,
    shards: usize,
}

static MODEL: LazyLock<TinyCheckpoint> = LazyLock::new(|| model_of(7));

fn model_of(seed: u64) -> TinyCheckpoint {
    let power_law = Spectrum::PowerLaw(3.0);
    let mut model = TinyCheckpoint::new(seed)
        .layer(EMBEDDING, [VOCABULARY, WIDTH], Spectrum::Gaussian)
        .layer(HEAD, [VOCABULARY, WIDTH], Spectrum::Gaussian)
        .vector(NORM, WIDTH);
    for block in 0..2 {
        let name = |part: &str| format!("model.layers.{block}.{part}.weight");
        for part in ["q_proj", "k_proj", "v_proj", "o_proj"] {
            let name = name(&format!("self_attn.{part}"));
            model = model.layer(&name, [WIDTH, WIDTH], power_law);
        }
        model = model
            .layer(&name("mlp.gate_proj"), [INNER, WIDTH], power_law)
            .layer(&name("mlp.up_proj"), [INNER, WIDTH], power_law)
            .layer(&name("mlp.down_proj"), [WIDTH, INNER], power_law)
            .vector(&name("input_layernorm"), WIDTH)
            .vector(&name("post_attention_layernorm"), WIDTH);
    }
    model.config(json!({
        "model_type": "llama",
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "num_hidden_layers": 2,
        "vocab_size": VOCABULARY,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "tie_word_embeddings": false,
        "transformers_version": "4.56.0"
    }))
}

impl TinyCheckpoint {
    /// Without any tensor.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            shards: 1,
            ..Self::default()
        }
    }

    /// A Llama of two blocks, in F32.
    pub(crate) fn model() -> Self {
        MODEL.clone()
    }

    /// The same architecture with other weights.
    pub(crate) fn other_model() -> Self {
        model_of(8)
    }

    pub(crate) fn layer(self, name: &str, shape: [usize; 2], spectrum: Spectrum) -> Self {
        let values = matrix(&mut Random::named(self.seed, name), shape, spectrum);
        self.tensor(name, TinyTensor::new(&shape, narrowed(&values)))
    }

    /// A norm's weight: near one.
    pub(crate) fn vector(self, name: &str, length: usize) -> Self {
        let mut random = Random::named(self.seed, name);
        let values: Vec<f64> = (0..length).map(|_| 1.0 + 0.1 * random.gaussian()).collect();
        self.tensor(name, TinyTensor::new(&[length], narrowed(&values)))
    }

    pub(crate) fn tensor(mut self, name: &str, tensor: TinyTensor) -> Self {
        self.tensors.insert(name.to_owned(), tensor);
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        assert!(self.tensors.remove(name).is_some(), "no tensor {name}");
        self
    }

    pub(crate) fn config(mut self, config: Value) -> Self {
        self.config = Some(config);
        self
    }

    pub(crate) fn config_field(mut self, field: &str, value: Value) -> Self {
        let config = self.config.get_or_insert_with(|| json!({}));
        config
            .as_object_mut()
            .unwrap()
            .insert(field.to_owned(), value);
        self
    }

    /// A file beside the weights, such as a tokenizer's.
    pub(crate) fn file(mut self, name: &str, text: &str) -> Self {
        self.files.insert(name.to_owned(), text.to_owned());
        self
    }

    /// Stores every tensor as `dtype`.
    pub(crate) fn dtype(mut self, dtype: Dtype) -> Self {
        for tensor in self.tensors.values_mut() {
            tensor.dtype = dtype;
        }
        self
    }

    pub(crate) fn dtype_of(mut self, name: &str, dtype: Dtype) -> Self {
        self.tensors.get_mut(name).unwrap().dtype = dtype;
        self
    }

    /// Splits the tensors over so many files with an index.
    pub(crate) fn shards(mut self, count: usize) -> Self {
        self.shards = count;
        self
    }

    /// Lets `change` work on the values of one tensor.
    pub(crate) fn edit(mut self, name: &str, change: impl FnOnce(&mut [f32])) -> Self {
        change(&mut self.tensors.get_mut(name).unwrap().values);
        self
    }

    /// A sound fine-tune: every matrix moves by `relative_update` of its norm, half of it of rank
    /// four and half of it dense; vectors move densely.
    pub(crate) fn tuned(&self, relative_update: f64) -> Self {
        let mut tuned = self.clone();
        for (name, tensor) in &mut tuned.tensors {
            let mut random = Random::named(self.seed + 1, name);
            update(tensor, relative_update, &mut random);
        }
        tuned
    }

    /// Writes the checkpoint to `folder` and returns it.
    pub(crate) fn write(&self, folder: &Path) -> PathBuf {
        fs::create_dir_all(folder).unwrap();
        let save = |name: &str, bytes: &[u8]| fs::write_atomic(&folder.join(name), bytes).unwrap();
        if self.shards == 1 {
            save("model.safetensors", &encode(self.tensors.iter()));
        } else {
            let mut weight_map = BTreeMap::new();
            for shard in 0..self.shards {
                let file = format!("model-{:05}-of-{:05}.safetensors", shard + 1, self.shards);
                let own = self.tensors.iter().skip(shard).step_by(self.shards);
                weight_map.extend(own.clone().map(|(name, _)| (name.clone(), file.clone())));
                save(&file, &encode(own));
            }
            let index = json!({ "metadata": {}, "weight_map": weight_map });
            save("model.safetensors.index.json", index.to_string().as_bytes());
        }
        if let Some(config) = &self.config {
            save("config.json", config.to_string().as_bytes());
        }
        for (name, text) in &self.files {
            save(name, text.as_bytes());
        }
        folder.to_path_buf()
    }
}

fn update(tensor: &mut TinyTensor, size: f64, random: &mut Random) {
    let norm_before = norm(
        &tensor
            .values
            .iter()
            .map(|v| f64::from(*v))
            .collect::<Vec<_>>(),
    );
    let mut change = random.gaussians(tensor.values.len());
    let dense = norm(&change);
    for value in &mut change {
        *value /= dense;
    }
    if let [rows, cols] = tensor.shape[..] {
        let mut low_rank = vec![0.0; rows * cols];
        for _ in 0..4 {
            let (left, right) = (random.gaussians(rows), random.gaussians(cols));
            for (row, left) in low_rank.chunks_exact_mut(cols).zip(&left) {
                row.iter_mut()
                    .zip(&right)
                    .for_each(|(value, right)| *value += left * right);
            }
        }
        let scale = norm(&low_rank);
        change
            .iter_mut()
            .zip(&low_rank)
            .for_each(|(value, low)| *value += low / scale);
    }
    let scale = size * norm_before / norm(&change);
    for (value, change) in tensor.values.iter_mut().zip(&change) {
        *value = narrow(f64::from(*value) + scale * change);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is meant")]
pub(crate) fn narrow(value: f64) -> f32 {
    value as f32
}

fn narrowed(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| narrow(*value)).collect()
}

/// The bytes of one safetensors file.
pub(crate) fn encode<'a>(tensors: impl Iterator<Item = (&'a String, &'a TinyTensor)>) -> Vec<u8> {
    let encoded: Vec<(&String, &TinyTensor, Vec<u8>)> = tensors
        .map(|(name, tensor)| (name, tensor, tensor.dtype.encode(&tensor.values)))
        .collect();
    let views = encoded.iter().map(|(name, tensor, bytes)| {
        let dtype = tensor.dtype.of_safetensors();
        let view = TensorView::new(dtype, tensor.shape.clone(), bytes).unwrap();
        (name.as_str(), view)
    });
    safetensors::serialize(views, None).unwrap()
}
