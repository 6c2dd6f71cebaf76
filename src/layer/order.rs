//! Natural order of names.

use std::cmp::Ordering;

/// Orders names as a reader does: runs of digits by their value (`layers.2` before `layers.10`),
/// everything else byte by byte. A total order: names that differ never compare equal.
pub fn natural_order(left: &str, right: &str) -> Ordering {
    let (mut rest_left, mut rest_right) = (left.as_bytes(), right.as_bytes());
    loop {
        let (number_left, number_right) = (digits(rest_left), digits(rest_right));
        let step = if number_left.is_empty() || number_right.is_empty() {
            match (rest_left.split_first(), rest_right.split_first()) {
                (Some((first_left, tail_left)), Some((first_right, tail_right))) => {
                    (rest_left, rest_right) = (tail_left, tail_right);
                    first_left.cmp(first_right)
                }
                // Equal but for leading zeros, or equal altogether.
                (None, None) => return left.cmp(right),
                (None, Some(_)) => return Ordering::Less,
                (Some(_), None) => return Ordering::Greater,
            }
        } else {
            rest_left = rest_left.get(number_left.len()..).unwrap_or_default();
            rest_right = rest_right.get(number_right.len()..).unwrap_or_default();
            by_value(number_left, number_right)
        };
        if step.is_ne() {
            return step;
        }
    }
}

/// The run of decimal digits that `text` starts with.
fn digits(text: &[u8]) -> &[u8] {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.get(..length).unwrap_or_default()
}

/// Compares two runs of digits of any length.
fn by_value(left: &[u8], right: &[u8]) -> Ordering {
    let (left, right) = (without_zeros(left), without_zeros(right));
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == b'0').count();
    number.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_ordered_by_value() {
        let mut names = ["layers.10.a", "layers.2.b", "layers.2.a", "layers", "embed"];
        names.sort_by(|left, right| natural_order(left, right));
        assert_eq!(
            names,
            ["embed", "layers", "layers.2.a", "layers.2.b", "layers.10.a"]
        );
    }

    #[test]
    fn numbers_longer_than_any_integer_type_are_ordered() {
        let long = format!("h.{}", "9".repeat(60));
        assert_eq!(natural_order("h.7", &long), Ordering::Less);
        assert_eq!(natural_order("h.07", "h.7"), Ordering::Less);
    }

    proptest! {
        #[test]
        fn the_order_is_total_and_antisymmetric(
            left in "[a01.]{0,6}", right in "[a01.]{0,6}", third in "[a01.]{0,6}",
        ) {
            prop_assert_eq!(natural_order(&left, &right), natural_order(&right, &left).reverse());
            prop_assert_eq!(natural_order(&left, &right).is_eq(), left == right);
            if natural_order(&left, &right).is_le() && natural_order(&right, &third).is_le() {
                prop_assert!(natural_order(&left, &third).is_le());
            }
        }
    }
}
