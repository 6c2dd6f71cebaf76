#![expect(clippy::indexing_slicing, reason = "a test that is wrong may panic")]

mod goldens;
mod refusals;
mod synthetic;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::checkpoint::{Adapter, Checkpoint, CheckpointError, to_f32};
use crate::fs::{create_dir_all, write_atomic};

/// Name, shape and values of one f32 tensor.
type Spec<'a> = (&'a str, &'a [usize], Vec<f32>);

/// A base and an adapter in a folder that is removed at the end of the test.
struct Pair {
    folder: TempDir,
}

impl Pair {
    fn new(base: &[Spec<'_>], adapter: &[Spec<'_>], config: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pair = Self { folder };
        let mlx = config.get("fine_tune_type").is_some();
        let file = if mlx {
            "adapters.safetensors"
        } else {
            "adapter_model.safetensors"
        };
        pair.write("base/model.safetensors", &safetensors(base));
        pair.write(&format!("adapter/{file}"), &safetensors(adapter));
        pair.write("adapter/adapter_config.json", config.to_string().as_bytes());
        pair
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.folder.path().join(name);
        create_dir_all(path.parent().unwrap()).unwrap();
        write_atomic(&path, bytes).unwrap();
    }

    fn adapter(&self) -> Result<Adapter, CheckpointError> {
        Adapter::open(&self.folder.path().join("adapter"), "adapter")
    }

    fn base(&self) -> Arc<Checkpoint> {
        Arc::new(Checkpoint::open(&self.folder.path().join("base"), "base").unwrap())
    }

    fn merged(&self) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::with_adapter(&self.base(), &self.adapter()?, "merged")
    }

    /// Values of one tensor after the merge.
    fn values(&self, name: &str) -> Vec<f32> {
        let merged = self.merged().unwrap();
        let tensor = merged.tensor(name).unwrap();
        to_f32(tensor.dtype, &merged.bytes(tensor).unwrap())
    }

    /// The error and what caused it.
    #[track_caller]
    fn refusal(&self) -> String {
        let error = self.merged().unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", cause.unwrap_or_default())
    }
}

fn safetensors(tensors: &[Spec<'_>]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, _, values)| {
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        })
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), bytes);
        (*name, view.unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

/// A plain LoRA of rank 1 with alpha 2.
fn config(more: &Value) -> Value {
    let mut config = json!({"peft_type": "LORA", "r": 1, "lora_alpha": 2});
    let fields = more.as_object().unwrap().clone();
    config.as_object_mut().unwrap().extend(fields);
    config
}

/// Base of one layer, `layers.0.q_proj.weight` [2, 3], and its bias.
fn base() -> Vec<Spec<'static>> {
    vec![
        ("layers.0.q_proj.weight", &[2, 3], vec![0.0; 6]),
        ("layers.0.q_proj.bias", &[2], vec![1.0, 1.0]),
    ]
}

/// B A = [[1, 2, 3], [10, 20, 30]].
fn factors() -> Vec<Spec<'static>> {
    vec![
        (
            "base_model.model.layers.0.q_proj.lora_A.weight",
            &[1, 3],
            vec![1.0, 2.0, 3.0],
        ),
        (
            "base_model.model.layers.0.q_proj.lora_B.weight",
            &[2, 1],
            vec![1.0, 10.0],
        ),
    ]
}

#[test]
fn an_adapter_is_opened_by_its_folder_or_its_file() {
    let pair = Pair::new(&base(), &factors(), &config(&json!({})));
    let file = pair.folder.path().join("adapter/adapter_model.safetensors");
    for path in [file.parent().unwrap(), &file] {
        assert_eq!(Adapter::open(path, "a").unwrap().reference(), "a");
    }
    assert!(Adapter::open(Path::new("no/such/folder"), "a").is_err());
}
