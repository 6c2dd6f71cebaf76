//! The order of the checkpoints: by the number in which their references differ.

use super::TrackError;

/// By what the steps are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The references differ in one number.
    ByNumber,
    /// They differ in more than one number, so the order given is kept.
    AsGiven,
}

/// References in the order of their steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered {
    /// Reference and label of each step.
    pub steps: Vec<(String, String)>,
    pub order: Order,
}

/// Orders references that are equal but for one number by that number; any others keep their order.
///
/// `runs/x/checkpoint-500` and `runs/x/checkpoint-1000` are steps 500 and 1000, and so are
/// `hf://org/name@step500` and `hf://org/name@step1000`. The label is the number, or what the
/// references do not have in common.
///
/// # Errors
/// For fewer than two references, and for one that is named twice.
pub fn ordered(references: Vec<String>) -> Result<Ordered, TrackError> {
    if references.len() < 2 {
        return Err(TrackError::TooFew {
            count: references.len(),
        });
    }
    let mut seen = std::collections::BTreeSet::new();
    for reference in &references {
        if !seen.insert(reference.trim_end_matches('/')) {
            return Err(TrackError::Twice {
                reference: reference.clone(),
            });
        }
    }
    let differing = differing(&references);
    let numbers: Option<Vec<String>> = differing.iter().map(|text| number(text)).collect();
    let Some(numbers) = numbers else {
        let labels = differing.into_iter().map(str::to_owned).collect::<Vec<_>>();
        return Ok(Ordered {
            steps: references.into_iter().zip(labels).collect(),
            order: Order::AsGiven,
        });
    };
    let mut steps: Vec<(String, String)> = references.into_iter().zip(numbers).collect();
    steps.sort_by(|(_, left), (_, right)| {
        left.len().cmp(&right.len()).then_with(|| left.cmp(right))
    });
    Ok(Ordered {
        steps,
        order: Order::ByNumber,
    })
}

/// A text of digits without leading zeros; `None` for any other.
fn number(text: &str) -> Option<String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let trimmed = text.trim_start_matches('0');
    Some(if trimmed.is_empty() { "0" } else { trimmed }.to_owned())
}

/// Each reference without what all start with and all end with, where neither cuts a run of digits, and
/// without a `/` at its end.
fn differing(references: &[String]) -> Vec<&str> {
    let trimmed: Vec<&str> = references
        .iter()
        .map(|reference| reference.trim_end_matches('/'))
        .collect();
    let Some((first, others)) = trimmed.split_first() else {
        return Vec::new();
    };
    let start = others.iter().fold(first.len(), |length, other| {
        length.min(common(first.chars(), other.chars()))
    });
    let start = first.get(..start).unwrap_or_default();
    let start = start.trim_end_matches(|last: char| last.is_ascii_digit());
    let rests: Vec<&str> = trimmed
        .iter()
        .map(|reference| reference.get(start.len()..).unwrap_or_default())
        .collect();
    let Some((first, others)) = rests.split_first() else {
        return Vec::new();
    };
    let end = others.iter().fold(first.len(), |length, other| {
        length.min(common(first.chars().rev(), other.chars().rev()))
    });
    let end = first.get(first.len() - end..).unwrap_or_default();
    let end = end.trim_start_matches(|first: char| first.is_ascii_digit());
    rests
        .into_iter()
        .map(|rest| rest.strip_suffix(end).unwrap_or(rest))
        .collect()
}

/// Bytes that two texts have in common from their start on.
fn common(left: impl Iterator<Item = char>, right: impl Iterator<Item = char>) -> usize {
    left.zip(right)
        .take_while(|(left, right)| left == right)
        .map(|(left, _)| left.len_utf8())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(references: &[&str]) -> (Vec<String>, Order) {
        let references = references.iter().map(|text| (*text).to_owned()).collect();
        let Ordered { steps, order } = ordered(references).unwrap();
        (steps.into_iter().map(|(_, label)| label).collect(), order)
    }

    #[test]
    fn checkpoints_are_ordered_by_their_step_as_a_number() {
        let (labels, order) = labels(&[
            "run/checkpoint-1000",
            "run/checkpoint-500/",
            "run/checkpoint-0",
        ]);
        assert_eq!(labels, ["0", "500", "1000"]);
        assert_eq!(order, Order::ByNumber);
    }

    #[test]
    fn the_number_may_stand_anywhere_and_have_leading_zeros() {
        for (names, expected) in [
            (
                ["a/step_000900.safetensors", "a/step_001000.safetensors"],
                ["900", "1000"],
            ),
            (["hf://o/n7@step64", "hf://o/n7@step8"], ["8", "64"]),
            (["s3://b/10/model", "s3://b/9/model"], ["9", "10"]),
        ] {
            assert_eq!(
                labels(&names),
                (expected.map(str::to_owned).to_vec(), Order::ByNumber)
            );
        }
    }

    #[test]
    fn what_differs_in_more_than_a_number_keeps_its_order() {
        let given = ["run/checkpoint-1000", "run/final", "run/checkpoint-10"];
        let (labels, order) = labels(&given);
        assert_eq!(labels, ["checkpoint-1000", "final", "checkpoint-10"]);
        assert_eq!(order, Order::AsGiven);
    }

    #[test]
    fn one_checkpoint_and_one_named_twice_are_refused() {
        let of = |names: &[&str]| ordered(names.iter().map(|name| (*name).to_owned()).collect());
        assert!(matches!(of(&["a"]), Err(TrackError::TooFew { count: 1 })));
        assert!(matches!(
            of(&["a1", "a2", "a1/"]),
            Err(TrackError::Twice { .. })
        ));
    }

    proptest::proptest! {
        #[test]
        fn no_reference_is_lost(names in proptest::collection::btree_set("[a0ä9/]{1,6}", 2..6)) {
            let given: Vec<String> = names.into_iter().collect();
            if let Ok(ordered) = ordered(given.clone()) {
                let mut found: Vec<String> = ordered.steps.into_iter().map(|(name, _)| name).collect();
                found.sort();
                proptest::prop_assert_eq!(found, given);
            }
        }
    }
}
