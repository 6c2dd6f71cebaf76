//! The metrics of one checkpoint that need a few singular directions, not all singular values.

use super::entries::EntryStatistics;
use super::error::SpectrumError;
use super::leading::{LEADING_DIRECTIONS, Leading, leading, participation_ratio};
use super::matrix::Matrix;
use super::metric::{Metric, MetricTable};
use super::singular::Spectrum;
use super::traps::traps;
use crate::num::Measured;

/// What [`direction_metrics`] sets.
pub(super) const OF_DIRECTIONS: [Metric; 3] =
    [Metric::TrapCount, Metric::TrapZ, Metric::ParticipationRatio];

/// Sets `trap_count`, `trap_z` and `participation_ratio`, and returns the leading directions, which the
/// metrics of a pair need too. `spectrum` and `entries` are those of the same matrix.
///
/// # Errors
/// If the leading directions could not be found; `participation_ratio` says so.
pub fn direction_metrics(
    matrix: &Matrix,
    spectrum: &Spectrum,
    entries: &EntryStatistics,
    table: &mut MetricTable,
) -> Result<Leading, SpectrumError> {
    let traps = traps(matrix, entries);
    table.set(Metric::TrapCount, traps.count);
    table.set(Metric::TrapZ, traps.z);
    let leading = leading(matrix, spectrum, LEADING_DIRECTIONS);
    let ratio = match &leading {
        Ok(leading) => participation_ratio(leading),
        Err(error) => Measured::failed(error.to_string()),
    };
    table.set(Metric::ParticipationRatio, ratio);
    leading
}
