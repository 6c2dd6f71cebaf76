//! Reproducible numbers for start vectors and shuffles. Not for anything secret.

/// SplitMix64 (Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub(super) struct SplitMix(u64);

impl SplitMix {
    /// One stream per shape and purpose, the same on every machine.
    pub(super) fn of_shape(rows: usize, cols: usize, purpose: u64) -> Self {
        let mut seed = Self(purpose);
        for side in [rows as u64, cols as u64] {
            seed.0 ^= side;
            seed.0 = seed.next();
        }
        seed
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// Uniform in (-1, 1).
    pub(super) fn symmetric(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 52) as f64 - 1.0
    }

    /// Below `count`; the bias of the product of 64 bits is below count / 2^64.
    pub(super) fn below(&mut self, count: usize) -> usize {
        let product = u128::from(self.next()) * count as u128;
        usize::try_from(product >> 64).unwrap_or(0)
    }
}
