//! Sets aside what is left of quantised weights in a format that is not recognised.
//!
//! The payload of most formats is an integer tensor, which is skipped by its dtype. This covers the
//! rest: 8-bit floats with a scale beside them, and the floating-point companions of a payload,
//! which would look like small matrices of the model.

use std::collections::BTreeMap;

use crate::checkpoint::{Skipped, Tensor};

/// Leaves of names that belong to a payload.
const COMPANIONS: &[&str] = &[
    "SCB",
    "SU",
    "SV",
    "absmax",
    "biases",
    "codebooks",
    "input_global_scale",
    "input_scale",
    "nested_absmax",
    "nested_quant_map",
    "quant_map",
    "scale",
    "scales",
    "weight_global_scale",
    "weight_scale",
    "weight_scale_2",
    "weight_scale_inv",
    "weight_scales",
    "weight_zero_point",
    "zero",
];

/// Leaves of names that give an 8-bit float its scale.
const SCALES: &[&str] = &["weight_scale", "weight_scale_2", "weight_scale_inv"];

/// Leaves of names that only quantised payloads have.
const PAYLOADS: &[&str] = &["Qidxs", "W_q", "codes", "qweight", "weight_packed"];

/// Leaves of names that scale activations, not weights: for the cache of keys and values, and for the
/// inputs and outputs of a module.
const OF_ACTIVATIONS: &[&str] = &[
    "input_scale",
    "k_scale",
    "kv_scale",
    "output_scale",
    "prob_scale",
    "q_scale",
    "v_scale",
];

/// Moves quantised weights and their companions from the readable tensors to the skipped ones.
/// `declared`: the config says that the checkpoint is quantised.
pub(super) fn set_aside(
    tensors: &mut BTreeMap<String, Tensor>,
    skipped: &mut BTreeMap<String, Skipped>,
    declared: bool,
) {
    let reasons: Vec<(String, &str)> = tensors
        .values()
        .filter_map(|tensor| {
            let reason = reason(tensor, tensors, skipped, declared)?;
            Some((tensor.name.clone(), reason))
        })
        .collect();
    for (name, reason) in reasons {
        if let Some(tensor) = tensors.remove(&name) {
            let entry = Skipped {
                reason: reason.to_owned(),
                dtype: Some(tensor.dtype.as_str().to_owned()),
                shape: Some(tensor.shape),
            };
            skipped.insert(name, entry);
        }
    }
}

fn reason(
    tensor: &Tensor,
    tensors: &BTreeMap<String, Tensor>,
    skipped: &BTreeMap<String, Skipped>,
    declared: bool,
) -> Option<&'static str> {
    let (module, leaf) = tensor.name.rsplit_once('.')?;
    if declared && OF_ACTIVATIONS.contains(&leaf) && tensor.parameters() <= 1 {
        return Some("scale of activations: not a weight");
    }
    let exists = |name: &str| tensors.contains_key(name) || skipped.contains_key(name);
    let beside = |leaves: &[&str]| {
        leaves
            .iter()
            .any(|other| exists(&format!("{module}.{other}")))
    };
    let is_codes = |name: &str| {
        let has_few_bits = tensors
            .get(name)
            .is_some_and(|tensor| tensor.dtype.bits() == 8);
        has_few_bits || skipped.contains_key(name)
    };
    if leaf == "weight" && tensor.dtype.bits() == 8 && beside(SCALES) {
        return Some("quantised (8-bit floats with a scale beside them): not read by this version");
    }
    // bitsandbytes hangs companions on the tensor (`weight.absmax`), others on the module.
    let belongs = beside(PAYLOADS) || is_codes(&format!("{module}.weight")) || is_codes(module);
    (COMPANIONS.contains(&leaf) && belongs).then_some("scale of a quantised weight: not a weight")
}
