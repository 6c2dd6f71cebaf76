//! Where one policy asks for less than another: what a pull request that changes the policy has to
//! show.
//!
//! A change whose effect depends on the model (other globs, another aggregate) counts as loosened:
//! it cannot be told from a loosened one without the model.

use std::collections::BTreeMap;

use super::{AtLeast, Limit, Policy, Rule, Undefined, Waiver};
use crate::code::{CodeGroup, FindingCode, Level};

/// One sentence for every point at which `new` asks for less than `old`, in the order of the policy.
/// Literals stand between backticks. Empty where `new` is at least as strict.
pub fn loosened(old: &Policy, new: &Policy) -> Vec<String> {
    let mut found = Vec::new();
    let share = |value: crate::num::Fraction| format!("{:.4}", value.get());
    if new.coverage_min < old.coverage_min {
        let (from, to) = (share(old.coverage_min), share(new.coverage_min));
        found.push(format!("`coverage.min` falls from {from} to {to}"));
    }
    hygiene(old, new, &mut found);
    rules(old, new, &mut found);
    for waiver in new
        .waivers
        .iter()
        .filter(|waiver| !old.waivers.iter().any(|known| covers(known, waiver)))
    {
        found.push(format!("a waiver of `{}` is new or wider", waiver.rule));
    }
    let pin = |policy: &Policy| policy.base.as_ref().map(|base| base.reference.clone());
    match (pin(old), pin(new)) {
        (Some(from), Some(to)) if from != to => {
            found.push(format!("the base is pinned to `{to}`, before to `{from}`"));
        }
        (Some(from), None) => found.push(format!("the base is no longer pinned to `{from}`")),
        _ => {}
    }
    baseline(old, new, &mut found);
    found
}

fn hygiene(old: &Policy, new: &Policy, found: &mut Vec<String>) {
    let word = |level: Option<Level>| level.map_or("allow", Level::as_str);
    for code in FindingCode::ALL
        .iter()
        .copied()
        .filter(|code| code.group() == CodeGroup::Hygiene)
    {
        let (from, to) = (old.hygiene_level(code), new.hygiene_level(code));
        if to < from {
            found.push(format!(
                "`hygiene.{code}` falls from {} to {}",
                word(from),
                word(to)
            ));
        }
    }
}

fn rules(old: &Policy, new: &Policy, found: &mut Vec<String>) {
    let known: BTreeMap<&str, &Rule> = new
        .rules
        .iter()
        .map(|rule| (rule.id.as_str(), rule))
        .collect();
    for rule in &old.rules {
        match known.get(rule.id.as_str()) {
            None => found.push(format!("rule `{}` is gone", rule.id)),
            Some(new) => compare(rule, new, found),
        }
    }
}

fn compare(old: &Rule, new: &Rule, found: &mut Vec<String>) {
    let id = &old.id;
    if old.metric != new.metric {
        let (from, to) = (old.metric.as_str(), new.metric.as_str());
        found.push(format!("rule `{id}` judges `{to}`, before `{from}`"));
        return;
    }
    // A limit that fails where it only warned before has lost nothing.
    for (tier, old, new) in [
        ("fail", old.fail, new.fail),
        ("warn", old.warn, new.warn.or(new.fail)),
    ] {
        if let Some(old) = old {
            limit(id, tier, old, new, found);
        }
    }
    let same_layers = old.select.globs == new.select.globs
        && old.select.roles == new.select.roles
        && old.select.depth == new.select.depth;
    if !same_layers {
        found.push(format!("rule `{id}` selects other layers"));
    }
    if old.absolute != new.absolute {
        found.push(format!("rule `{id}` has another `absolute`"));
    }
    if old.aggregate != new.aggregate {
        found.push(format!("rule `{id}` has another `aggregate`"));
    }
    if strictness(new.undefined) < strictness(old.undefined) {
        found.push(format!(
            "rule `{id}` passes over more metrics without a value"
        ));
    }
}

fn limit(id: &str, tier: &str, old: Limit, new: Option<Limit>, found: &mut Vec<String>) {
    let Some(new) = new else {
        found.push(format!("rule `{id}` has no `{tier}` limit any more"));
        return;
    };
    let max = |limit: Limit| limit.max.map(crate::num::Finite::get);
    let min = |limit: Limit| limit.min.map(crate::num::Finite::get);
    match (max(old), max(new)) {
        (Some(from), Some(to)) if to > from => {
            found.push(format!(
                "rule `{id}`: `{tier}.max` grows from {from} to {to}"
            ));
        }
        (Some(from), None) => found.push(format!("rule `{id}`: `{tier}.max` of {from} is gone")),
        _ => {}
    }
    match (min(old), min(new)) {
        (Some(from), Some(to)) if to < from => {
            found.push(format!(
                "rule `{id}`: `{tier}.min` falls from {from} to {to}"
            ));
        }
        (Some(from), None) => found.push(format!("rule `{id}`: `{tier}.min` of {from} is gone")),
        _ => {}
    }
    if needs_more(old.at_least, new.at_least) {
        let (from, to) = (counted_layers(old.at_least), counted_layers(new.at_least));
        found.push(format!(
            "rule `{id}`: `{tier}.at_least` goes from {from} to {to}"
        ));
    }
}

/// Whether more layers must be outside before the limit fires, or another kind of count decides.
fn needs_more(old: AtLeast, new: AtLeast) -> bool {
    match (old, new) {
        (AtLeast::Layers(old), AtLeast::Layers(new)) => new > old,
        (AtLeast::Share(old), AtLeast::Share(new)) => new > old,
        (AtLeast::Share(_), AtLeast::Layers(new)) => new > 1,
        (AtLeast::Layers(_), AtLeast::Share(new)) => new.get() > 0.0,
    }
}

fn counted_layers(at_least: AtLeast) -> String {
    match at_least {
        AtLeast::Layers(layers) => format!("{layers} layers"),
        AtLeast::Share(share) => format!("{} of the layers", share.get()),
    }
}

fn strictness(undefined: Undefined) -> u8 {
    match undefined {
        Undefined::Skip => 0,
        Undefined::Warn => 1,
        Undefined::Fail => 2,
    }
}

/// Whether `known` waives all that `waiver` does.
fn covers(known: &Waiver, waiver: &Waiver) -> bool {
    let ceiling = match (known.ceiling, waiver.ceiling) {
        (None, _) => true,
        (Some(known), Some(ceiling)) => ceiling <= known,
        (Some(_), None) => false,
    };
    known.rule == waiver.rule
        && known.select.globs == waiver.select.globs
        && known.select.roles == waiver.select.roles
        && known.select.depth == waiver.select.depth
        && waiver.until <= known.until
        && ceiling
}

fn baseline(old: &Policy, new: &Policy, found: &mut Vec<String>) {
    let (old, new) = (old.baseline, new.baseline);
    if old.required && !new.required {
        found.push("`baseline.required` is off".to_owned());
    }
    // A smaller error rate raises fewer alarms.
    for (key, from, to) in [
        (
            "family_wise_error",
            old.family_wise_error,
            new.family_wise_error,
        ),
        (
            "false_discovery_rate",
            old.false_discovery_rate,
            new.false_discovery_rate,
        ),
    ] {
        if to < from {
            found.push(format!(
                "`baseline.{key}` falls from {} to {}",
                from.get(),
                to.get()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = r#"
version = 1
name = "gate"
extends = "default"
[coverage]
min = 0.95
[hygiene]
no-op = "fail"
[[rule]]
id = "drift"
metric = "alpha_drift"
layers = ["*.mlp.*"]
warn = { max = 0.1 }
fail = { min = -0.3, max = 0.3, at_least = 2 }
[[waiver]]
rule = "drift"
layers = ["*.0.*"]
ceiling = 0.5
owner = "ml"
reason = "grown vocabulary"
until = "2030-01-01"
[base]
ref = "hf://org/base@0123abcd"
"#;

    fn policy(text: &str) -> Policy {
        Policy::parse("gate.toml", text).unwrap()
    }

    /// What is loosened when `from` becomes `to` in the policy above.
    fn after(from: &str, to: &str) -> Vec<String> {
        assert!(OLD.contains(from), "{from}");
        loosened(&policy(OLD), &policy(&OLD.replace(from, to)))
    }

    #[test]
    fn the_same_policy_and_a_stricter_one_are_not_loosened() {
        for (from, to) in [
            ("gate", "other-name"),
            ("max = 0.3", "max = 0.2"),
            ("min = -0.3", "min = -0.2"),
            ("at_least = 2", "at_least = 1"),
            ("min = 0.95", "min = 0.99"),
            ("2030-01-01", "2029-01-01"),
            ("ceiling = 0.5", "ceiling = 0.4"),
        ] {
            assert_eq!(after(from, to), Vec::<String>::new(), "{from} -> {to}");
        }
    }

    #[test]
    fn a_warning_that_becomes_a_failure_is_stricter() {
        let old = policy(OLD);
        let both = "warn = { max = 0.1 }\nfail = { min = -0.3, max = 0.3, at_least = 2 }";
        let new = policy(&OLD.replace(both, "fail = { min = -0.3, max = 0.1 }"));
        assert_eq!(loosened(&old, &new), Vec::<String>::new());
    }

    #[test]
    fn every_way_to_ask_for_less_is_found() {
        for (from, to, part) in [
            (
                "max = 0.3",
                "max = 0.31",
                "`fail.max` grows from 0.3 to 0.31",
            ),
            ("min = -0.3, ", "", "`fail.min` of -0.3 is gone"),
            (
                "min = -0.3",
                "min = -0.5",
                "`fail.min` falls from -0.3 to -0.5",
            ),
            (
                "warn = { max = 0.1 }",
                "warn = { max = 0.2 }",
                "`warn.max` grows",
            ),
            ("at_least = 2", "at_least = 3", "from 2 layers to 3 layers"),
            ("at_least = 2", "at_least = \"50%\"", "0.5 of the layers"),
            (
                "fail = { min = -0.3, max = 0.3, at_least = 2 }",
                "",
                "has no `fail` limit any more",
            ),
            (
                "\"drift\"\nmetric",
                "\"renamed\"\nmetric",
                "rule `drift` is gone",
            ),
            ("alpha_drift", "alpha_change", "judges `alpha_change`"),
            ("*.mlp.*", "*.mlp.up*", "selects other layers"),
            (
                ", at_least = 2 }",
                " }\naggregate = \"mean\"",
                "has another `aggregate`",
            ),
            (
                "no-op = \"fail\"",
                "no-op = \"allow\"",
                "`hygiene.no-op` falls from fail to allow",
            ),
            ("min = 0.95", "min = 0.5", "`coverage.min` falls from 0.95"),
            ("ceiling = 0.5\n", "", "a waiver of `drift` is new or wider"),
            (
                "2030-01-01",
                "2031-01-01",
                "a waiver of `drift` is new or wider",
            ),
            ("*.0.*", "*", "a waiver of `drift` is new or wider"),
            (
                "0123abcd",
                "9999abcd",
                "the base is pinned to `hf://org/base@9999abcd`",
            ),
            (
                "[base]\nref = \"hf://org/base@0123abcd\"",
                "",
                "no longer pinned",
            ),
        ] {
            // A waiver of a rule that is renamed goes with it.
            let new = OLD.replace(from, to);
            let new = if to.starts_with("\"renamed") {
                new.replace("rule = \"drift\"", "rule = \"renamed\"")
            } else {
                new
            };
            let found = loosened(&policy(OLD), &policy(&new));
            assert!(
                found.iter().any(|text| text.contains(part)),
                "{from} -> {to}: {found:?}"
            );
        }
    }
}
