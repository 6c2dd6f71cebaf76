//! Where output goes: streams, files, colour, and the same bytes every time.

use serde_json::Value;
use tunegate::fs;

use crate::support::cmd::{Pair, Ran};
use crate::support::tiny::{KEY, TinyCheckpoint};

fn base() -> TinyCheckpoint {
    TinyCheckpoint::model()
}

fn broken() -> TinyCheckpoint {
    base()
        .tuned(0.02)
        .edit(KEY, |values| values[..128].fill(0.0))
}

fn pair() -> Pair {
    Pair::new(&base(), &broken())
}

const ESCAPE: char = '\u{1b}';

#[test]
fn stdout_holds_one_document_in_each_format() {
    let pair = pair();
    let human = pair.check(&[]).stdout;
    assert!(
        human.trim_start().starts_with("✗ fail:") || human.contains("fail: "),
        "{human}"
    );
    assert_eq!(human.matches("\ncoverage\n").count(), 1, "{human}");
    let json = pair.check(&["--format", "json"]);
    // More than one document would not parse.
    assert_eq!(json.json()["verdict"], "fail");
    let markdown = pair.check(&["--format", "markdown"]).stdout;
    assert!(markdown.starts_with("### "), "{markdown}");
    assert_eq!(markdown.matches("\n### ").count(), 0);
    for document in [human, json.stdout, markdown] {
        assert!(document.ends_with('\n') && !document.ends_with("\n\n"));
    }
}

#[test]
fn several_emits_write_what_stdout_would_show_and_leave_no_other_file() {
    let pair = pair();
    fs::create_dir_all(&pair.path("out")).unwrap();
    let ran = pair.check(&[
        "--emit",
        "json=out/report.json",
        "--emit",
        "markdown=out/report.md",
        "--emit",
        "human=out/report.txt",
        "--emit",
        "outputs=out/outputs",
        "--emit",
        "timings=out/timings.json",
    ]);
    let ran = ran.expect_code(1);
    let read = |name: &str| fs::read_to_string(&pair.path("out").join(name)).unwrap();
    assert_eq!(read("report.txt"), ran.stdout);
    assert_eq!(
        read("report.json"),
        pair.check(&["--format", "json"]).stdout
    );
    assert_eq!(
        read("report.md"),
        pair.check(&["--format", "markdown"]).stdout
    );
    let report: Value = serde_json::from_str(&read("report.json")).unwrap();
    let expected = format!(
        "verdict=fail\nfail-count={}\nwarn-count={}\n",
        report["summary"]["fail"], report["summary"]["warn"]
    );
    assert_eq!(read("outputs"), expected);
    let mut names = fs::list(&pair.path("out")).unwrap();
    names.sort();
    let expected = [
        "outputs",
        "report.json",
        "report.md",
        "report.txt",
        "timings.json",
    ];
    assert_eq!(names, expected);
}

#[test]
fn timings_name_every_tensor_in_seconds() {
    let pair = pair();
    pair.check(&["--emit", "timings=timings.json"])
        .expect_code(1);
    let text = fs::read_to_string(&pair.path("timings.json")).unwrap();
    let timings: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(timings["unit"], "seconds");
    let tensors = timings["tensors"].as_object().unwrap();
    assert_eq!(tensors.len(), base().tensors.len());
    for name in base().tensors.keys() {
        assert!(tensors[name].as_f64().unwrap() >= 0.0);
    }
    assert!(timings["total"].as_f64().unwrap() > 0.0);
}

#[test]
fn an_emit_replaces_the_old_report_whole_and_a_failed_run_leaves_it() {
    let pair = pair();
    let old = "x".repeat(1_000_000);
    pair.file("report.json", &old);
    pair.check(&["--emit", "json=report.json", "--policy", "no-such"])
        .expect_code(2);
    assert_eq!(fs::read_to_string(&pair.path("report.json")).unwrap(), old);
    pair.check(&["--emit", "json=report.json"]).expect_code(1);
    let text = fs::read_to_string(&pair.path("report.json")).unwrap();
    assert!(serde_json::from_str::<Value>(&text).is_ok());
}

#[test]
fn the_bytes_do_not_depend_on_threads_or_on_the_run() {
    let pair = pair();
    for format in ["json", "markdown", "human"] {
        let once = pair.check(&["--format", format, "--threads", "1"]).stdout;
        for threads in ["1", "2", "7"] {
            let again = pair
                .check(&["--format", format, "--threads", threads])
                .stdout;
            assert!(once == again, "{format} with {threads} threads differs");
        }
    }
}

#[test]
fn the_bytes_do_not_depend_on_the_layout_of_the_files() {
    let single = pair().check(&["--format", "json"]).stdout;
    for shards in [2, 5] {
        let sharded = Pair::new(&base().shards(shards), &broken().shards(7 - shards));
        let sharded = sharded.check(&["--format", "json"]).stdout;
        assert!(single == sharded, "{shards} shards differ");
    }
}

#[test]
fn the_digest_depends_on_every_byte_of_a_judged_tensor() {
    let digest = |tuned: &TinyCheckpoint| {
        let report = Pair::new(&base(), tuned).judged().report;
        report["tuned"]["digest"].as_str().unwrap().to_owned()
    };
    let before = digest(&broken());
    let after = digest(&broken().edit(KEY, |values| values[9000] += 0.001));
    assert_ne!(before, after);
}

#[test]
fn colour_follows_the_flag_then_the_environment() {
    let pair = pair();
    let coloured = |args: &[&str], environment: &[(&str, &str)]| {
        let mut command = pair.command(args);
        command.envs(environment.iter().copied());
        Ran::of(&mut command).stdout.contains(ESCAPE)
    };
    // Not a terminal.
    assert!(!coloured(&[], &[]));
    assert!(coloured(&["--color", "always"], &[]));
    assert!(coloured(&["--color", "always"], &[("NO_COLOR", "1")]));
    assert!(coloured(&[], &[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&[], &[("NO_COLOR", "1")]));
    assert!(!coloured(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]));
    for format in ["json", "markdown"] {
        assert!(!coloured(&["--color", "always", "--format", format], &[]));
    }
}

#[test]
fn an_emitted_report_never_has_colour() {
    let pair = pair();
    pair.check(&["--color", "always", "--emit", "human=report.txt"])
        .expect_code(1);
    let text = fs::read_to_string(&pair.path("report.txt")).unwrap();
    assert!(!text.contains(ESCAPE));
}

#[test]
fn progress_is_for_stderr_of_a_ci_system_only() {
    let pair = pair();
    let plain = pair.check(&[]);
    assert_eq!(plain.stderr, "");
    let ci = Ran::of(pair.command(&[]).env("CI", "1"));
    assert_eq!(ci.stdout, plain.stdout);
    let lines: Vec<&str> = ci.stderr.lines().collect();
    assert!(!lines.is_empty() && lines.len() <= 11, "{}", ci.stderr);
    assert!(
        lines.iter().all(|line| line.starts_with("progress: ")),
        "{}",
        ci.stderr
    );
    assert!(
        lines.iter().any(|line| line.contains("(100 %)")),
        "{}",
        ci.stderr
    );
}

#[test]
fn quiet_is_silent_and_twice_quiet_hides_errors_too() {
    let pair = pair();
    let quiet = Ran::of(pair.command(&["-q"]).env("CI", "1")).expect_code(1);
    assert_eq!(quiet.stderr, "");
    assert!(!quiet.stdout.is_empty());
    let error = pair.check(&["-q", "--policy", "no-such"]).expect_code(2);
    assert!(error.stderr.contains("no-such"));
    let silent = pair.check(&["-qq", "--policy", "no-such"]).expect_code(2);
    assert_eq!(silent.stderr, "");
}

#[test]
fn a_template_of_the_user_replaces_the_built_in_one() {
    let pair = pair();
    fs::create_dir_all(&pair.path("templates")).unwrap();
    pair.file("templates/markdown.md.j2", "verdict is {{ verdict }}\n");
    let args = ["--templates", "templates", "--format"];
    let markdown = pair
        .check(&[&args[..], &["markdown"]].concat())
        .expect_code(1);
    assert_eq!(markdown.stdout, "verdict is fail\n");
    let human = pair.check(&[&args[..], &["human"]].concat()).expect_code(1);
    assert_eq!(human.stdout, pair.check(&[]).stdout);
    pair.file("templates/markdown.md.j2", "{{ verdict");
    let broken = pair
        .check(&[&args[..], &["markdown"]].concat())
        .expect_code(2);
    assert_eq!(broken.stdout, "");
    assert!(
        broken.stderr.contains("markdown.md.j2"),
        "{}",
        broken.stderr
    );
}

#[test]
fn one_page_is_written_with_the_same_bytes_each_time() {
    let model = TinyCheckpoint::model();
    let pair = Pair::new(&model, &model.tuned(0.5));
    for (name, threads) in [("one", "1"), ("two", "2")] {
        let target = format!("html={}", pair.path(name).display());
        let args = ["--policy", "sft", "--threads", threads, "--emit", &target];
        pair.check(&args).expect_code(1);
    }
    let page = fs::read_to_string(&pair.path("one")).unwrap();
    assert_eq!(page, fs::read_to_string(&pair.path("two")).unwrap());
    assert!(page.starts_with("<!doctype html>\n") && page.ends_with("</html>\n"));
    assert!(page.contains("<h1>Fail</h1>"));
    let shown = pair.check(&["--policy", "sft", "--format", "html"]);
    assert_eq!(shown.stdout, page);
}
