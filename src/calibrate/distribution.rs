//! Probabilities and quantiles of the normal, Student's t and the chi-square distribution, and the
//! two derivatives of the log-gamma function that the fit of a prior needs.
//!
//! Upper tails are computed as such and never as one minus the rest, so that a p-value of 1e-12 has
//! its digits.

use super::roots::between;
use crate::num;

/// Terms of a series or continued fraction; far more than any argument here needs.
const TERMS: usize = 500;
/// Halvings of a bracket: from any start to the last bit.
const HALVINGS: usize = 200;

/// Chance that a standard normal value is farther from zero than `z`, on either side.
pub fn normal_two_sided(z: f64) -> f64 {
    libm::erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// The `z` that a standard normal value passes, on either side, with chance `error` in (0, 1).
pub fn normal_two_sided_quantile(error: f64) -> f64 {
    falling_root(error, normal_two_sided)
}

/// Chance that Student's t with `df` degrees of freedom is farther from zero than `t`, on either
/// side. An infinite `df` is the normal distribution. NaN for NaN.
///
/// `I_x(df / 2, 1 / 2)` with `x = df / (df + t^2)` (Abramowitz and Stegun 1964, 26.7.1).
pub fn student_two_sided(t: f64, df: f64) -> f64 {
    if df.is_infinite() {
        return normal_two_sided(t);
    }
    if t.is_infinite() {
        return 0.0;
    }
    let square = t * t;
    incomplete_beta(df / 2.0, 0.5, df / (df + square), square / (df + square))
}

/// The `t` that Student's t passes, on either side, with chance `error` in (0, 1).
pub fn student_two_sided_quantile(error: f64, df: f64) -> f64 {
    falling_root(error, |t| student_two_sided(t, df))
}

/// Chance that chi-square with `df` degrees of freedom is at most `x`.
pub fn chi_square_below(x: f64, df: f64) -> f64 {
    incomplete_gamma(df / 2.0, x / 2.0)
}

/// The value that chi-square with `df` degrees of freedom stays below with chance `share`.
pub fn chi_square_quantile(share: f64, df: f64) -> f64 {
    falling_root(1.0 - share, |x| 1.0 - chi_square_below(x, df))
}

/// Where a function that falls from one at zero to zero at infinity reaches `level`.
fn falling_root(level: f64, function: impl Fn(f64) -> f64) -> f64 {
    if level.is_nan() || level <= 0.0 {
        return if level.is_nan() {
            f64::NAN
        } else {
            f64::INFINITY
        };
    }
    if level >= 1.0 {
        return 0.0;
    }
    // Logarithms, for the tails fall by orders of magnitude.
    let off = |place: f64| function(place).ln() - level.ln();
    let mut low = (0.0, -level.ln());
    let mut high = (1.0, off(1.0));
    while high.1 > 0.0 {
        low = high;
        high = (2.0 * high.0, off(2.0 * high.0));
        if high.0 > 1e300 {
            return f64::INFINITY;
        }
    }
    between(low, high, off)
}

/// Regularised incomplete beta function `I_x(a, b)`; `y` is `1 - x`, given apart to keep its digits.
fn incomplete_beta(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x.is_nan() || y.is_nan() {
        return f64::NAN;
    }
    if x <= 0.0 {
        return 0.0;
    }
    if y <= 0.0 {
        return 1.0;
    }
    let log_front =
        libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * x.ln() + b * y.ln();
    let front = log_front.exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(a, b, x) / a
    } else {
        1.0 - front * beta_fraction(b, a, y) / b
    }
}

/// The continued fraction of the incomplete beta function (Abramowitz and Stegun 1964, 26.5.8), by
/// the method of Lentz.
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut result = d;
    for term in 1..=TERMS {
        let m = term as f64;
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut factor = 1.0;
        for numerator in [even, odd] {
            d = 1.0 / away_from_zero(1.0 + numerator * d);
            c = away_from_zero(1.0 + numerator / c);
            factor = d * c;
            result *= factor;
        }
        if (factor - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    result
}

fn away_from_zero(value: f64) -> f64 {
    if value.abs() < 1e-300 { 1e-300 } else { value }
}

/// Regularised lower incomplete gamma function `P(a, x)`: the series below `a + 1`, above it one
/// minus the continued fraction (Abramowitz and Stegun 1964, 6.5.29 and 6.5.31).
fn incomplete_gamma(a: f64, x: f64) -> f64 {
    if x.is_nan() || a.is_nan() {
        return f64::NAN;
    }
    if x <= 0.0 {
        return 0.0;
    }
    let front = (a * x.ln() - x - libm::lgamma(a)).exp();
    if x < a + 1.0 {
        let mut term = 1.0 / a;
        let mut sum = term;
        for index in 1..=TERMS {
            term *= x / (a + index as f64);
            sum += term;
            if term < sum * f64::EPSILON {
                break;
            }
        }
        front * sum
    } else {
        1.0 - front * gamma_fraction(a, x)
    }
}

fn gamma_fraction(a: f64, x: f64) -> f64 {
    let mut b = x + 1.0 - a;
    let mut c = 1e300;
    let mut d = 1.0 / away_from_zero(b);
    let mut result = d;
    for index in 1..=TERMS {
        let i = index as f64;
        let numerator = -i * (i - a);
        b += 2.0;
        d = 1.0 / away_from_zero(numerator * d + b);
        c = away_from_zero(b + numerator / c);
        result *= d * c;
        if (d * c - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    result
}

/// First derivative of the log-gamma function at `x > 0`.
pub fn digamma(x: f64) -> f64 {
    let mut x = x;
    let mut shift = 0.0;
    while x < 12.0 {
        shift -= 1.0 / x;
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let tail = inverse
        * (1.0 / 12.0 - inverse * (1.0 / 120.0 - inverse * (1.0 / 252.0 - inverse / 240.0)));
    shift + x.ln() - 0.5 / x - tail
}

/// Second derivative of the log-gamma function at `x > 0`.
pub fn trigamma(x: f64) -> f64 {
    let mut x = x;
    let mut shift = 0.0;
    while x < 12.0 {
        shift += 1.0 / (x * x);
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let tail =
        inverse * (1.0 / 6.0 - inverse * (1.0 / 30.0 - inverse * (1.0 / 42.0 - inverse / 30.0)));
    shift + (1.0 + tail) / x + 0.5 * inverse
}

/// Fourth derivative of the log-gamma function at `x > 0`: the fourth cumulant of the logarithm of a
/// gamma variable.
pub fn pentagamma(x: f64) -> f64 {
    let mut x = x;
    let mut shift = 0.0;
    while x < 12.0 {
        shift += 6.0 / x.powi(4);
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    shift + (2.0 + 3.0 / x + inverse * (2.0 - inverse * (1.0 - inverse * 4.0 / 3.0))) / (x * x * x)
}

/// The `x > 0` whose trigamma is `value`; infinite for `value` at or below zero.
pub fn trigamma_inverse(value: f64) -> f64 {
    if value <= 0.0 {
        return f64::INFINITY;
    }
    // The trigamma function falls and lies between 1/x and 1/x + 1/x^2.
    let mut low = 1.0 / value * 0.5;
    let mut high = num::max(2.0 / value, 2.0 / value.sqrt());
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if trigamma(middle) > value {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(value: f64, expected: f64, tolerance: f64) {
        let err = (value - expected).abs();
        assert!(err <= tolerance, "{value} is not {expected}");
    }

    /// Tables of Abramowitz and Stegun (26.10) and of the NIST handbook.
    #[test]
    fn quantiles_agree_with_printed_tables() {
        close(student_two_sided_quantile(0.01, 1.0), 63.657, 5e-4);
        close(student_two_sided_quantile(0.001, 5.0), 6.869, 5e-4);
        close(student_two_sided_quantile(0.05, 30.0), 2.042, 5e-4);
        close(student_two_sided_quantile(0.0027, 4.0), 6.620, 5e-3);
        close(normal_two_sided_quantile(0.05), 1.959_963_985, 1e-8);
        close(normal_two_sided_quantile(0.0027), 2.999_977, 1e-5);
        close(chi_square_quantile(0.05, 4.0), 0.711, 5e-4);
        close(chi_square_quantile(0.95, 10.0), 18.307, 5e-4);
        close(chi_square_quantile(0.01, 29.0), 14.256, 5e-4);
    }

    /// With one degree of freedom the tail is `1 - 2 atan(t) / pi`, with two `1 - t / sqrt(2 + t^2)`.
    #[test]
    fn far_tails_keep_their_digits() {
        for t in [0.1, 1.0, 30.0, 1e6] {
            let cauchy = 2.0 * (1.0f64 / t).atan() / std::f64::consts::PI;
            let value = student_two_sided(t, 1.0);
            assert!((value / cauchy - 1.0).abs() <= 1e-10, "{t}: {value}");
        }
        let two = student_two_sided(1e5, 2.0);
        assert!((two / 1e-10 - 1.0).abs() <= 1e-8, "{two}");
        let normal = student_two_sided(8.0, f64::INFINITY);
        assert!((normal / 1.244_192_114_854_357e-15 - 1.0).abs() <= 1e-9);
    }

    #[test]
    fn a_quantile_and_its_probability_undo_each_other() {
        for df in [1.5, 3.0, 7.3, 40.0, 5000.0] {
            for error in [0.5, 0.05, 1e-4, 1e-8] {
                let t = student_two_sided_quantile(error, df);
                assert!((student_two_sided(t, df) / error - 1.0).abs() <= 1e-9);
            }
        }
    }

    #[test]
    fn nan_stays_nan() {
        assert!(student_two_sided(f64::NAN, 4.0).is_nan());
        assert!(student_two_sided_quantile(f64::NAN, 4.0).is_nan());
        assert!(chi_square_below(f64::NAN, 4.0).is_nan());
    }

    #[test]
    fn derivatives_of_the_log_gamma_function_at_known_places() {
        let euler = 0.577_215_664_901_532_9;
        close(digamma(1.0), -euler, 1e-12);
        close(digamma(0.5), -euler - 2.0 * 2f64.ln(), 1e-12);
        let pi = std::f64::consts::PI;
        close(trigamma(1.0), pi * pi / 6.0, 1e-12);
        close(trigamma(0.5), pi * pi / 2.0, 1e-12);
        close(pentagamma(1.0), pi.powi(4) / 15.0, 1e-10);
        close(pentagamma(0.5), pi.powi(4), 1e-9);
        for x in [0.05, 0.5, 3.0, 400.0] {
            let back = trigamma_inverse(trigamma(x));
            assert!((back / x - 1.0).abs() <= 1e-9, "{x}: {back}");
        }
        assert!(trigamma_inverse(0.0).is_infinite());
    }
}
