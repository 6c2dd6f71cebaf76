//! Spectra as histograms over log10 of the eigenvalues, small enough for every layer of a model.

use serde_json::{Map, Value, json};

use crate::num;
use crate::spectrum::Profile;

use super::data::rounded;

const BINS: usize = 44;
/// This share of the eigenvalues, the smallest, is left out: they stretch the axis by decades.
const LEFT_OUT: f64 = 0.01;
/// Eigenvalues named one by one, the largest.
const LARGEST: usize = 12;

/// `low`, `width` (of a bin), `count` (of eigenvalues), one list of counts for each named spectrum on
/// a common axis, and `largest` by name. `Null` where no spectrum is known.
pub(super) fn histograms(spectra: &[(&str, &Profile)]) -> Value {
    let known: Vec<_> = spectra
        .iter()
        .filter_map(|(_, profile)| profile.range(LEFT_OUT))
        .collect();
    let Some((first, others)) = known.split_first() else {
        return Value::Null;
    };
    let (low, high) = others.iter().fold(*first, |(low, high), next| {
        (num::min(low, next.0), num::max(high, next.1))
    });
    // A flat spectrum still needs an axis.
    let (low, high) = if high - low < 0.02 {
        (low - 0.5, high + 0.5)
    } else {
        (low, high)
    };
    let mut map = Map::new();
    map.insert("low".into(), rounded(low));
    map.insert("width".into(), rounded((high - low) / BINS as f64));
    let count = spectra.iter().map(|(_, profile)| profile.count()).max();
    map.insert("count".into(), json!(count));
    let mut largest = Map::new();
    for (name, profile) in spectra {
        let counts = profile.histogram(low, high, BINS).into_iter();
        map.insert((*name).into(), counts.map(tenth).collect());
        let top = profile.largest(LARGEST).iter();
        let top: Value = top.map(|value| rounded(f64::from(*value))).collect();
        largest.insert((*name).into(), top);
    }
    map.insert("largest".into(), Value::Object(largest));
    Value::Object(map)
}

/// Counts of known eigenvalues are whole; those of spread ones need no more than a digit.
fn tenth(count: f64) -> Value {
    rounded((count * 10.0).round() / 10.0)
}
