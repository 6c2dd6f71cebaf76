//! A weight matrix in the precision in which it will be decomposed.

use ndarray::Array2;

use super::error::SpectrumError;

/// Floating-point precision of a decomposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arithmetic {
    F32,
    F64,
}

impl Arithmetic {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    /// Size of one number in bytes.
    pub fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Distance from 1 to the next larger number.
    pub fn epsilon(self) -> f64 {
        match self {
            Self::F32 => f64::from(f32::EPSILON),
            Self::F64 => f64::EPSILON,
        }
    }
}

/// A dense matrix, rows x cols (`[out, in]` for a linear layer); its element type is the arithmetic of
/// everything that is computed from it.
#[derive(Debug, Clone, PartialEq)]
pub enum Matrix {
    F64(Array2<f64>),
    F32(Array2<f32>),
}

impl Matrix {
    /// From rows x cols values in row-major order.
    ///
    /// # Errors
    /// If the number of values is not rows x cols.
    pub fn from_f64(rows: usize, cols: usize, values: Vec<f64>) -> Result<Self, SpectrumError> {
        let count = values.len();
        let entries = Array2::from_shape_vec((rows, cols), values);
        entries
            .map(Self::F64)
            .map_err(|_error| SpectrumError::ValueCount { rows, cols, count })
    }

    /// As [`Self::from_f64`], in single precision.
    pub fn from_f32(rows: usize, cols: usize, values: Vec<f32>) -> Result<Self, SpectrumError> {
        let count = values.len();
        let entries = Array2::from_shape_vec((rows, cols), values);
        entries
            .map(Self::F32)
            .map_err(|_error| SpectrumError::ValueCount { rows, cols, count })
    }

    /// Elementwise `self - other`, in f64 if either is.
    ///
    /// # Errors
    /// If the shapes differ.
    pub fn minus(&self, other: &Self) -> Result<Self, SpectrumError> {
        if self.shape() != other.shape() {
            let (base, tuned) = (other.shape(), self.shape());
            return Err(SpectrumError::ShapeMismatch { base, tuned });
        }
        Ok(match (self, other) {
            (Self::F64(left), Self::F64(right)) => Self::F64(left - right),
            (Self::F32(left), Self::F32(right)) => Self::F32(left - right),
            (Self::F64(left), Self::F32(right)) => Self::F64(left - &right.mapv(f64::from)),
            (Self::F32(left), Self::F64(right)) => Self::F64(left.mapv(f64::from) - right),
        })
    }

    pub fn rows(&self) -> usize {
        self.shape().0
    }

    pub fn cols(&self) -> usize {
        self.shape().1
    }

    /// Rows and columns.
    pub fn shape(&self) -> (usize, usize) {
        match self {
            Self::F64(entries) => entries.dim(),
            Self::F32(entries) => entries.dim(),
        }
    }

    /// M: how many eigenvalues the matrix has.
    pub fn shorter_side(&self) -> usize {
        let (rows, cols) = self.shape();
        rows.min(cols)
    }

    pub fn arithmetic(&self) -> Arithmetic {
        match self {
            Self::F64(_) => Arithmetic::F64,
            Self::F32(_) => Arithmetic::F32,
        }
    }

    /// The same matrix in the given precision; free of cost if it has that already. A value beyond
    /// the range of f32 becomes infinite, which every decomposition refuses.
    #[must_use]
    pub fn into_arithmetic(self, arithmetic: Arithmetic) -> Self {
        match (self, arithmetic) {
            (Self::F32(entries), Arithmetic::F64) => Self::F64(entries.mapv(f64::from)),
            (Self::F64(entries), Arithmetic::F32) => Self::F32(entries.mapv(to_f32)),
            (same, _) => same,
        }
    }

    /// Entries in row-major order.
    pub fn entries(&self) -> Box<dyn Iterator<Item = f64> + '_> {
        match self {
            Self::F64(entries) => Box::new(entries.iter().copied()),
            Self::F32(entries) => Box::new(entries.iter().copied().map(f64::from)),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding to f32 is what is asked for"
)]
fn to_f32(value: f64) -> f32 {
    value as f32
}
