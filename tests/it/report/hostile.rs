//! Names that act on a terminal, a pull request or a CI log never come out raw.

use crate::support::cmd::{Pair, Ran};
use crate::support::random::Random;
use crate::support::tiny::{TinyCheckpoint, TinyTensor, narrow};

/// Control characters in a name: no tool writes them, and no checkpoint with them is read.
const REFUSED: &[&str] = &[
    "a\u{1b}[31mred",
    "b\u{7}\u{8}bell",
    "\n::error file=a::boom",
    "\r\n::set-output name=verdict::pass",
    "j\n\n# heading\nhint: all is well",
];

/// What is in a name, and what must not be in an output for people.
const HOSTILE: &[(&str, &[&str])] = &[
    ("c\u{202e}txt.exe", &["\u{202e}"]),
    ("d\u{200b}zero\u{feff}width", &["\u{200b}", "\u{feff}"]),
    ("::error file=a::boom", &["\n::error", "\n ::error"]),
    ("##[error]boom", &["##[error]"]),
];

/// What Markdown and HTML would take for more than text.
const MARKDOWN: &[(&str, &[&str])] = &[
    ("e|pipe|table", &["e|pipe"]),
    ("f`tick`", &["f`tick"]),
    ("g@octocat.weight", &["@octocat"]),
    ("<img src=x onerror=alert(1)>", &["<img"]),
    (
        "</details><script>h</script>",
        &["</details><script", "<script"],
    ),
    ("![i](https://evil.example/x)", &["](http"]),
];

fn checkpoint(seed: u64) -> TinyCheckpoint {
    let mut checkpoint = TinyCheckpoint::new(seed);
    for (name, _) in HOSTILE.iter().chain(MARKDOWN) {
        let values = Random::named(seed, name).gaussians(24 * 24);
        let tensor = TinyTensor::new(&[24, 24], values.into_iter().map(narrow).collect());
        checkpoint = checkpoint.tensor(name, tensor);
    }
    checkpoint
}

/// All tensors match and fail; every name is shown.
fn pair() -> Pair {
    let base = checkpoint(1);
    let mut tuned = base.tuned(0.01);
    for tensor in tuned.tensors.values_mut() {
        tensor.values[..24].fill(0.0);
    }
    Pair::new(&base, &tuned)
}

fn refuses(text: &str, rows: &[(&str, &[&str])], place: &str) {
    for (name, raw) in rows {
        for part in *raw {
            assert!(
                !text.contains(part),
                "{place}: {name:?} shows {part:?}:\n{text}"
            );
        }
    }
}

#[test]
fn control_characters_in_a_name_are_refused_and_not_repeated() {
    for name in REFUSED {
        let values = Random::new(1)
            .gaussians(4)
            .into_iter()
            .map(narrow)
            .collect();
        let tensor = TinyTensor::new(&[2, 2], values);
        let pair = Pair::new(&checkpoint(1), &checkpoint(1).tensor(name, tensor));
        let ran = Ran::of(pair.command(&["--format", "json"]).env("CI", "1")).expect_code(2);
        assert_eq!(ran.stdout, "");
        let shown: Vec<char> = ran.stderr.chars().filter(|c| c.is_control()).collect();
        assert!(shown.iter().all(|c| *c == '\n'), "{shown:?}");
        // The error, its cause, and at most a hint: the name adds no line.
        for line in ran.stderr.lines().filter(|line| !line.is_empty()) {
            let own = ["error: ", "  caused by: ", "hint: "]
                .iter()
                .any(|label| line.starts_with(label));
            assert!(
                own && !line.ends_with("all is well"),
                "{name:?}: {}",
                ran.stderr
            );
        }
    }
}

#[test]
fn names_are_escaped_in_every_output_for_people() {
    let pair = pair();
    for format in ["human", "markdown"] {
        let ran = Ran::of(pair.command(&["--format", format, "-v"]).env("CI", "1")).expect_code(1);
        refuses(&ran.stdout, HOSTILE, format);
        refuses(&ran.stderr, HOSTILE, "stderr");
        assert!(ran.stdout.contains("dead-rows"), "{}", ran.stdout);
    }
    let markdown = pair.check(&["--format", "markdown"]).stdout;
    refuses(&markdown, MARKDOWN, "markdown");
    // What was escaped is still told apart.
    assert!(markdown.contains("\\u{7c}pipe"), "{markdown}");
}

#[test]
fn names_read_back_from_json_as_they_are_and_stay_invisible_in_its_text() {
    let pair = pair();
    let ran = pair.check(&["--format", "json"]).expect_code(1);
    refuses(&ran.stdout, HOSTILE, "json");
    let report = ran.json();
    let layers = report["layers"].as_array().unwrap();
    for (name, _) in HOSTILE.iter().chain(MARKDOWN) {
        assert!(
            layers.iter().any(|layer| layer["name"] == *name),
            "{name:?}"
        );
    }
}

#[test]
fn names_of_tensors_without_a_partner_are_escaped() {
    let other = TinyCheckpoint::model();
    let pair = Pair::new(&other, &checkpoint(1));
    for format in ["human", "markdown", "json"] {
        let ran = pair.check(&["--format", format]);
        assert!(matches!(ran.code, 1 | 3), "{}", ran.code);
        refuses(&ran.stdout, HOSTILE, format);
    }
    let markdown = pair.check(&["--format", "markdown"]).stdout;
    refuses(&markdown, MARKDOWN, "markdown");
}

#[test]
fn names_are_escaped_in_every_format_of_a_scan() {
    let pair = pair();
    for format in ["human", "json", "csv", "markdown"] {
        let mut command = crate::support::cmd::tunegate();
        command.current_dir(pair.path(""));
        let ran = Ran::of(command.args(["scan", "base", "--format", format])).expect_code(0);
        let text = if format == "csv" {
            ran.stdout.replace("\r\n", "\n") // The line ends of CSV itself.
        } else {
            ran.stdout
        };
        refuses(&text, HOSTILE, format);
        if format == "markdown" {
            refuses(&text, MARKDOWN, format);
        }
    }
}

#[test]
fn references_and_errors_are_escaped() {
    let pair = pair();
    let reference = "no\u{1b}[31m\n::error::such";
    let mut command = crate::support::cmd::tunegate();
    let args = ["check", "--base", "base", "--tuned", reference];
    let ran = Ran::of(command.current_dir(pair.path("")).args(args)).expect_code(2);
    refuses(&ran.stderr, HOSTILE, "stderr");
    assert!(!ran.stderr.contains("\n::error"), "{}", ran.stderr);

    let renamed = pair.path("tu\u{1b}[31mned|`@x`");
    std::fs::rename(pair.path("tuned"), &renamed).unwrap();
    for format in ["human", "markdown", "json"] {
        let mut command = crate::support::cmd::tunegate();
        command.args(["check", "--format", format, "--base"]);
        command.arg(pair.path("base")).arg("--tuned").arg(&renamed);
        let ran = Ran::of(&mut command).expect_code(1);
        refuses(&ran.stdout, HOSTILE, format);
        assert!(
            format != "markdown" || !ran.stdout.contains("`@x`"),
            "{}",
            ran.stdout
        );
    }
}
