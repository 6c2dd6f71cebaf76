//! 8-bit floats with a scale for the tensor, each output, or each block.
//!
//! `weight` F8_E4M3 or F8_E5M2, `weight_scale` or `weight_scale_inv` (multiplied too, despite its
//! name) in floating point or as powers of two. The size of a block is the declared one: at the edges
//! blocks are cut off, and no shape tells their size.

use super::Plan;
use super::Problem;
use super::bits::at;
use super::codebook::Codebook;
use super::declared::Declared;
use super::dequantise::{Dequantised, Scheme, Sink};
use super::parts::{Blocks, FLOATS, POWERS, Parts, Raw, Reader, area, entries};
use crate::checkpoint::{CheckpointError, Dtype, to_f32};

pub(super) const SCALES: [&str; 2] = ["weight_scale", "weight_scale_inv"];

#[derive(Debug)]
struct Float8 {
    codes: Raw,
    dtype: Dtype,
    scales: Raw,
    sides: (usize, usize),
    blocks: Blocks,
}

pub(super) fn plan(
    parts: Parts<'_>,
    codes: &Raw,
    dtype: Dtype,
    declared: &Declared,
) -> Result<Plan, Problem> {
    let sides = codes.sides("weight")?;
    area(sides.0, sides.1)?;
    let mut there = SCALES.iter().filter(|leaf| parts.get(leaf).is_some());
    let leaf = match (there.next(), there.next()) {
        (Some(leaf), None) => *leaf,
        (Some(_), Some(_)) => {
            let message = "both `weight_scale` and `weight_scale_inv` are there";
            return Err(Problem::Unsupported(message.to_owned()));
        }
        (None, _) => return Err(Problem::Broken("its scale is missing".to_owned())),
    };
    let known: Vec<&str> = [FLOATS, POWERS].concat();
    let scales = parts.need(leaf)?.of(leaf, &known)?;
    let (blocks, kind) = blocks_of(sides, leaf, scales, declared)?;
    Ok(Plan {
        shape: vec![sides.0, sides.1],
        dtype: Dtype::F32,
        derive: std::sync::Arc::new(Dequantised {
            name: format!(
                "{}-{kind}",
                dtype.as_str().to_ascii_lowercase().replace('_', "-")
            ),
            scheme: Float8 {
                codes: codes.clone(),
                dtype,
                scales: scales.clone(),
                sides,
                blocks,
            },
        }),
    })
}

fn blocks_of(
    sides: (usize, usize),
    leaf: &str,
    scales: &Raw,
    declared: &Declared,
) -> Result<(Blocks, String), Problem> {
    match (scales.shape.as_slice(), declared.block()) {
        ([] | [_], _) | ([1, 1], None) => Blocks::of_rows(sides, leaf, scales),
        ([rows, 1], None) if *rows == sides.0 => Blocks::of_rows(sides, leaf, scales),
        // No block has as many rows of scales: one for each output.
        ([rows, 1], Some(block)) if *rows == sides.0 && sides.0.div_ceil(block.0) != *rows => {
            Blocks::of_rows(sides, leaf, scales)
        }
        (_, Some(block)) => {
            let blocks = Blocks::of_size(sides, block, leaf, scales)?;
            Ok((blocks, format!("block{}x{}", block.0, block.1)))
        }
        (shape, None) => Err(Problem::Unsupported(format!(
            "`{leaf}` has the shape {shape:?}, and `config.json` declares no size of blocks"
        ))),
    }
}

impl Scheme for Float8 {
    fn each(&self, reader: Reader<'_>, sink: &mut impl Sink) -> Result<(), CheckpointError> {
        let every_code: Vec<u8> = (0..=255).collect();
        let book = Codebook::new(to_f32(self.dtype, &every_code));
        let codes = reader.bytes(&self.codes)?;
        let scales = reader.scales(&self.scales)?;
        for (index, row, col) in entries(self.sides) {
            let code = codes.get(index).copied().unwrap_or(0);
            let scale = at(&scales, self.blocks.index(row, col));
            let variance = book.variance(code) * scale * scale;
            sink.put(index, book.value(code) * scale, variance);
        }
        Ok(())
    }
}
