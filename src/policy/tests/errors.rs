use super::{complaints, gate};

#[test]
#[expect(clippy::too_many_lines, reason = "a text with every mistake is long")]
fn every_mistake_of_a_file_is_shown_at_once_with_its_place() {
    let text = r#"version = 2
nmae = "gate"

[coverage]
min = 1.7

[hygiene]
no-op = "error"
non-finit = "fail"
alpha-drift = "fail"

[[rule]]
id = "drift"
metric = "alpha_drfit"
lable = ["*.mlp.*"]
layers = ["*.mlp.*", "layers.[0-"]
roles = ["attention.qq"]
depth = "50%..25%"
absolute = "yes"
undefined = "ignore"
aggregate = "average"
warn = { max = nan, at_least = "200%" }
fail = { at_least = 0 }

[[rule]]
id = "size"
metric = "relative_update"
warn = { min = 0.5, max = 0.3 }
fail = { min = 0.6, max = 0.2 }

[[rule]]
id = "size"
metric = "cosine"
layers = []
warn = 3

[[rule]]
metric = "cosine"
fail = { min = 0.9, mni = 1 }

[[waiver]]
rule = "sise"
until = "2026-13-01"

[base]
ref = " "

[baseline]
min_runs = 0
required = 1
"#;
    let error = gate(text).unwrap_err().to_string();
    insta::assert_snapshot!(error, @r#"
    invalid policy `gate.toml`: 34 problems
    gate.toml:1:11: version 2 of the grammar is not supported, expected 1
      |
    1 | version = 2
      |           ^

    gate.toml:2:1: unknown key `nmae`, expected one of `version`, `name`, `extends`, `coverage`, `hygiene`, `rule`, `waiver`, `base`, `baseline`; did you mean `name`?
      |
    2 | nmae = "gate"
      | ^^^^

    gate.toml:5:7: share must be between 0 and 1, got 1.7
      |
    5 | min = 1.7
      |       ^^^

    gate.toml:8:9: unknown level `error`; expected one of `fail`, `warn`, `allow`
      |
    8 | no-op = "error"
      |         ^^^^^^^

    gate.toml:9:1: unknown hygiene code `non-finit`; did you mean `non-finite`?
      |
    9 | non-finit = "fail"
      | ^^^^^^^^^

    gate.toml:10:1: `alpha-drift` is not a hygiene code, expected one of `non-finite`, `no-op`, `wrong-base`, `low-coverage`, `missing-tensor`, `unexpected-tensor`, `shape-changed`, `dtype-downgraded`, `mixed-precision-pair`, `dead-rows`, `constant-tensor`, `duplicate-layers`, `untied-embeddings`, `reinitialised-layer`, `rank-collapse`, `adapter-not-merged`, `adapter-wrong-scale`, `corrupt-file`, `config-changed`
       |
    10 | alpha-drift = "fail"
       | ^^^^^^^^^^^

    gate.toml:14:10: unknown metric `alpha_drfit`; did you mean `alpha_drift`?
       |
    14 | metric = "alpha_drfit"
       |          ^^^^^^^^^^^^^

    gate.toml:15:1: unknown key `lable`, expected one of `id`, `metric`, `layers`, `roles`, `depth`, `absolute`, `undefined`, `aggregate`, `warn`, `fail`
       |
    15 | lable = ["*.mlp.*"]
       | ^^^^^

    gate.toml:16:22: invalid glob: unclosed character class; missing ']'
       |
    16 | layers = ["*.mlp.*", "layers.[0-"]
       |                      ^^^^^^^^^^^^

    gate.toml:17:10: unknown role `attention.qq`; did you mean `attention.q`?
       |
    17 | roles = ["attention.qq"]
       |          ^^^^^^^^^^^^^^

    gate.toml:18:9: expected a band that ends after it begins, got `50%..25%`
       |
    18 | depth = "50%..25%"
       |         ^^^^^^^^^^

    gate.toml:19:12: expected true or false, got a string
       |
    19 | absolute = "yes"
       |            ^^^^^

    gate.toml:20:13: unknown value `ignore`; expected one of `skip`, `warn`, `fail`
       |
    20 | undefined = "ignore"
       |             ^^^^^^^^

    gate.toml:21:13: unknown aggregate `average`; expected one of `each`, `mean`, `median`, `max`, `min`
       |
    21 | aggregate = "average"
       |             ^^^^^^^^^

    gate.toml:22:16: expected a finite number, got nan
       |
    22 | warn = { max = nan, at_least = "200%" }
       |                ^^^

    gate.toml:22:32: expected a number of layers from 1 or a share like "2%", got "200%"
       |
    22 | warn = { max = nan, at_least = "200%" }
       |                                ^^^^^^

    gate.toml:23:8: expected `min` or `max` in `fail`, got neither
       |
    23 | fail = { at_least = 0 }
       |        ^^^^^^^^^^^^^^^^

    gate.toml:23:21: expected a number of layers from 1 or a share like "2%", got 0
       |
    23 | fail = { at_least = 0 }
       |                     ^

    gate.toml:28:16: min must not be above max, got min 0.5 and max 0.3
       |
    28 | warn = { min = 0.5, max = 0.3 }
       |                ^^^

    gate.toml:29:16: min must not be above max, got min 0.6 and max 0.2
       |
    29 | fail = { min = 0.6, max = 0.2 }
       |                ^^^

    gate.toml:29:16: `fail` must be at or beyond `warn`: expected a min of 0.5 or less, got 0.6
       |
    29 | fail = { min = 0.6, max = 0.2 }
       |                ^^^

    gate.toml:29:27: `fail` must be at or beyond `warn`: expected a max of 0.3 or more, got 0.2
       |
    29 | fail = { min = 0.6, max = 0.2 }
       |                           ^^^

    gate.toml:32:6: rule id `size` is used twice, first on line 26
       |
    32 | id = "size"
       |      ^^^^^^

    gate.toml:34:10: expected at least one entry in `layers`; leave the key out to select all
       |
    34 | layers = []
       |          ^^

    gate.toml:35:8: expected a table, got an integer
       |
    35 | warn = 3
       |        ^

    gate.toml:37:1: missing key `id` in `[[rule]]`
       |
    37 | [[rule]]
       | ^^^^^^^^

    gate.toml:39:21: unknown key `mni`, expected one of `min`, `max`, `at_least`; did you mean `min`?
       |
    39 | fail = { min = 0.9, mni = 1 }
       |                     ^^^

    gate.toml:41:1: missing key `owner` in `[[waiver]]`
       |
    41 | [[waiver]]
       | ^^^^^^^^^^

    gate.toml:41:1: missing key `reason` in `[[waiver]]`
       |
    41 | [[waiver]]
       | ^^^^^^^^^^

    gate.toml:42:8: waiver of an unknown rule `sise`; did you mean `size`?
       |
    42 | rule = "sise"
       |        ^^^^^^

    gate.toml:43:9: expected a date like "2026-12-31", got "2026-13-01"
       |
    43 | until = "2026-13-01"
       |         ^^^^^^^^^^^^

    gate.toml:46:7: expected text, got an empty string
       |
    46 | ref = " "
       |       ^^^

    gate.toml:49:12: expected a whole number from 1, got 0
       |
    49 | min_runs = 0
       |            ^

    gate.toml:50:12: expected true or false, got an integer
       |
    50 | required = 1
       |            ^
    "#);
}

#[test]
fn a_share_out_of_range_is_shown_with_a_caret() {
    let error = gate("version = 1\n\n[coverage]\nmin = 1.7\n").unwrap_err();
    insta::assert_snapshot!(error, @r"
    invalid policy `gate.toml`: 1 problem
    gate.toml:4:7: share must be between 0 and 1, got 1.7
      |
    4 | min = 1.7
      |       ^^^
    ");
}

#[test]
fn a_syntax_error_does_not_hide_the_mistakes_of_other_lines() {
    let error = gate("version = 1\nname = gate\n\n[coverage]\nmin = 1.7\n").unwrap_err();
    insta::assert_snapshot!(error, @r"
    invalid policy `gate.toml`: 2 problems
    gate.toml:2:8: string values must be quoted, expected literal string
      |
    2 | name = gate
      |        ^^^^

    gate.toml:5:7: share must be between 0 and 1, got 1.7
      |
    5 | min = 1.7
      |       ^^^
    ");
}

#[test]
fn a_duplicate_key_is_refused() {
    let error = gate("version = 1\nname = \"a\"\nname = \"b\"\n").unwrap_err();
    insta::assert_snapshot!(error, @r#"
    invalid policy `gate.toml`: 1 problem
    gate.toml:3:1: duplicate key
      |
    3 | name = "b"
      | ^^^^
    "#);
}

#[test]
fn a_missing_version_is_one_problem() {
    insta::assert_snapshot!(gate("name = \"x\"\n").unwrap_err(), @r#"
    invalid policy `gate.toml`: 1 problem
    gate.toml:1:1: missing key `version`, expected `version = 1`
      |
    1 | name = "x"
      | ^
    "#);
    assert_eq!(complaints("").len(), 1);
}

#[test]
fn nan_and_infinity_are_no_limits() {
    for value in ["nan", "-nan", "+nan", "inf", "-inf", "1e999"] {
        let text = format!(
            "version = 1\n[[rule]]\nid = \"a\"\nmetric = \"alpha\"\nfail = {{ max = {value} }}\n"
        );
        let found = complaints(&text);
        assert!(!found.is_empty(), "{value} was taken for a limit");
    }
}

#[test]
fn a_fail_limit_inside_the_warn_limit_is_refused_and_an_equal_one_is_not() {
    let rule = |warn: &str, fail: &str| {
        complaints(&format!(
            "version = 1\n[[rule]]\nid = \"a\"\nmetric = \"alpha\"\nwarn = {{ {warn} }}\nfail = \
             {{ {fail} }}\n"
        ))
    };
    assert_eq!(
        rule("max = 0.3", "max = 0.1"),
        ["`fail` must be at or beyond `warn`: expected a max of 0.3 or more, got 0.1"]
    );
    assert_eq!(
        rule("min = 0.3", "min = 0.4"),
        ["`fail` must be at or beyond `warn`: expected a min of 0.3 or less, got 0.4"]
    );
    assert!(rule("max = 0.3", "max = 0.3").is_empty());
    assert!(rule("min = -1", "min = -1.0").is_empty());
    assert!(rule("max = 0.3", "min = -0.3").is_empty());
}

#[test]
fn at_least_takes_a_count_or_a_share_and_nothing_else() {
    let rule = |value: &str| {
        complaints(&format!(
            "version = 1\n[[rule]]\nid = \"a\"\nmetric = \"alpha\"\nfail = {{ max = 1, at_least = \
             {value} }}\n"
        ))
    };
    for good in ["1", "40", "\"2%\"", "\"100%\"", "\"0.5 %\""] {
        assert!(rule(good).is_empty(), "{good}");
    }
    for bad in [
        "0",
        "-1",
        "1.5",
        "true",
        "\"2\"",
        "\"0%\"",
        "\"101%\"",
        "\"nan%\"",
        "\"-1%\"",
        "\"\"",
        "99999999999",
        "[]",
        "{}",
    ] {
        assert_eq!(rule(bad).len(), 1, "{bad}");
    }
}

#[test]
fn at_least_needs_layers_to_count() {
    let found = complaints(
        "version = 1\n[[rule]]\nid = \"a\"\nmetric = \"alpha\"\naggregate = \"median\"\nfail = { \
         max = 1, at_least = 2 }\n",
    );
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("`at_least` counts layers"));
}

#[test]
fn a_negative_limit_on_an_absolute_value_is_refused() {
    let found = complaints(
        "version = 1\n[[rule]]\nid = \"a\"\nmetric = \"alpha_drift\"\nabsolute = true\nfail = { \
         max = -0.3 }\n",
    );
    assert_eq!(found.len(), 1);
}

#[test]
fn a_waiver_needs_an_owner_a_reason_and_a_quoted_day() {
    assert_eq!(
        complaints(
            "version = 1\n[[waiver]]\nrule = \"no-op\"\nuntil = 2026-12-31\nreason = \"\"\n"
        ),
        [
            "missing key `owner` in `[[waiver]]`",
            "expected a date like \"2026-12-31\", got 2026-12-31; put it in quotes",
            "expected text, got an empty string",
        ]
    );
    for bad in [
        "2026-02-30",
        "31.12.2026",
        "2026-12-31T00:00",
        "20261231",
        "0000-00-00",
        "",
    ] {
        let text = format!(
            "version = 1\n[[waiver]]\nrule = \"no-op\"\nowner = \"a\"\nreason = \"b\"\nuntil = \
             \"{bad}\"\n"
        );
        assert_eq!(complaints(&text).len(), 1, "{bad}");
    }
}

#[test]
fn a_waiver_of_an_unknown_rule_is_refused_with_the_nearest_name() {
    let waiver = |rule: &str| {
        complaints(&format!(
            "version = 1\nextends = \"sft\"\n[[waiver]]\nrule = \"{rule}\"\nowner = \
             \"a\"\nreason = \"b\"\nuntil = \"2026-12-31\"\n"
        ))
    };
    assert_eq!(
        waiver("update-sise"),
        ["waiver of an unknown rule `update-sise`; did you mean `update-size`?"]
    );
    for known in ["update-size", "dead-rows", "baseline-deviation"] {
        assert!(waiver(known).is_empty(), "{known}");
    }
    assert_eq!(waiver("policy-loosened").len(), 1);
}

#[test]
fn a_rule_cannot_take_the_name_of_a_finding_that_needs_no_rule() {
    for (id, taken) in [
        ("dead-rows", true),
        ("drift-trend", true),
        ("alpha-drift", false),
    ] {
        let text = format!(
            "version = 1\n[[rule]]\nid = \"{id}\"\nmetric = \"alpha\"\nfail = {{ max = 1 }}\n"
        );
        assert_eq!(complaints(&text).len(), usize::from(taken), "{id}");
    }
}

#[test]
fn a_table_in_the_wrong_shape_says_which_shape_was_expected() {
    assert_eq!(
        complaints("version = 1\ncoverage = 3\nhygiene = []\nrule = { id = \"x\" }\nwaiver = 1\n"),
        [
            "expected a table, got an integer",
            "expected a table, got an array",
            "expected an array of tables, `[[rule]]`, got a table",
            "expected an array of tables, `[[waiver]]`, got an integer",
        ]
    );
}

#[test]
fn escape_sequences_of_a_file_are_not_sent_to_the_terminal() {
    let error = gate("version = 1\nname = \"\\u001b[31m\"\n\"\\u001b[0m\" = 1\n").unwrap_err();
    assert!(!error.to_string().contains('\u{1b}'));
}

#[test]
fn a_rule_on_the_phase_is_refused_with_the_reason() {
    let value = toml::de::DeValue::String("phase".into());
    let error = crate::policy::field::metric(&value).unwrap_err();
    assert!(error.contains("not a number"), "{error}");
}
