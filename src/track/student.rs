//! The tail of Student's t for a whole number of degrees of freedom.

use std::f64::consts::FRAC_2_PI;

/// Probability that |t| with `freedom` degrees of freedom is at least |`statistic`|, by the finite series of
/// Abramowitz and Stegun 26.7.3 and 26.7.4; its absolute error is about 1e-15, so smaller probabilities
/// are 0. Needs `freedom` of 1 or more.
pub(super) fn two_sided(statistic: f64, freedom: usize) -> f64 {
    let angle = (statistic.abs() / (freedom as f64).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let squared = cosine * cosine;
    let within = if freedom.is_multiple_of(2) {
        let mut term = 1.0;
        let mut sum = 1.0;
        for even in (2..freedom).step_by(2) {
            term *= squared * (even as f64 - 1.0) / even as f64;
            sum += term;
        }
        sine * sum
    } else {
        let mut term = cosine;
        let mut sum = if freedom > 1 { cosine } else { 0.0 };
        for odd in (3..freedom).step_by(2) {
            term *= squared * (odd as f64 - 1.0) / odd as f64;
            sum += term;
        }
        FRAC_2_PI * (angle + sine * sum)
    };
    (1.0 - within).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_tables_have_their_probabilities() {
        // Two-sided quantiles of 5 %, 1 % and 0.1 %.
        for (freedom, quantiles) in [
            (1, [12.706, 63.657, 636.619]),
            (2, [4.303, 9.925, 31.599]),
            (3, [3.182, 5.841, 12.924]),
            (6, [2.447, 3.707, 5.959]),
            (9, [2.262, 3.250, 4.781]),
            (10, [2.228, 3.169, 4.587]),
        ] {
            for (quantile, expected) in quantiles.into_iter().zip([0.05, 0.01, 0.001]) {
                let found = two_sided(quantile, freedom);
                assert!(
                    (found - expected).abs() <= 1e-3 * expected,
                    "{freedom}: {found}"
                );
                assert!((two_sided(-quantile, freedom) - found).abs() <= 0.0);
            }
        }
        assert!((two_sided(0.0, 7) - 1.0).abs() <= 0.0);
        assert!(two_sided(f64::INFINITY, 7) <= 0.0);
    }
}
