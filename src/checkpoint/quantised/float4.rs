//! 4-bit floats (E2M1), two a byte, the lower half first, with a scale for 16 or 32 inputs.
//!
//! NVFP4: `weight_scale` F8_E4M3 [out, in / 16] and a scale of the tensor. compressed-tensors packs
//! to `weight_packed` and divides by `weight_global_scale`; ModelOpt packs to `weight` and
//! multiplies by `weight_scale_2`. `W = fp4 * (scale / global)` or `fp4 * (scale * second)`.
//! MXFP4: `weight_scale` is a power of two for 32 inputs, and nothing else.

use super::bits::{at, nibble};
use super::codebook::{Codebook, E2M1};
use super::dequantise::{Dequantised, Scheme, Sink};
use super::parts::{Blocks, POWERS, Parts, Raw, Reader, area, entries};
use super::{Plan, Problem};
use crate::checkpoint::{CheckpointError, Dtype};

#[derive(Debug)]
struct Float4 {
    codes: Raw,
    scales: Raw,
    whole: Option<(Raw, Combine)>,
    sides: (usize, usize),
    blocks: Blocks,
}

/// What the scale of the tensor does to those of the blocks.
#[derive(Debug, Clone, Copy)]
enum Combine {
    Divide,
    Multiply,
}

pub(super) fn plan_compressed_nvfp4(parts: Parts<'_>, codes: &Raw) -> Result<Plan, Problem> {
    nvfp4(parts, codes, "weight_global_scale", Combine::Divide)
}

pub(super) fn plan_model_opt_nvfp4(parts: Parts<'_>, codes: &Raw) -> Result<Plan, Problem> {
    if parts.get("pre_quant_scale").is_some() {
        let message = "ModelOpt with `pre_quant_scale`: its weights are scaled for their inputs";
        return Err(Problem::Unsupported(message.to_owned()));
    }
    nvfp4(parts, codes, "weight_scale_2", Combine::Multiply)
}

fn nvfp4(parts: Parts<'_>, codes: &Raw, leaf: &str, combine: Combine) -> Result<Plan, Problem> {
    let whole = parts.need(leaf)?.of(leaf, &["F32"])?;
    if whole.count() != 1 {
        return Err(Problem::Unsupported(format!(
            "`{leaf}` has the shape {:?}, expected one value",
            whole.shape
        )));
    }
    let scales = parts.need("weight_scale")?;
    scales.of("weight_scale", &["F8_E4M3"])?;
    plan(codes, scales, 16, "nvfp4", Some((whole.clone(), combine)))
}

pub(super) fn plan_mxfp4(parts: Parts<'_>, codes: &Raw) -> Result<Plan, Problem> {
    let scales = parts.need("weight_scale")?;
    scales.of("weight_scale", POWERS)?;
    plan(codes, scales, 32, "mxfp4", None)
}

fn plan(
    codes: &Raw,
    scales: &Raw,
    size: usize,
    name: &str,
    whole: Option<(Raw, Combine)>,
) -> Result<Plan, Problem> {
    let (rows, packed) = codes.sides("the packed weight")?;
    let cols = packed
        .checked_mul(2)
        .ok_or_else(|| Problem::Broken(format!("{packed} packed columns")))?;
    area(rows, cols)?;
    let sides = (rows, cols);
    let blocks = Blocks::of_size(sides, (1, size), "weight_scale", scales)?;
    // Powers of two times 4-bit floats have two significant bits.
    let dtype = if whole.is_some() {
        Dtype::F32
    } else {
        Dtype::Bf16
    };
    Ok(Plan {
        shape: vec![rows, cols],
        dtype,
        derive: std::sync::Arc::new(Dequantised {
            name: name.to_owned(),
            scheme: Float4 {
                codes: codes.clone(),
                scales: scales.clone(),
                whole,
                sides,
                blocks,
            },
        }),
    })
}

impl Float4 {
    fn scales(&self, reader: Reader<'_>) -> Result<Vec<f32>, CheckpointError> {
        let mut scales = reader.scales(&self.scales)?;
        if let Some((whole, combine)) = &self.whole {
            let whole = at(&reader.scales(whole)?, 0);
            for scale in &mut scales {
                match combine {
                    Combine::Divide => *scale /= whole,
                    Combine::Multiply => *scale *= whole,
                }
            }
        }
        Ok(scales)
    }
}

impl Scheme for Float4 {
    fn each(&self, reader: Reader<'_>, sink: &mut impl Sink) -> Result<(), CheckpointError> {
        let book = Codebook::new(E2M1.to_vec());
        let codes = reader.bytes(&self.codes)?;
        let scales = self.scales(reader)?;
        for (index, row, col) in entries(self.sides) {
            let byte = codes.get(index / 2).copied().unwrap_or(0);
            let code = nibble(byte, index % 2 == 1);
            let scale = at(&scales, self.blocks.index(row, col));
            let variance = book.variance(code) * scale * scale;
            sink.put(index, book.value(code) * scale, variance);
        }
        Ok(())
    }
}
