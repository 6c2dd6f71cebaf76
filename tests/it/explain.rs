//! `explain`, the help texts, completions and the manual page.

use tunegate::code::FindingCode;
use tunegate::spectrum::metric::Metric;

use crate::support::cmd::run;

const COMMANDS: [&str; 7] = [
    "check",
    "scan",
    "policy",
    "explain",
    "demo",
    "completions",
    "man",
];

#[test]
fn every_code_is_explained() {
    for code in FindingCode::ALL {
        let ran = run(&["explain", code.as_str()]).expect_code(0);
        let text = ran.stdout;
        assert!(text.starts_with(code.as_str()), "{text}");
        for part in ["What.", "Why.", "Default.", "What to do."] {
            assert!(text.contains(part), "{code}: {text}");
        }
    }
}

#[test]
fn every_metric_is_explained() {
    for metric in Metric::ALL {
        let text = run(&["explain", metric.as_str()]).expect_code(0).stdout;
        assert!(text.starts_with(metric.as_str()), "{text}");
        assert!(text.lines().count() >= 2, "{metric}: {text}");
    }
}

#[test]
fn an_unknown_topic_is_refused_with_a_suggestion() {
    let ran = run(&["explain", "alpha-drfit"]).expect_code(2);
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains("did you mean"), "{}", ran.stderr);
    assert!(ran.stderr.contains("alpha-drift"), "{}", ran.stderr);
    let ran = run(&["explain", "zzz"]).expect_code(2);
    assert!(ran.stderr.contains("docs/rules.md"), "{}", ran.stderr);
}

#[test]
fn every_command_has_a_help_text_that_names_its_flags() {
    let overview = run(&["--help"]).expect_code(0).stdout;
    assert!(
        overview.contains("Exit codes: 0 pass or warn, 1 fail, 2 could not judge, 3 inconclusive")
    );
    for command in COMMANDS {
        assert!(overview.contains(command), "{overview}");
        let help = run(&[command, "--help"]).expect_code(0).stdout;
        assert!(help.contains("Usage: tunegate"), "{help}");
    }
    for action in ["check", "show"] {
        let help = run(&["policy", action, "--help"]).expect_code(0).stdout;
        assert!(help.contains("<FILE>"), "{help}");
    }
    let help = run(&["check", "--help"]).expect_code(0).stdout;
    for flag in [
        "--base",
        "--tuned",
        "--policy",
        "--format",
        "--emit",
        "--advisory",
        "--threads",
        "--color",
        "--quiet",
        "--verbose",
    ] {
        assert!(help.contains(flag), "{flag}: {help}");
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let expected = format!("tunegate {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(&["--version"]).expect_code(0).stdout, expected);
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]).expect_code(0).stdout;
        for command in COMMANDS {
            assert!(script.contains(command), "{shell} lacks {command}");
        }
    }
    run(&["completions", "no-such-shell"]).expect_code(2);
}

#[test]
fn the_manual_page_covers_every_command() {
    let page = run(&["man"]).expect_code(0).stdout;
    assert!(page.contains(".TH"), "{page}");
    for command in COMMANDS {
        assert!(page.contains(command), "no {command}");
    }
    assert!(page.contains("Exit codes"));
}
