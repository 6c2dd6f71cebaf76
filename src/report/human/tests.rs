use super::*;
use crate::report::sample;

fn text(report: &Report, layout: Layout) -> String {
    render(report, &Templates::new(None).unwrap(), layout).unwrap()
}

#[test]
fn a_failure_reads_from_the_verdict_down() {
    insta::assert_snapshot!(text(&sample::fail(), Layout::default()), @r#"
    ✗ fail: 2 of 4 layers are past a fail limit

      base    hf://org/base@main (revision 0123abcd)  sha256:aaaaaaaaaaaa
      tuned   runs/ft  sha256:bbbbbbbbbbbb
      policy  gate from policies/gate.toml  sha256:cccccccccccc
      result  2 fail, 1 warn, 1 note, 1 waived; 4 layers

    fail non-finite: 1 finding
      x\u{1b}[31m|`@octocat`<img src=x>#12\u{a}\u{202e}y: 3 of 45088768 values are not finite
      why   rule non-finite of builtin:default
      next  find the step where the loss became NaN and restart from a checkpoint before it

    fail alpha-drift: 1 finding
      layer                                alpha_drift  base  tuned  limit        spectrum
      model.layers.3.mlp.down_proj.weight  0.41         3.42  3.83   at most 0.3  ▆▅▄▃▂▁▁▁ → █▅▄▃▂▁▁▁
      why   policies/gate.toml:17
      next  lower the learning rate or train for fewer steps

    warn alpha-drift: 1 finding
      layer                                alpha_drift  base  tuned  limit        spectrum
      model.layers.7.mlp.down_proj.weight  0.17         3.42  3.59   at most 0.1  ▇▆▅▄▂▁▁▁ → █▆▅▄▂▁▁▁
      why   policies/gate.toml:17
      next  lower the learning rate or train for fewer steps

    waived
      alpha-drift on model.layers.0.mlp.down_proj.weight (0.35): would fail
        37 days left (until 2026-12-31), ml-platform: vocabulary was extended; tracked in #123

    notes
      unexpected-tensor classifier.weight: a head that the base does not have

    coverage
      4 layers compared, 1 skipped; 99.8 % of the parameters
      names: stripped `bert.` from base
      skipped cls.predictions.bias: only in the base
      rule alpha-drift: alpha_drift has no value in 1 of 4 layers
    "#);
}

#[test]
fn a_pass_is_short() {
    insta::assert_snapshot!(text(&sample::pass(), Layout::default()), @r#"
    ✓ pass: all 4 layers are within their limits

      base    hf://org/base@main (revision 0123abcd)  sha256:aaaaaaaaaaaa
      tuned   runs/ft  sha256:bbbbbbbbbbbb
      policy  gate from policies/gate.toml  sha256:cccccccccccc
      result  0 fail, 0 warn, 0 notes, 0 waived; 4 layers

    coverage
      4 layers compared, 1 skipped; 99.8 % of the parameters
      names: stripped `bert.` from base
      skipped cls.predictions.bias: only in the base
      rule alpha-drift: alpha_drift has no value in 1 of 4 layers
    "#);
}

#[test]
fn nothing_hidden_reaches_the_terminal_and_colour_only_adds_to_the_words() {
    for report in [
        sample::fail(),
        sample::warn(),
        sample::inconclusive(),
        sample::huge(30, 300),
    ] {
        let plain = text(&report, Layout::default());
        let hidden =
            |character: char| character != '\n' && crate::report::escape::is_hidden(character);
        assert!(!plain.contains(hidden), "{plain}");
        let coloured = text(
            &report,
            Layout {
                colour: true,
                ..Layout::default()
            },
        );
        assert!(coloured.contains('\u{1b}'));
        assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
    }
}

#[test]
fn a_long_layer_name_is_cut_to_the_width_of_the_terminal() {
    let mut report = sample::warn();
    report.judgement.findings = vec![sample::finding(
        crate::code::Level::Warn,
        Some(&"block.".repeat(40)),
        0.2,
    )];
    let narrow = text(
        &report,
        Layout {
            width: 80,
            colour: false,
        },
    );
    let row = narrow.lines().find(|line| line.contains('…')).unwrap();
    assert!(row.width() <= 80, "{row}");
}
