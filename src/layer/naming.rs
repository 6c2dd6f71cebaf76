//! What a tensor's name says: role, block, expert and scope.
//!
//! A name is read as segments between dots. Its *leaf* is the last segment that names a module
//! (`weight` and the like are the parameter, not the module). The first row of [`ROLES`] whose
//! leaf is the name's leaf, and whose context is somewhere before it, gives the role.
//!
//! Known limits: fused projections (`qkv_proj`, `c_attn`, `query_key_value`, `Wqkv`, `gate_up_proj`,
//! `Wi`, `kv_b_proj`) have the role `other` here; their parts get theirs where they are split. T5's
//! `wo` is `mlp.down` whether or not the block is gated, as its name does not tell. Experts that every
//! token passes (`shared_expert`) are `mlp.*`: they have no expert index.

use crate::layer::{Role, Scope};

/// What is known of a layer from its tensor's name and shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerTraits {
    pub role: Role,
    /// Index of the transformer block. Encoder and decoder both count from 0; heads have none.
    pub block: Option<u32>,
    pub expert: Option<u32>,
    pub scope: Scope,
}

/// Segments that put a tensor into the head, wherever they stand.
const HEADS: &[&str] = &[
    "classification_head",
    "classifier",
    "cls",
    "discriminator_predictions",
    "embed_out",
    "generator_lm_head",
    "generator_predictions",
    "head",
    "heads",
    "iou_prediction_head",
    "lm_head",
    "logit_bias",
    "logit_scale",
    "pooler",
    "pre_classifier",
    "qa_outputs",
    "score",
    "seq_relationship",
    "text_projection",
    "v_head",
    "visual_projection",
    "vocab_layer_norm",
    "vocab_projector",
    "vocab_transform",
];

/// Segments that are a head only at the start of a name, or behind `model`.
const TOP_LEVEL_HEADS: &[&str] = &["proj_out", "prediction_head", "logits_proj"];

/// Segments whose number is the index of the block.
const BLOCKS: &[&str] = &[
    "block",
    "blocks",
    "h",
    "layer",
    "layers",
    "albert_layer_groups",
];

/// (context, leaf, role): the first row that fits decides. An empty context fits every name.
#[rustfmt::skip]
const ROLES: &[(&str, &str, Role)] = &[
    // Embeddings: tokens, positions, segments, learnt queries and relative positions.
    ("", "embed_tokens", Role::Embedding),
    ("", "embed_in", Role::Embedding),
    ("", "wte", Role::Embedding),
    ("", "wpe", Role::Embedding),
    ("", "word_embeddings", Role::Embedding),
    ("", "embeddings", Role::Embedding),
    ("", "tok_embeddings", Role::Embedding),
    ("", "token_embedding", Role::Embedding),
    ("", "shared", Role::Embedding),
    ("", "position_embeddings", Role::Embedding),
    ("", "position_embedding", Role::Embedding),
    ("", "positional_embedding", Role::Embedding),
    ("", "embed_positions", Role::Embedding),
    ("", "pos_embed", Role::Embedding),
    ("", "rel_pos_h", Role::Embedding),
    ("", "rel_pos_w", Role::Embedding),
    ("", "rel_embeddings", Role::Embedding),
    ("", "relative_attention_bias", Role::Embedding),
    ("", "token_type_embeddings", Role::Embedding),
    ("", "class_embedding", Role::Embedding),
    ("", "cls_token", Role::Embedding),
    ("", "mask_token", Role::Embedding),
    ("", "iou_token", Role::Embedding),
    ("", "mask_tokens", Role::Embedding),
    ("", "no_mask_embed", Role::Embedding),
    ("", "not_a_point_embed", Role::Embedding),
    ("point_embed", "", Role::Embedding),
    // Attention. Mamba's `out_proj` is not one.
    ("mixer", "out_proj", Role::Other),
    ("", "q_proj", Role::AttentionQ),
    ("", "k_proj", Role::AttentionK),
    ("", "v_proj", Role::AttentionV),
    ("", "o_proj", Role::AttentionO),
    ("", "out_proj", Role::AttentionO),
    ("", "q_a_proj", Role::AttentionQ),
    ("", "q_b_proj", Role::AttentionQ),
    // The latent vector of keys and values, with the key's rotary part.
    ("", "kv_a_proj_with_mqa", Role::AttentionK),
    ("", "query", Role::AttentionQ),
    ("", "key", Role::AttentionK),
    ("", "value", Role::AttentionV),
    ("", "query_proj", Role::AttentionQ),
    ("", "key_proj", Role::AttentionK),
    ("", "value_proj", Role::AttentionV),
    ("", "q_lin", Role::AttentionQ),
    ("", "k_lin", Role::AttentionK),
    ("", "v_lin", Role::AttentionV),
    ("", "out_lin", Role::AttentionO),
    ("attn", "q", Role::AttentionQ),
    ("attn", "k", Role::AttentionK),
    ("attn", "v", Role::AttentionV),
    ("attn", "o", Role::AttentionO),
    ("SelfAttention", "q", Role::AttentionQ),
    ("SelfAttention", "k", Role::AttentionK),
    ("SelfAttention", "v", Role::AttentionV),
    ("SelfAttention", "o", Role::AttentionO),
    ("EncDecAttention", "q", Role::AttentionQ),
    ("EncDecAttention", "k", Role::AttentionK),
    ("EncDecAttention", "v", Role::AttentionV),
    ("EncDecAttention", "o", Role::AttentionO),
    ("attention", "dense", Role::AttentionO),
    ("self_attention", "dense", Role::AttentionO),
    ("attn", "c_proj", Role::AttentionO),
    ("crossattention", "c_proj", Role::AttentionO),
    ("crossattention", "q_attn", Role::AttentionQ),
    ("attention", "wq", Role::AttentionQ),
    ("attention", "wk", Role::AttentionK),
    ("attention", "wv", Role::AttentionV),
    ("attention", "wo", Role::AttentionO),
    ("attn", "proj", Role::AttentionO),
    ("attn", "Wo", Role::AttentionO),
    // Mixture of experts. `w1`, `w2`, `w3` are gate, down, up.
    ("experts", "gate_proj", Role::ExpertGate),
    ("experts", "up_proj", Role::ExpertUp),
    ("experts", "down_proj", Role::ExpertDown),
    ("experts", "w1", Role::ExpertGate),
    ("experts", "w2", Role::ExpertDown),
    ("experts", "w3", Role::ExpertUp),
    ("block_sparse_moe", "output_linear", Role::ExpertDown),
    ("shared_mlp", "output_linear", Role::MlpDown),
    ("block_sparse_moe", "gate", Role::Router),
    ("mlp", "gate", Role::Router),
    ("router", "layer", Role::Router),
    ("", "router", Role::Router),
    ("", "shared_expert_gate", Role::Router),
    // Feed-forward.
    ("", "gate_proj", Role::MlpGate),
    ("", "up_proj", Role::MlpUp),
    ("", "down_proj", Role::MlpDown),
    ("feed_forward", "w1", Role::MlpGate),
    ("feed_forward", "w2", Role::MlpDown),
    ("feed_forward", "w3", Role::MlpUp),
    ("DenseReluDense", "wi_0", Role::MlpGate),
    ("DenseReluDense", "wi_1", Role::MlpUp),
    ("DenseReluDense", "wi", Role::MlpFc1),
    ("DenseReluDense", "wo", Role::MlpDown),
    ("mlp", "Wo", Role::MlpDown),
    ("mlp", "c_fc", Role::MlpFc1),
    ("mlp", "c_proj", Role::MlpFc2),
    ("", "dense_h_to_4h", Role::MlpFc1),
    ("", "dense_4h_to_h", Role::MlpFc2),
    ("intermediate", "dense", Role::MlpFc1),
    ("output", "dense", Role::MlpFc2),
    ("", "fc1", Role::MlpFc1),
    ("", "fc2", Role::MlpFc2),
    ("", "lin1", Role::MlpFc1),
    ("", "lin2", Role::MlpFc2),
    ("", "ffn", Role::MlpFc1),
    ("", "ffn_output", Role::MlpFc2),
    ("merger", "0", Role::MlpFc1),
    ("merger", "2", Role::MlpFc2),
];

/// Reads role, block, expert and scope from a tensor's name.
pub fn describe(name: &str, shape: &[usize]) -> LayerTraits {
    let segments: Vec<&str> = name.split('.').collect();
    let head = is_head(&segments);
    LayerTraits {
        role: role_of(&segments, shape, head),
        block: if head { None } else { block_of(&segments) },
        expert: number_behind(&segments, &["experts"]),
        scope: if head { Scope::Head } else { Scope::Body },
    }
}

/// Whether a tensor is a constant that some writers store beside the weights (attention masks,
/// rotary frequencies, position indices) or one that the model never uses. Its coming and going
/// says nothing about the model.
pub fn is_buffer(name: &str, shape: &[usize]) -> bool {
    // Old T5 files: only self-attention looks at relative positions.
    if name.ends_with("EncDecAttention.relative_attention_bias.weight") {
        return true;
    }
    let mut segments = name.rsplit('.');
    match segments.next().unwrap_or_default() {
        "inv_freq" | "masked_bias" | "position_ids" | "token_type_ids" | "num_batches_tracked" => {
            true
        }
        // GPT-2 stores its causal mask as the `bias` of the attention module: [1, 1, n, n].
        "bias" => {
            matches!(segments.next(), Some("attn" | "attention")) && matches!(shape, [1, 1, _, _])
        }
        _ => false,
    }
}

pub(super) fn has_segment(name: &str, wanted: &str) -> bool {
    name.split('.').any(|segment| segment == wanted)
}

/// The segments before a name's parameter, and its leaf.
pub(super) fn modules_and_leaf(name: &str) -> (Vec<&str>, &str) {
    let mut modules: Vec<&str> = name.split('.').collect();
    let parameter = modules.pop().unwrap_or_default();
    let leaf = leaf_of(parameter, &modules);
    (modules, leaf)
}

fn leaf_of<'a>(parameter: &'a str, modules: &[&'a str]) -> &'a str {
    match parameter {
        "weight" | "gamma" => modules.last().copied().unwrap_or_default(),
        own => own,
    }
}

/// The segment that puts a tensor into the head (`classifier`); `None` for the body.
pub fn head_word(name: &str) -> Option<&str> {
    let segments: Vec<&str> = name.split('.').collect();
    head_segment(&segments)
}

fn is_head(segments: &[&str]) -> bool {
    head_segment(segments).is_some()
}

fn head_segment<'a>(segments: &[&'a str]) -> Option<&'a str> {
    let top = match segments {
        ["model", second, ..] => second,
        [first, ..] => first,
        [] => return None,
    };
    if TOP_LEVEL_HEADS.contains(top) {
        return Some(top);
    }
    segments
        .iter()
        .find(|segment| HEADS.contains(*segment))
        .copied()
}

fn role_of(segments: &[&str], shape: &[usize], head: bool) -> Role {
    let Some((parameter, modules)) = segments.split_last() else {
        return Role::Other;
    };
    if *parameter == "bias" || *parameter == "beta" || parameter.ends_with("_bias") {
        return Role::Bias;
    }
    let leaf = leaf_of(parameter, modules);
    if shape.len() == 1 && is_norm(leaf) {
        return Role::Norm;
    }
    if head {
        return Role::Head;
    }
    let listed = ROLES
        .iter()
        .find(|(context, name, _)| {
            (name.is_empty() || *name == leaf) && (context.is_empty() || modules.contains(context))
        })
        .map(|(_, _, role)| *role);
    match listed {
        Some(Role::Embedding) => Role::Embedding,
        _ if is_convolution(segments, shape) => Role::Conv,
        // A vector that is neither norm nor bias (Mamba's `D`, attention sinks) has no linear role.
        Some(role) if shape.len() >= 2 => role,
        Some(_) | None => Role::Other,
    }
}

/// Layer norms under all their spellings (`ln_1`, `LayerNorm`, `kv_a_layernorm`, CLIP's misspelt
/// `pre_layrnorm`).
fn is_norm(leaf: &str) -> bool {
    let leaf = leaf.to_ascii_lowercase();
    leaf.contains("norm") || leaf.contains("layrnorm") || leaf.starts_with("ln_") || leaf == "ln"
}

/// Four and more axes are a kernel; three are one if the name says so.
fn is_convolution(segments: &[&str], shape: &[usize]) -> bool {
    match shape.len() {
        0..=2 => false,
        3 => segments
            .iter()
            .any(|segment| segment.contains("conv") || segment.contains("patch_embed")),
        _ => true,
    }
}

/// The block is the first number of a name, if a segment of [`BLOCKS`] stands before it: the
/// numbers of a list of small networks are no depth.
fn block_of(segments: &[&str]) -> Option<u32> {
    let first = segments.iter().position(|segment| is_number(segment))?;
    let container = segments.get(first.checked_sub(1)?)?;
    if BLOCKS.contains(container) {
        segments.get(first)?.parse().ok()
    } else {
        None
    }
}

fn number_behind(segments: &[&str], containers: &[&str]) -> Option<u32> {
    segments
        .iter()
        .zip(segments.iter().skip(1))
        .find(|(container, number)| containers.contains(container) && is_number(number))
        .and_then(|(_, number)| number.parse().ok())
}

fn is_number(segment: &str) -> bool {
    !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit())
}
