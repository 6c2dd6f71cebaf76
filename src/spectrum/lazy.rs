//! A matrix that is decoded when its entries are first asked for.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::error::SpectrumError;
use super::estimator::Estimator;
use super::matrix::{Arithmetic, Matrix};
use super::scan::matrix_of;
use super::stream::Stored;

/// A rows x cols matrix: of most large ones the shape, the spectrum and the statistics of the entries say
/// all that is asked, and no copy in full precision is made.
#[derive(Debug)]
pub struct LazyMatrix<'a> {
    stored: Stored<'a>,
    shape: (usize, usize),
    arithmetic: Arithmetic,
    matrix: OnceCell<Result<Cow<'a, Matrix>, SpectrumError>>,
}

impl<'a> LazyMatrix<'a> {
    /// Of stored values, in the arithmetic that the estimator asks for.
    pub fn of_stored(stored: Stored<'a>, rows: usize, cols: usize, estimator: &Estimator) -> Self {
        Self {
            stored,
            shape: (rows, cols),
            arithmetic: estimator.arithmetic(rows, cols),
            matrix: OnceCell::new(),
        }
    }

    /// Rows and columns.
    pub fn shape(&self) -> (usize, usize) {
        self.shape
    }

    pub fn shorter_side(&self) -> usize {
        self.shape.0.min(self.shape.1)
    }

    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    /// The matrix itself.
    ///
    /// # Errors
    /// If the number of stored values is not rows x cols.
    pub fn get(&self) -> Result<&Matrix, SpectrumError> {
        let decode = || {
            let (rows, cols) = self.shape;
            let Stored { dtype, bytes } = self.stored;
            matrix_of(dtype, bytes, rows, cols, self.arithmetic).map(Cow::Owned)
        };
        match self.matrix.get_or_init(decode) {
            Ok(matrix) => Ok(matrix),
            Err(error) => Err(error.clone()),
        }
    }
}

impl<'a> From<&'a Matrix> for LazyMatrix<'a> {
    fn from(matrix: &'a Matrix) -> Self {
        Self {
            stored: Stored {
                dtype: crate::checkpoint::Dtype::F64,
                bytes: &[],
            },
            shape: matrix.shape(),
            arithmetic: matrix.arithmetic(),
            matrix: OnceCell::from(Ok(Cow::Borrowed(matrix))),
        }
    }
}
