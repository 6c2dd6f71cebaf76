//! The policy of the base judges; the head's is information.

use super::setup::Job;
use crate::support::cmd::Pair;
use crate::support::github::{BASE, Fault, problem};
use crate::support::server::Reply;

const STRICT: &str = "version = 1\nname = \"gate\"\nextends = \"default\"\n[[rule]]\nid = \"size\"\nmetric = \"relative_update\"\nfail = { max = 0.005 }\n";
const GATE: (&str, &str) = ("TUNEGATE_POLICY", "gate.toml");

fn loose() -> String {
    STRICT.replace("0.005", "0.5")
}

/// A job whose checkout has this policy, and whose base has that one.
fn job(head: &str, base: Option<&str>) -> Job {
    let job = Job::new();
    job.pair.file("gate.toml", head);
    if let Some(base) = base {
        job.github.content("gate.toml", BASE, base);
    }
    job
}

#[test]
fn a_policy_that_the_head_loosens_is_judged_by_the_base() {
    let mut job = job(&loose(), Some(STRICT));
    let left = job.ci("tuned", &[GATE]).expect(1);
    assert_eq!(left.output("policy-changed"), "true");
    let body = job.github.comment().body;
    assert!(
        body.contains("[!WARNING]") && body.contains("loosens the policy"),
        "{body}"
    );
    assert!(
        body.contains("`fail.max` grows from 0.005 to 0.5"),
        "{body}"
    );
    assert!(body.contains("by the changed policy: **pass**"), "{body}");
    assert!(body.contains("fail: "), "{body}");
    assert!(left.summary.contains("[!WARNING]"));
}

#[test]
fn a_sound_run_that_loosens_the_policy_warns() {
    let mut job = job(&STRICT.replace("0.005", "0.6"), Some(&loose()));
    let left = job.ci("tuned", &[GATE]).expect(0);
    assert_eq!(
        (left.output("verdict"), left.output("warn-count")),
        ("warn", "1")
    );
    let report = tunegate::fs::read_to_string(left.output("report-path").as_ref()).unwrap();
    assert!(report.contains("policy-loosened"), "{report}");
    assert_eq!(job.github.comments().len(), 1);
}

#[test]
fn a_stricter_policy_is_a_change_and_no_finding() {
    let mut job = job(STRICT, Some(&loose()));
    let left = job.ci("tuned", &[GATE]).expect(0);
    assert_eq!(
        (left.output("verdict"), left.output("policy-changed")),
        ("pass", "true")
    );
    let body = job.github.comment().body;
    assert!(
        body.contains("changes the policy") && body.contains("by the changed policy: **fail**"),
        "{body}"
    );
}

#[test]
fn an_unchanged_policy_is_no_news() {
    let mut job = job(STRICT, Some(STRICT));
    let left = job.ci("tuned", &[GATE]).expect(1);
    assert_eq!(left.output("policy-changed"), "false");
    assert!(!job.github.comment().body.contains("[!"));
}

#[test]
fn the_first_policy_judges_and_says_so() {
    let mut job = job(&loose(), None);
    let left = job.ci("tuned", &[GATE]).expect(0);
    assert_eq!(left.output("policy-changed"), "true");
    assert!(job.github.comment().body.contains("First policy"));
}

#[test]
fn a_policy_that_the_head_breaks_or_deletes_still_judges() {
    for head in [None, Some("version = 1\nnonsense = true\n")] {
        let mut job = Job::new();
        if let Some(head) = head {
            job.pair.file("gate.toml", head);
        }
        job.github.content("gate.toml", BASE, STRICT);
        let left = job.ci("tuned", &[GATE]).expect(1);
        assert_eq!(left.output("policy-changed"), "true");
        assert!(
            job.github
                .comment()
                .body
                .contains("The changed policy cannot be used")
        );
    }
}

#[test]
fn a_base_that_cannot_be_read_closes_the_gate() {
    let unreadable: [fn() -> Reply; 3] = [
        || problem(403, "Resource not accessible by integration"),
        || Reply::new(200, "{}"),
        || Reply::new(200, r#"{"type": "dir", "encoding": "", "content": ""}"#),
    ];
    for reply in unreadable {
        let mut job = job(&loose(), Some(STRICT));
        job.github
            .fault("GET", "/contents/", Fault::Refuse(reply()));
        let left = job.ci("tuned", &[GATE]).expect(2);
        assert!(
            left.ran.stderr.contains("cannot read policy `gate.toml`"),
            "{}",
            left.ran.stderr
        );
    }
    // Without `contents: read` everything looks as if it were not there, commits too.
    let mut job = job(&loose(), Some(STRICT));
    job.github.fault(
        "GET",
        "/contents/",
        Fault::Refuse(problem(404, "Not Found")),
    );
    job.github
        .fault("GET", "/commits/", Fault::Refuse(problem(404, "Not Found")));
    job.ci("tuned", &[GATE]).expect(2);
}

#[test]
fn the_reference_of_the_policy_can_be_chosen() {
    let mut job = job(&loose(), Some(STRICT));
    job.github.content("gate.toml", "release%2F1", &loose());
    let with = |reference| [GATE, ("TUNEGATE_POLICY_REF", reference)];
    job.ci("tuned", &with("head")).expect(0);
    job.ci("tuned", &with("base")).expect(1);
    job.ci("tuned", &with("release/1")).expect(0);
    job.ci("tuned", &with("--output=x")).expect(2);
    job.event = "push";
    job.ci("tuned", &[GATE]).expect(0);
    let left = job.ci("tuned", &with("base")).expect(2);
    assert!(left.ran.stderr.contains("`push`"), "{}", left.ran.stderr);
}

#[test]
fn a_merge_queue_is_judged_by_its_base() {
    let mut job = job(&loose(), Some(STRICT));
    job.event = "merge_group";
    job.payload = serde_json::json!({ "merge_group": { "base_sha": BASE } });
    job.ci("tuned", &[GATE]).expect(1);
    assert_eq!(job.github.comments().len(), 0);
}

#[test]
fn a_checkout_that_holds_the_base_is_asked_before_github() {
    let mut job = job(STRICT, None);
    let folder = job.pair.path("");
    let git = |args: &[&str]| {
        let output = std::process::Command::new("git")
            .current_dir(&folder)
            .args([
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@example.org",
                "-c",
                "commit.gpgsign=false",
            ])
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "-q"]);
    git(&["add", "gate.toml"]);
    git(&["commit", "-qm", "base"]);
    job.payload["pull_request"]["base"]["sha"] = git(&["rev-parse", "HEAD"]).into();
    job.pair.file("gate.toml", &loose());
    job.ci("tuned", &[GATE, ("TUNEGATE_COMMENT", "never")])
        .expect(1);
    assert_eq!(job.github.requests(), [""; 0]);
    // A policy below a folder, run from there, that the base does not have.
    job.pair.file("other.toml", &loose());
    let left = job
        .ci(
            "tuned",
            &[
                ("TUNEGATE_POLICY", "other.toml"),
                ("TUNEGATE_COMMENT", "never"),
            ],
        )
        .expect(0);
    assert_eq!(left.output("policy-changed"), "true");
}

#[test]
fn the_policy_pins_the_base_and_a_file_names_the_tuned() {
    let pinned = format!("{}[base]\nref = \"base\"\n", loose());
    let mut job = job(&pinned, Some(&pinned));
    job.pair.file("recipe.yaml", "train:\n  output: tuned\n");
    let tuned = "file:recipe.yaml#train.output";
    let left = job.ci(tuned, &[GATE, ("TUNEGATE_BASE", "")]).expect(0);
    assert!(left.ran.stdout.contains("pass"), "{}", left.ran.stdout);
    let left = job.ci(tuned, &[GATE, ("TUNEGATE_BASE", "tuned")]).expect(2);
    assert!(
        left.ran
            .stderr
            .contains("is not the one that policy `gate.toml` pins"),
        "{}",
        left.ran.stderr
    );
}

#[test]
fn check_reads_a_reference_from_a_file_too() {
    let pair: &Pair = &Job::new().pair;
    pair.file("recipe.json", r#"{"out": "tuned", "none": 1}"#);
    let run = |tuned: &str| {
        let mut command = crate::support::cmd::tunegate();
        command
            .current_dir(pair.path(""))
            .args(["check", "--base", "base", "--tuned", tuned]);
        crate::support::cmd::Ran::of(&mut command)
    };
    run("file:recipe.json#out").expect_code(0);
    let ran = run("file:recipe.json#none").expect_code(2);
    assert!(
        ran.stderr.contains("`none` is a number, not a text"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_garbled_pull_request_is_judged_by_the_branch_that_the_runner_names() {
    let mut job = job(&loose(), None);
    job.github.content("gate.toml", "main", STRICT);
    job.payload = serde_json::json!({});
    let left = job
        .ci("tuned", &[GATE, ("GITHUB_BASE_REF", "main")])
        .expect(1);
    assert_eq!(left.output("policy-changed"), "true");
    assert!(
        left.commands("notice")[0].contains("no usable"),
        "{}",
        left.ran.stderr
    );
}
