//! From tensor names to layers: role, block, scope, and how base and tuned names meet.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Name of a layer as the report shows it: the tensor's name in the tuned checkpoint, with `[7]`
/// behind it for one expert of a fused tensor. Raw text from a checkpoint: renderers escape it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct LayerName(String);

impl LayerName {
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LayerName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

macro_rules! roles {
    ($($variant:ident = $name:literal,)+) => {
        /// What a layer does in its block.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[non_exhaustive]
        pub enum Role {
            $(#[serde(rename = $name)] $variant,)+
        }

        impl Role {
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

roles! {
    Embedding = "embedding",
    Head = "head",
    AttentionQ = "attention.q",
    AttentionK = "attention.k",
    AttentionV = "attention.v",
    AttentionO = "attention.o",
    MlpGate = "mlp.gate",
    MlpUp = "mlp.up",
    MlpDown = "mlp.down",
    MlpFc1 = "mlp.fc1",
    MlpFc2 = "mlp.fc2",
    ExpertGate = "expert.gate",
    ExpertUp = "expert.up",
    ExpertDown = "expert.down",
    Router = "router",
    Conv = "conv",
    Norm = "norm",
    Bias = "bias",
    Other = "other",
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("unknown role `{text}`"))
    }
}

/// Whether the policy's rules apply by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Judged.
    Body,
    /// A task head or pooler: reported, judged only by a rule that names it.
    Head,
}
