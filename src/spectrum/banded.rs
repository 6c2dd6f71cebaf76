//! Eigenvalues of a symmetric matrix in two stages, and the growing Gram matrix: with the file of the
//! LAPACK drivers, the only files that call foreign routines.
//!
//! Dense to band is matrix-matrix work; band to tridiagonal costs O(n^2 band); LAPACK's own driver
//! (`?syevd_2stage`) does the same with a band of 32, which is too narrow for large matrices. The second
//! stage is LAPACK's in f64 and ours ([`bulge`]) in f32, the precision of the large matrices. One
//! thread, OpenBLAS 0.3.21, seconds for f32 (LAPACK in one stage; band 32, 64, 96, 128): 1024 0.044 0.042
//! 0.044 0.049 0.052; 1536 0.118 0.106 0.109 0.119 0.128; 2048 0.28 0.26 0.24 0.25 0.28; 3072 1.01 0.81 0.75
//! 0.73 0.75; 4096 2.92 1.85 1.60 1.58 1.60. For f64 (one stage, LAPACK's driver of two, band 32, 64, 96):
//! 512 0.011 0.017 0.016 0.018 0.020; 1024 0.059 0.081 0.081 0.090 0.099; 2048 0.512 0.506 0.497 0.508
//! 0.539.
#![expect(unsafe_code, reason = "LAPACK and BLAS are foreign functions")]

use std::ffi::{c_char, c_int};

use super::bulge;
use super::lapack::Real;
use crate::checkpoint::{Dtype, decode_f32, decode_f64};

/// Sub-diagonals of the band.
fn band_width(side: usize) -> usize {
    if side < 3072 { 64 } else { 96 }
}

/// How the panels of a matrix lie: whole rows of a tall one, or some columns of all rows of a wide one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Panel {
    Rows,
    Columns,
}

/// The routine that failed and its `info`.
pub(super) type Failure = (&'static str, c_int);

/// The routines in one precision.
pub(super) trait Banded: Real {
    /// From this side on two stages are faster than one.
    const TWO_STAGE_FROM: usize;

    /// Decodes as many values as `values` holds.
    fn decode(dtype: Dtype, bytes: &[u8], values: &mut [Self]);

    /// Adds P' P (rows) or P P' (columns) of a row-major panel to the upper triangle of the row-major
    /// `gram`, side x side; the other side of the panel has `depth` entries.
    fn add_panel(panel: Panel, entries: &[Self], depth: usize, gram: &mut [Self], side: usize);

    /// All eigenvalues, ascending, of the side x side matrix in the lower triangle (column-major) of
    /// `matrix`, which is overwritten. Workspace: about 3 (band + 1) side elements.
    fn eigenvalues(matrix: &mut [Self], side: usize) -> Result<Vec<Self>, Failure>;

    /// Diagonal and sub-diagonal of a tridiagonal matrix with the eigenvalues of a band matrix, of
    /// which `diagonals` holds `band + 1` numbers a column; it is overwritten.
    fn tridiagonal(
        diagonals: &mut [Self],
        side: usize,
        band: usize,
    ) -> Result<Tridiagonal<Self>, Failure>;
}

macro_rules! banded {
    ($real:ty, $from:literal, $decode:ident, $tridiagonal:ident, $syrk:ident, $to_band:ident,
     $sterf:ident, $to_band_name:literal, $sterf_name:literal) => {
        unsafe extern "C" {
            fn $to_band(
                triangle: *const c_char,
                n: *const c_int,
                band: *const c_int,
                a: *mut $real,
                lda: *const c_int,
                ab: *mut $real,
                ldab: *const c_int,
                tau: *mut $real,
                work: *mut $real,
                lwork: *const c_int,
                info: *mut c_int,
            );
        }

        impl Banded for $real {
            const TWO_STAGE_FROM: usize = $from;

            fn decode(dtype: Dtype, bytes: &[u8], values: &mut [Self]) {
                $decode(dtype, bytes, values);
            }

            fn add_panel(
                panel: Panel,
                entries: &[Self],
                depth: usize,
                gram: &mut [Self],
                side: usize,
            ) {
                let (transpose, leading) = match panel {
                    Panel::Rows => (cblas_sys::CblasTrans, side),
                    Panel::Columns => (cblas_sys::CblasNoTrans, depth),
                };
                let (Ok(n), Ok(k), Ok(leading)) = (
                    c_int::try_from(side),
                    c_int::try_from(depth),
                    c_int::try_from(leading),
                ) else {
                    // The Gram matrix of such a side could not have been allocated.
                    return;
                };
                let (entries, gram) = (&entries[..side * depth], &mut gram[..side * side]);
                // SAFETY: the panel holds side x depth entries and the Gram matrix side x side, as
                // just checked.
                unsafe {
                    cblas_sys::$syrk(
                        cblas_sys::CblasRowMajor,
                        cblas_sys::CblasUpper,
                        transpose,
                        n,
                        k,
                        1.0,
                        entries.as_ptr(),
                        leading,
                        1.0,
                        gram.as_mut_ptr(),
                        n,
                    );
                }
            }

            fn eigenvalues(matrix: &mut [Self], side: usize) -> Result<Vec<Self>, Failure> {
                let matrix = &mut matrix[..side * side];
                let width = band_width(side).min(side.saturating_sub(1));
                let size = |length: usize| c_int::try_from(length).unwrap_or(c_int::MAX);
                let (n, band, leading) = (size(side), size(width), size(width + 1));
                let mut diagonals = vec![0.0; (width + 1) * side];
                let mut tau = vec![0.0; side];
                let lower = b"L".as_ptr().cast::<c_char>();
                let mut info = 0;
                let mut work = vec![0.0; 1];
                for query in [true, false] {
                    let length = if query { -1 } else { size(work.len()) };
                    // SAFETY: all arrays have the lengths that the routine documents; `work` that of
                    // the query.
                    unsafe {
                        $to_band(
                            lower,
                            &raw const n,
                            &raw const band,
                            matrix.as_mut_ptr(),
                            &raw const n,
                            diagonals.as_mut_ptr(),
                            &raw const leading,
                            tau.as_mut_ptr(),
                            work.as_mut_ptr(),
                            &raw const length,
                            &raw mut info,
                        );
                    }
                    if info != 0 {
                        return Err(($to_band_name, info));
                    }
                    if query {
                        work = vec![0.0; work_length(f64::from(work[0]))];
                    }
                }
                let (mut values, mut beside) = Self::tridiagonal(&mut diagonals, side, width)?;
                // SAFETY: n values, and n - 1 beside the diagonal.
                unsafe {
                    lapack_sys::$sterf(
                        &raw const n,
                        values.as_mut_ptr(),
                        beside.as_mut_ptr(),
                        &raw mut info,
                    );
                }
                if info != 0 {
                    return Err(($sterf_name, info));
                }
                Ok(values)
            }

            fn tridiagonal(
                diagonals: &mut [Self],
                side: usize,
                band: usize,
            ) -> Result<Tridiagonal<Self>, Failure> {
                $tridiagonal(diagonals, side, band)
            }
        }
    };
}

banded!(
    f64,
    2048,
    decode_f64,
    by_lapack,
    cblas_dsyrk,
    dsytrd_sy2sb_,
    dsterf_,
    "dsytrd_sy2sb",
    "dsterf"
);
banded!(
    f32,
    1536,
    decode_f32,
    by_bulges,
    cblas_ssyrk,
    ssytrd_sy2sb_,
    ssterf_,
    "ssytrd_sy2sb",
    "ssterf"
);

/// Diagonal and sub-diagonal.
type Tridiagonal<T> = (Vec<T>, Vec<T>);

fn by_bulges(diagonals: &mut [f32], side: usize, band: usize) -> Result<Tridiagonal<f32>, Failure> {
    bulge::tridiagonal(diagonals, side, band).ok_or(("tridiagonal", -3))
}

unsafe extern "C" {
    fn dsytrd_sb2st_(
        after_first: *const c_char,
        vectors: *const c_char,
        triangle: *const c_char,
        n: *const c_int,
        band: *const c_int,
        ab: *mut f64,
        ldab: *const c_int,
        d: *mut f64,
        e: *mut f64,
        reflectors: *mut f64,
        lreflectors: *const c_int,
        work: *mut f64,
        lwork: *const c_int,
        info: *mut c_int,
    );
}

fn by_lapack(diagonals: &mut [f64], side: usize, band: usize) -> Result<Tridiagonal<f64>, Failure> {
    let size = |length: usize| c_int::try_from(length).unwrap_or(c_int::MAX);
    let (n, width, leading) = (size(side), size(band), size(band + 1));
    let diagonals = &mut diagonals[..(band + 1) * side];
    let mut info = 0;
    let (mut values, mut beside) = (vec![0.0; side], vec![0.0; side]);
    let (mut work, mut reflectors) = (vec![0.0; 1], vec![0.0; 1]);
    for query in [true, false] {
        let lengths = if query {
            (-1, -1)
        } else {
            (size(reflectors.len()), size(work.len()))
        };
        // SAFETY: as above.
        unsafe {
            dsytrd_sb2st_(
                b"Y".as_ptr().cast::<c_char>(),
                b"N".as_ptr().cast::<c_char>(),
                b"L".as_ptr().cast::<c_char>(),
                &raw const n,
                &raw const width,
                diagonals.as_mut_ptr(),
                &raw const leading,
                values.as_mut_ptr(),
                beside.as_mut_ptr(),
                reflectors.as_mut_ptr(),
                &raw const lengths.0,
                work.as_mut_ptr(),
                &raw const lengths.1,
                &raw mut info,
            );
        }
        if info != 0 {
            return Err(("dsytrd_sb2st", info));
        }
        if query {
            reflectors = vec![0.0; work_length(reflectors[0])];
            work = vec![0.0; work_length(work[0])];
        }
    }
    Ok((values, beside))
}

/// The length that a query returned as a float, which may have been rounded down.
fn work_length(asked: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive array length that LAPACK returned as a float"
    )]
    let length = (asked * (1.0 + 1e-6)).ceil() as usize;
    length + 1
}
