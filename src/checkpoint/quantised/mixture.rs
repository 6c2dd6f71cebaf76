//! gpt-oss: experts in MXFP4, a block of 32 inputs to 16 bytes.
//!
//! `X_blocks` U8 [experts, out, blocks, 16], two codes a byte, the lower half first, and `X_scales`
//! U8 [experts, out, blocks] for powers of two. The tensor `X` is [experts, in, out], the order in
//! which the same model is stored in BF16: inputs before outputs.

use super::bits::{at, nibble};
use super::codebook::{Codebook, E2M1};
use super::dequantise::{Dequantised, Scheme, Sink, transposed};
use super::parts::{POWERS, Parts, Raw, Reader, area};
use super::{Plan, Problem};
use crate::checkpoint::{CheckpointError, Dtype};

/// Inputs with one scale.
const BLOCK: usize = 32;

#[derive(Debug)]
struct Mixture {
    codes: Raw,
    scales: Raw,
    experts: usize,
    outputs: usize,
    blocks: usize,
}

pub(super) fn plan(parts: Parts<'_>, codes: &Raw) -> Result<Plan, Problem> {
    let [experts, outputs, blocks, 16] = codes.shape[..] else {
        return Err(Problem::Broken(format!(
            "`blocks` has the shape {:?}, expected experts, outputs, blocks and 16 bytes",
            codes.shape
        )));
    };
    let scales = parts.need("scales")?.of("scales", POWERS)?;
    scales.shaped("scales", &[experts, outputs, blocks])?;
    let overflow = || Problem::Broken(format!("{blocks} blocks a row"));
    let inputs = blocks.checked_mul(BLOCK).ok_or_else(overflow)?;
    area(experts, area(outputs, inputs)?)?;
    Ok(Plan {
        shape: vec![experts, inputs, outputs],
        dtype: Dtype::Bf16,
        derive: std::sync::Arc::new(Dequantised {
            name: "mxfp4".to_owned(),
            scheme: Mixture {
                codes: codes.clone(),
                scales: scales.clone(),
                experts,
                outputs,
                blocks,
            },
        }),
    })
}

impl Scheme for Mixture {
    fn each(&self, reader: Reader<'_>, sink: &mut impl Sink) -> Result<(), CheckpointError> {
        let book = Codebook::new(E2M1.to_vec());
        let codes = reader.bytes(&self.codes)?;
        let scales = reader.scales(&self.scales)?;
        let inputs = self.blocks * BLOCK;
        for expert in 0..self.experts {
            transposed(inputs, self.outputs, |input, output| {
                let row = expert * self.outputs + output;
                let place = row * inputs + input;
                let byte = codes.get(place / 2).copied().unwrap_or(0);
                let code = nibble(byte, input % 2 == 1);
                let scale = at(&scales, row * self.blocks + input / BLOCK);
                let index = (expert * inputs + input) * self.outputs + output;
                let variance = book.variance(code) * scale * scale;
                sink.put(index, book.value(code) * scale, variance);
            });
        }
        Ok(())
    }
}
