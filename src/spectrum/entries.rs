//! Statistics of the entries of a matrix, in one pass over its memory.

use super::matrix::Matrix;

/// Moments and counts. Where an entry is not finite, the moments describe the finite entries only and
/// must not be reported ([`Self::nonfinite_count`]).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EntryStatistics {
    /// All entries.
    pub count: usize,
    pub nonfinite_count: usize,
    /// Entries that are exactly zero.
    pub zero_count: usize,
    pub mean: f64,
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

impl EntryStatistics {
    pub fn of(matrix: &Matrix) -> Self {
        let mut entries = matrix.entries();
        let mut block = Vec::with_capacity(BLOCK);
        let mut moments = Moments::default();
        let (mut count, mut nonfinite_count, mut zero_count) = (0, 0, 0);
        let mut entropy = 0.0;
        loop {
            block.clear();
            block.extend(entries.by_ref().take(BLOCK));
            if block.is_empty() {
                break;
            }
            count += block.len();
            block.retain(|entry| entry.is_finite());
            zero_count += block.iter().filter(|entry| entry.abs() <= 0.0).count();
            entropy += block.iter().map(|entry| surprise(entry.abs())).sum::<f64>();
            moments = moments.with(&Moments::of(&block));
            nonfinite_count = count - moments.count;
        }
        Self {
            count,
            nonfinite_count,
            zero_count,
            mean: moments.mean,
            std: moments.variance().sqrt(),
            kurtosis: moments.excess_kurtosis(),
            abs_weight_entropy: entropy,
        }
    }

    pub fn zero_fraction(&self) -> f64 {
        self.zero_count as f64 / self.count as f64
    }
}

/// `-w ln w`, continued by 0 at 0.
fn surprise(size: f64) -> f64 {
    if size > 0.0 { -size * size.ln() } else { 0.0 }
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
        let mean = block.iter().sum::<f64>() / block.len() as f64;
        let (mut second, mut third, mut fourth) = (0.0, 0.0, 0.0);
        for entry in block {
            let deviation = entry - mean;
            let square = deviation * deviation;
            second += square;
            third += square * deviation;
            fourth += square * square;
        }
        Self {
            count: block.len(),
            mean,
            second,
            third,
            fourth,
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
    fn a_constant_matrix_has_no_kurtosis() {
        assert_eq!(statistics(vec![0.1; 5000]).kurtosis, None);
        assert_eq!(statistics(vec![0.0; 5]).kurtosis, None);
    }
}
