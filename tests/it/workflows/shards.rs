//! A matrix of shards, whose parts a later job merges.

use super::{example, replaced};
use crate::support::act::Runner;
use serde_json::json;

/// The example, on the checkpoints of the repository. The runner here knows no `strategy.job-index`.
fn workflow() -> String {
    let text = example("matrix:\n");
    let text = replaced(&text, "hf://org/base@0123abcd", "base");
    let text = replaced(&text, "hf://org/tuned@main", "${{ env.TUNED }}");
    let text = replaced(
        &text,
        "docker://ghcr.io/tunegate/tunegate:0.1.0",
        "tunegate/image@v0",
    );
    let text = replaced(&text, "${{ strategy.job-index }}", "${{ matrix.index }}");
    let shards = "shard: [\"1/4\", \"2/4\", \"3/4\", \"4/4\"]";
    let indexed: Vec<String> = (0..4)
        .map(|index| format!("{{ shard: {}/4, index: {index} }}", index + 1))
        .collect();
    let text = replaced(&text, shards, &format!("include: [{}]", indexed.join(", ")));
    let quiet = "          comment: never\n";
    replaced(
        &text,
        quiet,
        &format!("{quiet}          binary: ${{{{ env.PROGRAM }}}}\n"),
    )
}

fn runner(tuned: &str) -> Option<Runner> {
    let mut runner = Runner::new()?;
    runner
        .environment
        .push(("TUNED".to_owned(), tuned.to_owned()));
    runner.workflow("shards", &workflow());
    Some(runner)
}

#[test]
fn the_parts_of_a_matrix_are_merged_into_one_verdict() {
    for (tuned, verdict, code) in [("tuned", "pass", 0), ("broken", "fail", 1)] {
        let Some(runner) = runner(tuned) else { return };
        let ran = runner
            .run("shards", "workflow_dispatch", &json!({}))
            .expect_code(code);
        assert!(ran.has_run("tunegate/image@v0"), "{}", ran.text());
        let said = ran.text();
        assert!(said.contains(&format!("{verdict}: ")), "{said}");
        for index in 0..4 {
            let part = format!("artifacts/part-{index}/part-{index}.json");
            assert!(runner.path(&part).exists(), "{part}");
        }
    }
}

#[test]
fn a_missing_part_closes_the_gate() {
    let Some(runner) = runner("tuned") else {
        return;
    };
    let three = replaced(&workflow(), ", { shard: 4/4, index: 3 }", "");
    runner.workflow("shards", &three);
    let ran = runner
        .run("shards", "workflow_dispatch", &json!({}))
        .expect_code(1);
    assert!(ran.has_run("tunegate/image@v0"), "{}", ran.text());
    assert!(ran.text().contains("part-3.json"), "{}", ran.text());
}
