//! The layouts of experts that share a 3-D tensor.

use super::pieces::{GATE, Piece, UP, side_by_side, stacked};
use crate::layer::{Architecture, Runs};

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

/// How one expert of a 3-D tensor is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::layer) struct ExpertLayout {
    /// [in, out].
    pub(in crate::layer) input_first: bool,
    /// Empty where the expert is one matrix.
    pub(in crate::layer) pieces: Vec<Piece>,
}

/// The layout of each expert of `rows` x `cols`.
pub(in crate::layer) fn expert_layout(
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
    (cols > 0 && cols.is_multiple_of(2)).then(|| {
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
