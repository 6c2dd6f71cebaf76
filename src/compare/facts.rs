//! Hygiene of one layer: exact observations with fixed, stated thresholds.
//!
//! A state that the base already has (constant, dead, low rank) does not fire.

use super::entries::PairSums;
use super::precision::LayerPrecision;
use super::{Fact, LayerComparison, LayerKind};
use crate::checkpoint::Dtype;
use crate::code::FindingCode;
use crate::layer::{LayerName, Scope};
use crate::num::Finite;
use crate::spectrum::metric::Metric;

/// Below this cosine a matrix shares nothing with its base.
const REINITIALISED_COSINE: f64 = 0.1;
/// Matrices smaller than this can have a small cosine by chance.
const REINITIALISED_PARAMETERS: u64 = 1024;
/// Share of the rank that must be lost, and the least number of dimensions.
const RANK_COLLAPSE_SHARE: f64 = 0.01;
const RANK_COLLAPSE_DIMENSIONS: f64 = 2.0;

/// What the checks of one layer look at.
#[derive(Debug)]
pub(super) struct MatrixState<'a> {
    pub(super) sums: &'a PairSums,
    pub(super) base_dtype: Dtype,
    pub(super) tuned_dtype: Dtype,
    pub(super) precision: LayerPrecision<'a>,
    /// Constant now, and not in the base.
    pub(super) constant: bool,
    /// Rows that became all zero, of how many.
    pub(super) dead_rows: (usize, usize),
    /// Of base and tuned, at the same noise.
    pub(super) rank_losses: Option<(f64, f64)>,
}

impl Fact {
    /// A fact without numbers.
    pub(super) fn plain(code: FindingCode, layer: Option<LayerName>, message: String) -> Self {
        Self {
            code,
            layer,
            note: false,
            metric: None,
            base: None,
            tuned: None,
            observed: None,
            limit_min: None,
            limit_max: None,
            message,
        }
    }

    pub(super) fn into_note(self, note: bool) -> Self {
        Self {
            note: self.note || note,
            ..self
        }
    }
}

/// Facts that one layer shows by itself. Broken values count in a head too; the rest of a head's
/// facts are notes, since heads are reported and not judged.
pub(super) fn of_layer(layer: &LayerComparison, state: &MatrixState<'_>) -> Vec<Fact> {
    let head = layer.scope == Scope::Head;
    let mut facts = Vec::new();
    facts.extend(non_finite(layer, state.sums));
    facts.extend(dtype_downgraded(layer, state).map(|fact| fact.into_note(head)));
    if state.constant {
        let message = format!(
            "all {} values are equal, and were not in the base",
            state.sums.count
        );
        facts.push(fact(FindingCode::ConstantTensor, layer, message).into_note(head));
    } else {
        facts.extend(dead_rows(layer, state.dead_rows).map(|fact| fact.into_note(head)));
    }
    facts.extend(rank_collapse(layer, state.rank_losses).map(|fact| fact.into_note(head)));
    facts
}

fn fact(code: FindingCode, layer: &LayerComparison, message: String) -> Fact {
    Fact::plain(code, Some(layer.name.clone()), message)
}

fn non_finite(layer: &LayerComparison, sums: &PairSums) -> Option<Fact> {
    let (before, after) = (sums.base_nonfinite, sums.tuned_nonfinite);
    if before == 0 && after == 0 {
        return None;
    }
    let message = if after > 0 {
        format!("{after} of {} values are NaN or infinite", sums.count)
    } else {
        format!(
            "{before} of the base's {} values are NaN or infinite",
            sums.count
        )
    };
    Some(Fact {
        note: after == 0,
        metric: Some(Metric::NonfiniteCount),
        base: Finite::new(before as f64),
        tuned: Finite::new(after as f64),
        observed: Finite::new(after as f64),
        limit_max: Finite::new(0.0),
        ..fact(FindingCode::NonFinite, layer, message)
    })
}

fn dtype_downgraded(layer: &LayerComparison, state: &MatrixState<'_>) -> Option<Fact> {
    let (before, after) = (state.base_dtype, state.tuned_dtype);
    let plain_before = state.precision.base.is_none() && before.bits() >= 16;
    let message = if let (Some(scheme), true) = (state.precision.tuned, plain_before) {
        format!(
            "quantised (`{scheme}`) where the base has {}",
            before.as_str()
        )
    } else if after.bits() < 16 && plain_before {
        format!(
            "stored as {} where the base has {}",
            after.as_str(),
            before.as_str()
        )
    } else if after == Dtype::F16 && state.sums.out_of_range > 0 {
        format!(
            "stored as F16, which cannot hold {} of the base's {} values",
            state.sums.out_of_range,
            before.as_str()
        )
    } else {
        return None;
    };
    Some(fact(FindingCode::DtypeDowngraded, layer, message))
}

fn dead_rows(layer: &LayerComparison, (dead, rows): (usize, usize)) -> Option<Fact> {
    (dead > 0).then(|| Fact {
        observed: Finite::new(dead as f64),
        limit_max: Finite::new(0.0),
        ..fact(
            FindingCode::DeadRows,
            layer,
            format!("{dead} of {rows} rows are all zero, and were not in the base"),
        )
    })
}

fn rank_collapse(layer: &LayerComparison, losses: Option<(f64, f64)>) -> Option<Fact> {
    let (before, after) = losses?;
    let shorter = layer
        .shape
        .first()
        .copied()
        .unwrap_or(0)
        .min(layer.shape.iter().skip(1).product());
    let allowed = crate::num::max(
        RANK_COLLAPSE_SHARE * shorter as f64,
        RANK_COLLAPSE_DIMENSIONS,
    );
    let lost = after - before;
    (layer.kind == LayerKind::Matrix && lost > allowed).then(|| Fact {
        metric: Some(Metric::RankLoss),
        base: Finite::new(before),
        tuned: Finite::new(after),
        observed: Finite::new(lost),
        limit_max: Finite::new(allowed),
        ..fact(
            FindingCode::RankCollapse,
            layer,
            format!("{lost} of {shorter} dimensions were lost against the base"),
        )
    })
}

/// Body matrices that share nothing with their base, in a pair that belongs together otherwise.
pub(super) fn reinitialised(layer: &LayerComparison) -> Option<Fact> {
    let cosine = layer.drift.value(Metric::Cosine)?;
    let candidate = layer.kind == LayerKind::Matrix
        && layer.scope == Scope::Body
        && layer.parameters() >= REINITIALISED_PARAMETERS;
    (candidate && cosine < REINITIALISED_COSINE).then(|| Fact {
        metric: Some(Metric::Cosine),
        observed: Finite::new(cosine),
        limit_min: Finite::new(REINITIALISED_COSINE),
        ..fact(
            FindingCode::ReinitialisedLayer,
            layer,
            format!("the cosine to the base is {cosine:.3}: the layer was not taken from it"),
        )
    })
}
