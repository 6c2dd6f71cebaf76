//! The program, and what it left: exit code, streams and report.

use std::path::PathBuf;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

use super::tiny::TinyCheckpoint;

/// The program in an environment that says nothing about CI, colour or settings.
pub(crate) fn tunegate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tunegate"));
    for name in [
        "CI",
        "NO_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "FORCE_COLOR",
        "TUNEGATE_BASE",
        "TUNEGATE_TUNED",
        "TUNEGATE_POLICY",
        "TUNEGATE_EMIT",
        "TUNEGATE_ADVISORY",
        "TUNEGATE_TEMPLATES",
        "TUNEGATE_THREADS",
        "TUNEGATE_CACHE",
        "TUNEGATE_SHARD",
        "TUNEGATE_ADAPTER",
        "TUNEGATE_OFFLINE",
        "TUNEGATE_DOWNLOAD",
        "TUNEGATE_DEADLINE",
        "TUNEGATE_HUB_OIDC",
        "TUNEGATE_HISTORY",
        "TUNEGATE_HISTORY_MODEL",
        "TUNEGATE_HISTORY_BRANCH",
        "TUNEGATE_HISTORY_COMMIT",
        "TUNEGATE_HISTORY_READ_ONLY",
        "GITHUB_EVENT_NAME",
        "GITHUB_REF_NAME",
        "GITHUB_BASE_REF",
        "GITHUB_SHA",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "HF_OIDC_ID_TOKEN",
        "HF_ENDPOINT",
        "HF_HOME",
        "HF_HUB_CACHE",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN",
        "HF_HUB_OFFLINE",
        "HF_TOKEN",
        "HF_TOKEN_PATH",
        "HUGGINGFACE_HUB_CACHE",
        "XDG_CACHE_HOME",
    ] {
        command.env_remove(name);
    }
    command
}

/// What a run of the program left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code().expect("the program was not killed"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The JSON document on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.stdout, self.stderr))
    }

    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// Runs the program with these arguments.
pub(crate) fn run(args: &[&str]) -> Ran {
    Ran::of(tunegate().args(args))
}

/// A pair of checkpoints on disk.
#[derive(Debug)]
pub(crate) struct Pair {
    folder: TempDir,
}

impl Pair {
    pub(crate) fn new(base: &TinyCheckpoint, tuned: &TinyCheckpoint) -> Self {
        let folder = tempfile::tempdir().unwrap();
        base.write(&folder.path().join("base"));
        tuned.write(&folder.path().join("tuned"));
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file beside the two and returns its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        tunegate::fs::write_atomic(&path, text.as_bytes()).unwrap();
        path.display().to_string()
    }

    /// `check` of the pair, run in its folder so that references are short.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = tunegate();
        command
            .current_dir(self.folder.path())
            .args(["check", "--base", "base", "--tuned", "tuned"])
            .args(args);
        command
    }

    pub(crate) fn check(&self, args: &[&str]) -> Ran {
        Ran::of(&mut self.command(args))
    }

    /// The JSON report under the default policy.
    pub(crate) fn judged(&self) -> Judged {
        self.judged_by("default")
    }

    pub(crate) fn judged_by(&self, policy: &str) -> Judged {
        let ran = self.check(&["--format", "json", "--policy", policy]);
        Judged {
            report: ran.json(),
            code: ran.code,
        }
    }
}

/// A finished check: its report and exit code.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) report: Value,
    pub(crate) code: i32,
}

impl Judged {
    pub(crate) fn verdict(&self) -> &str {
        self.report["verdict"].as_str().unwrap()
    }

    pub(crate) fn findings(&self, code: &str) -> Vec<&Value> {
        let all = self.report["findings"].as_array().unwrap().iter();
        all.filter(|finding| finding["code"] == code).collect()
    }

    pub(crate) fn layer(&self, name: &str) -> &Value {
        let all = self.report["layers"].as_array().unwrap();
        all.iter()
            .find(|layer| layer["name"] == name)
            .unwrap_or_else(|| panic!("the report has no layer {name}"))
    }

    /// Exactly these findings of `code`: layer (`None`: the checkpoint as a whole) and level.
    #[track_caller]
    pub(crate) fn has(&self, code: &str, expected: &[(Option<&str>, &str)]) {
        let mut found: Vec<(Option<&str>, &str)> = self
            .findings(code)
            .iter()
            .map(|finding| {
                (
                    finding["layer"].as_str(),
                    finding["level"].as_str().unwrap(),
                )
            })
            .collect();
        let mut expected = expected.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{code}: {:#}", self.report["findings"]);
    }

    #[track_caller]
    pub(crate) fn lacks(&self, code: &str) {
        self.has(code, &[]);
    }

    #[track_caller]
    pub(crate) fn ends(&self, verdict: &str, code: i32) {
        let found = (self.verdict(), self.code);
        assert_eq!(found, (verdict, code), "{:#}", self.report["findings"]);
    }

    /// Text of the only finding of `code`.
    #[track_caller]
    pub(crate) fn message(&self, code: &str) -> &str {
        let found = self.findings(code);
        assert_eq!(found.len(), 1, "{:#}", self.report["findings"]);
        found[0]["message"].as_str().unwrap()
    }
}

/// Judges `tuned` against `base` under the default policy.
pub(crate) fn judge(base: &TinyCheckpoint, tuned: &TinyCheckpoint) -> Judged {
    Pair::new(base, tuned).judged()
}
