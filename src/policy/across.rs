//! Checks that need every file of a chain.

use std::collections::{BTreeMap, BTreeSet};

use super::file::WaiverTable;
use super::load::Link;
use super::rule::{self, Change};
use super::suggest::hint;
use super::table::Problems;
use crate::code::{CodeGroup, FindingCode};

/// Checks what needs the whole chain, nearest file first: a rule that drops must have something to
/// drop, and a waiver must name a rule that there is.
pub(super) fn check_across(chain: &mut [Link]) {
    let ids: Vec<BTreeSet<String>> = chain
        .iter()
        .map(|link| {
            link.rules
                .iter()
                .map(|rule| rule.id.get_ref().clone())
                .collect()
        })
        .collect();
    let known: BTreeSet<String> = ids.iter().flatten().cloned().collect();
    let dropped = dropped_ids(chain);
    for (index, link) in chain.iter_mut().enumerate() {
        let Link {
            source,
            file,
            rules,
            problems,
        } = link;
        let mut found = Problems::of(source);
        for rule in rules.iter() {
            let id = rule.id.get_ref();
            let inherited = ids.iter().skip(index + 1).any(|ids| ids.contains(id));
            if matches!(rule.change, Change::Drop) && !inherited {
                found.missing(
                    &rule.id.span(),
                    &format!(
                        "rule `{id}` has neither `warn` nor `fail`, and there is no inherited rule \
                         of this id to drop"
                    ),
                );
            }
        }
        for waiver in &file.waiver {
            check_waiver(waiver.get_ref(), &known, &mut found);
            let Some(rule) = &waiver.get_ref().rule else {
                continue;
            };
            if dropped.get(rule.get_ref()).is_some_and(|by| *by >= index) {
                let id = rule.get_ref();
                found.add(
                    &rule.span(),
                    &format!("waiver of rule `{id}`, which is dropped; remove the waiver"),
                );
            }
        }
        problems.extend(found.finish());
    }
}

/// Rules that the chain ends up without, and the link that dropped them.
fn dropped_ids(chain: &[Link]) -> BTreeMap<String, usize> {
    let mut nearest = BTreeMap::new();
    for (index, link) in chain.iter().enumerate() {
        for rule in &link.rules {
            let drops = matches!(rule.change, Change::Drop);
            nearest
                .entry(rule.id.get_ref().clone())
                .or_insert_with(|| drops.then_some(index));
        }
    }
    nearest
        .into_iter()
        .filter_map(|(id, by)| by.map(|by| (id, by)))
        .collect()
}

fn check_waiver(waiver: &WaiverTable, known: &BTreeSet<String>, problems: &mut Problems<'_>) {
    // The globs are compiled again when the waiver is built; here the mistakes are shown.
    let _ = rule::selector(waiver.layers.clone(), BTreeSet::new(), None, problems);
    let Some(rule) = &waiver.rule else {
        return;
    };
    let name = rule.get_ref();
    if known.contains(name) || waivable_codes().any(|code| code.as_str() == name) {
        return;
    }
    let mut candidates: Vec<&str> = known.iter().map(String::as_str).collect();
    for code in waivable_codes() {
        candidates.push(code.as_str());
    }
    problems.add(
        &rule.span(),
        &format!(
            "waiver of an unknown rule `{name}`; {}",
            hint(name, &candidates)
        ),
    );
}

/// Codes that are found without a rule.
pub(super) fn waivable_codes() -> impl Iterator<Item = FindingCode> {
    FindingCode::ALL
        .iter()
        .copied()
        .filter(|code| matches!(code.group(), CodeGroup::Hygiene | CodeGroup::Runs))
}
