use proptest::prelude::*;

use super::*;
use crate::code::Level;
use crate::layer::LayerName;
use crate::report::escape::is_hidden;
use crate::report::sample;

fn text(report: &Report) -> String {
    render(report, &Templates::new(None).unwrap()).unwrap()
}

/// Every table row has as many cells as its header, and every block is closed.
fn assert_well_formed(text: &str) {
    let mut columns = None;
    for line in text.lines() {
        if line.starts_with('|') {
            let pipes = line.matches('|').count();
            assert_eq!(*columns.get_or_insert(pipes), pipes, "{line}");
        } else {
            columns = None;
        }
    }
    assert_eq!(
        text.matches("<details>").count(),
        text.matches("</details>").count()
    );
    assert!(!text.contains(|character: char| character != '\n' && is_hidden(character)));
}

#[test]
fn a_failure_reads_in_five_seconds() {
    insta::assert_snapshot!(text(&sample::fail()), @r#"
    ### ✗ fail: 2 of 4 layers are past a fail limit

    `tunegate` compared `runs/ft` with base `hf://org/base@main` under policy `gate`: 2 fail, 1 warn, 1 waived; 99.8 % of the parameters compared.

    | finding | layer | found | base | tuned | limit | spectrum |
    |:--|:--|:--|--:|--:|:--|:--|
    | **✗ fail** `non-finite` | `x\u{1b}[31m\u{7c}\u{60}\u{40}octocat\u{60}\u{3c}img\u{20}src\u{3d}x\u{3e}\u{23}12\u{a}\u{202e}y` | 3 of 45088768 values are not finite |  |  |  |  |
    | **✗ fail** `alpha-drift` | `model.layers.3.mlp.down_proj.weight` | `alpha_drift` **0.41** | 3.42 | 3.83 | at most 0.3 | ▆▅▄▃▂▁▁▁ → █▅▄▃▂▁▁▁ |
    | ! warn `alpha-drift` | `model.layers.7.mlp.down_proj.weight` | `alpha_drift` **0.17** | 3.42 | 3.59 | at most 0.1 | ▇▆▅▄▂▁▁▁ → █▆▅▄▂▁▁▁ |

    <sub>Spectrum: eigenvalues of base → tuned on a log scale, the largest on the left.</sub>

    **Why, and what to do**

    - `non-finite` (1 fail): find the step where the loss became NaN and restart from a checkpoint before it. Set by rule `non-finite` of `builtin:default`.
    - `alpha-drift` (1 fail, 1 warn): lower the learning rate or train for fewer steps. Set by `policies/gate.toml:17`.

    `tunegate explain CODE` says more about a finding, and how to waive one that is meant.

    <details><summary>Waivers in use (1)</summary>

    | rule | layer | found | without it | owner | reason | until |
    |:--|:--|--:|:--|:--|:--|:--|
    | `alpha-drift` | `model.layers.0.mlp.down_proj.weight` | 0.35 | fail | ml-platform | vocabulary was extended; tracked in `\u{23}123` | 2026-12-31 (37 days left) |

    </details>

    <details><summary>Notes (1)</summary>

    - `unexpected-tensor` `classifier.weight`: a head that the base does not have

    </details>

    <details><summary>By role (4 layers)</summary>

    Medians over the layers of a role.

    | role | layers | fail | warn | `relative_update` | `alpha` of base | of tuned |
    |:--|--:|--:|--:|--:|--:|--:|
    | attention.q | 1 | 0 | 0 | 0.015 | 3.42 | - |
    | mlp.down | 2 | 1 | 1 | 0.015 | 3.42 | 3.71 |
    | other | 1 | 1 | 0 | 0.015 | 3.42 | 3.42 |

    Over the matrices of the body:

    | metric | mean | median |
    |:--|--:|--:|
    | `alpha` | 3.1 |  |

    </details>

    <details><summary>Alpha by depth (3 blocks)</summary>

    Median `alpha` of the matrices of each block, from block 3 on the left to 10; ▁ is 3.42, █ is 3.83, · is no fit. No rule reads this.

    ```text
    base   ▁▁▁  median 3.42
    tuned  █▄·  median 3.71
    ```

    </details>

    <details><summary>Coverage, names and estimator</summary>

    - Compared 4 layers, skipped 1; 99.8 % of the parameters.
    - Matching of names: stripped `bert.` from base.
    - Skipped `cls.predictions.bias`: only in the base.
    - Rule `alpha-drift`: `alpha_drift` has no value in 1 of 4 layers.
    - Estimator: `alpha` `csn-ks`, `minimum_tail` `50`.
    - Base `hf://org/base@main` at `0123abcd`, `sha256:aaaaaaaaaaaa`.
    - Tuned `runs/ft`, `sha256:bbbbbbbbbbbb`.
    - Policy `policies/gate.toml`, `sha256:cccccccccccc`; tunegate 0.1.0.

    </details>
    "#);
}

#[test]
fn a_pass_is_two_lines_and_folded_details() {
    insta::assert_snapshot!(text(&sample::pass()), @r#"
    ### ✓ pass: all 4 layers are within their limits

    `tunegate` compared `runs/ft` with base `hf://org/base@main` under policy `gate`: 0 fail, 0 warn; 99.8 % of the parameters compared.

    <details><summary>By role (4 layers)</summary>

    Medians over the layers of a role.

    | role | layers | `relative_update` | `alpha` of base | of tuned |
    |:--|--:|--:|--:|--:|
    | attention.q | 1 | 0.015 | 3.42 | - |
    | mlp.down | 2 | 0.015 | 3.42 | 3.71 |
    | other | 1 | 0.015 | 3.42 | 3.42 |

    Over the matrices of the body:

    | metric | mean | median |
    |:--|--:|--:|
    | `alpha` | 3.1 |  |

    </details>

    <details><summary>Alpha by depth (3 blocks)</summary>

    Median `alpha` of the matrices of each block, from block 3 on the left to 10; ▁ is 3.42, █ is 3.83, · is no fit. No rule reads this.

    ```text
    base   ▁▁▁  median 3.42
    tuned  █▄·  median 3.71
    ```

    </details>

    <details><summary>Coverage, names and estimator</summary>

    - Compared 4 layers, skipped 1; 99.8 % of the parameters.
    - Matching of names: stripped `bert.` from base.
    - Skipped `cls.predictions.bias`: only in the base.
    - Rule `alpha-drift`: `alpha_drift` has no value in 1 of 4 layers.
    - Estimator: `alpha` `csn-ks`, `minimum_tail` `50`.
    - Base `hf://org/base@main` at `0123abcd`, `sha256:aaaaaaaaaaaa`.
    - Tuned `runs/ft`, `sha256:bbbbbbbbbbbb`.
    - Policy `policies/gate.toml`, `sha256:cccccccccccc`; tunegate 0.1.0.

    </details>
    "#);
}

#[test]
fn every_verdict_starts_with_itself() {
    for report in [
        sample::pass(),
        sample::warn(),
        sample::inconclusive(),
        sample::fail(),
    ] {
        let text = text(&report);
        assert_well_formed(&text);
        let first = text.lines().next().unwrap();
        assert!(
            first.contains(&format!(" {}: ", report.judgement.verdict.as_str())),
            "{first}"
        );
    }
}

#[test]
fn an_inconclusive_run_says_what_to_do_before_any_fold() {
    let text = text(&sample::inconclusive());
    let (seen, _) = text.split_once("<details>").unwrap();
    assert!(seen.contains("**What to do:**"), "{text}");
    assert!(seen.contains("41 % of the parameters compared"), "{text}");
}

#[test]
fn thousands_of_findings_with_endless_names_fit_and_are_counted() {
    let report = sample::huge(3_000, 10_000);
    let text = text(&report);
    assert!(text.len() <= LIMIT, "{}", text.len());
    assert_well_formed(&text);
    assert!(text.contains("3000 fail"));
    assert!(text.contains("2992 more findings: see the JSON report for all"));
    assert!(text.contains("more rules with findings: see the JSON report"));
}

#[test]
fn the_shortest_form_has_no_details_and_still_counts_everything() {
    let templates = Templates::new(None).unwrap();
    let shortest = LADDER[LADDER.len() - 1];
    let text = render_at(&sample::huge(3_000, 10_000), &templates, shortest).unwrap();
    assert!(text.len() <= LIMIT / 4, "{}", text.len());
    assert_well_formed(&text);
    assert!(!text.contains("<details>"));
    assert!(
        text.contains("2997 more findings: see the JSON report for all"),
        "{text}"
    );
    assert!(
        text.contains("- `alpha-drift` (3000 fail): lower the learning rate or train for fewer steps. Set by `policies/gate.toml:17`."),
        "{text}"
    );
}

#[test]
fn a_report_of_middle_size_keeps_its_details() {
    let mut report = sample::fail();
    report.judgement.findings = (0..2_000)
        .map(|index| {
            sample::finding(
                Level::Warn,
                Some(&format!("model.layers.{index}.mlp.down_proj.weight")),
                0.2,
            )
        })
        .collect();
    let text = text(&report);
    assert!(text.len() <= LIMIT);
    assert_well_formed(&text);
    assert!(text.contains("1700 more: see the JSON report"), "{text}");
    assert!(
        render_within(&report, &Templates::new(None).unwrap(), 1_000_000)
            .unwrap()
            .len()
            > LIMIT
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn no_report_is_past_the_limit(count in 0_usize..3_000, name_length in 0_usize..10_000) {
        let text = text(&sample::huge(count, name_length));
        prop_assert!(text.len() <= LIMIT);
        assert_well_formed(&text);
        let templates = Templates::new(None).unwrap();
        let shortest = LADDER[LADDER.len() - 1];
        prop_assert!(render_at(&sample::huge(count, name_length), &templates, shortest).unwrap().len() <= LIMIT);
    }

    #[test]
    fn no_name_adds_a_column_or_leaves_its_code_span(name in any::<String>(), message in any::<String>()) {
        let mut report = sample::fail();
        for finding in &mut report.judgement.findings {
            finding.layer = Some(LayerName::new(name.as_str()));
            finding.message.clone_from(&message);
        }
        report.judgement.reason.clone_from(&message);
        report.comparison.coverage.name_map = message;
        assert_well_formed(&text(&report));
    }
}
