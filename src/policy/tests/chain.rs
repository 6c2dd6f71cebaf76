use super::*;

fn ids(policy: &Policy) -> Vec<&str> {
    policy.rules.iter().map(|rule| rule.id.as_str()).collect()
}

const PARENT: &str = r#"version = 1
name = "parent"

[coverage]
min = 0.8

[hygiene]
no-op = "warn"
dead-rows = "allow"

[[rule]]
id = "size"
metric = "relative_update"
fail = { max = 0.5 }

[[rule]]
id = "drift"
metric = "alpha_drift"
fail = { max = 0.5 }

[[waiver]]
rule = "drift"
owner = "parent"
reason = "inherited"
until = "2026-12-31"

[baseline]
min_runs = 5
"#;

#[test]
fn the_nearest_file_wins_value_by_value() {
    let files = Files::new([
        ("team/parent.toml", PARENT),
        (
            "team/models/gate.toml",
            r#"version = 1
extends = "../parent.toml"

[hygiene]
no-op = "fail"

[[rule]]
id = "new"
metric = "cosine"
fail = { min = 0.9 }

[[rule]]
id = "size"
metric = "relative_update"
fail = { max = 0.2 }

[[waiver]]
rule = "new"
owner = "child"
reason = "own"
until = "2026-12-31"

[baseline]
required = true
"#,
        ),
    ]);
    let EffectivePolicy {
        policy,
        origins,
        dropped,
    } = files.load("team/models/gate.toml").unwrap();
    let parent = |line| Origin {
        source: "team/parent.toml".to_owned(),
        line: Some(line),
    };
    let child = |line| Origin {
        source: "team/models/gate.toml".to_owned(),
        line: Some(line),
    };
    assert_eq!(policy.name, "gate");
    assert_eq!(policy.source, "team/models/gate.toml");
    assert_eq!(ids(&policy), ["size", "drift", "new"]);
    assert_eq!(policy.rules[0].fail.unwrap().max, Finite::new(0.2));
    assert_eq!(policy.rules[0].origin, child(12));
    assert_eq!(policy.rules[1].origin, parent(16));
    let owners: Vec<_> = policy
        .waivers
        .iter()
        .map(|waiver| waiver.owner.as_str())
        .collect();
    assert_eq!(owners, ["parent", "child"]);
    assert_eq!(policy.coverage_min, Fraction::new(0.8).unwrap());
    assert_eq!(origins["coverage.min"], parent(5));
    assert_eq!(policy.baseline.min_runs, 5);
    assert!(policy.baseline.required);
    assert_eq!(origins["baseline.required"], child(24));
    assert_eq!(policy.hygiene_level(FindingCode::NoOp), Some(Level::Fail));
    assert_eq!(policy.hygiene[&FindingCode::NoOp].origin, child(5));
    assert_eq!(policy.hygiene_level(FindingCode::DeadRows), None);
    assert!(dropped.is_empty());
}

#[test]
fn what_no_file_says_is_what_the_default_policy_says_but_its_rules_are_not() {
    let silent = gate("version = 1\n").unwrap();
    let default = Policy::load("default").unwrap();
    assert!(silent.rules.is_empty());
    assert_eq!(silent.coverage_min, default.coverage_min);
    for code in FindingCode::ALL {
        assert_eq!(silent.hygiene_level(*code), default.hygiene_level(*code));
    }
    assert_eq!(
        silent.hygiene[&FindingCode::NoOp].origin.source,
        "builtin:default"
    );
    assert_eq!(silent.baseline.min_runs, 2);
}

#[test]
fn a_policy_built_without_levels_has_those_of_the_default() {
    let mut policy = gate("version = 1\n").unwrap();
    policy.hygiene.clear();
    assert_eq!(policy.hygiene_level(FindingCode::NoOp), Some(Level::Fail));
    assert_eq!(
        policy.hygiene_level(FindingCode::ConfigChanged),
        Some(Level::Warn)
    );
}

#[test]
fn a_rule_with_only_an_id_drops_the_inherited_rule_and_its_waivers() {
    let files = Files::new([
        ("parent.toml", PARENT),
        (
            "gate.toml",
            "version = 1\nextends = \"parent.toml\"\n[[rule]]\nid = \"drift\"\n",
        ),
    ]);
    let effective = files.load("gate.toml").unwrap();
    assert_eq!(ids(&effective.policy), ["size"]);
    assert!(effective.policy.waivers.is_empty());
    let dropped: Vec<_> = effective
        .dropped
        .iter()
        .map(|one| format!("{} {} {}", one.what, one.from, one.by))
        .collect();
    assert_eq!(
        dropped,
        [
            "rule `drift` parent.toml:16 gate.toml:3",
            "waiver of rule `drift` parent.toml:21 gate.toml:3",
        ]
    );
}

#[test]
fn forgotten_limits_do_not_drop_a_rule() {
    let files = Files::new([
        ("parent.toml", PARENT),
        (
            "gate.toml",
            "version = 1\nextends = \"parent.toml\"\n[[rule]]\nid = \"drift\"\nlayers = [\"*\"]\n",
        ),
        (
            "alone.toml",
            "version = 1\n[[rule]]\nid = \"drift\"\nmetric = \"alpha\"\n",
        ),
        (
            "waived.toml",
            "version = 1\nextends = \"parent.toml\"\n[[rule]]\nid = \"drift\"\n[[waiver]]\nrule = \
             \"drift\"\nowner = \"a\"\nreason = \"b\"\nuntil = \"2026-12-31\"\n",
        ),
    ]);
    for (path, message) in [
        (
            "gate.toml",
            "got neither; to drop an inherited rule, give only its `id`",
        ),
        (
            "alone.toml",
            "there is no inherited rule of this id to drop",
        ),
        (
            "waived.toml",
            "waiver of rule `drift`, which is dropped; remove the waiver",
        ),
    ] {
        let error = files.load(path).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
        assert!(error.contains("1 problem\n"), "{error}");
    }
}

#[test]
fn mistakes_of_an_extended_file_are_shown_in_that_file() {
    let files = Files::new([
        (
            "gate.toml",
            "version = 1\nextends = \"parent.toml\"\n[coverage]\nmin = 2\n",
        ),
        (
            "parent.toml",
            "version = 1\nextends = \"root.toml\"\nnmae = \"x\"\n",
        ),
        ("root.toml", "[hygiene]\nno-op = \"fial\"\n"),
    ]);
    insta::assert_snapshot!(files.load("gate.toml").unwrap_err(), @r#"
    invalid policy `gate.toml`: 4 problems
    gate.toml:4:7: share must be between 0 and 1, got 2
      |
    4 | min = 2
      |       ^

    parent.toml:3:1: unknown key `nmae`, expected one of `version`, `name`, `extends`, `coverage`, `hygiene`, `rule`, `waiver`, `base`, `baseline`; did you mean `name`?
      |
    3 | nmae = "x"
      | ^^^^

    root.toml:1:1: missing key `version`, expected `version = 1`
      |
    1 | [hygiene]
      | ^

    root.toml:2:9: unknown level `fial`; did you mean `fail`?
      |
    2 | no-op = "fial"
      |         ^^^^^^
    "#);
}

#[test]
fn a_circle_is_shown_as_the_chain_that_closes_it() {
    let files = Files::new([
        ("gate.toml", "version = 1\nextends = \"a/b.toml\"\n"),
        ("a/b.toml", "version = 1\nextends = \"./c.toml\"\n"),
        ("a/c.toml", "version = 1\nextends = \"../a/b.toml\"\n"),
        ("self.toml", "version = 1\nextends = \"self.toml\"\n"),
    ]);
    insta::assert_snapshot!(files.load("gate.toml").unwrap_err(), @r#"
    invalid policy `gate.toml`: 1 problem
    a/c.toml:2:11: policies extend each other: `a/b.toml` -> `a/c.toml` -> `a/b.toml`
      |
    2 | extends = "../a/b.toml"
      |           ^^^^^^^^^^^^^
    "#);
    let own = files.load("self.toml").unwrap_err().to_string();
    assert!(
        own.contains("policies extend each other: `self.toml` -> `self.toml`"),
        "{own}"
    );
}

#[test]
fn a_chain_without_end_is_cut() {
    let error = EffectivePolicy::load_through("x/gate.toml", &|_: &Path| {
        Ok("version = 1\nextends = \"x/gate.toml\"\n".to_owned())
    })
    .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("more than 16 policies extend each other")
    );
}

#[test]
fn an_unknown_name_lists_the_shipped_policies() {
    insta::assert_snapshot!(Policy::load("stf").unwrap_err(), @"unknown policy `stf`, expected one of `default`, `sft`, `lora`, `continued-pretraining`, `rl`, `strict`, or the path of a file; did you mean `sft`?");
    insta::assert_snapshot!(Policy::load("whatever").unwrap_err(), @"unknown policy `whatever`, expected one of `default`, `sft`, `lora`, `continued-pretraining`, `rl`, `strict`, or the path of a file");
    insta::assert_snapshot!(Policy::load("no/such.toml").unwrap_err(), @"cannot load policy `no/such.toml`");
    let files = Files::new([
        ("gate.toml", "version = 1\nextends = \"lroa\"\n"),
        ("gone.toml", "version = 1\nextends = \"no/such.toml\"\n"),
    ]);
    insta::assert_snapshot!(files.load("gate.toml").unwrap_err(), @r#"
    invalid policy `gate.toml`: 1 problem
    gate.toml:2:11: unknown policy `lroa`, expected one of `default`, `sft`, `lora`, `continued-pretraining`, `rl`, `strict`, or a path relative to this file; did you mean `lora`?
      |
    2 | extends = "lroa"
      |           ^^^^^^
    "#);
    insta::assert_snapshot!(files.load("gone.toml").unwrap_err(), @r#"
    invalid policy `gone.toml`: 1 problem
    gone.toml:2:11: cannot read `no/such.toml`: entity not found
      |
    2 | extends = "no/such.toml"
      |           ^^^^^^^^^^^^^^
    "#);
}

#[test]
fn a_file_on_disk_extends_its_neighbour() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gate.toml");
    crate::fs::write_atomic(&folder.path().join("parent.toml"), PARENT.as_bytes()).unwrap();
    crate::fs::write_atomic(&path, b"version = 1\nextends = \"parent.toml\"\n").unwrap();
    let policy = Policy::load(path.to_str().unwrap()).unwrap();
    assert_eq!(ids(&policy), ["size", "drift"]);
    assert!(policy.source.ends_with("gate.toml"));
}

#[test]
fn the_digest_of_one_file_is_its_own_and_moves_with_every_file_of_the_chain() {
    // printf 'version = 1\n' | sha256sum
    assert_eq!(
        gate("version = 1\n").unwrap().digest,
        "sha256:dbab12665d98aef021ba64953c61b0ed8a908cfb56a1c01e2fcb4b052b71a2a1"
    );
    let chain = |parent: &str| {
        let child = "version = 1\nextends = \"p.toml\"\n";
        let files = Files::new([("gate.toml", child), ("p.toml", parent)]);
        files.load("gate.toml").unwrap().policy.digest
    };
    assert_ne!(chain("version = 1\n"), chain("version = 1\n\n"));
}
