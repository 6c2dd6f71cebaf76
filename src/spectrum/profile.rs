//! What is kept of a spectrum for pictures: its largest eigenvalues one by one, the others at ranks
//! close enough for a histogram.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::singular::Spectrum;
use crate::num;

/// So many of the largest eigenvalues are kept one by one: the tail is where single ones matter.
const EACH: usize = 32;
/// Ranks beyond those grow by this factor.
const GROWTH: f64 = 1.1;
/// Steps of evenly spaced ranks over the whole spectrum, a multiple of those of a sparkline.
const EVEN_STEPS: usize = 60;
/// Points of [`Profile::evenly`].
const EVENLY: usize = 16;

/// log10 of the eigenvalues at some ranks, largest first; what is below the resolution of the
/// arithmetic is raised to it. Empty for a zero matrix.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Eigenvalues of the whole spectrum.
    count: usize,
    log10: Vec<f32>,
}

impl Profile {
    pub fn of(spectrum: &Spectrum) -> Self {
        if spectrum.spectral_norm() <= 0.0 {
            return Self::default();
        }
        let values = spectrum.singular_values();
        let floor = spectrum.resolution();
        Self::from_ranks(values.len(), |rank| {
            2.0 * num::max(values[rank], floor).log10()
        })
    }

    /// The profile of `count` eigenvalues whose logarithms by rank are `log10`.
    #[expect(clippy::cast_possible_truncation, reason = "for drawing")]
    pub fn from_ranks(count: usize, log10: impl Fn(usize) -> f64) -> Self {
        let values = ranks(count).into_iter().map(|rank| log10(rank) as f32);
        Self {
            count,
            log10: values.collect(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.log10.is_empty()
    }

    /// Eigenvalues of the whole spectrum.
    pub fn count(&self) -> usize {
        self.count
    }

    /// log10 of the largest eigenvalues, one by one, at most `limit`.
    pub fn largest(&self, limit: usize) -> &[f32] {
        let known = self.log10.len().min(EACH).min(limit);
        self.log10.get(..known).unwrap_or_default()
    }

    /// log10 at up to 16 evenly spaced ranks, largest first; for sparklines.
    pub fn evenly(&self) -> Vec<f32> {
        let ranks = ranks(self.count);
        let points = EVENLY.min(self.count);
        let at = |point: usize| {
            let rank = evenly_spaced(point, points.saturating_sub(1), self.count);
            let index = ranks.binary_search(&rank).unwrap_or_else(|next| next);
            self.log10.get(index).copied()
        };
        (0..points).filter_map(at).collect()
    }

    /// log10 of the eigenvalue below which the share `below` of them lies, and of the largest one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count is a count"
    )]
    pub fn range(&self, below: f64) -> Option<(f64, f64)> {
        let wanted = ((1.0 - below) * self.count as f64) as usize;
        let ranks = ranks(self.count);
        let index = ranks.partition_point(|rank| *rank < wanted);
        let low = self.log10.get(index).or(self.log10.last())?;
        Some((f64::from(*low), f64::from(*self.log10.first()?)))
    }

    /// How many eigenvalues lie in each of `bins` equal parts of `low..=high` (log10). Those at
    /// known ranks are counted where they are; those between two known ones are spread evenly.
    pub fn histogram(&self, low: f64, high: f64, bins: usize) -> Vec<f64> {
        let mut counts = vec![0.0; bins];
        let width = (high - low) / bins as f64;
        if self.is_empty() || bins == 0 || width.is_nan() || width <= 0.0 {
            return counts;
        }
        let ranks = ranks(self.count);
        let known = ranks.iter().zip(&self.log10);
        let mut last: Option<(usize, f64)> = None;
        for (rank, value) in known {
            let value = f64::from(*value);
            if let Some((before, upper)) = last
                && rank - before > 1
            {
                spread(
                    &mut counts,
                    (value, upper),
                    (rank - before - 1) as f64,
                    (low, width),
                );
            }
            add(&mut counts, (value - low) / width, 1.0);
            last = Some((*rank, value));
        }
        counts
    }
}

/// Adds `amount` eigenvalues at `position`, in bins; the upper end belongs to the last bin.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the position is checked to lie among the bins"
)]
fn add(counts: &mut [f64], position: f64, amount: f64) {
    let bins = counts.len() as f64;
    if (0.0..=bins).contains(&position) {
        let last = counts.len().saturating_sub(1);
        if let Some(count) = counts.get_mut((position as usize).min(last)) {
            *count += amount;
        }
    }
}

/// Spreads `amount` evenly over `from..to` (log10), as far as that lies among the bins.
fn spread(counts: &mut [f64], (from, to): (f64, f64), amount: f64, (low, width): (f64, f64)) {
    let (from, to) = ((from - low) / width, (to - low) / width);
    if to - from <= 1e-6 {
        add(counts, from, amount);
        return;
    }
    for (bin, count) in counts.iter_mut().enumerate() {
        let (left, right) = (bin as f64, (bin + 1) as f64);
        let shared = num::min(right, to) - num::max(left, from);
        if shared > 0.0 {
            *count += amount * shared / (to - from);
        }
    }
}

/// The ranks that a profile of `count` eigenvalues holds, in order.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank is below the count"
)]
fn ranks(count: usize) -> Vec<usize> {
    let mut ranks: BTreeSet<usize> = (0..count.min(EACH)).collect();
    let mut rank = EACH as f64;
    while rank < count as f64 {
        ranks.insert(rank as usize);
        rank *= GROWTH;
    }
    if count > 0 {
        ranks.extend((0..=EVEN_STEPS).map(|step| evenly_spaced(step, EVEN_STEPS, count)));
    }
    // The smallest ones fall off steeply.
    let mut from_the_end = 1;
    while from_the_end <= count {
        ranks.insert(count - from_the_end);
        from_the_end *= 2;
    }
    ranks.into_iter().collect()
}

/// Rank of point `point` of `steps` equal steps from the largest to the smallest.
fn evenly_spaced(point: usize, steps: usize, count: usize) -> usize {
    (point * count.saturating_sub(1))
        .checked_div(steps)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bulk and power-law tail, steep at the small end.
    fn logarithm(rank: usize, count: usize) -> f64 {
        let share = (rank as f64 + 0.5) / count as f64;
        -share.log10() * 0.8 + (1.0 - share).log10() * 1.5
    }

    #[test]
    fn the_ranks_are_few_and_hold_both_ends() {
        for count in [1, 2, 16, 40, 384, 4096, 100_000] {
            let ranks = ranks(count);
            assert!(ranks.len() <= 240, "{count}: {}", ranks.len());
            assert_eq!((ranks[0], *ranks.last().unwrap()), (0, count - 1));
        }
        assert!(ranks(0).is_empty());
        assert_eq!(ranks(40).len(), 40);
    }

    #[test]
    fn sparklines_get_the_evenly_spaced_ranks_exactly() {
        let profile = Profile::from_ranks(4096, |rank| rank as f64);
        let expected: Vec<f32> = (0_u16..16).map(|point| f32::from(point * 273)).collect();
        assert_eq!(profile.evenly(), expected);
        assert_eq!(Profile::from_ranks(1, |_| 2.0).evenly(), [2.0]);
        assert!(Profile::default().evenly().is_empty());
    }

    #[test]
    fn a_histogram_is_close_to_that_of_every_eigenvalue() {
        for count in [384_usize, 1024, 4096] {
            let profile = Profile::from_ranks(count, |rank| logarithm(rank, count));
            let (low, high) = profile.range(0.01).unwrap();
            let found = profile.histogram(low, high, 48);
            let mut exact = vec![0.0; 48];
            for rank in 0..count {
                add(
                    &mut exact,
                    (logarithm(rank, count) - low) / (high - low) * 48.0,
                    1.0,
                );
            }
            let total: f64 = found.iter().sum();
            assert!((total - exact.iter().sum::<f64>()).abs() <= 0.005 * count as f64);
            let worst = found
                .iter()
                .zip(&exact)
                .map(|(found, exact)| (found - exact).abs())
                .fold(0.0, num::max);
            assert!(worst <= 0.006 * count as f64, "{count}: {worst}");
        }
    }

    #[test]
    fn the_largest_are_counted_one_by_one() {
        let profile =
            Profile::from_ranks(1000, |rank| if rank < 3 { 5.0 - rank as f64 } else { 0.0 });
        assert_eq!(profile.largest(3), [5.0, 4.0, 3.0]);
        let bins = profile.histogram(2.5, 5.0, 5);
        assert_eq!(bins, [0.0, 1.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn equal_eigenvalues_fall_into_one_bin() {
        let profile = Profile::from_ranks(1000, |_| 1.0);
        assert_eq!(profile.histogram(0.0, 2.0, 4), [0.0, 0.0, 1000.0, 0.0]);
        assert_eq!(profile.histogram(1.0, 1.0, 4), [0.0; 4]);
    }
}
