//! The update `s B A` of one matrix, by its factors and as the product.

/// The factors of an update, oriented as the matrix is stored: B is rows x rank, A is rank x cols, both
/// row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct LowRankUpdate {
    pub rows: usize,
    pub cols: usize,
    pub rank: usize,
    pub b: Vec<f32>,
    pub a: Vec<f32>,
    /// s.
    pub scale: f64,
}

impl LowRankUpdate {
    /// The product in f32, each entry a chain of fused multiply-adds over the rank and then times s:
    /// the order of the usual libraries. The chain goes by way of f64, whose rounding of a sum of one
    /// product changes an f32 only where the sum lies within 2^-29 of a tie.
    pub fn product(&self) -> Vec<f32> {
        let mut product = vec![0.0; self.rows * self.cols];
        if self.cols == 0 || self.rank == 0 {
            return product;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the scale is applied in f32"
        )]
        let scale = self.scale as f32;
        let rows = product.chunks_exact_mut(self.cols);
        for (row, weights) in rows.zip(self.b.chunks_exact(self.rank)) {
            for (weight, direction) in weights.iter().zip(self.a.chunks_exact(self.cols)) {
                add_multiple(row, *weight, direction);
            }
            for entry in row {
                *entry *= scale;
            }
        }
        product
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "each step is rounded to f32"
)]
fn add_multiple(row: &mut [f32], weight: f32, direction: &[f32]) {
    let weight = f64::from(weight);
    for (entry, along) in row.iter_mut().zip(direction) {
        *entry = (f64::from(*entry) + weight * f64::from(*along)) as f32;
    }
}

/// A rows x cols matrix with its sides exchanged.
pub(super) fn transposed(values: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    let mut turned = Vec::with_capacity(values.len());
    for col in 0..cols {
        turned.extend((0..rows).filter_map(|row| values.get(row * cols + col)));
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_is_that_of_the_factors_times_the_scale() {
        let update = LowRankUpdate {
            rows: 2,
            cols: 3,
            rank: 2,
            b: vec![1.0, 2.0, -1.0, 0.5],
            a: vec![1.0, 0.0, 2.0, 3.0, 1.0, -1.0],
            scale: 2.0,
        };
        assert_eq!(update.product(), [14.0, 4.0, 0.0, 1.0, 1.0, -5.0]);
        assert_eq!(transposed(&update.a, 2, 3), [1.0, 3.0, 0.0, 1.0, 2.0, -1.0]);
    }

    #[test]
    fn a_nan_reaches_its_row_also_where_the_other_factor_is_zero() {
        let update = LowRankUpdate {
            rows: 2,
            cols: 2,
            rank: 1,
            b: vec![0.0, 1.0],
            a: vec![f32::NAN, 1.0],
            scale: 1.0,
        };
        let product = update.product();
        let is_nan: Vec<bool> = product.iter().map(|entry| entry.is_nan()).collect();
        assert_eq!(is_nan, [true, false, true, false], "{product:?}");
    }
}
