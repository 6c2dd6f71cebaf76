use super::causes;
use super::entries::{Entries, Replay};
use crate::checkpoint::Dtype;

const COUNT: usize = 4096;
/// Scale and rank of the updates: alpha / r = 4.
const SCALES: [(f64, usize); 1] = [(4.0, 16)];

/// A fixed sequence, about normal.
fn normal(seed: u64, size: f64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    };
    (0..COUNT)
        .map(|_| (0..12).map(|_| uniform()).sum::<f64>() * size)
        .collect()
}

#[expect(clippy::cast_possible_truncation, reason = "updates are in f32")]
fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

/// A base in one dtype, an update of that size relative to it, and a merge into another dtype.
struct Case {
    base: Vec<f64>,
    update: Vec<f64>,
    dtype: Dtype,
}

impl Case {
    fn new(from: Dtype, dtype: Dtype, relative: f64) -> Self {
        let base = normal(1, 0.02)
            .iter()
            .map(|value| from.round(*value))
            .collect();
        let update = narrow(&normal(2, 0.02 * relative));
        Self {
            base,
            update: update.iter().copied().map(f64::from).collect(),
            dtype,
        }
    }

    fn merged(&self, factor: f64) -> Vec<f64> {
        let entries = self.base.iter().zip(&self.update);
        entries
            .map(|(base, update)| self.dtype.round(base + factor * update))
            .collect()
    }

    fn replay(&self, after: Vec<f64>) -> Replay {
        let entries = Entries {
            before: self.base.clone(),
            after,
            update: narrow(&self.update),
            dtype: self.dtype,
        };
        entries.with_true_dtype().replay(&causes(&SCALES))
    }
}

/// Precision of base and merge, and sizes of the update from the usual to the barely storable.
fn cases() -> impl Iterator<Item = (String, Case)> {
    let pairs = [
        (Dtype::F32, Dtype::F32),
        (Dtype::Bf16, Dtype::Bf16),
        (Dtype::F32, Dtype::Bf16),
        (Dtype::F16, Dtype::F16),
        (Dtype::Bf16, Dtype::F32),
    ];
    let sizes = [0.2, 0.03, 5e-3, 1e-3, 1e-4];
    pairs.into_iter().flat_map(move |(from, to)| {
        sizes.map(|size| (format!("{from} to {to}, {size}"), Case::new(from, to, size)))
    })
}

#[test]
fn a_correct_merge_never_fires_however_it_was_rounded() {
    for (name, case) in cases() {
        assert_eq!(case.replay(case.merged(1.0)), Replay::Merged, "{name}");
        // The update rounded before it is added, as MLX and stacked parameters have it.
        let early: Vec<f64> = case
            .base
            .iter()
            .zip(&case.update)
            .map(|(base, update)| case.dtype.round(base + case.dtype.round(*update)))
            .collect();
        assert_eq!(case.replay(early), Replay::Merged, "{name}: update rounded");
        // The base rounded before the update is added.
        let early: Vec<f64> = case
            .base
            .iter()
            .zip(&case.update)
            .map(|(base, update)| case.dtype.round(case.dtype.round(*base) + update))
            .collect();
        assert_eq!(case.replay(early), Replay::Merged, "{name}: base rounded");
        // A product of factors in bf16.
        let rough: Vec<f64> = case
            .base
            .iter()
            .zip(&case.update)
            .zip(normal(3, 2.0_f64.powi(-9)))
            .map(|((base, update), noise)| case.dtype.round(base + update * (1.0 + noise)))
            .collect();
        assert_eq!(case.replay(rough), Replay::Merged, "{name}: rough product");
    }
}

#[test]
fn a_base_that_was_merged_in_higher_precision_is_still_the_base() {
    for size in [0.2, 0.03, 5e-3, 1e-3] {
        let case = Case::new(Dtype::F32, Dtype::Bf16, size);
        let after = case.merged(1.0);
        let doubled = case.merged(2.0);
        let base = case.base.iter().map(|value| Dtype::Bf16.round(*value));
        let at_hand = Case {
            base: base.collect(),
            ..case
        };
        assert_eq!(at_hand.replay(after), Replay::Merged, "{size}");
        if size >= 5e-3 {
            assert_ne!(at_hand.replay(doubled), Replay::Merged, "{size}");
        }
    }
}

#[test]
fn a_merge_in_bf16_that_was_saved_in_f32_is_a_merge_in_bf16() {
    for size in [0.03, 5e-3, 1e-3] {
        let bf16 = Case::new(Dtype::F32, Dtype::Bf16, size);
        let after = bf16.merged(1.0);
        let saved = Case {
            dtype: Dtype::F32,
            ..bf16
        };
        assert_eq!(saved.replay(after), Replay::Merged, "{size}");
    }
}

#[test]
fn an_adapter_that_is_not_in_the_weights_is_found_where_the_dtype_could_hold_it() {
    for (name, case) in cases() {
        let found = case.replay(case.merged(0.0));
        // An update so small is lost to a base in f32 that was rounded to bf16 before the merge.
        let holds_some = case.merged(1.0) != case.merged(0.0) && name != "F32 to BF16, 0.0001";
        let expected = if holds_some {
            Replay::NotMerged
        } else {
            Replay::Merged
        };
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn a_wrong_scale_is_found_and_its_cause_named() {
    for (name, case) in cases() {
        // At 1e-4 bf16 stores next to nothing of the update.
        let (with, without) = (case.merged(1.0), case.merged(0.0));
        let changed = with.iter().zip(&without);
        if changed
            .filter(|(with, without)| with.total_cmp(without).is_ne())
            .count()
            < 100
        {
            continue;
        }
        for (factor, words) in [
            (2.0, "merged twice"),
            (-1.0, "subtracted"),
            (0.25, "its scale 4 was left out"),
            (4.0, "its scale 4 was applied twice"),
            (16.0, "not divided by the rank"),
        ] {
            let replay = case.replay(case.merged(factor));
            let Replay::Scaled {
                factor: found,
                cause: Some(cause),
            } = &replay
            else {
                panic!("{name} {factor}: {replay:?}")
            };
            assert!(
                (found / factor - 1.0).abs() <= 0.1,
                "{name}: {found} {factor}"
            );
            assert!(cause.contains(words), "{name} {factor}: {cause}");
        }
    }
}

#[test]
fn a_factor_without_a_usual_cause_is_a_wrong_scale_too() {
    for dtype in [Dtype::F32, Dtype::Bf16] {
        let case = Case::new(dtype, dtype, 0.03);
        let Replay::Scaled { factor, cause } = case.replay(case.merged(1.5)) else {
            panic!("{dtype}");
        };
        assert!((factor - 1.5).abs() <= 0.05, "{dtype}: {factor}");
        assert_eq!(cause, None);
    }
}

#[test]
fn other_changes_are_not_the_adapter() {
    for dtype in [Dtype::F32, Dtype::Bf16] {
        let case = Case::new(dtype, dtype, 0.03);
        let other = normal(7, 0.02 * 0.05);
        let after = |share: f64| -> Vec<f64> {
            let merged = case.merged(share);
            let values = merged.iter().zip(&other);
            values
                .map(|(value, change)| dtype.round(value + change))
                .collect()
        };
        for share in [0.0, 1.0] {
            let Replay::Other { left, .. } = case.replay(after(share)) else {
                panic!("{dtype} {share}");
            };
            assert!(left > 0.35, "{dtype} {share}: {left}");
        }
    }
}

#[test]
fn what_is_not_finite_is_left_to_its_own_check() {
    let case = Case::new(Dtype::F32, Dtype::F32, 0.03);
    let mut after = case.merged(2.0);
    after[5] = f64::NAN;
    assert_eq!(case.replay(after), Replay::Merged);
}

#[test]
fn causes_that_cannot_be_told_from_a_correct_merge_are_none() {
    let factors = |scales: &[(f64, usize)]| -> Vec<f64> {
        causes(scales)
            .into_iter()
            .map(|(factor, _)| factor)
            .collect()
    };
    assert_eq!(factors(&[]), [2.0, -1.0]);
    assert_eq!(factors(&[(1.0, 1)]), [2.0, -1.0]);
    assert!(factors(&[(0.0, 4)]).iter().all(|factor| factor.is_finite()));
}
