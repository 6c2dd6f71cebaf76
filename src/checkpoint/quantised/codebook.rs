//! Values that codes stand for, and how far off a number is that was rounded to them.

use super::bits::at;

/// FP4 E2M1: sign, two bits of exponent, one of mantissa. Source: OCP Microscaling Formats 1.0.
pub(super) const E2M1: [f32; 16] = [
    0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0,
];

/// Values by code, each with the mean squared error of what was rounded to it.
#[derive(Debug, Clone)]
pub(super) struct Codebook {
    values: Vec<f32>,
    variances: Vec<f32>,
}

impl Codebook {
    /// A number that was rounded to the nearest code lies between the middles to both neighbours:
    /// spread evenly over the lengths a and b of the two sides, its mean squared error is
    /// (a^3 + b^3) / (3 (a + b)). The outermost codes have one side, as scales are set to reach them.
    pub(super) fn new(values: Vec<f32>) -> Self {
        let mut sorted: Vec<f32> = values.iter().copied().filter(|v| v.is_finite()).collect();
        sorted.sort_by(f32::total_cmp);
        #[expect(clippy::float_cmp, reason = "equal codes are one code")]
        sorted.dedup_by(|left, right| left == right);
        let variances = values.iter().map(|value| variance(&sorted, *value));
        Self {
            variances: variances.collect(),
            values,
        }
    }

    pub(super) fn value(&self, code: u8) -> f32 {
        at(&self.values, usize::from(code))
    }

    /// At a scale of 1.
    pub(super) fn variance(&self, code: u8) -> f32 {
        at(&self.variances, usize::from(code))
    }
}

fn variance(sorted: &[f32], value: f32) -> f32 {
    let start = sorted.partition_point(|other| *other < value);
    let below = start.checked_sub(1).and_then(|index| sorted.get(index));
    let above = sorted.iter().skip(start).find(|other| **other > value);
    let half = |other: Option<&f32>| other.map_or(0.0, |other| (value - other).abs() / 2.0);
    let (a, b) = (half(below), half(above));
    if a + b > 0.0 {
        (a * a * a + b * b * b) / (3.0 * (a + b))
    } else {
        0.0
    }
}

/// Mean squared error of rounding to a grid with that step.
pub(super) fn of_grid(step: f32) -> f32 {
    step * step / 12.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_codebook_has_the_error_of_a_grid() {
        let codes = Codebook::new((-8_i8..8).map(f32::from).collect());
        assert!((codes.variance(5) - of_grid(1.0)).abs() <= 1e-7);
        // One side only, of length 1/2: 1/2^2 / 3.
        assert!((codes.variance(0) - 0.25 / 3.0).abs() <= 1e-7);
    }

    #[test]
    fn both_zeros_of_a_float_are_one_code() {
        let codes = Codebook::new(E2M1.to_vec());
        assert!((codes.variance(0) - codes.variance(8)).abs() <= 0.0);
        assert!((codes.variance(0) - of_grid(0.5)).abs() <= 1e-7);
        // 4 lies between 3 and 6: sides 1/2 and 1.
        assert!((codes.variance(6) - (0.125 + 1.0) / 4.5).abs() <= 1e-6);
    }

    #[test]
    fn a_code_without_a_number_is_nan_and_does_not_disturb_the_others() {
        let codes = Codebook::new(vec![0.0, 1.0, f32::NAN]);
        assert!(codes.value(2).is_nan());
        assert!(codes.variance(1).is_finite());
    }
}
