//! What a tensor's shape allows: one matrix, a stack of them, a vector, or nothing to analyse.

use crate::layer::naming::{LayerTraits, describe, has_segment};
use crate::layer::{LayerName, Role};
use crate::num::Reason;

/// Which part of a tensor's elements a layer covers. Every part is one contiguous run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Whole,
    /// Slab `e` along the first axis of a 3-D tensor of experts.
    Expert(u32),
}

/// How the elements of a layer are to be read, in row-major order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// Both sides are at least 2.
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
}

/// The layers of one tensor: one, except for a 3-D tensor of experts (one for each).
///
/// Fused projections (`qkv_proj`, `gate_up_proj`) are one matrix of role `other` here.
pub fn layers_of(tensor: &str, shape: &[usize]) -> Vec<LayerSource> {
    if let ([experts, rows, cols], true) = (shape, has_segment(tensor, "experts"))
        && let Ok(experts) = u32::try_from(*experts)
        && experts > 0
        && *rows >= 2
        && *cols >= 2
    {
        return (0..experts)
            .map(|expert| expert_layer(tensor, expert, *rows, *cols))
            .collect();
    }
    let traits = describe(tensor, shape);
    vec![LayerSource {
        name: LayerName::new(tensor),
        tensor: tensor.to_owned(),
        part: Part::Whole,
        form: form_of(tensor, shape, traits.role),
        traits,
        shape: shape.to_vec(),
    }]
}

fn expert_layer(tensor: &str, expert: u32, rows: usize, cols: usize) -> LayerSource {
    LayerSource {
        name: LayerName::new(format!("{tensor}[{expert}]")),
        tensor: tensor.to_owned(),
        part: Part::Expert(expert),
        traits: LayerTraits {
            expert: Some(expert),
            ..describe(tensor, &[rows, cols])
        },
        form: Form::Matrix { rows, cols },
        shape: vec![rows, cols],
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
