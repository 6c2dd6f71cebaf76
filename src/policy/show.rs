//! The effective policy as text: what a `policy show` prints, and in one line.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write as _};

use super::problem::clean;
use super::{Aggregate, AtLeast, Depth, Limit, Origin, Policy, Rule, Selector, Undefined, Waiver};
use crate::code::Level;
use crate::num::Fraction;

/// Where each setting outside rules, hygiene, waivers and base pin was written, by its dotted key
/// (`coverage.min`).
pub type SettingOrigins = BTreeMap<&'static str, Origin>;

/// A policy together with what its readers want to know and a verdict does not.
#[derive(Debug, Clone)]
pub struct EffectivePolicy {
    pub policy: Policy,
    pub origins: SettingOrigins,
    /// What a file of the chain removed.
    pub dropped: Vec<Dropped>,
}

/// An inherited rule or waiver that no longer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// "rule `alpha-drift`".
    pub what: String,
    pub from: Origin,
    pub by: Origin,
}

impl Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(formatter, "{}:{line}", clean(&self.source)),
            None => formatter.write_str(&clean(&self.source)),
        }
    }
}

impl Policy {
    /// One line: how much the policy asks for.
    pub fn summary(&self) -> String {
        let count = |level| {
            let is = |setting: &&super::HygieneSetting| setting.level == level;
            self.hygiene.values().filter(is).count()
        };
        let failing = self.rules.iter().filter(|rule| rule.fail.is_some()).count();
        let pin = match &self.base {
            Some(base) => format!("base pinned to `{}`", clean(&base.reference)),
            None => "base not pinned".to_owned(),
        };
        format!(
            "policy `{}` from `{}`: {} ({failing} can fail), hygiene {} fail, {} warn, {} allow, \
             {}, coverage from {}, {pin}",
            clean(&self.name),
            clean(&self.source),
            counted(self.rules.len(), "rule"),
            count(Some(Level::Fail)),
            count(Some(Level::Warn)),
            count(None),
            counted(self.waivers.len(), "waiver"),
            percent(self.coverage_min),
        )
    }
}

impl EffectivePolicy {
    /// The policy as a file that needs no other: reading it back gives the same rules, levels and
    /// settings. Comments say where each value comes from.
    pub fn show(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        let policy = &self.policy;
        writeln!(
            text,
            "# effective policy from {}\n# {}",
            clean(&policy.source),
            policy.digest
        )?;
        for Dropped { what, from, by } in &self.dropped {
            writeln!(text, "# {} of {from} is dropped by {by}", clean(what))?;
        }
        writeln!(text, "version = 1\nname = {}", quoted(&policy.name))?;
        writeln!(text, "\n[coverage]")?;
        self.write_setting(text, "coverage.min", number(policy.coverage_min.get()))?;
        writeln!(text, "\n[hygiene]")?;
        for (code, setting) in &policy.hygiene {
            let level = setting.level.map_or("allow", Level::as_str);
            writeln!(text, "{code} = \"{level}\" # from {}", setting.origin)?;
        }
        for rule in &policy.rules {
            write_rule(text, rule)?;
        }
        for waiver in &policy.waivers {
            write_waiver(text, waiver)?;
        }
        if let Some(base) = &policy.base {
            let reference = quoted(&base.reference);
            writeln!(text, "\n[base]\nref = {reference} # from {}", base.origin)?;
        }
        let baseline = policy.baseline;
        writeln!(text, "\n[baseline]")?;
        self.write_setting(text, "baseline.min_runs", baseline.min_runs)?;
        self.write_setting(text, "baseline.required", baseline.required)?;
        let error = number(baseline.family_wise_error.get());
        self.write_setting(text, "baseline.family_wise_error", error)?;
        let rate = number(baseline.false_discovery_rate.get());
        self.write_setting(text, "baseline.false_discovery_rate", rate)
    }

    fn write_setting(&self, text: &mut String, key: &str, value: impl Display) -> fmt::Result {
        let name = key.rsplit('.').next().unwrap_or(key);
        write!(text, "{name} = {value}")?;
        match self.origins.get(key) {
            Some(origin) => writeln!(text, " # from {origin}"),
            None => writeln!(text),
        }
    }
}

fn write_rule(text: &mut String, rule: &Rule) -> fmt::Result {
    writeln!(text, "\n[[rule]] # from {}", rule.origin)?;
    writeln!(text, "id = {}", quoted(&rule.id))?;
    writeln!(text, "metric = {}", quoted(rule.metric.as_str()))?;
    write_selector(text, &rule.select)?;
    if rule.absolute {
        writeln!(text, "absolute = true")?;
    }
    if rule.undefined != Undefined::Skip {
        writeln!(text, "undefined = {}", quoted(rule.undefined.as_str()))?;
    }
    if rule.aggregate != Aggregate::Each {
        writeln!(text, "aggregate = {}", quoted(rule.aggregate.as_str()))?;
    }
    for (key, limit) in [("warn", rule.warn), ("fail", rule.fail)] {
        if let Some(limit) = limit {
            writeln!(text, "{key} = {}", limit_table(&limit))?;
        }
    }
    Ok(())
}

fn write_waiver(text: &mut String, waiver: &Waiver) -> fmt::Result {
    writeln!(text, "\n[[waiver]] # from {}", waiver.origin)?;
    writeln!(text, "rule = {}", quoted(&waiver.rule))?;
    write_selector(text, &waiver.select)?;
    if let Some(ceiling) = waiver.ceiling {
        writeln!(text, "ceiling = {}", number(ceiling.get()))?;
    }
    writeln!(text, "owner = {}", quoted(&waiver.owner))?;
    writeln!(text, "reason = {}", quoted(&waiver.reason))?;
    writeln!(text, "until = \"{}\"", waiver.until)
}

fn write_selector(text: &mut String, select: &Selector) -> fmt::Result {
    if !select.globs.is_empty() {
        let globs: Vec<_> = select.globs.iter().map(|glob| quoted(glob)).collect();
        writeln!(text, "layers = [{}]", globs.join(", "))?;
    }
    if !select.roles.is_empty() {
        let roles: Vec<_> = select
            .roles
            .iter()
            .map(|role| quoted(role.as_str()))
            .collect();
        writeln!(text, "roles = [{}]", roles.join(", "))?;
    }
    if let Some(Depth { from, to }) = select.depth {
        writeln!(text, "depth = \"{}..{}\"", percent(from), percent(to))?;
    }
    Ok(())
}

fn limit_table(limit: &Limit) -> String {
    let bound = |key, value: Option<crate::num::Finite>| {
        value.map(|value| format!("{key} = {}", number(value.get())))
    };
    let at_least = match limit.at_least {
        AtLeast::Layers(1) => None,
        AtLeast::Layers(layers) => Some(format!("at_least = {layers}")),
        AtLeast::Share(share) => Some(format!("at_least = \"{}\"", percent(share))),
    };
    let parts: Vec<_> = [bound("min", limit.min), bound("max", limit.max), at_least]
        .into_iter()
        .flatten()
        .collect();
    format!("{{ {} }}", parts.join(", "))
}

/// The shortest text that reads back as `value`.
fn number(value: f64) -> String {
    format!("{value:?}")
}

/// A share in percent that reads back as the same share, wherever there is one.
fn percent(share: Fraction) -> String {
    let exact = share.get() * 100.0;
    // 0.07 * 100 is 7.000000000000001, which would read back as another share.
    let rounded = (exact * 1e9).round() / 1e9;
    let same = |percent: f64| (percent / 100.0).to_bits() == share.get().to_bits();
    let candidates = [rounded, exact, exact.next_down(), exact.next_up()];
    let chosen = candidates.into_iter().find(|one| same(*one));
    format!("{}%", chosen.unwrap_or(exact))
}

/// A TOML basic string without anything that would steer a terminal.
fn quoted(text: &str) -> String {
    let mut result = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => result.push_str("\\\""),
            '\\' => result.push_str("\\\\"),
            '\n' => result.push_str("\\n"),
            '\t' => result.push_str("\\t"),
            other if clean(&other.to_string()) == other.to_string() => result.push(other),
            other => {
                let _ = write!(result, "\\U{:08X}", u32::from(other));
            }
        }
    }
    result.push('"');
    result
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
