//! How fused projections are put together: which rows or columns are queries, keys, values, gate, up.
//!
//! A tensor is split only where its name, the model's type and the numbers of the config all agree on
//! one layout and the numbers add up to the shape; otherwise it stays one matrix. Source of the
//! layouts: the forward passes of the models in `transformers` (Apache-2.0), read, not copied.

use crate::layer::{Architecture, Role, Runs};

/// One part of a fused matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// Shown in brackets behind the tensor's name.
    pub(super) label: &'static str,
    /// As outside of experts and heads.
    pub(super) role: Role,
    /// Of the matrix's elements.
    pub(super) runs: Runs,
    pub(super) rows: usize,
    pub(super) cols: usize,
}

type Label = (&'static str, Role);

const QUERY: Label = ("q", Role::AttentionQ);
const KEY: Label = ("k", Role::AttentionK);
const VALUE: Label = ("v", Role::AttentionV);
const GATE: Label = ("gate", Role::MlpGate);
const UP: Label = ("up", Role::MlpUp);

/// Models whose `Conv1D` modules store [in, out].
const INPUT_FIRST: &[&str] = &[
    "decision_transformer",
    "gpt2",
    "imagegpt",
    "jais",
    "openai-gpt",
];

/// Names of the modules that are `Conv1D` there.
const CONV1D: &[&str] = &["c_attn", "c_fc", "c_proj", "q_attn"];

/// Vision towers with `qkv` = [queries, keys, values] of equal size.
const VISION_QKV: &[&str] = &[
    "blip",
    "blip-2",
    "glm4v",
    "glm4v_moe",
    "hiera",
    "instructblip",
    "internvl_chat",
    "mgp-str",
    "qwen2_5_vl",
    "qwen2_vl",
    "qwen3_5",
    "qwen3_5_moe",
    "qwen3_vl",
    "qwen3_vl_moe",
    "sam",
    "sam2",
    "sam2_video",
    "sam_hq",
    "seggpt",
    "timesformer",
    "vitdet",
];

/// Models whose 3-D experts hold [gate, up] one after the other.
const STACKED_EXPERTS: &[&str] = &[
    "deepseek_v2",
    "deepseek_v3",
    "dots1",
    "ernie4_5_moe",
    "flex_olmo",
    "glm4_moe",
    "glm4v_moe",
    "granitemoe",
    "granitemoehybrid",
    "granitemoeshared",
    "hunyuan_v1_moe",
    "jamba",
    "lfm2_moe",
    "llama4",
    "llama4_text",
    "longcat_flash",
    "minimax",
    "mixtral",
    "olmoe",
    "openai_privacy_filter",
    "phimoe",
    "qwen2_moe",
    "qwen3_5_moe",
    "qwen3_moe",
    "qwen3_next",
    "qwen3_omni_moe",
    "qwen3_vl_moe",
];

/// Models whose 3-D experts are stored [in, out].
const INPUT_FIRST_EXPERTS: &[&str] = &["gpt_oss", "llama4", "llama4_text", "openai_privacy_filter"];

/// Models of which both orientations of 3-D experts are in use.
const EITHER_ORIENTATION: &[&str] = &["qwen3_vl_moe"];

const GRANITE: &[&str] = &["granitemoe", "granitemoehybrid", "granitemoeshared"];

/// Whether a matrix that is no expert is stored [in, out].
pub(super) fn is_input_first(leaf: &str, architecture: &Architecture) -> bool {
    CONV1D.contains(&leaf) && architecture.is_any(INPUT_FIRST)
}

/// The parts of a fused matrix of `rows` x `cols`; `None` where it is none, or its layout is not
/// known.
pub(super) fn split(
    leaf: &str,
    modules: &[&str],
    (rows, cols): (usize, usize),
    architecture: &Architecture,
) -> Option<Vec<Piece>> {
    rows.checked_mul(cols)?;
    let is = |types: &[&str]| architecture.is_any(types);
    let thirds = || {
        stacked(
            &[(QUERY, rows / 3), (KEY, rows / 3), (VALUE, rows / 3)],
            1,
            rows,
            cols,
        )
    };
    match leaf {
        // `torch.nn.MultiheadAttention`, whatever the model.
        "in_proj_weight" if rows / 3 == cols => thirds(),
        "W_pack" if is(&["baichuan"]) => thirds(),
        "Wqkv" if is(&["modernbert", "modernbert-decoder", "mpt", "nomic_bert"]) => thirds(),
        "Wqkv" if is(&["dbrx"]) => by_heads(rows, cols, architecture),
        "wqkv" if is(&["internlm2"]) => by_groups(rows, cols, architecture),
        "qkv" if is(VISION_QKV) => thirds(),
        "qkv_proj" if is(&["phi3", "phi3_v", "phi4mm", "phi4_multimodal"]) => {
            by_heads(rows, cols, architecture)
        }
        "c_attn" if is(INPUT_FIRST) => conv1d_attention(modules, rows, cols),
        "c_attn" if is(&["qwen"]) => thirds(),
        "c_attn" if is(&["gpt_bigcode"]) => one_key_or_each_head(rows, cols, architecture),
        "query_key_value" => query_key_value(rows, cols, architecture),
        "kv_b_proj" => latent(rows, cols, architecture),
        "gate_up_proj" if architecture.is_known() => halves(rows, cols, architecture),
        "input_linear" if is(GRANITE) => {
            stacked(&[(GATE, rows / 2), (UP, rows / 2)], 1, rows, cols)
        }
        "dense_h_to_4h" if is(&["chatglm"]) => {
            stacked(&[(GATE, rows / 2), (UP, rows / 2)], 1, rows, cols)
        }
        // `input, gate = Wi(x).chunk(2)`: the names of the model, although `input` is what goes
        // through the activation.
        "Wi" if is(&["modernbert", "modernbert-decoder"]) => {
            stacked(&[(UP, rows / 2), (GATE, rows / 2)], 1, rows, cols)
        }
        _ => None,
    }
}

fn query_key_value(rows: usize, cols: usize, architecture: &Architecture) -> Option<Vec<Piece>> {
    const FALCON: &[&str] = &["falcon", "RefinedWeb", "RefinedWebModel"];
    if architecture.is_any(&["gpt_neox", "bloom", "persimmon"]) {
        each_head(rows, cols, architecture)
    } else if architecture.is_any(&["chatglm"]) {
        by_heads(rows, cols, architecture)
    } else if architecture.is_any(&["phi3small"]) {
        by_groups(rows, cols, architecture)
    } else if !architecture.is_any(FALCON) {
        None
    } else if architecture.new_decoder_architecture == Some(true) {
        by_groups(rows, cols, architecture)
    } else {
        one_key_or_each_head(rows, cols, architecture)
    }
}

/// [all queries | all keys | all values].
fn by_heads(rows: usize, cols: usize, architecture: &Architecture) -> Option<Vec<Piece>> {
    let (heads, size) = heads_of(architecture)?;
    let keys = architecture
        .key_value_heads
        .unwrap_or(heads)
        .checked_mul(size)?;
    let queries = heads.checked_mul(size)?;
    stacked(
        &[(QUERY, queries), (KEY, keys), (VALUE, keys)],
        1,
        rows,
        cols,
    )
}

/// [query, key, value] of every head in turn.
fn each_head(rows: usize, cols: usize, architecture: &Architecture) -> Option<Vec<Piece>> {
    let (heads, size) = heads_of(architecture)?;
    stacked(
        &[(QUERY, size), (KEY, size), (VALUE, size)],
        heads,
        rows,
        cols,
    )
}

/// [queries, key, value] of every group of heads that share a key.
fn by_groups(rows: usize, cols: usize, architecture: &Architecture) -> Option<Vec<Piece>> {
    let (heads, size) = heads_of(architecture)?;
    let groups = architecture.key_value_heads.unwrap_or(heads);
    if heads % groups != 0 {
        return None;
    }
    let queries = (heads / groups).checked_mul(size)?;
    stacked(
        &[(QUERY, queries), (KEY, size), (VALUE, size)],
        groups,
        rows,
        cols,
    )
}

/// Falcon and GPT-BigCode: one key for all heads unless `multi_query` is false.
fn one_key_or_each_head(
    rows: usize,
    cols: usize,
    architecture: &Architecture,
) -> Option<Vec<Piece>> {
    if architecture.multi_query == Some(false) {
        return each_head(rows, cols, architecture);
    }
    let (heads, size) = heads_of(architecture)?;
    let queries = heads.checked_mul(size)?;
    stacked(
        &[(QUERY, queries), (KEY, size), (VALUE, size)],
        1,
        rows,
        cols,
    )
}

/// Multi-head latent attention: what each head's key and value take from the latent vector.
fn latent(rows: usize, cols: usize, architecture: &Architecture) -> Option<Vec<Piece>> {
    let heads = architecture.heads?;
    let (key, value) = (architecture.plain_key_size?, architecture.value_size?);
    stacked(&[(KEY, key), (VALUE, value)], heads, rows, cols)
}

/// GPT-2's `Conv1D`: [in, queries | keys | values], and [in, keys | values] across attention.
fn conv1d_attention(modules: &[&str], rows: usize, cols: usize) -> Option<Vec<Piece>> {
    if modules.contains(&"crossattention") {
        return side_by_side(&[(KEY, cols / 2), (VALUE, cols / 2)], rows, cols);
    }
    let third = cols / 3;
    if third != rows {
        return None;
    }
    side_by_side(&[(QUERY, third), (KEY, third), (VALUE, third)], rows, cols)
}

/// `gate_up_proj` outside of experts: every known model stores [gate | up]. Its size must be that of
/// the config, or the model a known one.
fn halves(rows: usize, cols: usize, architecture: &Architecture) -> Option<Vec<Piece>> {
    const KNOWN: &[&str] = &["phi3", "phi3_v", "phi4mm", "phi4_multimodal", "glm", "glm4"];
    let fits = architecture
        .intermediate_size
        .and_then(|size| size.checked_mul(2))
        .is_some_and(|size| size == rows);
    if !fits && !architecture.is_any(KNOWN) {
        return None;
    }
    stacked(&[(GATE, rows / 2), (UP, rows / 2)], 1, rows, cols)
}

/// How one expert of a 3-D tensor is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExpertLayout {
    /// [in, out].
    pub(super) input_first: bool,
    /// Empty where the expert is one matrix.
    pub(super) pieces: Vec<Piece>,
}

/// The layout of each expert of `rows` x `cols`.
pub(super) fn expert_layout(
    leaf: &str,
    (rows, cols): (usize, usize),
    architecture: &Architecture,
) -> ExpertLayout {
    let whole = |input_first| ExpertLayout {
        input_first,
        pieces: Vec::new(),
    };
    let fused = matches!(leaf, "gate_up_proj" | "input_linear");
    // Inputs of gate and up are as long as the model is wide; so are the outputs of down.
    let Some(input_first) = orientation(
        if fused { (rows, cols) } else { (cols, rows) },
        architecture,
    ) else {
        return whole(false);
    };
    if !fused {
        return whole(input_first && matches!(leaf, "down_proj" | "output_linear"));
    }
    let pieces = if rows.checked_mul(cols).is_none() {
        None
    } else if architecture.is_any(&["gpt_oss"]) {
        alternating(input_first, rows, cols)
    } else if !architecture.is_any(STACKED_EXPERTS) {
        None
    } else if input_first {
        side_by_side(&[(GATE, cols / 2), (UP, cols / 2)], rows, cols)
    } else {
        stacked(&[(GATE, rows / 2), (UP, rows / 2)], 1, rows, cols)
    };
    ExpertLayout {
        input_first,
        pieces: pieces.unwrap_or_default(),
    }
}

/// Whether an expert of that shape is stored [in, out], `first` and `second` being the sides of which
/// one is the model's width: `first` if it is. `None` where the shape and the type do not tell.
fn orientation((first, second): (usize, usize), architecture: &Architecture) -> Option<bool> {
    let width = architecture.hidden_size?;
    let either = architecture.is_any(EITHER_ORIENTATION);
    match (first == width, second == width) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        (true, true) if !either && architecture.is_known() => {
            Some(architecture.is_any(INPUT_FIRST_EXPERTS))
        }
        (true, true) | (false, false) => None,
    }
}

/// gpt-oss: every other output is a gate.
fn alternating(input_first: bool, rows: usize, cols: usize) -> Option<Vec<Piece>> {
    let elements = rows.checked_mul(cols)?;
    if !input_first {
        return stacked(&[(GATE, 1), (UP, 1)], rows / 2, rows, cols);
    }
    (cols % 2 == 0 && cols > 0).then(|| {
        [(0, GATE), (1, UP)]
            .map(|(first, (label, role))| Piece {
                label,
                role,
                runs: Runs::every_other(first, elements),
                rows,
                cols: cols / 2,
            })
            .to_vec()
    })
}

/// Number of query heads, and rows of each.
fn heads_of(architecture: &Architecture) -> Option<(usize, usize)> {
    architecture.heads.zip(architecture.head_size)
}

/// Parts of so many rows each, one after the other, in each of `groups` groups. `None` unless they
/// make up all rows.
fn stacked(
    parts: &[(Label, usize)],
    groups: usize,
    rows: usize,
    cols: usize,
) -> Option<Vec<Piece>> {
    let group_rows = total(parts)?;
    if group_rows == 0 || group_rows.checked_mul(groups)? != rows {
        return None;
    }
    let mut first = 0;
    let mut pieces = Vec::new();
    for ((label, role), size) in parts {
        pieces.push(Piece {
            label,
            role: *role,
            runs: Runs::rows_of_groups(first, *size, group_rows, groups, cols),
            rows: size * groups,
            cols,
        });
        first += size;
    }
    Some(pieces)
}

/// Parts of so many columns each, one beside the other. `None` unless they make up all columns.
fn side_by_side(parts: &[(Label, usize)], rows: usize, cols: usize) -> Option<Vec<Piece>> {
    if total(parts)? != cols || cols == 0 {
        return None;
    }
    let mut first = 0;
    let mut pieces = Vec::new();
    for ((label, role), width) in parts {
        pieces.push(Piece {
            label,
            role: *role,
            runs: Runs::columns(first, *width, rows, cols),
            rows,
            cols: *width,
        });
        first += width;
    }
    Some(pieces)
}

fn total(parts: &[(Label, usize)]) -> Option<usize> {
    parts
        .iter()
        .try_fold(0_usize, |total, (_, size)| total.checked_add(*size))
}
