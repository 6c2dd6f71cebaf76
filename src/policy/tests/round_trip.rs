use super::*;

/// What a verdict reads of a policy, without where it was written.
pub(super) fn content(policy: &Policy) -> String {
    let origin = Origin {
        source: String::new(),
        line: None,
    };
    let mut policy = policy.clone();
    policy.digest.clear();
    policy.source.clear();
    for setting in policy.hygiene.values_mut() {
        setting.origin = origin.clone();
    }
    for rule in &mut policy.rules {
        rule.origin = origin.clone();
    }
    for waiver in &mut policy.waivers {
        waiver.origin = origin.clone();
    }
    if let Some(base) = &mut policy.base {
        base.origin = origin.clone();
    }
    format!("{policy:#?}")
}

const EVERYTHING: &str = r#"version = 1
name = "every \"key\" \\ of \u202e the grammar"
extends = "lora"

[coverage]
min = 0.07

[hygiene]
no-op = "allow"

[[rule]]
id = "everything"
metric = "alpha_drift"
layers = ["*.self_attn.*", "*.experts.gate_up_proj[7]*", 'a\[b']
roles = ["attention.q", "mlp.fc1"]
depth = "7%..29%"
absolute = true
undefined = "fail"
warn = { min = -1e-300, max = 0.1, at_least = 3 }
fail = { max = 1_000, at_least = "7%" }

[[rule]]
id = "mean"
metric = "alpha"
aggregate = "mean"
undefined = "warn"
depth = "33.333333333333333%..100%"
warn = { max = 12345678901234567890.0 }

[[rule]]
id = "intruder-dimensions"

[[waiver]]
rule = "everything"
layers = ["model.layers.0.*"]
ceiling = 0.5
owner = "ml-platform"
reason = """
two
lines"""
until = "2026-12-31"

[base]
ref = "hf://org/base@0123abcd"

[baseline]
min_runs = 3
required = true
family_wise_error = 0.02
false_discovery_rate = 0.1
"#;

#[test]
fn what_show_prints_reads_back_as_the_same_policy() {
    let effective = EffectivePolicy::parse("gate.toml", EVERYTHING, &crate::fs::read_to_string);
    let effective = effective.unwrap();
    let shown = effective.show();
    let again = Policy::parse("shown.toml", &shown).unwrap();
    assert_eq!(content(&again), content(&effective.policy), "{shown}");
    for origin in [
        "min = 0.07 # from gate.toml:6",
        "no-op = \"allow\" # from gate.toml:9",
        "[[rule]] # from gate.toml:11",
        "[[rule]] # from builtin:lora",
        "[[waiver]] # from gate.toml:33",
        "ref = \"hf://org/base@0123abcd\" # from gate.toml:44",
        "min_runs = 3 # from gate.toml:47",
        "# rule `intruder-dimensions` of builtin:lora is dropped by gate.toml:30",
    ] {
        assert!(
            shown.lines().any(|line| line == origin),
            "`{origin}` in:\n{shown}"
        );
    }
    assert!(!shown.contains('\u{202e}'));
}

#[test]
fn every_shipped_policy_reads_back_as_itself() {
    for name in shipped_names() {
        let effective = EffectivePolicy::load(name).unwrap();
        let again = Policy::parse("shown.toml", &effective.show()).unwrap();
        assert_eq!(content(&again), content(&effective.policy), "{name}");
    }
}

#[test]
fn every_share_in_whole_and_tenth_percent_reads_back() {
    for thousandths in 1..=1000 {
        let written = format!("{}%", f64::from(thousandths) / 10.0);
        let text = format!(
            "version = 1\n[[rule]]\nid = \"a\"\nmetric = \"alpha\"\nfail = {{ max = 1, at_least = \
             \"{written}\" }}\n"
        );
        let effective =
            EffectivePolicy::parse("gate.toml", &text, &crate::fs::read_to_string).unwrap();
        let shown = effective.show();
        assert!(
            shown.contains(&format!("at_least = \"{written}\"")),
            "{written}: {shown}"
        );
    }
}

#[test]
fn the_summary_counts_what_the_policy_asks_for() {
    let policy = Policy::parse("gate.toml", EVERYTHING).unwrap();
    insta::assert_snapshot!(policy.summary(), @r#"policy `every "key" \ of � the grammar` from `gate.toml`: 9 rules (5 can fail), hygiene 13 fail, 5 warn, 1 allow, 1 waiver, coverage from 7%, base pinned to `hf://org/base@0123abcd`"#);
}
