//! Variances from few runs, pooled: the empirical Bayes estimate of Smyth (2004, "Linear models and
//! empirical Bayes methods for assessing differential expression in microarray experiments").
//!
//! A prior of `d0` degrees of freedom and variance `s0^2` and an own variance `s^2` of `d` give
//! `(d0 s0^2 + d s^2) / (d0 + d)` with `d0 + d` degrees of freedom.

use super::distribution::{digamma, pentagamma, trigamma, trigamma_inverse};
use super::limits::Spread;
use crate::num;

/// Standard errors by which the members of a group are taken to differ more than they were seen to.
const CAUTION: f64 = 1.645;

/// What is known of a variance before its own runs are looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    /// How many degrees of freedom it counts for; infinite where all layers scatter alike.
    pub df: f64,
    pub variance: f64,
    /// Degrees of freedom that an estimate with this prior may claim at most: those that it was
    /// learnt from. Infinite for a prior that was not learnt from these runs.
    pub most: f64,
}

/// Variances that are pooled.
#[derive(Debug, Clone, Default)]
pub struct Group {
    pub variances: Vec<f64>,
    /// What variances of zero count as, where most of them are zero.
    pub floor: f64,
    /// How many of the members scatter independently of each other, at most.
    pub independent: f64,
}

impl Group {
    fn logs(&self, shift: f64) -> Vec<f64> {
        // One exact repetition among scattering members must not rule the logarithms. The floor itself
        // would cut off the small variances that chance gives, and make the members look alike.
        let median = num::median(&self.variances).unwrap_or(0.0);
        let least = if median > 0.0 {
            median * 1e-5
        } else {
            self.floor
        };
        let least = num::max(least, 1e-300);
        self.variances
            .iter()
            .map(|variance| num::max(*variance, least).ln() + shift)
            .collect()
    }
}

impl Prior {
    /// A spread that is known from elsewhere, and for how many degrees of freedom it counts.
    pub fn known(sd: f64, df: f64) -> Self {
        Self {
            df,
            variance: sd * sd,
            most: f64::INFINITY,
        }
    }

    /// The priors that explain how the variances of each group scatter, all of `df` degrees of freedom:
    /// moments of their logarithms (Smyth 2004, section 6.2). Each group has a variance of its own; how
    /// much its members differ is taken to be the same in all, for one group of few runs cannot tell.
    /// How much they differ is itself uncertain, and overstating how alike they are makes false alarms:
    /// the upper end of its one-sided 95 % interval is taken.
    /// A group without members has no prior, and fewer than two members in all give none.
    pub fn learnt(groups: &[Group], df: f64) -> Vec<Option<Self>> {
        let shift = (df / 2.0).ln() - digamma(df / 2.0);
        let logs: Vec<Vec<f64>> = groups.iter().map(|group| group.logs(shift)).collect();
        let means: Vec<Option<f64>> = logs.iter().map(|logs| num::mean(logs)).collect();
        let mut squares = 0.0;
        let mut freedom = 0.0;
        for (logs, mean) in logs.iter().zip(&means) {
            let Some(mean) = mean else { continue };
            squares += logs
                .iter()
                .map(|log| (log - mean) * (log - mean))
                .sum::<f64>();
            freedom += logs.len() as f64 - 1.0;
        }
        let known = df > 0.0 && freedom > 0.0;
        let own = trigamma(df / 2.0);
        let error = ((2.0 * own * own + pentagamma(df / 2.0)) / freedom).sqrt();
        let prior_df = 2.0 * trigamma_inverse(squares / freedom - own + CAUTION * error);
        let correction = if prior_df.is_finite() {
            digamma(prior_df / 2.0) - (prior_df / 2.0).ln()
        } else {
            0.0
        };
        let prior = |(group, mean): (&Group, Option<f64>)| {
            mean.filter(|_| known).map(|mean| Self {
                df: prior_df,
                variance: (mean + correction).exp(),
                most: num::min(group.independent, group.variances.len() as f64) * df,
            })
        };
        groups.iter().zip(means).map(prior).collect()
    }

    /// The spread of a quantity whose own runs give `variance` with `df` degrees of freedom; no
    /// `df` is the prior alone.
    pub fn moderate(self, variance: f64, df: f64) -> Spread {
        let total = self.df + df;
        let pooled = if self.df.is_infinite() || total <= 0.0 {
            self.variance
        } else {
            (self.df * self.variance + df * variance) / total
        };
        Spread {
            sd: pooled.sqrt(),
            df: num::min(total, num::max(self.most, df)),
        }
    }
}

/// Sample variance about the mean, with its degrees of freedom; zero of zero for fewer than two values.
pub fn variance(values: &[f64]) -> (f64, f64) {
    match num::mean(values) {
        Some(mean) if values.len() > 1 => {
            let squares: f64 = values
                .iter()
                .map(|value| (value - mean) * (value - mean))
                .sum();
            let df = values.len() as f64 - 1.0;
            (squares / df, df)
        }
        _ => (0.0, 0.0),
    }
}

/// Variance from the differences between neighbours, which a slow creep does not widen: half the mean
/// square successive difference, with the degrees of freedom of a chi-square of the same variance,
/// `2 (n - 1)^2 / (3 n - 4)` (von Neumann 1941).
pub fn successive_variance(values: &[f64]) -> (f64, f64) {
    if values.len() < 2 {
        return (0.0, 0.0);
    }
    let steps = values.len() as f64 - 1.0;
    let squares: f64 = values
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) * (pair[1] - pair[0]))
        .sum();
    (
        squares / (2.0 * steps),
        2.0 * steps * steps / (3.0 * steps - 1.0),
    )
}

#[cfg(test)]
mod tests {
    use super::super::simulation::Random;
    use super::*;

    fn group(variances: Vec<f64>, floor: f64) -> Group {
        Group {
            independent: variances.len() as f64,
            variances,
            floor,
        }
    }

    #[test]
    fn layers_that_scatter_alike_are_pooled_to_one_variance() {
        let mut random = Random::new(1);
        let mut draw =
            |sd: f64| -> Vec<f64> { (0..600).map(|_| (sd * random.normal()).powi(2)).collect() };
        let groups = [group(draw(0.02), 0.0), group(draw(0.2), 0.0)];
        let priors = Prior::learnt(&groups, 1.0);
        for (prior, sd) in priors.into_iter().zip([0.02, 0.2]) {
            let prior = prior.unwrap();
            assert!(prior.df >= 2.5, "{prior:?}");
            let spread = prior.moderate(sd * sd, 1.0);
            assert!((spread.sd / sd - 1.0).abs() <= 0.25, "{spread:?}");
            assert!(spread.df <= 600.0);
        }
    }

    #[test]
    fn layers_that_scatter_differently_keep_a_weak_prior() {
        let mut random = Random::new(2);
        // Scaled inverse chi-square with four degrees of freedom about a variance of one.
        let variances: Vec<f64> = (0..4000)
            .map(|_| {
                let chi: f64 = (0..4).map(|_| random.normal().powi(2)).sum();
                let own: f64 = (0..4).map(|_| random.normal().powi(2)).sum();
                4.0 / chi * own / 4.0
            })
            .collect();
        let prior = Prior::learnt(&[group(variances, 0.0)], 4.0)[0].unwrap();
        assert!((prior.df - 4.0).abs() <= 0.6, "{prior:?}");
        assert!((prior.variance - 1.0).abs() <= 0.1, "{prior:?}");
    }

    #[test]
    fn exact_repetitions_are_lifted_to_the_floor() {
        let prior = Prior::learnt(&[group(vec![0.0; 20], 1e-6)], 1.0)[0].unwrap();
        let spread = prior.moderate(0.0, 1.0);
        assert!(spread.sd > 1e-4 && spread.sd < 1e-2, "{spread:?}");
    }

    #[test]
    fn nothing_is_learnt_from_single_members_or_no_runs() {
        assert_eq!(Prior::learnt(&[group(vec![1.0], 0.0)], 3.0), [None]);
        assert_eq!(Prior::learnt(&[group(vec![1.0, 2.0], 0.0)], 0.0), [None]);
        let with_empty = [group(vec![], 0.0), group(vec![1.0, 2.0], 0.0)];
        assert_eq!(Prior::learnt(&with_empty, 1.0)[0], None);
    }

    #[test]
    fn a_creep_does_not_widen_the_successive_variance() {
        let creep: Vec<f64> = (0..20).map(f64::from).collect();
        let (about_mean, _) = variance(&creep);
        let (successive, df) = successive_variance(&creep);
        assert!((successive - 0.5).abs() <= 1e-12);
        assert!(about_mean > 30.0);
        assert!((df - 2.0 * 361.0 / 56.0).abs() <= 1e-12);
        assert_eq!(successive_variance(&[1.0, 2.0]), (0.5, 1.0));
    }
}
