//! What `init` is given: the same run twice, runs that were not judged sound, too few and too many.

use super::*;

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
    let base = TinyCheckpoint::model();
    let pair = Pair::new(&base, &base.tuned(0.0100));
    base.tuned(0.0101).write(&pair.path("other"));
    let strict = "[[rule]]\nid = \"none\"\nmetric = \"relative_update\"\nfail = { max = 1e-6 }\n";
    let unread = "[baseline]\nrequired = true\n";
    for (settings, advisory, said) in [
        (strict, false, "its own verdict is fail: "),
        (strict, true, "(advisory: the exit code stays 0)"),
        (unread, false, "its own verdict is inconclusive: "),
    ] {
        let policy = format!("version = 1\nname = \"mine\"\n{settings}");
        let policy = pair.file("mine.toml", &policy);
        let mut arguments = vec!["--format", "json", "--policy", &policy];
        arguments.extend(advisory.then_some("--advisory"));
        pair.file("report.json", &pair.check(&arguments).stdout);
        let mut command = tunegate();
        command.current_dir(pair.path(""));
        command.args(["init", "--base", "base", "--good", "report.json"]);
        command.args(["--good", "other"]);
        let ran = Ran::of(&mut command).expect_code(0);
        let warning = ran.stderr.lines().find(|line| line.contains(said));
        let named = warning.is_some_and(|line| line.contains("`report.json` counts as a good run"));
        assert!(named, "{}", ran.stderr);
        assert!(ran.stdout.starts_with("# Limits from 2 good runs:"));
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
                    // To the digits that are shown.
                    let err = (edge.ln() - half).abs();
                    assert!(err <= 0.02 * half + 1e-3, "{comment} {edge}");
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
