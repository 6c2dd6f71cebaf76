//! Rounding a number to what a dtype can store.

use crate::checkpoint::{Dtype, to_f64};

impl Dtype {
    /// The stored value nearest to `value`, ties to the even code: what a cast to this dtype keeps.
    /// For the 8-bit dtypes a value beyond the largest finite one gives that one (a saturating
    /// cast). To 16 bits it goes by way of f32, as in PyTorch: `half`'s own conversion from f64
    /// looks at its upper 32 bits only, and takes a value just above a tie for the tie.
    pub fn round(self, value: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "rounding is what is asked for"
        )]
        match self {
            Self::F64 => value,
            Self::F32 => f64::from(value as f32),
            Self::F16 => half::f16::from_f32(value as f32).to_f64(),
            Self::Bf16 => half::bf16::from_f32(value as f32).to_f64(),
            Self::F8E4M3 | Self::F8E5M2 | Self::F8E4M3Fnuz | Self::F8E5M2Fnuz => {
                round_to_byte(&byte_values(self), value)
            }
        }
    }

    /// Rounds each value as [`Self::round`] does.
    pub fn round_all(self, values: &mut [f64]) {
        if self.bytes() == 1 {
            let codes = byte_values(self);
            for value in values {
                *value = round_to_byte(&codes, *value);
            }
        } else {
            for value in values {
                *value = self.round(*value);
            }
        }
    }
}

/// Codes 0 to 127 of these dtypes are the non-negative values, ascending, up to the first that is
/// no number.
fn byte_values(dtype: Dtype) -> Vec<f64> {
    let codes: Vec<u8> = (0..=127).collect();
    let mut values = to_f64(dtype, &codes);
    values.retain(|value| value.is_finite());
    values
}

fn round_to_byte(values: &[f64], value: f64) -> f64 {
    if value.is_nan() {
        return value;
    }
    let size = value.abs();
    let above = values.partition_point(|candidate| *candidate < size);
    let rounded = match (
        above.checked_sub(1).and_then(|index| values.get(index)),
        values.get(above),
    ) {
        (Some(low), Some(high)) => {
            let (down, up) = (size - low, high - size);
            let even_above = above % 2 == 0;
            if up < down || (up.total_cmp(&down).is_eq() && even_above) {
                *high
            } else {
                *low
            }
        }
        (None, Some(only)) | (Some(only), None) => *only,
        (None, None) => 0.0,
    };
    rounded.copysign(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_stored_exactly_stays() {
        for dtype in Dtype::ALL.iter().filter(|dtype| dtype.bytes() == 1) {
            let codes: Vec<u8> = (0..=255).collect();
            for value in to_f64(*dtype, &codes)
                .into_iter()
                .filter(|value| value.is_finite())
            {
                assert!((dtype.round(value) - value).abs() <= 0.0, "{dtype} {value}");
            }
        }
    }

    #[test]
    fn halves_go_to_the_even_code_and_large_values_saturate() {
        let e4m3 = Dtype::F8E4M3;
        // Between 1 (code 56) and 1.125 (code 57).
        assert!((e4m3.round(1.0625) - 1.0).abs() <= 0.0);
        // Between 1.125 (code 57) and 1.25 (code 58).
        assert!((e4m3.round(-1.1875) + 1.25).abs() <= 0.0);
        assert!((e4m3.round(1e9) - 448.0).abs() <= 0.0);
        assert!(e4m3.round(f64::NAN).is_nan());
    }

    #[test]
    fn many_values_are_rounded_as_each_of_them() {
        let values: Vec<f64> = (0..500)
            .map(|i| f64::from(i - 250).powi(3) * 1e-4)
            .collect();
        for dtype in Dtype::ALL {
            let mut rounded = values.clone();
            dtype.round_all(&mut rounded);
            for (value, rounded) in values.iter().zip(&rounded) {
                assert!(
                    (dtype.round(*value) - rounded).abs() <= 0.0,
                    "{dtype} {value}"
                );
            }
        }
    }

    #[test]
    fn a_value_just_above_a_tie_goes_up() {
        let step = f64::from(f32::EPSILON);
        let above = 1.0 + 1.0 / 256.0 + step;
        assert!((Dtype::Bf16.round(above) - (1.0 + 2.0 / 256.0)).abs() <= 0.0);
        assert!((Dtype::Bf16.round(-above) + (1.0 + 2.0 / 256.0)).abs() <= 0.0);
        let above = 1.0 + 1.0 / 2048.0 + step;
        assert!((Dtype::F16.round(above) - (1.0 + 2.0 / 2048.0)).abs() <= 0.0);
    }

    #[test]
    fn bf16_keeps_eight_significant_bits() {
        assert!((Dtype::Bf16.round(1.0 + 1.0 / 256.0) - 1.0).abs() <= 0.0);
        assert!((Dtype::Bf16.round(1.0 + 3.0 / 256.0) - (1.0 + 4.0 / 256.0)).abs() <= 0.0);
    }
}
