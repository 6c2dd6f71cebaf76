//! Abrupt changes of one series: differences of neighbouring steps that the others do not explain.
//!
//! A series that drifts, in a line or on a curve, is no news; one that moves between two checkpoints much
//! more than everywhere else is. So the differences d_i = x_i - x_(i-1) are searched for outliers, and one is a
//! mark where all three hold:
//!
//! 1. It is an outlier by the generalised extreme Studentised deviate test (Rosner, Technometrics 25, 1983):
//!    the most extreme difference is taken out again and again, up to a quarter of them, each time with
//!    R = max |d - mean| / s of those left, n of them, and its probability
//!    `n P(|t_(n-2)| >= R sqrt(n (n - 2) / ((n - 1)^2 - n R^2)))`; the outliers are all up to the last that
//!    stays below the level. At most 10 degrees of freedom are counted, since
//!    real differences have heavier tails than Gaussian ones.
//! 2. It is four times the median size of the two differences on each side: the steep part of
//!    a smooth curve is not abrupt.
//! 3. It is as large as the least change worth a mark, which the caller gives.
//!
//! A difference over a gap between steps that is much wider than those beside it ([`wide_gaps`]) is not
//! searched: a series that drifts evenly moves further there, and that is no news.
//!
//! The level of all series of a run together is [`LEVEL`], by Bonferroni. The rates of false marks on walks, on curves with
//! noise and on heavy-tailed walks, by simulation, are in docs/track.md. What is gradual over many
//! checkpoints is not marked; the phases are for that. With few checkpoints nothing can be told
//! from chance: from [`LEAST_DIFFERENCES`] on a series is searched.

use super::student;
use crate::num;

/// Probability that a run without any abrupt change has a mark.
pub const LEVEL: f64 = 0.01;
/// Fewer differences than this are not searched.
pub const LEAST_DIFFERENCES: usize = 7;
/// Degrees of freedom that are counted.
const MOST_FREEDOM: usize = 10;
/// How far beyond its neighbours a difference must be.
const LOCAL_RATIO: f64 = 4.0;
/// Differences on each side that count as neighbours.
const NEIGHBOURS: usize = 2;
/// How much wider than its neighbours a gap between steps may be.
const WIDE_RATIO: f64 = 2.0;

/// On which scale differences are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    Plain,
    /// log10, for what is positive and moves by factors; other values count as missing.
    Logarithm,
}

/// A mark between `step - 1` and `step`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    pub step: usize,
    /// Of a difference as extreme as this anywhere in the series.
    pub p_value: f64,
}

/// A difference of neighbouring steps that both have a value.
#[derive(Debug, Clone, Copy)]
struct Difference {
    step: usize,
    size: f64,
}

/// Indices of the steps whose gap to the step before is more than twice the median of up to two gaps on each
/// side, in numbers of steps and in their logarithms too: a run whose checkpoints are spaced evenly on
/// either has none.
pub fn wide_gaps(steps: &[f64]) -> Vec<usize> {
    let plain = gaps(steps, |step| step);
    let logarithms = gaps(steps, f64::log10);
    let is_wide = |gaps: &[f64], index: usize| {
        let beside: Vec<f64> = beside(gaps.len(), index)
            .map(|other| gaps[other])
            .filter(|gap| gap.is_finite())
            .collect();
        num::median(&beside).is_some_and(|median| gaps[index] > WIDE_RATIO * median)
    };
    (0..plain.len())
        .filter(|index| is_wide(&plain, *index) && is_wide(&logarithms, *index))
        .map(|index| index + 1)
        .collect()
}

fn gaps(steps: &[f64], on_scale: impl Fn(f64) -> f64) -> Vec<f64> {
    let pairs = steps.windows(2);
    pairs
        .map(|pair| on_scale(pair[1]) - on_scale(pair[0]))
        .collect()
}

/// Whether a series has enough neighbouring values; `unsearched` is what [`wide_gaps`] found.
pub fn is_searchable(values: &[Option<f64>], unsearched: &[usize]) -> bool {
    differences(values, unsearched, Scale::Plain).len() >= LEAST_DIFFERENCES
}

/// The abrupt changes of a series at this level, in order. `unsearched` holds the steps whose difference to the
/// one before is left out ([`wide_gaps`]); `least` is the smallest change that counts, in units of the scale.
pub fn abrupt(
    values: &[Option<f64>],
    unsearched: &[usize],
    scale: Scale,
    least: f64,
    level: f64,
) -> Vec<Change> {
    let differences = differences(values, unsearched, scale);
    if differences.len() < LEAST_DIFFERENCES {
        return Vec::new();
    }
    let mut changes: Vec<Change> = outliers(&differences, level)
        .into_iter()
        .filter(|(index, _)| {
            let size = differences[*index].size.abs();
            size >= least && size >= LOCAL_RATIO * local_size(&differences, *index)
        })
        .map(|(index, p_value)| Change {
            step: differences[index].step,
            p_value,
        })
        .collect();
    changes.sort_by_key(|change| change.step);
    changes
}

fn differences(values: &[Option<f64>], unsearched: &[usize], scale: Scale) -> Vec<Difference> {
    let on_scale = |value: &Option<f64>| {
        value
            .map(|value| match scale {
                Scale::Plain => value,
                Scale::Logarithm => value.log10(),
            })
            .filter(|value| value.is_finite())
    };
    let values: Vec<Option<f64>> = values.iter().map(on_scale).collect();
    let pairs = values.windows(2).enumerate();
    pairs
        .filter(|(index, _)| !unsearched.contains(&(index + 1)))
        .filter_map(|(index, pair)| {
            let (before, after) = (pair.first().copied()??, pair.get(1).copied()??);
            Some(Difference {
                step: index + 1,
                size: after - before,
            })
        })
        .collect()
}

/// Index and probability of each outlier.
fn outliers(differences: &[Difference], level: f64) -> Vec<(usize, f64)> {
    let mut left: Vec<usize> = (0..differences.len()).collect();
    let mut taken = Vec::new();
    let mut last = 0;
    for _ in 0..differences.len() / 4 {
        let Some((position, p_value)) = most_extreme(&left, differences) else {
            break;
        };
        taken.push((left.remove(position), p_value));
        if p_value <= level {
            last = taken.len();
        }
    }
    taken.truncate(last);
    // What hides behind larger ones is as sure as what gave it away.
    let mut least = 1.0;
    for (_, p_value) in taken.iter_mut().rev() {
        least = num::min(least, *p_value);
        *p_value = least;
    }
    taken
}

/// Position among those left, and probability, of the most extreme difference; `None` where all are equal.
fn most_extreme(left: &[usize], differences: &[Difference]) -> Option<(usize, f64)> {
    let count = left.len() as f64;
    if left.len() < LEAST_DIFFERENCES - 1 {
        return None;
    }
    let sizes: Vec<f64> = left.iter().map(|index| differences[*index].size).collect();
    let mean = num::mean(&sizes)?;
    let squares: f64 = sizes.iter().map(|size| (size - mean).powi(2)).sum();
    let deviation = (squares / (count - 1.0)).sqrt();
    let (position, distance) = sizes
        .iter()
        .map(|size| (size - mean).abs())
        .enumerate()
        .max_by(|(_, one), (_, other)| one.total_cmp(other))?;
    if deviation <= 0.0 {
        return None;
    }
    let extreme = distance / deviation;
    // 0 where all others are equal; rounding must not make it negative.
    let rest = num::max((count - 1.0).powi(2) - count * extreme * extreme, 0.0);
    let statistic = extreme * (count * (count - 2.0) / rest).sqrt();
    let freedom = (left.len() - 2).min(MOST_FREEDOM);
    let p_value = num::min(1.0, count * student::two_sided(statistic, freedom));
    Some((position, p_value))
}

/// Median size of up to two differences on each side.
fn local_size(differences: &[Difference], index: usize) -> f64 {
    let sizes: Vec<f64> = beside(differences.len(), index)
        .map(|other| differences[other].size.abs())
        .collect();
    num::median(&sizes).unwrap_or(f64::INFINITY)
}

/// Up to two indices on each side of one of `count`.
fn beside(count: usize, index: usize) -> impl Iterator<Item = usize> {
    let from = index.saturating_sub(NEIGHBOURS);
    let to = (index + NEIGHBOURS + 1).min(count);
    (from..to).filter(move |other| *other != index)
}

#[cfg(test)]
mod tests;
