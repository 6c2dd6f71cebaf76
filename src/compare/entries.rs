//! Entry by entry: what can be said of two tensors of the same shape without a spectrum.

use serde::{Deserialize, Serialize};

use crate::checkpoint::{Dtype, to_f64};

/// Elements decoded at a time, so that a pair costs two small buffers beside its raw bytes.
const BLOCK: usize = 1 << 15;

/// A tensor's raw bytes and how to read them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) dtype: Dtype,
}

impl Stored<'_> {
    /// Calls `visit` with every element in order, decoded, in blocks.
    fn blocks(&self, mut visit: impl FnMut(&[f64])) {
        let width = self.dtype.bytes() * BLOCK;
        for block in self.bytes.chunks(width) {
            visit(&to_f64(self.dtype, block));
        }
    }
}

/// Sums over the entries of a pair; those of several pairs add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct PairSums {
    pub(super) count: u64,
    /// Sum of w0 * w.
    #[serde(with = "bits")]
    pub(super) dot: f64,
    #[serde(with = "bits")]
    pub(super) base_squares: f64,
    #[serde(with = "bits")]
    pub(super) tuned_squares: f64,
    #[serde(with = "bits")]
    pub(super) update_squares: f64,
    /// Entries that differ from the base rounded to the tuned tensor's dtype.
    pub(super) changed: u64,
    pub(super) base_nonfinite: u64,
    pub(super) tuned_nonfinite: u64,
    /// Finite base entries whose size the tuned dtype cannot hold.
    pub(super) out_of_range: u64,
}

impl PairSums {
    /// Sums over one pair. Both hold the same number of elements.
    pub(super) fn of(base: Stored<'_>, tuned: Stored<'_>) -> Self {
        let mut sums = Self::default();
        let largest = tuned.dtype.largest_finite();
        let base_blocks = base.bytes.chunks(base.dtype.bytes() * BLOCK);
        let tuned_blocks = tuned.bytes.chunks(tuned.dtype.bytes() * BLOCK);
        for (base_block, tuned_block) in base_blocks.zip(tuned_blocks) {
            let base_values = to_f64(base.dtype, base_block);
            let tuned_values = to_f64(tuned.dtype, tuned_block);
            let mut block = Self::default();
            for (before, after) in base_values.iter().zip(&tuned_values) {
                block.add_entry(*before, *after);
                // A NaN differs from everything, itself included.
                let same = tuned.dtype.round(*before).total_cmp(after).is_eq()
                    || (*before == 0.0 && *after == 0.0);
                block.changed += u64::from(!same || after.is_nan());
                block.out_of_range += u64::from(before.is_finite() && before.abs() > largest);
            }
            sums = sums.plus(block);
        }
        sums
    }

    fn add_entry(&mut self, before: f64, after: f64) {
        self.count += 1;
        self.dot += before * after;
        self.base_squares += before * before;
        self.tuned_squares += after * after;
        self.update_squares += (after - before) * (after - before);
        self.base_nonfinite += u64::from(!before.is_finite());
        self.tuned_nonfinite += u64::from(!after.is_finite());
    }

    pub(super) fn plus(self, other: Self) -> Self {
        let Self {
            count,
            dot,
            base_squares,
            tuned_squares,
            update_squares,
            changed,
            base_nonfinite,
            tuned_nonfinite,
            out_of_range,
        } = other;
        Self {
            count: self.count + count,
            dot: self.dot + dot,
            base_squares: self.base_squares + base_squares,
            tuned_squares: self.tuned_squares + tuned_squares,
            update_squares: self.update_squares + update_squares,
            changed: self.changed + changed,
            base_nonfinite: self.base_nonfinite + base_nonfinite,
            tuned_nonfinite: self.tuned_nonfinite + tuned_nonfinite,
            out_of_range: self.out_of_range + out_of_range,
        }
    }

    pub(super) fn is_finite(&self) -> bool {
        self.base_nonfinite == 0 && self.tuned_nonfinite == 0
    }

    /// |W - W0| / |W0|; `None` where the base is all zero.
    pub(super) fn relative_update(&self) -> Option<f64> {
        (self.base_squares > 0.0).then(|| (self.update_squares / self.base_squares).sqrt())
    }

    /// `None` where either side is all zero. Rounding never takes it beyond 1.
    pub(super) fn cosine(&self) -> Option<f64> {
        let scale = self.base_squares.sqrt() * self.tuned_squares.sqrt();
        (scale > 0.0).then(|| (self.dot / scale).clamp(-1.0, 1.0))
    }
}

/// True where all elements are equal (and there are at least two). A NaN equals nothing.
pub(super) fn is_constant(tensor: Stored<'_>) -> bool {
    let mut first = None;
    let mut count = 0_usize;
    let mut constant = true;
    tensor.blocks(|values| {
        for value in values {
            let first = *first.get_or_insert(*value);
            #[expect(clippy::float_cmp, reason = "exact equality is the definition")]
            {
                constant &= *value == first;
            }
            count += 1;
        }
    });
    constant && count >= 2
}

/// Which rows of a row-major matrix are all zero.
pub(super) fn zero_rows(matrix: Stored<'_>, cols: usize) -> Vec<bool> {
    let width = cols * matrix.dtype.bytes();
    if width == 0 {
        return Vec::new();
    }
    matrix
        .bytes
        .chunks(width)
        // Most rows are told apart by their first value.
        .map(|row| {
            row.chunks(matrix.dtype.bytes() * 64)
                .all(|part| to_f64(matrix.dtype, part).iter().all(|value| *value == 0.0))
        })
        .collect()
}

/// Numbers that may be NaN, which JSON cannot hold, as their bits.
mod bits {
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde asks for this signature"
    )]
    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.to_bits())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        u64::deserialize(deserializer).map(f64::from_bits)
    }
}
