//! What a tensor's shape allows: one matrix, a stack of them, a vector, or nothing to analyse.

use crate::layer::naming::{LayerTraits, describe, has_segment, modules_and_leaf};
use crate::layer::split::{self, Piece};
use crate::layer::{Architecture, LayerName, Part, Role, Scope};
use crate::num::Reason;

/// How the elements of a layer are to be read, in row-major order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// Both sides are at least 2. Rows are outputs: transposed where the layer is stored [in, out].
    Matrix { rows: usize, cols: usize },
    /// A norm or bias: all its elements in one run.
    Vector,
    /// Nothing to decompose, and why.
    NotAMatrix(Reason),
}

/// One layer of a tensor: what the report calls it and how to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSource {
    pub name: LayerName,
    /// The tensor that holds it.
    pub tensor: String,
    pub part: Part,
    pub traits: LayerTraits,
    pub form: Form,
    /// Shape of the part as stored (without the expert axis).
    pub shape: Vec<usize>,
    /// Stored [in, out] instead of [out, in]: transposed when read.
    pub input_first: bool,
}

impl LayerSource {
    /// A matrix of no role because several projections share it in a layout that is not known.
    pub fn is_left_fused(&self) -> bool {
        let (_, leaf) = modules_and_leaf(&self.tensor);
        matches!(self.form, Form::Matrix { .. })
            && self.traits.role == Role::Other
            && split::is_fused(leaf)
    }

    /// Whether its values lie together in the order in which they are read, so that none is copied.
    pub fn is_stored_as_read(&self) -> bool {
        let together = match self.part {
            Part::Whole | Part::Expert(_) => true,
            Part::Runs(runs) => runs.count == 1,
        };
        together && !self.input_first
    }
}

/// No model has more experts in one tensor; a header may say anything.
const MOST_EXPERTS: u32 = 1 << 16;

/// The layers of one tensor: one, except for a fused projection (one for each of its parts) and a 3-D
/// tensor of experts (one for each, or for each part of each).
///
/// Without the facts of the architecture that its layout depends on, a fused projection is one matrix
/// of role `other`.
pub fn layers_of(tensor: &str, shape: &[usize], architecture: &Architecture) -> Vec<LayerSource> {
    let (modules, leaf) = modules_and_leaf(tensor);
    if let ([experts, rows, cols], true) = (shape, holds_experts(tensor, &modules, leaf))
        && let Ok(experts) = u32::try_from(*experts)
        && (1..=MOST_EXPERTS).contains(&experts)
        && *rows >= 2
        && *cols >= 2
    {
        return expert_layers(tensor, leaf, experts, (*rows, *cols), architecture);
    }
    let traits = describe(tensor, shape);
    if let [rows, cols] = shape
        && traits.role != Role::Bias
        && let Some(pieces) = split::split(leaf, &modules, (*rows, *cols), architecture)
    {
        let input_first = split::is_input_first(leaf, architecture);
        let named = |piece| part_layer(tensor, tensor, piece, 0, traits, input_first);
        return pieces.into_iter().map(named).collect();
    }
    let input_first = shape.len() == 2 && split::is_input_first(leaf, architecture);
    vec![LayerSource {
        name: LayerName::new(tensor),
        tensor: tensor.to_owned(),
        part: Part::Whole,
        form: form_of(tensor, shape, traits.role).output_first(input_first),
        traits,
        shape: shape.to_vec(),
        input_first,
    }]
}

impl Form {
    fn output_first(self, input_first: bool) -> Self {
        match self {
            Self::Matrix { rows, cols } if input_first => Self::Matrix {
                rows: cols,
                cols: rows,
            },
            Self::Matrix { .. } | Self::Vector | Self::NotAMatrix(_) => self,
        }
    }
}

/// Granite's experts do not say so in their name.
fn holds_experts(tensor: &str, modules: &[&str], leaf: &str) -> bool {
    has_segment(tensor, "experts")
        || (modules.contains(&"block_sparse_moe")
            && matches!(leaf, "input_linear" | "output_linear"))
}

fn expert_layers(
    tensor: &str,
    leaf: &str,
    experts: u32,
    (rows, cols): (usize, usize),
    architecture: &Architecture,
) -> Vec<LayerSource> {
    let layout = split::expert_layout(leaf, (rows, cols), architecture);
    let mut layers = Vec::new();
    for expert in 0..experts {
        let name = format!("{tensor}[{expert}]");
        let traits = LayerTraits {
            expert: Some(expert),
            ..describe(tensor, &[rows, cols])
        };
        if layout.pieces.is_empty() {
            layers.push(LayerSource {
                name: LayerName::new(name),
                tensor: tensor.to_owned(),
                part: Part::Expert(expert),
                traits,
                form: Form::Matrix { rows, cols }.output_first(layout.input_first),
                shape: vec![rows, cols],
                input_first: layout.input_first,
            });
        } else {
            // A tensor that fits into memory has no more elements than a `usize` counts; of another
            // one only names and shapes are of interest.
            let before = rows.saturating_mul(cols).saturating_mul(expert as usize);
            let named = |piece: &Piece| {
                part_layer(tensor, &name, *piece, before, traits, layout.input_first)
            };
            layers.extend(layout.pieces.iter().map(named));
        }
    }
    layers
}

/// One part of a fused matrix, which starts `before` elements into the tensor.
fn part_layer(
    tensor: &str,
    whole: &str,
    piece: Piece,
    before: usize,
    traits: LayerTraits,
    input_first: bool,
) -> LayerSource {
    let Piece {
        label,
        role,
        runs,
        rows,
        cols,
    } = piece;
    let role = match (traits.scope, traits.expert, role) {
        (Scope::Head, _, _) => traits.role,
        (Scope::Body, Some(_), Role::MlpGate) => Role::ExpertGate,
        (Scope::Body, Some(_), Role::MlpUp) => Role::ExpertUp,
        (Scope::Body, _, role) => role,
    };
    LayerSource {
        name: LayerName::new(format!("{whole}[{label}]")),
        tensor: tensor.to_owned(),
        part: Part::Runs(runs.after(before)),
        traits: LayerTraits { role, ..traits },
        form: form_of(tensor, &[rows, cols], role).output_first(input_first),
        shape: vec![rows, cols],
        input_first,
    }
}

fn form_of(tensor: &str, shape: &[usize], role: Role) -> Form {
    let not = |reason: &'static str| Form::NotAMatrix(Reason::new(reason));
    if shape.contains(&0) {
        return not("the tensor is empty");
    }
    match shape {
        [] => not("a scalar is not a matrix"),
        [_] => Form::Vector,
        // Biases of all experts in one tensor.
        [_, _] if role == Role::Bias => Form::Vector,
        [_, _] if has_segment(tensor, "A_log") => {
            not("state transition rates of a state-space model, not a linear map")
        }
        [rows, cols] if *rows >= 2 && *cols >= 2 => Form::Matrix {
            rows: *rows,
            cols: *cols,
        },
        [_, _] => not("a matrix with a side of 1 is a vector"),
        [_, 1, ..] if role == Role::Conv => {
            not("each filter sees one channel (depthwise convolution)")
        }
        [out, kernel @ ..] if role == Role::Conv => conv_form(*out, kernel),
        [..] => not("more than two dimensions, and neither a convolution nor experts"),
    }
}

/// A convolution as the matrix that it applies to each patch: out x (in * kernel).
fn conv_form(out: usize, kernel: &[usize]) -> Form {
    let cols = kernel
        .iter()
        .try_fold(1_usize, |product, side| product.checked_mul(*side));
    match cols {
        Some(cols) if out >= 2 && cols >= 2 => Form::Matrix { rows: out, cols },
        Some(_) => Form::NotAMatrix(Reason::new("a convolution with a side of 1 is a vector")),
        None => Form::NotAMatrix(Reason::new("the shape overflows")),
    }
}
