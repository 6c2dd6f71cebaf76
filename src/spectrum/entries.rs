//! Statistics of the entries of a matrix, in one pass over its memory.

use super::matrix::Matrix;
use crate::checkpoint::{Dtype, decode_f64};
use crate::num;

/// Moments and counts. Where an entry is not finite, the moments describe the finite entries only and
/// must not be reported ([`Self::nonfinite_count`]).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct EntryStatistics {
    /// All entries.
    pub count: usize,
    pub nonfinite_count: usize,
    /// Entries that are exactly zero.
    pub zero_count: usize,
    pub mean: f64,
    /// The smallest and the largest finite entry; both 0 where there is none.
    pub least: f64,
    pub largest: f64,
    /// Standard deviation of the population (divided by the count).
    pub std: f64,
    /// Excess kurtosis of the population, `m4 / m2^2 - 3`: 0 for a Gaussian. `None` if all entries are
    /// equal.
    pub kurtosis: Option<f64>,
    /// `-sum |w| ln |w|`, as in the literature on grokking; not normalised.
    pub abs_weight_entropy: f64,
}

/// Small enough to stay in the first cache while it is read twice.
const BLOCK: usize = 2048;

/// Partial sums that a loop keeps apart, so that it compiles to vector instructions. Fixed: the
/// order of additions, and so the last digits, must not depend on the processor.
const LANES: usize = 8;

impl EntryStatistics {
    pub fn of(matrix: &Matrix) -> Self {
        let mut sums = Sums::default();
        match matrix {
            Matrix::F64(entries) => {
                let entries = entries.as_standard_layout();
                for block in entries.as_slice().unwrap_or_default().chunks(BLOCK) {
                    sums.add(block);
                }
            }
            Matrix::F32(entries) => {
                let entries = entries.as_standard_layout();
                let mut wide = [0.0; BLOCK];
                for block in entries.as_slice().unwrap_or_default().chunks(BLOCK) {
                    for (wide, entry) in wide.iter_mut().zip(block) {
                        *wide = f64::from(*entry);
                    }
                    sums.add(&wide[..block.len()]);
                }
            }
        }
        sums.statistics()
    }

    /// Of stored values, without holding them decoded: in the tens of milliseconds for 4096 x 4096.
    /// Values of 8 and 16 bits are counted by code first, and each code is computed with once.
    pub fn of_stored(dtype: Dtype, bytes: &[u8]) -> Self {
        let mut sums = Sums::default();
        if dtype.bytes() <= 2 && bytes.len() >= COUNTED_FROM {
            sums.add_counts(dtype, &code_counts(dtype, bytes));
            return sums.statistics();
        }
        let mut block = [0.0; BLOCK];
        for chunk in bytes.chunks(BLOCK * dtype.bytes()) {
            decode_f64(dtype, chunk, &mut block);
            sums.add(&block[..chunk.len() / dtype.bytes()]);
        }
        sums.statistics()
    }

    pub fn zero_fraction(&self) -> f64 {
        self.zero_count as f64 / self.count as f64
    }
}

/// From so many bytes on counting codes pays for going through all 65536 of them.
const COUNTED_FROM: usize = 1 << 18;

/// How often each code of an 8- or 16-bit dtype occurs.
fn code_counts(dtype: Dtype, bytes: &[u8]) -> Vec<u64> {
    let mut counts = vec![0_u64; 1 << dtype.bits()];
    if dtype.bytes() == 1 {
        for byte in bytes {
            counts[usize::from(*byte)] += 1;
        }
    } else {
        for code in bytes.as_chunks().0 {
            counts[usize::from(u16::from_le_bytes(*code))] += 1;
        }
    }
    counts
}

/// What [`EntryStatistics`] are computed from, over any number of blocks.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: usize,
    zero_count: usize,
    /// Of the finite entries; `None` as long as there is none.
    range: Option<(f64, f64)>,
    entropy: f64,
    moments: Moments,
}

impl Sums {
    fn add(&mut self, block: &[f64]) {
        self.count += block.len();
        if block.iter().all(|entry| entry.is_finite()) {
            self.add_finite(block);
        } else {
            let finite: Vec<f64> = block.iter().copied().filter(|x| x.is_finite()).collect();
            self.add_finite(&finite);
        }
    }

    fn add_finite(&mut self, block: &[f64]) {
        self.zero_count += block.iter().filter(|entry| entry.abs() <= 0.0).count();
        self.widen(range_of(block));
        self.entropy += lane_sum(block, |entry| surprise(entry.abs()));
        self.moments = self.moments.with(&Moments::of(block));
    }

    /// `counts[code]` entries of each code of a dtype.
    fn add_counts(&mut self, dtype: Dtype, counts: &[u64]) {
        let occurring: Vec<(f64, f64)> = (0_u16..=u16::MAX)
            .zip(counts)
            .filter(|(_, count)| **count > 0)
            .map(|(code, count)| {
                let mut value = [0.0];
                decode_f64(dtype, &code.to_le_bytes(), &mut value);
                (value[0], *count as f64)
            })
            .collect();
        let finite: Vec<(f64, f64)> = occurring
            .iter()
            .copied()
            .filter(|(value, _)| value.is_finite())
            .collect();
        self.count += to_count(occurring.iter().map(|(_, count)| count).sum());
        for (value, _) in &finite {
            self.widen(Some((*value, *value)));
        }
        let zeros = finite.iter().filter(|(value, _)| value.abs() <= 0.0);
        self.zero_count += to_count(zeros.map(|(_, count)| count).sum());
        self.entropy += finite
            .iter()
            .map(|(value, count)| count * surprise(value.abs()))
            .sum::<f64>();
        self.moments = self.moments.with(&Moments::of_counted(&finite));
    }

    fn widen(&mut self, range: Option<(f64, f64)>) {
        self.range = match (self.range, range) {
            (Some((least, largest)), Some((low, high))) => {
                Some((num::min(least, low), num::max(largest, high)))
            }
            (known, None) | (None, known) => known,
        };
    }

    fn statistics(&self) -> EntryStatistics {
        let (least, largest) = self.range.unwrap_or_default();
        EntryStatistics {
            least,
            largest,
            count: self.count,
            nonfinite_count: self.count - self.moments.count,
            zero_count: self.zero_count,
            mean: self.moments.mean,
            std: self.moments.variance().sqrt(),
            kurtosis: self.moments.excess_kurtosis(),
            abs_weight_entropy: self.entropy,
        }
    }
}

/// The smallest and the largest of finite entries.
fn range_of(block: &[f64]) -> Option<(f64, f64)> {
    let first = *block.first()?;
    let (chunks, rest) = block.as_chunks::<LANES>();
    let (mut least, mut largest) = ([first; LANES], [first; LANES]);
    for chunk in chunks {
        for lane in 0..LANES {
            let entry = chunk[lane];
            least[lane] = if entry < least[lane] {
                entry
            } else {
                least[lane]
            };
            largest[lane] = if entry > largest[lane] {
                entry
            } else {
                largest[lane]
            };
        }
    }
    let low = least.iter().chain(rest).copied().fold(first, num::min);
    let high = largest.iter().chain(rest).copied().fold(first, num::max);
    Some((low, high))
}

/// A sum of counts below 2^53.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a whole number, not negative"
)]
fn to_count(sum: f64) -> usize {
    sum as usize
}

/// The sum of a function of the entries, in [`LANES`] parts.
fn lane_sum(block: &[f64], term: impl Fn(f64) -> f64) -> f64 {
    let (chunks, rest) = block.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for chunk in chunks {
        for (lane, entry) in lanes.iter_mut().zip(chunk) {
            *lane += term(*entry);
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|entry| term(*entry)).sum::<f64>()
}

/// `-w ln w`, continued by 0 at 0.
fn surprise(size: f64) -> f64 {
    // Below the normal range the term is smaller than any sum can show.
    let inside = if size >= f64::MIN_POSITIVE { size } else { 1.0 };
    -inside * logarithm(inside)
}

/// The natural logarithm of a normal positive number to a few units in the last place (2e-16 for
/// numbers away from 1, absolute near it), without branches or a table: x = 2^e m with m between
/// sqrt 1/2 and sqrt 2, and ln m = 2 artanh s with s = (m - 1) / (m + 1), |s| <= 0.172, by its
/// power series up to s^21.
fn logarithm(x: f64) -> f64 {
    const SQRT_HALF_BITS: u64 = 0x3fe6_a09e_667f_3bcd;
    // The biased exponent as the low bits of a number of known exponent, less that number.
    const SHIFT: u64 = 0x4330_0000_0000_0000;
    let bits = x.to_bits();
    let above = bits.wrapping_sub(SQRT_HALF_BITS);
    let raised = above.wrapping_add(1023 << 52);
    let exponent = f64::from_bits(SHIFT | (raised >> 52)) - (f64::from_bits(SHIFT) + 1023.0);
    let mantissa = f64::from_bits((above & ((1 << 52) - 1)).wrapping_add(SQRT_HALF_BITS));
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let mut series = 1.0 / 21.0;
    for power in [19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        series = series * square + 1.0 / power;
    }
    exponent * std::f64::consts::LN_2 + 2.0 * s * series
}

/// Sums of powers of the deviations from the mean.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: usize,
    mean: f64,
    second: f64,
    third: f64,
    fourth: f64,
}

impl Moments {
    fn of(block: &[f64]) -> Self {
        if block.is_empty() {
            return Self::default();
        }
        let mean = lane_sum(block, |entry| entry) / block.len() as f64;
        let sum_of = |power: fn(f64) -> f64| lane_sum(block, |entry| power(entry - mean));
        Self {
            count: block.len(),
            mean,
            second: sum_of(|x| x * x),
            third: sum_of(|x| x * x * x),
            fourth: sum_of(|x| (x * x) * (x * x)),
        }
    }

    /// Of values that occur so often each.
    fn of_counted(values: &[(f64, f64)]) -> Self {
        let count: f64 = values.iter().map(|(_, count)| count).sum();
        if count <= 0.0 {
            return Self::default();
        }
        let mean = values
            .iter()
            .map(|(value, count)| value * count)
            .sum::<f64>()
            / count;
        let sum_of = |power: fn(f64) -> f64| {
            let terms = values
                .iter()
                .map(|(value, count)| count * power(value - mean));
            terms.sum::<f64>()
        };
        Self {
            count: to_count(count),
            mean,
            second: sum_of(|x| x * x),
            third: sum_of(|x| x * x * x),
            fourth: sum_of(|x| (x * x) * (x * x)),
        }
    }

    /// Joins two parts (Pebay, Sandia report SAND2008-6212, equations 2.1 and 3.1).
    fn with(&self, other: &Self) -> Self {
        if self.count == 0 {
            return *other;
        }
        if other.count == 0 {
            return *self;
        }
        let (a, b) = (self.count as f64, other.count as f64);
        let n = a + b;
        let delta = other.mean - self.mean;
        let part = delta / n;
        let second = self.second + other.second + delta * part * a * b;
        let third = self.third
            + other.third
            + delta * part * part * a * b * (a - b)
            + 3.0 * part * (a * other.second - b * self.second);
        let fourth = self.fourth
            + other.fourth
            + delta * part * part * part * a * b * (a * a - a * b + b * b)
            + 6.0 * part * part * (a * a * other.second + b * b * self.second)
            + 4.0 * part * (a * other.third - b * self.third);
        Self {
            count: self.count + other.count,
            mean: self.mean + part * b,
            second,
            third,
            fourth,
        }
    }

    fn variance(&self) -> f64 {
        if self.count == 0 {
            0.0
        } else {
            self.second / self.count as f64
        }
    }

    fn excess_kurtosis(&self) -> Option<f64> {
        let variance = self.variance();
        // What is left of a constant matrix is the rounding of its mean over a block.
        let rounding = BLOCK as f64 * f64::EPSILON * self.mean;
        let constant = variance <= rounding * rounding;
        (!constant).then(|| self.fourth / self.count as f64 / (variance * variance) - 3.0)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    fn statistics(values: Vec<f64>) -> EntryStatistics {
        let count = values.len();
        EntryStatistics::of(&Matrix::F64(
            Array2::from_shape_vec((1, count), values).unwrap(),
        ))
    }

    #[test]
    fn moments_agree_with_their_closed_forms() {
        // 1..=n: mean (n + 1) / 2, variance (n^2 - 1) / 12, excess kurtosis -6/5 (n^2 + 1) / (n^2 - 1).
        let n = 10_000.0_f64;
        let found = statistics((1..=10_000).map(f64::from).collect());
        assert!((found.mean - f64::midpoint(n, 1.0)).abs() <= 1e-9);
        assert!((found.std - ((n * n - 1.0) / 12.0).sqrt()).abs() <= 1e-9);
        let kurtosis = -1.2 * (n * n + 1.0) / (n * n - 1.0);
        assert!((found.kurtosis.unwrap() - kurtosis).abs() <= 1e-10);
    }

    #[test]
    fn a_large_mean_does_not_spoil_the_deviation() {
        let found = statistics((0..9000).map(|i| 1e8 + f64::from(i % 2)).collect());
        assert!((found.std - 0.5).abs() <= 1e-9);
        assert!((found.kurtosis.unwrap() + 2.0).abs() <= 1e-6);
    }

    #[test]
    fn zeros_and_non_finite_entries_are_counted_and_left_out() {
        let found = statistics(vec![0.0, -0.0, f64::NAN, f64::INFINITY, 0.5]);
        assert_eq!(
            (found.count, found.zero_count, found.nonfinite_count),
            (5, 2, 2)
        );
        assert!((found.zero_fraction() - 0.4).abs() <= 1e-15);
        assert!((found.abs_weight_entropy - 0.5 * 2.0_f64.ln()).abs() <= 1e-15);
    }

    #[test]
    fn the_logarithm_is_that_of_the_standard_library() {
        for step in 0..200_000 {
            let x = (f64::from(step) * 1e-3 - 100.0).exp2() * (1.0 + f64::from(step) * 1e-7);
            assert!(
                (logarithm(x) - x.ln()).abs() <= 4e-16 * (1.0 + x.ln().abs()),
                "{x}"
            );
        }
        for x in [
            f64::MIN_POSITIVE,
            f64::MAX,
            1.0,
            1.0 - 1e-12,
            0.5_f64.sqrt(),
        ] {
            assert!(
                (logarithm(x) - x.ln()).abs() <= 4e-16 * (1.0 + x.ln().abs()),
                "{x}"
            );
        }
    }

    #[test]
    fn counting_codes_gives_what_adding_up_entries_gives() {
        // Weights of both signs, with zeros, an infinity and a NaN among them.
        let mut values: Vec<f32> = (0..200_000)
            .map(|i| ((i as f32) * 0.37).sin() * (1.0 + (i % 7) as f32) - 0.1)
            .collect();
        values[17] = 0.0;
        values[18] = -0.0;
        values[19] = f32::INFINITY;
        values[20] = f32::NAN;
        for dtype in [Dtype::Bf16, Dtype::F16] {
            let bytes: Vec<u8> = values
                .iter()
                .flat_map(|value| {
                    if dtype == Dtype::F16 {
                        half::f16::from_f32(*value).to_le_bytes()
                    } else {
                        half::bf16::from_f32(*value).to_le_bytes()
                    }
                })
                .collect();
            assert!(bytes.len() >= COUNTED_FROM);
            let counted = EntryStatistics::of_stored(dtype, &bytes);
            let decoded = crate::checkpoint::to_f64(dtype, &bytes);
            let added = statistics(decoded);
            assert_eq!(
                (counted.count, counted.nonfinite_count, counted.zero_count),
                (added.count, added.nonfinite_count, added.zero_count)
            );
            let near = |left: f64, right: f64| (left - right).abs() <= 1e-12 * (1.0 + right.abs());
            assert!(near(counted.mean, added.mean));
            assert!(near(counted.std, added.std));
            assert!(near(counted.kurtosis.unwrap(), added.kurtosis.unwrap()));
            assert!(near(counted.abs_weight_entropy, added.abs_weight_entropy));
        }
    }

    #[test]
    fn a_constant_matrix_has_no_kurtosis() {
        assert_eq!(statistics(vec![0.1; 5000]).kurtosis, None);
        assert_eq!(statistics(vec![0.0; 5]).kurtosis, None);
    }
}
