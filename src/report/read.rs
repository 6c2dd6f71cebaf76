//! A JSON report read back, to be shown elsewhere. It may come from a run that nobody trusts, so every
//! name is checked against what this program knows, every number is finite, and the verdict has to
//! agree with the findings. The texts are escaped when they are shown, as those of any report.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::profile::Profiles;
use super::read_trend::{self, TrendDocument};
use super::{PolicyIdentity, Report, json};
use crate::code::{FindingCode, Level};
use crate::compare::{
    CheckpointIdentity, Comparison, Coverage, LayerComparison, LayerKind, LayerMetrics,
    SkippedTensor,
};
use crate::layer::{LayerName, Role, Scope};
use crate::num::{Finite, Measured};
use crate::policy::Origin;
use crate::spectrum::metric::{Metric, MetricTable};
use crate::spectrum::{Phase, Profile};
use crate::verdict::{Finding, FindingLimit, Judgement, UndefinedCount, Verdict, Waived};

/// Why a document is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("it is no report of this program")]
    Form(#[from] serde_json::Error),
    #[error("it has schema {found}, and this version knows {known}", known = json::SCHEMA)]
    Schema { found: u32 },
    #[error("its verdict is `{}`, which its findings do not give", .verdict.as_str())]
    Verdict { verdict: Verdict },
    #[error("the profile of layer `{layer}` is not that of a spectrum")]
    Profile { layer: String },
    #[error("it holds `{text}` where {expected} is expected")]
    Value {
        text: String,
        expected: &'static str,
    },
}

#[derive(Deserialize)]
struct Document {
    verdict: Verdict,
    reason: String,
    advisory: bool,
    base: Identity,
    tuned: Identity,
    policy: Policy,
    estimator: BTreeMap<String, Value>,
    coverage: CoverageDocument,
    summary: Summary,
    findings: Vec<FindingDocument>,
    layers: Vec<Layer>,
    #[serde(default)]
    trend: Option<TrendDocument>,
}

#[derive(Deserialize)]
struct Identity {
    #[serde(rename = "ref")]
    reference: String,
    revision: Option<String>,
    digest: String,
}

#[derive(Deserialize)]
struct Policy {
    name: String,
    digest: String,
    source: String,
}

#[derive(Deserialize)]
struct CoverageDocument {
    compared: usize,
    skipped: usize,
    parameters_share: Finite,
    reasons: Vec<SkippedTensor>,
    name_map: String,
}

#[derive(Deserialize)]
struct Summary {
    aggregates: BTreeMap<String, Finite>,
    #[serde(default)]
    undefined: Vec<Undefined>,
}

#[derive(Deserialize)]
struct Undefined {
    rule: String,
    metric: Metric,
    selected: usize,
    #[serde(rename = "undefined")]
    count: usize,
}

#[derive(Deserialize)]
struct FindingDocument {
    code: FindingCode,
    rule: String,
    level: Level,
    layer: Option<String>,
    over: Option<String>,
    metric: Option<Metric>,
    base: Option<Finite>,
    tuned: Option<Finite>,
    observed: Option<Finite>,
    limit: Option<LimitDocument>,
    message: String,
    policy_line: Option<usize>,
    policy_source: Option<String>,
    waived: Option<WaivedDocument>,
}

#[derive(Deserialize)]
struct LimitDocument {
    min: Option<Finite>,
    max: Option<Finite>,
}

#[derive(Deserialize)]
struct WaivedDocument {
    owner: String,
    reason: String,
    until: String,
    days_left: i32,
    level: Level,
}

#[derive(Deserialize)]
struct Layer {
    name: String,
    kind: LayerKind,
    role: Role,
    block: Option<u32>,
    expert: Option<u32>,
    scope: Scope,
    shape: Vec<usize>,
    dtype: String,
    base_dtype: Option<String>,
    base: Map<String, Value>,
    tuned: Map<String, Value>,
    drift: Map<String, Value>,
    #[serde(default)]
    identical: bool,
    quantisation_error: Option<f64>,
    profile: Option<Profiles>,
}

impl Report {
    /// Reads what [`json::render`] wrote. The facts behind the findings are not in the document.
    ///
    /// # Errors
    /// Where the document is not one of this schema, or contradicts itself.
    pub fn from_json(text: &str) -> Result<Self, ReadError> {
        let document: Value = serde_json::from_str(text)?;
        let schema = document.get("schema").and_then(Value::as_u64).unwrap_or(0);
        if schema != u64::from(json::SCHEMA) {
            let found = u32::try_from(schema).unwrap_or(u32::MAX);
            return Err(ReadError::Schema { found });
        }
        report(serde_json::from_value(document)?)
    }
}

fn report(document: Document) -> Result<Report, ReadError> {
    let Document {
        verdict,
        reason,
        advisory,
        base,
        tuned,
        policy,
        estimator,
        coverage,
        summary,
        findings,
        layers,
        trend,
    } = document;
    let findings = findings
        .into_iter()
        .map(finding)
        .collect::<Result<Vec<_>, _>>()?;
    check_verdict(verdict, &findings)?;
    let undefined = summary.undefined.into_iter().map(|count| UndefinedCount {
        rule: count.rule,
        metric: count.metric,
        selected: count.selected,
        undefined: count.count,
    });
    Ok(Report {
        judgement: Judgement {
            verdict,
            reason,
            findings,
            aggregates: summary.aggregates,
            undefined: undefined.collect(),
            trend: trend.map(read_trend::trend).transpose()?,
        },
        comparison: Comparison {
            base: identity(base),
            tuned: identity(tuned),
            layers: layers.into_iter().map(layer).collect::<Result<_, _>>()?,
            facts: Vec::new(),
            coverage: Coverage {
                compared: coverage.compared,
                skipped: coverage.skipped,
                parameters_share: coverage.parameters_share.get(),
                reasons: coverage.reasons,
                name_map: coverage.name_map,
            },
            estimator,
        },
        policy: PolicyIdentity {
            name: policy.name,
            digest: policy.digest,
            source: policy.source,
        },
        advisory,
        limits: Vec::new(),
    })
}

/// A report that fails has a reason to, and one with such a reason fails.
fn check_verdict(verdict: Verdict, findings: &[Finding]) -> Result<(), ReadError> {
    let has = |level| findings.iter().any(|finding| finding.level == level);
    let agrees = match verdict {
        Verdict::Fail => has(Level::Fail),
        Verdict::Inconclusive => !has(Level::Fail),
        Verdict::Warn => !has(Level::Fail) && has(Level::Warn),
        Verdict::Pass => !has(Level::Fail) && !has(Level::Warn),
    };
    if agrees {
        Ok(())
    } else {
        Err(ReadError::Verdict { verdict })
    }
}

fn identity(document: Identity) -> CheckpointIdentity {
    let Identity {
        reference,
        revision,
        digest,
    } = document;
    CheckpointIdentity {
        reference,
        revision,
        digest,
    }
}

fn finding(document: FindingDocument) -> Result<Finding, ReadError> {
    let FindingDocument {
        code,
        rule,
        level,
        layer,
        over,
        metric,
        base,
        tuned,
        observed,
        limit,
        message,
        policy_line,
        policy_source,
        waived,
    } = document;
    Ok(Finding {
        code,
        rule,
        level,
        layer: layer.map(LayerName::new),
        over: over.map(words).transpose()?,
        metric,
        base,
        tuned,
        observed,
        limit: limit.map(|LimitDocument { min, max }| FindingLimit { min, max }),
        message,
        origin: policy_source.map(|source| Origin {
            source,
            line: policy_line,
        }),
        waived: waived.map(|waived| Waived {
            owner: waived.owner,
            reason: waived.reason,
            until: waived.until,
            days_left: waived.days_left,
            level: waived.level,
        }),
    })
}

/// Renderers show this text as it is, for it comes from the program: `median of 36 layers`.
fn words(text: String) -> Result<String, ReadError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == ' ';
    if text.len() <= 60 && text.chars().all(plain) {
        Ok(text)
    } else {
        Err(unexpected(&text, "what a finding was taken over"))
    }
}

/// A refusal of `text`, of which the start is shown.
pub(super) fn unexpected(text: &str, expected: &'static str) -> ReadError {
    let text = super::escape::terminal(text).chars().take(60).collect();
    ReadError::Value { text, expected }
}

fn layer(document: Layer) -> Result<LayerComparison, ReadError> {
    let profiles = document.profile.unwrap_or_default();
    let Some([base_profile, tuned_profile]) = profiles.read() else {
        let layer = super::escape::terminal(&document.name);
        return Err(ReadError::Profile { layer });
    };
    let base_dtype = document
        .base_dtype
        .unwrap_or_else(|| document.dtype.clone());
    Ok(LayerComparison {
        name: LayerName::new(document.name),
        kind: document.kind,
        role: document.role,
        block: document.block,
        expert: document.expert,
        scope: document.scope,
        shape: document.shape,
        base_dtype,
        tuned_dtype: document.dtype,
        base: metrics(&document.base, base_profile),
        tuned: metrics(&document.tuned, tuned_profile),
        drift: table(&document.drift),
        identical: document.identical,
        quantisation_error: document.quantisation_error.and_then(Finite::new),
        update_profile: Profile::default(),
    })
}

fn metrics(map: &Map<String, Value>, profile: Profile) -> LayerMetrics {
    LayerMetrics {
        table: table(map),
        fit: map.get("fit").and_then(Value::as_object).map(table),
        profile,
        phase: map.get("phase").and_then(Value::as_str).and_then(|text| {
            let mut phases = Phase::ALL.into_iter();
            phases.find(|phase| phase.as_str() == text)
        }),
    }
}

/// The keys that are metrics; a `null` has its reason beside it.
fn table(map: &Map<String, Value>) -> MetricTable {
    let reasons = map.get("reasons").and_then(Value::as_object);
    let mut table = MetricTable::default();
    for (name, value) in map {
        let Ok(metric) = name.parse::<Metric>() else {
            continue;
        };
        let reason = || {
            reasons
                .and_then(|reasons| reasons.get(name)?.as_str())
                .unwrap_or("no reason given")
        };
        let measured = match value.as_f64() {
            Some(value) => Measured::of(value),
            None => Measured::not_applicable(reason().to_owned()),
        };
        table.set(metric, measured);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Templates, markdown, sample};

    fn read(change: impl FnOnce(&mut Value)) -> Result<Report, ReadError> {
        let mut document: Value = serde_json::from_str(&json::render(&sample::fail())).unwrap();
        change(&mut document);
        Report::from_json(&document.to_string())
    }

    #[test]
    fn what_was_written_reads_back_to_the_same_document() {
        for report in [sample::fail(), sample::pass()] {
            let text = json::render(&report);
            assert_eq!(json::render(&Report::from_json(&text).unwrap()), text);
        }
    }

    #[test]
    fn a_report_read_back_looks_the_same() {
        let templates = Templates::new(None).unwrap();
        for report in [sample::fail(), sample::warn(), sample::inconclusive()] {
            let read = Report::from_json(&json::render(&report)).unwrap();
            let expected = markdown::render(&report, &templates).unwrap();
            assert_eq!(markdown::render(&read, &templates).unwrap(), expected);
        }
    }

    #[test]
    fn every_phase_is_read_back() {
        for phase in Phase::ALL {
            let mut report = sample::fail();
            report.comparison.layers[0].tuned.phase = Some(phase);
            let read = Report::from_json(&json::render(&report)).unwrap();
            assert_eq!(read.comparison.layers[0].tuned.phase, Some(phase));
        }
    }

    #[test]
    fn a_report_without_profiles_is_read_and_a_profile_of_no_spectrum_is_refused() {
        let layer = |document: &mut Value, profile: Value| {
            document["layers"][0]["profile"] = profile;
        };
        let without = read(|document| layer(document, Value::Null)).unwrap();
        assert!(without.comparison.layers[0].base.profile.is_empty());
        let many = vec![1.0; super::super::profile::MOST_POINTS + 1];
        for base in [serde_json::json!(many), serde_json::json!([1e300])] {
            let profile = serde_json::json!({ "base": base, "tuned": [1] });
            let read = read(|document| layer(document, profile));
            assert!(matches!(read, Err(ReadError::Profile { .. })));
        }
        assert!(read(|document| layer(document, serde_json::json!({ "base": "x" }))).is_err());
    }

    #[test]
    fn a_verdict_that_its_findings_do_not_give_is_refused() {
        for verdict in ["pass", "warn", "inconclusive"] {
            let read = read(|document| document["verdict"] = verdict.into());
            assert!(matches!(read, Err(ReadError::Verdict { .. })), "{verdict}");
        }
        let emptied = read(|document| document["findings"] = Value::Array(Vec::new()));
        assert!(matches!(emptied, Err(ReadError::Verdict { .. })));
    }

    #[test]
    fn another_schema_and_other_documents_are_refused() {
        assert!(matches!(
            read(|document| document["schema"] = 2.into()),
            Err(ReadError::Schema { found: 2 })
        ));
        for text in ["", "[]", "{}", "null", "{\"schema\": 1}"] {
            assert!(Report::from_json(text).is_err(), "{text}");
        }
        assert!(read(|document| document["findings"][0]["code"] = "made-up".into()).is_err());
        assert!(read(|document| document["findings"][0]["level"] = "great".into()).is_err());
        assert!(read(|document| document["layers"][0]["role"] = "<b>".into()).is_err());
    }

    #[test]
    fn text_that_a_renderer_would_show_as_it_is_cannot_be_markdown() {
        let read = read(|document| document["findings"][0]["over"] = "x) [y](https://z".into());
        assert!(matches!(read, Err(ReadError::Value { .. })));
    }
}
