//! compressed-tensors `pack-quantized`: grids for groups of inputs, 32 / bits codes in a word.
//!
//! `weight_packed` I32 [out, ceil(in * bits / 32)], lowest bits first, each code with 2^(bits - 1)
//! added; `weight_scale` [out, groups], [out, 1] or one; `weight_shape` I64 [2]; optionally
//! `weight_zero_point`, packed along the outputs in the same way, and `weight_g_idx` I32 [in].
//! `W = (q - zero) * scale`.

use super::bits::{at, code, words};
use super::codebook::of_grid;
use super::declared::Declared;
use super::dequantise::{Dequantised, Scheme, Sink};
use super::parts::{Blocks, FLOATS, Parts, Raw, Reader, area, entries};
use super::{Plan, Problem};
use crate::checkpoint::{CheckpointError, Dtype};

#[derive(Debug)]
struct Packed {
    codes: Raw,
    scales: Raw,
    zeros: Option<Raw>,
    /// Group by input, where the inputs were reordered.
    order: Option<Vec<u32>>,
    bits: u32,
    sides: (usize, usize),
    blocks: Blocks,
    groups: usize,
}

pub(super) fn plan(parts: Parts<'_>, declared: &Declared) -> Result<Plan, Problem> {
    let codes = parts.need("weight_packed")?.of("weight_packed", &["I32"])?;
    let sides = true_sides(parts)?;
    area(sides.0, sides.1)?;
    let bits = bits_of(codes, sides, declared)?;
    let scales = parts.need("weight_scale")?.of("weight_scale", FLOATS)?;
    let (blocks, kind) = Blocks::of_rows(sides, "weight_scale", scales)?;
    let groups = match scales.shape.as_slice() {
        [_, groups] => *groups,
        _ => 1,
    };
    check_group_size(sides.1, groups, declared)?;
    let zeros = parts.get("weight_zero_point");
    if let Some(zeros) = zeros {
        let per_word = 32 / bits as usize;
        zeros
            .of("weight_zero_point", &["I32"])?
            .shaped("weight_zero_point", &[sides.0.div_ceil(per_word), groups])?;
    }
    Ok(Plan {
        shape: vec![sides.0, sides.1],
        dtype: Dtype::F32,
        derive: std::sync::Arc::new(Dequantised {
            name: format!("compressed-tensors-int{bits}-{kind}"),
            scheme: Packed {
                codes: codes.clone(),
                scales: scales.clone(),
                zeros: zeros.cloned(),
                order: order(parts, sides.1, groups)?,
                bits,
                sides,
                blocks,
                groups,
            },
        }),
    })
}

/// The two sides that `weight_shape` holds.
fn true_sides(parts: Parts<'_>) -> Result<(usize, usize), Problem> {
    let shape = parts.need("weight_shape")?;
    let shape = shape
        .of("weight_shape", &["I64"])?
        .shaped("weight_shape", &[2])?;
    let bytes = parts.read("weight_shape", shape)?;
    let sides: Vec<i64> = bytes
        .as_chunks()
        .0
        .iter()
        .map(|side| i64::from_le_bytes(*side))
        .collect();
    let natural: Option<Vec<usize>> = sides.iter().map(|side| (*side).try_into().ok()).collect();
    match natural.as_deref() {
        Some([rows, cols]) => Ok((*rows, *cols)),
        Some(_) | None => Err(Problem::Broken(format!("`weight_shape` is {sides:?}"))),
    }
}

/// The number of bits that the width of the packed tensor and the config allow.
fn bits_of(codes: &Raw, sides: (usize, usize), declared: &Declared) -> Result<u32, Problem> {
    let (rows, packed) = codes.sides("weight_packed")?;
    let said = declared.declared_bits();
    let allowed = |bits: &u32| said.is_empty() || said.contains(&i64::from(*bits));
    let fits = |bits: &u32| sides.1.div_ceil(32 / *bits as usize) == packed;
    let mut choices = [4, 8].into_iter().filter(allowed).peekable();
    if choices.peek().is_none() {
        return Err(Problem::Unsupported(format!(
            "`pack-quantized` with {said:?} bits"
        )));
    }
    let mut fitting = choices.filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(bits), None) if rows == sides.0 => Ok(bits),
        (Some(_), Some(_)) => Err(Problem::Unsupported(
            "`pack-quantized` with a number of bits that nothing tells".to_owned(),
        )),
        (Some(_) | None, _) => Err(Problem::Broken(format!(
            "`weight_packed` has the shape {:?}, which does not fit {} x {} codes",
            codes.shape, sides.0, sides.1
        ))),
    }
}

fn check_group_size(inputs: usize, groups: usize, declared: &Declared) -> Result<(), Problem> {
    let said = declared.declared_group_sizes();
    let fits = |size: &i64| {
        usize::try_from(*size).is_ok_and(|size| size > 0 && inputs.div_ceil(size) == groups)
    };
    // One scale a row is that of the channel, whatever other modules have.
    if groups == 1 || said.is_empty() || said.iter().any(fits) {
        Ok(())
    } else {
        Err(Problem::Broken(format!(
            "`weight_scale` has {groups} groups for {inputs} inputs, declared is {said:?} a group"
        )))
    }
}

/// Group by input; `None` where the file says nothing, or -1 for all as the library's default.
fn order(parts: Parts<'_>, inputs: usize, groups: usize) -> Result<Option<Vec<u32>>, Problem> {
    let Some(order) = parts.get("weight_g_idx") else {
        return Ok(None);
    };
    order
        .of("weight_g_idx", &["I32"])?
        .shaped("weight_g_idx", &[inputs])?;
    let bytes = parts.read("weight_g_idx", order)?;
    let list: Vec<u32> = words(&bytes).collect();
    if list.iter().all(|group| *group == u32::MAX) {
        return Ok(None);
    }
    match list.iter().find(|group| **group as usize >= groups) {
        None => Ok(Some(list)),
        Some(group) => Err(Problem::Broken(format!(
            "`weight_g_idx` names group {}, of {groups}",
            group.cast_signed()
        ))),
    }
}

impl Packed {
    /// Zero points by row and group, with the offset of the codes.
    fn zeros(&self, reader: Reader<'_>) -> Result<Vec<u8>, CheckpointError> {
        let Some(zeros) = &self.zeros else {
            return Ok(Vec::new());
        };
        let bytes = reader.bytes(zeros)?;
        let words = bytes.as_chunks::<4>().0;
        let per_word = 32 / self.bits as usize;
        let zero = |(_, row, group): (usize, usize, usize)| {
            let word = words.get(row / per_word * self.groups + group);
            let word = word.copied().unwrap_or_default();
            code(&word, row % per_word, self.bits)
        };
        Ok(entries((self.sides.0, self.groups)).map(zero).collect())
    }
}

impl Scheme for Packed {
    fn each(&self, reader: Reader<'_>, sink: &mut impl Sink) -> Result<(), CheckpointError> {
        let codes = reader.bytes(&self.codes)?;
        let scales = reader.scales(&self.scales)?;
        let zeros = self.zeros(reader)?;
        let half = 1_u8 << (self.bits - 1);
        let row_bytes = self.sides.1.div_ceil(32 / self.bits as usize) * 4;
        for (index, row, col) in entries(self.sides) {
            let line = codes.get(row * row_bytes..).unwrap_or_default();
            let block = match &self.order {
                Some(order) => {
                    let group = order.get(col).map_or(0, |group| *group as usize);
                    row * self.groups + group
                }
                None => self.blocks.index(row, col),
            };
            // A zero point belongs to a row and a group even where one scale serves all.
            let place = if self.groups == 1 { row } else { block };
            let zero = i16::from(zeros.get(place).copied().unwrap_or(half));
            let steps = i16::from(code(line, col, self.bits)) - zero;
            let scale = at(&scales, block);
            sink.put(index, f32::from(steps) * scale, of_grid(scale));
        }
        Ok(())
    }
}
