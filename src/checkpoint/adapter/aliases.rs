//! Which tensor of a base an adapter's module means.
//!
//! An adapter is written with the names that the model has in memory, and a checkpoint may hold other
//! ones: transformers 5 keeps the old names on disk (`vit.encoder.layer.0.attention.attention.query`)
//! and renames the modules when it loads them (`vit.layers.0.attention.q_proj`). Both names are brought
//! to one canonical form, which is used only where it fits a single tensor. The table follows
//! `conversion_mapping.py` of transformers 5.23.

use std::collections::BTreeMap;

use crate::layer::without_wrappers;

/// Runs of a name that mean the same, applied in this order, segment by segment.
const SAME: &[(&str, &str)] = &[
    // ViT and its relatives.
    ("encoder.layer", "layers"),
    ("attention.attention", "attention"),
    ("attention.self", "attention"),
    ("attention.query", "attention.q_proj"),
    ("attention.key", "attention.k_proj"),
    ("attention.value", "attention.v_proj"),
    ("attention.output.dense", "attention.o_proj"),
    ("intermediate.dense", "mlp.fc1"),
    ("output.dense", "mlp.fc2"),
    // GPT-NeoX.
    ("embed_out", "lm_head"),
    // Mixtral.
    ("block_sparse_moe", "mlp"),
    // One tower of CLIP and SigLIP by itself.
    ("vision_model", ""),
    ("text_model", ""),
];

/// Names of the matrices of one expert on disk, by the stacked parameter in memory: gate and up, or
/// down alone.
const EXPERT_MATRICES: &[(&str, &[&[&str]])] = &[
    ("gate_up_proj", &[&["gate_proj", "w1"], &["up_proj", "w3"]]),
    ("down_proj", &[&["down_proj", "w2"]]),
];

/// The names of a base's tensors, to be looked up.
#[derive(Debug)]
pub(super) struct BaseNames<'a> {
    exact: BTreeMap<&'a str, &'a str>,
    /// `None` where two tensors have the same canonical name.
    canonical: BTreeMap<String, Option<&'a str>>,
}

/// One expert's share of a stacked parameter: which of so many equal runs of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ExpertShare<'a> {
    pub(super) tensor: &'a str,
    pub(super) expert: usize,
    pub(super) share: usize,
    pub(super) shares: usize,
}

impl<'a> BaseNames<'a> {
    pub(super) fn new(names: impl Iterator<Item = &'a str>) -> Self {
        let mut exact = BTreeMap::new();
        let mut canonical: BTreeMap<String, Option<&'a str>> = BTreeMap::new();
        for name in names {
            exact.insert(name, name);
            canonical
                .entry(canonical_name(name))
                .and_modify(|known| *known = None)
                .or_insert(Some(name));
        }
        Self { exact, canonical }
    }

    pub(super) fn find(&self, wanted: &str) -> Option<&'a str> {
        let exact = self.exact.get(wanted).copied();
        exact.or_else(|| self.canonical.get(&canonical_name(wanted)).copied()?)
    }

    /// The matrices of single experts that make up the parameter `wanted`, which the model stacks in
    /// memory; empty where the base has none.
    pub(super) fn experts(&self, wanted: &str) -> Vec<ExpertShare<'a>> {
        let Some((container, leaf)) = wanted.rsplit_once('.') else {
            return Vec::new();
        };
        let matrices = EXPERT_MATRICES.iter().find(|(name, _)| *name == leaf);
        let Some((_, matrices)) = matrices else {
            return Vec::new();
        };
        let mut shares = Vec::new();
        for expert in 0.. {
            let before = shares.len();
            for (share, names) in matrices.iter().enumerate() {
                let found = names
                    .iter()
                    .find_map(|name| self.find(&format!("{container}.{expert}.{name}.weight")));
                shares.extend(found.map(|tensor| ExpertShare {
                    tensor,
                    expert,
                    share,
                    shares: matrices.len(),
                }));
            }
            if shares.len() != before + matrices.len() {
                // An expert of which a part is missing is none.
                shares.truncate(before);
                break;
            }
        }
        shares
    }
}

fn canonical_name(name: &str) -> String {
    let mut text = format!(".{}.", without_wrappers(name));
    for (old, new) in SAME {
        let to = if new.is_empty() {
            ".".to_owned()
        } else {
            format!(".{new}.")
        };
        text = text.replace(&format!(".{old}."), &to);
    }
    without_wrappers(text.trim_matches('.')).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_memory_find_the_names_on_disk() {
        for (disk, memory) in [
            (
                "vit.encoder.layer.0.attention.attention.query.weight",
                "vit.layers.0.attention.q_proj.weight",
            ),
            (
                "encoder.layer.11.attention.output.dense.weight",
                "vit.layers.11.attention.o_proj.weight",
            ),
            (
                "vit.encoder.layer.0.output.dense.weight",
                "vit.layers.0.mlp.fc2.weight",
            ),
            (
                "model.layers.0.mlp.up_proj.weight",
                "model.language_model.layers.0.mlp.up_proj.weight",
            ),
            (
                "visual.blocks.0.attn.qkv.weight",
                "model.visual.blocks.0.attn.qkv.weight",
            ),
            (
                "language_model.model.layers.3.self_attn.q_proj.weight",
                "model.language_model.layers.3.self_attn.q_proj.weight",
            ),
            ("embed_out.weight", "lm_head.weight"),
            (
                "h.0.attn.c_attn.weight",
                "transformer.h.0.attn.c_attn.weight",
            ),
            (
                "model.layers.0.block_sparse_moe.gate.weight",
                "model.layers.0.mlp.gate.weight",
            ),
            (
                "vision_model.encoder.layers.0.mlp.fc1.weight",
                "encoder.layers.0.mlp.fc1.weight",
            ),
        ] {
            let names = BaseNames::new([disk, "model.norm.weight"].into_iter());
            assert_eq!(names.find(memory), Some(disk), "{memory}");
            let names = BaseNames::new([memory, "model.norm.weight"].into_iter());
            assert_eq!(names.find(disk), Some(memory), "{disk}");
        }
    }

    #[test]
    fn a_form_that_fits_two_tensors_fits_none() {
        let both = [
            "text_model.encoder.layers.0.mlp.fc1.weight",
            "vision_model.encoder.layers.0.mlp.fc1.weight",
        ];
        let names = BaseNames::new(both.into_iter());
        assert_eq!(names.find("encoder.layers.0.mlp.fc1.weight"), None);
        assert_eq!(names.find(both[1]), Some(both[1]));
    }

    #[test]
    fn experts_on_disk_are_shares_of_the_stacked_parameter() {
        let disk: Vec<String> = (0..2)
            .flat_map(|expert| {
                ["w1", "w2", "w3"].map(|name| {
                    format!("model.layers.0.block_sparse_moe.experts.{expert}.{name}.weight")
                })
            })
            .collect();
        let names = BaseNames::new(disk.iter().map(String::as_str));
        let shares = names.experts("model.layers.0.mlp.experts.gate_up_proj");
        let found: Vec<_> = shares
            .iter()
            .map(|share| {
                let leaf = share.tensor.split(".experts.").nth(1).unwrap();
                (share.expert, share.share, share.shares, leaf)
            })
            .collect();
        assert_eq!(
            found,
            [
                (0, 0, 2, "0.w1.weight"),
                (0, 1, 2, "0.w3.weight"),
                (1, 0, 2, "1.w1.weight"),
                (1, 1, 2, "1.w3.weight"),
            ]
        );
        assert_eq!(
            names.experts("model.layers.0.mlp.experts.down_proj").len(),
            2
        );
        assert!(
            names
                .experts("model.layers.1.mlp.experts.down_proj")
                .is_empty()
        );
    }
}
