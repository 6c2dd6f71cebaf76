//! The order of the checkpoints: by the number in which their references differ.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::TrackError;
use crate::fs;

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
/// `hf://org/name@step500` and `hf://org/name@step1000`. The label is the number, or the words that the
/// references do not have in common.
///
/// # Errors
/// For fewer than two references, for one that is named twice, and for a local one under two names.
pub fn ordered(references: Vec<String>) -> Result<Ordered, TrackError> {
    if references.len() < 2 {
        return Err(TrackError::TooFew {
            count: references.len(),
        });
    }
    refuse_repeated(&references)?;
    let numbers: Option<Vec<String>> = differing(&references)
        .iter()
        .map(|text| number(text))
        .collect();
    // `05` and `5` are one number, and two checkpoints.
    let tells_apart =
        |numbers: &Vec<String>| numbers.iter().collect::<BTreeSet<_>>().len() == numbers.len();
    let Some(numbers) = numbers.filter(tells_apart) else {
        let labels = words(&references);
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

/// One name given twice, or two names of one local folder or file.
fn refuse_repeated(references: &[String]) -> Result<(), TrackError> {
    let mut names = BTreeSet::new();
    let mut places: BTreeMap<PathBuf, &String> = BTreeMap::new();
    for reference in references {
        if !names.insert(reference.trim_end_matches('/')) {
            return Err(TrackError::Twice {
                reference: reference.clone(),
            });
        }
        let path = Path::new(reference);
        if !path.exists() {
            continue;
        }
        if let Some(earlier) = places.insert(fs::canonical(path)?, reference) {
            return Err(TrackError::SamePlace {
                one: earlier.clone(),
                other: reference.clone(),
            });
        }
    }
    Ok(())
}

/// Where a label may be cut.
fn is_separator(letter: char) -> bool {
    matches!(letter, '/' | '-' | '_' | '.' | '@')
}

/// Each reference without what all start with and all end with, cut beside separators only, so that each
/// label is whole words of its own, and none is empty.
fn words(references: &[String]) -> Vec<String> {
    let trimmed: Vec<&str> = references
        .iter()
        .map(|reference| reference.trim_end_matches('/'))
        .collect();
    let Some((first, others)) = trimmed.split_first() else {
        return Vec::new();
    };
    let shared = others.iter().fold(first.len(), |length, other| {
        length.min(common(first.chars(), other.chars()))
    });
    let leaves_all = |start: usize| trimmed.iter().all(|text| text.len() > start);
    let start = cuts(first.get(..shared).unwrap_or_default())
        .map(|(at, letter)| at + letter.len_utf8())
        .rfind(|start| leaves_all(*start))
        .unwrap_or(0);
    let rests: Vec<&str> = trimmed
        .iter()
        .map(|text| text.get(start..).unwrap_or_default())
        .collect();
    let first = rests.first().copied().unwrap_or_default();
    let end = cuts(first)
        .filter_map(|(at, _)| first.get(at..))
        .find(|end| {
            let leaves_more = |text: &&str| text.len() > end.len() && text.ends_with(end);
            rests.iter().all(leaves_more)
        })
        .unwrap_or_default();
    let label = |(rest, reference): (&&str, &String)| match rest.strip_suffix(end) {
        Some(label) if !label.is_empty() => label.to_owned(),
        // A reference of slashes alone.
        Some(_) | None => reference.clone(),
    };
    rests.iter().zip(references).map(label).collect()
}

fn cuts(text: &str) -> impl DoubleEndedIterator<Item = (usize, char)> {
    text.char_indices()
        .filter(|(_, letter)| is_separator(*letter))
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
    fn labels_are_whole_words_and_tell_the_checkpoints_apart() {
        for (names, expected) in [
            (["l-base", "l-best"], ["base", "best"]),
            (["m", "m-final"], ["m", "m-final"]),
            (["runs/m", "runs/m-final"], ["m", "m-final"]),
            (["ck-05", "ck-5"], ["05", "5"]),
            (["x/early/model", "x/late/model"], ["early", "late"]),
            (["x/model", "x/late/model"], ["model", "late/model"]),
            (["a.safetensors", "b.safetensors"], ["a", "b"]),
        ] {
            let expected = expected.map(str::to_owned).to_vec();
            assert_eq!(labels(&names), (expected, Order::AsGiven));
        }
    }

    #[test]
    fn one_folder_under_two_names_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().display();
        for name in ["a", "b"] {
            fs::create_dir_all(&folder.path().join(name)).unwrap();
        }
        let given = |other: &str| vec![format!("{root}/a"), format!("{root}/{other}")];
        assert!(matches!(
            ordered(given("b/../a")),
            Err(TrackError::SamePlace { .. })
        ));
        assert!(ordered(given("b")).is_ok());
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
        fn no_reference_is_lost(names in proptest::collection::btree_set("[a0ä9/@-]{1,6}", 2..6)) {
            let given: Vec<String> = names.into_iter().collect();
            if let Ok(ordered) = ordered(given.clone()) {
                let labels: BTreeSet<&String> = ordered.steps.iter().map(|(_, label)| label).collect();
                proptest::prop_assert_eq!(labels.len(), given.len());
                proptest::prop_assert!(labels.iter().all(|label| !label.is_empty()));
                let mut found: Vec<String> = ordered.steps.into_iter().map(|(name, _)| name).collect();
                found.sort();
                proptest::prop_assert_eq!(found, given);
            }
        }
    }
}
