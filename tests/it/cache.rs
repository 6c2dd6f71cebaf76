//! `--cache DIR`: unchanged tensors are not measured twice, and nothing in the folder is trusted.

use std::path::PathBuf;

use crate::support::cmd::{Pair, Ran};
use crate::support::tiny::{KEY, TinyCheckpoint};

fn pair() -> Pair {
    let base = TinyCheckpoint::model();
    Pair::new(
        &base,
        &base.tuned(0.05).edit(KEY, |values| values[0] = f32::NAN),
    )
}

fn cached(pair: &Pair) -> Ran {
    pair.check(&["--format", "json", "--cache", "cache", "-v"])
}

/// All entries of the cache.
fn entries(pair: &Pair) -> Vec<PathBuf> {
    let root = pair.path("cache");
    let shelves = tunegate::fs::list(&root).unwrap();
    let files = shelves.iter().flat_map(|shelf| {
        let shelf = root.join(shelf);
        let names = tunegate::fs::list(&shelf).unwrap();
        names.into_iter().map(move |name| shelf.join(name))
    });
    files.collect()
}

#[test]
fn a_second_run_reuses_every_result_and_gives_the_same_bytes() {
    let pair = pair();
    let without = pair.check(&["--format", "json"]);
    let first = cached(&pair);
    let second = cached(&pair);
    assert_eq!(first.stdout, without.stdout);
    assert_eq!(second.stdout, without.stdout);
    assert_eq!((first.code, second.code), (1, 1));
    let count = entries(&pair).len();
    assert!(
        first
            .stderr
            .contains(&format!("0 results reused, {count} computed")),
        "{}",
        first.stderr
    );
    assert!(
        second
            .stderr
            .contains(&format!("{count} results reused, 0 computed")),
        "{}",
        second.stderr
    );
}

#[test]
fn damaged_entries_are_computed_again_and_said() {
    let pair = pair();
    let first = cached(&pair);
    let all = entries(&pair);
    for (index, path) in all.iter().enumerate() {
        let mut bytes = tunegate::fs::read(path).unwrap();
        match index % 3 {
            0 => bytes.truncate(bytes.len() / 2),
            1 => bytes.clear(),
            _ => {
                let last = bytes.len() - 2;
                bytes[last] ^= 1;
            }
        }
        tunegate::fs::write_atomic(path, &bytes).unwrap();
    }
    let second = cached(&pair);
    assert_eq!(second.stdout, first.stdout);
    assert!(
        second
            .stderr
            .contains(&format!("{} entries of the cache were damaged", all.len())),
        "{}",
        second.stderr
    );
    assert!(
        cached(&pair)
            .stderr
            .contains(&format!("{} results reused", all.len()))
    );
}

#[test]
fn an_entry_under_another_key_is_not_trusted() {
    let pair = pair();
    let first = cached(&pair);
    let all = entries(&pair);
    let foreign = tunegate::fs::read(&all[0]).unwrap();
    tunegate::fs::write_atomic(&all[1], &foreign).unwrap();
    let second = cached(&pair);
    assert_eq!(second.stdout, first.stdout);
    assert!(
        second
            .stderr
            .contains("1 entries of the cache were damaged"),
        "{}",
        second.stderr
    );
}

#[test]
fn only_the_tensor_that_changed_is_measured_again() {
    let base = TinyCheckpoint::model();
    let pair = Pair::new(&base, &base.tuned(0.05));
    cached(&pair);
    let count = entries(&pair).len();
    base.tuned(0.05)
        .edit(KEY, |values| values[3] += 0.5)
        .write(&pair.path("tuned"));
    let second = cached(&pair);
    let expected = format!("{} results reused, 1 computed", count - 1);
    assert!(second.stderr.contains(&expected), "{}", second.stderr);
    let fresh = pair.check(&["--format", "json"]);
    assert_eq!(second.stdout, fresh.stdout);
}

#[test]
fn a_folder_that_cannot_be_used_is_an_error_before_the_work() {
    let pair = pair();
    pair.file("cache", "a file");
    let ran = cached(&pair).expect_code(2);
    assert!(ran.stderr.contains("cache"), "{}", ran.stderr);
}

#[test]
fn a_scan_reuses_what_it_measured() {
    let pair = pair();
    let scan = |cache: bool| {
        let mut command = crate::support::cmd::tunegate();
        command
            .current_dir(pair.path("."))
            .args(["scan", "tuned", "--format", "json", "-v"]);
        if cache {
            command.args(["--cache", "cache"]);
        }
        Ran::of(&mut command).expect_code(0)
    };
    let (without, first, second) = (scan(false), scan(true), scan(true));
    assert_eq!(first.stdout, without.stdout);
    assert_eq!(second.stdout, without.stdout);
    let count = entries(&pair).len();
    assert!(count > 0);
    let expected = format!("{count} results reused, 0 computed");
    assert!(second.stderr.contains(&expected), "{}", second.stderr);
}
