//! AWQ in its `gemm` layout: grids for groups of inputs, packed along the outputs.
//!
//! `qweight` I32 [in, out / 8], `qzeros` I32 [groups, out / 8], `scales` [groups, out]. Nibble k of
//! word j belongs to output 8 j + (0, 2, 4, 6, 1, 3, 5, 7)[k].
//! `W[o, i] = (q[i, o] - zero[g, o]) * scales[g, o]`, g = i / group size.

use super::bits::{at, nibble};
use super::codebook::of_grid;
use super::declared::Declared;
use super::dequantise::{Dequantised, Scheme, Sink, transposed};
use super::parts::{FLOATS, Parts, Raw, Reader, area, exact_ratio};
use super::{Plan, Problem};
use crate::checkpoint::{CheckpointError, Dtype};

/// Nibble of a word by output modulo 8: the inverse of the order above.
const NIBBLE: [usize; 8] = [0, 4, 1, 5, 2, 6, 3, 7];

#[derive(Debug)]
struct Awq {
    codes: Raw,
    zeros: Raw,
    scales: Raw,
    inputs: usize,
    outputs: usize,
    group_size: usize,
}

pub(super) fn plan(parts: Parts<'_>, declared: &Declared) -> Result<Plan, Problem> {
    check_variant(declared)?;
    let codes = parts.need("qweight")?.of("qweight", &["I32"])?;
    let zeros = parts.need("qzeros")?.of("qzeros", &["I32"])?;
    let scales = parts.need("scales")?.of("scales", FLOATS)?;
    let (inputs, words) = codes.sides("qweight")?;
    let outputs = words
        .checked_mul(8)
        .ok_or_else(|| Problem::Broken(format!("`qweight` has {words} columns")))?;
    area(inputs, outputs)?;
    let (groups, _) = scales.sides("scales")?;
    scales.shaped("scales", &[groups, outputs])?;
    zeros.shaped("qzeros", &[groups, words])?;
    let said = ["group_size", "q_group_size"].map(|key| declared.number(key));
    let said = said.into_iter().flatten().find(|size| *size > 0);
    let group_size = exact_ratio(inputs, groups)
        .filter(|size| said.is_none_or(|said| usize::try_from(said) == Ok(*size)))
        .ok_or_else(|| {
            Problem::Broken(format!(
                "`scales` has {groups} groups, which do not fit {inputs} inputs and the declared size"
            ))
        })?;
    Ok(Plan {
        shape: vec![outputs, inputs],
        dtype: Dtype::F32,
        derive: std::sync::Arc::new(Dequantised {
            name: format!("awq-4bit-g{group_size}"),
            scheme: Awq {
                codes: codes.clone(),
                zeros: zeros.clone(),
                scales: scales.clone(),
                inputs,
                outputs,
                group_size,
            },
        }),
    })
}

fn check_variant(declared: &Declared) -> Result<(), Problem> {
    let layout = declared.text("version").unwrap_or("gemm");
    if !layout.eq_ignore_ascii_case("gemm") {
        let layout = layout.escape_debug();
        return Err(Problem::Unsupported(format!(
            "AWQ in the layout `{layout}`"
        )));
    }
    if declared.flag("zero_point") == Some(false) {
        return Err(Problem::Unsupported("AWQ without zero points".to_owned()));
    }
    let bits = ["bits", "w_bit"].map(|key| declared.number(key));
    match bits.into_iter().flatten().find(|bits| *bits != 4) {
        Some(bits) => Err(Problem::Unsupported(format!("AWQ with {bits} bits"))),
        None => Ok(()),
    }
}

/// The code of an output in row `row` of packed words, `outputs` codes a row.
fn code(bytes: &[u8], row: usize, outputs: usize, output: usize) -> u8 {
    let place = NIBBLE.get(output % 8).copied().unwrap_or(0);
    let byte = row * (outputs / 2) + output / 8 * 4 + place / 2;
    nibble(bytes.get(byte).copied().unwrap_or(0), place % 2 == 1)
}

impl Scheme for Awq {
    fn each(&self, reader: Reader<'_>, sink: &mut impl Sink) -> Result<(), CheckpointError> {
        let codes = reader.bytes(&self.codes)?;
        let zeros = reader.bytes(&self.zeros)?;
        let scales = reader.scales(&self.scales)?;
        transposed(self.inputs, self.outputs, |input, output| {
            let group = input / self.group_size.max(1);
            let zero = i16::from(code(&zeros, group, self.outputs, output));
            let steps = i16::from(code(&codes, input, self.outputs, output)) - zero;
            let scale = at(&scales, group * self.outputs + output);
            let index = output * self.inputs + input;
            sink.put(index, f32::from(steps) * scale, of_grid(scale));
        });
        Ok(())
    }
}
