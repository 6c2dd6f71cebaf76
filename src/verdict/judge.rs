//! The judgement as a whole: findings from hygiene, rules and the policy itself, then waivers,
//! then the verdict by precedence.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::{Finding, Judgement, Verdict, aggregate, baseline, hygiene, rules, waive};
use crate::code::{FindingCode, Level};
use crate::compare::{Baseline, Comparison};
use crate::layer::LayerName;
use crate::num::Finite;
use crate::policy::Policy;

/// Judges what was compared against the policy as of `today`, without earlier runs.
pub fn judge(comparison: &Comparison, policy: &Policy, today: Date) -> Judgement {
    judge_against(comparison, None, policy, today)
}

/// Judges what was compared against the policy as of `today`, and against earlier runs.
///
/// The verdict is the worst of: `Fail` where a finding is at level fail, `Inconclusive` where less
/// of the model was compared than the policy asks or a required baseline is missing, `Warn` where a finding is at level warn.
pub fn judge_against(
    comparison: &Comparison,
    earlier: Option<&Baseline>,
    policy: &Policy,
    today: Date,
) -> Judgement {
    let mut findings = hygiene::findings(comparison, policy);
    let outcome = rules::evaluate(comparison, policy);
    findings.extend(outcome.findings);
    let runs = baseline::evaluate(comparison, earlier, policy);
    findings.extend(runs.findings);
    waive::apply(&mut findings, comparison, policy, today);

    let coverage = coverage_finding(comparison, policy);
    let inconclusive = coverage.is_some() || runs.unjudged;
    findings.extend(coverage);
    sort(&mut findings);

    let worst = findings.iter().map(|finding| finding.level).max();
    let verdict = match worst {
        Some(Level::Fail) => Verdict::Fail,
        _ if inconclusive => Verdict::Inconclusive,
        Some(Level::Warn) => Verdict::Warn,
        Some(Level::Note) | None => Verdict::Pass,
    };
    let mut reason = reason(verdict, &findings, comparison);
    if runs.unread {
        // Too quiet as a note: whoever reads only this line must know.
        reason.push_str("; the earlier runs could not be read");
    }
    Judgement {
        verdict,
        reason,
        findings,
        aggregates: aggregate::of_body(comparison),
        undefined: outcome.undefined,
        trend: runs.trend,
    }
}

/// The finding that makes a run inconclusive: too little of the model was compared.
fn coverage_finding(comparison: &Comparison, policy: &Policy) -> Option<Finding> {
    let coverage = &comparison.coverage;
    let share = Finite::new(coverage.parameters_share).unwrap_or(Finite::ZERO);
    let minimum = policy.coverage_min.get();
    // A share that is not a number counts as nothing compared.
    let enough = coverage.compared > 0 && share.get() >= minimum;
    if enough {
        return None;
    }
    let setting = policy.hygiene.get(&FindingCode::LowCoverage);
    let level = setting
        .and_then(|setting| setting.level)
        .unwrap_or(Level::Warn);
    let message = if coverage.compared == 0 {
        "no layer of the tuned checkpoint could be compared with the base".to_owned()
    } else {
        format!(
            "{} of the matrix parameters were compared, the policy asks for {}",
            percent(share.get()),
            percent(minimum)
        )
    };
    Some(Finding {
        observed: Some(share),
        limit: Some(super::FindingLimit {
            min: Finite::new(minimum),
            max: None,
        }),
        origin: setting.map(|setting| setting.origin.clone()),
        ..Finding::plain(
            FindingCode::LowCoverage,
            FindingCode::LowCoverage.as_str(),
            level,
            message,
        )
    })
}

/// A share as text that never rounds up to a whole that is not there.
fn percent(share: f64) -> String {
    let tenths = (share * 1000.0).floor() / 10.0;
    format!("{tenths:.1} %")
}

/// Fail first, then warn, then notes; hygiene before statistics; the farthest beyond its limit
/// first; then by rule and layer, so that the order never depends on threads.
fn sort(findings: &mut [Finding]) {
    findings.sort_by(|left, right| {
        right
            .level
            .cmp(&left.level)
            .then_with(|| left.code.group().cmp(&right.code.group()))
            .then_with(|| rules::excess(right).total_cmp(&rules::excess(left)))
            .then_with(|| left.rule.cmp(&right.rule))
            .then_with(|| left.layer.cmp(&right.layer))
            .then_with(|| left.message.cmp(&right.message))
    });
}

/// One sentence: why this verdict.
fn reason(verdict: Verdict, findings: &[Finding], comparison: &Comparison) -> String {
    match verdict {
        Verdict::Fail => summary_of(findings, Level::Fail),
        Verdict::Warn => summary_of(findings, Level::Warn),
        Verdict::Inconclusive => findings
            .iter()
            .find(|finding| {
                let code = finding.code;
                code == FindingCode::LowCoverage || code == FindingCode::NotEnoughHistory
            })
            .map_or_else(String::new, |finding| finding.message.clone()),
        Verdict::Pass => {
            format!(
                "{} layers compared, all inside the policy",
                comparison.coverage.compared
            )
        }
    }
}

/// `alpha-drift on 3 layers, no-op`: codes at `level`, worst first, each with the number of its
/// layers. What is said about the checkpoint as a whole and alone is told in full.
fn summary_of(findings: &[Finding], level: Level) -> String {
    let mut own = findings.iter().filter(|finding| finding.level == level);
    if let (Some(finding), None) = (own.next(), own.next())
        && finding.layer.is_none()
    {
        return format!("{}: {}", finding.code, finding.message);
    }
    let mut counts: Vec<(FindingCode, BTreeSet<&LayerName>)> = Vec::new();
    for finding in findings.iter().filter(|finding| finding.level == level) {
        let known = counts.iter().position(|(code, _)| *code == finding.code);
        let index = known.unwrap_or_else(|| {
            counts.push((finding.code, BTreeSet::new()));
            counts.len() - 1
        });
        counts[index].1.extend(&finding.layer);
    }
    let parts: Vec<String> = counts
        .iter()
        .map(|(code, layers)| match layers.len() {
            0 => code.to_string(),
            1 => format!("{code} on 1 layer"),
            count => format!("{code} on {count} layers"),
        })
        .collect();
    parts.join(", ")
}
