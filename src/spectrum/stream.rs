//! The Gram matrix of a matrix that is decoded a panel at a time, so that it never exists as a whole.
//!
//! ```text
//! tall: rows      W = [ R1 ; R2 ; .. ]    W' W = R1' R1 + R2' R2 + ..
//! wide: columns   W = [ C1   C2   .. ]    W W' = C1 C1' + C2 C2' + ..
//! ```
//!
//! The same pass adds up the squares for the Frobenius norm in f64 and looks for what is not finite.
//! Entries too extreme to be squared are only known of at the end; the pass is then repeated on
//! entries scaled by a power of two.

use std::ffi::c_int;

use super::banded::{Banded, Panel};
use super::error::SpectrumError;
use super::estimator::Estimator;
use super::lapack::{Gram, Real as _, scaling_exponent_of};
use super::matrix::{Arithmetic, Matrix};
use super::singular::Spectrum;
use crate::checkpoint::Dtype;

/// Bytes of a decoded panel.
pub(super) const PANEL_BYTES: usize = 32 << 20;

/// Entries decoded and looked at at a time: they stay in the first cache.
const CHUNK: usize = 2048;

/// Partial sums kept apart; see the entry statistics.
const LANES: usize = 8;

/// Row-major values as they are stored.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    pub dtype: Dtype,
    pub bytes: &'a [u8],
}

impl<'a> Stored<'a> {
    /// `count` values from `first` on; fewer where there are not so many.
    fn part(&self, first: usize, count: usize) -> &'a [u8] {
        let width = self.dtype.bytes();
        let start = self.bytes.len().min(first * width);
        let end = self.bytes.len().min((first + count) * width);
        &self.bytes[start..end]
    }
}

/// A matrix whose entries can be written into a buffer, some of a row at a time.
trait Source<T> {
    /// Entries `first..` in row-major order, as many as `entries` holds (at most [`CHUNK`]).
    fn fill(&self, first: usize, entries: &mut [T]);
}

impl<T: Banded> Source<T> for Stored<'_> {
    fn fill(&self, first: usize, entries: &mut [T]) {
        T::decode(self.dtype, self.part(first, entries.len()), entries);
    }
}

/// What was added to a base.
struct Update<'a> {
    base: Stored<'a>,
    tuned: Stored<'a>,
}

impl<T: Banded> Source<T> for Update<'_> {
    fn fill(&self, first: usize, entries: &mut [T]) {
        self.tuned.fill(first, entries);
        let mut before = [T::zero(); CHUNK];
        let before = &mut before[..entries.len()];
        self.base.fill(first, before);
        for (entry, before) in entries.iter_mut().zip(before) {
            *entry -= *before;
        }
    }
}

impl<T: Banded> Source<T> for &[T] {
    fn fill(&self, first: usize, entries: &mut [T]) {
        entries.copy_from_slice(&self[first..first + entries.len()]);
    }
}

/// An upper estimate of the bytes beside the stored ones that [`Spectrum::of_stored`] takes.
pub fn decomposition_bytes(rows: usize, cols: usize, estimator: &Estimator) -> u64 {
    let width = estimator.arithmetic(rows, cols).bytes();
    let (side, longer) = (rows.min(cols) as u64, rows.max(cols) as u64);
    // LAPACK's workspace is a few hundred elements a row.
    let workspace = 512 * side * width;
    side * side * width + workspace + (PANEL_BYTES as u64).max(longer * width)
}

impl Spectrum {
    /// Decomposes a stored rows x cols matrix in the given arithmetic. Memory beside the bytes: the
    /// M x M Gram matrix and one panel of at most 32 MiB (or one row, or one column, if longer).
    ///
    /// # Errors
    /// As [`Spectrum::of`], and if the bytes are not rows x cols values.
    pub fn of_stored(
        stored: Stored<'_>,
        rows: usize,
        cols: usize,
        arithmetic: Arithmetic,
    ) -> Result<Self, SpectrumError> {
        check_count(stored, rows, cols)?;
        match arithmetic {
            Arithmetic::F64 => of_source::<f64>(&stored, rows, cols),
            Arithmetic::F32 => of_source::<f32>(&stored, rows, cols),
        }
    }

    /// Decomposes `tuned - base`, subtracted in the given arithmetic; otherwise as
    /// [`Spectrum::of_stored`].
    ///
    /// # Errors
    /// As [`Spectrum::of_stored`].
    pub fn of_update(
        base: Stored<'_>,
        tuned: Stored<'_>,
        rows: usize,
        cols: usize,
        arithmetic: Arithmetic,
    ) -> Result<Self, SpectrumError> {
        check_count(base, rows, cols)?;
        check_count(tuned, rows, cols)?;
        let update = Update { base, tuned };
        match arithmetic {
            Arithmetic::F64 => of_source::<f64>(&update, rows, cols),
            Arithmetic::F32 => of_source::<f32>(&update, rows, cols),
        }
    }

    /// Decomposes `matrix` in its own arithmetic through the Gram matrix of the shorter side
    /// (N M^2 + 4/3 M^3 flops; memory: the M x M Gram matrix and one panel).
    ///
    /// # Errors
    /// If the matrix is empty or holds an entry that is not finite, or if LAPACK fails.
    pub fn of(matrix: &Matrix) -> Result<Self, SpectrumError> {
        let (rows, cols) = matrix.shape();
        match matrix {
            Matrix::F64(entries) => {
                let entries = entries.as_standard_layout();
                of_source(&entries.as_slice().unwrap_or_default(), rows, cols)
            }
            Matrix::F32(entries) => {
                let entries = entries.as_standard_layout();
                of_source(&entries.as_slice().unwrap_or_default(), rows, cols)
            }
        }
    }
}

fn check_count(stored: Stored<'_>, rows: usize, cols: usize) -> Result<(), SpectrumError> {
    let count = stored.bytes.len() / stored.dtype.bytes();
    if count == rows * cols {
        Ok(())
    } else {
        Err(SpectrumError::ValueCount { rows, cols, count })
    }
}

fn of_source<T: Banded>(
    source: &impl Source<T>,
    rows: usize,
    cols: usize,
) -> Result<Spectrum, SpectrumError> {
    let side = rows.min(cols);
    if side == 0 {
        return Err(SpectrumError::Empty { rows, cols });
    }
    if c_int::try_from(rows.max(cols)).is_err() {
        return Err(SpectrumError::TooLarge { rows, cols });
    }
    let (mut gram, mut sums) = accumulate(source, rows, cols, 0);
    if sums.nonfinite > 0 {
        let count = sums.nonfinite;
        return Err(SpectrumError::NonFinite { rows, cols, count });
    }
    let exponent = scaling_exponent_of::<T>(sums.largest);
    if exponent != 0 {
        drop(gram);
        (gram, sums) = accumulate(source, rows, cols, exponent);
    }
    let frobenius = sums.squares.sqrt() * f64::power_of_two(exponent);
    let singular_values = Gram::new(gram, rows, cols, exponent).singular_values()?;
    Ok(Spectrum::from_parts(
        (rows, cols),
        T::ARITHMETIC,
        singular_values,
        frobenius,
    ))
}

/// The upper triangle of the Gram matrix of entries times 2^-exponent, and the sums over those.
fn accumulate<T: Banded>(
    source: &impl Source<T>,
    rows: usize,
    cols: usize,
    exponent: i32,
) -> (Vec<T>, Sums) {
    let side = rows.min(cols);
    let layout = if rows < cols {
        Panel::Columns
    } else {
        Panel::Rows
    };
    let factor = (exponent != 0).then(|| T::power_of_two(-exponent));
    let mut sums = Sums::default();
    let mut gram = vec![T::zero(); side * side];
    let deepest = (PANEL_BYTES / size_of::<T>() / side).max(1);
    let depth = deepest.min(rows.max(cols));
    let mut panel = vec![T::zero(); side * depth];
    for start in (0..rows.max(cols)).step_by(depth) {
        let depth = depth.min(rows.max(cols) - start);
        let panel = &mut panel[..side * depth];
        // Runs of entries that are next to each other in the matrix and in the panel.
        let (run, stride) = match layout {
            Panel::Rows => (panel.len(), 0),
            Panel::Columns => (depth, cols),
        };
        let first = match layout {
            Panel::Rows => start * cols,
            Panel::Columns => start,
        };
        for (index, entries) in panel.chunks_mut(run).enumerate() {
            for (part, chunk) in entries.chunks_mut(CHUNK).enumerate() {
                source.fill(first + index * stride + part * CHUNK, chunk);
                if let Some(factor) = factor {
                    for entry in chunk.iter_mut() {
                        *entry *= factor;
                    }
                }
                sums.add(chunk);
            }
        }
        T::add_panel(layout, panel, depth, &mut gram, side);
    }
    (gram, sums)
}

/// Over all entries.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    squares: f64,
    largest: f64,
    nonfinite: usize,
}

impl Sums {
    fn add<T: Banded>(&mut self, entries: &[T]) {
        let (chunks, rest) = entries.as_chunks::<LANES>();
        let mut squares = [0.0_f64; LANES];
        let mut largest = [T::zero(); LANES];
        for chunk in chunks {
            for lane in 0..LANES {
                let size = chunk[lane].abs();
                largest[lane] = if size > largest[lane] {
                    size
                } else {
                    largest[lane]
                };
                let wide: f64 = size.into();
                squares[lane] += wide * wide;
            }
        }
        let mut total: f64 = squares.iter().sum();
        for size in largest
            .into_iter()
            .chain(rest.iter().map(|entry| entry.abs()))
        {
            self.largest = crate::num::max(self.largest, size.into());
        }
        for entry in rest {
            let wide: f64 = (*entry).into();
            total += wide * wide;
        }
        // Also true where a square overflows, so the entries are looked at one by one.
        if !total.is_finite() {
            self.nonfinite += entries.iter().filter(|entry| !entry.is_finite()).count();
        }
        self.squares += total;
    }
}
