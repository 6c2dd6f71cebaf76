//! How the names of base and tuned checkpoint meet.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::layer::natural_order;

/// Prefixes that wrappers put before the names of one and the same model.
const PREFIXES: &[&str] = &[
    "_orig_mod.",
    "albert.",
    "backbone.",
    "base_model.",
    "bert.",
    "deberta.",
    "distilbert.",
    "electra.",
    "gpt_neox.",
    "language_model.",
    "longformer.",
    "model.",
    "module.",
    "mpnet.",
    "roberta.",
    "transformer.",
    "vit.",
    "xlm_roberta.",
];

/// Wrappers that may stand before one part of a multimodal model and not before another.
const PART_WRAPPERS: &[&str] = &["thinker."];

/// Old spellings on disk and those that a model has in memory now, which some writers store. Source: the
/// renamings of `transformers` 5. Applied to both sides, in this order.
const SPELLINGS: &[(&str, &str)] = &[
    (
        ".block_sparse_moe.input_linear.weight.",
        ".mlp.experts.gate_up_proj.",
    ),
    (
        ".block_sparse_moe.output_linear.weight.",
        ".mlp.experts.down_proj.",
    ),
    (".router.layer.", ".router."),
    (".block_sparse_moe.", ".mlp."),
    (".attention.attention.query.", ".attention.q_proj."),
    (".attention.attention.key.", ".attention.k_proj."),
    (".attention.attention.value.", ".attention.v_proj."),
    (".attention.output.dense.", ".attention.o_proj."),
    (".intermediate.dense.", ".mlp.fc1."),
    (".output.dense.", ".mlp.fc2."),
    (".encoder.layer.", ".layers."),
    (".embed_out.", ".lm_head."),
];

/// Longest chain of wrappers tried: `module.base_model.model.model.`
const MAX_CHAIN: usize = 4;

/// Which base tensor is which tuned tensor, by names alone: shapes are not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamePairing {
    /// (base name, tuned name) in natural order of the tuned names. No name occurs twice on a side.
    pub pairs: Vec<(String, String)>,
    pub base_only: Vec<String>,
    pub tuned_only: Vec<String>,
    /// One sentence for the report, such as "stripped `bert.` from base".
    pub name_map: String,
}

/// Pairs names: equal ones if that pairs most, otherwise after stripping one prefix from each side
/// (wherever a name starts with it), the pair of prefixes that pairs most; fewer and shorter
/// prefixes win ties. A pair of prefixes that makes two names of one side equal is not used. Where more
/// pairs are found by stripping all wrappers from every name and reading old spellings as today's, that
/// is done on both sides (parts of a multimodal model have different wrappers). The
/// `gamma` and `beta` of old layer norms are read as `weight` and `bias`.
pub fn pair_names(base: &BTreeSet<&str>, tuned: &BTreeSet<&str>) -> NamePairing {
    let base_maps = canonical_maps(base);
    let tuned_maps = canonical_maps(tuned);
    // The usual case, and all pairs of prefixes of a huge mixture of experts take seconds.
    if let (Some(base_map), Some(tuned_map)) = (base_maps.first(), tuned_maps.first())
        && shared_keys(&base_map.names, &tuned_map.names) == base.len().min(tuned.len())
    {
        return join(base_map, tuned_map);
    }
    let best = base_maps
        .iter()
        .flat_map(|base_map| {
            tuned_maps
                .iter()
                .filter(|tuned_map| tuned_map.modern == base_map.modern)
                .map(move |tuned_map| (base_map, tuned_map))
        })
        .max_by_key(|(base_map, tuned_map)| {
            let stripped = base_map.prefix.len() + tuned_map.prefix.len();
            (
                shared_keys(&base_map.names, &tuned_map.names),
                Reverse(base_map.modern || tuned_map.modern),
                Reverse(stripped),
            )
        });
    best.map_or_else(NamePairing::default, |(base_map, tuned_map)| {
        join(base_map, tuned_map)
    })
}

/// Names of one side by what remains of them once `prefix` is stripped.
#[derive(Debug)]
struct CanonicalMap<'a> {
    prefix: String,
    /// All wrappers are stripped, and old spellings read as today's.
    modern: bool,
    names: BTreeMap<String, &'a str>,
}

/// The map without stripping first, then one for every prefix that some name starts with.
fn canonical_maps<'a>(names: &BTreeSet<&'a str>) -> Vec<CanonicalMap<'a>> {
    let mut maps = Vec::new();
    let mut chains = vec![String::new()];
    for _ in 0..=MAX_CHAIN {
        let mut longer = Vec::new();
        for prefix in chains {
            longer.extend(
                PREFIXES
                    .iter()
                    .map(|next| format!("{prefix}{next}"))
                    .filter(|chain| names.iter().any(|name| name.starts_with(chain.as_str()))),
            );
            maps.extend(canonical_map(names, prefix));
        }
        chains = longer;
    }
    maps.extend(modern_map(names));
    maps
}

/// `None` if two names become equal.
fn modern_map<'a>(names: &BTreeSet<&'a str>) -> Option<CanonicalMap<'a>> {
    let mut map = BTreeMap::new();
    for name in names {
        let canonical = modern_name(&modern_norm(name, names, name));
        if map.insert(canonical, *name).is_some() {
            return None;
        }
    }
    Some(CanonicalMap {
        prefix: String::new(),
        modern: true,
        names: map,
    })
}

/// A name without any wrapper before it, in today's spelling: what a tensor on disk and its parameter in
/// memory have in common. Apply it to both.
pub fn modern_name(name: &str) -> String {
    let mut rest = name;
    while let Some(inner) = PREFIXES
        .iter()
        .chain(PART_WRAPPERS)
        .find_map(|wrapper| rest.strip_prefix(wrapper))
    {
        rest = inner;
    }
    // With dots at both ends, so that only whole segments are replaced.
    let mut name = format!(".{rest}.");
    for (old, new) in SPELLINGS {
        name = name.replace(old, new);
    }
    name.trim_matches('.').to_owned()
}

/// `None` if two names become equal; never for the empty prefix.
fn canonical_map<'a>(names: &BTreeSet<&'a str>, prefix: String) -> Option<CanonicalMap<'a>> {
    let mut map = BTreeMap::new();
    for name in names {
        let rest = name.strip_prefix(prefix.as_str()).unwrap_or(name);
        let canonical = modern_norm(rest, names, name);
        if map.insert(canonical, *name).is_some() {
            return None;
        }
    }
    Some(CanonicalMap {
        prefix,
        modern: false,
        names: map,
    })
}

/// Old BERT files call the parameters of a layer norm `gamma` and `beta`. The old name is kept
/// where the file has the new one too.
fn modern_norm(rest: &str, names: &BTreeSet<&str>, name: &str) -> String {
    for (old, new) in [(".gamma", ".weight"), (".beta", ".bias")] {
        if let (Some(module), Some(full)) = (rest.strip_suffix(old), name.strip_suffix(old))
            && is_norm_module(module)
            && !names.contains(format!("{full}{new}").as_str())
        {
            return format!("{module}{new}");
        }
    }
    rest.to_owned()
}

fn is_norm_module(module: &str) -> bool {
    module
        .rsplit('.')
        .next()
        .is_some_and(|leaf| leaf.to_ascii_lowercase().contains("norm"))
}

fn shared_keys(left: &BTreeMap<String, &str>, right: &BTreeMap<String, &str>) -> usize {
    left.keys().filter(|key| right.contains_key(*key)).count()
}

fn join(base: &CanonicalMap<'_>, tuned: &CanonicalMap<'_>) -> NamePairing {
    let mut pairing = NamePairing::default();
    let mut renamed_norms = false;
    for (canonical, base_name) in &base.names {
        match tuned.names.get(canonical) {
            Some(tuned_name) => {
                renamed_norms |= is_old_norm(base_name) != is_old_norm(tuned_name);
                pairing
                    .pairs
                    .push(((*base_name).to_owned(), (*tuned_name).to_owned()));
            }
            None => pairing.base_only.push((*base_name).to_owned()),
        }
    }
    for (canonical, tuned_name) in &tuned.names {
        if !base.names.contains_key(canonical) {
            pairing.tuned_only.push((*tuned_name).to_owned());
        }
    }
    pairing
        .pairs
        .sort_by(|(_, left), (_, right)| natural_order(left, right));
    pairing
        .base_only
        .sort_by(|left, right| natural_order(left, right));
    pairing
        .tuned_only
        .sort_by(|left, right| natural_order(left, right));
    pairing.name_map = if base.modern {
        "stripped every wrapper from both sides and read old spellings as today's".to_owned()
    } else {
        sentence(&base.prefix, &tuned.prefix)
    };
    if renamed_norms {
        pairing
            .name_map
            .push_str("; read `gamma` and `beta` of layer norms as `weight` and `bias`");
    }
    pairing
}

fn is_old_norm(name: &str) -> bool {
    matches!(name.rsplit_once('.'), Some((_, "gamma" | "beta")))
}

fn sentence(base: &str, tuned: &str) -> String {
    match (base, tuned) {
        ("", "") => "names equal".to_owned(),
        (_, "") => format!("stripped `{base}` from base"),
        ("", _) => format!("stripped `{tuned}` from tuned"),
        (_, _) => format!("stripped `{base}` from base and `{tuned}` from tuned"),
    }
}

/// A name without the prefixes that wrappers put before it.
pub fn without_wrappers(name: &str) -> &str {
    let mut rest = name;
    while let Some(inner) = PREFIXES.iter().find_map(|prefix| rest.strip_prefix(prefix)) {
        rest = inner;
    }
    rest
}
