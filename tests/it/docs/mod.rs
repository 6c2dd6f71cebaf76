//! The documentation and the Action say what the program does.

mod action;
mod install;

use std::collections::BTreeMap;

use tunegate::code::{CodeGroup, FindingCode};

use crate::support::cmd::run;
use crate::support::repository_text;

const LONGEST_README: usize = 150;

fn readme() -> String {
    repository_text("README.md")
}

/// Levels of the hygiene codes as `policy show default` prints them.
fn default_levels() -> BTreeMap<String, String> {
    let shown = run(&["policy", "show", "default"]).expect_code(0).stdout;
    let (_, hygiene) = shown.split_once("[hygiene]\n").unwrap();
    let lines = hygiene.lines().take_while(|line| !line.is_empty());
    lines
        .map(|line| {
            let (code, rest) = line.split_once(" = \"").unwrap();
            (code.to_owned(), rest.split('"').next().unwrap().to_owned())
        })
        .collect()
}

#[test]
fn the_documented_default_of_a_code_is_that_of_the_default_policy() {
    let levels = default_levels();
    for code in FindingCode::ALL {
        // Too little coverage is inconclusive at any level.
        if code.group() != CodeGroup::Hygiene || *code == FindingCode::LowCoverage {
            continue;
        }
        let text = run(&["explain", code.as_str()]).expect_code(0).stdout;
        let (_, default) = text.split_once("**Default.** ").unwrap();
        let documented = default.split(['.', '\n']).next().unwrap();
        assert_eq!(documented, levels[code.as_str()], "{code}");
    }
}

#[test]
fn the_readme_is_short_and_says_how_to_start() {
    let readme = readme();
    assert!(readme.lines().count() < LONGEST_README);
    for needed in ["scripts/demo", "scripts/test", "tunegate check"] {
        assert!(
            readme.contains(needed),
            "the README does not mention {needed}"
        );
    }
}

#[test]
fn the_readme_gives_every_exit_code() {
    let readme = readme();
    assert!(readme.to_lowercase().contains("exit code"));
    let words: Vec<&str> = readme.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    for word in ["0", "1", "2", "3", "pass", "warn", "fail", "inconclusive"] {
        assert!(words.contains(&word), "the README lacks `{word}`");
    }
}

#[test]
fn every_command_in_the_readme_exists_with_its_flags() {
    let readme = readme();
    let blocks = readme.split("```").skip(1).step_by(2);
    let lines = blocks.flat_map(str::lines);
    let mut checked = 0;
    for line in lines.map(|line| line.trim_start_matches("$ ")) {
        let Some(command) = line.strip_prefix("tunegate ") else {
            continue;
        };
        let words: Vec<&str> = command
            .split_whitespace()
            .take_while(|word| !matches!(*word, "#" | "|" | ">" | "&&"))
            .collect();
        let help = run(&[words[0], "--help"]).expect_code(0).stdout;
        for flag in words.iter().filter(|word| word.starts_with("--")) {
            let flag = flag.split('=').next().unwrap();
            assert!(help.contains(flag), "`{line}`: no {flag}");
        }
        checked += 1;
    }
    assert!(checked > 0, "the README shows no command");
}

#[test]
fn files_that_the_readme_links_to_are_there() {
    for target in readme().split("](").skip(1) {
        let target = target.split([')', '#']).next().unwrap();
        if !target.is_empty() && !target.contains("://") {
            let path = crate::support::repository(target);
            assert!(path.exists(), "{target}");
        }
    }
}
