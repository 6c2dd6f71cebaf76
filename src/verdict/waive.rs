//! Waivers hold findings back, for a named owner, up to a ceiling, until a day.

use jiff::civil::Date;

use super::{Finding, Waived, rules};
use crate::code::{FindingCode, Level};
use crate::compare::Comparison;
use crate::policy::{Policy, Waiver, WaiverStatus};

/// Turns waived findings into notes and adds findings on waivers that expired or matched nothing.
pub(super) fn apply(
    findings: &mut Vec<Finding>,
    comparison: &Comparison,
    policy: &Policy,
    today: Date,
) {
    let blocks = rules::block_count(comparison);
    let mut about_waivers = Vec::new();
    for waiver in &policy.waivers {
        let matching: Vec<usize> = (0..findings.len())
            .filter(|index| matches(waiver, &findings[*index], comparison, blocks))
            .collect();
        match waiver.status(today) {
            WaiverStatus::Expired { days_ago } => {
                about_waivers.push(expired(waiver, days_ago, matching.len()));
            }
            WaiverStatus::Active { .. } if matching.is_empty() => {
                about_waivers.push(unused(waiver));
            }
            WaiverStatus::Active { days_left } => {
                for index in matching {
                    hold_back(&mut findings[index], waiver, days_left);
                }
            }
        }
    }
    findings.extend(about_waivers);
}

/// A waiver is for what would stop or warn; a finding that another waiver holds already still
/// counts as a match, so that overlapping waivers are not called unused.
fn matches(waiver: &Waiver, finding: &Finding, comparison: &Comparison, blocks: u32) -> bool {
    let judged = finding.level > Level::Note || finding.waived.is_some();
    if !judged
        || finding.rule != waiver.rule
        || finding.code.group() == crate::code::CodeGroup::Policy
    {
        return false;
    }
    let everything = waiver.select.globs.is_empty()
        && waiver.select.roles.is_empty()
        && waiver.select.depth.is_none();
    match &finding.layer {
        None => everything,
        Some(name) => {
            let layer = comparison.layers.iter().find(|layer| layer.name == *name);
            match layer {
                Some(layer) => waiver.select.matches(name, layer.role, layer.block, blocks),
                // A tensor that is missing or was skipped has no role; its name can still match.
                None => everything || waiver.select.names(name),
            }
        }
    }
}

fn hold_back(finding: &mut Finding, waiver: &Waiver, days_left: i32) {
    if finding.waived.is_some() || past_ceiling(finding, waiver) {
        return;
    }
    finding.waived = Some(Waived {
        owner: waiver.owner.clone(),
        reason: waiver.reason.clone(),
        until: waiver.until.to_string(),
        days_left,
        level: finding.level,
    });
    finding.level = Level::Note;
}

/// The ceiling bounds the value on the side on which it left its limit.
fn past_ceiling(finding: &Finding, waiver: &Waiver) -> bool {
    let (Some(ceiling), Some(observed)) = (waiver.ceiling, finding.observed) else {
        return false;
    };
    let (ceiling, observed) = (ceiling.get(), observed.get());
    let below_minimum = finding
        .limit
        .and_then(|limit| limit.min)
        .is_some_and(|minimum| observed < minimum.get());
    if below_minimum {
        observed < ceiling
    } else {
        observed > ceiling
    }
}

fn expired(waiver: &Waiver, days_ago: i32, matching: usize) -> Finding {
    let effect = match matching {
        0 => "it matches no finding of this run".to_owned(),
        1 => "1 finding that it held back is judged again".to_owned(),
        count => format!("{count} findings that it held back are judged again"),
    };
    let plural = if days_ago == 1 { "day" } else { "days" };
    about(
        waiver,
        FindingCode::ExpiredWaiver,
        format!(
            "the waiver of `{}` by {} ended on {} ({days_ago} {plural} ago); {effect}",
            waiver.rule, waiver.owner, waiver.until
        ),
    )
}

fn unused(waiver: &Waiver) -> Finding {
    about(
        waiver,
        FindingCode::UnusedWaiver,
        format!(
            "the waiver of `{}` by {} matches no finding; remove it or correct its `layers`",
            waiver.rule, waiver.owner
        ),
    )
}

fn about(waiver: &Waiver, code: FindingCode, message: String) -> Finding {
    Finding {
        origin: Some(waiver.origin.clone()),
        ..Finding::plain(code, &waiver.rule, Level::Warn, message)
    }
}
