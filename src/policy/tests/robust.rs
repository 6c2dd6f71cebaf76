use proptest::prelude::*;

use super::*;

/// Pieces of a policy, so that random documents reach deep into the reader.
fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("version = 1\n".to_owned()),
        Just("[[rule]]\n".to_owned()),
        Just("[[waiver]]\n".to_owned()),
        Just("[rule.fail]\n".to_owned()),
        Just("[hygiene]\n".to_owned()),
        Just("[coverage]\n".to_owned()),
        Just("[baseline]\n".to_owned()),
        Just("[base]\n".to_owned()),
        (
            prop_oneof![
                Just("id"),
                Just("metric"),
                Just("layers"),
                Just("roles"),
                Just("depth"),
                Just("warn"),
                Just("fail"),
                Just("min"),
                Just("max"),
                Just("at_least"),
                Just("rule"),
                Just("until"),
                Just("extends"),
                Just("no-op"),
                Just("ref"),
                Just("min_runs"),
                Just("name"),
                Just("aggregate"),
            ],
            prop_oneof![
                Just("\"drift\"".to_owned()),
                Just("{ max = 0.5 }".to_owned()),
                Just("{ min = 2, max = 1, at_least = \"5%\" }".to_owned()),
                Just("[\"*[\", \"a{\"]".to_owned()),
                Just("\"alpha\"".to_owned()),
                Just("\"0%..25%\"".to_owned()),
                Just("\"default\"".to_owned()),
                Just("1979-05-27T07:32:00Z".to_owned()),
                any::<f64>().prop_map(|value| format!("{value:?}")),
                any::<i64>().prop_map(|value| value.to_string()),
                "\\PC{0,12}".prop_map(|text| format!("{text:?}")),
            ],
        )
            .prop_map(|(key, value)| format!("{key} = {value}\n")),
        "\\PC{0,20}\n",
    ]
}

/// No text may crash the reader, and every complaint must point into the text.
fn check(text: &str) -> Result<(), TestCaseError> {
    match gate(text) {
        Ok(policy) => prop_assert!(policy.digest.starts_with("sha256:")),
        Err(PolicyError::Invalid { problems, .. }) => {
            prop_assert!(!problems.is_empty());
            for problem in &problems {
                prop_assert!(problem.line <= text.lines().count() + 1);
                prop_assert!(!problem.message.is_empty());
            }
        }
        Err(other) => prop_assert!(false, "{other}"),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_crashes_the_reader(text in any::<String>()) {
        check(&text)?;
    }

    #[test]
    fn no_mixture_of_policy_pieces_crashes_the_reader(
        pieces in prop::collection::vec(fragment(), 0..24)
    ) {
        check(&pieces.concat())?;
    }

    #[test]
    fn a_policy_that_loads_reads_back_from_what_show_prints(
        min in any::<f64>(), max in any::<f64>(), share in 0.0001..=1.0_f64,
        name in "\\PC{1,20}", from in 0..50_u32, to in 51..=100_u32,
    ) {
        let text = format!(
            "version = 1\nname = {name:?}\n[coverage]\nmin = {share:?}\n[[rule]]\nid = \"a\"\n\
             metric = \"alpha\"\ndepth = \"{from}%..{to}%\"\nfail = {{ min = {min:?}, max = {max:?}, \
             at_least = \"{}%\" }}\n", share * 100.0,
        );
        let loaded = EffectivePolicy::parse("gate.toml", &text, &crate::fs::read_to_string);
        if let Ok(effective) = loaded {
            let again = Policy::parse("shown.toml", &effective.show());
            let again = again.map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(
                round_trip::content(&again),
                round_trip::content(&effective.policy)
            );
        }
    }
}
