//! Facts of the comparison become findings at the level that the policy gives their code.

use super::{Finding, FindingLimit};
use crate::code::Level;
use crate::compare::{Comparison, Fact};
use crate::policy::Policy;

pub(super) fn findings(comparison: &Comparison, policy: &Policy) -> Vec<Finding> {
    comparison
        .facts
        .iter()
        .map(|fact| finding(fact, policy))
        .collect()
}

/// What the policy allows stays visible as a note.
fn finding(fact: &Fact, policy: &Policy) -> Finding {
    let allowed = policy.hygiene_level(fact.code);
    let level = if fact.note {
        Level::Note
    } else {
        allowed.unwrap_or(Level::Note)
    };
    let limit = FindingLimit {
        min: fact.limit_min,
        max: fact.limit_max,
    };
    let message = if !fact.note && allowed.is_none() {
        format!("{} (allowed by the policy)", fact.message)
    } else {
        fact.message.clone()
    };
    Finding {
        layer: fact.layer.clone(),
        metric: fact.metric,
        base: fact.base,
        tuned: fact.tuned,
        observed: fact.observed,
        limit: (limit.min.is_some() || limit.max.is_some()).then_some(limit),
        origin: policy
            .hygiene
            .get(&fact.code)
            .map(|setting| setting.origin.clone()),
        ..Finding::plain(fact.code, fact.code.as_str(), level, message)
    }
}
