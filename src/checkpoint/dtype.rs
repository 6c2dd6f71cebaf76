//! Storage dtypes: which ones hold weights, and what rounding to them costs.

use std::fmt;

/// A dtype whose values are weights as they stand (quantised and integer tensors are not).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dtype {
    F64,
    F32,
    F16,
    Bf16,
    F8E4M3,
    F8E5M2,
    F8E4M3Fnuz,
    F8E5M2Fnuz,
}

impl Dtype {
    pub const ALL: &[Self] = &[
        Self::F64,
        Self::F32,
        Self::F16,
        Self::Bf16,
        Self::F8E4M3,
        Self::F8E5M2,
        Self::F8E4M3Fnuz,
        Self::F8E5M2Fnuz,
    ];

    /// Reads the name that safetensors headers use; `None` for dtypes that hold no plain weights.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|dtype| dtype.as_str() == name)
    }

    /// The name that safetensors headers use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::F8E4M3 => "F8_E4M3",
            Self::F8E5M2 => "F8_E5M2",
            Self::F8E4M3Fnuz => "F8_E4M3FNUZ",
            Self::F8E5M2Fnuz => "F8_E5M2FNUZ",
        }
    }

    /// Size of one value in bits.
    pub fn bits(self) -> u32 {
        match self {
            Self::F64 => 64,
            Self::F32 => 32,
            Self::F16 | Self::Bf16 => 16,
            Self::F8E4M3 | Self::F8E5M2 | Self::F8E4M3Fnuz | Self::F8E5M2Fnuz => 8,
        }
    }

    /// Size of one value in bytes.
    pub fn bytes(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::F8E4M3 | Self::F8E5M2 | Self::F8E4M3Fnuz | Self::F8E5M2Fnuz => 1,
        }
    }

    /// Stored bits of the significand, without the hidden one.
    pub fn mantissa_bits(self) -> u32 {
        match self {
            Self::F64 => 52,
            Self::F32 => 23,
            Self::F16 => 10,
            Self::Bf16 => 7,
            Self::F8E4M3 | Self::F8E4M3Fnuz => 3,
            Self::F8E5M2 | Self::F8E5M2Fnuz => 2,
        }
    }

    /// Relative Frobenius error of rounding a tensor once to this dtype (1.66e-3 for BF16).
    ///
    /// A value m * 2^e, 1 <= m < 2, is off by a uniform error in +-u/2 * 2^e with u = 2^-p, p the
    /// mantissa bits: its squared relative error is u^2 / (12 m^2) on average. Weights spread over
    /// many powers of two, so m is log-uniform: E[1/m^2] = 3 / (8 ln 2), and the root mean square
    /// is u / sqrt(32 ln 2). Values below the dtype's normal range lose more.
    pub fn rounding_noise(self) -> f64 {
        let unit = 2.0_f64.powi(-i32::try_from(self.mantissa_bits()).unwrap_or(0));
        unit / (32.0 * std::f64::consts::LN_2).sqrt()
    }

    /// The largest finite value.
    pub fn largest_finite(self) -> f64 {
        match self {
            Self::F64 => f64::MAX,
            Self::F32 => f64::from(f32::MAX),
            Self::F16 => half::f16::MAX.to_f64(),
            Self::Bf16 => half::bf16::MAX.to_f64(),
            Self::F8E4M3 => 448.0,
            Self::F8E4M3Fnuz => 240.0,
            Self::F8E5M2 | Self::F8E5M2Fnuz => 57344.0,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Size in bits of a dtype of the safetensors format; `None` for a name that the format lacks.
pub(super) fn bits_of_name(name: &str) -> Option<u64> {
    match name {
        "F4" => Some(4),
        "F6_E2M3" | "F6_E3M2" => Some(6),
        "BOOL" | "U8" | "I8" | "F8_E8M0" => Some(8),
        "I16" | "U16" => Some(16),
        "I32" | "U32" => Some(32),
        "I64" | "U64" | "C64" => Some(64),
        other => Dtype::from_name(other).map(|dtype| u64::from(dtype.bits())),
    }
}

/// Why a tensor of this dtype is not read as weights.
pub(super) fn reason_to_skip(name: &str) -> String {
    match name {
        "BOOL" => "boolean tensor: not a weight".to_owned(),
        "U8" | "I8" | "I16" | "U16" | "I32" | "U32" | "I64" | "U64" => {
            format!("integer tensor ({name}): not a weight as it stands")
        }
        "C64" => "complex tensor (C64): not a real matrix".to_owned(),
        "F4" | "F6_E2M3" | "F6_E3M2" | "F8_E8M0" => {
            format!("{name} tensor: quantised data or scales, not weights as they stand")
        }
        other => format!("unknown dtype `{other}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fixed sequence over eight powers of two, log-uniform.
    fn log_uniform(count: u32) -> impl Iterator<Item = f64> {
        (0..count).map(move |step| (f64::from(step) * 8.0 / f64::from(count) - 4.0).exp2())
    }

    #[test]
    fn the_rounding_noise_is_what_rounding_measures() {
        let measured = |round: fn(f64) -> f64| {
            let (mut errors, mut norm) = (0.0, 0.0);
            // Energy-weighted: each value counts by its relative error.
            for value in log_uniform(200_000) {
                errors += ((round(value) - value) / value).powi(2);
                norm += 1.0;
            }
            (errors / norm).sqrt()
        };
        let cases = [
            (
                Dtype::Bf16,
                measured(|value| half::bf16::from_f64(value).to_f64()),
            ),
            (
                Dtype::F16,
                measured(|value| half::f16::from_f64(value).to_f64()),
            ),
        ];
        for (dtype, noise) in cases {
            let error = (dtype.rounding_noise() / noise - 1.0).abs();
            assert!(error <= 0.01, "{dtype}: {noise}");
        }
        assert!((Dtype::Bf16.rounding_noise() - 1.66e-3).abs() <= 5e-6);
    }

    #[test]
    fn names_read_back_and_other_dtypes_are_no_weights() {
        for dtype in Dtype::ALL {
            assert_eq!(Dtype::from_name(dtype.as_str()), Some(*dtype));
            assert_eq!(bits_of_name(dtype.as_str()), Some(u64::from(dtype.bits())));
            assert_eq!(dtype.bytes() * 8, dtype.bits() as usize);
        }
        assert_eq!(Dtype::from_name("I64"), None);
        assert_eq!(Dtype::from_name("bf16"), None);
        assert_eq!(reason_to_skip("F8_E4M3FN"), "unknown dtype `F8_E4M3FN`");
    }
}
