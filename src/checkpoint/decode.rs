//! Stored bytes to numbers. Nothing is transmuted: data may lie unaligned in its file.

use crate::checkpoint::Dtype;

/// Decodes little-endian values; exact for every dtype. A rest shorter than one value is left out
/// (a tensor read through [`Checkpoint`](crate::checkpoint::Checkpoint) has none).
pub fn to_f64(dtype: Dtype, bytes: &[u8]) -> Vec<f64> {
    let mut values = vec![0.0; bytes.len() / dtype.bytes()];
    decode_f64(dtype, bytes, &mut values);
    values
}

/// Decodes as [`to_f64`] does, to single precision: exact for all dtypes but `F64`, which is
/// rounded.
pub fn to_f32(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
    let mut values = vec![0.0; bytes.len() / dtype.bytes()];
    decode_f32(dtype, bytes, &mut values);
    values
}

/// As [`to_f64`], into a buffer: as many values as both hold.
pub fn decode_f64(dtype: Dtype, bytes: &[u8], values: &mut [f64]) {
    match dtype {
        Dtype::F64 => each(bytes, values, f64::from_le_bytes),
        Dtype::F32 => each(bytes, values, |code| f64::from(f32::from_le_bytes(code))),
        Dtype::F16 => each(bytes, values, |code| f64::from(half_to_f32(code))),
        Dtype::Bf16 => each(bytes, values, |code| f64::from(brain_to_f32(code))),
        Dtype::F8E4M3 | Dtype::F8E5M2 | Dtype::F8E4M3Fnuz | Dtype::F8E5M2Fnuz => {
            let table = table(dtype);
            each(bytes, values, |[code]| f64::from(look_up(&table, code)));
        }
    }
}

/// As [`to_f32`], into a buffer: as many values as both hold.
pub fn decode_f32(dtype: Dtype, bytes: &[u8], values: &mut [f32]) {
    match dtype {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "documented: double precision is rounded"
        )]
        Dtype::F64 => each(bytes, values, |code| f64::from_le_bytes(code) as f32),
        Dtype::F32 => each(bytes, values, f32::from_le_bytes),
        Dtype::F16 => each(bytes, values, half_to_f32),
        Dtype::Bf16 => each(bytes, values, brain_to_f32),
        Dtype::F8E4M3 | Dtype::F8E5M2 | Dtype::F8E4M3Fnuz | Dtype::F8E5M2Fnuz => {
            let table = table(dtype);
            each(bytes, values, |[code]| look_up(&table, code));
        }
    }
}

/// A loop without branches over fixed-size codes, which compiles to vector instructions.
fn each<const N: usize, T>(bytes: &[u8], values: &mut [T], decode: impl Fn([u8; N]) -> T) {
    for (value, code) in values.iter_mut().zip(bytes.as_chunks().0) {
        *value = decode(*code);
    }
}

/// The upper half of an f32.
fn brain_to_f32(code: [u8; 2]) -> f32 {
    f32::from_bits(u32::from(u16::from_le_bytes(code)) << 16)
}

/// An IEEE 754 half: its exponent and mantissa read as those of an f32 are the value times 2^-112,
/// also where it is subnormal.
fn half_to_f32(code: [u8; 2]) -> f32 {
    let code = u32::from(u16::from_le_bytes(code));
    let magnitude = code & 0x7fff;
    let scaled = f32::from_bits(magnitude << 13) * f32::from_bits((127 + 112) << 23);
    let special = if magnitude >= 0x7c00 { 0xff << 23 } else { 0 };
    f32::from_bits(scaled.to_bits() | special | ((code & 0x8000) << 16))
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

/// The values of all codes of an 8-bit dtype.
fn table(dtype: Dtype) -> [f32; 256] {
    let layout = match dtype {
        Dtype::F8E5M2 => E5M2,
        Dtype::F8E4M3Fnuz => E4M3_FNUZ,
        Dtype::F8E5M2Fnuz => E5M2_FNUZ,
        Dtype::F8E4M3 | Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::Bf16 => E4M3,
    };
    let mut code = 0_u8;
    std::array::from_fn(|_| {
        let value = decode_code(layout, code);
        code = code.wrapping_add(1);
        value
    })
}

/// The table has an entry for every byte.
fn look_up(table: &[f32; 256], code: u8) -> f32 {
    table.get(usize::from(code)).copied().unwrap_or(f32::NAN)
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
