//! Finds the payloads of a checkpoint and puts the tensors that they stand for in their place.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::declared::Declared;
use super::dequantise::FromSpans;
use super::parts::{Parts, Raw};
use super::{
    Plan, Problem, affine, aside, awq, bitsandbytes, float4, float8, gptq, integer8, mixture,
    packed,
};
use crate::checkpoint::tensor::Source;
use crate::checkpoint::{Checkpoint, Defect, Dtype, Skipped, Tensor};

/// What may lie beside a payload of a module; none of it is a weight by itself.
const OF_MODULE: &[&str] = &[
    "SCB",
    "biases",
    "g_idx",
    "input_global_scale",
    "input_scale",
    "input_zero_point",
    "output_scale",
    "pre_quant_scale",
    "qzeros",
    "scales",
    "weight_format",
    "weight_g_idx",
    "weight_global_scale",
    "weight_scale",
    "weight_scale_2",
    "weight_scale_inv",
    "weight_shape",
    "weight_zero_point",
];

/// What may lie beside a payload of bitsandbytes, named after the tensor.
const OF_TENSOR: &[&str] = &[
    "absmax",
    "nested_absmax",
    "nested_quant_map",
    "quant_map",
    "quant_state.bitsandbytes__fp4",
    "quant_state.bitsandbytes__nf4",
];

/// Formats of compressed-tensors whose payloads are what their names and dtypes say.
const COMPRESSED_FORMATS: &[&str] = &[
    "dense",
    "float-quantized",
    "int-quantized",
    "mixed-precision",
    "mxfp4-pack-quantized",
    "naive-quantized",
    "nvfp4-pack-quantized",
    "pack-quantized",
];

/// A payload, what it should become, and what belongs to it.
#[derive(Debug)]
struct Found {
    payload: String,
    /// Name of the tensor in its place.
    name: String,
    companions: Vec<String>,
    plan: Result<Plan, Problem>,
}

/// Turns the quantised tensors of a checkpoint, of which `stored` holds every tensor whose bytes are
/// there, into tensors of weights. What cannot be read is skipped with its companions.
pub(in crate::checkpoint) fn resolve(
    checkpoint: &mut Checkpoint,
    stored: &BTreeMap<String, Raw>,
    declared: &Declared,
) {
    let found: Vec<Found> = stored
        .iter()
        .filter_map(|(name, raw)| find(checkpoint, stored, name, raw, declared))
        .collect();
    let mut broken: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for one in found {
        let file = stored.get(&one.payload).map(|raw| file_of(checkpoint, raw));
        if let Some((message, name)) = place(checkpoint, stored, one) {
            let key = (file.unwrap_or_default(), message);
            broken.entry(key).or_default().push(name);
        }
    }
    for ((file, message), names) in broken {
        let first = names.first().map_or("", String::as_str);
        let which = match names.len() {
            1 => format!("quantised tensor `{first}`"),
            count => format!("{count} quantised tensors, first `{first}`"),
        };
        checkpoint.defects.push(Defect {
            file,
            message: format!("{which}: {message}"),
        });
    }
    let is_declared = declared.method().is_some();
    aside::set_aside(
        &mut checkpoint.tensors,
        &mut checkpoint.skipped,
        is_declared,
    );
}

fn file_of(checkpoint: &Checkpoint, raw: &Raw) -> String {
    let file = checkpoint.files.get(raw.span.file);
    let name = file.and_then(|file| file.path().file_name());
    name.map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Files one payload; what is broken about it and its name, if anything is.
fn place(
    checkpoint: &mut Checkpoint,
    stored: &BTreeMap<String, Raw>,
    found: Found,
) -> Option<(String, String)> {
    let Found {
        payload,
        name,
        companions,
        plan,
    } = found;
    for part in companions.iter().chain([&payload]) {
        checkpoint.tensors.remove(part);
        checkpoint.skipped.remove(part);
    }
    let problem = match plan {
        Ok(plan) => {
            let parts = companions.iter().chain([&payload]);
            let spans = parts.filter_map(|part| Some(stored.get(part)?.span));
            let derive = FromSpans {
                spans: spans.collect(),
                derive: plan.derive,
            };
            let tensor = Tensor {
                name: name.clone(),
                dtype: plan.dtype,
                shape: plan.shape,
                source: Source::Derived(Arc::new(derive)),
            };
            checkpoint.tensors.insert(name, tensor);
            return None;
        }
        Err(problem) => problem,
    };
    let (reason, broken) = match problem {
        Problem::Unsupported(what) => (
            format!("quantised in a way that this version does not read: {what}"),
            None,
        ),
        Problem::Broken(what) => (
            format!("quantised, and its parts do not fit together: {what}"),
            Some((what, name.clone())),
        ),
    };
    let mut skip = |name: String, reason: String, raw: Option<&Raw>| {
        let skipped = Skipped {
            reason,
            dtype: raw.map(|raw| raw.dtype.clone()),
            // Of the packed codes: a share of the coverage, if not the whole of it.
            shape: raw.map(|raw| raw.shape.clone()),
        };
        checkpoint.skipped.insert(name, skipped);
    };
    for part in companions {
        let reason = format!("part of the quantised tensor `{name}`: not a weight");
        let raw = stored.get(&part);
        skip(part, reason, raw);
    }
    skip(name, reason, stored.get(&payload));
    broken
}

/// The payload of that name, if the tensor is one.
fn find(
    checkpoint: &Checkpoint,
    all: &BTreeMap<String, Raw>,
    name: &str,
    raw: &Raw,
    declared: &Declared,
) -> Option<Found> {
    let of_tensor = Parts {
        checkpoint,
        all,
        prefix: name,
        separator: '.',
    };
    if bitsandbytes::is_payload(of_tensor) {
        return Some(Found {
            payload: name.to_owned(),
            name: name.to_owned(),
            companions: there(all, name, OF_TENSOR),
            plan: bitsandbytes::plan(of_tensor, raw),
        });
    }
    if let Some(base) = name.strip_suffix("_blocks")
        && raw.is(&["U8"])
        && all.contains_key(&format!("{base}_scales"))
    {
        let parts = Parts {
            prefix: base,
            separator: '_',
            ..of_tensor
        };
        return Some(Found {
            payload: name.to_owned(),
            name: base.to_owned(),
            companions: vec![format!("{base}_scales")],
            plan: alone(all, base).and_then(|()| mixture::plan(parts, raw)),
        });
    }
    let (module, leaf) = name.rsplit_once('.')?;
    if leaf != "weight" && Dtype::from_name(&raw.dtype).is_some_and(|dtype| dtype.bits() == 8) {
        return scaled_parameter(all, name);
    }
    let parts = Parts {
        prefix: module,
        ..of_tensor
    };
    let plan = of_module(parts, leaf, raw, declared)?;
    let result = format!("{module}.weight");
    Some(Found {
        plan: if result == name {
            plan
        } else {
            plan.and_then(|plan| alone(all, &result).map(|()| plan))
        },
        // A tensor that is there already keeps its place.
        name: if all.contains_key(&result) {
            name.to_owned()
        } else {
            result
        },
        payload: name.to_owned(),
        companions: there(all, module, OF_MODULE),
    })
}

/// A parameter of 8-bit floats that is no module's `weight`, such as a stack of experts, with a scale
/// named after it: which of its axes are blocks is not known.
fn scaled_parameter(all: &BTreeMap<String, Raw>, name: &str) -> Option<Found> {
    let scales = ["scale", "scale_inv"].map(|leaf| format!("{name}_{leaf}"));
    let companions: Vec<String> = scales
        .into_iter()
        .filter(|name| all.contains_key(name))
        .collect();
    let message = "8-bit floats with a scale in a parameter that is no `weight`";
    (!companions.is_empty()).then(|| Found {
        payload: name.to_owned(),
        name: name.to_owned(),
        companions,
        plan: Err(Problem::Unsupported(message.to_owned())),
    })
}

/// Refuses a payload for a tensor that is stored as well.
fn alone(all: &BTreeMap<String, Raw>, name: &str) -> Result<(), Problem> {
    if all.contains_key(name) {
        Err(Problem::Broken(format!("`{name}` is stored as well")))
    } else {
        Ok(())
    }
}

fn there(all: &BTreeMap<String, Raw>, prefix: &str, leaves: &[&str]) -> Vec<String> {
    let names = leaves.iter().map(|leaf| format!("{prefix}.{leaf}"));
    names.filter(|name| all.contains_key(name)).collect()
}

/// The plan for a payload of a module; `None` for other tensors.
fn of_module(
    parts: Parts<'_>,
    leaf: &str,
    raw: &Raw,
    declared: &Declared,
) -> Option<Result<Plan, Problem>> {
    let has = |leaf: &str| parts.get(leaf).is_some();
    let plan = match (leaf, raw.dtype.as_str()) {
        ("qweight", _) => match declared.method().as_deref() {
            Some("gptq") => gptq::plan(parts, declared),
            Some("awq") => awq::plan(parts, declared),
            Some(_) | None => Err(other_method("`qweight`", declared)),
        },
        ("weight_packed", _) => {
            compressed(declared).and_then(|()| packed_payload(parts, raw, declared))
        }
        ("weight", "U8") if has("weight_scale_2") => float4::plan_model_opt_nvfp4(parts, raw),
        ("weight", "I8") if has("SCB") => integer8::plan_vectorwise(parts, raw),
        ("weight", "I8") if has("weight_scale") => {
            compressed(declared).and_then(|()| integer8::plan_scaled(parts, raw))
        }
        ("weight", "U32") if has("scales") => match declared.method().as_deref() {
            Some("mlx") => affine::plan(parts, raw, declared),
            Some(_) | None => Err(other_method("`weight` in U32", declared)),
        },
        ("weight", dtype) => {
            let dtype = Dtype::from_name(dtype).filter(|dtype| dtype.bits() == 8)?;
            let scaled = float8::SCALES.iter().any(|leaf| has(leaf));
            // A matrix of 8-bit floats where the config promises scales is not a weight without.
            let promised = raw.shape.len() == 2 && declared.method().is_some();
            if !scaled && !promised {
                return None;
            }
            float8::plan(parts, raw, dtype, declared)
        }
        (_, _) => return None,
    };
    Some(plan)
}

fn packed_payload(parts: Parts<'_>, raw: &Raw, declared: &Declared) -> Result<Plan, Problem> {
    let scale_is_a_power = || {
        let scale = parts.get("weight_scale");
        scale.is_some_and(|scale| scale.is(super::parts::POWERS))
    };
    match raw.dtype.as_str() {
        "I32" => packed::plan(parts, declared),
        "U8" if parts.get("weight_global_scale").is_some() => {
            float4::plan_compressed_nvfp4(parts, raw)
        }
        "U8" if scale_is_a_power() => float4::plan_mxfp4(parts, raw),
        "U8" => Err(Problem::Broken(
            "there is no `weight_global_scale`, and `weight_scale` is no power of two".to_owned(),
        )),
        other => Err(Problem::Unsupported(format!("`weight_packed` is {other}"))),
    }
}

/// Refuses what is not compressed-tensors in a format that is known.
fn compressed(declared: &Declared) -> Result<(), Problem> {
    if declared.method().as_deref() != Some("compressed-tensors") {
        return Err(other_method("this layout", declared));
    }
    match declared.text("format") {
        None => Ok(()),
        Some(format) if COMPRESSED_FORMATS.contains(&format) => Ok(()),
        Some(format) => Err(Problem::Unsupported(format!(
            "compressed-tensors in the format `{}`",
            format.escape_debug()
        ))),
    }
}

fn other_method(what: &str, declared: &Declared) -> Problem {
    Problem::Unsupported(format!(
        "{what} of the method {}",
        declared.method_or_none()
    ))
}
