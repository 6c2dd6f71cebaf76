//! The stored tensors that a payload is made of, and what must hold between their sides.

use std::collections::BTreeMap;

use super::Problem;
use crate::checkpoint::tensor::Span;
use crate::checkpoint::{Checkpoint, CheckpointError, Dtype, to_f32};

/// A tensor as its file has it, of any dtype, whose bytes are there.
#[derive(Debug, Clone)]
pub(in crate::checkpoint) struct Raw {
    pub(in crate::checkpoint) dtype: String,
    pub(in crate::checkpoint) shape: Vec<usize>,
    pub(in crate::checkpoint) span: Span,
}

/// A payload by its full name, among all stored tensors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) checkpoint: &'a Checkpoint,
    pub(super) all: &'a BTreeMap<String, Raw>,
    /// What companions are called after: `m` for `m.qweight`, `m.weight` for `m.weight.absmax`.
    pub(super) prefix: &'a str,
    /// Between prefix and companion: `.`, or `_` for the blocks of gpt-oss.
    pub(super) separator: char,
}

impl<'a> Parts<'a> {
    fn name(&self, leaf: &str) -> String {
        format!("{}{}{leaf}", self.prefix, self.separator)
    }

    pub(super) fn get(&self, leaf: &str) -> Option<&'a Raw> {
        self.all.get(&self.name(leaf))
    }

    pub(super) fn need(&self, leaf: &str) -> Result<&'a Raw, Problem> {
        self.get(leaf)
            .ok_or_else(|| Problem::Broken(format!("there is no `{}`", self.name(leaf))))
    }

    /// The values of a small companion, read now.
    pub(super) fn read(&self, leaf: &str, raw: &Raw) -> Result<Vec<u8>, Problem> {
        let name = self.name(leaf);
        let limit = self.checkpoint.span_bytes(&name, raw.span);
        limit.map_err(|error| Problem::Broken(error.to_string()))
    }
}

impl Raw {
    pub(super) fn is(&self, dtypes: &[&str]) -> bool {
        dtypes.contains(&self.dtype.as_str())
    }

    /// Refuses a part of another dtype.
    pub(super) fn of(&self, what: &str, dtypes: &[&str]) -> Result<&Self, Problem> {
        if self.is(dtypes) {
            Ok(self)
        } else {
            Err(Problem::Unsupported(format!(
                "`{what}` is {}, expected {}",
                self.dtype,
                dtypes.join(" or ")
            )))
        }
    }

    /// The sides of a matrix.
    pub(super) fn sides(&self, what: &str) -> Result<(usize, usize), Problem> {
        match self.shape.as_slice() {
            [rows, cols] => Ok((*rows, *cols)),
            other => Err(Problem::Broken(format!(
                "`{what}` has the shape {other:?}, expected two sides"
            ))),
        }
    }

    /// Refuses a part of another shape.
    pub(super) fn shaped(&self, what: &str, expected: &[usize]) -> Result<&Self, Problem> {
        if self.shape == expected {
            Ok(self)
        } else {
            Err(Problem::Broken(format!(
                "`{what}` has the shape {:?}, expected {expected:?}",
                self.shape
            )))
        }
    }

    /// Number of values. A header's sizes were checked not to overflow.
    pub(super) fn count(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Reads the parts of one tensor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) checkpoint: &'a Checkpoint,
    pub(super) tensor: &'a str,
}

impl Reader<'_> {
    pub(super) fn bytes(&self, raw: &Raw) -> Result<Vec<u8>, CheckpointError> {
        self.checkpoint.span_bytes(self.tensor, raw.span)
    }

    /// Scales of any dtype that stands for numbers: plain floats, or powers of two as their exponent
    /// plus 127 (`F8_E8M0`, or `U8` in files of older libraries).
    pub(super) fn scales(&self, raw: &Raw) -> Result<Vec<f32>, CheckpointError> {
        let bytes = self.bytes(raw)?;
        Ok(match Dtype::from_name(&raw.dtype) {
            Some(dtype) => to_f32(dtype, &bytes),
            None => bytes.into_iter().map(power_of_two).collect(),
        })
    }
}

/// Dtypes of a scale that is a power of two.
pub(super) const POWERS: &[&str] = &["F8_E8M0", "U8"];

/// Dtypes of a scale in floating point.
pub(super) const FLOATS: &[&str] = &["F32", "BF16", "F16"];

/// 2^(code - 127); 255 is NaN. Source: OCP Microscaling Formats 1.0, E8M0.
pub(super) fn power_of_two(code: u8) -> f32 {
    match code {
        // Below the normal numbers of f32.
        0 => f32::from_bits(1 << 22),
        255 => f32::NAN,
        code => f32::from_bits(u32::from(code) << 23),
    }
}

/// `a / b` where nothing is left over and `b` is not 0.
pub(super) fn exact_ratio(a: usize, b: usize) -> Option<usize> {
    let ratio = a.checked_div(b)?;
    (ratio.checked_mul(b)? == a).then_some(ratio)
}

/// Number of entries of a matrix that has any.
pub(super) fn area(rows: usize, cols: usize) -> Result<usize, Problem> {
    match rows.checked_mul(cols) {
        Some(0) => Err(Problem::Broken(format!("{rows} x {cols} holds no values"))),
        Some(area) => Ok(area),
        None => Err(Problem::Broken(format!("{rows} x {cols} overflows"))),
    }
}

/// Which scale belongs to an entry of a matrix: one for each block of entries, row-major.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blocks {
    rows: usize,
    cols: usize,
    /// Blocks side by side.
    across: usize,
}

impl Blocks {
    /// Blocks of `block` entries, those at the right and lower edge cut off where the matrix ends.
    /// The scales must be as many as the blocks.
    pub(super) fn of_size(
        (rows, cols): (usize, usize),
        block: (usize, usize),
        what: &str,
        scale: &Raw,
    ) -> Result<Self, Problem> {
        let blocks = Self {
            rows: block.0.max(1),
            cols: block.1.max(1),
            across: cols.div_ceil(block.1.max(1)),
        };
        scale.shaped(what, &[rows.div_ceil(blocks.rows), blocks.across])?;
        Ok(blocks)
    }

    /// One scale for all, for each row, or for each of several equal parts of a row; the second is
    /// what a scheme's name says of it.
    pub(super) fn of_rows(
        (rows, cols): (usize, usize),
        what: &str,
        scale: &Raw,
    ) -> Result<(Self, String), Problem> {
        let blocks = |rows: usize, cols: usize, across: usize| Self {
            rows: rows.max(1),
            cols: cols.max(1),
            across,
        };
        match scale.shape.as_slice() {
            [] | [1] | [1, 1] => Ok((blocks(rows, cols, 1), "tensor".to_owned())),
            [count] | [count, 1] if *count == rows => {
                Ok((blocks(1, cols, 1), "channel".to_owned()))
            }
            [count, groups] if *count == rows => match exact_ratio(cols, *groups) {
                Some(size) => Ok((blocks(1, size, *groups), format!("g{size}"))),
                None => Err(Problem::Broken(format!(
                    "`{what}` has {groups} groups in a row, which {cols} columns do not divide into"
                ))),
            },
            other => Err(Problem::Broken(format!(
                "`{what}` has the shape {other:?}, which fits no part of {rows} x {cols}"
            ))),
        }
    }

    pub(super) fn index(self, row: usize, col: usize) -> usize {
        row / self.rows * self.across + col / self.cols
    }
}

/// Every entry of a matrix in row-major order: its index, row and column.
pub(super) fn entries((rows, cols): (usize, usize)) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..rows).flat_map(move |row| (0..cols).map(move |col| (row * cols + col, row, col)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(shape: &[usize]) -> Raw {
        let span = Span {
            file: 0,
            offset: 0,
            length: 0,
        };
        Raw {
            dtype: "F32".to_owned(),
            shape: shape.to_vec(),
            span,
        }
    }

    #[test]
    fn an_exponent_is_a_power_of_two_at_both_ends_of_the_range() {
        for (code, exponent) in [(0, -127), (1, -126), (126, -1), (127, 0), (254, 127)] {
            let expected = 2.0_f64.powi(exponent);
            let found = f64::from(power_of_two(code));
            assert!((found - expected).abs() <= 0.0, "{code}: {found}");
        }
        assert!(power_of_two(255).is_nan());
    }

    #[test]
    fn blocks_are_cut_off_at_the_edge() {
        let blocks = Blocks::of_size((40, 100), (16, 32), "scale", &scale(&[3, 4])).unwrap();
        assert_eq!(blocks.index(0, 0), 0);
        assert_eq!(blocks.index(15, 31), 0);
        assert_eq!(blocks.index(16, 32), 5);
        assert_eq!(blocks.index(39, 99), 11);
        assert!(Blocks::of_size((40, 100), (16, 32), "scale", &scale(&[2, 4])).is_err());
    }

    #[test]
    fn a_scale_is_of_the_tensor_of_a_row_or_of_an_equal_part_of_a_row() {
        let kind = |shape: &[usize]| {
            let blocks = Blocks::of_rows((4, 12), "scale", &scale(shape));
            blocks
                .map(|(blocks, kind)| (blocks.index(3, 11), kind))
                .ok()
        };
        let last = |index: usize, kind: &str| Some((index, kind.to_owned()));
        assert_eq!(kind(&[]), last(0, "tensor"));
        assert_eq!(kind(&[1]), last(0, "tensor"));
        assert_eq!(kind(&[4]), last(3, "channel"));
        assert_eq!(kind(&[4, 1]), last(3, "channel"));
        assert_eq!(kind(&[4, 3]), last(11, "g4"));
        assert_eq!(kind(&[4, 5]), None);
        assert_eq!(kind(&[3, 1]), None);
        assert_eq!(kind(&[4, 0]), None);
    }
}
