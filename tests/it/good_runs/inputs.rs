//! What `init` is given: the same run twice, runs that were not judged sound, too few and too many.

use super::*;

/// A report changed in one place.
fn changed(folder: &Path, name: &str, edits: &[(&str, &str)]) -> String {
    let mut text = fs::read_to_string(Path::new(&path(name))).unwrap();
    for (from, to) in edits {
        let edited = text.replacen(from, to, 1);
        assert_ne!(edited, text, "{from}");
        text = edited;
    }
    let file = folder.join(format!("{name}-changed.json"));
    fs::write_atomic(&file, text.as_bytes()).unwrap();
    file.display().to_string()
}

fn init_of(good: &[&str], policy: &str) -> Ran {
    let mut command = tunegate();
    command.args(["init", "--base", "base", "--policy", policy]);
    for run in good {
        command.args(["--good", run]);
    }
    Ran::of(&mut command).expect_code(0)
}

#[test]
fn a_report_that_fails_or_is_inconclusive_is_named_and_still_counts() {
    let folder = tempfile::tempdir().unwrap();
    for (verdict, advisory, said) in [
        (
            "fail",
            "false",
            "its own verdict is fail: 29 layers compared",
        ),
        ("fail", "true", "(advisory: the exit code stays 0)"),
        ("inconclusive", "false", "its own verdict is inconclusive: "),
    ] {
        let verdict = format!("\"verdict\":\"{verdict}\"");
        let advisory = format!("\"advisory\":{advisory}");
        let edits = [
            ("\"verdict\":\"pass\"", verdict.as_str()),
            ("\"advisory\":false", &advisory),
        ];
        let edits = if advisory.ends_with("false") {
            &edits[..1]
        } else {
            &edits[..]
        };
        let file = changed(folder.path(), "good-3", edits);
        let ran = init_of(&[&path("good-1"), &path("good-2"), &file], "sft");
        let warning = ran.stderr.lines().find(|line| line.contains(said)).unwrap();
        assert!(warning.contains("good-3-changed.json"), "{warning}");
        assert!(ran.stdout.starts_with("# Limits from 3 good runs:"));
    }
    let sound = init(&FULL[..3], "sft").expect_code(0);
    assert_eq!(sound.stderr, "");
}

#[test]
fn one_checkpoint_under_two_paths_counts_once() {
    let base = TinyCheckpoint::model();
    let tuned = base.tuned(0.0100);
    let pair = Pair::new(&base, &tuned);
    tuned.write(&pair.path("copy"));
    let report = pair.check(&["--format", "json"]).expect_code(0).stdout;
    pair.file("report.json", &report);
    let made = |good: &[&str]| {
        let mut arguments = vec!["init", "--base", "base"];
        for run in good {
            arguments.extend(["--good", run]);
        }
        let mut command = tunegate();
        command.current_dir(pair.path("")).args(arguments);
        Ran::of(&mut command).expect_code(0)
    };
    for other in ["copy", "report.json"] {
        let ran = made(&["tuned", other]);
        let said = format!("`{other}` is the same checkpoint again as `tuned`");
        assert!(ran.stderr.contains(&said), "{}", ran.stderr);
        assert!(ran.stdout.contains("only one was given"), "{}", ran.stdout);
    }
    base.tuned(0.0101).write(&pair.path("other"));
    let ran = made(&["tuned", "copy", "other"]);
    assert!(
        ran.stderr.contains("two good runs make wide limits"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stdout
            .starts_with("# Limits from 2 good runs:\n#   tuned\n#   other\n")
    );
}

#[test]
fn as_many_different_runs_are_needed_as_the_policy_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate.toml");
    let text = "version = 1\nname = \"mine\"\nextends = \"sft\"\n[baseline]\nmin_runs = 4\n";
    fs::write_atomic(&gate, text.as_bytes()).unwrap();
    let gate = gate.display().to_string();
    let runs: Vec<String> = ["good-1", "good-2", "good-3", "good-1"].map(path).to_vec();
    let few = init_of(&runs.iter().map(String::as_str).collect::<Vec<_>>(), &gate);
    assert!(
        few.stderr
            .contains("asks for 4 good runs (`baseline.min_runs`), and 3 different ones"),
        "{}",
        few.stderr
    );
    assert!(
        few.stdout.contains("that takes 4 good runs"),
        "{}",
        few.stdout
    );
    assert!(few.stdout.contains("only 3 were given"), "{}", few.stdout);
    let enough = init(&FULL[..4], &gate).expect_code(0);
    assert!(enough.stdout.starts_with("# Limits from 4 good runs:"));
}

/// The limits say of each width where it comes from, and it does.
#[test]
fn the_numbers_in_the_comments_give_the_limits() {
    let ran = init(&FULL[..3], "sft").expect_code(0);
    let policy = policy_of(&ran.stdout);
    let mut spreads = 0;
    for (comment, rule) in ran.stdout.lines().zip(ran.stdout.lines().skip(2)) {
        let Some(rest) = comment.strip_prefix("# 3 runs, centre ") else {
            continue;
        };
        let id = rule.strip_prefix("id = \"").unwrap().trim_end_matches('"');
        let rule = policy.rules.iter().find(|rule| rule.id == id).unwrap();
        let number = |text: &str| -> f64 { text.split(' ').next().unwrap().parse().unwrap() };
        let centre = number(rest.split(',').next().unwrap());
        let Some(spread) = rest
            .split("pooled spread ")
            .nth(1)
            .filter(|text| text.contains('%'))
        else {
            continue;
        };
        let spread = number(spread) / 100.0;
        for (word, limit) in [("warns at ", rule.warn), ("fails at ", rule.fail)] {
            let said = comment.split(word).nth(1).unwrap();
            if said.starts_with(|digit: char| digit.is_ascii_digit()) {
                let half = number(said) * spread;
                let limit = limit.unwrap();
                for edge in [
                    limit.max.unwrap().get() / centre,
                    centre / limit.min.unwrap().get(),
                ] {
                    let err = (edge.ln() / half - 1.0).abs();
                    assert!(err <= 0.02, "{comment} {edge}");
                }
                spreads += 1;
            }
        }
    }
    assert!(spreads >= 20, "{spreads}");
    assert!(
        ran.stdout.contains("warn of 5 % at most\n# and fail 1 %."),
        "{}",
        ran.stdout
    );
}
