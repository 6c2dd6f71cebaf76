//! How much of a stored matrix is the error of its storage.

use super::EntryStatistics;
use crate::checkpoint::Dtype;
use crate::layer::Part;

/// The expected squared error of one part of a tensor of so many elements, from those along its first
/// axis ([`squared_errors`](crate::checkpoint::Checkpoint::squared_errors)); within one index they are taken
/// for evenly spread.
pub fn squared_error_of(errors: &[f64], part: Part, elements: u64) -> f64 {
    match part {
        Part::Whole => errors.iter().sum(),
        Part::Expert(expert) => errors.get(expert as usize).copied().unwrap_or(0.0),
        Part::Runs(runs) => {
            let elements = usize::try_from(elements).unwrap_or(usize::MAX);
            let per_index = (elements / errors.len().max(1)).max(1);
            (0..runs.count)
                .map(|run| {
                    of_run(
                        errors,
                        per_index,
                        runs.start + run * runs.stride,
                        runs.length,
                    )
                })
                .sum()
        }
    }
}

/// Of the elements from `first` on, which may cross several indices.
fn of_run(errors: &[f64], per_index: usize, first: usize, length: usize) -> f64 {
    let end = first + length;
    let covered = errors.iter().enumerate().skip(first / per_index);
    covered
        .map_while(|(index, error)| {
            let (from, to) = (index * per_index, (index + 1) * per_index);
            let inside = to.min(end).checked_sub(from.max(first))?;
            (inside > 0).then_some(error * inside as f64 / per_index as f64)
        })
        .sum()
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
    use crate::layer::Runs;

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
        assert!((squared_error_of(&errors, Part::Expert(1), 12) - 2.0).abs() <= 0.0);
        assert!((squared_error_of(&errors, Part::Whole, 12) - 7.0).abs() <= 0.0);
    }

    #[test]
    fn runs_have_their_share_of_the_error_of_each_row() {
        let errors = [1.0, 2.0, 4.0];
        let of = |start, length, stride, count| {
            let runs = Runs {
                start,
                length,
                stride,
                count,
            };
            squared_error_of(&errors, Part::Runs(runs), 12)
        };
        let cases = [
            // Rows 1 and 2 of 3 x 4.
            (of(4, 8, 8, 1), 6.0),
            // The last two columns.
            (of(2, 2, 4, 3), 3.5),
            // Half of row 0 and a quarter of row 1 in one run.
            (of(2, 3, 3, 1), 1.0),
            // Every other element.
            (of(0, 1, 2, 6), 3.5),
        ];
        for (found, expected) in cases {
            assert!((found - expected).abs() <= 1e-12, "{found} {expected}");
        }
    }
}
