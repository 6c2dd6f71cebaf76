//! A job of GitHub Actions: a pair of checkpoints, the runner's environment and its files.

use assert_cmd::Command;
use serde_json::{Value, json};

use crate::support::cmd::{Pair, Ran, tunegate};
use crate::support::github::{BASE, GitHub, HEAD};
use crate::support::tiny::{KEY, TinyCheckpoint};

/// The job of one gate, run again and again.
pub(crate) struct Job {
    pub(crate) github: GitHub,
    /// Where the program finds the API, if not at the fake itself.
    pub(crate) api: Option<String>,
    pub(crate) pair: Pair,
    pub(crate) event: &'static str,
    pub(crate) payload: Value,
    pub(crate) token: bool,
    pub(crate) run: u64,
}

/// What a run left, with the files that the runner reads.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) ran: Ran,
    pub(crate) outputs: Vec<(String, String)>,
    pub(crate) summary: String,
}

impl Job {
    pub(crate) fn new() -> Self {
        let base = TinyCheckpoint::model();
        let pair = Pair::new(&base, &base.tuned(0.01));
        base.tuned(0.01)
            .edit(KEY, |values| values[0] = f32::NAN)
            .write(&pair.path("broken"));
        Self {
            github: GitHub::start(),
            api: None,
            pair,
            event: "pull_request",
            payload: pull_request("octo/demo"),
            token: true,
            run: 1,
        }
    }

    /// Whose head is in another repository.
    pub(crate) fn of_fork(mut self) -> Self {
        self.payload = pull_request("mona/demo");
        self
    }

    pub(crate) fn command(&self, command: &str) -> Command {
        let mut program = tunegate();
        for (name, _) in std::env::vars() {
            let ours = ["GITHUB_", "TUNEGATE_", "RUNNER_", "HF_"];
            let proxy = name.to_ascii_lowercase().ends_with("_proxy");
            if proxy || ours.iter().any(|prefix| name.starts_with(prefix)) {
                program.env_remove(name);
            }
        }
        let api = self.api.clone().unwrap_or_else(|| self.github.url());
        let file = |name: &str| self.pair.path(name).display().to_string();
        self.pair.file("event.json", &self.payload.to_string());
        program
            .arg(command)
            .current_dir(self.pair.path(""))
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_EVENT_NAME", self.event)
            .env("GITHUB_EVENT_PATH", file("event.json"))
            .env("GITHUB_REPOSITORY", "octo/demo")
            .env("GITHUB_API_URL", api)
            .env("GITHUB_SERVER_URL", "https://github.example")
            .env("GITHUB_SHA", "0123456789012345678901234567890123456789")
            .env("GITHUB_RUN_ID", self.run.to_string())
            .env("GITHUB_RUN_ATTEMPT", "1")
            .env("GITHUB_WORKFLOW", "gate")
            .env("GITHUB_JOB", "check")
            .env("GITHUB_WORKSPACE", file(""))
            .env("GITHUB_OUTPUT", file("output"))
            .env("GITHUB_STEP_SUMMARY", file("summary.md"))
            .env("RUNNER_TEMP", file(""));
        if self.token {
            program.env("TUNEGATE_TOKEN", "ghs_secret");
        }
        program
    }

    /// `ci` on the checkpoint `tuned` (sound) or `broken`, with these inputs.
    pub(crate) fn ci(&mut self, tuned: &str, inputs: &[(&str, &str)]) -> Left {
        let mut command = self.command("ci");
        command
            .env("TUNEGATE_BASE", "base")
            .env("TUNEGATE_TUNED", tuned);
        for (name, value) in inputs {
            command.env(name, value);
        }
        self.finish(&mut command)
    }

    /// Runs, reads the runner's files and empties them for the next run.
    pub(crate) fn finish(&mut self, command: &mut Command) -> Left {
        let ran = Ran::of(command);
        self.run += 1;
        let read = |name: &str| {
            let path = self.pair.path(name);
            let text = tunegate::fs::read_to_string(&path).unwrap_or_default();
            self.pair.file(name, "");
            text
        };
        assert!(!ran.stderr.contains("ghs_secret") && !ran.stdout.contains("ghs_secret"));
        Left {
            outputs: outputs(&read("output")),
            summary: read("summary.md"),
            ran,
        }
    }
}

impl Left {
    #[track_caller]
    pub(crate) fn output(&self, name: &str) -> &str {
        let found = self.outputs.iter().find(|(known, _)| known == name);
        &found
            .unwrap_or_else(|| panic!("no output {name}: {self:#?}"))
            .1
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.ran.code, code,
            "{}\n{}",
            self.ran.stdout, self.ran.stderr
        );
        assert_eq!(self.output("exit-code"), code.to_string());
        self
    }

    /// Workflow commands of a kind, such as `notice`.
    pub(crate) fn commands(&self, kind: &str) -> Vec<&str> {
        let start = format!("::{kind} ");
        self.ran
            .stderr
            .lines()
            .filter(|line| line.starts_with(&start))
            .collect()
    }
}

/// As the runner reads `GITHUB_OUTPUT`.
fn outputs(text: &str) -> Vec<(String, String)> {
    let mut lines = text.lines();
    let mut outputs = Vec::new();
    while let Some(line) = lines.next() {
        let (name, delimiter) = line.split_once("<<").unwrap();
        let value: Vec<&str> = lines
            .by_ref()
            .take_while(|line| *line != delimiter)
            .collect();
        outputs.push((name.to_owned(), value.join("\n")));
    }
    outputs
}

fn pull_request(head_repository: &str) -> Value {
    json!({
        "number": 7,
        "sender": { "login": "mona" },
        "pull_request": {
            "number": 7,
            "user": { "login": "mona" },
            "head": { "sha": HEAD, "ref": "patch", "repo": { "full_name": head_repository } },
            "base": { "sha": BASE, "ref": "main", "repo": { "full_name": "octo/demo" } },
        },
    })
}
