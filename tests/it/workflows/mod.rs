//! The Action and the examples of `docs/github.md`, executed by a runner of workflows.

mod events;
mod forks;
mod install;
mod shards;

use crate::support::act::{PROBE, Runner, example, replaced};

/// The first example, for more events than its own, with the program under test and a look at what
/// the step left.
fn gate() -> String {
    let text = example("name: gate\n");
    let text = replaced(
        &text,
        "  pull_request:\n",
        "  pull_request:\n  push:\n  schedule:\n    - cron: \"17 3 * * *\"\n  workflow_dispatch:\n",
    );
    let text = with(&text, "binary: ${{ env.PROGRAM }}");
    text.trim_end().to_owned() + "\n" + PROBE
}

/// The workflow with one more input of the Action.
fn with(text: &str, line: &str) -> String {
    let last = "          comment-key: gate\n";
    replaced(text, last, &format!("{last}          {line}\n"))
}

/// A repository with the first example as its workflow.
fn runner() -> Option<Runner> {
    let runner = Runner::new()?;
    runner.workflow("gate", &gate());
    Some(runner)
}
