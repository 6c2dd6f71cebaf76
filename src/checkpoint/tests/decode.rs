use proptest::prelude::*;

use crate::checkpoint::{Dtype, to_f32, to_f64};

/// The finite values of the codes from 0 up, built as a ladder instead of from bit fields: equal
/// steps, which double after every 2^m codes from the second group on.
fn ladder(mantissa_bits: u32, smallest: f64, codes: usize) -> Vec<f64> {
    let group = 1_usize << mantissa_bits;
    let mut values = Vec::new();
    let (mut value, mut step) = (0.0, smallest);
    for code in 0..codes {
        values.push(value);
        if code >= 2 * group - 1 && (code + 1) % group == 0 {
            value += step;
            step *= 2.0;
        } else {
            value += step;
        }
    }
    values
}

fn all_codes(dtype: Dtype) -> Vec<f64> {
    to_f64(dtype, &(0..=u8::MAX).collect::<Vec<_>>())
}

fn same(left: f64, right: f64) -> bool {
    left.to_bits() == right.to_bits()
}

fn check(dtype: Dtype, mantissa_bits: u32, smallest: f64, finite_codes: usize) -> Vec<f64> {
    let values = all_codes(dtype);
    let positive = ladder(mantissa_bits, smallest, finite_codes);
    for (code, expected) in positive.iter().enumerate() {
        assert!(same(values[code], *expected), "{dtype} {code}");
        if code > 0 {
            assert!(same(values[code + 128], -expected), "{dtype} -{code}");
        }
    }
    assert!(same(positive[finite_codes - 1], dtype.largest_finite()));
    values
}

#[test]
fn every_code_of_e4m3_has_its_value() {
    let values = check(Dtype::F8E4M3, 3, 2.0_f64.powi(-9), 127);
    assert!(same(values[0x80], -0.0));
    assert!(values[0x7f].is_nan() && values[0xff].is_nan());
    assert!(same(values[0x38], 1.0) && same(values[0x7e], 448.0));
}

#[test]
fn every_code_of_e5m2_has_its_value() {
    let values = check(Dtype::F8E5M2, 2, 2.0_f64.powi(-16), 124);
    assert!(same(values[0x80], -0.0));
    assert!(same(values[0x7c], f64::INFINITY) && same(values[0xfc], f64::NEG_INFINITY));
    assert!(
        [0x7d, 0x7e, 0x7f, 0xfd, 0xfe, 0xff]
            .iter()
            .all(|code: &usize| values[*code].is_nan())
    );
    assert!(same(values[0x3c], 1.0));
}

#[test]
fn every_code_of_the_fnuz_formats_has_its_value() {
    let values = check(Dtype::F8E4M3Fnuz, 3, 2.0_f64.powi(-10), 128);
    assert!(values[0x80].is_nan());
    assert!(same(values[0x40], 1.0));
    let values = check(Dtype::F8E5M2Fnuz, 2, 2.0_f64.powi(-17), 128);
    assert!(values[0x80].is_nan());
    assert!(same(values[0x40], 1.0));
}

#[test]
fn sixteen_bit_floats_are_read_little_endian() {
    // 1.0, -2.0, largest, infinity, smallest subnormal.
    let bytes = [0x00, 0x3c, 0x00, 0xc0, 0xff, 0x7b, 0x00, 0x7c, 0x01, 0x00];
    let values = to_f64(Dtype::F16, &bytes);
    let expected = [1.0, -2.0, 65504.0, f64::INFINITY, 2.0_f64.powi(-24)];
    assert!(
        values
            .iter()
            .zip(expected)
            .all(|(value, want)| same(*value, want))
    );
    let values = to_f64(Dtype::Bf16, &[0x80, 0x3f, 0x49, 0x40, 0x80, 0xff]);
    let expected = [1.0, 3.140_625, f64::NEG_INFINITY];
    assert!(
        values
            .iter()
            .zip(expected)
            .all(|(value, want)| same(*value, want))
    );
    assert!(to_f64(Dtype::Bf16, &[0xc0, 0x7f])[0].is_nan());
}

#[test]
fn both_widths_give_as_many_values_as_there_are() {
    for dtype in Dtype::ALL {
        let bytes = vec![0; 3 * dtype.bytes()];
        assert_eq!(to_f64(*dtype, &bytes), [0.0; 3], "{dtype}");
        assert_eq!(to_f32(*dtype, &bytes), [0.0; 3], "{dtype}");
    }
}

proptest! {
    #[test]
    fn unaligned_singles_and_doubles_survive_the_way(
        singles in prop::collection::vec(any::<f32>(), 0..9),
        doubles in prop::collection::vec(any::<f64>(), 0..9),
    ) {
        let mut bytes = vec![0xaa];
        bytes.extend(singles.iter().flat_map(|value| value.to_le_bytes()));
        let read: Vec<u32> = to_f32(Dtype::F32, &bytes[1..]).iter().map(|value| value.to_bits()).collect();
        prop_assert_eq!(read, singles.iter().map(|value| value.to_bits()).collect::<Vec<_>>());
        let mut bytes = vec![0xaa];
        bytes.extend(doubles.iter().flat_map(|value| value.to_le_bytes()));
        let read: Vec<u64> = to_f64(Dtype::F64, &bytes[1..]).iter().map(|value| value.to_bits()).collect();
        prop_assert_eq!(read, doubles.iter().map(|value| value.to_bits()).collect::<Vec<_>>());
    }
}

#[test]
fn every_half_is_what_its_own_library_says() {
    let codes: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    let expected = (0..=u16::MAX).map(|code| half::f16::from_bits(code).to_f32());
    for (found, expected) in to_f32(Dtype::F16, &codes).iter().zip(expected) {
        assert!(found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan()));
    }
}
