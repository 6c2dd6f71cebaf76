//! A runner of workflows on this machine: a repository, the Action beside it, and `act`, which
//! executes the steps as GitHub's runner does. `scripts/test-servers` installs it.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::github::{GitHub, HEAD};
use super::store::installed;
use super::tiny::{KEY, TinyCheckpoint};
use super::{repository, repository_text};

/// Appended to a job that judges in a step `gate`: what a later step can read of it.
pub(crate) const PROBE: &str = "
      - if: ${{ always() }}
        env:
          OUTPUTS: ${{ toJSON(steps.gate.outputs) }}
          OUTCOME: ${{ steps.gate.outcome }}
          REPORT: ${{ steps.gate.outputs.report-path }}
        run: |
          printf '%s' \"$OUTPUTS\" >\"$PROBE/outputs.json\"
          printf '%s' \"$OUTCOME\" >\"$PROBE/outcome\"
          if [ -n \"$REPORT\" ]; then cp \"$REPORT\" \"$PROBE/report.json\"; fi
";

/// A repository `octo/demo` with a checkpoint, two fine-tunes of it (`tuned` is sound, `broken` is
/// not), a recipe that names one and a policy that pins the base.
pub(crate) struct Runner {
    folder: TempDir,
    act: PathBuf,
    pub(crate) github: GitHub,
    /// The first commit.
    pub(crate) base: String,
    /// Variables of every step.
    pub(crate) environment: Vec<(String, String)>,
}

impl Runner {
    /// `None`, having said so, where `act` is not installed.
    pub(crate) fn new() -> Option<Self> {
        let mut runner = Self {
            act: installed("python/bin/act")?,
            folder: tempfile::tempdir().unwrap(),
            github: GitHub::start(),
            base: String::new(),
            environment: Vec::new(),
        };
        runner.write("home/.config/act/actrc", "");
        for file in ["action.yml", "Cargo.toml"] {
            runner.copy(file, &format!("action/{file}"));
        }
        for script in ["action-install", "action-run", "lib.sh"] {
            let script = format!("scripts/{script}");
            runner.copy(&script, &format!("action/{script}"));
        }
        runner.pin("");
        for folder in ["probe", "artifacts"] {
            tunegate::fs::create_dir_all(&runner.path(folder)).unwrap();
        }
        let base = TinyCheckpoint::model();
        base.write(&runner.path("repo/base"));
        base.tuned(0.01).write(&runner.path("repo/tuned"));
        base.tuned(0.01)
            .edit(KEY, |values| values[0] = f32::NAN)
            .write(&runner.path("repo/broken"));
        runner.write("repo/policies/gate.toml", &policy(0.5));
        runner.recipe("tuned");
        runner.git(&["init", "--quiet", "--initial-branch=main"]);
        runner.git(&[
            "remote",
            "add",
            "origin",
            "https://github.com/octo/demo.git",
        ]);
        runner.base = runner.commit();
        Some(runner)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        tunegate::fs::create_dir_all(path.parent().unwrap()).unwrap();
        tunegate::fs::write_atomic(&path, text.as_bytes()).unwrap();
    }

    /// Copies a file of this repository, with its permissions.
    fn copy(&self, from: &str, to: &str) {
        let to = self.path(to);
        tunegate::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(repository(from), to).unwrap();
    }

    /// The pinned checksums of the Action.
    pub(crate) fn pin(&self, checksums: &str) {
        self.write("action/scripts/release-checksums.txt", checksums);
    }

    /// Makes the recipe name this checkpoint.
    pub(crate) fn recipe(&self, tuned: &str) {
        let text = format!("output:\n  model: {tuned}\n");
        self.write("repo/recipes/support-bot.yaml", &text);
    }

    pub(crate) fn workflow(&self, name: &str, text: &str) {
        self.write(&format!("repo/.github/workflows/{name}.yml"), text);
    }

    fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(self.path("repo"))
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
            .args(["-c", "commit.gpgsign=false"])
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits everything; returns the commit.
    pub(crate) fn commit(&self) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message=change"]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// A pull request whose head is in that repository, on the first commit.
    pub(crate) fn pull_request(&self, head_repository: &str, sender: &str) -> Value {
        json!({
            "number": 7,
            "sender": { "login": sender },
            "pull_request": {
                "number": 7,
                "user": { "login": sender },
                "head": { "sha": HEAD, "ref": "patch/1", "repo": { "full_name": head_repository } },
                "base": { "sha": self.base, "ref": "main", "repo": { "full_name": "octo/demo" } },
            },
        })
    }

    /// Commits what changed and runs the workflow for the event.
    pub(crate) fn run(&self, workflow: &str, event: &str, payload: &Value) -> Execution {
        self.commit();
        for file in ["probe/outputs.json", "probe/outcome", "probe/report.json"] {
            let _ = std::fs::remove_file(self.path(file));
        }
        self.write("event.json", &payload.to_string());
        let mut command = Command::new(&self.act);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path("home"))
            .arg(event)
            .args(["--json", "--action-offline-mode", "--no-cache-server"])
            .args(["--platform", "ubuntu-24.04=-self-hosted"])
            .args(["--secret", "GITHUB_TOKEN=ghs_secret"])
            .arg("--directory")
            .arg(self.path("repo"))
            .arg("--workflows")
            .arg(
                self.path("repo/.github/workflows")
                    .join(format!("{workflow}.yml")),
            )
            .arg("--eventpath")
            .arg(self.path("event.json"));
        for (name, folder) in self.actions() {
            command
                .arg("--local-repository")
                .arg(format!("{name}={}", folder.display()));
        }
        for (name, value) in self.variables() {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        let output = command.output().unwrap();
        Execution {
            code: output.status.code().unwrap(),
            log: lines(&output.stdout),
            outputs: self.probed("outputs.json"),
            outcome: self.probed("outcome"),
            report: self.probed("report.json"),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// What the examples use, and where it lies on this machine.
    fn actions(&self) -> [(&'static str, PathBuf); 5] {
        [
            ("actions/cache@v5", repository("tests/actions/cache")),
            ("tunegate/tunegate@v0.1.0", self.path("action")),
            (
                "actions/upload-artifact@v7",
                repository("tests/actions/upload"),
            ),
            (
                "actions/download-artifact@v8",
                repository("tests/actions/download"),
            ),
            ("tunegate/image@v0", repository("tests/actions/image")),
        ]
    }

    fn variables(&self) -> Vec<(String, String)> {
        let mut variables = vec![
            ("GITHUB_API_URL".to_owned(), self.github.url()),
            ("PROGRAM".to_owned(), program()),
        ];
        for (name, folder) in [("PROBE", "probe"), ("ARTIFACTS", "artifacts")] {
            variables.push((name.to_owned(), self.path(folder).display().to_string()));
        }
        variables.extend(self.environment.clone());
        variables
    }

    fn probed(&self, file: &str) -> Option<String> {
        let path = self.path("probe").join(file);
        path.exists()
            .then(|| tunegate::fs::read_to_string(&path).unwrap())
    }
}

/// The program under test.
pub(crate) fn program() -> String {
    env!("CARGO_BIN_EXE_tunegate").to_owned()
}

/// A policy that lets a layer change by so much of its size.
pub(crate) fn policy(largest: f64) -> String {
    format!(
        "version = 1\nname = \"gate\"\nextends = \"default\"\n\n[base]\nref = \"base\"\n\n\
         [[rule]]\nid = \"size\"\nmetric = \"relative_update\"\nfail = {{ max = {largest} }}\n"
    )
}

/// The example of `docs/github.md` that holds `part`.
#[track_caller]
pub(crate) fn example(part: &str) -> String {
    let text = repository_text("docs/github.md");
    let found: Vec<&str> = text
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .filter(|example| example.contains(part))
        .collect();
    assert_eq!(found.len(), 1, "examples with {part}");
    found[0].to_owned()
}

/// Replaces text that must be there.
#[track_caller]
pub(crate) fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in\n{text}");
    text.replace(from, to)
}

fn lines(stdout: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(stdout);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// What a workflow left.
#[derive(Debug)]
pub(crate) struct Execution {
    /// 1 where a job failed.
    pub(crate) code: i32,
    log: Vec<Value>,
    outputs: Option<String>,
    outcome: Option<String>,
    report: Option<String>,
    stderr: String,
}

impl Execution {
    /// Everything that was said, for the messages of failed tests.
    pub(crate) fn text(&self) -> String {
        let said = self.log.iter().filter_map(|line| line["msg"].as_str());
        let said: Vec<&str> = said.map(str::trim_end).collect();
        format!("{}\n{}", said.join("\n"), self.stderr)
    }

    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.text());
        assert!(!self.text().contains("ghs_secret"), "{}", self.text());
        self
    }

    /// Outcome of the step `gate`, as a later step reads it.
    #[track_caller]
    pub(crate) fn outcome(&self) -> &str {
        let outcome = self.outcome.as_deref();
        outcome.unwrap_or_else(|| panic!("no step read the outcome: {}", self.text()))
    }

    /// An output of the Action, as a later step reads it; empty where it was not set.
    #[track_caller]
    pub(crate) fn output(&self, name: &str) -> String {
        let outputs = self.outputs.as_deref();
        let outputs = outputs.unwrap_or_else(|| panic!("no step read outputs: {}", self.text()));
        let outputs: Value = serde_json::from_str(outputs).unwrap();
        outputs[name].as_str().unwrap_or_default().to_owned()
    }

    /// The file of the output `report-path`, as a later step reads it.
    #[track_caller]
    pub(crate) fn report(&self) -> Value {
        let report = self.report.as_deref();
        let report = report.unwrap_or_else(|| panic!("no step read a report: {}", self.text()));
        serde_json::from_str(report).unwrap()
    }

    /// Workflow commands that the runner understood, such as `notice`.
    pub(crate) fn commands(&self, kind: &str) -> Vec<&str> {
        let lines = self.log.iter().filter(|line| line["command"] == kind);
        lines.filter_map(|line| line["arg"].as_str()).collect()
    }

    /// The job summary.
    pub(crate) fn summary(&self) -> String {
        let lines = self.log.iter().filter(|line| line["command"] == "summary");
        lines.filter_map(|line| line["content"].as_str()).collect()
    }

    /// Whether a step whose name holds this was executed.
    pub(crate) fn has_run(&self, step: &str) -> bool {
        let main = format!("Run Main {step}");
        self.log
            .iter()
            .filter_map(|line| line["msg"].as_str())
            .any(|text| text.contains(&main))
    }
}
