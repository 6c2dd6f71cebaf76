//! Codes of a few bits out of packed words. Words are little-endian, so a run of words that is
//! filled from its lowest bit on is a run of bytes that is.

/// Code number `index` of a run of codes of `bits` (1 to 8) bits each, lowest bits first; what lies
/// past the end reads as 0.
pub(super) fn code(bytes: &[u8], index: usize, bits: u32) -> u8 {
    let bit = index.saturating_mul(bits as usize);
    let byte = bit / 8;
    let read = |at: usize| u16::from(bytes.get(at).copied().unwrap_or(0));
    let window = read(byte) | (read(byte.saturating_add(1)) << 8);
    let [low, _] = ((window >> (bit % 8)) & mask(bits)).to_le_bytes();
    low
}

fn mask(bits: u32) -> u16 {
    (1_u16 << bits.min(8)) - 1
}

/// Half a byte, of the lower or the upper half.
pub(super) fn nibble(byte: u8, upper: bool) -> u8 {
    if upper { byte >> 4 } else { byte & 15 }
}

/// Bytes as the words that they make up.
pub(super) fn words(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|word| u32::from_le_bytes(*word))
}

/// The value at an index that the shapes allow; NaN beyond, so that a slip cannot pass for a weight.
pub(super) fn at(values: &[f32], index: usize) -> f32 {
    values.get(index).copied().unwrap_or(f32::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_three_bits_cross_bytes_and_words() {
        // 0, 1, 2, ... 7 twice over, lowest bits first: 48 bits.
        let mut stream: u64 = 0;
        for index in 0..16 {
            stream |= (index % 8) << (3 * index);
        }
        let bytes = stream.to_le_bytes();
        let read: Vec<u8> = (0..16).map(|index| code(&bytes, index, 3)).collect();
        assert_eq!(read, [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn every_width_reads_back_and_the_end_is_zero() {
        for bits in 1..=8_u32 {
            let largest = u8::try_from(mask(bits)).unwrap();
            assert_eq!(code(&[0xff; 9], 7, bits), largest, "{bits}");
            assert_eq!(code(&[0xff; 2], 100, bits), 0);
        }
    }
}
