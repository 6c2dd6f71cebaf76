//! Which of the 5+1 phases of Martin and Mahoney (JMLR 22, 2021) a spectrum is in. The names are
//! theirs and descriptive; the criteria are this program's, since theirs are pictures.

use serde::{Deserialize, Serialize};

use std::fmt;

use super::estimator::Estimator;
use super::metric::{Metric, MetricTable};
use super::noise::{Bulk, SPIKE_QUANTILE};
use super::singular::Spectrum;

/// Share of the singular values lost to rounding from which the mass at zero is a phase.
const COLLAPSED_SHARE: f64 = 0.1;
/// A bulk further from the Marchenko-Pastur law than this is no bulk of noise. A finite matrix of 100
/// is within 0.03, one of 4096 within 0.001.
const LARGEST_BULK_DISTANCE: f64 = 0.10;
/// Up to this multiple of the edge, eigenvalues leak out of the bulk and are not separate from it.
const BLEEDING_UP_TO: f64 = 1.3;
/// More spikes than this share of the singular values are a tail.
const LARGEST_SPIKE_SHARE: f64 = 0.1;
/// Exponents that part the heavy-tailed phases.
const VERY_HEAVY_BELOW: f64 = 2.0;
const HEAVY_UP_TO: f64 = 4.0;

/// From the least to the most trained, and the one apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    RandomLike,
    BleedingOut,
    BulkAndSpikes,
    BulkDecay,
    HeavyTailed,
    VeryHeavyTailed,
    RankCollapse,
}

impl Phase {
    pub const ALL: [Self; 7] = [
        Self::RandomLike,
        Self::BleedingOut,
        Self::BulkAndSpikes,
        Self::BulkDecay,
        Self::HeavyTailed,
        Self::VeryHeavyTailed,
        Self::RankCollapse,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::RandomLike => "random-like",
            Self::BleedingOut => "bleeding-out",
            Self::BulkAndSpikes => "bulk+spikes",
            Self::BulkDecay => "bulk-decay",
            Self::HeavyTailed => "heavy-tailed",
            Self::VeryHeavyTailed => "very-heavy-tailed",
            Self::RankCollapse => "rank-collapse",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The phase, from the spectrum and the metrics made from it; the first that holds of:
///
/// 1. `rank-collapse`: `rank_loss` is 10 % of the singular values or more.
/// 2. `random-like`: the bulk follows the Marchenko-Pastur law (KS distance up to 0.10) and no
///    eigenvalue is beyond its edge (`spike_count` 0).
/// 3. `bleeding-out`, `bulk+spikes`: such a bulk, no power law, and up to 10 % of the eigenvalues
///    beyond the edge: all within 1.3 times the edge, or not.
/// 4. `very-heavy-tailed` (alpha below 2), `heavy-tailed` (2 to 4), `bulk-decay` (above 4): a power law
///    that holds.
///
/// `None` for fewer eigenvalues than a power law needs, a zero matrix, and a spectrum that is none of these.
pub(super) fn phase(
    table: &MetricTable,
    spectrum: &Spectrum,
    estimator: &Estimator,
) -> Option<Phase> {
    let count = spectrum.singular_values().len();
    if count < estimator.min_eigenvalues || spectrum.spectral_norm() <= 0.0 {
        return None;
    }
    let lost = table.value(Metric::RankLoss);
    if lost.is_some_and(|lost| lost >= COLLAPSED_SHARE * count as f64) {
        return Some(Phase::RankCollapse);
    }
    let alpha = table.value(Metric::Alpha);
    if let Some(phase) = of_bulk(spectrum, alpha.is_some()) {
        return Some(phase);
    }
    let alpha = alpha?;
    Some(if alpha < VERY_HEAVY_BELOW {
        Phase::VeryHeavyTailed
    } else if alpha <= HEAVY_UP_TO {
        Phase::HeavyTailed
    } else {
        Phase::BulkDecay
    })
}

/// The phases with a bulk of noise.
fn of_bulk(spectrum: &Spectrum, power_law: bool) -> Option<Phase> {
    let bulk = Bulk::of(spectrum).ok()?;
    if bulk.distance_to_law(spectrum) > LARGEST_BULK_DISTANCE {
        return None;
    }
    let spikes = bulk.count_beyond(spectrum, SPIKE_QUANTILE);
    if spikes == 0 {
        return Some(Phase::RandomLike);
    }
    let largest_count = LARGEST_SPIKE_SHARE * spectrum.singular_values().len() as f64;
    if power_law || spikes as f64 > largest_count {
        return None;
    }
    let largest = spectrum.spectral_norm().powi(2);
    Some(if largest <= BLEEDING_UP_TO * bulk.upper_edge() {
        Phase::BleedingOut
    } else {
        Phase::BulkAndSpikes
    })
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::spectrum::tests::{Random, pareto_quantiles, with_singular_values};
    use crate::spectrum::{Matrix, measure};

    fn phase_of(matrix: Array2<f64>) -> Option<Phase> {
        let (_, metrics) = measure(&Matrix::F64(matrix), 1.66e-3, &Estimator::default()).unwrap();
        metrics.phase
    }

    fn noise_with(count: usize, strength: f64) -> Array2<f64> {
        let mut matrix = Random::new(5).matrix(400, 200);
        for index in 0..count {
            // Directions along axes, each with a strength of its own.
            matrix[[index, index]] += strength * (1.0 + 0.1 * index as f64);
        }
        matrix
    }

    fn pareto(alpha: f64) -> Array2<f64> {
        let values: Vec<f64> = pareto_quantiles(200, alpha)
            .into_iter()
            .map(f64::sqrt)
            .collect();
        with_singular_values(240, 200, &values, 2)
    }

    #[test]
    fn noise_is_random_like_at_any_shape_and_scale() {
        for (rows, cols) in [(150, 150), (120, 480)] {
            let matrix = Random::new(9).matrix(rows, cols) * 1e-3;
            assert_eq!(phase_of(matrix), Some(Phase::RandomLike), "{rows} x {cols}");
        }
    }

    #[test]
    fn directions_beyond_the_edge_bleed_out_or_stand_apart() {
        assert_eq!(phase_of(noise_with(1, 25.0)), Some(Phase::BleedingOut));
        assert_eq!(phase_of(noise_with(4, 80.0)), Some(Phase::BulkAndSpikes));
    }

    #[test]
    fn a_power_law_is_named_by_its_exponent() {
        assert_eq!(phase_of(pareto(1.6)), Some(Phase::VeryHeavyTailed));
        assert_eq!(phase_of(pareto(3.0)), Some(Phase::HeavyTailed));
        assert_eq!(phase_of(pareto(5.0)), Some(Phase::BulkDecay));
    }

    #[test]
    fn a_lost_tenth_of_the_rank_is_a_collapse() {
        let mut values = vec![1.0; 180];
        values.resize(200, 0.0);
        let matrix = with_singular_values(240, 200, &values, 4);
        assert_eq!(phase_of(matrix), Some(Phase::RankCollapse));
    }

    #[test]
    fn what_is_none_of_them_has_no_phase() {
        assert_eq!(phase_of(Array2::zeros((200, 200))), None);
        assert_eq!(phase_of(Array2::eye(200)), None);
        assert_eq!(phase_of(Random::new(1).matrix(60, 90)), None);
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = Phase::ALL.map(Phase::as_str).into();
        assert_eq!(names.len(), Phase::ALL.len());
    }
}
