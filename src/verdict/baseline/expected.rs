//! What good runs make one expect of a median.

use super::Judged;
use super::judged::TYPICAL_DF;
use crate::calibrate::moderated::variance;
use crate::calibrate::{Prior, Spread};
use crate::num;

/// Centre and spread of one number over good runs, on the metric's scale.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    pub judged: &'static Judged,
    pub centre: f64,
    pub spread: Spread,
    /// Runs behind the centre.
    pub runs: f64,
    /// Smallest and largest of them.
    pub seen: (f64, f64),
}

/// What is assumed of a median's spread before its own runs are looked at: what the runs share and,
/// apart from that, what the layers' own scatter adds. Single runs and trends assume the same.
pub(super) fn prior(judged: &Judged, scatter: f64, factor: f64) -> Prior {
    Prior::known((judged.typical * factor).hypot(scatter), TYPICAL_DF)
}

/// Limits in the metric's own unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    pub min: f64,
    pub max: f64,
}

impl Expected {
    /// From the values of good runs, in the metric's unit. `scatter` is the standard deviation that the
    /// layers' own scatter gives a median of them, `factor` how much wider than the model's the
    /// assumed spread is. `None` where there are no values, or one has no place on the scale.
    pub fn of(judged: &'static Judged, values: &[f64], scatter: f64, factor: f64) -> Option<Self> {
        let placed: Option<Vec<f64>> = values
            .iter()
            .map(|value| judged.scale.forward(*value))
            .collect();
        let placed = placed?;
        let centre = num::mean(&placed)?;
        let (own, df) = variance(&placed);
        let spread = prior(judged, scatter, factor)
            .moderate(own, df)
            .at_least(judged.floor());
        Some(Self {
            judged,
            centre,
            spread,
            runs: placed.len() as f64,
            seen: (
                placed.iter().copied().reduce(num::min)?,
                placed.iter().copied().reduce(num::max)?,
            ),
        })
    }

    /// How far a value is from the centre, on the scale. A value without a place there (a size of zero)
    /// is infinitely far below.
    pub fn deviation(&self, value: f64) -> f64 {
        self.judged
            .scale
            .forward(value)
            .map_or(f64::NEG_INFINITY, |placed| placed - self.centre)
    }

    /// Chance that one more good run deviates as far.
    pub fn p(&self, deviation: f64) -> f64 {
        self.spread.prediction_p(deviation, self.runs)
    }

    /// Half the width within which one more good run lies but for a chance of `error`, and at least
    /// `effect`.
    pub fn half_width(&self, error: f64, effect: f64) -> f64 {
        num::max(
            self.spread.prediction_factor(self.runs, error) * self.spread.sd,
            effect,
        )
    }

    pub fn bounds(&self, half_width: f64) -> Bounds {
        let scale = self.judged.scale;
        Bounds {
            min: scale.inverse(self.centre - half_width),
            max: scale.inverse(self.centre + half_width),
        }
    }

    pub fn centre_value(&self) -> f64 {
        self.judged.scale.inverse(self.centre)
    }
}
