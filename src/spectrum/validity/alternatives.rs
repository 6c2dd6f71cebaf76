//! Is the tail a power law, or something that bends? Likelihood ratios over one and the same tail.
//!
//! All laws are written for `u = ln(x / xmin)`, u >= 0, in which a power law is an exponential one with
//! rate alpha - 1; the change of variable cancels in ratios.

use serde::{Deserialize, Serialize};

use super::normal::{erfc, log_upper, mean_excess};
use crate::num;

/// Beyond this the truncated log-normal is the power law that it tends to.
const POWER_LAW_LIMIT: f64 = 1e3;
/// Points of the quadrature over u, even.
const PANELS: usize = 256;
const HALVINGS: usize = 50;
const SECTIONS: usize = 60;
/// Range of the exponential cut-off, per xmin, in natural logarithms.
const CUTOFF_RANGE: (f64, f64) = (-25.0, 6.0);
/// How far below the power law's exponent that of a truncated one is looked for.
const EXPONENT_RANGE: f64 = 30.0;

/// One alternative against the power law.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// Sum of the logarithms of power law over alternative: negative where the alternative fits better.
    pub log_ratio: f64,
    /// Probability of a ratio so far from 0 if both were equally near the truth; for independent draws.
    pub p: f64,
}

/// The three alternatives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Alternatives {
    /// `x^-a exp(-L x)`, L >= 0: holds the power law (L = 0), so the ratio is never positive and p is that
    /// of a chi-squared law with one degree of freedom.
    pub truncated: Ratio,
    /// Log-normal, given x >= xmin. Its limit is the power law, so the ratio is never positive.
    pub lognormal: Ratio,
    pub exponential: Ratio,
}

impl Alternatives {
    /// Of the tail (eigenvalues from xmin up, in any order, at least 3 of them and not all equal), under the
    /// power law's `alpha`. `None` where it is not such a tail.
    pub fn of(tail: &[f64], alpha: f64) -> Option<Self> {
        let smallest = tail.iter().copied().reduce(num::min)?;
        let excess: Vec<f64> = tail.iter().map(|x| (x / smallest).ln()).collect();
        let usable = tail.len() >= 3 && alpha.is_finite() && alpha > 1.0;
        let spread = excess.iter().copied().reduce(num::max)?;
        if !usable || !spread.is_finite() || spread <= 0.0 {
            return None;
        }
        let rate = alpha - 1.0;
        let power_law: Vec<f64> = excess.iter().map(|u| rate.ln() - rate * u).collect();
        Some(Self {
            truncated: truncated(&excess, &power_law, rate),
            lognormal: vuong(&power_law, &lognormal(&excess).unwrap_or(power_law.clone())),
            exponential: vuong(&power_law, &exponential(&excess)),
        })
    }
}

/// Vuong's test for laws that do not hold each other: `R = sum(l1 - l2)`,
/// `p = erfc(|R| / sqrt(2 n s^2))` with s the deviation of the differences. Source: Vuong 1989.
fn vuong(power_law: &[f64], alternative: &[f64]) -> Ratio {
    let differences: Vec<f64> = power_law
        .iter()
        .zip(alternative)
        .map(|(p, a)| p - a)
        .collect();
    let count = differences.len() as f64;
    let log_ratio: f64 = differences.iter().sum();
    let mean = log_ratio / count;
    let variance = differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / count;
    let p = if variance > 0.0 {
        erfc(log_ratio.abs() / (2.0 * count * variance).sqrt())
    } else {
        1.0
    };
    Ratio { log_ratio, p }
}

/// `l exp(-l (x - xmin))` for x, with the density of u.
fn exponential(excess: &[f64]) -> Vec<f64> {
    let beyond = |u: &f64| u.exp() - 1.0;
    let mean = excess.iter().map(beyond).sum::<f64>() / excess.len() as f64;
    excess
        .iter()
        .map(|u| -mean.ln() - beyond(u) / mean + u)
        .collect()
}

/// Normal law of u, given u >= 0. With `h = -mu / sigma` the ratio of the second moment to the squared
/// mean depends on h alone and rises from 1 to 2 (a power law), so the estimate is one bisection.
/// `None` where the data have a ratio of 2 or more: the best is the power law.
fn lognormal(excess: &[f64]) -> Option<Vec<f64>> {
    let count = excess.len() as f64;
    let mean = excess.iter().sum::<f64>() / count;
    let square = excess.iter().map(|u| u * u).sum::<f64>() / count;
    let wanted = square / (mean * mean);
    let ratio = |h: f64| {
        let d = mean_excess(h);
        (1.0 - h * d) / (d * d)
    };
    if wanted >= ratio(POWER_LAW_LIMIT) {
        return None;
    }
    let (mut low, mut high) = (-POWER_LAW_LIMIT, POWER_LAW_LIMIT);
    for _ in 0..2 * HALVINGS {
        let middle = f64::midpoint(low, high);
        if ratio(middle) < wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    let h = f64::midpoint(low, high);
    let sigma = mean / mean_excess(h);
    let constant = -(sigma * (2.0 * std::f64::consts::PI).sqrt()).ln() - log_upper(h);
    Some(
        excess
            .iter()
            .map(|u| constant - 0.5 * (u / sigma + h).powi(2))
            .collect(),
    )
}

/// The likelihood is concave in exponent and cut-off: for each cut-off the exponent is the one with
/// the data's mean of u, and the best cut-off is found by golden section.
fn truncated(excess: &[f64], power_law: &[f64], rate: f64) -> Ratio {
    let count = excess.len() as f64;
    let mean = excess.iter().sum::<f64>() / count;
    let mean_size = excess.iter().map(|u| u.exp()).sum::<f64>() / count;
    let likelihood = |log_cutoff: f64| {
        let cutoff = log_cutoff.exp();
        let slope = slope_with_mean(cutoff, mean, rate);
        let (log_mass, _) = mass_and_mean(cutoff, slope);
        count * (-slope * mean - cutoff * mean_size - log_mass)
    };
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = CUTOFF_RANGE;
    for _ in 0..SECTIONS {
        let (left, right) = (high - golden * (high - low), low + golden * (high - low));
        if likelihood(left) < likelihood(right) {
            low = left;
        } else {
            high = right;
        }
    }
    let gain = likelihood(f64::midpoint(low, high)) - power_law.iter().sum::<f64>();
    // No cut-off at all is among the truncated laws.
    let gain = num::max(gain, 0.0);
    Ratio {
        log_ratio: -gain,
        // The chi-squared law with one degree of freedom beyond 2 gain.
        p: erfc(gain.sqrt()),
    }
}

/// The slope s of the density `exp(-s u - L e^u)` at which its mean is `mean`; it falls as s rises.
fn slope_with_mean(cutoff: f64, mean: f64, rate: f64) -> f64 {
    let (mut low, mut high) = (rate - EXPONENT_RANGE * (1.0 + rate), rate);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if mass_and_mean(cutoff, middle).1 > mean {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// Logarithm of the integral of `exp(-s u - L e^u)` over u >= 0, and the mean of u under it.
fn mass_and_mean(cutoff: f64, slope: f64) -> (f64, f64) {
    let exponent = |u: f64| -slope * u - cutoff * u.exp();
    // The peak, and from it on to where the density has fallen by e^-40.
    let peak = if slope < 0.0 {
        num::max((-slope / cutoff).ln(), 0.0)
    } else {
        0.0
    };
    let top = exponent(peak);
    let (mut inside, mut end) = (peak, peak + 1.0);
    while top - exponent(end) < 40.0 && end < 1e6 {
        inside = end;
        end = peak + 2.0 * (end - peak);
    }
    for _ in 0..20 {
        let middle = f64::midpoint(inside, end);
        if top - exponent(middle) < 40.0 {
            inside = middle;
        } else {
            end = middle;
        }
    }
    let step = end / PANELS as f64;
    let (mut mass, mut moment) = (0.0, 0.0);
    for point in 0..=PANELS {
        let u = step * point as f64;
        let weight = match point {
            0 | PANELS => 1.0,
            odd if odd % 2 == 1 => 4.0,
            _ => 2.0,
        };
        let value = weight * (exponent(u) - top).exp();
        mass += value;
        moment += value * u;
    }
    ((mass * step / 3.0).ln() + top, moment / mass)
}
