//! What can go wrong while a matrix is decomposed.

/// No numbers came out of a matrix. Every variant carries the shape, so that a caller only adds the
/// layer's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpectrumError {
    #[error("cannot decompose a {rows} x {cols} matrix: it has no entries")]
    Empty { rows: usize, cols: usize },
    #[error("cannot decompose a {rows} x {cols} matrix: {count} of its entries are not finite")]
    NonFinite {
        rows: usize,
        cols: usize,
        count: usize,
    },
    #[error("cannot read {count} values as a {rows} x {cols} matrix")]
    ValueCount {
        rows: usize,
        cols: usize,
        count: usize,
    },
    #[error("cannot decompose a {rows} x {cols} matrix: its sides exceed 32-bit LAPACK indices")]
    TooLarge { rows: usize, cols: usize },
    #[error("cannot decompose a {rows} x {cols} matrix: LAPACK `{routine}` gave info = {info}")]
    Lapack {
        routine: &'static str,
        rows: usize,
        cols: usize,
        info: i32,
    },
    #[error(
        "cannot decompose a {rows} x {cols} matrix: its leading directions did not converge in \
         {steps} Lanczos steps"
    )]
    NotConverged {
        rows: usize,
        cols: usize,
        steps: usize,
    },
    #[error("cannot compare a matrix of shape {base:?} with one of shape {tuned:?}")]
    ShapeMismatch {
        base: (usize, usize),
        tuned: (usize, usize),
    },
    #[error(
        "cannot analyse a tensor of shape {shape:?} with {values} values: WeightWatcher's rows \
         describe 2-D and 4-D tensors"
    )]
    TensorShape { shape: Vec<usize>, values: usize },
}
