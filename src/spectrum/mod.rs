//! One matrix in, its spectrum and the metrics of one checkpoint out.
//!
//! ```text
//! Matrix --Gram, eigenvalues--> Spectrum --tail, measure--> CheckpointMetrics
//!    \--entries--> EntryStatistics --------------^
//! ```
//!
//! W is rows x cols, N >= M its sides, sigma its M singular values and lambda = sigma^2, all descending.
//! Singular values are roots of the eigenvalues of the smaller Gram matrix: half the work of a
//! bidiagonal SVD, and as accurate for everything that counts in sums, norms and upper tails. What lies
//! below [`Spectrum::resolution`] is rounding and takes no part in logarithms. A matrix is decomposed
//! in the arithmetic of its elements ([`Estimator::arithmetic`] says which one that should be).
//!
//! Invariants: no metric is NaN or a sentinel, each is a number or says why there is none; scaling or
//! transposing a matrix changes no scale-free metric; nothing here depends on the number of threads.
//! A stored matrix is decoded a panel at a time. Memory for one: its bytes, M^2 elements, a panel of
//! 32 MiB, and workspace of the order of M times the band width.
//!
//! [`weightwatcher`] computes the numbers of another tool, its quirks included, from a bidiagonal
//! SVD in f64; nothing else uses it.

mod adapter;
mod alignment;
mod banded;
mod blas;
mod bulge;
mod directions;
mod entries;
mod error;
mod estimator;
mod intruders;
mod lanczos;
mod lapack;
mod lazy;
mod leading;
mod low_rank;
mod matrix;
mod measure;
pub mod metric;
pub mod noise;
mod pair;
mod phase;
mod profile;
mod quantised;
mod random;
mod scan;
mod schedule;
mod singular;
mod stream;
mod tail;
mod traps;
mod update;
pub mod validity;
pub mod weightwatcher;

#[cfg(test)]
mod tests;

pub use adapter::{of_factors, scan_adapter};
pub use blas::use_one_blas_thread;
pub use directions::{Directions, direction_metrics};
pub use entries::EntryStatistics;
pub use error::SpectrumError;
pub use estimator::Estimator;
pub use intruders::{Intruders, LeftBasis, intruders, intruders_among};
pub use lazy::LazyMatrix;
pub use leading::{
    Effort, LEADING_DIRECTIONS, Leading, leading, participation_ratio, subspace_overlap,
};
pub use low_rank::low_rank_spectrum;
pub use matrix::{Arithmetic, Matrix};
pub use measure::{
    CheckpointMetrics, entry_metrics, measure, measure_quantised, measure_stored, metrics,
    rank_loss, unmeasured,
};
pub use pair::{esd_distance, wasserstein_log10};
pub use phase::Phase;
pub use profile::Profile;
pub use quantised::{squared_error_of, storage_noise};
pub use scan::{Scan, ScannedMatrix, layer_bytes, matrix_of, part_of, scan};
pub use schedule::{MemoryLimit, run_in_order};
pub use singular::Spectrum;
pub use stream::{Stored, decomposition_bytes};
pub use tail::{TailFit, fit_at_tail_count, hill};
pub use traps::{TRAP_QUANTILE, TrapCauses, Traps, new_traps, traps};
pub use update::{energy_rank, noise_share};
