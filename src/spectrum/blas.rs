//! Products of a few vectors with a matrix, the small tridiagonal eigenproblem, and the number of
//! threads. Beside this file only `lapack` and `banded` call foreign functions.
#![expect(unsafe_code, reason = "LAPACK and BLAS are foreign functions")]

use std::ffi::{c_char, c_int};

use ndarray::{Array2, ArrayView2};

use super::error::SpectrumError;
use super::lapack::Real;

unsafe extern "C" {
    fn openblas_set_num_threads(threads: c_int);
}

/// Makes OpenBLAS use the calling thread only: the program is parallel over layers, and the order of
/// additions must not depend on how many cores there are.
pub fn use_one_blas_thread() {
    // SAFETY: the function takes an integer by value and is defined by the linked OpenBLAS.
    unsafe { openblas_set_num_threads(1) }
}

/// Products in one precision.
pub(super) trait Product: Real {
    /// # Safety
    /// `w` is rows x cols, `x` has rows (transposed) or cols elements, `y` the other side.
    unsafe fn gemv(transposed: bool, size: (c_int, c_int), w: &[Self], x: &[Self], y: &mut [Self]);

    /// # Safety
    /// `w` is rows x cols, `x` has count vectors of rows (transposed: cols) elements, `y` count of the
    /// other side, all row-major.
    unsafe fn gemm(
        transposed: bool,
        size: (c_int, c_int),
        count: c_int,
        w: &[Self],
        x: &[Self],
        y: &mut [Self],
    );

    fn from_f64(value: f64) -> Self;
}

macro_rules! product {
    ($real:ty, $gemv:ident, $gemm:ident) => {
        impl Product for $real {
            unsafe fn gemv(
                transposed: bool,
                (rows, cols): (c_int, c_int),
                w: &[Self],
                x: &[Self],
                y: &mut [Self],
            ) {
                let transpose = if transposed {
                    cblas_sys::CblasTrans
                } else {
                    cblas_sys::CblasNoTrans
                };
                // SAFETY: the caller vouches for the lengths; row-major with `cols` entries a row.
                unsafe {
                    cblas_sys::$gemv(
                        cblas_sys::CblasRowMajor,
                        transpose,
                        rows,
                        cols,
                        1.0,
                        w.as_ptr(),
                        cols,
                        x.as_ptr(),
                        1,
                        0.0,
                        y.as_mut_ptr(),
                        1,
                    );
                }
            }

            unsafe fn gemm(
                transposed: bool,
                (rows, cols): (c_int, c_int),
                count: c_int,
                w: &[Self],
                x: &[Self],
                y: &mut [Self],
            ) {
                let (transpose, from, to) = if transposed {
                    (cblas_sys::CblasTrans, cols, rows)
                } else {
                    (cblas_sys::CblasNoTrans, rows, cols)
                };
                // SAFETY: the caller vouches for the lengths; all row-major without gaps.
                unsafe {
                    cblas_sys::$gemm(
                        cblas_sys::CblasRowMajor,
                        cblas_sys::CblasNoTrans,
                        transpose,
                        count,
                        to,
                        from,
                        1.0,
                        x.as_ptr(),
                        from,
                        w.as_ptr(),
                        cols,
                        0.0,
                        y.as_mut_ptr(),
                        to,
                    );
                }
            }

            #[allow(
                clippy::cast_possible_truncation,
                clippy::allow_attributes,
                reason = "rounding to the precision of the product; the macro also makes the f64 case"
            )]
            fn from_f64(value: f64) -> Self {
                value as Self
            }
        }
    };
}

product!(f64, cblas_dgemv, cblas_dgemm);
product!(f32, cblas_sgemv, cblas_sgemm);

/// `x W` (count x cols from count x rows), or `x W'` if `transposed` (count x rows from count x cols).
pub(super) fn product<T: Product>(
    x: &ArrayView2<'_, T>,
    w: &ArrayView2<'_, T>,
    transposed: bool,
) -> Array2<T> {
    let (rows, cols) = w.dim();
    let count = x.nrows();
    let (from, to) = if transposed {
        (cols, rows)
    } else {
        (rows, cols)
    };
    let index = |side: usize| c_int::try_from(side).ok();
    let sides = index(rows).zip(index(cols)).zip(index(count));
    let slices = x.as_slice().zip(w.as_slice());
    // Empty or strided operands, and sides beyond BLAS: the plain product.
    let fits = x.ncols() == from && count * from * to > 0;
    let (Some(((rows, cols), index)), Some((entries, matrix)), true) = (sides, slices, fits) else {
        return if transposed { x.dot(&w.t()) } else { x.dot(w) };
    };
    let mut result = Array2::zeros((count, to));
    if let Some(target) = result.as_slice_mut() {
        // SAFETY: the slices are the whole of `x` (count x from), `w` (rows x cols) and `result`
        // (count x to), in row-major order.
        unsafe {
            if count == 1 {
                T::gemv(!transposed, (rows, cols), matrix, entries, target);
            } else {
                T::gemm(transposed, (rows, cols), index, matrix, entries, target);
            }
        }
    }
    result
}

/// Eigenvalues (ascending) and eigenvectors of a symmetric tridiagonal matrix; row i of the vectors
/// belongs to value i.
pub(super) fn tridiagonal(
    diagonal: &[f64],
    off_diagonal: &[f64],
) -> Result<(Vec<f64>, Array2<f64>), SpectrumError> {
    let side = diagonal.len();
    let failed = |info| SpectrumError::Lapack {
        routine: "dstevd",
        rows: side,
        cols: side,
        info,
    };
    let n = c_int::try_from(side).map_err(|_error| failed(-1))?;
    let mut values = diagonal.to_vec();
    let mut off = off_diagonal.to_vec();
    off.resize(side.max(1), 0.0);
    let mut vectors = vec![0.0; side * side];
    let mut work = vec![0.0; 1 + 4 * side + side * side];
    let mut integer_work = vec![0; 3 + 5 * side];
    let work_size = c_int::try_from(work.len()).map_err(|_error| failed(-8))?;
    let integer_work_size = c_int::try_from(integer_work.len()).map_err(|_error| failed(-10))?;
    let mut info = 0;
    // SAFETY: all pointers are to live arrays; the sizes of work are those that the routine's
    // documentation states for job `V`.
    unsafe {
        lapack_sys::dstevd_(
            b"V".as_ptr().cast::<c_char>(),
            &raw const n,
            values.as_mut_ptr(),
            off.as_mut_ptr(),
            vectors.as_mut_ptr(),
            &raw const n,
            work.as_mut_ptr(),
            &raw const work_size,
            integer_work.as_mut_ptr(),
            &raw const integer_work_size,
            &raw mut info,
        );
    }
    if info != 0 {
        return Err(failed(info));
    }
    // Column-major columns are row-major rows.
    let vectors = Array2::from_shape_vec((side, side), vectors).map_err(|_error| failed(-6))?;
    Ok((values, vectors))
}
