//! The shape of a spectrum in the JSON report: log10 of the eigenvalues at evenly spaced ranks, largest
//! first, in hundredths. Sparklines are drawn from these rounded numbers everywhere, so that a report read
//! back looks like the one that was written.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::compare::LayerComparison;
use crate::spectrum::Profile;

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
pub(super) fn rounded(profile: &Profile) -> Vec<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "for drawing")]
    let narrow = |value: f32| round(value) as f32;
    profile.evenly().into_iter().map(narrow).collect()
}

/// `None` where either side has no profile, or none that a reader would take.
pub(super) fn to_json(layer: &LayerComparison) -> Option<Value> {
    let side = |profile: &Profile| -> Option<Value> {
        let values: Vec<f64> = profile.evenly().into_iter().map(round).collect();
        let numbers = || values.iter().map(|value| super::json::number(*value));
        (!values.is_empty() && are_sound(&values)).then(|| numbers().collect())
    };
    let (base, tuned) = (side(&layer.base.profile)?, side(&layer.tuned.profile)?);
    let pair = [("base".to_owned(), base), ("tuned".to_owned(), tuned)];
    Some(Value::Object(Map::from_iter(pair)))
}

impl Profiles {
    /// Base and tuned; `None` where the numbers cannot be those of spectra.
    pub(super) fn read(&self) -> Option<[Profile; 2]> {
        let side = |values: &[f64]| {
            are_sound(values).then(|| Profile::from_ranks(values.len(), |rank| values[rank]))
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
        let profile = |values: &[f32]| Profile::from_ranks(values.len(), |at| values[at].into());
        let once = rounded(&profile(&[99.996, 3.456_789, 0.006, -0.004, -12.345_678]));
        assert_eq!(once, [100.0, 3.46, 0.01, 0.0, -12.35]);
        assert_eq!(rounded(&profile(&once)), once);
        let layer = &sample::fail().comparison.layers[0];
        let read: Profiles = serde_json::from_value(to_json(layer).unwrap()).unwrap();
        let [base, tuned] = read.read().unwrap();
        assert_eq!(rounded(&base), rounded(&layer.base.profile));
        assert_eq!(rounded(&tuned), rounded(&layer.tuned.profile));
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
        layer.base.profile = Profile::from_ranks(4, |_| f64::NAN);
        assert_eq!(to_json(&layer), None);
        layer.base.profile = Profile::default();
        assert_eq!(to_json(&layer), None);
    }
}
