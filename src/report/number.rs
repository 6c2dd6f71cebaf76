//! Numbers for people: few digits, but never so few that a value past its limit looks equal to it.

use crate::verdict::FindingLimit;

/// Significant digits of an ordinary number.
const DIGITS: usize = 4;
/// Enough to tell any two f64 apart.
const MOST_DIGITS: usize = 17;

/// The value with four significant digits; whole numbers in full.
pub fn short(value: f64) -> String {
    with_digits(value, DIGITS)
}

/// The value with as many digits as it takes to look different from every bound of the limit that
/// it differs from.
pub fn beside(value: f64, limit: Option<FindingLimit>) -> String {
    let bounds = limit.map_or([None, None], |limit| [limit.min, limit.max]);
    let mut text = short(value);
    for digits in DIGITS..=MOST_DIGITS {
        text = with_digits(value, digits);
        let looks_equal = bounds.into_iter().flatten().any(|bound| {
            bound.get().total_cmp(&value).is_ne() && text == with_digits(bound.get(), DIGITS)
        });
        if !looks_equal {
            break;
        }
    }
    text
}

/// `at most 0.3`, `at least 2`, `2 to 6`.
pub fn limit(limit: FindingLimit) -> String {
    match (limit.min, limit.max) {
        (Some(min), Some(max)) => format!("{} to {}", short(min.get()), short(max.get())),
        (Some(min), None) => format!("at least {}", short(min.get())),
        (None, Some(max)) => format!("at most {}", short(max.get())),
        (None, None) => String::new(),
    }
}

/// A share as a percentage that says 100 only for the whole and 0 only for nothing.
pub fn percent(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    if text == "100.0" && share < 1.0 {
        "over 99.9 %".to_owned()
    } else if text == "0.0" && share > 0.0 {
        "under 0.1 %".to_owned()
    } else {
        format!("{} %", trim_zeros(&text))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the decimal exponent of an f64 lies within +-330"
)]
fn with_digits(value: f64, digits: usize) -> String {
    if value.abs() <= 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs();
    if value.fract().abs() <= 0.0 && magnitude < 1e9 {
        return format!("{value:.0}");
    }
    if !(1e-3..1e6).contains(&magnitude) {
        return format!("{value:.*e}", digits.saturating_sub(1));
    }
    let exponent = magnitude.log10().floor() as i32;
    let decimals = i32::try_from(digits).unwrap_or(i32::MAX) - 1 - exponent;
    trim_zeros(&format!(
        "{value:.*}",
        usize::try_from(decimals).unwrap_or(0)
    ))
    .to_owned()
}

fn trim_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::Finite;

    #[test]
    fn numbers_are_short_and_counts_are_whole() {
        assert_eq!(short(0.0), "0");
        assert_eq!(short(-0.0), "0");
        assert_eq!(short(75.0), "75");
        assert_eq!(short(11008.0), "11008");
        assert_eq!(short(3.420_001), "3.42");
        assert_eq!(short(0.014_999_7), "0.015");
        assert_eq!(short(-0.000_012_345), "-1.234e-5");
        assert_eq!(short(1.5e300), "1.500e300");
    }

    #[test]
    fn a_value_just_past_its_limit_never_looks_equal_to_it() {
        let limit = FindingLimit {
            min: None,
            max: Finite::new(0.3),
        };
        assert_eq!(beside(0.300_000_1, Some(limit)), "0.3000001");
        assert_eq!(beside(0.41, Some(limit)), "0.41");
        assert_eq!(beside(0.3, Some(limit)), "0.3");
    }

    #[test]
    fn limits_read_as_words() {
        let bound = |min, max| FindingLimit { min, max };
        assert_eq!(limit(bound(None, Finite::new(0.3))), "at most 0.3");
        assert_eq!(limit(bound(Finite::new(2.0), None)), "at least 2");
        assert_eq!(limit(bound(Finite::new(2.0), Finite::new(6.0))), "2 to 6");
    }

    #[test]
    fn nearly_everything_is_not_called_everything() {
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.999_99), "over 99.9 %");
        assert_eq!(percent(0.998), "99.8 %");
        assert_eq!(percent(0.000_01), "under 0.1 %");
        assert_eq!(percent(0.0), "0 %");
    }
}
