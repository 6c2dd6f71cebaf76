//! Which elements of a tensor a layer covers, and how to cut them out.

use std::borrow::Cow;

/// Which part of a tensor's elements a layer covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Whole,
    /// Slab `e` along the first axis of a 3-D tensor of experts.
    Expert(u32),
    /// Some rows or columns, such as the keys of a fused projection.
    Runs(Runs),
}

/// Runs of consecutive elements at equal distances: run `i` holds the `length` elements from
/// `start + i * stride`, of a tensor read in row-major order. Joined, the runs are a matrix in
/// row-major order. Blocks of rows are one run, rows of every head one run per head, a block of
/// columns one run per row, every other column one element per run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Runs {
    pub start: usize,
    pub length: usize,
    /// At least `length`.
    pub stride: usize,
    pub count: usize,
}

impl Runs {
    /// Rows `first..first + rows` of each of `groups` groups of `group_rows` rows of `cols` elements.
    pub(super) fn rows_of_groups(
        first: usize,
        rows: usize,
        group_rows: usize,
        groups: usize,
        cols: usize,
    ) -> Self {
        Self::joined(Self {
            start: first * cols,
            length: rows * cols,
            stride: group_rows * cols,
            count: groups,
        })
    }

    /// Columns `first..first + width` of a matrix of `rows` x `cols`.
    pub(super) fn columns(first: usize, width: usize, rows: usize, cols: usize) -> Self {
        Self::joined(Self {
            start: first,
            length: width,
            stride: cols,
            count: rows,
        })
    }

    /// Every other column of a matrix with that many elements and an even number of columns.
    pub(super) fn every_other(first: usize, elements: usize) -> Self {
        Self {
            start: first,
            length: 1,
            stride: 2,
            count: elements / 2,
        }
    }

    /// All elements of a slab of that many.
    pub fn slab(start: usize, length: usize) -> Self {
        Self {
            start,
            length,
            stride: length,
            count: 1,
        }
    }

    /// The same runs, so many elements later.
    #[must_use]
    pub(super) fn after(self, elements: usize) -> Self {
        Self {
            start: self.start.saturating_add(elements),
            ..self
        }
    }

    /// Runs without gaps are one run.
    fn joined(self) -> Self {
        if self.count == 1 || self.length == self.stride {
            Self::slab(self.start, self.length * self.count)
        } else {
            self
        }
    }

    /// Number of elements.
    pub fn elements(self) -> usize {
        self.length * self.count
    }

    /// One past the last element; `None` where it overflows.
    pub fn end(self) -> Option<usize> {
        let before_last = self.count.checked_sub(1)?.checked_mul(self.stride)?;
        self.start
            .checked_add(before_last)?
            .checked_add(self.length)
    }

    /// The runs' bytes of a tensor with elements of `width` bytes; empty where the tensor is shorter.
    pub fn gather(self, bytes: &[u8], width: usize) -> Cow<'_, [u8]> {
        let inside = self.end().and_then(|end| end.checked_mul(width));
        if inside.is_none_or(|end| end > bytes.len()) {
            return Cow::Borrowed(&[]);
        }
        if self.count == 1 {
            let run = bytes.get(self.start * width..(self.start + self.length) * width);
            return Cow::Borrowed(run.unwrap_or_default());
        }
        let mut gathered = Vec::with_capacity(self.elements() * width);
        for run in 0..self.count {
            let start = (self.start + run * self.stride) * width;
            if let Some(run) = bytes.get(start..start + self.length * width) {
                gathered.extend_from_slice(run);
            }
        }
        Cow::Owned(gathered)
    }

    /// Writes what [`Self::gather`] would read. False where either side is too short; the target may
    /// then hold a part.
    pub fn scatter(self, source: &[u8], target: &mut [u8], width: usize) -> bool {
        let length = self.length * width;
        if length == 0 || source.len() != length * self.count {
            return false;
        }
        source.chunks_exact(length).enumerate().all(|(run, from)| {
            let start = (self.start + run * self.stride) * width;
            match target.get_mut(start..start + length) {
                Some(into) => {
                    into.copy_from_slice(from);
                    true
                }
                None => false,
            }
        })
    }
}

impl Part {
    /// The elements of the part of a tensor of that shape; `None` for the whole of it.
    pub fn runs(self, shape: &[usize]) -> Option<Runs> {
        match self {
            Self::Whole => None,
            Self::Expert(expert) => {
                let size = shape.iter().skip(1).product::<usize>();
                Some(Runs::slab(size.saturating_mul(expert as usize), size))
            }
            Self::Runs(runs) => Some(runs),
        }
    }

    /// The part's bytes of a tensor of that shape with elements of `width` bytes, in row-major order;
    /// copied only where they do not lie together. Empty where the tensor is shorter than its shape.
    pub fn cut<'a>(self, bytes: &'a [u8], shape: &[usize], width: usize) -> Cow<'a, [u8]> {
        self.runs(shape)
            .map_or(Cow::Borrowed(bytes), |runs| runs.gather(bytes, width))
    }
}

/// A matrix of `rows` x `cols` elements of `width` bytes, transposed.
pub fn transpose(bytes: &[u8], rows: usize, cols: usize, width: usize) -> Vec<u8> {
    /// Rows and columns that are moved at a time, so that both sides stay in the cache.
    const TILE: usize = 32;
    if width == 0 || bytes.len() != rows * cols * width {
        return Vec::new();
    }
    let mut transposed = vec![0; bytes.len()];
    for first_row in (0..rows).step_by(TILE) {
        for first_col in (0..cols).step_by(TILE) {
            for row in first_row..rows.min(first_row + TILE) {
                for col in first_col..cols.min(first_col + TILE) {
                    let (from, into) = ((row * cols + col) * width, (col * rows + row) * width);
                    if let (Some(from), Some(into)) = (
                        bytes.get(from..from + width),
                        transposed.get_mut(into..into + width),
                    ) {
                        into.copy_from_slice(from);
                    }
                }
            }
        }
    }
    transposed
}
