//! How far from the centre of few good runs the next good run may lie.

use super::distribution::{
    chi_square_below, chi_square_quantile, normal_two_sided, normal_two_sided_quantile,
    student_two_sided, student_two_sided_quantile,
};

/// A standard deviation and how well it is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub sd: f64,
    pub df: f64,
}

impl Spread {
    /// At least `floor`: numerical jitter, or a share of the centre's size. Without it exact
    /// repetitions make any difference infinitely surprising.
    #[must_use]
    pub fn at_least(self, floor: f64) -> Self {
        Self {
            sd: crate::num::max(self.sd, floor),
            ..self
        }
    }

    /// Both scatters together; degrees of freedom after Satterthwaite (1946).
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let (one, two) = (self.sd * self.sd, other.sd * other.sd);
        let sum = one + two;
        let df = if sum > 0.0 {
            sum * sum / (one * one / self.df + two * two / other.df)
        } else {
            crate::num::min(self.df, other.df)
        };
        Self { sd: sum.sqrt(), df }
    }

    /// Factor of the standard deviation within which one more run lies, but for a chance of `error`
    /// on both sides together: `t sqrt(1 + 1/runs)`.
    pub fn prediction_factor(self, runs: f64, error: f64) -> f64 {
        student_two_sided_quantile(error, self.df) * (1.0 + 1.0 / runs).sqrt()
    }

    /// Chance that one more run of the same kind is `distance` or farther from the mean of `runs`.
    pub fn prediction_p(self, distance: f64, runs: f64) -> f64 {
        student_two_sided(distance / (self.sd * (1.0 + 1.0 / runs).sqrt()), self.df)
    }
}

/// Steps of the numeric integrals; the factors are good to five digits.
const STEPS: usize = 400;

/// Factor of a two-sided tolerance interval: with `confidence`, the centre of `runs` runs plus and
/// minus so many standard deviations holds a share of `content` of all good runs. `df` are those of
/// the standard deviation, `runs - 1` where nothing was pooled.
///
/// The exact condition of Wald and Wolfowitz (1946), integrated over the error of the centre.
pub fn tolerance_factor(runs: f64, df: f64, content: f64, confidence: f64) -> f64 {
    // Howe (1969) is good to a percent, which makes a bracket for the exact value.
    let howe = normal_two_sided_quantile(1.0 - content)
        * (1.0 + 1.0 / runs).sqrt()
        * (df / chi_square_quantile(1.0 - confidence, df)).sqrt();
    rising_root(0.5 * howe, 2.0 * howe, confidence, |factor| {
        two_sided_confidence(factor, runs, df, content)
    })
}

fn two_sided_confidence(factor: f64, runs: f64, df: f64, content: f64) -> f64 {
    let width = 8.0 / runs.sqrt();
    let density =
        |z: f64| (-0.5 * runs * z * z).exp() * (runs / (2.0 * std::f64::consts::PI)).sqrt();
    // The centre's error is as likely on either side.
    2.0 * simpson(0.0, width, |z| {
        let half = covering_half_width(z, content);
        let enough = 1.0 - chi_square_below(df * half * half / (factor * factor), df);
        density(z) * enough
    })
}

/// Half width about `z` that holds `content` of a standard normal distribution.
fn covering_half_width(z: f64, content: f64) -> f64 {
    let below = |x: f64| {
        let tail = normal_two_sided(x) / 2.0;
        if x > 0.0 { 1.0 - tail } else { tail }
    };
    rising_root(0.0, 12.0 + z, content, |half| {
        below(z + half) - below(z - half)
    })
}

/// Factor of a one-sided tolerance limit: the quantile `confidence` of the non-central t distribution
/// with non-centrality `z(content) sqrt(runs)`, over `sqrt(runs)` (Owen 1968), integrated over the
/// standard deviation.
pub fn one_sided_tolerance_factor(runs: f64, df: f64, content: f64, confidence: f64) -> f64 {
    let z = normal_two_sided_quantile(2.0 * (1.0 - content));
    let below = |x: f64| {
        let tail = normal_two_sided(x) / 2.0;
        if x > 0.0 { 1.0 - tail } else { tail }
    };
    // Density of the standard deviation over the true one: chi over sqrt(df).
    let log_norm = (1.0 - df / 2.0) * 2f64.ln() - libm::lgamma(df / 2.0) + 0.5 * df.ln();
    let density = |s: f64| {
        let chi = s * df.sqrt();
        (log_norm + (df - 1.0) * chi.ln() - chi * chi / 2.0).exp()
    };
    let far = 1.0 + 12.0 / (2.0 * df).sqrt();
    rising_root(0.0, 1000.0, confidence, |factor| {
        simpson(1e-9, far, |s| {
            density(s) * below(runs.sqrt() * (factor * s - z))
        })
    })
}

fn simpson(from: f64, to: f64, function: impl Fn(f64) -> f64) -> f64 {
    let step = (to - from) / STEPS as f64;
    let sum: f64 = (0..=STEPS)
        .map(|index| {
            let weight = match index {
                0 | STEPS => 1.0,
                odd if odd % 2 == 1 => 4.0,
                _ => 2.0,
            };
            weight * function(from + step * index as f64)
        })
        .sum();
    sum * step / 3.0
}

/// Where a rising function reaches `level`, in a bracket.
fn rising_root(low: f64, high: f64, level: f64, function: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (low, high);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if function(middle) < level {
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

    fn close(value: f64, expected: f64) {
        let err = (value - expected).abs();
        assert!(err <= 0.006, "{value} is not {expected}");
    }

    /// Odeh and Owen (1980), two-sided 95 / 95 and 99 / 95, and one-sided 99 / 95.
    #[test]
    fn tolerance_factors_agree_with_published_tables() {
        let runs = [5.0, 7.0, 10.0, 20.0, 30.0];
        let wide = [5.077, 4.020, 3.393, 2.760, 2.555];
        let wider = [6.598, 5.241, 4.437, 3.621, 3.355];
        let one_sided = [5.741, 4.642, 3.981, 3.295, 3.064];
        for (index, n) in runs.into_iter().enumerate() {
            close(tolerance_factor(n, n - 1.0, 0.95, 0.95), wide[index]);
            close(tolerance_factor(n, n - 1.0, 0.99, 0.95), wider[index]);
            close(
                one_sided_tolerance_factor(n, n - 1.0, 0.99, 0.95),
                one_sided[index],
            );
        }
    }

    /// The prediction multiplier for 99.73 % of one more run.
    #[test]
    fn few_runs_are_given_more_room_than_three_sigma() {
        for (n, expected) in [
            (5.0, 7.25),
            (7.0, 5.24),
            (10.0, 4.29),
            (20.0, 3.53),
            (30.0, 3.34),
        ] {
            let spread = Spread {
                sd: 1.0,
                df: n - 1.0,
            };
            close(spread.prediction_factor(n, 0.0027), expected);
        }
    }

    #[test]
    fn the_factor_is_where_the_chance_is_the_error() {
        let spread = Spread { sd: 0.04, df: 5.0 };
        let distance = spread.prediction_factor(2.0, 0.001) * spread.sd;
        assert!((spread.prediction_p(distance, 2.0) / 0.001 - 1.0).abs() <= 1e-9);
        assert!(spread.prediction_p(f64::NAN, 2.0).is_nan());
    }

    #[test]
    fn two_scatters_add_and_the_larger_rules_the_degrees_of_freedom() {
        let large = Spread { sd: 3.0, df: 5.0 };
        let small = Spread {
            sd: 0.04,
            df: 100.0,
        };
        let both = large.with(small);
        assert!((both.sd - 3.0).abs() <= 0.001 && (both.df - 5.0).abs() <= 0.01);
        let equal = large.with(large);
        assert!((equal.df - 10.0).abs() <= 1e-9);
    }
}
