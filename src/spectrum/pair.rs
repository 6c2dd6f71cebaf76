//! Distance between two spectra.

use super::singular::Spectrum;
use crate::num::{self, Measured};

/// 1-Wasserstein distance between the log10 eigenvalues of two spectra of equal count (both
/// descending): the mean of `|log10 a_i - log10 b_i|`. Eigenvalues below `floor`, zeros among them, count
/// as `floor`, so that a lost rank costs a finite number of decades and rounding noise costs nothing.
/// `None` if the counts differ, there are none, or the result is not finite (a floor of zero).
pub fn wasserstein_log10(base: &[f64], tuned: &[f64], floor: f64) -> Option<f64> {
    if base.len() != tuned.len() || base.is_empty() {
        return None;
    }
    let decades = |value: f64| num::max(value, floor).log10();
    let sum: f64 = base
        .iter()
        .zip(tuned)
        .map(|(base, tuned)| (decades(*base) - decades(*tuned)).abs())
        .sum();
    let mean = sum / base.len() as f64;
    mean.is_finite().then_some(mean)
}

/// The metric `esd_distance`: [`wasserstein_log10`] with the coarser resolution of the two as floor.
pub fn esd_distance(base: &Spectrum, tuned: &Spectrum) -> Measured {
    let resolution = num::max(base.resolution(), tuned.resolution());
    if resolution <= 0.0 {
        return Measured::not_applicable("both matrices are zero");
    }
    let counts = (base.singular_values().len(), tuned.singular_values().len());
    match wasserstein_log10(
        &base.eigenvalues(),
        &tuned.eigenvalues(),
        resolution * resolution,
    ) {
        Some(distance) => Measured::of(distance),
        None if counts.0 == counts.1 => {
            Measured::failed("the eigenvalues are outside the range of f64")
        }
        None => Measured::not_applicable(format!("{} against {} eigenvalues", counts.0, counts.1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rescaled_spectrum_is_two_decades_per_factor_of_ten_away() {
        let base = [4.0, 2.0, 1.0];
        let tuned = base.map(|value| value * 100.0);
        assert!((wasserstein_log10(&base, &tuned, 1e-9).unwrap() - 2.0).abs() <= 1e-14);
        assert!(wasserstein_log10(&base, &base, 0.0).unwrap().abs() <= 0.0);
    }

    #[test]
    fn zeros_count_as_the_floor() {
        let found = wasserstein_log10(&[1.0, 1e-4], &[1.0, 0.0], 1e-6).unwrap();
        assert!((found - 1.0).abs() <= 1e-14);
        assert_eq!(wasserstein_log10(&[1.0, 1e-4], &[1.0, 0.0], 0.0), None);
        assert_eq!(wasserstein_log10(&[1.0], &[1.0, 0.5], 1e-6), None);
    }
}
