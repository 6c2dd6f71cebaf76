//! The shape of a spectrum in the JSON report: log10 of the eigenvalues at evenly spaced ranks, largest
//! first, in hundredths. Sparklines are drawn from these rounded numbers everywhere, so that a report read
//! back looks like the one that was written.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::compare::LayerComparison;

/// Most points of one profile.
pub(super) const MOST_POINTS: usize = 16;
/// No eigenvalue of f64 entries has a logarithm beyond this.
const LARGEST: f64 = 1000.0;
const STEPS: f64 = 100.0;

/// As a report carries it. What was measured on one side only is left out.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Profiles {
    base: Vec<f64>,
    tuned: Vec<f64>,
}

/// In hundredths.
pub(super) fn rounded(profile: &[f32]) -> Vec<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "for drawing")]
    let narrow = |value: &f32| round(*value) as f32;
    profile.iter().map(narrow).collect()
}

/// `None` where either side has no profile, or none that a reader would take.
pub(super) fn to_json(layer: &LayerComparison) -> Option<Value> {
    let side = |profile: &[f32]| -> Option<Value> {
        let values: Vec<f64> = profile.iter().map(|value| round(*value)).collect();
        let numbers = || values.iter().map(|value| super::json::number(*value));
        (!values.is_empty() && are_sound(&values)).then(|| numbers().collect())
    };
    let (base, tuned) = (side(&layer.base.profile)?, side(&layer.tuned.profile)?);
    let pair = [("base".to_owned(), base), ("tuned".to_owned(), tuned)];
    Some(Value::Object(Map::from_iter(pair)))
}

impl Profiles {
    /// Base and tuned; `None` where the numbers cannot be those of spectra.
    pub(super) fn read(&self) -> Option<[Vec<f32>; 2]> {
        #[expect(clippy::cast_possible_truncation, reason = "for drawing")]
        let side = |values: &[f64]| {
            are_sound(values).then(|| values.iter().map(|value| *value as f32).collect())
        };
        Some([side(&self.base)?, side(&self.tuned)?])
    }
}

fn are_sound(values: &[f64]) -> bool {
    values.len() <= MOST_POINTS && values.iter().all(|value| value.abs() <= LARGEST)
}

fn round(value: f32) -> f64 {
    (f64::from(value) * STEPS).round() / STEPS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn rounding_again_changes_nothing() {
        let profile = [3.456_789, -0.004, 0.006, -12.345_678, 99.996];
        let once = rounded(&profile);
        assert_eq!(once, [3.46, 0.0, 0.01, -12.35, 100.0]);
        assert_eq!(rounded(&once), once);
        let layer = &sample::fail().comparison.layers[0];
        let read: Profiles = serde_json::from_value(to_json(layer).unwrap()).unwrap();
        let [base, tuned] = read.read().unwrap();
        assert_eq!(base, rounded(&layer.base.profile));
        assert_eq!(tuned, rounded(&layer.tuned.profile));
    }

    #[test]
    fn what_no_spectrum_has_is_neither_written_nor_read() {
        let read = |base: Vec<f64>| {
            Profiles {
                base,
                tuned: vec![],
            }
            .read()
        };
        assert!(read(vec![1.0; MOST_POINTS]).is_some());
        assert!(read(vec![1.0; MOST_POINTS + 1]).is_none());
        for value in [f64::NAN, f64::INFINITY, 1e300] {
            assert!(read(vec![value]).is_none(), "{value}");
        }
        let mut layer = sample::fail().comparison.layers.remove(0);
        layer.base.profile[3] = f32::NAN;
        assert_eq!(to_json(&layer), None);
        layer.base.profile.clear();
        assert_eq!(to_json(&layer), None);
    }
}
