//! Control charts over runs. A single run is held against prediction limits ([`super::limits`]); the
//! exponentially weighted mean here sees a creep of less than that.

use super::distribution::student_two_sided_quantile;
use super::limits::Spread;

/// Weight of the newest run, and the limit in standard deviations of the weighted mean: Lucas and
/// Saccucci (1990). With known mean and standard deviation the mean run length to a false alarm is
/// 371, and 9.8 to see a shift of one standard deviation.
pub const WEIGHT: f64 = 0.2;
pub const WIDTH: f64 = 2.86;

/// Exponentially weighted means of values about `centre`, one for each value: `z = w x + (1 - w) z`.
pub fn weighted_means(values: &[f64], centre: f64) -> Vec<f64> {
    let mut mean = centre;
    values
        .iter()
        .map(|value| {
            mean = WEIGHT * value + (1.0 - WEIGHT) * mean;
            mean
        })
        .collect()
}

/// How far from the centre of `runs` reference runs the weighted mean of `count` later runs may lie.
///
/// The variance is that of the weighted mean about the true centre plus that of the centre itself, and
/// the factor is the t quantile for `error`, where the normal one has [`WIDTH`]: with few reference runs
/// a chart with plugged-in estimates would alarm many times too often. `error` is
/// `normal_two_sided(WIDTH)` for one chart, and that over the number of charts where there are several.
pub fn weighted_mean_limit(spread: Spread, runs: f64, count: usize, error: f64) -> f64 {
    let factor = student_two_sided_quantile(error, spread.df);
    let forgotten = (1.0 - WEIGHT).powf(2.0 * count as f64);
    let share = WEIGHT / (2.0 - WEIGHT) * (1.0 - forgotten);
    factor * spread.sd * (share + 1.0 / runs).sqrt()
}

/// Index of the first value of the excursion that the last weighted mean belongs to: the first after
/// the mean was last at or beyond `centre` on the other side (Nishina 1992).
pub fn since(means: &[f64], centre: f64) -> Option<usize> {
    let last = means.last()? - centre;
    let other_side = |mean: &f64| (mean - centre) * last <= 0.0;
    let before = means.iter().rposition(other_side);
    Some(before.map_or(0, |index| index + 1))
}

#[cfg(test)]
mod tests {
    use super::super::distribution::normal_two_sided;
    use super::super::simulation::Random;
    use super::*;

    const KNOWN: Spread = Spread {
        sd: 1.0,
        df: f64::INFINITY,
    };

    /// Mean number of runs until the chart of known mean and deviation alarms.
    fn run_length(shift: f64, weighted: bool, repeats: u32) -> f64 {
        let mut random = Random::new(7);
        // The published lengths are of charts with the limits of a long run from the start on.
        let limit = weighted_mean_limit(KNOWN, f64::INFINITY, 200, normal_two_sided(WIDTH));
        let mut total = 0u32;
        for _ in 0..repeats {
            let mut mean = 0.0;
            loop {
                total += 1;
                let value = random.normal() + shift;
                mean = WEIGHT * value + (1.0 - WEIGHT) * mean;
                let (seen, limit) = if weighted {
                    (mean, limit)
                } else {
                    (value, 3.0)
                };
                if seen.abs() > limit {
                    break;
                }
            }
        }
        f64::from(total) / f64::from(repeats)
    }

    /// Published run lengths; the tolerance is three standard errors of the simulation.
    #[test]
    fn run_lengths_are_those_of_the_literature() {
        for (shift, weighted, expected) in [
            (1.0, true, 9.8),
            (2.0, true, 3.6),
            (0.5, true, 36.2),
            (1.0, false, 43.9),
            (3.0, false, 2.0),
        ] {
            let length = run_length(shift, weighted, 4000);
            let tolerance = 0.05 * expected + 0.06;
            assert!((length - expected).abs() <= tolerance, "{shift}: {length}");
        }
        let quiet = run_length(0.0, true, 2000);
        assert!((quiet - 371.0).abs() <= 30.0, "{quiet}");
    }

    #[test]
    fn an_excursion_starts_after_the_mean_last_crossed_the_centre() {
        assert_eq!(since(&[0.1, -0.1, 0.2, 0.3, 0.5], 0.0), Some(2));
        assert_eq!(since(&[-0.1, -0.2], 0.0), Some(0));
        assert_eq!(since(&[], 0.0), None);
    }

    #[test]
    fn few_reference_runs_widen_the_chart() {
        let few = Spread { sd: 1.0, df: 4.0 };
        let wide = weighted_mean_limit(few, 5.0, 10, normal_two_sided(WIDTH));
        let known = weighted_mean_limit(KNOWN, f64::INFINITY, 10, normal_two_sided(WIDTH));
        assert!(wide > 2.0 * known, "{wide} {known}");
    }
}
