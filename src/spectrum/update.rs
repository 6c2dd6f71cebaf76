//! The spectrum of an update W - W0: how many directions hold its energy, and how much of it is below
//! the threshold of noise.

use super::noise::{LEAST_SIDE, MarchenkoPastur, shrinkage_factor};
use super::singular::Spectrum;
use crate::num::{self, Measured};

/// How many of the largest singular values hold the share `share` (0 to 1) of the sum of squares.
pub fn energy_rank(spectrum: &Spectrum, share: f64) -> Measured {
    let values = spectrum.singular_values();
    let largest = spectrum.spectral_norm();
    if largest <= 0.0 {
        return Measured::not_applicable("the update is zero");
    }
    // Relative to the largest, so that no square overflows.
    let energy = |value: &f64| (value / largest).powi(2);
    // From the smallest up, as the small ones would be lost in a large sum.
    let total: f64 = values.iter().rev().map(energy).sum();
    let mut held = 0.0;
    let rank = values.iter().position(|value| {
        held += energy(value);
        held >= share * total
    });
    Measured::count(rank.map_or(values.len(), |rank| rank + 1))
}

/// Share of the update's energy below Gavish and Donoho's threshold `omega x median(sigma)`, which parts
/// noise of a level that is not known from directions that can be told from it.
///
/// The update was stored with rounding, which spreads its energy like noise: `rounding_energy`, the
/// expected sum of its squares, is taken off both what is below the threshold and the whole. What is left is the
/// update's own: `max(below - rounding, 0) / (whole - rounding)`, at most 1.
pub fn noise_share(spectrum: &Spectrum, rounding_energy: f64) -> Measured {
    let values = spectrum.singular_values();
    if spectrum.spectral_norm() <= 0.0 {
        return Measured::not_applicable("the update is zero");
    }
    if values.len() < LEAST_SIDE {
        let count = values.len();
        return Measured::not_applicable(format!(
            "{count} singular values, the law of noise needs {LEAST_SIDE}"
        ));
    }
    let Some(law) = MarchenkoPastur::of_shape(spectrum.rows(), spectrum.cols()) else {
        return Measured::not_applicable("the update has no entries");
    };
    let median = num::median(values).unwrap_or(0.0);
    let threshold = shrinkage_factor(law) * median;
    let first = values.partition_point(|value| *value > threshold);
    let energy = |values: &[f64]| -> f64 { values.iter().rev().map(|value| value * value).sum() };
    let (below, whole) = (energy(&values[first..]), energy(values));
    let own = whole - rounding_energy;
    if own.is_nan() || own <= 0.0 {
        return Measured::not_applicable("the update holds no more energy than its rounding");
    }
    let share = num::max(below - rounding_energy, 0.0) / own;
    Measured::of(num::min(share, 1.0))
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::spectrum::Matrix;
    use crate::spectrum::tests::{Random, with_singular_values};

    fn spectrum(matrix: Array2<f64>) -> Spectrum {
        Spectrum::of(&Matrix::F64(matrix)).unwrap()
    }

    #[test]
    fn the_energy_rank_counts_directions_of_known_energy() {
        // Squares 8, 1, 0.5, 0.5: shares 0.8, 0.9, 0.95, 1.
        let values = [8.0_f64.sqrt(), 1.0, 0.5_f64.sqrt(), 0.5_f64.sqrt()];
        let spectrum = spectrum(with_singular_values(6, 4, &values, 1));
        for (share, rank) in [(0.5, 1.0), (0.85, 2.0), (0.94, 3.0), (0.99, 4.0)] {
            assert_eq!(energy_rank(&spectrum, share).value(), Some(rank), "{share}");
        }
    }

    #[test]
    fn a_flat_update_spreads_and_one_direction_does_not() {
        let flat = spectrum(Array2::eye(50));
        assert_eq!(energy_rank(&flat, 0.9).value(), Some(45.0));
        let mut one = Array2::zeros((50, 30));
        one[[3, 4]] = 1e-3;
        assert_eq!(energy_rank(&spectrum(one), 0.99).value(), Some(1.0));
        let zero = spectrum(Array2::zeros((50, 30)));
        assert_eq!(energy_rank(&zero, 0.9).value(), None);
        assert_eq!(noise_share(&zero, 0.0).value(), None);
    }

    #[test]
    fn noise_is_all_noise_and_directions_are_none() {
        let noise = spectrum(Random::new(2).matrix(120, 60));
        let share = noise_share(&noise, 0.0).value().unwrap();
        assert!((share - 1.0).abs() <= 1e-12, "{share}");
        let values: Vec<f64> = (0..5).map(|index| 4.0 - f64::from(index)).collect();
        let clean = spectrum(with_singular_values(120, 60, &values, 3));
        let share = noise_share(&clean, 0.0).value().unwrap();
        assert!(share.abs() <= 1e-9, "{share}");
    }

    #[test]
    fn directions_in_noise_leave_the_noise_its_share() {
        let mut values = vec![60.0, 50.0];
        values.resize(2, 0.0);
        let signal = with_singular_values(200, 100, &values, 3);
        let noise = Random::new(4).matrix(200, 100);
        let noise_energy: f64 = noise.iter().map(|entry| entry * entry).sum();
        let expected = noise_energy / (noise_energy + 60.0 * 60.0 + 50.0 * 50.0);
        let both = spectrum(signal + &noise);
        let share = noise_share(&both, 0.0).value().unwrap();
        // The two directions take the noise within them along: a few hundredths.
        assert!((share - expected).abs() <= 0.05, "{share} {expected}");
        // All of the noise is rounding: nothing of it is the update's own.
        let own = noise_share(&both, noise_energy).value().unwrap();
        assert!((0.0..=0.02).contains(&own), "{own}");
    }

    #[test]
    fn an_update_that_is_all_rounding_has_no_share() {
        let noise = spectrum(Random::new(2).matrix(60, 60));
        assert_eq!(noise_share(&noise, 1e5).value(), None);
        assert_eq!(noise_share(&noise, f64::NAN).value(), None);
        let small = spectrum(Random::new(2).matrix(10, 60));
        assert_eq!(noise_share(&small, 0.0).value(), None);
    }
}
