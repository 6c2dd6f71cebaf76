//! A chain of files in, the one policy that they make together out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use toml::Spanned;

use super::across::waivable_codes;
use super::field::hygiene_codes;
use super::file::{BaselineTable, WaiverTable};
use super::load::Link;
use super::rule::Change;
use super::show::{Dropped, EffectivePolicy, SettingOrigins};
use super::{BasePin, BaselineSettings, HygieneSetting, Origin, Policy, Waiver, shipped};
use crate::num::Fraction;

/// Merges a chain without problems, nearest file first.
pub(super) fn effective(chain: Vec<Link>) -> EffectivePolicy {
    let digest = digest(&chain);
    let mut merged = with_defaults();
    merged.policy.digest = digest;
    if let Some(link) = chain.first() {
        merged.policy.source.clone_from(&link.source.name);
        merged.policy.name = link
            .file
            .name
            .clone()
            .unwrap_or_else(|| stem(&link.source.name));
    }
    for link in chain.into_iter().rev() {
        apply(link, &mut merged);
    }
    discard_idle_waivers(&mut merged);
    merged
}

/// The settings of the default policy, which hold where a policy is silent, and no rules.
fn with_defaults() -> EffectivePolicy {
    let mut merged = EffectivePolicy {
        policy: Policy {
            name: String::new(),
            digest: String::new(),
            source: String::new(),
            coverage_min: Fraction::ONE,
            hygiene: BTreeMap::new(),
            rules: Vec::new(),
            waivers: Vec::new(),
            base: None,
            baseline: BaselineSettings {
                min_runs: 2,
                required: false,
                family_wise_error: Fraction::ZERO,
                false_discovery_rate: Fraction::ZERO,
            },
        },
        origins: SettingOrigins::new(),
        dropped: Vec::new(),
    };
    let (source, mut file) = shipped::default_file();
    file.waiver.clear();
    apply(
        Link {
            source,
            file,
            rules: Vec::new(),
            problems: Vec::new(),
        },
        &mut merged,
    );
    // A code that even the default policy does not name fails: the gate is closed by default.
    for code in hygiene_codes() {
        merged.policy.hygiene.entry(code).or_insert(HygieneSetting {
            level: Some(crate::code::Level::Fail),
            origin: Origin {
                source: "builtin:default".to_owned(),
                line: None,
            },
        });
    }
    merged
}

/// Lays one file over what was merged so far.
fn apply(link: Link, merged: &mut EffectivePolicy) {
    let Link {
        source,
        file,
        rules,
        problems: _,
    } = link;
    let EffectivePolicy {
        policy,
        origins,
        dropped,
    } = merged;
    let mut set = |key: &'static str, offset: usize| {
        origins.insert(key, Origin::of(&source, offset));
    };
    if let Some(min) = file.coverage.and_then(|coverage| coverage.min) {
        set("coverage.min", min.span().start);
        policy.coverage_min = min.into_inner();
    }
    if let Some(baseline) = file.baseline {
        apply_baseline(baseline, &mut policy.baseline, &mut set);
    }
    for (code, level) in file.hygiene {
        let origin = Origin::of(&source, level.span().start);
        let level = level.into_inner().level();
        policy
            .hygiene
            .insert(code, HygieneSetting { level, origin });
    }
    if let Some(reference) = file.base.and_then(|base| base.r#ref) {
        policy.base = Some(BasePin {
            origin: Origin::of(&source, reference.span().start),
            reference: reference.into_inner(),
        });
    }
    for entry in rules {
        let place = policy
            .rules
            .iter()
            .position(|rule| rule.id == *entry.id.get_ref());
        match (entry.change, place) {
            (Change::Set(rule), Some(index)) => policy.rules[index] = *rule,
            (Change::Set(rule), None) => policy.rules.push(*rule),
            (Change::Drop, Some(index)) => {
                let rule = policy.rules.remove(index);
                dropped.push(Dropped {
                    what: format!("rule `{}`", rule.id),
                    from: rule.origin,
                    by: entry.origin,
                });
            }
            (Change::Drop | Change::Broken, _) => {}
        }
    }
    for waiver in file.waiver {
        let origin = Origin::of(&source, waiver.span().start);
        policy
            .waivers
            .extend(build_waiver(waiver.into_inner(), origin));
    }
}

fn apply_baseline(
    table: BaselineTable,
    settings: &mut BaselineSettings,
    set: &mut impl FnMut(&'static str, usize),
) {
    fn take<T>(
        value: Option<Spanned<T>>,
        key: &'static str,
        target: &mut T,
        set: &mut impl FnMut(&'static str, usize),
    ) {
        if let Some(value) = value {
            set(key, value.span().start);
            *target = value.into_inner();
        }
    }
    let BaselineTable {
        min_runs,
        required,
        family_wise_error,
        false_discovery_rate,
    } = table;
    take(min_runs, "baseline.min_runs", &mut settings.min_runs, set);
    take(required, "baseline.required", &mut settings.required, set);
    take(
        family_wise_error,
        "baseline.family_wise_error",
        &mut settings.family_wise_error,
        set,
    );
    take(
        false_discovery_rate,
        "baseline.false_discovery_rate",
        &mut settings.false_discovery_rate,
        set,
    );
}

/// `None` only for a table with a mistake, which ends the load before this.
fn build_waiver(table: WaiverTable, origin: Origin) -> Option<Waiver> {
    let globs = table.layers.into_iter().flatten().map(Spanned::into_inner);
    Some(Waiver {
        rule: table.rule?.into_inner(),
        select: super::Selector::new(globs.collect(), BTreeSet::new(), None).ok()?,
        ceiling: table.ceiling,
        owner: table.owner?,
        reason: table.reason?,
        until: table.until?,
        origin,
    })
}

/// An inherited waiver of a rule that was dropped has nothing left to hold back.
fn discard_idle_waivers(merged: &mut EffectivePolicy) {
    let EffectivePolicy {
        policy,
        origins: _,
        dropped,
    } = merged;
    let rules = &policy.rules;
    let idle = |waiver: &Waiver| {
        rules.iter().all(|rule| rule.id != waiver.rule)
            && waivable_codes().all(|code| code.as_str() != waiver.rule)
    };
    let waivers = std::mem::take(&mut policy.waivers);
    for waiver in waivers {
        if !idle(&waiver) {
            policy.waivers.push(waiver);
            continue;
        }
        let by = dropped
            .iter()
            .find(|one| one.what == format!("rule `{}`", waiver.rule));
        let by = by.map_or_else(|| waiver.origin.clone(), |one| one.by.clone());
        dropped.push(Dropped {
            what: format!("waiver of rule `{}`", waiver.rule),
            from: waiver.origin,
            by,
        });
    }
}

/// sha256 over the files' contents, nearest first, with a zero byte between two, which no TOML file
/// holds. For a single file it is the file's own sha256.
fn digest(chain: &[Link]) -> String {
    let mut hasher = Sha256::new();
    for (index, link) in chain.iter().enumerate() {
        if index > 0 {
            hasher.update([0]);
        }
        hasher.update(link.source.text.as_bytes());
    }
    let mut digest = String::from("sha256:");
    for byte in hasher.finalize() {
        // Writing to a `String` cannot fail.
        let _ = write!(digest, "{byte:02x}");
    }
    digest
}

fn stem(source: &str) -> String {
    source
        .strip_prefix("builtin:")
        .map(str::to_owned)
        .or_else(|| {
            std::path::Path::new(source)
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
        })
        .unwrap_or_else(|| source.to_owned())
}
