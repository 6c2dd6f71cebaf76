//! WeightWatcher's power-law fit, with its small-sample branch.

/// Eigenvalues at or below this are ignored, whatever the scale of the matrix.
const THRESHOLD: f64 = 1e-5;
/// Fewer eigenvalues than this take the small-sample branch.
const SMALL_SAMPLE: usize = 20;
/// Shortest tail that the small-sample branch tries.
const SMALL_SAMPLE_TAIL: usize = 8;

pub(super) struct Fit {
    pub(super) alpha: f64,
    pub(super) distance: f64,
    pub(super) sigma: f64,
    pub(super) xmin: f64,
    pub(super) xmax: f64,
}

/// Fits ascending eigenvalues; `None` where WeightWatcher's fit fails.
pub(super) fn fit(eigenvalues: &[f64]) -> Option<Fit> {
    let start = eigenvalues.partition_point(|value| *value <= THRESHOLD);
    let sample = &eigenvalues[start..];
    let logarithms: Vec<f64> = sample.iter().map(|value| value.ln()).collect();
    if sample.is_empty() {
        None
    } else if sample.len() < SMALL_SAMPLE {
        Some(fit_small(sample, &logarithms))
    } else {
        Some(fit_standard(sample, &logarithms))
    }
}

/// Every eigenvalue but the last is tried as xmin; the first smallest distance wins.
fn fit_standard(sample: &[f64], logarithms: &[f64]) -> Fit {
    let candidates = (0..sample.len() - 1).map(|start| {
        let count = (sample.len() - start) as f64;
        (start, 1.0 + count / excess(&logarithms[start..]))
    });
    let (start, alpha, distance) = nearest(logarithms, candidates).unwrap_or((0, f64::NAN, 1.0));
    let count = sample.len() - start;
    Fit {
        alpha,
        distance,
        sigma: (alpha - 1.0) / (count as f64).sqrt(),
        xmin: sample[start],
        xmax: sample[sample.len() - 1],
    }
}

/// Bias-corrected exponents of tails of eight or more. Without one the whole sample is taken, and
/// sigma is that of an exponent of 0: negative.
fn fit_small(sample: &[f64], logarithms: &[f64]) -> Fit {
    let total = sample.len();
    let candidates = (0..total).filter_map(|start| {
        let count = total - start;
        let sum = excess(&logarithms[start..]);
        let usable = count >= SMALL_SAMPLE_TAIL && sum > 1e-12;
        usable.then(|| (start, 1.0 + (count as f64 - 1.0) / sum))
    });
    let (start, alpha, distance, sigma) =
        if let Some((start, alpha, distance)) = nearest(logarithms, candidates) {
            (
                start,
                alpha,
                distance,
                (alpha - 1.0) / ((total - start) as f64).sqrt(),
            )
        } else {
            let sum = excess(logarithms);
            let sigma = -1.0 / (total as f64).sqrt();
            if sum > 1e-12 {
                let alpha = 1.0 + (total as f64 - 1.0) / sum;
                let distance = distance(logarithms, alpha, f64::INFINITY).unwrap_or(1.0);
                (0, alpha, distance, sigma)
            } else {
                (0, 0.0, 1.0, sigma)
            }
        };
    Fit {
        alpha,
        distance,
        sigma,
        xmin: sample[start],
        xmax: sample[total - 1],
    }
}

fn nearest(
    logarithms: &[f64],
    candidates: impl Iterator<Item = (usize, f64)>,
) -> Option<(usize, f64, f64)> {
    let mut best = None;
    let mut least = f64::INFINITY;
    for (start, alpha) in candidates {
        if let Some(distance) = distance(&logarithms[start..], alpha, least) {
            least = distance;
            best = Some((start, alpha, distance));
        }
    }
    best
}

/// `sum ln x - n ln xmin`.
fn excess(logarithms: &[f64]) -> f64 {
    logarithms.iter().sum::<f64>() - logarithms.len() as f64 * logarithms[0]
}

/// One-sided distance: the law against the shares strictly below each eigenvalue; 1 where the
/// exponent is no density. `None` as soon as it reaches `bound`.
fn distance(logarithms: &[f64], alpha: f64, bound: f64) -> Option<f64> {
    if alpha.is_nan() || alpha <= 1.0 {
        return (bound > 1.0).then_some(1.0);
    }
    let n = logarithms.len() as f64;
    let mut largest = 0.0;
    for (rank, logarithm) in logarithms.iter().enumerate() {
        let ratio = logarithm - logarithms[0];
        // An infinite exponent leaves 1 at xmin itself, as a power of 1 does.
        let above = if ratio > 0.0 {
            ((1.0 - alpha) * ratio).exp()
        } else {
            1.0
        };
        let gap = (1.0 - above - rank as f64 / n).abs();
        if gap >= bound {
            return None;
        }
        if gap > largest {
            largest = gap;
        }
    }
    (largest < bound).then_some(largest)
}
