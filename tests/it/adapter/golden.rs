//! Adapters that PEFT wrote, against what PEFT merged.

use crate::support::cmd::run;
use crate::support::repository;

const CASES: &[(&str, &str)] = &[
    ("bert_cls", "bert_cls"),
    ("gpt2_conv1d", "gpt2"),
    ("gptoss_target_parameters", "gpt_oss"),
    ("llama_bias_lora", "llama"),
    ("llama_dora", "llama"),
    ("llama_embed", "llama"),
    ("llama_lora", "llama"),
    ("llama_modules_to_save", "llama"),
    ("llama_trainable_tokens", "llama"),
    ("vit_conv", "vit"),
];

fn fixture(name: &str) -> String {
    repository(&format!("tests/fixtures/peft/{name}"))
        .display()
        .to_string()
}

#[test]
fn an_adapter_on_its_base_is_the_checkpoint_that_peft_merged() {
    for (case, base) in CASES {
        let base = fixture(&format!("base/{base}"));
        let (adapter, merged) = (fixture(case), fixture(&format!("{case}/merged")));
        let digest = |tuned: &str| {
            let ran = run(&[
                "check", "--base", &base, "--tuned", tuned, "--format", "json",
            ]);
            assert!(ran.code <= 1, "{case}: {}", ran.stderr);
            ran.json()["tuned"]["digest"].as_str().unwrap().to_owned()
        };
        assert_eq!(digest(&adapter), digest(&merged), "{case}");
    }
}

#[test]
fn what_peft_merged_holds_its_adapter_and_the_base_does_not() {
    for (case, base) in CASES {
        let base = fixture(&format!("base/{base}"));
        let (adapter, merged) = (fixture(case), fixture(&format!("{case}/merged")));
        let codes = |tuned: &str| -> Vec<String> {
            let args = [
                "check",
                "--base",
                &base,
                "--tuned",
                tuned,
                "--adapter",
                &adapter,
            ];
            let ran = run(&[&args[..], &["--format", "json"]].concat());
            let report = ran.json();
            let findings = report["findings"].as_array().unwrap();
            findings
                .iter()
                .filter_map(|finding| finding["code"].as_str())
                .filter(|code| code.starts_with("adapter-"))
                .map(str::to_owned)
                .collect()
        };
        assert_eq!(codes(&merged), Vec::<String>::new(), "{case}");
        assert_eq!(codes(&base), ["adapter-not-merged"], "{case}");
    }
}
