//! Storage dtypes of the tiny checkpoints.

use std::sync::LazyLock;

/// How a tensor is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dtype {
    F32,
    Bf16,
    F16,
    F8,
}

impl Dtype {
    pub(crate) fn of_safetensors(self) -> safetensors::Dtype {
        match self {
            Self::F32 => safetensors::Dtype::F32,
            Self::Bf16 => safetensors::Dtype::BF16,
            Self::F16 => safetensors::Dtype::F16,
            Self::F8 => safetensors::Dtype::F8_E4M3,
        }
    }

    pub(crate) fn encode(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::F32 => values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
            Self::Bf16 => values
                .iter()
                .flat_map(|value| half::bf16::from_f32(*value).to_le_bytes())
                .collect(),
            Self::F16 => values
                .iter()
                .flat_map(|value| half::f16::from_f32(*value).to_le_bytes())
                .collect(),
            Self::F8 => values.iter().map(|value| nearest_e4m3(*value)).collect(),
        }
    }
}

/// The positive finite values of OCP's E4M3, whose code is their index.
static E4M3: LazyLock<Vec<f32>> = LazyLock::new(|| {
    (0..=0x7e_u8)
        .map(|code| {
            let (exponent, mantissa) = (i32::from(code >> 3), f32::from(code & 7));
            if exponent == 0 {
                mantissa / 8.0 * 2.0_f32.powi(-6)
            } else {
                (1.0 + mantissa / 8.0) * 2.0_f32.powi(exponent - 7)
            }
        })
        .collect()
});

fn nearest_e4m3(value: f32) -> u8 {
    let above = E4M3.partition_point(|known| *known < value.abs());
    let below = above.saturating_sub(1);
    let above = above.min(E4M3.len() - 1);
    let nearer_below = (value.abs() - E4M3[below]).abs() <= (E4M3[above] - value.abs()).abs();
    let code = u8::try_from(if nearer_below { below } else { above }).unwrap();
    code | if value.is_sign_negative() { 0x80 } else { 0 }
}
