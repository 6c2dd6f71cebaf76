//! Stored bytes to numbers. Nothing is transmuted: data may lie unaligned in its file.

use crate::checkpoint::Dtype;

/// Decodes little-endian values; exact for every dtype. A rest shorter than one value is left out
/// (a tensor read through [`Checkpoint`](crate::checkpoint::Checkpoint) has none).
pub fn to_f64(dtype: Dtype, bytes: &[u8]) -> Vec<f64> {
    match dtype {
        Dtype::F64 => bytes
            .as_chunks()
            .0
            .iter()
            .map(|chunk| f64::from_le_bytes(*chunk))
            .collect(),
        Dtype::F32
        | Dtype::F16
        | Dtype::Bf16
        | Dtype::F8E4M3
        | Dtype::F8E5M2
        | Dtype::F8E4M3Fnuz
        | Dtype::F8E5M2Fnuz => narrow(dtype, bytes).map(f64::from).collect(),
    }
}

/// Decodes as [`to_f64`] does, to single precision: exact for all dtypes but `F64`, which is
/// rounded.
pub fn to_f32(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
    narrow(dtype, bytes).collect()
}

/// The values of every dtype, as single precision.
fn narrow(dtype: Dtype, bytes: &[u8]) -> Box<dyn ExactSizeIterator<Item = f32> + '_> {
    match dtype {
        Dtype::F64 => Box::new(bytes.as_chunks().0.iter().map(|chunk| {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "documented: double precision is rounded"
            )]
            let rounded = f64::from_le_bytes(*chunk) as f32;
            rounded
        })),
        Dtype::F32 => Box::new(
            bytes
                .as_chunks()
                .0
                .iter()
                .map(|chunk| f32::from_le_bytes(*chunk)),
        ),
        Dtype::F16 => Box::new(
            bytes
                .as_chunks()
                .0
                .iter()
                .map(|chunk| half::f16::from_le_bytes(*chunk).to_f32()),
        ),
        Dtype::Bf16 => Box::new(
            bytes
                .as_chunks()
                .0
                .iter()
                .map(|chunk| half::bf16::from_le_bytes(*chunk).to_f32()),
        ),
        Dtype::F8E4M3 => eight_bits(E4M3, bytes),
        Dtype::F8E5M2 => eight_bits(E5M2, bytes),
        Dtype::F8E4M3Fnuz => eight_bits(E4M3_FNUZ, bytes),
        Dtype::F8E5M2Fnuz => eight_bits(E5M2_FNUZ, bytes),
    }
}

/// How the codes of an 8-bit float are laid out: sign, exponent, mantissa.
#[derive(Debug, Clone, Copy)]
struct Layout {
    mantissa_bits: u32,
    bias: i32,
    specials: Specials,
}

/// Which codes are not finite numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Specials {
    /// As IEEE 754: the largest exponent holds infinity and NaN.
    Ieee,
    /// No infinity; only the code with all bits set, of either sign, is NaN.
    AllOnes,
    /// No infinity and no negative zero, whose code is the only NaN.
    NegativeZero,
}

const E4M3: Layout = Layout {
    mantissa_bits: 3,
    bias: 7,
    specials: Specials::AllOnes,
};
const E5M2: Layout = Layout {
    mantissa_bits: 2,
    bias: 15,
    specials: Specials::Ieee,
};
const E4M3_FNUZ: Layout = Layout {
    mantissa_bits: 3,
    bias: 8,
    specials: Specials::NegativeZero,
};
const E5M2_FNUZ: Layout = Layout {
    mantissa_bits: 2,
    bias: 16,
    specials: Specials::NegativeZero,
};

fn eight_bits(layout: Layout, bytes: &[u8]) -> Box<dyn ExactSizeIterator<Item = f32> + '_> {
    let mut code = 0_u8;
    let table: [f32; 256] = std::array::from_fn(|_| {
        let value = decode_code(layout, code);
        code = code.wrapping_add(1);
        value
    });
    // The table has an entry for every byte.
    Box::new(
        bytes
            .iter()
            .map(move |byte| table.get(usize::from(*byte)).copied().unwrap_or(f32::NAN)),
    )
}

/// The value of one code by the definition of its format.
fn decode_code(layout: Layout, code: u8) -> f32 {
    let Layout {
        mantissa_bits,
        bias,
        specials,
    } = layout;
    let negative = code & 0x80 != 0;
    let magnitude = code & 0x7f;
    let exponent = i32::from(magnitude >> mantissa_bits);
    let fraction = magnitude & ((1 << mantissa_bits) - 1);
    let largest_exponent = (1 << (7 - mantissa_bits)) - 1;
    let sign = if negative { -1.0 } else { 1.0 };
    match specials {
        Specials::Ieee if exponent == largest_exponent => {
            return if fraction == 0 {
                sign * f32::INFINITY
            } else {
                f32::NAN
            };
        }
        Specials::AllOnes if magnitude == 0x7f => return f32::NAN,
        Specials::NegativeZero if code == 0x80 => return f32::NAN,
        Specials::Ieee | Specials::AllOnes | Specials::NegativeZero => {}
    }
    let step = f32::from(fraction) / f32::from(1_u8 << mantissa_bits);
    if exponent == 0 {
        sign * step * 2.0_f32.powi(1 - bias)
    } else {
        sign * (1.0 + step) * 2.0_f32.powi(exponent - bias)
    }
}
