//! The numbers of WeightWatcher 0.7.7 (Apache-2.0), its quirks included, for those who compare with
//! it: an absolute cut of 1e-5, tails of two, a small-sample branch with a negative sigma, halved
//! eigenvalues of pooled convolutions, -1 where the fit failed.
//!
//! One deviation: the detX columns are summed in logarithms, because WeightWatcher's products overflow
//! for layers of a few thousand. Written anew; no code of WeightWatcher is included. The numbers are
//! checked against a table of its output (`tests/reference`).

mod analyze;
mod fit;
mod row;

pub use analyze::analyze;
pub use row::{COLUMNS, Cell, Row};
