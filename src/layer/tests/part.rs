use std::borrow::Cow;

use proptest::prelude::*;

use crate::layer::{LayerName, Part, Runs, transpose};

const RUNS: Runs = Runs {
    start: 1,
    length: 2,
    stride: 3,
    count: 2,
};

#[test]
fn runs_are_gathered_in_order_and_only_copied_where_they_lie_apart() {
    let bytes = [0, 1, 2, 3, 4, 5, 6];
    assert_eq!(*RUNS.gather(&bytes, 1), [1, 2, 4, 5]);
    let slab = Runs::slab(2, 3).gather(&bytes, 1);
    assert!(matches!(slab, Cow::Borrowed([2, 3, 4])));
    let expert = Part::Expert(1).cut(&bytes, &[3, 2], 1);
    assert!(matches!(expert, Cow::Borrowed([2, 3])));
}

#[test]
fn runs_beyond_the_end_give_nothing() {
    assert!(RUNS.gather(&[0; 5], 1).is_empty());
    let overflowing = Runs {
        count: usize::MAX,
        ..RUNS
    };
    assert!(overflowing.gather(&[0; 5], 1).is_empty());
    assert!(!RUNS.scatter(&[0; 4], &mut [0; 5], 1));
    assert!(!RUNS.scatter(&[0; 3], &mut [0; 9], 1));
}

#[test]
fn a_transposed_matrix_has_its_columns_as_rows() {
    // Two bytes an element.
    let matrix = [0, 10, 1, 11, 2, 12, 3, 13, 4, 14, 5, 15];
    let transposed = [0, 10, 3, 13, 1, 11, 4, 14, 2, 12, 5, 15];
    assert_eq!(transpose(&matrix, 2, 3, 2), transposed);
    assert!(transpose(&matrix, 2, 2, 2).is_empty());
}

#[test]
fn a_part_is_a_part_of_each_whole_it_belongs_to() {
    let wholes = |name: &str| -> Vec<String> {
        let name = LayerName::new(name);
        name.with_wholes().map(str::to_owned).collect()
    };
    assert_eq!(wholes("a[7][gate]"), ["a[7][gate]", "a[7]", "a"]);
    assert_eq!(wholes("a.weight"), ["a.weight"]);
    assert_eq!(wholes("a]"), ["a]"]);
    assert_eq!(wholes("[x]"), ["[x]"]);
    assert_eq!(wholes(""), [""]);
}

proptest! {
    #[test]
    fn what_was_gathered_can_be_put_back(
        start in 0_usize..5, length in 1_usize..5, gap in 0_usize..4, count in 1_usize..6,
        width in prop::sample::select(vec![1_usize, 2, 4]),
    ) {
        let runs = Runs { start, length, stride: length + gap, count };
        let size = runs.end().unwrap() * width;
        let bytes: Vec<u8> = (0..size).map(|index| u8::try_from(index % 251).unwrap() + 1).collect();
        let gathered = runs.gather(&bytes, width).into_owned();
        prop_assert_eq!(gathered.len(), runs.elements() * width);
        let mut back = vec![0; size];
        prop_assert!(runs.scatter(&gathered, &mut back, width));
        let kept = back.iter().zip(&bytes).all(|(back, byte)| *back == 0 || back == byte);
        prop_assert!(kept);
        prop_assert_eq!(back.iter().filter(|byte| **byte != 0).count(), gathered.len());
    }

    #[test]
    fn transposing_twice_changes_nothing(rows in 1_usize..70, cols in 1_usize..70) {
        let bytes: Vec<u8> = (0..rows * cols * 2).map(|index| u8::try_from(index % 251).unwrap()).collect();
        let once = transpose(&bytes, rows, cols, 2);
        prop_assert_eq!(transpose(&once, cols, rows, 2), bytes);
    }
}
