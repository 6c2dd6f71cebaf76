//! The finding codes: names that policies, reports and the documentation share.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a code is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CodeGroup {
    /// Exact checks before any statistics; `[hygiene]` of a policy sets their level.
    Hygiene,
    /// Limits on metrics, set by `[[rule]]`.
    Spectral,
    /// Comparison with earlier runs.
    Runs,
    /// The policy itself.
    Policy,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal in $group:ident,)+) => {
        /// Code of a finding. Each has a heading in `docs/rules.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[non_exhaustive]
        pub enum FindingCode {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)+
        }

        impl FindingCode {
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            pub fn group(self) -> CodeGroup {
                match self { $(Self::$variant => CodeGroup::$group,)+ }
            }
        }
    };
}

codes! {
    /// A NaN or an infinity among the weights.
    NonFinite = "non-finite" in Hygiene,
    /// The tuned checkpoint equals the base rounded to its dtype.
    NoOp = "no-op" in Hygiene,
    /// Cosine over all compared parameters below 0.5.
    WrongBase = "wrong-base" in Hygiene,
    LowCoverage = "low-coverage" in Hygiene,
    MissingTensor = "missing-tensor" in Hygiene,
    UnexpectedTensor = "unexpected-tensor" in Hygiene,
    ShapeChanged = "shape-changed" in Hygiene,
    DtypeDowngraded = "dtype-downgraded" in Hygiene,
    MixedPrecisionPair = "mixed-precision-pair" in Hygiene,
    DeadRows = "dead-rows" in Hygiene,
    ConstantTensor = "constant-tensor" in Hygiene,
    DuplicateLayers = "duplicate-layers" in Hygiene,
    UntiedEmbeddings = "untied-embeddings" in Hygiene,
    ReinitialisedLayer = "reinitialised-layer" in Hygiene,
    RankCollapse = "rank-collapse" in Hygiene,
    AdapterNotMerged = "adapter-not-merged" in Hygiene,
    AdapterWrongScale = "adapter-wrong-scale" in Hygiene,
    CorruptFile = "corrupt-file" in Hygiene,
    ConfigChanged = "config-changed" in Hygiene,
    AlphaBand = "alpha-band" in Spectral,
    AlphaDrift = "alpha-drift" in Spectral,
    UpdateSize = "update-size" in Spectral,
    SpectralNormGrowth = "spectral-norm-growth" in Spectral,
    StableRankDrift = "stable-rank-drift" in Spectral,
    EsdDrift = "esd-drift" in Spectral,
    IntruderDimensions = "intruder-dimensions" in Spectral,
    CorrelationTraps = "correlation-traps" in Spectral,
    RankOneEdit = "rank-one-edit" in Spectral,
    NoiseShare = "noise-share" in Spectral,
    MetricLimit = "metric-limit" in Spectral,
    BaselineDeviation = "baseline-deviation" in Runs,
    DriftTrend = "drift-trend" in Runs,
    NotEnoughHistory = "not-enough-history" in Runs,
    UnusedRule = "unused-rule" in Policy,
    UnusedWaiver = "unused-waiver" in Policy,
    ExpiredWaiver = "expired-waiver" in Policy,
    PolicyLoosened = "policy-loosened" in Policy,
}

impl fmt::Display for FindingCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for FindingCode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.as_str() == text)
            .ok_or_else(|| format!("unknown finding code `{text}`"))
    }
}

/// How serious a finding is. `Note` is shown and never changes the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Note,
    Warn,
    Fail,
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_unique_and_reads_back() {
        let names: std::collections::BTreeSet<_> =
            FindingCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), FindingCode::ALL.len());
        for code in FindingCode::ALL {
            assert_eq!(code.as_str().parse::<FindingCode>(), Ok(*code));
        }
    }
}
