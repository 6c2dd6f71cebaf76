use proptest::prelude::*;

use super::*;

/// Characters of the attacks, more often than chance would give them.
fn hostile_text() -> impl Strategy<Value = String> {
    let hostile = proptest::sample::select(
        "@#`|<>&;!\\[](){}*_~$:/\n\r\t\u{1b}\u{7f}\u{9b}\u{200b}\u{202e}\u{301}\u{2028} -abc12%\"'."
            .chars()
            .collect::<Vec<_>>(),
    );
    let any = any::<char>();
    proptest::collection::vec(prop_oneof![4 => hostile, 1 => any], 0..60)
        .prop_map(|characters| characters.into_iter().collect())
}

proptest! {
    #[test]
    fn no_escaped_text_holds_a_hidden_character(text in hostile_text()) {
        prop_assert!(!terminal(&text).trim_start().starts_with("::"));
        prop_assert!(!terminal(&text).contains("##["));
        for escaped in [terminal(&text), html(&text), markdown_name(&text), markdown_code(&text), markdown_text(&text)] {
            prop_assert!(!escaped.chars().any(is_hidden), "{escaped:?}");
        }
    }

    #[test]
    fn a_name_is_one_code_span_of_the_allow_list(text in hostile_text()) {
        let span = markdown_name(&text);
        let inner = span.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')).unwrap();
        prop_assert!(!inner.is_empty());
        prop_assert!(inner.chars().all(|c| is_name_character(c) || matches!(c, '\\' | '{' | '}' | '…')), "{inner}");
        prop_assert!(inner.chars().count() <= MARKDOWN_NAME_LIMIT);
    }

    #[test]
    fn prose_holds_no_character_that_markdown_or_github_acts_on(text in hostile_text()) {
        let prose = markdown_text(&text);
        // Outside code spans; spans never touch, so that a backtick always opens or closes one.
        prop_assert!(!prose.contains("``"), "{prose}");
        for outside in prose.split('`').step_by(2) {
            let plain = remove_entities(outside);
            let seen = plain.contains(['|', '<', '>', '[', ']', '*', '_', '~', '$', '@', '#', '&']);
            prop_assert!(!seen, "{prose}");
            prop_assert!(!plain.contains("://"), "{prose}");
        }
        prop_assert!(prose.matches('`').count().is_multiple_of(2), "{prose}");
    }

    #[test]
    fn html_holds_no_markup(text in hostile_text()) {
        prop_assert!(!html(&text).contains(['<', '>', '"', '\'']));
    }

    #[test]
    fn a_shortened_text_fits(text in "\\PC{0,80}", columns in 1_usize..60) {
        prop_assert!(shorten(&terminal(&text), columns).width() <= columns);
    }
}

fn remove_entities(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("&#") {
        out.push_str(before);
        out.push(' ');
        rest = after.split_once(';').map_or(after, |(_, rest)| rest);
    }
    out + rest
}

#[test]
fn ordinary_names_stay_as_they_are() {
    for name in [
        "model.layers.3.mlp.down_proj.weight",
        "encoder.qkv_proj.weight[q]",
        "model.layers.0.experts.gate_up_proj[7][gate]",
    ] {
        assert_eq!(terminal(name), name);
        assert_eq!(markdown_name(name), format!("`{name}`"));
    }
}

#[test]
fn terminal_sequences_become_visible() {
    assert_eq!(terminal("a\u{1b}[31mred\nb"), "a\\u{1b}[31mred\\u{a}b");
    assert_eq!(terminal("safe\u{202e}txt"), "safe\\u{202e}txt");
    assert_eq!(
        terminal("zero\u{200b}width e\u{301}"),
        "zero\\u{200b}width e\\u{301}"
    );
}

#[test]
fn names_that_would_act_on_github_are_written_out() {
    assert_eq!(markdown_name("@octocat"), "`\\u{40}octocat`");
    assert_eq!(markdown_name("a|b`c"), "`a\\u{7c}b\\u{60}c`");
    assert_eq!(markdown_name(""), "`\\u{}`");
    assert_eq!(
        markdown_name("<!-- tunegate -->"),
        "`\\u{3c}\\u{21}--\\u{20}tunegate\\u{20}--\\u{3e}`"
    );
}

#[test]
fn references_and_paths_stay_readable() {
    assert_eq!(
        markdown_code("hf://org/base@0123abcd"),
        "`hf://org/base@0123abcd`"
    );
    assert_eq!(
        markdown_code("file:train.yaml#model.base"),
        "`file:train.yaml#model.base`"
    );
    assert_eq!(
        markdown_code("o/r#3 @octocat"),
        "`o/r\\u{23}3 \\u{40}octocat`"
    );
}

#[test]
fn prose_keeps_its_code_spans_and_loses_its_references() {
    assert_eq!(
        markdown_text("stripped `bert.` from base"),
        "stripped `bert.` from base"
    );
    assert_eq!(
        markdown_text("tracked in #123, ask @ops"),
        "tracked in `\\u{23}123,` ask `\\u{40}ops`"
    );
    assert_eq!(
        markdown_text("a | b <i>x</i>"),
        "a &#124; b &#60;i&#62;x&#60;/i&#62;"
    );
    assert_eq!(
        markdown_text("costs $5 :fire: in step: two"),
        "costs `\\u{24}5` `:fire:` in step: two"
    );
    assert_eq!(markdown_text("`a``b`"), "`a` `b`");
    assert_eq!(markdown_text("one ` only"), "one &#96; only");
    assert_eq!(
        markdown_text("see https://evil.example/x"),
        "see `https://evil.example/x`"
    );
}

#[test]
fn a_long_name_loses_its_middle() {
    assert_eq!(
        shorten("model.layers.3.mlp.down_proj.weight", 15),
        "model.l…_weight".replace('_', ".")
    );
    let span = markdown_name(&"a".repeat(10_000));
    assert_eq!(span.chars().count(), MARKDOWN_NAME_LIMIT + 2);
}
