//! A check in shares, joined by `merge`.

use crate::support::cmd::{Pair, Ran, tunegate};
use crate::support::tiny::{KEY, TinyCheckpoint};

/// A pair with a finding of every kind of path: NaN in one tensor, drift in the others.
fn pair() -> Pair {
    let base = TinyCheckpoint::model();
    Pair::new(
        &base,
        &base.tuned(0.3).edit(KEY, |values| values[0] = f32::NAN),
    )
}

fn write_parts(pair: &Pair, count: u32) -> Vec<String> {
    (1..=count)
        .map(|index| {
            let path = pair.path(&format!("part-{index}")).display().to_string();
            let emit = format!("part={path}");
            let ran = pair.check(&["--shard", &format!("{index}/{count}"), "--emit", &emit]);
            ran.expect_code(0);
            path
        })
        .collect()
}

fn merge(pair: &Pair, parts: &[String], args: &[&str]) -> Ran {
    let mut command = tunegate();
    command
        .current_dir(pair.path("."))
        .arg("merge")
        .args(parts)
        .args(args);
    Ran::of(&mut command)
}

#[test]
fn merged_shares_give_the_bytes_and_the_code_of_one_run() {
    let pair = pair();
    for format in ["json", "human", "markdown"] {
        let whole = pair
            .check(&["--format", format, "--policy", "sft"])
            .expect_code(1);
        for count in [1, 2, 3, 40] {
            let mut parts = write_parts(&pair, count);
            parts.reverse();
            let merged = merge(&pair, &parts, &["--format", format, "--policy", "sft"]);
            assert_eq!(merged.stdout, whole.stdout, "{count} shares as {format}");
            assert_eq!(merged.code, 1);
        }
    }
}

#[test]
fn every_tensor_is_measured_in_one_share() {
    let pair = pair();
    let counts: Vec<usize> = write_parts(&pair, 3)
        .iter()
        .map(|path| {
            let text = tunegate::fs::read_to_string(path.as_ref()).unwrap();
            let part: serde_json::Value = serde_json::from_str(&text).unwrap();
            part["results"].as_array().unwrap().len()
        })
        .collect();
    let whole = pair.judged();
    assert_eq!(
        counts.iter().sum::<usize>(),
        whole.report["layers"].as_array().unwrap().len()
    );
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

#[track_caller]
fn refused(ran: Ran, part: &str) {
    let ran = ran.expect_code(2);
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains(part), "{}", ran.stderr);
}

#[test]
fn missing_and_doubled_shares_are_refused() {
    let pair = pair();
    let parts = write_parts(&pair, 3);
    refused(merge(&pair, &parts[..2], &[]), "share 3 of 3 is missing");
    let doubled = [parts.clone(), vec![parts[0].clone()]].concat();
    refused(merge(&pair, &doubled, &[]), "share 1 of 3 is there twice");
}

#[test]
fn shares_of_other_checkpoints_or_counts_are_refused() {
    let (one, other) = (pair(), pair());
    let parts = write_parts(&one, 2);
    let base = TinyCheckpoint::model();
    let renamed = Pair::new(&base, &base.tuned(0.3).without(KEY));
    let foreign = write_parts(&renamed, 2);
    refused(
        merge(&one, &[parts[0].clone(), foreign[1].clone()], &[]),
        "another comparison",
    );
    let thirds = write_parts(&other, 3);
    refused(
        merge(&one, &[parts[0].clone(), thirds[1].clone()], &[]),
        "is share 2 of 3",
    );
}

#[test]
fn a_file_that_is_no_part_and_a_part_of_another_version_are_refused() {
    let pair = pair();
    let report = pair.file("report.json", "{\"schema\": 1}");
    refused(merge(&pair, &[report], &[]), "cannot read part");
    let parts = write_parts(&pair, 1);
    let text = tunegate::fs::read_to_string(parts[0].as_ref()).unwrap();
    let older = text.replacen(env!("CARGO_PKG_VERSION"), "0.0.1", 1);
    let older = pair.file("older", &older);
    refused(merge(&pair, &[older], &[]), "written by tunegate 0.0.1");
}

#[test]
fn a_share_that_is_written_nowhere_or_makes_no_sense_is_a_usage_error() {
    let pair = pair();
    refused(pair.check(&["--shard", "1/2"]), "--emit part=FILE");
    refused(
        pair.check(&["--shard", "3/2", "--emit", "part=x"]),
        "K from 1 to N",
    );
    refused(
        pair.check(&["--shard", "1/2", "--emit", "json=x"]),
        "`json` is no format",
    );
}

#[test]
fn a_pinned_base_binds_the_merge_too() {
    let pair = pair();
    let parts = write_parts(&pair, 2);
    let policy = "version = 1\nextends = \"default\"\n[base]\nref = \"elsewhere\"\n";
    let policy = pair.file("pinned.toml", policy);
    refused(merge(&pair, &parts, &["--policy", &policy]), "`elsewhere`");
}
