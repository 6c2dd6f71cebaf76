//! How much of a stored matrix is the error of its storage.

use super::EntryStatistics;
use crate::checkpoint::Dtype;
use crate::layer::Part;

/// The expected squared error of one part of a tensor, from those along its first axis
/// ([`squared_errors`](crate::checkpoint::Checkpoint::squared_errors)).
pub fn squared_error_of(errors: &[f64], part: Part) -> f64 {
    match part {
        Part::Whole => errors.iter().sum(),
        Part::Expert(expert) => errors.get(expert as usize).copied().unwrap_or(0.0),
    }
}

/// Rms relative error of a stored matrix: rounding to the dtype of its values and, where these were
/// computed from codes, the expected squared error of those.
pub fn storage_noise(dtype: Dtype, squared_error: f64, entries: &EntryStatistics) -> f64 {
    let rounding = dtype.rounding_noise();
    let square = entries.mean * entries.mean + entries.std * entries.std;
    let energy = square * entries.count as f64;
    if squared_error > 0.0 && energy > 0.0 {
        (squared_error / energy + rounding * rounding).sqrt()
    } else {
        rounding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_noise_of_plain_values_is_that_of_their_dtype() {
        let entries = EntryStatistics {
            count: 4,
            std: 2.0,
            ..EntryStatistics::default()
        };
        let plain = storage_noise(Dtype::Bf16, 0.0, &entries);
        assert!((plain - Dtype::Bf16.rounding_noise()).abs() <= 0.0);
        // Sum of squares 16, of errors 0.16.
        let quantised = storage_noise(Dtype::F32, 0.16, &entries);
        assert!((quantised - 0.1).abs() <= 1e-9);
    }

    #[test]
    fn an_expert_has_the_error_of_its_own_values() {
        let errors = [1.0, 2.0, 4.0];
        assert!((squared_error_of(&errors, Part::Expert(1)) - 2.0).abs() <= 0.0);
        assert!((squared_error_of(&errors, Part::Whole) - 7.0).abs() <= 0.0);
    }
}
