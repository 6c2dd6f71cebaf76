//! Single values of a policy file: each reader says what it expected.

use std::str::FromStr;

use jiff::civil::Date;
use toml::de::DeValue;

use super::file::HygieneLevel;
use super::select::percentage;
use super::{Aggregate, AtLeast, Depth, Undefined};
use crate::code::{CodeGroup, FindingCode};
use crate::layer::Role;
use crate::num::{Finite, Fraction};
use crate::policy::suggest::{hint, one_of};
use crate::spectrum::metric::Metric;

/// Days that a policy may name: a date is printed back in the same four-digit form.
const FIRST_YEAR: i16 = 1970;

pub(super) type Field<T> = Result<T, String>;

pub(super) fn string(value: &DeValue<'_>) -> Field<String> {
    match value.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(format!("expected a string, got {}", kind(value))),
    }
}

/// A string with something in it.
pub(super) fn text(value: &DeValue<'_>) -> Field<String> {
    let text = string(value)?;
    if text.trim().is_empty() {
        Err("expected text, got an empty string".to_owned())
    } else {
        Ok(text)
    }
}

pub(super) fn boolean(value: &DeValue<'_>) -> Field<bool> {
    value
        .as_bool()
        .ok_or_else(|| format!("expected true or false, got {}", kind(value)))
}

pub(super) fn number(value: &DeValue<'_>) -> Field<Finite> {
    let number = if let Some(integer) = value.as_integer() {
        integer_value(integer).map(|integer| integer as f64)
    } else if let Some(float) = value.as_float() {
        float.as_str().parse::<f64>().ok()
    } else {
        return Err(format!("expected a number, got {}", kind(value)));
    };
    number
        .and_then(Finite::new)
        .ok_or_else(|| format!("expected a finite number, got {}", written(value)))
}

pub(super) fn share(value: &DeValue<'_>) -> Field<Fraction> {
    if value.is_str() {
        return Err(format!(
            "expected a share between 0 and 1, got {}",
            written(value)
        ));
    }
    let number = number(value)?;
    Fraction::new(number.get())
        .ok_or_else(|| format!("share must be between 0 and 1, got {}", written(value)))
}

/// A whole number from 1.
pub(super) fn count(value: &DeValue<'_>) -> Field<u32> {
    value
        .as_integer()
        .and_then(integer_value)
        .and_then(|integer| u32::try_from(integer).ok())
        .filter(|integer| *integer >= 1)
        .ok_or_else(|| format!("expected a whole number from 1, got {}", written(value)))
}

pub(super) fn version(value: &DeValue<'_>) -> Field<u32> {
    match value.as_integer().and_then(integer_value) {
        Some(1) => Ok(1),
        Some(other) => Err(format!(
            "version {other} of the grammar is not supported, expected 1"
        )),
        None => Err(format!("expected 1, got {}", written(value))),
    }
}

/// A number of layers, or a share of them such as `"2%"`.
pub(super) fn at_least(value: &DeValue<'_>) -> Field<AtLeast> {
    let expected = || {
        format!(
            "expected a number of layers from 1 or a share like \"2%\", got {}",
            written(value)
        )
    };
    let Some(text) = value.as_str() else {
        return count(value)
            .map(AtLeast::Layers)
            .map_err(|_short| expected());
    };
    percentage(text)
        .filter(|share| share.get() > 0.0)
        .map(AtLeast::Share)
        .ok_or_else(expected)
}

pub(super) fn depth(value: &DeValue<'_>) -> Field<Depth> {
    Depth::parse(&string(value)?)
}

pub(super) fn date(value: &DeValue<'_>) -> Field<Date> {
    let expected = || {
        format!(
            "expected a date like \"2026-12-31\", got {}",
            written(value)
        )
    };
    let Some(text) = value.as_str() else {
        let quoted = if value.is_datetime() {
            "; put it in quotes"
        } else {
            ""
        };
        return Err(format!("{}{quoted}", expected()));
    };
    let plain = text.len() == 10 && text.chars().all(|c| c.is_ascii_digit() || c == '-');
    text.parse::<Date>()
        .ok()
        .filter(|date| plain && date.year() >= FIRST_YEAR)
        .ok_or_else(expected)
}

/// Name of a rule: what a report, a waiver and a command line can all carry.
pub(super) fn rule_id(value: &DeValue<'_>) -> Field<String> {
    let id = text(value)?;
    let plain = id
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if !plain {
        return Err(format!(
            "expected letters, digits, `-`, `_` and `.` in a rule id, got `{id}`"
        ));
    }
    match id.parse::<FindingCode>() {
        Ok(code) if code.group() != CodeGroup::Spectral => Err(format!(
            "`{id}` is a finding code of its own and cannot name a rule"
        )),
        Ok(_) | Err(_) => Ok(id),
    }
}

pub(super) fn metric(value: &DeValue<'_>) -> Field<Metric> {
    if value.as_str() == Some("phase") {
        return Err("`phase` is a name, not a number, and no rule can limit it".to_owned());
    }
    named(value, "metric", Metric::ALL, Metric::as_str)
}

pub(super) fn role(value: &DeValue<'_>) -> Field<Role> {
    named(value, "role", Role::ALL, Role::as_str)
}

pub(super) fn hygiene_level(value: &DeValue<'_>) -> Field<HygieneLevel> {
    choice(value, "level", HygieneLevel::NAMES, HygieneLevel::named)
}

pub(super) fn undefined(value: &DeValue<'_>) -> Field<Undefined> {
    choice(value, "value", Undefined::NAMES, Undefined::named)
}

pub(super) fn aggregate(value: &DeValue<'_>) -> Field<Aggregate> {
    choice(value, "aggregate", Aggregate::NAMES, Aggregate::named)
}

/// The codes that `[hygiene]` may name.
pub(super) fn hygiene_codes() -> impl Iterator<Item = FindingCode> {
    FindingCode::ALL
        .iter()
        .copied()
        .filter(|code| code.group() == CodeGroup::Hygiene)
}

pub(super) fn hygiene_code(name: &str) -> Field<FindingCode> {
    let names: Vec<_> = hygiene_codes().map(FindingCode::as_str).collect();
    match name.parse::<FindingCode>() {
        Ok(code) if code.group() == CodeGroup::Hygiene => Ok(code),
        Ok(code) => Err(format!(
            "`{code}` is not a hygiene code, expected {}",
            one_of(&names)
        )),
        Err(_) => Err(format!(
            "unknown hygiene code `{name}`; {}",
            hint(name, &names)
        )),
    }
}

fn named<T: FromStr + Copy>(
    value: &DeValue<'_>,
    what: &str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Field<T> {
    let names: Vec<_> = all.iter().copied().map(name).collect();
    choice(value, what, &names, |text| text.parse().ok())
}

fn choice<T>(
    value: &DeValue<'_>,
    what: &str,
    names: &[&str],
    find: impl Fn(&str) -> Option<T>,
) -> Field<T> {
    let Some(text) = value.as_str() else {
        return Err(format!(
            "expected the name of a {what}, got {}",
            kind(value)
        ));
    };
    find(text).ok_or_else(|| format!("unknown {what} `{text}`; {}", hint(text, names)))
}

fn integer_value(integer: &toml::de::DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// The type of a value, for "got ...".
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// A value as it was written where that is short, else its type.
fn written(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{text}\""),
        DeValue::Integer(integer) => integer.to_string(),
        DeValue::Float(float) => float.to_string(),
        DeValue::Boolean(boolean) => boolean.to_string(),
        DeValue::Datetime(datetime) => datetime.to_string(),
        DeValue::Array(_) | DeValue::Table(_) => kind(value).to_owned(),
    }
}
