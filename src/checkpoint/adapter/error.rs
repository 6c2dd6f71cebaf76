//! Why an adapter could not be used.

use std::path::PathBuf;

/// What is wrong with an adapter, or with the base that it was put on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdapterError {
    #[error("the folder holds no `adapter_config.json`")]
    NoConfig,
    #[error("`adapter_config.json` is no JSON object that can be read")]
    Config(#[source] serde_json::Error),
    #[error("`{field}` in `adapter_config.json` is {found}, expected {expected}")]
    Field {
        field: &'static str,
        found: String,
        expected: &'static str,
    },
    #[error("it is of the type `{name}`, of which no merged weights can be computed")]
    Method { name: String },
    #[error("its configuration sets `{field}`: {reason}")]
    Feature {
        field: &'static str,
        reason: &'static str,
    },
    #[error("it was trained on a base changed by the initialisation `{name}`")]
    ChangedBase { name: String },
    #[error("`{pattern}` in `{field}` is no regular expression that can be read")]
    Pattern {
        field: &'static str,
        pattern: String,
        #[source]
        source: regex_lite::Error,
    },
    #[error("`{}` is a pickle, which is never loaded", file.display())]
    Pickle { file: PathBuf },
    #[error("the folder holds no `{file}`")]
    NoWeights { file: String },
    #[error("its tensor `{tensor}` is {problem}")]
    Tensor { tensor: String, problem: String },
    #[error("its module `{module}` has no {missing}")]
    Incomplete {
        module: String,
        missing: &'static str,
    },
    #[error("its module `{module}` has rank {found}, the configuration says {expected}")]
    Rank {
        module: String,
        found: usize,
        expected: u64,
    },
    #[error("the base has no tensor for its module `{module}` (looked for `{wanted}`)")]
    NoBaseTensor { module: String, wanted: String },
    #[error("the base's tensor `{tensor}` is not read: {reason}")]
    SkippedBase { tensor: String, reason: String },
    #[error("its module `{module}` does not fit the base's `{tensor}` {shape:?}: {problem}")]
    Shape {
        module: String,
        tensor: String,
        shape: Vec<usize>,
        problem: String,
    },
}

impl AdapterError {
    /// What the user can do about it: one imperative sentence.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoConfig | Self::NoWeights { .. } => Some(
                "pass the folder that the trainer wrote, with `adapter_config.json` and its weights",
            ),
            Self::Method { .. } | Self::Feature { .. } => {
                Some("merge it with the library that trained it, and pass the merged checkpoint")
            }
            Self::ChangedBase { .. } => Some(
                "save it again with `path_initial_model_for_weight_conversion` of PEFT, which makes a plain \
                 LoRA of it, or pass the merged checkpoint",
            ),
            Self::Pickle { .. } => Some(
                "convert it: python -c 'import torch; from safetensors.torch import save_file; \
                 save_file(torch.load(\"adapter_model.bin\", weights_only=True), \"adapter_model.safetensors\")'",
            ),
            Self::NoBaseTensor { .. } | Self::Shape { .. } => Some(
                "pass the base that the adapter was trained on (`base_model_name_or_path` in its configuration)",
            ),
            Self::SkippedBase { .. } => {
                Some("pass the base in a precision that is read, such as bf16")
            }
            Self::Config(_)
            | Self::Field { .. }
            | Self::Pattern { .. }
            | Self::Tensor { .. }
            | Self::Incomplete { .. }
            | Self::Rank { .. } => None,
        }
    }
}
