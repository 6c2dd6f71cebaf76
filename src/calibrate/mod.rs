//! Limits from few good runs: pooled variances, tolerance and prediction limits, control charts and
//! the control of many tests at once. Pure statistics on plain numbers.
//!
//! Two good runs say little about how much good runs scatter: the t quantile for one degree of
//! freedom is in the hundreds. Three things make up for it, and each is a function here:
//!
//! - [`moderated`]: a variance is pooled with a prior, which counts as so many runs more. The prior
//!   comes from the other layers of the same role (Smyth 2004), or from what good runs of other models
//!   were seen to scatter.
//! - [`limits`]: half widths for one more run, from the t quantile of the degrees of freedom that
//!   there are and with the error of the centre; never three sigma.
//! - [`Scale`]: sizes and shares are compared by their ratio.
//!
//! [`multiplicity`] keeps the chance of a false alarm over all tests, [`chart`] sees a slow creep that
//! no single run shows. `docs/calibration.md` has the formulae and what was measured with them.

pub mod chart;
pub mod distribution;
pub mod limits;
pub mod moderated;
pub mod multiplicity;
mod roots;
mod scale;
#[cfg(test)]
mod simulation;

pub use limits::Spread;
pub use moderated::Prior;
pub use scale::Scale;
#[cfg(test)]
pub(crate) use simulation::Random;
