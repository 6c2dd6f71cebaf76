//! The limits that `trend` draws: those of the verdict where it judges a number, and simple ones else.

use serde_json::{Value, json};

use super::render::{plain, plural};
use crate::calibrate::Spread;
use crate::calibrate::moderated::variance;
use crate::compare::BaselineRuns;
use crate::layer::Role;
use crate::num;
use crate::policy::Policy;
use crate::report::number;
use crate::spectrum::metric::Metric;
use crate::verdict::baseline::{GoodRuns, JUDGED, NextLimits, next_limits};

/// Runs that simple limits need.
const FEWEST: usize = 5;
/// Chance that one more run of the same kind is outside of simple limits: that of three standard
/// deviations of a normal distribution.
const OUTSIDE: f64 = 0.0027;

/// Limits of one number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) centre: f64,
    pub(super) lower: f64,
    pub(super) upper: f64,
    /// The verdict's own, and not simple ones.
    pub(super) judged: bool,
}

/// The runs that set the limits of one more run.
#[derive(Debug)]
pub(super) struct Window<'a> {
    good: GoodRuns<'a>,
    policy: &'a Policy,
}

impl<'a> Window<'a> {
    pub(super) fn new(baseline: &'a BaselineRuns, policy: &'a Policy) -> Self {
        Self {
            good: GoodRuns::since_anchor(&baseline.runs),
            policy,
        }
    }

    /// Those of each metric; `None` where there are too few runs for any.
    pub(super) fn limits(&self, metrics: &[Metric], role: Option<Role>) -> Vec<Option<Limits>> {
        let judged = next_limits(&self.good, &self.policy.baseline, metrics, role);
        let both = metrics.iter().zip(judged);
        both.map(|(metric, judged)| match judged {
            Some(NextLimits {
                centre,
                lower,
                upper,
            }) => Some(Limits {
                centre,
                lower,
                upper,
                judged: true,
            }),
            None if is_judged(*metric) => None,
            None => simple(&self.good.levels(*metric, role)),
        })
        .collect()
    }

    /// How many runs set the limits.
    pub(super) fn count(&self) -> usize {
        self.good.setting().count()
    }

    /// What the limits of judged numbers are, or why there are none, in a sentence without its full stop.
    pub(super) fn about(&self) -> String {
        let Some(judged) = JUDGED.first() else {
            return "No number is judged".to_owned();
        };
        if self.limits(&[judged.metric], None)[0].is_none() {
            let reason = self.text(judged.metric, None);
            return reason.replacen('n', "N", 1);
        }
        format!(
            "Limits: beyond them one more run fails by policy `{}`; from the first {}",
            plain(&self.policy.name),
            self.runs()
        )
    }

    /// `8 accepted runs since 2026-03-01`.
    fn runs(&self) -> String {
        let count = plural(self.good.setting().count(), "accepted run");
        let first = self.good.setting().next();
        match first.and_then(|run| run.recorded.split('T').next()) {
            Some(day) => format!("{count} since {day}"),
            None => format!("{count} on the base of the newest run"),
        }
    }

    /// What the limits are, or why there are none.
    pub(super) fn text(&self, metric: Metric, limits: Option<&Limits>) -> String {
        let policy = plain(&self.policy.name);
        match limits {
            Some(limits) => {
                let what = if limits.judged {
                    format!("beyond them one more run fails by policy `{policy}`")
                } else {
                    "one more run is outside by chance in 0.27 % of cases, and not judged by this number"
                        .to_owned()
                };
                let centre = number::short(limits.centre);
                format!(
                    "limits: {what}; from the first {}, middle {centre}",
                    self.runs()
                )
            }
            None if !is_judged(metric) => {
                format!("no limits with fewer than {FEWEST} values: {}", self.runs())
            }
            None if self.good.count() < self.policy.baseline.min_runs as usize => format!(
                "no limits: {}, and policy `{policy}` asks for {}",
                self.runs(),
                self.policy.baseline.min_runs
            ),
            None => format!("no limits: too few values in {}", self.runs()),
        }
    }

    /// What all the limits are from, for programs.
    pub(super) fn json(&self) -> Value {
        let mut runs = self.good.setting();
        json!({
            "policy": self.policy.name,
            "runs": self.good.setting().count(),
            "first": runs.next().map(|run| run.id.as_str()),
            "last": runs.last().map(|run| run.id.as_str()),
        })
    }
}

fn is_judged(metric: Metric) -> bool {
    JUDGED.iter().any(|judged| judged.metric == metric)
}

/// The prediction interval of one more value.
fn simple(values: &[f64]) -> Option<Limits> {
    if values.len() < FEWEST {
        return None;
    }
    let centre = num::mean(values)?;
    let (variance, df) = variance(values);
    let spread = Spread {
        sd: variance.sqrt(),
        df,
    };
    let reach = spread.prediction_factor(values.len() as f64, OUTSIDE) * spread.sd;
    reach.is_finite().then_some(Limits {
        centre,
        lower: centre - reach,
        upper: centre + reach,
        judged: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The factors of Student's distribution for 99.73 %: 6.62 with four degrees of freedom.
    #[test]
    fn simple_limits_are_those_of_one_more_run() {
        let limits = simple(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let reach = 6.620 * 2.5_f64.sqrt() * 1.2_f64.sqrt();
        assert!((limits.centre - 3.0).abs() <= 1e-12);
        assert!((limits.upper - 3.0 - reach).abs() <= 0.01, "{limits:?}");
        assert!((3.0 - limits.lower - reach).abs() <= 0.01, "{limits:?}");
        assert!(!limits.judged);
        assert!(simple(&[1.0; 4]).is_none());
        assert!(simple(&[1.0, 2.0, 3.0, 4.0, f64::NAN]).is_none());
    }
}
