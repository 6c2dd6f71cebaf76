//! How far from the centre of few good runs the next good run may lie.

use super::distribution::{
    chi_square_below, chi_square_quantile, normal_two_sided, normal_two_sided_quantile,
    student_two_sided, student_two_sided_quantile,
};
use super::roots::between;

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

    /// The larger of [`Self::prediction_factor`] for `error` and [`tolerance_factor`].
    pub fn covering_factor(self, runs: f64, error: f64, content: f64, confidence: f64) -> f64 {
        let prediction = self.prediction_factor(runs, error);
        // With many tests the prediction limit is far wider; the exact factor takes long.
        if HOWE * howe_factor(runs, self.df, content, confidence) <= prediction {
            return prediction;
        }
        let tolerance = tolerance_factor(runs, self.df, content, confidence);
        crate::num::max(prediction, tolerance)
    }

    /// Chance that one more run of the same kind is `distance` or farther from the mean of `runs`.
    pub fn prediction_p(self, distance: f64, runs: f64) -> f64 {
        student_two_sided(distance / (self.sd * (1.0 + 1.0 / runs).sqrt()), self.df)
    }
}

/// Steps of the numeric integral; the factors are good to six digits.
const STEPS: usize = 100;
/// The exact tolerance factor is at most so many times Howe's, and at least one over that.
const HOWE: f64 = 1.3;

/// Factor of a two-sided tolerance interval: with `confidence`, the centre of `runs` runs plus and
/// minus so many standard deviations holds a share of `content` of all good runs. `df` are those of
/// the standard deviation, `runs - 1` where nothing was pooled.
///
/// The exact condition of Wald and Wolfowitz (1946), integrated over the error of the centre.
pub fn tolerance_factor(runs: f64, df: f64, content: f64, confidence: f64) -> f64 {
    let howe = howe_factor(runs, df, content, confidence);
    let centres = centres(runs, content);
    rising_root(howe / HOWE, HOWE * howe, confidence, |factor| {
        let enough = |half: f64| 1.0 - chi_square_below(df * half * half / (factor * factor), df);
        centres
            .iter()
            .map(|(weight, half)| weight * enough(*half))
            .sum()
    })
}

/// The approximation of Howe (1969), within [`HOWE`] of the exact factor.
fn howe_factor(runs: f64, df: f64, content: f64, confidence: f64) -> f64 {
    normal_two_sided_quantile(1.0 - content)
        * (1.0 + 1.0 / runs).sqrt()
        * (df / chi_square_quantile(1.0 - confidence, df)).sqrt()
}

/// Where the centre of `runs` runs may lie, in true standard deviations from the true one: for each
/// place its weight, and the half width about it that holds `content` of a standard normal
/// distribution. The error is as likely on either side.
fn centres(runs: f64, content: f64) -> Vec<(f64, f64)> {
    let step = 8.0 / runs.sqrt() / STEPS as f64;
    let mut half = normal_two_sided_quantile(1.0 - content);
    (0..=STEPS)
        .map(|index| {
            let z = step * index as f64;
            // From one place to the next the width grows by no more than the way between them.
            let most = if index == 0 { half } else { half + step };
            half = rising_root(half, most, content, |half| {
                normal_below(z + half) - normal_below(z - half)
            });
            let density =
                (-0.5 * runs * z * z).exp() * (runs / (2.0 * std::f64::consts::PI)).sqrt();
            (2.0 * simpson_weight(index) * step / 3.0 * density, half)
        })
        .collect()
}

fn normal_below(x: f64) -> f64 {
    let tail = normal_two_sided(x) / 2.0;
    if x > 0.0 { 1.0 - tail } else { tail }
}

fn simpson_weight(index: usize) -> f64 {
    match index {
        0 | STEPS => 1.0,
        odd if odd % 2 == 1 => 4.0,
        _ => 2.0,
    }
}

/// Where a rising function reaches `level`, in a bracket; the nearer end where it does not.
fn rising_root(low: f64, high: f64, level: f64, function: impl Fn(f64) -> f64) -> f64 {
    let off = |place: f64| function(place) - level;
    let (at_low, at_high) = (off(low), off(high));
    if at_low >= 0.0 || low >= high {
        return low;
    }
    if at_high <= 0.0 {
        return high;
    }
    between((low, at_low), (high, at_high), off)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(value: f64, expected: f64) {
        let err = (value - expected).abs();
        assert!(err <= 0.006, "{value} is not {expected}");
    }

    /// Odeh and Owen (1980), two-sided, 95 / 95 and 99 / 95.
    #[test]
    fn tolerance_factors_agree_with_published_tables() {
        let runs = [5.0, 7.0, 10.0, 20.0, 30.0];
        let wide = [5.077, 4.020, 3.393, 2.760, 2.555];
        let wider = [6.598, 5.241, 4.437, 3.621, 3.355];
        for (index, n) in runs.into_iter().enumerate() {
            close(tolerance_factor(n, n - 1.0, 0.95, 0.95), wide[index]);
            close(tolerance_factor(n, n - 1.0, 0.99, 0.95), wider[index]);
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
    /// The ends of the bracket, and so what is left out without computing it.
    #[test]
    fn the_exact_factor_is_near_that_of_howe() {
        for runs in [2.0, 3.0, 5.0, 10.0, 30.0] {
            for df in [1.0, 2.0, 5.0, 8.0, 33.0, 300.0, 3000.0] {
                for content in [0.95, 0.99] {
                    let howe = howe_factor(runs, df, content, 0.95);
                    let ratio = tolerance_factor(runs, df, content, 0.95) / howe;
                    let room = 1.01;
                    assert!(
                        ratio * room <= HOWE && room / ratio <= HOWE,
                        "{runs} {df} {ratio}"
                    );
                }
            }
        }
    }
}
