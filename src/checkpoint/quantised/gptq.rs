//! GPTQ: grids for groups of inputs, packed along the inputs.
//!
//! `qweight` I32 [in * bits / 32, out], `qzeros` I32 [groups, out * bits / 32], `scales` [groups,
//! out], `g_idx` I32 [in]. `W[o, i] = scales[g, o] * (q[i, o] - zero[g, o])` with g = `g_idx[i]`;
//! the format `gptq` stores zero - 1 (modulo 2^bits), `gptq_v2` zero itself.

use super::bits::{at, code, words};
use super::codebook::of_grid;
use super::declared::Declared;
use super::dequantise::{Dequantised, Scheme, Sink, transposed};
use super::parts::{FLOATS, Parts, Raw, Reader, area, exact_ratio};
use super::{Plan, Problem};
use crate::checkpoint::{CheckpointError, Dtype};

#[derive(Debug)]
struct Gptq {
    codes: Raw,
    zeros: Raw,
    scales: Raw,
    bits: u32,
    inputs: usize,
    outputs: usize,
    groups: usize,
    group_of: GroupOf,
    /// What is added to a stored zero.
    zero_offset: u8,
}

#[derive(Debug)]
enum GroupOf {
    /// So many inputs in a row.
    Size(usize),
    /// Group by input, each below the number of groups.
    Listed(Vec<u32>),
}

pub(super) fn plan(parts: Parts<'_>, declared: &Declared) -> Result<Plan, Problem> {
    let zero_offset = zero_offset(declared)?;
    let codes = parts.need("qweight")?.of("qweight", &["I32"])?;
    let zeros = parts.need("qzeros")?.of("qzeros", &["I32"])?;
    let scales = parts.need("scales")?.of("scales", FLOATS)?;
    let (word_rows, outputs) = codes.sides("qweight")?;
    let (groups, _) = scales.sides("scales")?;
    scales.shaped("scales", &[groups, outputs])?;
    let order = parts.get("g_idx");
    let (bits, inputs) = geometry(word_rows, order, declared)?;
    area(inputs, outputs)?;
    let zero_words = words_of(outputs, bits)?;
    zeros.shaped("qzeros", &[groups, zero_words])?;
    let size = group_size(inputs, groups, declared)?;
    let group_of = match order {
        Some(order) => GroupOf::Listed(listed(parts, order, inputs, groups)?),
        None => GroupOf::Size(size),
    };
    Ok(Plan {
        shape: vec![outputs, inputs],
        dtype: Dtype::F32,
        derive: std::sync::Arc::new(Dequantised {
            name: format!("gptq-{bits}bit-g{size}"),
            scheme: Gptq {
                codes: codes.clone(),
                zeros: zeros.clone(),
                scales: scales.clone(),
                bits,
                inputs,
                outputs,
                groups,
                group_of,
                zero_offset,
            },
        }),
    })
}

fn zero_offset(declared: &Declared) -> Result<u8, Problem> {
    if declared.flag("is_marlin_format") == Some(true) {
        return Err(Problem::Unsupported("GPTQ in the Marlin layout".to_owned()));
    }
    match declared.text("checkpoint_format") {
        None | Some("gptq") => Ok(1),
        Some("gptq_v2") => Ok(0),
        Some(other) => Err(Problem::Unsupported(format!(
            "GPTQ in the layout `{}`",
            other.escape_debug()
        ))),
    }
}

/// Bits and inputs: by the config and the rows of words, and by the order of the inputs if there is
/// one. Modules may have bits of their own where the config is `dynamic`.
fn geometry(
    word_rows: usize,
    order: Option<&Raw>,
    declared: &Declared,
) -> Result<(u32, usize), Problem> {
    let said = declared
        .number("bits")
        .filter(|_| !declared.has("dynamic"))
        .and_then(|bits| u32::try_from(bits).ok());
    let all_bits = word_rows
        .checked_mul(32)
        .ok_or_else(|| Problem::Broken(format!("`qweight` has {word_rows} rows")))?;
    let (bits, inputs) = match (order, said) {
        (Some(order), said) => {
            let inputs = order.count();
            let bits = exact_ratio(all_bits, inputs).and_then(|bits| u32::try_from(bits).ok());
            let fits = bits.filter(|bits| said.is_none_or(|said| said == *bits));
            let bits = fits.ok_or_else(|| {
                Problem::Broken(format!(
                    "`qweight` has {word_rows} rows of words, which do not fit {inputs} inputs in \
                     `g_idx`"
                ))
            })?;
            (bits, inputs)
        }
        (None, Some(bits)) => {
            let inputs = exact_ratio(all_bits, bits as usize).ok_or_else(|| {
                Problem::Broken(format!(
                    "`qweight` has {word_rows} rows of words, no whole number of {bits}-bit codes"
                ))
            })?;
            (bits, inputs)
        }
        (None, None) => {
            return Err(Problem::Unsupported(
                "GPTQ without `bits` in `config.json` and without `g_idx`".to_owned(),
            ));
        }
    };
    if matches!(bits, 2 | 3 | 4 | 8) {
        Ok((bits, inputs))
    } else {
        Err(Problem::Unsupported(format!("GPTQ with {bits} bits")))
    }
}

/// Words that so many codes fill to the last bit.
fn words_of(codes: usize, bits: u32) -> Result<usize, Problem> {
    let all = codes.checked_mul(bits as usize);
    all.and_then(|all| exact_ratio(all, 32)).ok_or_else(|| {
        Problem::Broken(format!(
            "{codes} codes of {bits} bits do not fill whole words"
        ))
    })
}

/// Inputs in a group: declared, or equal shares.
fn group_size(inputs: usize, groups: usize, declared: &Declared) -> Result<usize, Problem> {
    let said = declared
        .number("group_size")
        .filter(|_| !declared.has("dynamic"));
    let size = match said.and_then(|size| usize::try_from(size).ok()) {
        Some(size) if size > 0 => Some(size).filter(|size| inputs.div_ceil(*size) == groups),
        Some(_) | None => exact_ratio(inputs, groups),
    };
    size.ok_or_else(|| {
        Problem::Broken(format!(
            "`scales` has {groups} groups, which do not fit {inputs} inputs and the declared size"
        ))
    })
}

fn listed(
    parts: Parts<'_>,
    order: &Raw,
    inputs: usize,
    groups: usize,
) -> Result<Vec<u32>, Problem> {
    let order = order.of("g_idx", &["I32"])?.shaped("g_idx", &[inputs])?;
    let bytes = parts.read("g_idx", order)?;
    let list: Vec<u32> = words(&bytes).collect();
    match list.iter().find(|group| **group as usize >= groups) {
        None => Ok(list),
        Some(group) => Err(Problem::Broken(format!(
            "`g_idx` names group {}, of {groups}",
            group.cast_signed()
        ))),
    }
}

impl Gptq {
    fn group(&self, input: usize) -> usize {
        match &self.group_of {
            GroupOf::Size(size) => input / (*size).max(1),
            GroupOf::Listed(list) => list.get(input).map_or(0, |group| *group as usize),
        }
    }

    /// Zeros by group and output.
    fn zeros(&self, packed: &[u8]) -> Vec<u8> {
        let largest = u8::MAX >> (8 - self.bits.min(8));
        let row_bytes = (packed.len() / self.groups.max(1)).max(1);
        let rows = packed.chunks_exact(row_bytes).take(self.groups);
        rows.flat_map(|row| (0..self.outputs).map(|output| code(row, output, self.bits)))
            .map(|stored| stored.wrapping_add(self.zero_offset) & largest)
            .collect()
    }

    /// A code of the run down one column of words.
    fn code(&self, words: &[[u8; 4]], input: usize, output: usize) -> u8 {
        let bit = input * self.bits as usize;
        let word = |row: usize| {
            let word = words.get(row * self.outputs + output);
            u64::from(word.map_or(0, |word| u32::from_le_bytes(*word)))
        };
        let (row, shift) = (bit / 32, bit % 32);
        let next = if shift + self.bits as usize > 32 {
            word(row + 1)
        } else {
            0
        };
        let [low, ..] = ((word(row) | (next << 32)) >> shift).to_le_bytes();
        low & (u8::MAX >> (8 - self.bits.min(8)))
    }
}

impl Scheme for Gptq {
    fn each(&self, reader: Reader<'_>, sink: &mut impl Sink) -> Result<(), CheckpointError> {
        let codes = reader.bytes(&self.codes)?;
        let words = codes.as_chunks().0;
        let scales = reader.scales(&self.scales)?;
        let zeros = self.zeros(&reader.bytes(&self.zeros)?);
        transposed(self.inputs, self.outputs, |input, output| {
            let place = self.group(input) * self.outputs + output;
            let zero = i16::from(zeros.get(place).copied().unwrap_or(0));
            let steps = i16::from(self.code(words, input, output)) - zero;
            let scale = at(&scales, place);
            let index = output * self.inputs + input;
            sink.put(index, scale * f32::from(steps), of_grid(scale));
        });
        Ok(())
    }
}
