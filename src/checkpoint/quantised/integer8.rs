//! Plain bytes with a scale: int8 of bitsandbytes and of compressed-tensors.
//!
//! bitsandbytes: `SCB` F32 [out], `W = q * SCB[o] / 127`. compressed-tensors (`int-quantized`,
//! `naive-quantized`): `weight_scale` for the tensor, each output, or groups of inputs, and an
//! optional `weight_zero_point` of the same shape: `W = (q - zero) * scale`.

use super::bits::at;
use super::codebook::of_grid;
use super::dequantise::{Dequantised, Scheme, Sink};
use super::parts::{Blocks, FLOATS, Parts, Raw, Reader, area, entries};
use super::{Plan, Problem};
use crate::checkpoint::{CheckpointError, Dtype};

#[derive(Debug)]
struct Integer8 {
    codes: Raw,
    scales: Raw,
    zeros: Option<Raw>,
    sides: (usize, usize),
    blocks: Blocks,
    divisor: f32,
}

/// bitsandbytes.
pub(super) fn plan_vectorwise(parts: Parts<'_>, codes: &Raw) -> Result<Plan, Problem> {
    let sides = codes.sides("weight")?;
    area(sides.0, sides.1)?;
    let scales = parts.need("SCB")?.of("SCB", &["F32"])?;
    scales.shaped("SCB", &[sides.0])?;
    if let Some(layout) = parts.get("weight_format") {
        let bytes = parts.read("weight_format", layout)?;
        if bytes.iter().any(|byte| *byte != 0) {
            return Err(Problem::Unsupported(
                "bitsandbytes int8 in the layout of a processor".to_owned(),
            ));
        }
    }
    let (blocks, _) = Blocks::of_rows(sides, "SCB", scales)?;
    let scheme = Integer8 {
        codes: codes.clone(),
        scales: scales.clone(),
        zeros: None,
        sides,
        blocks,
        divisor: 127.0,
    };
    Ok(scheme.into_plan("bitsandbytes-int8".to_owned()))
}

/// compressed-tensors.
pub(super) fn plan_scaled(parts: Parts<'_>, codes: &Raw) -> Result<Plan, Problem> {
    let sides = codes.sides("weight")?;
    area(sides.0, sides.1)?;
    let scales = parts.need("weight_scale")?.of("weight_scale", FLOATS)?;
    let (blocks, kind) = Blocks::of_rows(sides, "weight_scale", scales)?;
    let zeros = parts.get("weight_zero_point");
    if let Some(zeros) = zeros {
        zeros
            .of("weight_zero_point", &["I8"])?
            .shaped("weight_zero_point", &scales.shape)?;
    }
    let scheme = Integer8 {
        codes: codes.clone(),
        scales: scales.clone(),
        zeros: zeros.cloned(),
        sides,
        blocks,
        divisor: 1.0,
    };
    Ok(scheme.into_plan(format!("compressed-tensors-int8-{kind}")))
}

impl Integer8 {
    fn into_plan(self, name: String) -> Plan {
        Plan {
            shape: vec![self.sides.0, self.sides.1],
            dtype: Dtype::F32,
            derive: std::sync::Arc::new(Dequantised { name, scheme: self }),
        }
    }
}

impl Scheme for Integer8 {
    fn each(&self, reader: Reader<'_>, sink: &mut impl Sink) -> Result<(), CheckpointError> {
        let codes = reader.bytes(&self.codes)?;
        let scales = reader.scales(&self.scales)?;
        let zeros = match &self.zeros {
            Some(zeros) => reader.bytes(zeros)?,
            None => Vec::new(),
        };
        let signed = |bytes: &[u8], index: usize| {
            i16::from(bytes.get(index).copied().unwrap_or(0).cast_signed())
        };
        for (index, row, col) in entries(self.sides) {
            let block = self.blocks.index(row, col);
            let steps = signed(&codes, index) - signed(&zeros, block);
            let scale = at(&scales, block);
            let value = f32::from(steps) * scale / self.divisor;
            sink.put(index, value, of_grid(scale / self.divisor));
        }
        Ok(())
    }
}
