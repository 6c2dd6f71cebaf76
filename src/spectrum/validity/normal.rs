//! Tails of the normal law.

use std::f64::consts::{PI, SQRT_2};

/// From here on the continued fraction of Mills' ratio has converged after [`TERMS`] steps.
const FRACTION_FROM: f64 = 2.0;
const TERMS: usize = 200;
/// Below this the density is 0 in f64 terms of what is added to it.
const NEGLIGIBLE_BELOW: f64 = -9.0;

/// `phi(h) / (1 - Phi(h)) - h`: how far beyond `h` a standard normal value lies on average, given that it
/// lies beyond. Positive, falling, close to `1/h` for large h.
pub(super) fn mean_excess(h: f64) -> f64 {
    if h >= FRACTION_FROM {
        // phi / (1 - Phi) = h + 1 / (h + 2 / (h + 3 / ...)), from the innermost term out.
        let mut tail = 0.0;
        for term in (1..=TERMS).rev() {
            tail = term as f64 / (h + tail);
        }
        tail
    } else {
        density(h) / upper(h) - h
    }
}

/// `ln(1 - Phi(h))`.
pub(super) fn log_upper(h: f64) -> f64 {
    if h >= FRACTION_FROM {
        -0.5 * h * h - 0.5 * (2.0 * PI).ln() - (h + mean_excess(h)).ln()
    } else {
        upper(h).ln()
    }
}

/// Complementary error function of a number that is not negative.
pub(super) fn erfc(x: f64) -> f64 {
    (log_upper(x * SQRT_2) + 2.0_f64.ln()).exp()
}

fn density(h: f64) -> f64 {
    (-0.5 * h * h).exp() / (2.0 * PI).sqrt()
}

/// `1 - Phi(h)` for h below [`FRACTION_FROM`], by the series `phi sum h^(2k+1) / (2k+1)!!`.
fn upper(h: f64) -> f64 {
    if h < NEGLIGIBLE_BELOW {
        return 1.0;
    }
    let (mut term, mut sum) = (h, h);
    for step in 1..TERMS {
        term *= h * h / (2 * step + 1) as f64;
        sum += term;
    }
    0.5 - density(h) * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_agree_with_tables_on_both_sides_of_the_switch() {
        for (x, expected) in [
            (0.0, 1.0),
            (0.5, 0.479_500_122_186_953_5),
            (1.0, 0.157_299_207_050_285_13),
            (2.0, 4.677_734_981_047_266e-3),
            (5.0, 1.537_459_794_428_035e-12),
        ] {
            assert!(
                (erfc(x) / expected - 1.0).abs() <= 1e-10,
                "{x}: {}",
                erfc(x)
            );
        }
        let jump = mean_excess(FRACTION_FROM - 1e-12) - mean_excess(FRACTION_FROM);
        assert!(jump.abs() <= 1e-10, "{jump}");
        assert!((mean_excess(1e3) * 1e3 - 1.0).abs() <= 1e-5);
        assert!((mean_excess(-20.0) - 20.0).abs() <= 1e-12);
    }
}
