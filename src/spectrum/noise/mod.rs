//! What a matrix of independent entries would show, and how far a spectrum departs from it.
//!
//! The scale s of the noise comes from the median singular value, which a few strong directions do
//! not move: `s = median / sqrt(N median of the law)`. For a matrix of noise it is the standard deviation
//! of the entries. It says little about trained weights, whose bulk is no noise; it is meant for updates
//! and for telling the two apart.
//!
//! The test of the largest eigenvalues needs a steadier scale: the median alone strays by as much as the
//! largest eigenvalue does, and with it one matrix of noise in 200 of side 40 to 100 had a spike at the level of
//! one in 1000. It uses the energy of all singular values but the largest eighth, against what the law
//! has there: 2 in 1000 at side 40, 0.3 to 1 in 1000 at side 100.

mod edge;
mod law;
mod spiked;

#[cfg(test)]
mod tests;

pub use edge::{Edge, SPIKE_QUANTILE, tracy_widom_quantile};
pub use law::{MarchenkoPastur, known_noise_factor, noise_hill, shrinkage_factor};
pub use spiked::{Alignment, NoiseMatrix};

use super::metric::{Metric, MetricTable};
use super::singular::Spectrum;
use crate::num::{self, Measured, Reason};

/// With fewer singular values the laws of large matrices say nothing.
pub const LEAST_SIDE: usize = 20;

/// The noise that the median singular value of a spectrum implies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bulk {
    pub law: MarchenkoPastur,
    pub edge: Edge,
    /// Standard deviation of the entries, from the median.
    pub sigma: f64,
    /// The same from the energy below the largest eighth.
    trimmed_sigma: f64,
    longer: f64,
    shorter: f64,
}

impl Bulk {
    /// # Errors
    /// Says why there is none: too few singular values, or a median that is zero or below what the
    /// arithmetic resolves.
    pub fn of(spectrum: &Spectrum) -> Result<Self, Reason> {
        let values = spectrum.singular_values();
        if values.len() < LEAST_SIDE {
            let count = values.len();
            return Err(Reason::new(format!(
                "{count} singular values, the law of noise needs {LEAST_SIDE}"
            )));
        }
        let median = num::median(values).unwrap_or(0.0);
        if median <= 0.0 || median <= spectrum.resolution() {
            return Err(Reason::new(
                "at least half of the singular values are zero or below what the arithmetic resolves",
            ));
        }
        let (rows, cols) = (spectrum.rows(), spectrum.cols());
        let (law, edge) = MarchenkoPastur::of_shape(rows, cols)
            .zip(Edge::of_shape(rows, cols))
            .ok_or_else(|| Reason::new("the matrix is too small"))?;
        let longer = rows.max(cols) as f64;
        Ok(Self {
            law,
            edge,
            sigma: median / (law.median() * longer).sqrt(),
            trimmed_sigma: trimmed_sigma(values, law, longer),
            longer,
            shorter: rows.min(cols) as f64,
        })
    }

    /// lambda+ = s^2 (sqrt N + sqrt M)^2.
    pub fn upper_edge(&self) -> f64 {
        (self.sigma * (self.longer.sqrt() + self.shorter.sqrt())).powi(2)
    }

    /// An eigenvalue in units of the Tracy-Widom law.
    pub fn standardised(&self, eigenvalue: f64) -> f64 {
        let variance = self.trimmed_sigma * self.trimmed_sigma;
        self.edge.standardised(eigenvalue / variance)
    }

    /// How many eigenvalues are beyond the Tracy-Widom value `z`.
    pub fn count_beyond(&self, spectrum: &Spectrum, z: f64) -> usize {
        let limit = self.trimmed_sigma * self.edge.eigenvalue_at(z).sqrt();
        spectrum
            .singular_values()
            .partition_point(|value| *value > limit)
    }

    pub fn noise_matrix(&self) -> NoiseMatrix {
        NoiseMatrix {
            longer: self.longer,
            shorter: self.shorter,
            std: self.sigma,
        }
    }

    /// Kolmogorov-Smirnov distance between the eigenvalues within the edge and the law; 1 where there
    /// are none.
    pub fn distance_to_law(&self, spectrum: &Spectrum) -> f64 {
        let limit = self.upper_edge().sqrt();
        let values = spectrum.singular_values();
        let inside = &values[values.partition_point(|value| *value > limit)..];
        let unit = self.sigma * self.longer.sqrt();
        let count = inside.len() as f64;
        if inside.is_empty() {
            return 1.0;
        }
        inside
            .iter()
            .enumerate()
            .fold(0.0, |largest, (rank, value)| {
                let expected = self.law.distribution((value / unit).powi(2));
                let above = (1.0 - rank as f64 / count - expected).abs();
                let below = (1.0 - (rank + 1) as f64 / count - expected).abs();
                num::max(largest, num::max(above, below))
            })
    }
}

/// Scale of the entries at which the law has the energy that the values below the largest eighth have.
fn trimmed_sigma(values: &[f64], law: MarchenkoPastur, longer: f64) -> f64 {
    let dropped = values.len() / 8;
    let count = values.len() as f64;
    let energy: f64 = values[dropped..].iter().map(|value| value * value).sum();
    let above = law.integral_above(1.0 - dropped as f64 / count, |y| y);
    // The mean of the law is 1.
    (energy / (longer * count * (1.0 - above))).sqrt()
}

/// Sets the metrics of this module.
pub(super) fn set(table: &mut MetricTable, spectrum: &Spectrum) {
    let (rows, cols) = (spectrum.rows(), spectrum.cols());
    let hill = MarchenkoPastur::of_shape(rows, cols).map_or_else(
        || Measured::not_applicable("the matrix has no entries"),
        |law| Measured::of(noise_hill(law)),
    );
    table.set(Metric::AlphaNoise, hill);
    match Bulk::of(spectrum) {
        Ok(bulk) => {
            let largest = spectrum.spectral_norm().powi(2);
            table.set(Metric::MpSigma, Measured::of(bulk.sigma));
            table.set(Metric::MpEdge, Measured::of(bulk.upper_edge()));
            table.set(
                Metric::MpSoftrank,
                Measured::of(bulk.upper_edge() / largest),
            );
            let spikes = bulk.count_beyond(spectrum, SPIKE_QUANTILE);
            table.set(Metric::SpikeCount, Measured::count(spikes));
        }
        Err(reason) => {
            for metric in [
                Metric::MpSigma,
                Metric::MpEdge,
                Metric::MpSoftrank,
                Metric::SpikeCount,
            ] {
                table.set(metric, Measured::NotApplicable(reason.clone()));
            }
        }
    }
}
