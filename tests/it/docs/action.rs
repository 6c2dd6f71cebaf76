//! `action.yml` and the script of its step.

use std::collections::BTreeMap;

use assert_cmd::Command;
use tunegate::fs;

use crate::support::cmd::{Pair, Ran, run};
use crate::support::tiny::{KEY, TinyCheckpoint};
use crate::support::{repository, repository_text};

/// Inputs that no flag reads: where to run, and what.
const NOT_FLAGS: [&str; 3] = ["working-directory", "binary", "version"];

/// Keys of a block of `action.yml`, two spaces in.
fn keys(block: &str) -> Vec<String> {
    let text = repository_text("action.yml");
    let start = text.find(&format!("\n{block}:\n")).unwrap() + block.len() + 3;
    text[start..]
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with(' '))
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(|line| line.trim().trim_end_matches(':').to_owned())
        .collect()
}

/// Environment variable by input, from the lines `NAME: ${{ inputs.INPUT }}`.
fn environment() -> BTreeMap<String, String> {
    repository_text("action.yml")
        .lines()
        .filter_map(|line| {
            let (name, value) = line.trim().split_once(": ${{ inputs.")?;
            Some((value.strip_suffix(" }}")?.to_owned(), name.to_owned()))
        })
        .collect()
}

#[test]
fn every_input_reaches_the_flag_of_its_name() {
    let help = run(&["ci", "--help"]).expect_code(0).stdout;
    let environment = environment();
    let inputs = keys("inputs");
    assert!(inputs.len() > 4, "{inputs:?}");
    for input in inputs
        .iter()
        .filter(|input| !NOT_FLAGS.contains(&input.as_str()))
    {
        let variable = format!("TUNEGATE_{}", input.to_uppercase().replace('-', "_"));
        assert_eq!(environment.get(input), Some(&variable), "{input}");
        assert!(
            help.contains(&format!("[env: {variable}")),
            "{variable}:\n{help}"
        );
        assert!(help.contains(&format!("--{input}")), "{input}");
    }
    for input in environment.keys() {
        let input = input.split(' ').next().unwrap().to_owned();
        assert!(
            inputs.contains(&input),
            "`{input}` is used and not declared"
        );
    }
}

/// One run of the step.
struct Step {
    ran: Ran,
    outputs: BTreeMap<String, String>,
    summary: String,
}

/// Runs the step's script in the pair's folder, with what GitHub gives it.
fn step(pair: &Pair, environment: &[(&str, &str)]) -> Step {
    fs::create_dir_all(&pair.path("runner")).unwrap();
    let outputs = pair.file("github-output", "earlier=1\n");
    let summary = pair.file("github-summary", "# Earlier\n");
    let mut command = Command::new("bash");
    command
        .arg(repository("scripts/action-run"))
        .current_dir(pair.path(""))
        .env_remove("NO_COLOR")
        .env_remove("GITHUB_TOKEN")
        .env("CI", "true")
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_EVENT_NAME", "workflow_dispatch")
        .env("GITHUB_REPOSITORY", "octo/demo")
        .env("GITHUB_SHA", "0123456789012345678901234567890123456789")
        .env("GITHUB_WORKSPACE", pair.path(""))
        .env("RUNNER_TEMP", pair.path("runner"))
        .env("GITHUB_OUTPUT", &outputs)
        .env("GITHUB_STEP_SUMMARY", &summary)
        .env("SOURCE", repository(""))
        .env("BINARY", env!("CARGO_BIN_EXE_tunegate"))
        .env("TUNEGATE_BASE", "base")
        .env("TUNEGATE_TUNED", "tuned")
        .env("TUNEGATE_POLICY", "default")
        .env("TUNEGATE_EMIT", "")
        .env("TUNEGATE_ADVISORY", "false")
        .env("TUNEGATE_POLICY_REF", "auto")
        .env("TUNEGATE_COMMENT", "auto")
        .env("TUNEGATE_COMMENT_KEY", "")
        .env("TUNEGATE_CHECK_RUN", "false")
        .env("TUNEGATE_ANNOTATIONS", "true")
        .env("TUNEGATE_SUMMARY", "true")
        .env("TUNEGATE_HISTORY", "")
        .env("TUNEGATE_CACHE", "")
        .env("TUNEGATE_SHARD", "")
        .env("TUNEGATE_REPORT_ERRORS", "warn")
        .env("TUNEGATE_TOKEN", "")
        .envs(environment.iter().copied());
    let ran = Ran::of(&mut command);
    let text = fs::read_to_string(&pair.path("github-output")).unwrap();
    Step {
        ran,
        outputs: read_outputs(&text),
        summary: fs::read_to_string(&pair.path("github-summary")).unwrap(),
    }
}

/// As the runner reads them: `name=value`, or `name<<delimiter` and lines up to the delimiter.
fn read_outputs(text: &str) -> BTreeMap<String, String> {
    let mut lines = text.lines();
    let mut outputs = BTreeMap::new();
    while let Some(line) = lines.next() {
        let (name, value) = if let Some((name, delimiter)) = line.split_once("<<") {
            let value: Vec<&str> = lines
                .by_ref()
                .take_while(|line| *line != delimiter)
                .collect();
            (name, value.join("\n"))
        } else {
            let (name, value) = line.split_once('=').unwrap();
            (name, value.to_owned())
        };
        outputs.insert(name.to_owned(), value);
    }
    outputs
}

fn base() -> TinyCheckpoint {
    TinyCheckpoint::model()
}

fn good() -> Pair {
    Pair::new(&base(), &base().tuned(0.01))
}

fn bad() -> Pair {
    let tuned = base().tuned(0.01);
    Pair::new(&base(), &tuned.edit(KEY, |values| values[0] = f32::NAN))
}

impl Step {
    #[track_caller]
    fn ends(&self, code: i32, verdict: Option<&str>) {
        assert_eq!(
            self.ran.code, code,
            "{}{}",
            self.ran.stdout, self.ran.stderr
        );
        assert_eq!(self.outputs["exit-code"], code.to_string());
        let found = self.outputs.get("verdict").map(String::as_str);
        assert_eq!(found.filter(|text| !text.is_empty()), verdict);
        assert_eq!(self.outputs["earlier"], "1");
        assert!(self.summary.starts_with("# Earlier\n"));
    }
}

#[test]
fn a_good_checkpoint_passes_the_step_with_all_outputs() {
    let pair = good();
    let step = step(&pair, &[]);
    step.ends(0, Some("pass"));
    for output in keys("outputs") {
        assert!(step.outputs.contains_key(&output), "no output {output}");
    }
    assert_eq!(step.outputs["fail-count"], "0");
    assert_eq!(step.outputs["warn-count"], "0");
    let report = fs::read(std::path::Path::new(&step.outputs["report-path"])).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["verdict"], "pass");
    assert!(step.summary.contains("### "), "{}", step.summary);
    assert!(step.ran.stdout.contains("pass:"), "{}", step.ran.stdout);
}

#[test]
fn a_bad_checkpoint_fails_the_step_with_its_verdict() {
    let step = step(&bad(), &[]);
    step.ends(1, Some("fail"));
    assert_eq!(step.outputs["fail-count"], "1");
    assert!(step.summary.contains("non-finite"), "{}", step.summary);
}

#[test]
fn a_broken_input_gives_no_verdict_and_no_report_of_an_earlier_run() {
    let pair = good();
    step(&pair, &[]).ends(0, Some("pass"));
    for broken in [
        &[("TUNEGATE_TUNED", "no-such")][..],
        &[("TUNEGATE_POLICY", "no-such")],
        &[("TUNEGATE_BASE", "")],
        &[("TUNEGATE_EMIT", "json=/no/such/folder/x")],
    ] {
        let step = step(&pair, broken);
        step.ends(2, None);
        let report = step.outputs.get("report-path");
        assert!(report.is_none_or(String::is_empty), "{report:?}");
        let said = step.summary.lines().nth(1).unwrap_or_default();
        assert!(said.contains("no verdict"), "{}", step.summary);
        assert!(step.ran.stderr.contains("error:"), "{}", step.ran.stderr);
    }
}

#[test]
fn a_night_is_recorded_and_a_pull_request_is_not() {
    let pair = good();
    let history = ("TUNEGATE_HISTORY", "nights.db");
    let pull = [history, ("GITHUB_EVENT_NAME", "pull_request")];
    step(&pair, &pull).ends(0, Some("pass"));
    assert!(!pair.path("nights.db").exists());
    let night = [
        history,
        ("GITHUB_EVENT_NAME", "schedule"),
        ("GITHUB_REF_NAME", "trunk"),
    ];
    step(&pair, &night).ends(0, Some("pass"));
    let place = pair.path("nights.db").display().to_string();
    let shown = run(&["history", "show", "--history", &place, "--format", "json"]);
    let runs = shown.expect_code(0).json();
    assert_eq!(runs["runs"][0]["branch"], "trunk");
    assert_eq!(runs["runs"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_crash_is_not_taken_for_a_verdict() {
    let pair = good();
    let crash = pair.file("crash", "#!/usr/bin/env bash\nkill -9 $$\n");
    let mut permissions = std::fs::metadata(&crash).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
    std::fs::set_permissions(&crash, permissions).unwrap();
    step(&pair, &[("BINARY", &crash)]).ends(2, None);
}

#[test]
fn advisory_lets_the_step_succeed_and_keeps_the_verdict() {
    step(&bad(), &[("TUNEGATE_ADVISORY", "true")]).ends(0, Some("fail"));
}

#[test]
fn further_reports_of_the_user_are_written_too() {
    let pair = good();
    let step = step(
        &pair,
        &[("TUNEGATE_EMIT", "json=own.json\nhuman=own.txt\n")],
    );
    step.ends(0, Some("pass"));
    let report = std::path::Path::new(&step.outputs["report-path"]).to_path_buf();
    assert_eq!(
        fs::read(&pair.path("own.json")).unwrap(),
        fs::read(&report).unwrap()
    );
    assert!(pair.path("own.txt").is_file());
}

#[test]
fn a_base_that_the_policy_pins_needs_no_input() {
    let pair = good();
    let policy = pair.file(
        "pin.toml",
        "version = 1\nextends = \"default\"\n[base]\nref = \"base\"\n",
    );
    step(
        &pair,
        &[("TUNEGATE_BASE", ""), ("TUNEGATE_POLICY", &policy)],
    )
    .ends(0, Some("pass"));
}
