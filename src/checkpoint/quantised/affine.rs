//! MLX: grids with an offset for groups of inputs.
//!
//! `weight` U32 [..., out, in * bits / 32], lowest bits first and across words, `scales` and
//! `biases` [..., out, in / group size]: `W = q * scale + bias`. Bits and group size are those of
//! the config, where modules may have their own.

use super::bits::{at, code};
use super::codebook::of_grid;
use super::declared::Declared;
use super::dequantise::{Dequantised, Scheme, Sink};
use super::parts::{FLOATS, Parts, Raw, Reader, area, entries, exact_ratio};
use super::{Plan, Problem};
use crate::checkpoint::{CheckpointError, Dtype};

#[derive(Debug)]
struct Affine {
    codes: Raw,
    scales: Raw,
    biases: Raw,
    bits: u32,
    rows: usize,
    cols: usize,
    group_size: usize,
}

pub(super) fn plan(parts: Parts<'_>, codes: &Raw, declared: &Declared) -> Result<Plan, Problem> {
    let (bits, group_size) = settings(parts.prefix, declared)?;
    let scales = parts.need("scales")?.of("scales", FLOATS)?;
    let biases = parts.need("biases")?.of("biases", FLOATS)?;
    let (Some((words, outer)), Some((groups, _))) =
        (codes.shape.split_last(), scales.shape.split_last())
    else {
        return Err(Problem::Broken(format!(
            "`weight` has the shape {:?} and `scales` {:?}",
            codes.shape, scales.shape
        )));
    };
    let mut shape = outer.to_vec();
    shape.push(*groups);
    scales.shaped("scales", &shape)?;
    biases.shaped("biases", &shape)?;
    let stored = words
        .checked_mul(32)
        .and_then(|stored| exact_ratio(stored, bits as usize));
    let cols = groups
        .checked_mul(group_size)
        .filter(|cols| stored == Some(*cols))
        .ok_or_else(|| {
            Problem::Broken(format!(
                "{words} words of {bits}-bit codes do not fit {groups} groups of {group_size}"
            ))
        })?;
    let rows = outer.iter().product();
    area(rows, cols)?;
    if let Some(last) = shape.last_mut() {
        *last = cols;
    }
    Ok(Plan {
        shape,
        dtype: Dtype::F32,
        derive: std::sync::Arc::new(Dequantised {
            name: format!("mlx-{bits}bit-g{group_size}"),
            scheme: Affine {
                codes: codes.clone(),
                scales: scales.clone(),
                biases: biases.clone(),
                bits,
                rows,
                cols,
                group_size,
            },
        }),
    })
}

fn settings(module: &str, declared: &Declared) -> Result<(u32, usize), Problem> {
    if let Some(mode) = declared.text("mode").filter(|mode| *mode != "affine") {
        let mode = mode.escape_debug();
        return Err(Problem::Unsupported(format!("MLX in the mode `{mode}`")));
    }
    let number = |key: &str| declared.number_of_module(module, key);
    let bits = number("bits").and_then(|bits| u32::try_from(bits).ok());
    let size = number("group_size").and_then(|size| usize::try_from(size).ok());
    match (bits, size.filter(|size| *size > 0)) {
        (Some(bits @ (2 | 3 | 4 | 5 | 6 | 8)), Some(size)) => Ok((bits, size)),
        (Some(bits), Some(_)) => Err(Problem::Unsupported(format!("MLX with {bits} bits"))),
        (_, _) => Err(Problem::Unsupported(
            "MLX without `bits` and `group_size` in `config.json`".to_owned(),
        )),
    }
}

impl Scheme for Affine {
    fn each(&self, reader: Reader<'_>, sink: &mut impl Sink) -> Result<(), CheckpointError> {
        let codes = reader.bytes(&self.codes)?;
        let scales = reader.scales(&self.scales)?;
        let biases = reader.scales(&self.biases)?;
        // Rows fill whole words, so the codes of all of them are one run.
        for (index, row, col) in entries((self.rows, self.cols)) {
            let group = row * (self.cols / self.group_size) + col / self.group_size;
            let scale = at(&scales, group);
            let steps = f32::from(code(&codes, index, self.bits));
            let value = steps * scale + at(&biases, group);
            sink.put(index, value, of_grid(scale));
        }
        Ok(())
    }
}
