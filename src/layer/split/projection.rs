//! The layouts of matrices that hold more than one projection.

use super::pieces::{GATE, KEY, Piece, QUERY, UP, VALUE, side_by_side, stacked};
use crate::layer::Architecture;

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

const GRANITE: &[&str] = &["granitemoe", "granitemoehybrid", "granitemoeshared"];

/// Names of modules that hold more than one projection in some model.
const FUSED: &[&str] = &[
    "W_pack",
    "Wi",
    "Wqkv",
    "c_attn",
    "gate_up_proj",
    "in_proj_weight",
    "kv_b_proj",
    "qkv",
    "qkv_proj",
    "query_key_value",
    "wqkv",
];

/// Whether a module of that name holds more than one projection.
pub(in crate::layer) fn is_fused(leaf: &str) -> bool {
    FUSED.contains(&leaf)
}

/// Whether a matrix that is no expert is stored [in, out].
pub(in crate::layer) fn is_input_first(leaf: &str, architecture: &Architecture) -> bool {
    CONV1D.contains(&leaf) && architecture.is_any(INPUT_FIRST)
}

/// The parts of a fused matrix of `rows` x `cols`; `None` where it is none, or its layout is not
/// known.
pub(in crate::layer) fn split(
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
    } else if architecture.new_decoder == Some(true) || architecture.is_any(&["RefinedWeb"]) {
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

/// Number of query heads, and rows of each.
fn heads_of(architecture: &Architecture) -> Option<(usize, usize)> {
    architecture.heads.zip(architecture.head_size)
}
