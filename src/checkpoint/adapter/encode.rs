//! Numbers to stored bytes, rounded to the nearest value of the dtype.

use crate::checkpoint::{Dtype, decode_f64, to_f64};

/// The values as little-endian bytes of that dtype. A 16-bit value out of range becomes infinite; an
/// 8-bit one saturates.
pub(super) fn encode(dtype: Dtype, values: &[f32]) -> Vec<u8> {
    match dtype {
        Dtype::F64 => each(values, |value| f64::from(value).to_le_bytes()),
        Dtype::F32 => each(values, f32::to_le_bytes),
        Dtype::F16 => each(values, |value| half::f16::from_f32(value).to_le_bytes()),
        Dtype::Bf16 => each(values, |value| half::bf16::from_f32(value).to_le_bytes()),
        Dtype::F8E4M3 | Dtype::F8E5M2 | Dtype::F8E4M3Fnuz | Dtype::F8E5M2Fnuz => {
            let codes = Codes::of(dtype);
            each(values, |value| [codes.nearest(value)])
        }
    }
}

fn each<const N: usize>(values: &[f32], encode: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|value| encode(*value)).collect()
}

/// `base + update` as stored bytes: the sum in f32 (f64 for an f64 base), rounded to the base's dtype.
/// `None` if the lengths differ.
pub(super) fn add(dtype: Dtype, base: &[u8], update: &[f32]) -> Option<Vec<u8>> {
    if base.len() != update.len().checked_mul(dtype.bytes())? {
        return None;
    }
    if dtype == Dtype::F64 {
        let mut values = vec![0.0; update.len()];
        decode_f64(dtype, base, &mut values);
        let sums = values.iter().zip(update);
        return Some(
            sums.flat_map(|(value, change)| (value + f64::from(*change)).to_le_bytes())
                .collect(),
        );
    }
    let mut values = crate::checkpoint::to_f32(dtype, base);
    for (value, change) in values.iter_mut().zip(update) {
        *value += change;
    }
    Some(encode(dtype, &values))
}

/// The codes of an 8-bit float by their values.
struct Codes {
    dtype: Dtype,
    /// Ascending; code 0 to the largest finite one.
    positive: Vec<f64>,
}

impl Codes {
    fn of(dtype: Dtype) -> Self {
        let codes: Vec<u8> = (0..=127).collect();
        let mut positive = to_f64(dtype, &codes);
        positive.retain(|value| value.is_finite());
        Self { dtype, positive }
    }

    fn nearest(&self, value: f32) -> u8 {
        if value.is_nan() {
            // Of the formats without a negative zero its code is the only NaN.
            return match self.dtype {
                Dtype::F8E4M3Fnuz | Dtype::F8E5M2Fnuz => 0x80,
                Dtype::F64
                | Dtype::F32
                | Dtype::F16
                | Dtype::Bf16
                | Dtype::F8E4M3
                | Dtype::F8E5M2 => 0x7f,
            };
        }
        let rounded = self.dtype.round(f64::from(value));
        let size = rounded.abs();
        let at = self.positive.partition_point(|known| *known < size);
        let code = u8::try_from(at).unwrap_or(0x7e);
        let has_sign = rounded < 0.0;
        if has_sign { code | 0x80 } else { code }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::to_f32;

    #[test]
    fn what_is_stored_reads_back() {
        for dtype in Dtype::ALL {
            let values = [0.0, 1.0, -1.5, 0.25, -8.0];
            assert_eq!(to_f32(*dtype, &encode(*dtype, &values)), values, "{dtype}");
            let nan = to_f32(*dtype, &encode(*dtype, &[f32::NAN]));
            assert!(nan.iter().all(|value| value.is_nan()), "{dtype}");
        }
        for dtype in Dtype::ALL.iter().filter(|dtype| dtype.bytes() == 1) {
            for code in 0..=255_u8 {
                let values = to_f32(*dtype, &[code]);
                let has_one_code = |value: &f32| value.is_finite() && (value.abs() > 0.0);
                if values.iter().all(has_one_code) {
                    assert_eq!(encode(*dtype, &values), [code], "{dtype}");
                }
            }
        }
    }

    #[test]
    fn a_sum_is_rounded_once_to_the_dtype_of_the_base() {
        // 1 + 2^-8 is half a step of bf16 above 1 and goes to the even code; a little more goes up.
        let base = encode(Dtype::Bf16, &[1.0, 1.0]);
        let half = 2.0_f32.powi(-8);
        let sum = add(Dtype::Bf16, &base, &[half, half * 1.001]).unwrap();
        assert_eq!(to_f32(Dtype::Bf16, &sum), [1.0, 1.0 + 2.0 * half]);
        let wide = add(Dtype::F64, &1.0_f64.to_le_bytes(), &[2.0_f32.powi(-40)]).unwrap();
        assert_eq!(wide, (1.0 + 2.0_f64.powi(-40)).to_le_bytes());
        assert_eq!(add(Dtype::Bf16, &base, &[0.0]), None);
    }
}
