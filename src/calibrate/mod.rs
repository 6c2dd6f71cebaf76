//! Limits from few good runs: pooled variances, tolerance and prediction limits, control charts and
//! the control of many tests at once. Pure statistics on plain numbers.
