//! The drivers of LAPACK and BLAS on whole matrices; beside this file only `banded` and `blas` call foreign
//! routines.
//!
//! Singular values come from the Gram matrix of the shorter side: `?syrk` costs N M^2 and the
//! symmetric tridiagonal reduction 4/3 M^3 flops, against 4 N M^2 for a bidiagonal SVD. Its price is
//! that singular values below `sqrt(eps) sigma_1` are lost in rounding; see [`super::Spectrum::resolution`].
//!
//! Non-finite input is refused before any routine runs, `info` becomes a typed error, and matrices
//! with extreme entries are first scaled by a power of two, so that squares stay in range.
#![expect(unsafe_code, reason = "LAPACK and BLAS are foreign functions")]

use std::ffi::{c_char, c_int};

use ndarray::{Array2, ArrayView2, Axis, NdFloat};
// Names the crate that links OpenBLAS; the routines are called through their C declarations.
use ndarray_linalg as _;

use super::banded::Banded;
use super::error::SpectrumError;
use super::matrix::Arithmetic;

/// Arguments of an eigenvalue routine for one symmetric n x n matrix (column-major, lower triangle).
pub(super) struct EigenArguments<'a, T> {
    n: c_int,
    matrix: &'a mut [T],
    values: &'a mut [T],
    work: &'a mut [T],
    integer_work: &'a mut [c_int],
    /// Only the sizes that `work` and `integer_work` should have are asked for, into their first
    /// elements.
    query: bool,
}

impl<T> EigenArguments<'_, T> {
    fn work_sizes(&self) -> (c_int, c_int) {
        let size = |length: usize| c_int::try_from(length).unwrap_or(c_int::MAX);
        if self.query {
            (-1, -1)
        } else {
            (size(self.work.len()), size(self.integer_work.len()))
        }
    }
}

/// The routines in one precision.
pub(super) trait Real: NdFloat + Into<f64> {
    const ARITHMETIC: Arithmetic;
    const ONE_STAGE: &'static str;
    const SELECTED: &'static str;
    /// Binary exponent up to which entries need no scaling before they are squared and summed.
    const SAFE_EXPONENT: i32;
    /// Largest power of two whose inverse is a normal number too.
    const LARGEST_FACTOR: i32;

    fn power_of_two(exponent: i32) -> Self;

    /// # Safety
    /// `a` holds rows x cols entries in row-major order, `c` n x n, n being the shorter side.
    unsafe fn syrk(rows: c_int, cols: c_int, a: &[Self], c: &mut [Self]);

    /// # Safety
    /// `matrix` is n x n, `values` has n elements, and the work arrays have at least the size that a
    /// query with the same `job` gave (1 for a query).
    unsafe fn syevd(job: u8, arguments: &mut EigenArguments<'_, Self>) -> c_int;

    /// Pairs `first..=n` (ascending, from 1) into `vectors`.
    ///
    /// # Safety
    /// As for `syevd`; `vectors` has n (n - first + 1) elements.
    unsafe fn syevr(
        first: c_int,
        arguments: &mut EigenArguments<'_, Self>,
        vectors: &mut [Self],
    ) -> c_int;
}

macro_rules! real {
    ($real:ty, $arithmetic:ident, $exponent:literal, $syrk:ident, $one:ident, $selected:ident,
     $one_name:literal, $selected_name:literal) => {
        impl Real for $real {
            const ARITHMETIC: Arithmetic = Arithmetic::$arithmetic;
            const ONE_STAGE: &'static str = $one_name;
            const SELECTED: &'static str = $selected_name;
            const SAFE_EXPONENT: i32 = $exponent;
            const LARGEST_FACTOR: i32 = -(Self::MIN_EXP - 1);

            fn power_of_two(exponent: i32) -> Self {
                (2.0 as Self).powi(exponent)
            }

            unsafe fn syrk(rows: c_int, cols: c_int, a: &[Self], c: &mut [Self]) {
                let (transpose, n, k) = if rows <= cols {
                    (cblas_sys::CblasNoTrans, rows, cols)
                } else {
                    (cblas_sys::CblasTrans, cols, rows)
                };
                // SAFETY: the caller vouches for the lengths; row-major with `cols` entries a row.
                unsafe {
                    cblas_sys::$syrk(
                        cblas_sys::CblasRowMajor,
                        cblas_sys::CblasUpper,
                        transpose,
                        n,
                        k,
                        1.0,
                        a.as_ptr(),
                        cols,
                        0.0,
                        c.as_mut_ptr(),
                        n,
                    );
                }
            }

            unsafe fn syevd(job: u8, arguments: &mut EigenArguments<'_, Self>) -> c_int {
                let (work_size, integer_work_size) = arguments.work_sizes();
                let mut info = 0;
                // SAFETY: all pointers are to live values, with lengths that the caller vouches for.
                unsafe {
                    lapack_sys::$one(
                        (&raw const job).cast::<c_char>(),
                        b"L".as_ptr().cast::<c_char>(),
                        &raw const arguments.n,
                        arguments.matrix.as_mut_ptr(),
                        &raw const arguments.n,
                        arguments.values.as_mut_ptr(),
                        arguments.work.as_mut_ptr(),
                        &raw const work_size,
                        arguments.integer_work.as_mut_ptr(),
                        &raw const integer_work_size,
                        &raw mut info,
                    );
                }
                info
            }

            unsafe fn syevr(
                first: c_int,
                arguments: &mut EigenArguments<'_, Self>,
                vectors: &mut [Self],
            ) -> c_int {
                let (work_size, integer_work_size) = arguments.work_sizes();
                let last = arguments.n;
                let wanted = usize::try_from(last - first + 1).unwrap_or(0);
                let mut support = vec![0; 2 * wanted];
                let (unused, mut found, mut info) = (0.0, 0, 0);
                // SAFETY: all pointers are to live values; the caller vouches for the lengths, and
                // `support` has two elements for each wanted vector.
                unsafe {
                    lapack_sys::$selected(
                        b"V".as_ptr().cast::<c_char>(),
                        b"I".as_ptr().cast::<c_char>(),
                        b"L".as_ptr().cast::<c_char>(),
                        &raw const arguments.n,
                        arguments.matrix.as_mut_ptr(),
                        &raw const arguments.n,
                        &raw const unused,
                        &raw const unused,
                        &raw const first,
                        &raw const last,
                        &raw const unused,
                        &raw mut found,
                        arguments.values.as_mut_ptr(),
                        vectors.as_mut_ptr(),
                        &raw const arguments.n,
                        support.as_mut_ptr(),
                        arguments.work.as_mut_ptr(),
                        &raw const work_size,
                        arguments.integer_work.as_mut_ptr(),
                        &raw const integer_work_size,
                        &raw mut info,
                    );
                }
                info
            }
        }
    };
}

real!(
    f64,
    F64,
    240,
    cblas_dsyrk,
    dsyevd_,
    dsyevr_,
    "dsyevd",
    "dsyevr"
);
real!(
    f32,
    F32,
    20,
    cblas_ssyrk,
    ssyevd_,
    ssyevr_,
    "ssyevd",
    "ssyevr"
);

/// Singular values with their singular vectors of the shorter side, both descending; row i of
/// `vectors` belongs to `singular_values[i]`.
pub(super) struct Pairs<T> {
    pub(super) singular_values: Vec<f64>,
    pub(super) vectors: Array2<T>,
}

/// Gram matrix of the shorter side: A A' for a wide matrix, A' A for a tall one.
pub(super) struct Gram<T> {
    matrix: Vec<T>,
    side: usize,
    rows: usize,
    cols: usize,
    /// The matrix was divided by two to this power.
    exponent: i32,
}

impl<T: Real> Gram<T> {
    pub(super) fn of(matrix: &ArrayView2<'_, T>) -> Result<Self, SpectrumError> {
        let (rows, cols) = matrix.dim();
        let side = rows.min(cols);
        if side == 0 {
            return Err(SpectrumError::Empty { rows, cols });
        }
        let too_large = |_| SpectrumError::TooLarge { rows, cols };
        let leading = c_int::try_from(rows).map_err(too_large)?;
        let trailing = c_int::try_from(cols).map_err(too_large)?;
        let exponent = scaling_exponent(matrix)?;
        let mut matrix = matrix.as_standard_layout();
        if exponent != 0 {
            let factor = T::power_of_two(-exponent);
            matrix.mapv_inplace(|entry| entry * factor);
        }
        let mut gram = vec![T::zero(); side * side];
        if let Some(entries) = matrix.as_slice() {
            // SAFETY: `entries` is the whole rows x cols matrix in row-major order, `gram` is side x
            // side, and side is the shorter one.
            unsafe { T::syrk(leading, trailing, entries, &mut gram) };
        }
        Ok(Self {
            matrix: gram,
            side,
            rows,
            cols,
            exponent,
        })
    }

    /// The Gram matrix (upper triangle, row-major) of a rows x cols matrix times 2^-exponent.
    pub(super) fn new(matrix: Vec<T>, rows: usize, cols: usize, exponent: i32) -> Self {
        Self {
            matrix,
            side: rows.min(cols),
            rows,
            cols,
            exponent,
        }
    }

    /// All singular values, descending; what rounding made negative is zero.
    pub(super) fn singular_values(mut self) -> Result<Vec<f64>, SpectrumError>
    where
        T: Banded,
    {
        let values = if self.side < T::TWO_STAGE_FROM {
            self.solve(b'N')?
        } else {
            let Self { rows, cols, .. } = self;
            T::eigenvalues(&mut self.matrix, self.side).map_err(|(routine, info)| {
                SpectrumError::Lapack {
                    routine,
                    rows,
                    cols,
                    info,
                }
            })?
        };
        Ok(self.to_singular(&values))
    }

    pub(super) fn pairs(mut self) -> Result<Pairs<T>, SpectrumError> {
        let values = self.solve(b'V')?;
        let singular_values = self.to_singular(&values);
        let side = self.side;
        let vectors = self.into_vectors_of(side)?;
        Ok(Pairs {
            singular_values,
            vectors,
        })
    }

    /// The `count` largest.
    pub(super) fn top_pairs(mut self, count: usize) -> Result<Pairs<T>, SpectrumError> {
        let count = count.min(self.side);
        let n = self.side_index()?;
        let first = n - c_int::try_from(count).unwrap_or(n) + 1;
        let mut values = vec![T::zero(); self.side];
        let mut vectors = vec![T::zero(); self.side * count];
        self.run(T::SELECTED, &mut values, |arguments| {
            // SAFETY: `run` gives a consistent problem of side n; `vectors` has n elements for each
            // of the wanted pairs.
            unsafe { T::syevr(first, arguments, &mut vectors) }
        })?;
        values.truncate(count);
        let singular_values = self.to_singular(&values);
        self.matrix = vectors;
        let vectors = self.into_vectors_of(count)?;
        Ok(Pairs {
            singular_values,
            vectors,
        })
    }

    /// Eigenvalues, ascending; with job `V` the matrix is replaced by the vectors.
    fn solve(&mut self, job: u8) -> Result<Vec<T>, SpectrumError> {
        let mut values = vec![T::zero(); self.side];
        self.run(T::ONE_STAGE, &mut values, |arguments| {
            // SAFETY: `run` gives a consistent problem of side n.
            unsafe { T::syevd(job, arguments) }
        })?;
        Ok(values)
    }

    /// Calls a routine twice: for the sizes of its work arrays, and to solve. The arguments it is given
    /// hold the side x side matrix, `values` (side elements), and work arrays of the sizes asked for.
    fn run(
        &mut self,
        routine: &'static str,
        values: &mut [T],
        mut call: impl FnMut(&mut EigenArguments<'_, T>) -> c_int,
    ) -> Result<(), SpectrumError> {
        let Self { rows, cols, .. } = *self;
        let n = self.side_index()?;
        let (mut work, mut integer_work) = (vec![T::zero()], vec![0]);
        for query in [true, false] {
            let info = call(&mut EigenArguments {
                n,
                matrix: &mut self.matrix,
                values,
                work: &mut work,
                integer_work: &mut integer_work,
                query,
            });
            if info != 0 {
                return Err(SpectrumError::Lapack {
                    routine,
                    rows,
                    cols,
                    info,
                });
            }
            if query {
                (work, integer_work) = allocate(&work, &integer_work);
            }
        }
        Ok(())
    }

    fn side_index(&self) -> Result<c_int, SpectrumError> {
        let Self { rows, cols, .. } = *self;
        c_int::try_from(self.side).map_err(|_error| SpectrumError::TooLarge { rows, cols })
    }

    fn to_singular(&self, ascending: &[T]) -> Vec<f64> {
        let scale = f64::power_of_two(self.exponent);
        let root = |value: &T| crate::num::max((*value).into(), 0.0).sqrt() * scale;
        ascending.iter().rev().map(root).collect()
    }

    /// Column-major columns, ascending, are row-major rows; turned over, they descend.
    fn into_vectors_of(self, count: usize) -> Result<Array2<T>, SpectrumError> {
        let Self {
            rows, cols, side, ..
        } = self;
        let mut vectors = Array2::from_shape_vec((count, side), self.matrix)
            .map_err(|_error| SpectrumError::TooLarge { rows, cols })?;
        vectors.invert_axis(Axis(0));
        Ok(vectors)
    }
}

/// Work arrays of the sizes that a query left in the first elements.
fn allocate<T: Real>(work: &[T], integer_work: &[c_int]) -> (Vec<T>, Vec<c_int>) {
    // A size above 2^24 is rounded when it is returned as f32: ask for one unit in the last place more.
    let asked: f64 = work.first().map_or(1.0, |size| (*size).into());
    let size = (asked * (1.0 + T::ARITHMETIC.epsilon())).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive array length that LAPACK returned as a float"
    )]
    let size = (size as usize).max(1);
    let integer_size = integer_work.first().map_or(1, |size| *size);
    let integer_size = usize::try_from(integer_size).unwrap_or(1).max(1);
    (vec![T::zero(); size], vec![0; integer_size])
}

/// Zero where the entries can be squared as they are; else the binary exponent of the largest.
pub(super) fn scaling_exponent<T: Real>(matrix: &ArrayView2<'_, T>) -> Result<i32, SpectrumError> {
    let (rows, cols) = matrix.dim();
    let mut largest = 0.0_f64;
    let mut count = 0;
    for entry in matrix {
        let size: f64 = entry.abs().into();
        if size > largest {
            largest = size;
        }
        count += usize::from(!size.is_finite());
    }
    if count > 0 {
        return Err(SpectrumError::NonFinite { rows, cols, count });
    }
    Ok(scaling_exponent_of::<T>(largest))
}

/// Zero where entries of up to that size can be squared as they are; else its binary exponent.
pub(super) fn scaling_exponent_of<T: Real>(largest: f64) -> i32 {
    if largest <= 0.0 {
        return 0;
    }
    #[expect(clippy::cast_possible_truncation, reason = "between -1075 and 1024")]
    let exponent = (largest.log2().floor() as i32).clamp(-T::LARGEST_FACTOR, T::LARGEST_FACTOR);
    if exponent.abs() <= T::SAFE_EXPONENT {
        0
    } else {
        exponent
    }
}

/// Singular values of an f64 matrix straight from a bidiagonal SVD (`dgesdd`), descending. Slower
/// than the Gram matrix, but small singular values keep an absolute accuracy of `eps sigma_1`.
pub(super) fn singular_values_by_svd(
    matrix: &ArrayView2<'_, f64>,
) -> Result<Vec<f64>, SpectrumError> {
    let (rows, cols) = matrix.dim();
    if rows.min(cols) == 0 {
        return Err(SpectrumError::Empty { rows, cols });
    }
    let count = matrix.iter().filter(|entry| !entry.is_finite()).count();
    if count > 0 {
        return Err(SpectrumError::NonFinite { rows, cols, count });
    }
    let too_large = |_| SpectrumError::TooLarge { rows, cols };
    // A row-major matrix read by columns is its transpose, which has the same singular values.
    let (m, n) = (
        c_int::try_from(cols).map_err(too_large)?,
        c_int::try_from(rows).map_err(too_large)?,
    );
    let mut entries: Vec<f64> = matrix.iter().copied().collect();
    let mut values = vec![0.0; rows.min(cols)];
    let mut integer_work = vec![0; 8 * values.len()];
    let mut work = vec![0.0];
    let mut info = 0;
    for query in [true, false] {
        let size = if query {
            -1
        } else {
            c_int::try_from(work.len()).map_err(too_large)?
        };
        // SAFETY: `entries` holds m x n values, `values` and `integer_work` have min(m, n) and 8
        // min(m, n) elements, `work` the size asked for by the query before; with job `N` the two
        // arrays for vectors are not referenced.
        unsafe {
            lapack_sys::dgesdd_(
                b"N".as_ptr().cast::<c_char>(),
                &raw const m,
                &raw const n,
                entries.as_mut_ptr(),
                &raw const m,
                values.as_mut_ptr(),
                std::ptr::null_mut(),
                &raw const m,
                std::ptr::null_mut(),
                &raw const n,
                work.as_mut_ptr(),
                &raw const size,
                integer_work.as_mut_ptr(),
                &raw mut info,
            );
        }
        if info != 0 {
            return Err(SpectrumError::Lapack {
                routine: "dgesdd",
                rows,
                cols,
                info,
            });
        }
        if query {
            (work, _) = allocate(&work, &[]);
        }
    }
    Ok(values)
}
