//! Entry by entry: what can be said of two tensors of the same shape without a spectrum.

use serde::{Deserialize, Serialize};

use crate::checkpoint::{Dtype, decode_f64};
pub(super) use crate::spectrum::Stored;

/// Values decoded at a time: a pair costs three buffers in the first cache beside its raw bytes.
const BLOCK: usize = 1024;

/// Partial sums kept apart, so that the loop compiles to vector instructions; fixed, so that the
/// order of additions does not depend on the processor.
const LANES: usize = 4;

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
        let (mut before, mut after) = ([0.0; BLOCK], [0.0; BLOCK]);
        let base_blocks = base.bytes.chunks(base.dtype.bytes() * BLOCK);
        let tuned_blocks = tuned.bytes.chunks(tuned.dtype.bytes() * BLOCK);
        for (base_block, tuned_block) in base_blocks.zip(tuned_blocks) {
            let count = base_block.len() / base.dtype.bytes();
            decode_f64(base.dtype, base_block, &mut before);
            decode_f64(tuned.dtype, tuned_block, &mut after);
            let (before, after) = (&mut before[..count], &after[..count]);
            let mut block = Self::of_block(before, after);
            if base.dtype != tuned.dtype {
                block.out_of_range = beyond(before, tuned.dtype.largest_finite());
                tuned.dtype.round_all(before);
            }
            block.changed = differences(before, after);
            sums = sums.plus(block);
        }
        sums
    }

    fn of_block(before: &[f64], after: &[f64]) -> Self {
        let mut lanes = [[0.0; LANES]; 4];
        let mut add = |lane: usize, before: f64, after: f64| {
            let update = after - before;
            lanes[0][lane] += before * after;
            lanes[1][lane] += before * before;
            lanes[2][lane] += after * after;
            lanes[3][lane] += update * update;
        };
        let (base_chunks, base_rest) = before.as_chunks::<LANES>();
        let (tuned_chunks, tuned_rest) = after.as_chunks::<LANES>();
        for (before, after) in base_chunks.iter().zip(tuned_chunks) {
            for lane in 0..LANES {
                add(lane, before[lane], after[lane]);
            }
        }
        for (before, after) in base_rest.iter().zip(tuned_rest) {
            add(0, *before, *after);
        }
        let nonfinite = |values: &[f64]| {
            let count: usize = values
                .iter()
                .map(|value| usize::from(!value.is_finite()))
                .sum();
            count as u64
        };
        let [dot, base_squares, tuned_squares, update_squares] =
            lanes.map(|lanes| lanes.iter().sum());
        Self {
            count: before.len() as u64,
            dot,
            base_squares,
            tuned_squares,
            update_squares,
            base_nonfinite: nonfinite(before),
            tuned_nonfinite: nonfinite(after),
            ..Self::default()
        }
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

    /// The part of `|W - W0|^2` that rounding of the stored weights is expected to have made, with
    /// `noise` its rms relative error. Where both sides have the same dtype, an entry that did not change was not
    /// rounded anew.
    pub(super) fn rounding_energy(&self, noise: f64, same_precision: bool) -> f64 {
        let rounded = if same_precision && self.count > 0 {
            self.changed as f64 / self.count as f64
        } else {
            1.0
        };
        noise * noise * self.base_squares * rounded
    }

    /// `None` where either side is all zero. Rounding never takes it beyond 1.
    pub(super) fn cosine(&self) -> Option<f64> {
        let scale = self.base_squares.sqrt() * self.tuned_squares.sqrt();
        (scale > 0.0).then(|| (self.dot / scale).clamp(-1.0, 1.0))
    }
}

/// How many finite values are larger than that.
fn beyond(values: &[f64], largest: f64) -> u64 {
    let outside = values
        .iter()
        .filter(|value| value.is_finite() && value.abs() > largest);
    outside.count() as u64
}

/// How many values differ; zeros of both signs are equal, and a NaN differs from everything.
fn differences(left: &[f64], right: &[f64]) -> u64 {
    #[expect(clippy::float_cmp, reason = "exact equality is the definition")]
    let count: usize = left
        .iter()
        .zip(right)
        .map(|(left, right)| usize::from(left != right))
        .sum();
    count as u64
}

/// True where all elements are equal (and there are at least two). A NaN equals nothing.
pub(super) fn is_constant(tensor: Stored<'_>) -> bool {
    let width = tensor.dtype.bytes();
    let mut first = [0.0];
    decode_f64(tensor.dtype, tensor.bytes, &mut first);
    let mut block = [0.0; BLOCK];
    tensor.bytes.len() >= 2 * width
        && tensor.bytes.chunks(BLOCK * width).all(|bytes| {
            decode_f64(tensor.dtype, bytes, &mut block);
            let values = &block[..bytes.len() / width];
            #[expect(clippy::float_cmp, reason = "exact equality is the definition")]
            let equal = values.iter().all(|value| *value == first[0]);
            equal
        })
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
        .map(|row| is_zero(row, matrix.dtype))
        .collect()
}

/// Most rows are told apart by their first value.
fn is_zero(row: &[u8], dtype: Dtype) -> bool {
    let mut part = [0.0; 16];
    row.chunks(part.len() * dtype.bytes()).all(|bytes| {
        decode_f64(dtype, bytes, &mut part);
        part[..bytes.len() / dtype.bytes()]
            .iter()
            .all(|value| *value == 0.0)
    })
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
