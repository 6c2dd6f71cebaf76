//! The table of WeightWatcher 0.7.7 and of numpy's float64 SVD.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ndarray::Array2;
use safetensors::SafeTensors;
use serde_json::{Map, Value};

use super::super::metric::Metric;
use super::super::weightwatcher::{COLUMNS, Cell, analyze};
use super::super::{Matrix, measure};
use super::{estimator, relative_error};

/// Agreement with WeightWatcher: its SVD and ours differ by rounding, which matters most for the
/// smallest singular value of a rank-deficient matrix.
const WEIGHTWATCHER_TOLERANCE: f64 = 1e-6;
/// Agreement of the Gram path in f64 with a float64 SVD.
const EXACT_TOLERANCE: f64 = 1e-9;

pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f64>,
}

impl Tensor {
    pub(super) fn matrix(&self) -> Option<Matrix> {
        let [rows, cols] = self.shape[..] else {
            return None;
        };
        Some(Matrix::F64(
            Array2::from_shape_vec((rows, cols), self.values.clone()).unwrap(),
        ))
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reference")
}

pub(super) fn tensors() -> BTreeMap<String, Tensor> {
    let mut found = BTreeMap::new();
    for part in 1..=2 {
        let path = folder().join(format!("matrices-{part}.safetensors"));
        let bytes = crate::fs::read(&path).unwrap();
        for (name, view) in SafeTensors::deserialize(&bytes).unwrap().iter() {
            let to_number = |bytes: &[u8]| f64::from(f32::from_le_bytes(bytes.try_into().unwrap()));
            let values = view.data().chunks_exact(4).map(to_number).collect();
            found.insert(
                name.to_owned(),
                Tensor {
                    shape: view.shape().to_vec(),
                    values,
                },
            );
        }
    }
    found
}

pub(super) fn table() -> Map<String, Value> {
    let bytes = crate::fs::read(&folder().join("weightwatcher-0.7.7.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// The tensor that an entry of the table describes; differences of a pair are formed in f32, as for
/// the table.
pub(super) fn tensor<'a>(
    tensors: &'a BTreeMap<String, Tensor>,
    entry: &str,
) -> std::borrow::Cow<'a, Tensor> {
    use std::borrow::Cow;
    let base = &tensors["bulk_and_tail_192x768"];
    if entry == "pair.base_192x768" {
        return Cow::Borrowed(base);
    }
    let Some(tuned) = entry.strip_suffix(" - base") else {
        return Cow::Borrowed(&tensors[entry]);
    };
    let difference = |(tuned, base): (&f64, &f64)| {
        #[expect(clippy::cast_possible_truncation, reason = "the values are f32")]
        let difference = *tuned as f32 - *base as f32;
        f64::from(difference)
    };
    let values = tensors[tuned]
        .values
        .iter()
        .zip(&base.values)
        .map(difference)
        .collect();
    Cow::Owned(Tensor {
        shape: base.shape.clone(),
        values,
    })
}

impl Clone for Tensor {
    fn clone(&self) -> Self {
        Self {
            shape: self.shape.clone(),
            values: self.values.clone(),
        }
    }
}

fn expected_number(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some("nan") => Some(f64::NAN),
        Some("inf") => Some(f64::INFINITY),
        Some("-inf") => Some(f64::NEG_INFINITY),
        Some(_) => None,
        None => value.as_f64(),
    }
}

/// Error of one cell: relative for numbers, infinite for any other difference.
fn cell_error(found: &Cell<'_>, expected: &Value) -> f64 {
    let equal = |same: bool| if same { 0.0 } else { f64::INFINITY };
    match found {
        Cell::Missing => equal(expected.as_str() == Some("None")),
        Cell::Boolean(value) => equal(expected.as_i64() == Some(i64::from(*value))),
        Cell::Count(value) => equal(expected.as_f64() == Some(*value as f64)),
        Cell::Text(text) => equal(expected.as_str() == Some(text)),
        Cell::Number(found) => match expected_number(expected) {
            Some(expected) if expected.is_nan() => equal(found.is_nan()),
            Some(expected) if expected.is_infinite() => equal(found.total_cmp(&expected).is_eq()),
            Some(expected) => relative_error(*found, expected),
            None => f64::INFINITY,
        },
    }
}

#[test]
fn every_column_of_weightwatcher_is_met_on_every_reference_matrix() {
    let tensors = tensors();
    let mut worst = (0.0, String::new());
    let mut compared = 0;
    for (name, entry) in table() {
        let tensor = tensor(&tensors, &name);
        let expected = entry["weightwatcher"].as_object().unwrap();
        let row = analyze(&tensor.values, &tensor.shape).unwrap();
        for column in COLUMNS {
            if matches!(column, "layer_id" | "name" | "longname") {
                continue;
            }
            let found = row.cell(column).unwrap();
            let error = cell_error(&found, &expected[column]);
            assert!(
                error <= WEIGHTWATCHER_TOLERANCE,
                "{name}, {column}: {found:?} instead of {} ({error:e})",
                expected[column]
            );
            compared += 1;
            if error > worst.0 {
                worst = (error, format!("{column} of {name}"));
            }
        }
    }
    assert_eq!(compared, 21 * (COLUMNS.len() - 3));
    println!(
        "{compared} cells, largest relative error {:e} ({})",
        worst.0, worst.1
    );
}

#[test]
fn the_gram_matrix_in_f64_agrees_with_an_svd() {
    let tensors = tensors();
    let mut worst = 0.0;
    for (name, entry) in table() {
        let Some(matrix) = tensor(&tensors, &name).matrix() else {
            continue;
        };
        let exact = &entry["exact"];
        let (spectrum, metrics) = measure(&matrix, 0.0, &estimator()).unwrap();
        let number = |field: &str| exact[field].as_f64();
        let mut pairs = vec![(spectrum.frobenius_norm(), number("frobenius").unwrap())];
        if let Some(spectral) = number("spectral") {
            pairs.push((spectrum.spectral_norm(), spectral));
            let value = |metric| metrics.table.value(metric).unwrap();
            pairs.push((value(Metric::StableRank), number("stable_rank").unwrap()));
            pairs.push((
                value(Metric::EffectiveRank),
                number("effective_rank").unwrap(),
            ));
            pairs.push((value(Metric::ErgCount), number("erg_count").unwrap()));
            // Relative to the largest eigenvalue: the Gram matrix has squared small values.
            let median = crate::num::median(spectrum.singular_values()).unwrap();
            let error = (median.powi(2) - number("singular_value_median").unwrap().powi(2)).abs();
            assert!(
                error <= 8.0 * f64::EPSILON * spectrum.spectral_norm().powi(2),
                "{name}"
            );
            let top = exact["singular_values_top8"].as_array().unwrap();
            for (found, expected) in spectrum.singular_values().iter().zip(top) {
                pairs.push((*found, expected.as_f64().unwrap()));
            }
        }
        for (found, expected) in pairs {
            let error = relative_error(found, expected);
            assert!(
                error <= EXACT_TOLERANCE,
                "{name}: {found} instead of {expected} ({error:e})"
            );
            worst = crate::num::max(worst, error);
        }
    }
    println!("largest relative error {worst:e}");
}

#[test]
fn alpha_by_default_forgets_the_scale_that_weightwatcher_keeps() {
    let tensors = tensors();
    let alpha = |name: &str| {
        let matrix = tensors[name].matrix().unwrap();
        measure(&matrix, 0.0, &estimator())
            .unwrap()
            .1
            .table
            .value(Metric::Alpha)
            .unwrap()
    };
    let compat = |name: &str| {
        analyze(&tensors[name].values, &tensors[name].shape)
            .unwrap()
            .alpha
    };
    let (large, small) = ("pareto_alpha2.8_200x300", "scaled_1e-3_pareto_200x300");
    // The small copy is rounded to f32 anew: equal up to that.
    assert!(relative_error(alpha(small), alpha(large)) <= 1e-6);
    assert!((compat(small) - compat(large)).abs() >= 0.3);
}
