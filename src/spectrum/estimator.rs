//! Settings of the estimators, and how the report names them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::leading::{LANCZOS_FROM, LEADING_DIRECTIONS};
use super::matrix::Arithmetic;
use super::tail::TailFit;
use crate::num::Reason;

/// What decides how `alpha` is estimated and when it is withheld. Numbers of two reports can be
/// compared only where these agree: published means of one and the same model range from 2.9 to 4.9
/// over estimators.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimator {
    /// A cut must leave at least so many eigenvalues in the tail.
    pub min_tail: usize,
    /// With fewer eigenvalues that are not zero there is no `alpha`.
    pub min_eigenvalues: usize,
    /// A fit further from the data than this is no power law: pure noise gives 0.12 to 0.13, layers of
    /// language models 0.02 to 0.06.
    pub max_ks_distance: f64,
    /// Largest shorter side that is decomposed in f64; f32 above.
    pub double_precision_up_to: usize,
}

impl Default for Estimator {
    fn default() -> Self {
        Self {
            min_tail: 50,
            min_eigenvalues: 100,
            max_ks_distance: 0.10,
            double_precision_up_to: 1024,
        }
    }
}

impl Estimator {
    /// The arithmetic for a rows x cols matrix.
    pub fn arithmetic(&self, rows: usize, cols: usize) -> Arithmetic {
        if rows.min(cols) <= self.double_precision_up_to {
            Arithmetic::F64
        } else {
            Arithmetic::F32
        }
    }

    /// Why the fit must not be called a power law; `None` where it may.
    pub fn refusal(&self, fit: &TailFit, eigenvalues: usize) -> Option<Reason> {
        if eigenvalues < self.min_eigenvalues {
            let least = self.min_eigenvalues;
            return Some(Reason::new(format!(
                "{eigenvalues} eigenvalues that are not zero, a power law needs {least}"
            )));
        }
        if fit.ks_distance <= self.max_ks_distance {
            return None;
        }
        let (distance, most) = (fit.ks_distance, self.max_ks_distance);
        Some(Reason::new(format!(
            "no power law: KS distance {distance:.4} is above {most:.2}"
        )))
    }

    /// The settings under the names of the report's `estimator` object.
    pub fn describe(&self) -> BTreeMap<String, Value> {
        let Self {
            min_tail,
            min_eigenvalues,
            max_ks_distance,
            double_precision_up_to,
        } = *self;
        [
            ("alpha", json!("csn-ks")),
            ("alpha_hill", json!("top-half")),
            ("min_tail", json!(min_tail)),
            ("min_eigenvalues", json!(min_eigenvalues)),
            ("max_ks_distance", json!(max_ks_distance)),
            ("f64_up_to", json!(double_precision_up_to)),
            ("singular_values", json!("gram-eigenvalues")),
            ("kurtosis", json!("excess")),
            ("leading_directions", json!(LEADING_DIRECTIONS)),
            ("lanczos_from", json!(LANCZOS_FROM)),
            ("shuffle", json!("one-per-shape")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}
