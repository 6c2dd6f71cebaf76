//! Checkpoints that are said to hold an adapter.

use super::{Folder, SCALE, TinyAdapter};
use crate::support::cmd::Judged;
use crate::support::dtype::Dtype;
use crate::support::tiny::{DOWN, QUERY, TinyCheckpoint};

const MERGED: &[&str] = &["--base", "base", "--tuned", "tuned", "--adapter", "adapter"];

/// Base in one dtype, and `factor` times the adapter's update merged into it in another.
fn judged(from: Dtype, to: Dtype, factor: f64) -> Judged {
    let mut base = TinyCheckpoint::model();
    if from == Dtype::Bf16 {
        for value in base
            .tensors
            .values_mut()
            .flat_map(|tensor| &mut tensor.values)
        {
            *value = half::bf16::from_f32(*value).to_f32();
        }
    }
    let adapter = TinyAdapter::new(&base);
    let tuned = adapter.merged(&base, factor).dtype(to);
    Folder::new(&base.dtype(from), &adapter)
        .tuned(&tuned)
        .judged(MERGED)
}

#[test]
fn a_correct_merge_is_sound_in_every_precision() {
    for (from, to) in [
        (Dtype::F32, Dtype::F32),
        (Dtype::F32, Dtype::Bf16),
        (Dtype::Bf16, Dtype::Bf16),
        (Dtype::F32, Dtype::F16),
    ] {
        let judged = judged(from, to, 1.0);
        judged.lacks("adapter-not-merged");
        judged.lacks("adapter-wrong-scale");
    }
}

#[test]
fn an_adapter_that_was_forgotten_fails() {
    for (from, to) in [(Dtype::F32, Dtype::F32), (Dtype::F32, Dtype::Bf16)] {
        let judged = judged(from, to, 0.0);
        judged.has("adapter-not-merged", &[(None, "fail")]);
        judged.lacks("adapter-wrong-scale");
        judged.ends("fail", 1);
        let message = judged.message("adapter-not-merged");
        assert!(message.starts_with("2 of 2 adapted tensors"), "{message}");
    }
}

#[test]
fn a_wrong_scale_fails_and_is_named() {
    for dtype in [Dtype::F32, Dtype::Bf16] {
        for (factor, words) in [
            (2.0, "merged twice"),
            (-1.0, "subtracted"),
            (1.0 / SCALE, "its scale 4 was left out"),
            (SCALE, "its scale 4 was applied twice"),
            (0.6, "adapter's update 0."),
        ] {
            let judged = judged(dtype, dtype, factor);
            judged.has("adapter-wrong-scale", &[(None, "fail")]);
            judged.lacks("adapter-not-merged");
            let message = judged.message("adapter-wrong-scale");
            assert!(message.contains(words), "{factor}: {message}");
        }
    }
}

#[test]
fn one_module_that_was_forgotten_is_named() {
    let base = TinyCheckpoint::model();
    let adapter = TinyAdapter::new(&base);
    let query = base.tensors[QUERY].values.clone();
    let tuned = adapter
        .merged(&base, 1.0)
        .edit(QUERY, |values| values.copy_from_slice(&query));
    let judged = Folder::new(&base, &adapter).tuned(&tuned).judged(MERGED);
    judged.has("adapter-not-merged", &[(Some(QUERY), "fail")]);
    judged.lacks("adapter-wrong-scale");
}

#[test]
fn a_checkpoint_that_moved_otherwise_is_not_the_adapter() {
    let base = TinyCheckpoint::model();
    let adapter = TinyAdapter::new(&base);
    let judged = Folder::new(&base, &adapter)
        .tuned(&base.tuned(0.02))
        .judged(MERGED);
    judged.has("adapter-wrong-scale", &[(None, "fail")]);
    let message = judged.message("adapter-wrong-scale");
    assert!(
        message.contains("not the base with the adapter"),
        "{message}"
    );
}

#[test]
fn the_adapter_to_look_for_can_come_from_the_environment() {
    let base = TinyCheckpoint::model();
    let adapter = TinyAdapter::new(&base);
    let folder =
        Folder::new(&base, &adapter).tuned(&base.clone().edit(DOWN, |values| values[0] += 1e-3));
    let check = ["check", "--base", "base", "--tuned", "tuned"];
    let mut command = crate::support::cmd::tunegate();
    command
        .current_dir(folder.folder.path())
        .args(check)
        .env("TUNEGATE_ADAPTER", "adapter");
    let ran = crate::support::cmd::Ran::of(&mut command);
    assert!(ran.stdout.contains("adapter-not-merged"), "{}", ran.stdout);
    // Empty, as an input of a workflow that is not set, it is none.
    command.env("TUNEGATE_ADAPTER", "");
    let ran = crate::support::cmd::Ran::of(&mut command);
    assert!(!ran.stdout.contains("adapter-"), "{}", ran.stdout);
    let ran = folder
        .run(&[&check[..], &["--adapter", "base"]].concat())
        .expect_code(2);
    assert!(
        ran.stderr.contains("`base` is no adapter"),
        "{}",
        ran.stderr
    );
}
