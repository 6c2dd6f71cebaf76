//! Policy files through the program: reading, showing, waiving.

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;
use tunegate::fs;
use tunegate::policy::shipped_names;

use crate::support::cmd::{Judged, Pair, Ran, run, tunegate};
use crate::support::tiny::{KEY, QUERY, TinyCheckpoint};

const HEAD: &str = "version = 1\nextends = \"default\"\n";

fn base() -> TinyCheckpoint {
    TinyCheckpoint::model()
}

fn sound_pair() -> Pair {
    Pair::new(&base(), &base().tuned(0.01))
}

/// A pair of which only `KEY` is broken: a dead row.
fn broken_pair() -> Pair {
    let tuned = base().tuned(0.01);
    Pair::new(&base(), &tuned.edit(KEY, |values| values[..128].fill(0.0)))
}

fn judged_under(pair: &Pair, text: &str) -> Judged {
    let policy = pair.file("gate.toml", &format!("{HEAD}{text}"));
    pair.judged_by(&policy)
}

#[test]
fn every_shipped_policy_is_checked_shown_and_listed_where_a_name_is_unknown() {
    for name in shipped_names() {
        let ran = run(&["policy", "check", name]).expect_code(0);
        assert!(ran.stdout.starts_with(&format!("policy `{name}` from ")));
        assert!(ran.stdout.ends_with('\n') && ran.stdout.lines().count() == 1);
        let shown = run(&["policy", "show", name]).expect_code(0);
        assert!(shown.stdout.contains(&format!("name = \"{name}\"")));
    }
    let ran = run(&["policy", "check", "no-such"]).expect_code(2);
    assert_eq!(ran.stdout, "");
    for name in shipped_names() {
        assert!(ran.stderr.contains(name), "{}", ran.stderr);
    }
}

#[test]
fn every_shipped_policy_passes_a_sound_fine_tune() {
    // Small enough for preference training, large enough for everything else.
    let pair = Pair::new(&base(), &base().tuned(0.003));
    for name in shipped_names() {
        let judged = pair.judged_by(name);
        assert_eq!(judged.code, 0, "{name}: {:#}", judged.report["findings"]);
        assert_eq!(judged.report["policy"]["source"], format!("builtin:{name}"));
    }
}

#[test]
fn all_problems_of_a_file_are_shown_at_once_with_their_place() {
    let pair = sound_pair();
    let policy = pair.file(
        "bad.toml",
        r#"version = 1
extends = "default"
nonsense = 1

[coverage]
min = 1.7

[hygiene]
nop = "fail"
no-op = "maybe"

[[rule]]
id = "a"
metric = "alhpa"
fail = { max = nan }

[[waiver]]
rule = "no-op"
owner = "me"
until = "2026-02-30"
"#,
    );
    for args in [
        &["policy", "check", &policy][..],
        &["policy", "show", &policy],
    ] {
        let ran = run(args).expect_code(2);
        assert_eq!(ran.stdout, "");
        for place in [
            "3:1", "6:7", "9:1", "10:9", "14:10", "15:16", "17:1", "20:9",
        ] {
            let place = format!("bad.toml:{place}: ");
            assert!(ran.stderr.contains(&place), "no {place} in\n{}", ran.stderr);
        }
        assert!(ran.stderr.contains("8 problems"), "{}", ran.stderr);
        for hint in ["did you mean `no-op`", "did you mean `alpha`"] {
            assert!(ran.stderr.contains(hint), "{}", ran.stderr);
        }
    }
    // The gate refuses the file with the same words.
    let ran = pair.check(&["--policy", &policy]).expect_code(2);
    assert!(ran.stderr.contains("8 problems"), "{}", ran.stderr);
}

#[test]
fn a_file_that_is_no_toml_or_is_missing_is_refused() {
    let pair = sound_pair();
    let policy = pair.file("broken.toml", "version = 1\n[[rule]\n");
    let ran = run(&["policy", "check", &policy]).expect_code(2);
    assert!(ran.stderr.contains("broken.toml:2:"), "{}", ran.stderr);
    let ran = run(&["policy", "check", "./no-such.toml"]).expect_code(2);
    assert!(ran.stderr.contains("no-such.toml"), "{}", ran.stderr);
}

#[test]
fn what_show_prints_reads_back_as_the_same_policy() {
    let pair = broken_pair();
    let own = format!(
        "{HEAD}{}",
        r#"
[[rule]]
id = "own"
metric = "relative_update"
layers = ["*.self_attn.*", "*[q]"]
roles = ["attention.q", "attention.k"]
depth = "0%..50%"
absolute = true
undefined = "warn"
warn = { max = 0.10 }
fail = { max = 0.30, at_least = "5%" }

[[rule]]
id = "update-size"

[[waiver]]
rule = "dead-rows"
layers = ["*.k_proj.weight"]
ceiling = 7
owner = "me"
reason = "pruned"
until = "2999-12-31"
"#
    );
    let own = pair.file("own.toml", &own);
    let names = shipped_names();
    for policy in names.iter().copied().chain([own.as_str()]) {
        let shown = run(&["policy", "show", policy]).expect_code(0).stdout;
        let copy = pair.file("copy.toml", &shown);
        let again = run(&["policy", "show", &copy]).expect_code(0).stdout;
        let without_comments = |text: &str| {
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            let values = lines.map(|line| line.split(" # from").next().unwrap().to_owned());
            values.collect::<Vec<_>>()
        };
        assert_eq!(
            without_comments(&shown),
            without_comments(&again),
            "{policy}"
        );

        let judge = |policy: &str| {
            let report = pair.judged_by(policy).report;
            let findings = report["findings"]
                .as_array()
                .unwrap()
                .iter()
                .map(|finding| {
                    let mut finding = finding.clone();
                    let fields = finding.as_object_mut().unwrap();
                    fields.remove("policy_line");
                    fields.remove("policy_source");
                    // Unused rules of a shipped policy are notes.
                    finding
                });
            let judged = findings.filter(|finding| finding["code"] != "unused-rule");
            (report["verdict"].clone(), judged.collect::<Vec<Value>>())
        };
        assert_eq!(judge(policy), judge(&copy), "{policy}");
    }
}

#[test]
fn show_names_the_origin_of_each_value_and_what_was_dropped() {
    let pair = sound_pair();
    let policy = pair.file(
        "gate.toml",
        &format!("{HEAD}[hygiene]\nno-op = \"warn\"\n\n[[rule]]\nid = \"update-size\"\n"),
    );
    let shown = run(&["policy", "show", &policy]).expect_code(0).stdout;
    let line = |start: &str| {
        let found = shown.lines().find(|line| line.starts_with(start));
        found
            .unwrap_or_else(|| panic!("no {start} in\n{shown}"))
            .to_owned()
    };
    assert!(line("no-op = \"warn\"").ends_with("gate.toml:4"));
    assert!(line("wrong-base = \"fail\"").ends_with("builtin:default"));
    assert!(!shown.contains("id = \"update-size\"\n"), "{shown}");
    assert!(shown.contains("`update-size`"), "{shown}");
}

#[test]
fn extends_is_relative_to_the_file_that_says_it() {
    let pair = broken_pair();
    fs::create_dir_all(&pair.path("policies/team")).unwrap();
    pair.file(
        "policies/common.toml",
        &format!("{HEAD}[hygiene]\ndead-rows = \"warn\"\n"),
    );
    let policy = pair.file(
        "policies/team/gate.toml",
        "version = 1\nextends = \"../common.toml\"\n",
    );
    let judged = pair.judged_by(&policy);
    judged.ends("warn", 0);
    let finding = judged.findings("dead-rows")[0];
    assert_eq!(finding["policy_line"], 4);
    let source = finding["policy_source"].as_str().unwrap();
    assert!(source.ends_with("common.toml"), "{source}");

    let missing = pair.file("lost.toml", "version = 1\nextends = \"./gone.toml\"\n");
    let ran = run(&["policy", "check", &missing]).expect_code(2);
    assert!(ran.stderr.contains("lost.toml:2:"), "{}", ran.stderr);
    let circle = pair.file("circle.toml", "version = 1\nextends = \"./circle.toml\"\n");
    let ran = run(&["policy", "check", &circle]).expect_code(2);
    assert!(ran.stderr.contains("circle.toml"), "{}", ran.stderr);
}

#[test]
fn the_policy_sets_the_level_of_a_code_and_what_it_allows_stays_visible() {
    let pair = broken_pair();
    for (level, shown, verdict, code) in [
        ("fail", "fail", "fail", 1),
        ("warn", "warn", "warn", 0),
        ("allow", "note", "pass", 0),
    ] {
        let judged = judged_under(&pair, &format!("[hygiene]\ndead-rows = \"{level}\"\n"));
        judged.has("dead-rows", &[(Some(KEY), shown)]);
        judged.ends(verdict, code);
    }
}

fn today() -> Date {
    Offset::UTC.to_datetime(Timestamp::now()).date()
}

/// Judges under a waiver that ends `days` from today; again where midnight passed meanwhile.
fn waived_until(days: i64, more: &str) -> Judged {
    let pair = broken_pair();
    loop {
        let day = today();
        let until = day.checked_add(days.days()).unwrap();
        let judged = judged_under(
            &pair,
            &format!(
                "[[waiver]]\nrule = \"dead-rows\"\nowner = \"me\"\nreason = \"pruned\"\n\
                 until = \"{until}\"\n{more}"
            ),
        );
        if today() == day {
            return judged;
        }
    }
}

#[test]
fn a_waiver_holds_back_until_its_last_day_in_utc_and_not_after() {
    for days in [0, 1, 30] {
        let judged = waived_until(days, "");
        judged.ends("pass", 0);
        judged.has("dead-rows", &[(Some(KEY), "note")]);
        let waived = &judged.findings("dead-rows")[0]["waived"];
        assert_eq!(waived["days_left"], days);
        assert_eq!(waived["owner"], "me");
        assert_eq!(waived["reason"], "pruned");
        assert_eq!(waived["level"], "fail");
        judged.lacks("expired-waiver");
        judged.lacks("unused-waiver");
    }
    let judged = waived_until(-1, "");
    judged.ends("fail", 1);
    judged.has("dead-rows", &[(Some(KEY), "fail")]);
    judged.has("expired-waiver", &[(None, "warn")]);
    assert!(judged.message("expired-waiver").contains("1 day ago"));
}

#[test]
fn a_waiver_ends_at_its_ceiling_and_at_its_layers() {
    waived_until(5, "ceiling = 1\n").ends("pass", 0);
    let judged = waived_until(5, "ceiling = 0.5\n");
    judged.ends("fail", 1);
    assert_eq!(judged.findings("dead-rows")[0]["waived"], Value::Null);

    waived_until(5, "layers = [\"*.k_proj.weight\"]\n").ends("pass", 0);
    let judged = waived_until(5, "layers = [\"*.q_proj.weight\"]\n");
    judged.ends("fail", 1);
    judged.has("unused-waiver", &[(None, "warn")]);
}

#[test]
fn a_waiver_that_matches_nothing_warns() {
    let waiver =
        "[[waiver]]\nrule = \"no-op\"\nowner = \"me\"\nreason = \"r\"\nuntil = \"2999-01-01\"\n";
    let judged = judged_under(&sound_pair(), waiver);
    judged.has("unused-waiver", &[(None, "warn")]);
    judged.ends("warn", 0);
}

#[test]
fn a_waiver_does_not_make_an_unseen_model_seen() {
    let pair = Pair::new(&base(), &base().tuned(0.01).without(QUERY));
    let waiver = |rule: &str| {
        format!(
            "[[waiver]]\nrule = \"{rule}\"\nowner = \"me\"\nreason = \"r\"\nuntil = \"2999-01-01\"\n"
        )
    };
    let judged = judged_under(&pair, &(waiver("missing-tensor") + &waiver("low-coverage")));
    judged.has("missing-tensor", &[(Some(QUERY), "note")]);
    judged.ends("inconclusive", 3);
}

fn rule(layers: &str, limit: &str) -> String {
    format!(
        "[[rule]]\nid = \"own\"\nmetric = \"relative_update\"\nlayers = [{layers}]\nfail = {limit}\n"
    )
}

#[test]
fn a_rule_or_a_glob_that_matches_nothing_warns() {
    let pair = sound_pair();
    let judged = judged_under(&pair, &rule("\"*.no_such.*\"", "{ max = 0.5 }"));
    judged.has("unused-rule", &[(None, "warn")]);
    judged.ends("warn", 0);
    let judged = judged_under(
        &pair,
        &rule("\"*.q_proj.*\", \"*.typo.*\"", "{ max = 0.5 }"),
    );
    assert!(judged.message("unused-rule").contains("*.typo.*"));
    let judged = judged_under(&pair, &rule("\"*.q_proj.*\"", "{ max = 0.5 }"));
    judged.lacks("unused-rule");
    judged.ends("pass", 0);
}

#[test]
fn a_head_is_judged_only_by_a_rule_that_names_it() {
    let pair = sound_pair();
    let judged = judged_under(&pair, &rule("\"*\"", "{ max = 0.001 }"));
    let on_head = |judged: &Judged| {
        let findings = judged.findings("update-size");
        findings
            .iter()
            .any(|finding| finding["layer"] == "lm_head.weight")
    };
    judged.ends("fail", 1);
    assert!(!on_head(&judged));
    assert!(on_head(&judged_under(
        &pair,
        &rule("\"lm_head*\"", "{ max = 0.001 }")
    )));
}

#[test]
fn at_least_and_the_limit_itself_decide_when_a_rule_fires() {
    let pair = Pair::new(&base(), &base().edit(QUERY, |values| values.fill(0.25)));
    let judged = judged_under(&pair, &rule("\"*\"", "{ max = 0.5, at_least = 2 }"));
    let own = |limit: &str| {
        let judged = judged_under(&pair, &rule("\"*\"", limit));
        let all = judged.report["findings"].as_array().unwrap().clone();
        all.iter()
            .filter(|finding| finding["rule"] == "own")
            .count()
    };
    assert_eq!(own("{ max = 0.5, at_least = 2 }"), 0);
    assert_eq!(own("{ max = 0.5, at_least = 1 }"), 1);
    assert_eq!(own("{ max = 0.5, at_least = \"50%\" }"), 0);
    let observed = judged.layer(QUERY)["drift"]["relative_update"].to_string();
    assert_eq!(own(&format!("{{ max = {observed} }}")), 0);
}

#[test]
fn the_pinned_base_is_used_and_no_other() {
    let pair = sound_pair();
    pair.file("pin.toml", &format!("{HEAD}[base]\nref = \"base\"\n"));
    let check = |args: &[&str]| {
        let mut command = tunegate();
        command.current_dir(pair.path("")).arg("check").args(args);
        Ran::of(&mut command)
    };
    let pinned = ["--tuned", "tuned", "--policy", "pin.toml"];
    check(&pinned).expect_code(0);
    check(&[&pinned[..], &["--base", "base"]].concat()).expect_code(0);
    let ran = check(&[&pinned[..], &["--base", "tuned"]].concat()).expect_code(2);
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains("pins"), "{}", ran.stderr);
}

#[test]
fn every_example_of_the_documentation_is_a_policy() {
    let text = crate::support::repository_text("docs/policy.md");
    let pair = sound_pair();
    let mut examples = 0;
    for block in text.split("```toml\n").skip(1) {
        let example = block.split("```").next().unwrap();
        let example = if example.starts_with("version") {
            example.to_owned()
        } else {
            format!("{HEAD}{example}")
        };
        let policy = pair.file("example.toml", &example);
        run(&["policy", "check", &policy]).expect_code(0);
        examples += 1;
    }
    assert!(examples >= 4, "{examples}");
}
