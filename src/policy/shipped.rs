//! The policies that come with the program.

use std::collections::BTreeMap;

use super::file::PolicyFile;
use super::problem::SourceText;
use super::read;
use super::table::Problems;

/// Names and texts, the most general first.
pub(super) const SHIPPED: &[(&str, &str)] = &[
    ("default", include_str!("../../policies/default.toml")),
    ("sft", include_str!("../../policies/sft.toml")),
    ("lora", include_str!("../../policies/lora.toml")),
    (
        "continued-pretraining",
        include_str!("../../policies/continued-pretraining.toml"),
    ),
    ("rl", include_str!("../../policies/rl.toml")),
    ("strict", include_str!("../../policies/strict.toml")),
];

/// Names of the shipped policies.
pub fn shipped_names() -> Vec<&'static str> {
    SHIPPED.iter().map(|(name, _)| *name).collect()
}

/// Text of a shipped policy.
pub fn shipped_text(name: &str) -> Option<&'static str> {
    SHIPPED
        .iter()
        .find(|(shipped, _)| *shipped == name)
        .map(|(_, text)| *text)
}

pub(super) fn source(name: &str) -> Option<SourceText> {
    shipped_text(name).map(|text| SourceText {
        name: format!("builtin:{name}"),
        text: text.to_owned(),
    })
}

/// The default policy's file, whose settings hold where a policy is silent.
pub(super) fn default_file() -> (SourceText, PolicyFile) {
    let (_, text) = SHIPPED[0];
    let source = SourceText {
        name: "builtin:default".to_owned(),
        text: text.to_owned(),
    };
    let file = read::read(&mut Problems::of(&source));
    (source, file)
}

/// Level of each hygiene code in the default policy; allowed codes are `None`.
pub(super) fn default_hygiene() -> BTreeMap<crate::code::FindingCode, Option<crate::code::Level>> {
    let (_, file) = default_file();
    file.hygiene
        .into_iter()
        .map(|(code, level)| (code, level.into_inner().level()))
        .collect()
}
