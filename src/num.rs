//! Numbers that cannot be NaN, and the few order statistics that everything shares.
//!
//! A gate must never let a NaN pass a comparison, so floating-point values cross module borders as
//! [`Finite`], and a metric that has no value says why instead of carrying a sentinel ([`Measured`]).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A value that is neither NaN nor infinite.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(try_from = "f64", into = "f64")]
#[cfg_attr(test, schemars(with = "f64"))]
pub struct Finite(f64);

impl Finite {
    pub const ZERO: Self = Self(0.0);

    /// Returns `None` for NaN and the infinities.
    pub fn new(value: f64) -> Option<Self> {
        value.is_finite().then_some(Self(value))
    }

    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Finite {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, Self::Error> {
        Self::new(value).ok_or_else(|| format!("expected a finite number, got {value}"))
    }
}

impl From<Finite> for f64 {
    fn from(value: Finite) -> Self {
        value.0
    }
}

/// A share between 0 and 1, both included.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(try_from = "f64", into = "f64")]
#[cfg_attr(test, schemars(with = "f64"))]
pub struct Fraction(f64);

impl Fraction {
    pub const ZERO: Self = Self(0.0);
    pub const ONE: Self = Self(1.0);

    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Self(value))
    }

    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Fraction {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, Self::Error> {
        Self::new(value).ok_or_else(|| format!("expected a share between 0 and 1, got {value}"))
    }
}

impl From<Fraction> for f64 {
    fn from(value: Fraction) -> Self {
        value.0
    }
}

/// Why a metric has no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reason(Cow<'static, str>);

impl Reason {
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The outcome of measuring one metric: a finite value, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measured {
    Value(Finite),
    /// The metric has no meaning here (too few eigenvalues, an unchanged tensor).
    NotApplicable(Reason),
    /// It should have had a value, and computing it went wrong.
    Failed(Reason),
}

impl Measured {
    /// Wraps `value`; a NaN or an infinity becomes `Failed`.
    pub fn of(value: f64) -> Self {
        match Finite::new(value) {
            Some(finite) => Self::Value(finite),
            None => Self::Failed(Reason::new(format!("the computation gave {value}"))),
        }
    }

    pub fn count(value: usize) -> Self {
        Self::of(value as f64)
    }

    pub fn not_applicable(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::NotApplicable(Reason::new(reason))
    }

    pub fn failed(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Failed(Reason::new(reason))
    }

    pub fn value(&self) -> Option<f64> {
        match self {
            Self::Value(value) => Some(value.get()),
            Self::NotApplicable(_) | Self::Failed(_) => None,
        }
    }

    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Value(_) => None,
            Self::NotApplicable(reason) | Self::Failed(reason) => Some(reason),
        }
    }
}

/// A size on the command line: a number and a unit (`4GiB`, `512MiB`, `16GB`, or plain bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteSize(u64);

impl ByteSize {
    pub fn bytes(self) -> u64 {
        self.0
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a number of bytes with a unit, such as `4GiB`, `512MiB` or `16GB`")]
pub struct ByteSizeError;

const UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits).ok_or(ByteSizeError)?;
        let number: u64 = number.parse().map_err(|_error| ByteSizeError)?;
        let unit = unit.trim();
        let factor = UNITS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))
            .map(|(_, factor)| *factor)
            .ok_or(ByteSizeError)?;
        let bytes = number.checked_mul(factor).ok_or(ByteSizeError)?;
        if bytes == 0 {
            return Err(ByteSizeError);
        }
        Ok(Self(bytes))
    }
}

/// The larger of two numbers by total order, so that a NaN is kept and seen.
pub fn max(left: f64, right: f64) -> f64 {
    if left.total_cmp(&right).is_lt() {
        right
    } else {
        left
    }
}

/// The smaller of two numbers by total order.
pub fn min(left: f64, right: f64) -> f64 {
    if left.total_cmp(&right).is_gt() {
        right
    } else {
        left
    }
}

/// Median of the values (mean of the middle two for an even count); `None` for an empty slice.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.is_empty() {
        None
    } else if sorted.len() % 2 == 1 {
        Some(sorted[middle])
    } else {
        Some(f64::midpoint(sorted[middle - 1], sorted[middle]))
    }
}

/// Arithmetic mean in the order given; `None` for an empty slice.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_and_infinity_never_become_a_value() {
        assert_eq!(Finite::new(f64::NAN), None);
        assert_eq!(Finite::new(f64::INFINITY), None);
        assert!(matches!(Measured::of(f64::NAN), Measured::Failed(_)));
        assert_eq!(Measured::of(1.5).value(), Some(1.5));
    }

    #[test]
    fn a_share_outside_zero_to_one_is_refused() {
        assert!(Fraction::new(1.7).is_none());
        assert!(Fraction::new(f64::NAN).is_none());
        assert_eq!(Fraction::new(1.0).map(Fraction::get), Some(1.0));
    }

    #[test]
    fn max_keeps_a_nan_instead_of_dropping_it() {
        assert!(max(1.0, f64::NAN).is_nan());
        assert!((max(1.0, 2.0) - 2.0).abs() <= 0.0);
        assert!((min(1.0, 2.0) - 1.0).abs() <= 0.0);
    }

    #[test]
    fn median_of_even_and_odd_counts() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn sizes_are_read_with_binary_and_decimal_units() {
        let read = |text: &str| text.parse::<ByteSize>().map(|size| size.0);
        assert_eq!(read("4GiB"), Ok(4 << 30));
        assert_eq!(read("512 mib"), Ok(512 << 20));
        assert_eq!(read("16GB"), Ok(16_000_000_000));
        assert_eq!(read("1000"), Ok(1000));
        for wrong in [
            "",
            "GiB",
            "0",
            "-1GiB",
            "4 GiBs",
            "1.5GiB",
            "99999999999TiB",
        ] {
            assert_eq!(read(wrong), Err(ByteSizeError), "{wrong}");
        }
    }
}
