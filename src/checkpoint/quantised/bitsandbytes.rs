//! bitsandbytes with 4 bits: a codebook (NF4 or FP4), scaled for every block of a flat tensor.
//!
//! The payload holds two codes a byte, the upper half first, in storage of any dtype; beside it are
//! `absmax` by block, `quant_map` with the 16 values, and `quant_state.bitsandbytes__nf4` (or
//! `fp4`), a JSON text with block size and shape. `W = quant_map[q] * absmax[i / blocksize]`. With
//! double quantisation `absmax` is U8 and stands for
//! `nested_quant_map[absmax] * nested_absmax[b / nested_blocksize] + nested_offset`.

use serde::Deserialize;

use super::bits::{at, nibble};
use super::codebook::Codebook;
use super::dequantise::{Dequantised, Scheme, Sink};
use super::parts::{Parts, Raw, Reader};
use super::{Plan, Problem};
use crate::checkpoint::{CheckpointError, Dtype};

/// Far more than such a text needs.
const LONGEST_STATE: usize = 65_536;

const STATES: [&str; 2] = [
    "quant_state.bitsandbytes__nf4",
    "quant_state.bitsandbytes__fp4",
];

#[derive(Debug)]
struct FourBit {
    codes: Raw,
    map: Raw,
    scales: Raw,
    nested: Option<Nested>,
    block: usize,
    count: usize,
}

/// How scales are quantised themselves.
#[derive(Debug)]
struct Nested {
    map: Raw,
    scales: Raw,
    block: usize,
    offset: f32,
}

#[derive(Debug, Deserialize)]
struct State {
    quant_type: String,
    blocksize: usize,
    shape: Vec<usize>,
    nested_blocksize: Option<usize>,
    nested_offset: Option<f32>,
}

/// Whether the tensor of that name has the state of a payload beside it.
pub(super) fn is_payload(parts: Parts<'_>) -> bool {
    STATES.iter().any(|state| parts.get(state).is_some())
}

pub(super) fn plan(parts: Parts<'_>, codes: &Raw) -> Result<Plan, Problem> {
    let state = read_state(parts)?;
    let kind = state.quant_type.as_str();
    if !matches!(kind, "nf4" | "fp4") {
        let kind = kind.escape_debug();
        return Err(Problem::Unsupported(format!("bitsandbytes `{kind}`")));
    }
    let mut sides = state.shape.iter();
    let count = sides
        .try_fold(1_usize, |product, side| product.checked_mul(*side))
        .filter(|count| *count > 0 && count.div_ceil(2) as u64 == codes.span.length)
        .ok_or_else(|| {
            Problem::Broken(format!(
                "{} bytes do not hold the shape {:?} of its state in 4 bits",
                codes.span.length, state.shape
            ))
        })?;
    let block = Some(state.blocksize).filter(|size| *size > 0);
    let block = block.ok_or_else(|| Problem::Broken("blocks of no value".to_owned()))?;
    let map = parts.need("quant_map")?.of("quant_map", &["F32"])?;
    map.shaped("quant_map", &[16])?;
    let scales = parts.need("absmax")?.of("absmax", &["F32", "U8"])?;
    let blocks = count.div_ceil(block);
    scales.shaped("absmax", &[blocks])?;
    let nested = if scales.is(&["U8"]) {
        Some(nested(parts, &state, blocks)?)
    } else {
        None
    };
    let twice = if nested.is_some() { "-dq" } else { "" };
    Ok(Plan {
        derive: std::sync::Arc::new(Dequantised {
            name: format!("bitsandbytes-{kind}-b{block}{twice}"),
            scheme: FourBit {
                codes: codes.clone(),
                map: map.clone(),
                scales: scales.clone(),
                nested,
                block,
                count,
            },
        }),
        shape: state.shape,
        dtype: Dtype::F32,
    })
}

fn read_state(parts: Parts<'_>) -> Result<State, Problem> {
    let leaf = STATES.iter().find(|state| parts.get(state).is_some());
    let leaf = leaf.copied().unwrap_or_default();
    let raw = parts.need(leaf)?.of(leaf, &["U8"])?;
    if raw.count() > LONGEST_STATE {
        return Err(Problem::Broken(format!(
            "`{leaf}` has {} bytes",
            raw.count()
        )));
    }
    let bytes = parts.read(leaf, raw)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Problem::Broken(format!("`{leaf}` is not readable: {error}")))
}

fn nested(parts: Parts<'_>, state: &State, blocks: usize) -> Result<Nested, Problem> {
    let (Some(block), Some(offset)) = (
        state.nested_blocksize.filter(|size| *size > 0),
        state.nested_offset,
    ) else {
        return Err(Problem::Broken(
            "its state lacks `nested_blocksize` or `nested_offset`".to_owned(),
        ));
    };
    let map = parts.need("nested_quant_map")?;
    let scales = parts.need("nested_absmax")?;
    map.of("nested_quant_map", &["F32"])?
        .shaped("nested_quant_map", &[256])?;
    scales
        .of("nested_absmax", &["F32"])?
        .shaped("nested_absmax", &[blocks.div_ceil(block)])?;
    Ok(Nested {
        map: map.clone(),
        scales: scales.clone(),
        block,
        offset,
    })
}

impl FourBit {
    fn scales(&self, reader: Reader<'_>) -> Result<Vec<f32>, CheckpointError> {
        let Some(nested) = &self.nested else {
            return reader.scales(&self.scales);
        };
        let map = reader.scales(&nested.map)?;
        let outer = reader.scales(&nested.scales)?;
        let codes = reader.bytes(&self.scales)?;
        let scale = |(index, code): (usize, &u8)| {
            at(&map, usize::from(*code)) * at(&outer, index / nested.block) + nested.offset
        };
        Ok(codes.iter().enumerate().map(scale).collect())
    }
}

impl Scheme for FourBit {
    fn each(&self, reader: Reader<'_>, sink: &mut impl Sink) -> Result<(), CheckpointError> {
        let map = Codebook::new(reader.scales(&self.map)?);
        let scales = self.scales(reader)?;
        let codes = reader.bytes(&self.codes)?;
        for index in 0..self.count {
            let byte = codes.get(index / 2).copied().unwrap_or(0);
            let code = nibble(byte, index % 2 == 0);
            let scale = at(&scales, index / self.block);
            let variance = map.variance(code) * scale * scale;
            sink.put(index, map.value(code) * scale, variance);
        }
        Ok(())
    }
}
