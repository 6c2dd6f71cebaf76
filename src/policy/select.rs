//! Which layers a rule or a waiver is about.

use std::collections::BTreeSet;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::{AtLeast, Depth, Limit, Selector};
use crate::layer::{LayerName, Role};
use crate::num::Fraction;

impl Selector {
    /// Compiles the globs. `Err` names the first glob that cannot be read, by index.
    pub fn new(
        globs: Vec<String>,
        roles: BTreeSet<Role>,
        depth: Option<Depth>,
    ) -> Result<Self, (usize, String)> {
        let mut set = GlobSetBuilder::new();
        for (index, glob) in globs.iter().enumerate() {
            let glob = GlobBuilder::new(&literal_brackets(glob))
                .literal_separator(false)
                .backslash_escape(true)
                .build()
                .map_err(|error| (index, error.kind().to_string()))?;
            set.add(glob);
        }
        let matcher = set.build().map_err(|error| (0, error.kind().to_string()))?;
        Ok(Self {
            globs,
            matcher,
            roles,
            depth,
        })
    }

    /// Selects every layer.
    pub fn all() -> Self {
        Self {
            globs: Vec::new(),
            matcher: GlobSet::empty(),
            roles: BTreeSet::new(),
            depth: None,
        }
    }

    /// Whether the layer is selected. A glob that matches a fused tensor matches its parts too. `block` is the index that its name shows, `blocks` how many
    /// blocks the model has. A layer outside the blocks is in no depth band.
    pub fn matches(&self, name: &LayerName, role: Role, block: Option<u32>, blocks: u32) -> bool {
        let named = self.globs.is_empty() || self.names(name);
        let cast = self.roles.is_empty() || self.roles.contains(&role);
        let placed = self
            .depth
            .is_none_or(|depth| block.is_some_and(|block| depth.contains(block, blocks)));
        named && cast && placed
    }

    /// Whether a glob matches the layer, or the fused tensor that it is a part of.
    pub fn names(&self, name: &LayerName) -> bool {
        name.with_wholes().any(|name| self.matcher.is_match(name))
    }

    /// Indices of the globs that match the layer, or the fused tensor that it is a part of.
    pub fn globs_of(&self, name: &LayerName) -> BTreeSet<usize> {
        name.with_wholes()
            .flat_map(|name| self.matcher.matches(name))
            .collect()
    }

    /// Whether layers are picked by name or role, so that a head or pooler that matches was meant.
    pub fn names_layers(&self) -> bool {
        !self.globs.is_empty() || !self.roles.is_empty()
    }
}

impl Depth {
    /// Whether block `block` of `blocks` lies in the band: its middle, (block + 0.5) / blocks, is at
    /// or after `from` and before `to`. A band that ends at 100% holds the last block.
    pub fn contains(self, block: u32, blocks: u32) -> bool {
        if block >= blocks {
            return false;
        }
        let middle = (f64::from(block) + 0.5) / f64::from(blocks);
        middle >= self.from.get() && middle < self.to.get()
    }

    /// Reads `0%..25%`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || format!("expected a band like `0%..25%`, got `{text}`");
        let (from, to) = text.split_once("..").ok_or_else(expected)?;
        let from = percentage(from).ok_or_else(expected)?;
        let to = percentage(to).ok_or_else(expected)?;
        if from < to {
            Ok(Self { from, to })
        } else {
            Err(format!(
                "expected a band that ends after it begins, got `{text}`"
            ))
        }
    }
}

impl Limit {
    /// How far `value` lies beyond the limit, or `None` where it is at or inside it. A NaN is
    /// infinitely far out: it never passes.
    pub fn outside(&self, value: f64) -> Option<f64> {
        if value.is_nan() {
            return Some(f64::INFINITY);
        }
        let below = self.min.map(|min| min.get() - value);
        let above = self.max.map(|max| value - max.get());
        [below, above]
            .into_iter()
            .flatten()
            .find(|excess| *excess > 0.0)
    }
}

impl AtLeast {
    /// Whether `outside` of `selected` layers are enough for the limit to fire. None outside never
    /// is.
    pub fn reached(self, outside: usize, selected: usize) -> bool {
        let enough = match self {
            Self::Layers(layers) => outside as u64 >= u64::from(layers),
            Self::Share(share) => outside as f64 >= share.get() * selected as f64,
        };
        outside > 0 && enough
    }
}

/// Reads `25%` or `2.5 %` as a share. Digits and a point only: no sign, no exponent, no NaN.
pub(super) fn percentage(text: &str) -> Option<Fraction> {
    let number = text.trim().strip_suffix('%')?.trim_end();
    let plain = number
        .chars()
        .all(|character| character.is_ascii_digit() || character == '.');
    if !plain {
        return None;
    }
    Fraction::new(number.parse::<f64>().ok()? / 100.0)
}

/// Makes the brackets of layer names stand for themselves.
///
/// A report shows parts of fused tensors as `...qkv_proj.weight[q]` and `...gate_up_proj[7][gate]`.
/// Such a name, copied into a policy, must match itself, so brackets around letters, digits and `_`
/// are literal; only a range or a negation (`[0-3]`, `[!0]`) is a character class.
fn literal_brackets(glob: &str) -> String {
    let mut result = String::with_capacity(glob.len());
    let mut rest = glob;
    while let Some((before, after)) = rest.split_once('[') {
        result.push_str(before);
        let part = after.split_once(']').filter(|(inside, _)| {
            !inside.is_empty() && inside.chars().all(|c| c.is_alphanumeric() || c == '_')
        });
        if let Some((inside, after)) = part
            && !before.ends_with('\\')
        {
            result.push_str("[[]");
            result.push_str(inside);
            result.push_str("[]]");
            rest = after;
        } else if let Some(("", tail)) = after.split_once('[')
            && let Some(tail) = tail.strip_prefix(']')
        {
            // `[[]`, the customary escape of one bracket, is kept as it is.
            result.push_str("[[]");
            rest = tail;
        } else {
            result.push('[');
            rest = after;
        }
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::Finite;

    fn selects(glob: &str, name: &str) -> bool {
        Selector::new(vec![glob.to_owned()], BTreeSet::new(), None)
            .unwrap()
            .matches(&LayerName::new(name), Role::Other, None, 0)
    }

    #[test]
    fn a_star_crosses_the_dots_of_a_name() {
        assert!(selects(
            "*.self_attn.*",
            "model.layers.0.self_attn.q_proj.weight"
        ));
        assert!(selects(
            "model.layers.0.*",
            "model.layers.0.mlp.up_proj.weight"
        ));
        assert!(!selects(
            "model.layers.0.*",
            "model.layers.01.mlp.up_proj.weight"
        ));
        assert!(!selects(
            "*.mlp.*",
            "model.layers.0.self_attn.q_proj.weight"
        ));
        assert!(selects("*.{q,k}_proj.*", "layers.3.k_proj.weight"));
    }

    #[test]
    fn a_name_with_a_part_in_brackets_matches_itself() {
        for name in [
            "h.0.attn.qkv_proj.weight[q]",
            "model.layers.1.mlp.experts.gate_up_proj[7][gate]",
        ] {
            assert!(selects(name, name));
        }
        assert!(selects(
            "*.experts.gate_up_proj[7]*",
            "l.1.experts.gate_up_proj[7][gate]"
        ));
        assert!(selects(
            "*.experts.gate_up_proj[[]7[]]*",
            "l.1.experts.gate_up_proj[7][gate]"
        ));
        assert!(selects(
            r"*.experts.gate_up_proj\[7\]*",
            "l.1.experts.gate_up_proj[7][gate]"
        ));
        assert!(!selects(
            "*.experts.gate_up_proj[7]*",
            "l.1.experts.gate_up_proj7"
        ));
        assert!(!selects(
            "*.experts.gate_up_proj[7]*",
            "l.1.experts.gate_up_proj[17]"
        ));
        assert!(selects("*[q]", "h.0.attn.qkv_proj.weight[q]"));
    }

    #[test]
    fn a_glob_of_a_fused_tensor_selects_its_parts() {
        let glob = "*.qkv_proj.weight";
        assert!(selects(glob, "h.0.qkv_proj.weight"));
        assert!(selects(glob, "h.0.qkv_proj.weight[q]"));
        assert!(!selects(glob, "h.0.qkv_proj.weight_scale[q]"));
        for glob in ["*.experts.gate_up_proj", "*.experts.gate_up_proj[7]"] {
            assert!(selects(glob, "h.0.experts.gate_up_proj[7][gate]"));
        }
        assert!(!selects(
            "*.experts.gate_up_proj[7]",
            "h.0.experts.gate_up_proj[8][gate]"
        ));
        assert!(!selects(
            "*.experts.gate_up_proj[gate]",
            "h.0.experts.gate_up_proj[8][gate]"
        ));
    }

    #[test]
    fn a_range_or_a_negation_in_brackets_is_a_character_class() {
        assert!(selects("layers.[0-3].*", "layers.2.mlp.weight"));
        assert!(!selects("layers.[0-3].*", "layers.4.mlp.weight"));
        assert!(selects("layers.[!0].*", "layers.2.mlp.weight"));
        assert!(!selects("layers.[!0].*", "layers.0.mlp.weight"));
    }

    #[test]
    fn a_glob_that_cannot_be_read_is_named_by_its_index() {
        let globs = vec!["ok".to_owned(), "layers.[0-".to_owned()];
        let (index, message) = Selector::new(globs, BTreeSet::new(), None).unwrap_err();
        assert_eq!(index, 1);
        assert!(!message.is_empty());
    }

    #[test]
    fn layers_roles_and_depth_must_all_agree() {
        let selector = Selector::new(
            vec!["*.self_attn.*".to_owned()],
            BTreeSet::from([Role::AttentionQ]),
            Some(Depth::parse("0%..25%").unwrap()),
        )
        .unwrap();
        let name = LayerName::new("layers.0.self_attn.q_proj");
        assert!(selector.matches(&name, Role::AttentionQ, Some(0), 4));
        assert!(!selector.matches(&name, Role::AttentionK, Some(0), 4));
        assert!(!selector.matches(&name, Role::AttentionQ, Some(1), 4));
        assert!(!selector.matches(&name, Role::AttentionQ, None, 4));
        assert!(!selector.matches(&LayerName::new("x"), Role::AttentionQ, Some(0), 4));
        assert!(selector.names_layers());
        assert!(!Selector::all().names_layers());
    }

    #[test]
    fn neighbouring_depth_bands_split_the_blocks_without_gap_or_overlap() {
        let bands = ["0%..25%", "25%..60%", "60%..100%"].map(|text| Depth::parse(text).unwrap());
        for blocks in 1..40 {
            for block in 0..blocks {
                let holders = bands.iter().filter(|band| band.contains(block, blocks));
                assert_eq!(holders.count(), 1, "block {block} of {blocks}");
            }
        }
        assert!(!bands[2].contains(4, 4));
        assert!(!bands[0].contains(0, 0));
    }

    #[test]
    fn a_depth_that_is_no_band_is_refused() {
        for text in [
            "", "25%", "0..25", "50%..25%", "25%..25%", "-5%..5%", "0%..101%", "nan%..5%",
        ] {
            assert!(Depth::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_limit_itself_is_inside_and_a_nan_never_is() {
        let limit = Limit {
            min: Finite::new(-1.0),
            max: Finite::new(0.5),
            at_least: AtLeast::Layers(1),
        };
        assert_eq!(limit.outside(0.5), None);
        assert_eq!(limit.outside(-1.0), None);
        assert_eq!(limit.outside(1.5), Some(1.0));
        assert_eq!(limit.outside(-3.0), Some(2.0));
        assert_eq!(limit.outside(f64::NAN), Some(f64::INFINITY));
    }

    #[test]
    fn at_least_counts_layers_or_a_share_of_the_selected() {
        assert!(AtLeast::Layers(2).reached(2, 100));
        assert!(!AtLeast::Layers(2).reached(1, 100));
        let share = AtLeast::Share(percentage("2%").unwrap());
        assert!(share.reached(2, 100));
        assert!(!share.reached(1, 100));
        assert!(share.reached(1, 10));
        assert!(!share.reached(0, 0));
    }
}
