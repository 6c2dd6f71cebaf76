//! Alpha at one aspect ratio for all layers: from the pooled eigenvalues of windows of the matrix.
//!
//! The exponent of a whole matrix depends on its shape: of pure noise Hill's estimate is 2.1 at N = M and
//! 3.5 at N = 4 M. A comparison across layers of different shapes (a GQA projection with an MLP) needs
//! windows of one aspect ratio; a layer against its own base does not, since the shape cancels. Source:
//! FARMS (Hu et al., arXiv:2506.06280), there with Q = 1 or 2 and windows of 500 to 4096 rows.

use ndarray::s;
use serde::{Deserialize, Serialize};

use super::super::{Estimator, LazyMatrix, Matrix, Spectrum, TailFit};

/// Shorter side of a window of a matrix that is large enough.
const SIDE: usize = 512;
/// Windows along one side of a matrix: beyond that they are spread evenly.
const MOST_ALONG: usize = 5;

/// The power law of the pooled eigenvalues.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Windows {
    pub alpha: f64,
    pub ks_distance: f64,
    pub tail_count: usize,
    /// Eigenvalues pooled.
    pub eigenvalues: usize,
    pub windows: usize,
    /// Shape of each window.
    pub rows: usize,
    pub cols: usize,
}

/// Cuts windows with longer over shorter side `aspect` out of a matrix, evenly spread, and fits the
/// tail of all their eigenvalues. `None` where the matrix is too small for windows with the eigenvalues that a
/// fit needs, or they have no fit.
pub(in super::super) fn windows(
    matrix: &LazyMatrix<'_>,
    aspect: u8,
    estimator: &Estimator,
) -> Option<Windows> {
    let aspect = usize::from(aspect.max(1));
    let (rows, cols) = matrix.shape();
    let short = SIDE.min(rows.min(cols)).min(rows.max(cols) / aspect);
    if short < estimator.min_eigenvalues {
        return None;
    }
    let long = short * aspect;
    let (height, width) = if rows < cols {
        (short, long)
    } else {
        (long, short)
    };
    let matrix = matrix.get().ok()?;
    let mut pooled = Vec::new();
    let mut count = 0;
    for top in starts(rows, height) {
        for left in starts(cols, width) {
            let window = s![top..top + height, left..left + width];
            let window = Matrix::F64(match matrix {
                Matrix::F64(entries) => entries.slice(window).to_owned(),
                Matrix::F32(entries) => entries.slice(window).mapv(f64::from),
            });
            pooled.extend(Spectrum::of(&window).ok()?.resolved_eigenvalues());
            count += 1;
        }
    }
    pooled.sort_by(|left, right| right.total_cmp(left));
    let fit = TailFit::search(&pooled, estimator.min_tail).ok()?;
    Some(Windows {
        alpha: fit.alpha,
        ks_distance: fit.ks_distance,
        tail_count: fit.tail_count,
        eigenvalues: pooled.len(),
        windows: count,
        rows: height,
        cols: width,
    })
}

/// Where windows of that length start: the first at 0, the last at the end, none where a side is shorter.
fn starts(side: usize, window: usize) -> Vec<usize> {
    let Some(last) = side.checked_sub(window) else {
        return Vec::new();
    };
    let count = side.div_ceil(window).min(MOST_ALONG);
    if count < 2 {
        return vec![0];
    }
    (0..count).map(|index| index * last / (count - 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::Random;
    use super::*;

    #[test]
    fn windows_cover_a_side_from_end_to_end() {
        assert_eq!(starts(1024, 512), [0, 512]);
        assert_eq!(starts(600, 512), [0, 88]);
        assert_eq!(starts(512, 512), [0]);
        assert_eq!(starts(100_000, 500), [0, 24_875, 49_750, 74_625, 99_500]);
        assert!(starts(511, 512).is_empty());
    }

    #[test]
    fn matrices_of_different_shapes_have_one_alpha_in_windows() {
        let estimator = Estimator::default();
        let found = |rows, cols, aspect| {
            let matrix = Matrix::F64(Random::new(5).matrix(rows, cols));
            windows(&LazyMatrix::from(&matrix), aspect, &estimator)
        };
        let square = found(300, 300, 1).unwrap();
        let wide = found(150, 900, 1).unwrap();
        assert_eq!((square.rows, square.cols, square.windows), (300, 300, 1));
        assert_eq!((wide.rows, wide.cols, wide.windows), (150, 150, 5));
        assert_eq!(found(150, 900, 2).map(|found| found.cols), Some(300));
        assert_eq!(found(900, 150, 2).map(|found| found.rows), Some(300));
        assert_eq!(found(99, 900, 1), None);
        // Too short for windows of that aspect ratio.
        assert_eq!(found(150, 150, 2), None);
    }

    #[test]
    fn a_heavy_tail_is_found_in_windows_too() {
        // Rows scaled by a power law: the scale of a row is in every window that it crosses.
        let mut entries = Random::new(9).matrix(400, 800);
        for (index, mut row) in entries.rows_mut().into_iter().enumerate() {
            let share = (index as f64 + 0.5) / 400.0;
            row *= share.powf(-0.5);
        }
        let matrix = Matrix::F64(entries);
        let estimator = Estimator::default();
        let pooled = windows(&LazyMatrix::from(&matrix), 2, &estimator).unwrap();
        let whole = Spectrum::of(&matrix).unwrap().fit_tail(&estimator).unwrap();
        assert!(
            (pooled.alpha - whole.alpha).abs() <= 0.3,
            "{pooled:?} {whole:?}"
        );
    }
}
