//! `tunegate demo`: what a newcomer sees first.

use crate::support::cmd::{Ran, run, tunegate};
use crate::support::repository;

/// All that the program carries, in bytes.
const LARGEST: u64 = 3_000_000;

#[test]
fn the_demo_passes_the_sound_fine_tune_and_fails_the_broken_one() {
    let ran = run(&["demo"]).expect_code(0);
    let last: Vec<&str> = ran.stdout.lines().rev().take(2).collect();
    assert_eq!(last[0], "broken: fail", "{}", ran.stdout);
    assert!(
        matches!(last[1], "sound: pass" | "sound: warn"),
        "{}",
        ran.stdout
    );
    assert_eq!(ran.stdout.matches("$ tunegate check --base").count(), 2);
}

#[test]
fn what_the_demo_keeps_can_be_judged_again_with_the_same_verdicts() {
    let folder = tempfile::tempdir().unwrap();
    Ran::of(
        tunegate()
            .current_dir(folder.path())
            .args(["demo", "--keep", "kept"]),
    )
    .expect_code(0);
    for (tuned, code) in [("kept/sound", 0), ("kept/broken", 1)] {
        let args = [
            "check",
            "--base",
            "kept/base",
            "--policy",
            "sft",
            "--tuned",
            tuned,
        ];
        Ran::of(tunegate().current_dir(folder.path()).args(args)).expect_code(code);
    }
}

#[test]
fn the_carried_checkpoints_are_small() {
    let total: u64 = ["base", "sound", "broken"]
        .iter()
        .flat_map(|name| {
            let folder = repository("tests/fixtures/demo").join(name);
            ["model.safetensors", "config.json"].map(|file| folder.join(file))
        })
        .map(|path| tunegate::fs::size(&path).unwrap())
        .sum();
    assert!(total <= LARGEST, "{total} bytes");
}

#[test]
fn the_demo_writes_a_page_for_each_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let target = format!("html={}", folder.path().join("page.html").display());
    run(&["demo", "--emit", &target]).expect_code(0);
    let read = |name: &str| tunegate::fs::read_to_string(&folder.path().join(name)).unwrap();
    assert!(read("page-sound.html").contains("<h1>Pass</h1>"));
    assert!(read("page-broken.html").contains("<h1>Fail</h1>"));
}

/// Temporary folders are gone when the text is read.
#[test]
fn the_demo_names_no_temporary_folder() {
    let folder = tempfile::tempdir().unwrap();
    let scratch = folder.path().join("scratch");
    tunegate::fs::create_dir_all(&scratch).unwrap();
    let target = format!("html={}", folder.path().join("page.html").display());
    let ran = Ran::of(
        tunegate()
            .env("TMPDIR", &scratch)
            .args(["demo", "--emit", &target]),
    )
    .expect_code(0);
    let scratch = scratch.display().to_string();
    assert!(!ran.stdout.contains(&scratch), "{}", ran.stdout);
    let line = "$ tunegate check --base demo/base --tuned demo/broken --policy sft";
    assert!(ran.stdout.contains(line), "{}", ran.stdout);
    for name in ["page-sound.html", "page-broken.html"] {
        let page = tunegate::fs::read_to_string(&folder.path().join(name)).unwrap();
        assert!(!page.contains(&scratch), "{name}");
        assert!(page.contains("demo/base"), "{name}");
    }
}
