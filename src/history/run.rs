//! One run as the history keeps it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::pack;
use crate::code::{FindingCode, Level};
use crate::compare::{CheckpointIdentity, Levels, RunLayer};
use crate::report::Report;
use crate::verdict::Verdict;

/// Hexadecimal digits of an identity.
const ID_DIGITS: usize = 16;

/// What a report does not say about its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunIdentity {
    /// What the nights are nights of: a gate, a recipe, a model.
    pub model: String,
    pub branch: String,
    pub commit: Option<String>,
    pub recorded: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointKey {
    #[serde(rename = "ref")]
    pub reference: String,
    pub digest: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyKey {
    pub name: String,
    pub digest: String,
}

/// A run without its layers, which are read where they are needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Digest of what makes the run what it is, so that a run that is recorded twice is one run.
    pub id: String,
    #[serde(with = "instant")]
    pub recorded: Timestamp,
    pub model: String,
    pub branch: String,
    pub commit: Option<String>,
    pub base: CheckpointKey,
    pub tuned: CheckpointKey,
    pub policy: PolicyKey,
    /// Digest of the estimators' settings; numbers of two are never compared.
    pub estimator: String,
    /// Version that measured.
    pub tool: String,
    pub verdict: Verdict,
    pub reason: String,
    /// Findings at level fail, and at level warn.
    pub fail: u32,
    pub warn: u32,
    /// Fails against the runs before it, or too little of it was compared: not accepted by itself, even where that is
    /// waived or only advice.
    pub deviates: bool,
    pub layer_count: u32,
    #[serde(with = "pack::by_name")]
    pub levels: Levels,
}

/// What a person did about a run. Acts are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    #[serde(with = "instant")]
    pub acted: Timestamp,
    pub id: String,
    pub run: String,
    pub by: String,
    pub reason: String,
}

/// Whether a run belongs to the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// By its verdict.
    Accepted,
    /// By a person, as the start of a new baseline.
    Anchor,
    /// Waits for somebody to accept it.
    Open,
}

impl Standing {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Anchor => "anchor",
            Self::Open => "open",
        }
    }
}

/// A run counts where nothing is wrong with it, or where somebody accepted it. One that is inconclusive
/// for want of earlier runs counts: a baseline that is required could never begin otherwise.
pub fn standing(run: &Run, acts: &[Act]) -> Standing {
    if acts.iter().any(|act| act.run == run.id) {
        Standing::Anchor
    } else if run.verdict != Verdict::Fail && !run.deviates {
        Standing::Accepted
    } else {
        Standing::Open
    }
}

impl Run {
    /// The run that `report` is of, and its layers.
    pub fn of(report: &Report, identity: &RunIdentity) -> (Self, Vec<RunLayer>) {
        let layers = RunLayer::all(&report.comparison);
        let judgement = &report.judgement;
        let count = |level| {
            let findings = judgement.findings.iter();
            let found = findings.filter(|finding| finding.level == level).count();
            u32::try_from(found).unwrap_or(u32::MAX)
        };
        // A waiver lets a run pass, and does not make it a measure for others. Warnings stay in: without
        // them the spread would be learnt from the calmest runs alone.
        let deviates = judgement.findings.iter().any(|finding| {
            let waived = finding.waived.as_ref().map(|waived| waived.level);
            let level = waived.unwrap_or(finding.level);
            let fails = finding.code == FindingCode::BaselineDeviation && level == Level::Fail;
            fails || finding.code == FindingCode::LowCoverage
        });
        let mut run = Self {
            id: String::new(),
            recorded: identity.recorded,
            model: identity.model.clone(),
            branch: identity.branch.clone(),
            commit: identity.commit.clone(),
            base: CheckpointKey::of(&report.comparison.base),
            tuned: CheckpointKey::of(&report.comparison.tuned),
            policy: PolicyKey {
                name: report.policy.name.clone(),
                digest: report.policy.digest.clone(),
            },
            estimator: estimator_digest(&report.comparison.estimator),
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            verdict: judgement.verdict,
            reason: judgement.reason.clone(),
            fail: count(Level::Fail),
            warn: count(Level::Warn),
            deviates,
            layer_count: u32::try_from(layers.len()).unwrap_or(u32::MAX),
            levels: pack::rounded_levels(&Levels::of(&layers)),
        };
        run.id = run.identity();
        (run, layers)
    }

    /// The same checkpoint measured in the same way at the same commit is the same run.
    pub(super) fn identity(&self) -> String {
        digest(&[
            &self.model,
            &self.branch,
            self.commit.as_deref().unwrap_or_default(),
            &self.base.digest,
            &self.tuned.digest,
            &self.policy.digest,
            &self.estimator,
        ])
    }
}

impl Act {
    /// Somebody takes a run as the reference from now on.
    pub fn accept(run: &str, by: &str, reason: &str, acted: Timestamp) -> Self {
        let mut act = Self {
            acted,
            id: String::new(),
            run: run.to_owned(),
            by: by.to_owned(),
            reason: reason.to_owned(),
        };
        act.id = act.identity();
        act
    }

    pub(super) fn identity(&self) -> String {
        let time = instant::micros(self.acted).to_string();
        digest(&["accept", &self.run, &self.by, &self.reason, &time])
    }
}

impl CheckpointKey {
    fn of(checkpoint: &CheckpointIdentity) -> Self {
        Self {
            reference: checkpoint.reference.clone(),
            digest: checkpoint.digest.clone(),
        }
    }
}

/// Digest of the settings, which are sorted by name.
pub(super) fn estimator_digest(settings: &BTreeMap<String, Value>) -> String {
    let parts: Vec<String> = settings
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    digest(&parts)
}

/// Each part is preceded by its length, so that no two lists of parts read the same.
fn digest(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let mut text = String::new();
    for byte in hasher.finalize() {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    text.truncate(ID_DIGITS);
    text
}

/// Times are kept to the microsecond.
pub(super) mod instant {
    use jiff::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(in crate::history) fn micros(time: Timestamp) -> i64 {
        time.as_microsecond()
    }

    pub(in crate::history) fn of_micros(micros: i64) -> Option<Timestamp> {
        Timestamp::from_microsecond(micros).ok()
    }

    pub(super) fn serialize<S: Serializer>(
        time: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time: Timestamp = text.parse().map_err(D::Error::custom)?;
        of_micros(micros(time)).ok_or_else(|| D::Error::custom("a time that is too far away"))
    }
}
