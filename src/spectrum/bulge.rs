//! From a symmetric band matrix to a tridiagonal one with the same eigenvalues, in f32.
//!
//! Column by column a reflector clears what lies below the sub-diagonal; applied from both sides it
//! fills a bulge one band width further down, which the next reflector takes on, until the bulge
//! leaves the matrix (Rutishauser 1963; as blocks of Householder reflectors: Bischof, Lang, Sun 2000).
//!
//! ```text
//!  column s  | . . . .          D: diagonal block, reflected from both sides
//!  rows s+1..| x D              B: block below it, reflected from the right; its first column gives
//!            | 0 D D               the next reflector, which is then applied from the left
//!            |   B B D
//! ```
//!
//! LAPACK spends 12 B^2 flops a step in vector routines that read each block several times. Here a
//! column of B stays in registers for the whole step. One thread, seconds, LAPACK against this: side
//! 4096, band 96 0.70 and 0.28; band 64 0.62 and 0.20; side 2048, band 64 0.18 and 0.07.
//!
//! Lanes follow the processor, so that the last digits do too, as with BLAS. The working copy of the
//! band has 2 B numbers a column, enough for the bulge, and 2 B more columns of zeros, so that no step is
//! at an edge: a reflector of zeros is the identity.

#![expect(
    clippy::inline_always,
    reason = "the processor's instructions are used only in what is inlined into the dispatch"
)]

use pulp::{Arch, Simd, WithSimd, bytemuck};

/// Sub-diagonals that there is code for; a narrower band is a wider one with zeros.
const BANDS: [usize; 2] = [64, 96];

/// The diagonal and the sub-diagonal of a tridiagonal matrix with the eigenvalues of a band matrix.
///
/// `diagonals` holds `band + 1` numbers for each of the `side` columns: the diagonal and what is below
/// it, as LAPACK stores the lower band. Entries are expected to be scaled so that their squares neither
/// overflow nor vanish together. `None` where the band is wider than 96.
pub(super) fn tridiagonal(
    diagonals: &[f32],
    side: usize,
    band: usize,
) -> Option<(Vec<f32>, Vec<f32>)> {
    let width = band + 1;
    let band = BANDS.into_iter().find(|known| band <= *known)?;
    let stride = 2 * band;
    // What a chunk reads beyond the last column.
    let mut working = vec![0.0; stride * (side + 3 * band)];
    for (column, stored) in working
        .chunks_mut(stride)
        .zip(diagonals.chunks(width).take(side))
    {
        column[..stored.len()].copy_from_slice(stored);
    }
    Arch::new().dispatch(Chase {
        working: &mut working,
        side,
        band,
    });
    let columns = || working.chunks(stride).take(side);
    Some((
        columns().map(|column| column[0]).collect(),
        columns().map(|column| column[1]).collect(),
    ))
}

struct Chase<'a> {
    working: &'a mut [f32],
    side: usize,
    band: usize,
}

impl WithSimd for Chase<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            working,
            side,
            band,
        } = self;
        match band / S::F32_LANES {
            4 => Steps::<S, 4>::new(simd).run(working, side),
            6 => Steps::<S, 6>::new(simd).run(working, side),
            8 => Steps::<S, 8>::new(simd).run(working, side),
            12 => Steps::<S, 12>::new(simd).run(working, side),
            16 => Steps::<S, 16>::new(simd).run(working, side),
            24 => Steps::<S, 24>::new(simd).run(working, side),
            64 => Steps::<S, 64>::new(simd).run(working, side),
            _ => Steps::<S, 96>::new(simd).run(working, side),
        }
    }
}

/// H = I - factor v v'.
#[derive(Clone, Copy)]
struct Reflector<S: Simd, const K: usize> {
    direction: [S::f32s; K],
    factor: f32,
}

/// Steps with a band of `K` vectors of the processor.
struct Steps<S: Simd, const K: usize> {
    simd: S,
    /// The reflector's direction, and its product with a diagonal block, each followed by one vector of
    /// zeros: chunks of the block's triangle may reach beyond it.
    direction: Vec<f32>,
    product: Vec<f32>,
}

impl<S: Simd, const K: usize> Steps<S, K> {
    const BAND: usize = K * S::F32_LANES;
    const STRIDE: usize = 2 * Self::BAND;

    #[inline(always)]
    fn new(simd: S) -> Self {
        let padded = Self::BAND + S::F32_LANES;
        Self {
            simd,
            direction: vec![0.0; padded],
            product: vec![0.0; padded],
        }
    }

    #[inline(always)]
    fn run(mut self, working: &mut [f32], side: usize) {
        for column in 0..side.saturating_sub(2) {
            let below = &mut working[column * Self::STRIDE + 1..][..Self::BAND];
            let mut reflector = self.reflector(below);
            let mut first = column + 1;
            loop {
                self.diagonal_block(working, first, &reflector);
                if first + Self::BAND >= side {
                    break;
                }
                reflector = self.block_below(working, first, &reflector);
                first += Self::BAND;
            }
        }
    }

    /// The reflector that maps `entries` to a multiple of the first unit vector, which they become. The
    /// sign is the one that cancels nothing; sums are in f64.
    #[inline(always)]
    fn reflector(&self, entries: &mut [f32]) -> Reflector<S, K> {
        let mut direction = [self.simd.splat_f32s(0.0); K];
        let flat: &mut [f32] = bytemuck::cast_slice_mut(&mut direction[..]);
        flat[0] = 1.0;
        let squares: f64 = entries[1..]
            .iter()
            .map(|entry| f64::from(*entry) * f64::from(*entry))
            .sum();
        let mut factor = 0.0;
        if squares > 0.0 {
            let head = f64::from(entries[0]);
            let norm = (head * head + squares).sqrt();
            let image = if head > 0.0 { -norm } else { norm };
            let scale = narrow((head - image).recip());
            for (entry, value) in entries[1..].iter_mut().zip(&mut flat[1..]) {
                *value = *entry * scale;
                *entry = 0.0;
            }
            entries[0] = narrow(image);
            factor = narrow((image - head) / image);
        }
        Reflector { direction, factor }
    }

    /// `D - v w' - w v'` with `w = factor D v - factor^2 / 2 (v' D v) v`, on the lower triangle of the
    /// block that starts at column and row `first`.
    #[inline(always)]
    fn diagonal_block(&mut self, working: &mut [f32], first: usize, reflector: &Reflector<S, K>) {
        let (simd, lanes) = (self.simd, S::F32_LANES);
        let (direction, product) = (&mut self.direction[..], &mut self.product[..]);
        direction[..Self::BAND].copy_from_slice(bytemuck::cast_slice(&reflector.direction[..]));
        product.fill(0.0);
        let length = |column: usize| (Self::BAND - column).div_ceil(lanes) * lanes;
        for column in 0..Self::BAND {
            let length = length(column);
            let entries = &working[(first + column) * Self::STRIDE..][..length];
            let head = direction[column];
            let factor = simd.splat_f32s(head);
            let mut sum = simd.splat_f32s(0.0);
            for ((entry, along), result) in vectors::<S>(entries)
                .iter()
                .zip(vectors::<S>(&direction[column..column + length]))
                .zip(vectors_mut::<S>(&mut product[column..column + length]))
            {
                sum = simd.mul_add_e_f32s(*entry, *along, sum);
                *result = simd.mul_add_e_f32s(*entry, factor, *result);
            }
            // The diagonal entry is in both sums.
            product[column] += simd.reduce_sum_f32s(sum) - entries[0] * head;
        }
        product[Self::BAND..].fill(0.0);
        let inner: f32 = direction.iter().zip(&*product).map(|(v, p)| v * p).sum();
        let half = 0.5 * reflector.factor * reflector.factor * inner;
        for (value, along) in product.iter_mut().zip(&*direction) {
            *value = half * along - reflector.factor * *value;
        }
        for column in 0..Self::BAND {
            let length = length(column);
            let entries = &mut working[(first + column) * Self::STRIDE..][..length];
            let along_head = simd.splat_f32s(direction[column]);
            let value_head = simd.splat_f32s(product[column]);
            for ((entry, along), value) in vectors_mut::<S>(entries)
                .iter_mut()
                .zip(vectors::<S>(&direction[column..column + length]))
                .zip(vectors::<S>(&product[column..column + length]))
            {
                let half = simd.mul_add_e_f32s(*value, along_head, *entry);
                *entry = simd.mul_add_e_f32s(*along, value_head, half);
            }
        }
    }

    /// Applies the reflector from the right to the block below the diagonal block at `first`, and
    /// from the left the one that clears its first column, which is returned.
    #[inline(always)]
    fn block_below(
        &self,
        working: &mut [f32],
        first: usize,
        reflector: &Reflector<S, K>,
    ) -> Reflector<S, K> {
        let simd = self.simd;
        let along: &[f32] = bytemuck::cast_slice(&reflector.direction[..]);
        let start = |column: usize| (first + column) * Self::STRIDE + Self::BAND - column;
        let mut product = [simd.splat_f32s(0.0); K];
        for (column, factor) in along.iter().enumerate() {
            let entries = vectors::<S>(&working[start(column)..][..Self::BAND]);
            let factor = simd.splat_f32s(*factor);
            for (sum, entry) in product.iter_mut().zip(entries) {
                *sum = simd.mul_add_e_f32s(*entry, factor, *sum);
            }
        }
        let factor = simd.splat_f32s(-reflector.factor);
        for sum in &mut product {
            *sum = simd.mul_f32s(*sum, factor);
        }
        let entries = &mut working[start(0)..][..Self::BAND];
        for (entry, change) in vectors_mut::<S>(entries).iter_mut().zip(&product) {
            *entry = simd.mul_add_e_f32s(*change, simd.splat_f32s(along[0]), *entry);
        }
        let next = self.reflector(entries);
        for (column, factor) in along.iter().enumerate().skip(1) {
            let factor = simd.splat_f32s(*factor);
            let stored = vectors_mut::<S>(&mut working[start(column)..][..Self::BAND]);
            let mut entries = [simd.splat_f32s(0.0); K];
            let mut sum = simd.splat_f32s(0.0);
            for index in 0..K {
                entries[index] = simd.mul_add_e_f32s(product[index], factor, stored[index]);
                sum = simd.mul_add_e_f32s(entries[index], next.direction[index], sum);
            }
            let factor = simd.splat_f32s(-next.factor * simd.reduce_sum_f32s(sum));
            for index in 0..K {
                stored[index] = simd.mul_add_e_f32s(next.direction[index], factor, entries[index]);
            }
        }
        next
    }
}

/// Whole vectors of the processor.
#[inline(always)]
fn vectors<S: Simd>(entries: &[f32]) -> &[S::f32s] {
    S::as_simd_f32s(entries).0
}

#[inline(always)]
fn vectors_mut<S: Simd>(entries: &mut [f32]) -> &mut [S::f32s] {
    S::as_mut_simd_f32s(entries).0
}

#[expect(clippy::cast_possible_truncation, reason = "rounding is meant")]
fn narrow(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use ndarray_linalg::{EigValsh as _, UPLO};

    use super::super::random::SplitMix;
    use super::*;
    use crate::num;

    /// A random symmetric band matrix, dense and as LAPACK's lower band.
    fn random_band(side: usize, band: usize) -> (Array2<f64>, Vec<f32>) {
        let mut random = SplitMix::of_shape(side, band, 1);
        let mut dense = Array2::zeros((side, side));
        let mut diagonals = vec![0.0; (band + 1) * side];
        for column in 0..side {
            for row in column..side.min(column + band + 1) {
                let entry = narrow(random.symmetric());
                dense[[row, column]] = f64::from(entry);
                dense[[column, row]] = f64::from(entry);
                diagonals[column * (band + 1) + row - column] = entry;
            }
        }
        (dense, diagonals)
    }

    #[test]
    fn eigenvalues_are_kept_for_every_side_and_band() {
        for (side, band) in [
            (1, 0),
            (2, 1),
            (3, 2),
            (40, 1),
            (64, 63),
            (65, 64),
            (150, 5),
            (193, 96),
            (300, 64),
        ] {
            let (dense, diagonals) = random_band(side, band);
            let expected = dense.eigvalsh(UPLO::Lower).unwrap();
            let (values, beside) = tridiagonal(&diagonals, side, band).unwrap();
            let mut reduced = Array2::zeros((side, side));
            for (index, value) in values.iter().enumerate() {
                reduced[[index, index]] = f64::from(*value);
            }
            for (index, value) in beside.iter().take(side - 1).enumerate() {
                reduced[[index + 1, index]] = f64::from(*value);
                reduced[[index, index + 1]] = f64::from(*value);
            }
            let found = reduced.eigvalsh(UPLO::Lower).unwrap();
            let norm = num::max(expected[0].abs(), expected[side - 1].abs());
            for (found, expected) in found.iter().zip(&expected) {
                let error = (found - expected).abs() / norm;
                assert!(error <= 3e-6, "{side} {band}: {error:e}");
            }
        }
    }

    #[test]
    fn a_diagonal_matrix_is_left_alone_and_a_wider_band_is_refused() {
        let diagonals: Vec<f32> = (0..100).flat_map(|value| [value as f32, 0.0]).collect();
        let (values, beside) = tridiagonal(&diagonals, 100, 1).unwrap();
        let off = |(value, index): (&f32, i16)| (value - f32::from(index)).abs();
        assert!(values.iter().zip(0..).map(off).all(|off| off <= 0.0));
        assert!(beside.iter().all(|value| value.abs() <= 0.0));
        assert!(tridiagonal(&vec![0.0; 98 * 200], 200, 97).is_none());
    }
}
