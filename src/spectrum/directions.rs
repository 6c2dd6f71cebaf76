//! The metrics of one checkpoint that need a few singular directions, not all singular values.

use super::entries::EntryStatistics;
use super::error::SpectrumError;
use super::lazy::LazyMatrix;
use super::leading::{Effort, LEADING_DIRECTIONS, Leading, leading, participation_ratio};
use super::metric::{Metric, MetricTable};
use super::singular::Spectrum;
use super::traps::{Traps, traps};
use crate::num::Measured;

/// What [`direction_metrics`] sets.
pub(super) const OF_DIRECTIONS: [Metric; 3] =
    [Metric::TrapCount, Metric::TrapZ, Metric::ParticipationRatio];

/// What the metrics of a pair need of each side.
#[derive(Debug)]
pub struct Directions {
    pub leading: Result<Leading, SpectrumError>,
    pub traps: Traps,
}

/// Sets `trap_count`, `trap_z` and `participation_ratio`, and returns what they were made from.
/// `spectrum` and `entries` are those of the same matrix, which is decoded only if they do not suffice.
pub fn direction_metrics(
    matrix: &LazyMatrix<'_>,
    spectrum: &Spectrum,
    entries: &EntryStatistics,
    effort: Effort,
    table: &mut MetricTable,
) -> Directions {
    let traps = traps(matrix, entries);
    table.set(Metric::TrapCount, traps.count.clone());
    table.set(Metric::TrapZ, traps.z.clone());
    let leading = leading(matrix, spectrum, LEADING_DIRECTIONS, effort);
    let ratio = match &leading {
        Ok(leading) => participation_ratio(leading),
        Err(SpectrumError::NotConverged { .. }) => {
            Measured::not_applicable("the leading directions are not separate from the bulk")
        }
        Err(error) => Measured::failed(error.to_string()),
    };
    table.set(Metric::ParticipationRatio, ratio);
    Directions { leading, traps }
}
