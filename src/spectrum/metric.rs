//! Names of everything that is measured, and the table that holds one layer's values.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::code::FindingCode;
use crate::num::Measured;

/// Whether a metric describes one checkpoint's matrix or the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Checkpoint,
    Pair,
}

macro_rules! metrics {
    ($($variant:ident = $name:literal of $subject:ident,)+) => {
        /// A measured quantity; its definition, unit and source are in `docs/metrics.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[non_exhaustive]
        pub enum Metric {
            $(#[serde(rename = $name)] $variant,)+
        }

        impl Metric {
            /// In the order in which tables show them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            pub fn subject(self) -> Subject {
                match self { $(Self::$variant => Subject::$subject,)+ }
            }
        }
    };
}

metrics! {
    Rows = "rows" of Checkpoint,
    Cols = "cols" of Checkpoint,
    Q = "q" of Checkpoint,
    EigenvalueCount = "eigenvalue_count" of Checkpoint,
    FrobeniusNorm = "frobenius_norm" of Checkpoint,
    SpectralNorm = "spectral_norm" of Checkpoint,
    StableRank = "stable_rank" of Checkpoint,
    EffectiveRank = "effective_rank" of Checkpoint,
    Entropy = "entropy" of Checkpoint,
    Alpha = "alpha" of Checkpoint,
    AlphaStderr = "alpha_stderr" of Checkpoint,
    KsDistance = "ks_distance" of Checkpoint,
    Xmin = "xmin" of Checkpoint,
    Xmax = "xmax" of Checkpoint,
    TailCount = "tail_count" of Checkpoint,
    AlphaHill = "alpha_hill" of Checkpoint,
    AlphaNoise = "alpha_noise" of Checkpoint,
    AlphaHat = "alpha_hat" of Checkpoint,
    LogAlphaNorm = "log_alpha_norm" of Checkpoint,
    LogNorm = "log_norm" of Checkpoint,
    LogSpectralNorm = "log_spectral_norm" of Checkpoint,
    MpSigma = "mp_sigma" of Checkpoint,
    MpEdge = "mp_edge" of Checkpoint,
    MpSoftrank = "mp_softrank" of Checkpoint,
    SpikeCount = "spike_count" of Checkpoint,
    TrapCount = "trap_count" of Checkpoint,
    TrapZ = "trap_z" of Checkpoint,
    ErgCount = "erg_count" of Checkpoint,
    ErgFraction = "erg_fraction" of Checkpoint,
    ErgGap = "erg_gap" of Checkpoint,
    RankLoss = "rank_loss" of Checkpoint,
    Mean = "mean" of Checkpoint,
    Std = "std" of Checkpoint,
    Kurtosis = "kurtosis" of Checkpoint,
    AbsWeightEntropy = "abs_weight_entropy" of Checkpoint,
    ZeroFraction = "zero_fraction" of Checkpoint,
    NonfiniteCount = "nonfinite_count" of Checkpoint,
    ParticipationRatio = "participation_ratio" of Checkpoint,
    SpectralGap = "spectral_gap" of Checkpoint,
    RelativeUpdate = "relative_update" of Pair,
    Cosine = "cosine" of Pair,
    ChangedFraction = "changed_fraction" of Pair,
    SpectralNormRatio = "spectral_norm_ratio" of Pair,
    StableRankRatio = "stable_rank_ratio" of Pair,
    AlphaDrift = "alpha_drift" of Pair,
    AlphaChange = "alpha_change" of Pair,
    KsChange = "ks_change" of Pair,
    EsdDistance = "esd_distance" of Pair,
    ErgFractionDrift = "erg_fraction_drift" of Pair,
    NewTraps = "new_traps" of Pair,
    UpdateSpectralNorm = "update_spectral_norm" of Pair,
    UpdateStableRank = "update_stable_rank" of Pair,
    UpdateEffectiveRank = "update_effective_rank" of Pair,
    UpdateRank1Share = "update_rank1_share" of Pair,
    UpdateNoiseShare = "update_noise_share" of Pair,
    UpdateRank90 = "update_rank_90" of Pair,
    UpdateRank95 = "update_rank_95" of Pair,
    UpdateRank99 = "update_rank_99" of Pair,
    UpdateAlpha = "update_alpha" of Pair,
    IntruderCount = "intruder_count" of Pair,
    IntruderEnergyShare = "intruder_energy_share" of Pair,
    SubspaceOverlap = "subspace_overlap" of Pair,
}

impl Metric {
    /// The one-checkpoint metric that shows what a rule on this metric is about, on either side.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "most metrics of a pair have no sides"
    )]
    pub fn per_side(self) -> Option<Self> {
        match self {
            Self::AlphaDrift | Self::AlphaChange => Some(Self::Alpha),
            Self::KsChange => Some(Self::KsDistance),
            Self::SpectralNormRatio => Some(Self::SpectralNorm),
            Self::StableRankRatio => Some(Self::StableRank),
            Self::ErgFractionDrift => Some(Self::ErgFraction),
            Self::NewTraps => Some(Self::TrapCount),
            other if other.subject() == Subject::Checkpoint => Some(other),
            _ => None,
        }
    }

    /// The finding code of a rule on this metric.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "any other metric has the general code"
    )]
    pub fn code(self) -> FindingCode {
        match self {
            Self::Alpha => FindingCode::AlphaBand,
            Self::AlphaDrift => FindingCode::AlphaDrift,
            Self::RelativeUpdate => FindingCode::UpdateSize,
            Self::SpectralNormRatio => FindingCode::SpectralNormGrowth,
            Self::StableRankRatio => FindingCode::StableRankDrift,
            Self::EsdDistance => FindingCode::EsdDrift,
            Self::IntruderCount | Self::IntruderEnergyShare => FindingCode::IntruderDimensions,
            Self::TrapCount | Self::TrapZ | Self::NewTraps => FindingCode::CorrelationTraps,
            Self::UpdateRank1Share => FindingCode::RankOneEdit,
            Self::UpdateNoiseShare => FindingCode::NoiseShare,
            _ => FindingCode::MetricLimit,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|metric| metric.as_str() == text)
            .ok_or_else(|| format!("unknown metric `{text}`"))
    }
}

/// One layer's measurements. A metric that is absent was not asked for; one that has no value says
/// why ([`Measured`]).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MetricTable(BTreeMap<Metric, Measured>);

impl MetricTable {
    pub fn set(&mut self, metric: Metric, measured: Measured) {
        self.0.insert(metric, measured);
    }

    pub fn get(&self, metric: Metric) -> Option<&Measured> {
        self.0.get(&metric)
    }

    /// The value, or `None` where the metric is absent or has no value.
    pub fn value(&self, metric: Metric) -> Option<f64> {
        self.get(metric).and_then(Measured::value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (Metric, &Measured)> {
        self.0.iter().map(|(metric, measured)| (*metric, measured))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_name_is_unique_and_reads_back() {
        let names: std::collections::BTreeSet<_> =
            Metric::ALL.iter().map(|metric| metric.as_str()).collect();
        assert_eq!(names.len(), Metric::ALL.len());
        for metric in Metric::ALL {
            assert_eq!(metric.as_str().parse::<Metric>(), Ok(*metric));
        }
    }
}
