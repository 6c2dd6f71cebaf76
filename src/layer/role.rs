//! What a layer does in its block.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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
