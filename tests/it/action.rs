//! The Action's files against each other: what is documented exists, and what exists is passed on.

use std::collections::BTreeSet;

use tunegate::fs;

use crate::support::repository;

fn text_of(name: &str) -> String {
    fs::read_to_string(&repository(name)).unwrap()
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Keys of the mapping that follows the line `at`, one level deeper.
fn keys_below<'a>(lines: &[&'a str], at: usize) -> BTreeSet<&'a str> {
    let outer = indent(lines[at].trim_start_matches("- "));
    let body = || {
        lines[at + 1..]
            .iter()
            .take_while(|line| line.trim().is_empty() || indent(line) > outer)
            .filter(|line| !line.trim().is_empty())
    };
    let level = body().map(|line| indent(line)).min().unwrap_or(0);
    body()
        .filter(|line| indent(line) == level)
        .filter_map(|line| Some(line.trim().split_once(':')?.0))
        .collect()
}

fn section<'a>(lines: &[&'a str], title: &str) -> BTreeSet<&'a str> {
    let at = lines.iter().position(|line| *line == title).unwrap();
    keys_below(lines, at)
}

/// Keys under `with:` of every step that uses the Action.
fn inputs_used(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let step = line.trim().trim_start_matches("- ");
        if !step.starts_with("uses: tunegate/tunegate@") && step != "uses: ./" {
            continue;
        }
        let with = lines[at + 1..]
            .iter()
            .take_while(|line| !line.trim().starts_with("- ") && !line.starts_with("```"))
            .position(|line| line.trim() == "with:");
        let with = with.map(|offset| at + 1 + offset);
        for key in with
            .map(|with| keys_below(&lines, with))
            .unwrap_or_default()
        {
            found.push((line.trim().to_owned(), key.to_owned()));
        }
    }
    found
}

#[test]
fn every_input_in_the_examples_is_one_of_the_action() {
    let action = text_of("action.yml");
    let lines: Vec<&str> = action.lines().collect();
    let inputs = section(&lines, "inputs:");
    let mut seen = 0;
    for file in [
        "README.md",
        "docs/github.md",
        ".github/workflows/action-test.yml",
    ] {
        let used = inputs_used(&text_of(file));
        seen += used.len();
        for (step, key) in used {
            assert!(inputs.contains(key.as_str()), "{file}: {step}: `{key}`");
        }
    }
    assert!(seen >= 15, "{seen} inputs were seen");
}

#[test]
fn every_output_in_the_examples_is_one_of_the_action() {
    let action = text_of("action.yml");
    let lines: Vec<&str> = action.lines().collect();
    let outputs = section(&lines, "outputs:");
    let mut seen = 0;
    for file in ["docs/github.md", ".github/workflows/action-test.yml"] {
        for (start, _) in text_of(file).match_indices(".outputs.") {
            let text = text_of(file);
            let name: String = text[start + ".outputs.".len()..]
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
                .collect();
            seen += 1;
            assert!(outputs.contains(name.as_str()), "{file}: `{name}`");
        }
    }
    assert!(seen >= 4, "{seen} outputs were seen");
}

#[test]
fn the_action_has_the_agreed_inputs_and_outputs_and_passes_each_on() {
    let action = text_of("action.yml");
    let lines: Vec<&str> = action.lines().collect();
    let inputs = section(&lines, "inputs:");
    let agreed = "tuned base policy policy-ref comment comment-key check-run annotations summary history cache shard \
                  emit advisory report-errors working-directory version binary token";
    assert_eq!(inputs, agreed.split_whitespace().collect());
    let outputs = section(&lines, "outputs:");
    let agreed = "verdict exit-code fail-count warn-count report-path comment-url policy-changed";
    assert_eq!(outputs, agreed.split_whitespace().collect());
    for input in inputs {
        let uses = action.matches(&format!("inputs.{input} ")).count();
        assert!(uses >= 1, "`{input}` is not used");
    }
    for output in outputs {
        assert!(
            action.contains(&format!("${{{{ steps.gate.outputs.{output} }}}}")),
            "`{output}` is not set"
        );
    }
}

#[test]
fn no_script_of_the_action_holds_an_expression() {
    for line in text_of("action.yml").lines() {
        let script = line.trim_start().strip_prefix("run:");
        assert!(
            script.is_none_or(|script| !script.contains("${{")),
            "{line}"
        );
    }
}
