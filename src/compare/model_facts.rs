//! Hygiene that needs the whole pair: no-op, wrong base, copied layers, untied embeddings, mixed
//! precision.

use std::collections::BTreeMap;

use super::entries::PairSums;
use super::facts;
use super::measure::MeasuredLayer;
use super::{Fact, LayerComparison, LayerKind};
use crate::checkpoint::{Checkpoint, CheckpointError, Dtype, fingerprint::sha256_hex};
use crate::code::FindingCode;
use crate::layer::{LayerName, Role, Scope, TiedAlias, tied_embedding};
use crate::num::Finite;
use crate::spectrum::metric::Metric;

/// Below this cosine over all compared parameters, the base is another model.
const WRONG_BASE_COSINE: f64 = 0.5;

/// All facts that look at more than one layer. `has_new_heads`: the tuned checkpoint has heads that the
/// base lacks.
pub(super) fn of_model(layers: &[MeasuredLayer], has_new_heads: bool) -> Vec<Fact> {
    let mut facts = Vec::new();
    facts.extend(no_op(layers, has_new_heads));
    match wrong_base(layers) {
        // Against the wrong base every layer looks new; one finding says so.
        Some(fact) => facts.push(fact),
        None => {
            facts.extend(
                layers
                    .iter()
                    .filter_map(|layer| facts::reinitialised(&layer.comparison)),
            );
        }
    }
    facts.extend(mixed_precision(layers));
    facts.extend(duplicates(layers));
    facts.extend(untied_pairs(layers));
    facts
}

fn no_op(layers: &[MeasuredLayer], has_new_heads: bool) -> Option<Fact> {
    let has_matrix = layers
        .iter()
        .any(|layer| layer.comparison.kind == LayerKind::Matrix);
    let unchanged = |layer: &&MeasuredLayer| layer.sums.changed == 0;
    let body_unchanged = layers
        .iter()
        .filter(|layer| layer.comparison.scope == Scope::Body)
        .all(|layer| unchanged(&layer));
    if !has_matrix || !body_unchanged {
        return None;
    }
    let heads_changed = has_new_heads || !layers.iter().all(|layer| unchanged(&layer));
    let rounded = layers.iter().any(|layer| !layer.comparison.identical);
    let how = if rounded {
        "equals the base rounded to its dtype"
    } else {
        "equals the base"
    };
    let fact = if heads_changed {
        Fact::plain(
            FindingCode::NoOp,
            None,
            format!("the body {how}; only heads differ, as after training a head alone"),
        )
        .into_note(true)
    } else {
        Fact::plain(
            FindingCode::NoOp,
            None,
            format!("every one of {} compared tensors {how}", layers.len()),
        )
    };
    Some(fact)
}

fn wrong_base(layers: &[MeasuredLayer]) -> Option<Fact> {
    let finite = layers.iter().filter(|layer| layer.sums.is_finite());
    let total = finite.fold(PairSums::default(), |total, layer| total.plus(layer.sums));
    let cosine = total.cosine()?;
    (cosine < WRONG_BASE_COSINE).then(|| Fact {
        metric: Some(Metric::Cosine),
        observed: Finite::new(cosine),
        limit_min: Finite::new(WRONG_BASE_COSINE),
        ..Fact::plain(
            FindingCode::WrongBase,
            None,
            format!(
                "the cosine to the base over all compared parameters is {cosine:.3}: the tuned \
                 checkpoint was not trained from this base, its rows or columns were permuted, or \
                 nothing is left of the base"
            ),
        )
    })
}

/// One side below 16 bits and the other not, or two sides that are quantised in different ways:
/// their difference holds the quantisation error.
fn mixed_precision(layers: &[MeasuredLayer]) -> Option<Fact> {
    let mixed: Vec<&LayerComparison> = layers
        .iter()
        .map(|layer| &layer.comparison)
        .filter(|layer| layer.kind == LayerKind::Matrix && is_mixed(layer))
        .collect();
    let first = mixed.first()?;
    let error = match mixed.iter().find_map(|layer| layer.quantisation_error) {
        Some(_) => quantisation_error(&mixed),
        None => "their drift holds the rounding error".to_owned(),
    };
    Some(Fact::plain(
        FindingCode::MixedPrecisionPair,
        None,
        format!(
            "{} matrices are stored in different precision, such as `{}` ({} in the base, {} in \
             the tuned checkpoint): {error}",
            mixed.len(),
            first.name,
            first.base_dtype,
            first.tuned_dtype
        ),
    ))
}

fn is_mixed(layer: &LayerComparison) -> bool {
    precision_of(&layer.base_dtype) != precision_of(&layer.tuned_dtype)
}

/// What must be the same on both sides: plain dtypes of 16 bits and more go together, and so do
/// 8-bit floats; a way to quantise goes with itself.
fn precision_of(stored: &str) -> &str {
    match Dtype::from_name(stored) {
        Some(dtype) if dtype.bits() >= 16 => "16 bits or more",
        Some(_) => "8 bits",
        None => stored,
    }
}

/// How large the error is, and what can be trusted in spite of it.
fn quantisation_error(mixed: &[&LayerComparison]) -> String {
    let errors = mixed.iter().filter_map(|layer| layer.quantisation_error);
    let largest = errors.map(Finite::get).fold(0.0, crate::num::max);
    let hidden = mixed
        .iter()
        .filter(|layer| layer.drift.value(Metric::RelativeUpdate).is_none())
        .count();
    format!(
        "quantisation alone makes up to {:.1} % of difference, and in {hidden} of them the update \
         cannot be told from it and is withheld; hygiene and what rests on the leading directions \
         (norm, stable rank, overlap) can still be trusted, the size and shape of the update cannot",
        100.0 * largest
    )
}

/// Body matrices of the tuned checkpoint with the same bytes, where the base's differ.
fn duplicates(layers: &[MeasuredLayer]) -> Vec<Fact> {
    let mut groups: BTreeMap<(&str, &[usize]), Vec<&MeasuredLayer>> = BTreeMap::new();
    for layer in layers {
        let comparison = &layer.comparison;
        let candidate = comparison.kind == LayerKind::Matrix
            && comparison.scope == Scope::Body
            && comparison.role != Role::Embedding
            && !layer.constant;
        if candidate {
            let key = (layer.tuned_sha256.as_str(), comparison.shape.as_slice());
            groups.entry(key).or_default().push(layer);
        }
    }
    let mut facts = Vec::new();
    for group in groups.values() {
        let Some((first, copies)) = group.split_first() else {
            continue;
        };
        for copy in copies
            .iter()
            .filter(|copy| copy.base_sha256 != first.base_sha256)
        {
            facts.push(Fact::plain(
                FindingCode::DuplicateLayers,
                Some(copy.comparison.name.clone()),
                format!(
                    "holds the same bytes as `{}`, and did not in the base",
                    first.comparison.name
                ),
            ));
        }
    }
    facts
}

/// Heads that only the tuned checkpoint stores, with other values than the embedding to which the base
/// ties them.
pub(super) fn untied_aliases(
    aliases: &[TiedAlias],
    tuned: &Checkpoint,
) -> Result<Vec<Fact>, CheckpointError> {
    let mut facts = Vec::new();
    for alias in aliases.iter().filter(|alias| alias.in_tuned) {
        if let (Some(copy), Some(target)) = (tuned.tensor(&alias.name), tuned.tensor(&alias.target))
            && copy.scheme() == target.scheme()
            && sha256_hex(&tuned.bytes(copy)?) != sha256_hex(&tuned.bytes(target)?)
        {
            facts.push(untied(&alias.name, &alias.target));
        }
    }
    Ok(facts)
}

fn untied(alias: &str, target: &str) -> Fact {
    Fact::plain(
        FindingCode::UntiedEmbeddings,
        Some(LayerName::new(alias)),
        format!("differs from `{target}`, to which the base ties it"),
    )
}

/// Both checkpoints store the head; only the base's is a copy of the embedding.
fn untied_pairs(layers: &[MeasuredLayer]) -> Vec<Fact> {
    let by_name: BTreeMap<&str, &MeasuredLayer> = layers
        .iter()
        .map(|layer| (layer.comparison.name.as_str(), layer))
        .collect();
    let names: Vec<&str> = by_name.keys().copied().collect();
    let mut facts = Vec::new();
    for (name, alias) in &by_name {
        let target =
            tied_embedding(name, &names.iter().copied()).and_then(|target| by_name.get(target));
        // One of the two may be quantised and the other not.
        if let Some(target) = target
            && alias.comparison.tuned_dtype == target.comparison.tuned_dtype
            && alias.base_sha256 == target.base_sha256
            && alias.tuned_sha256 != target.tuned_sha256
        {
            facts.push(untied(name, target.comparison.name.as_str()));
        }
    }
    facts
}
