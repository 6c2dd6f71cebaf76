//! Parts of a matrix, and the ways to lay them out.

use crate::layer::{Role, Runs};

/// One part of a fused matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::layer) struct Piece {
    /// Shown in brackets behind the tensor's name.
    pub(in crate::layer) label: &'static str,
    /// As outside of experts and heads.
    pub(in crate::layer) role: Role,
    /// Of the matrix's elements.
    pub(in crate::layer) runs: Runs,
    pub(in crate::layer) rows: usize,
    pub(in crate::layer) cols: usize,
}

/// What a part is called, and its role.
pub(super) type Label = (&'static str, Role);

pub(super) const QUERY: Label = ("q", Role::AttentionQ);
pub(super) const KEY: Label = ("k", Role::AttentionK);
pub(super) const VALUE: Label = ("v", Role::AttentionV);
pub(super) const GATE: Label = ("gate", Role::MlpGate);
pub(super) const UP: Label = ("up", Role::MlpUp);

/// Parts of so many rows each, one after the other, in each of `groups` groups. `None` unless they
/// make up all rows.
pub(super) fn stacked(
    parts: &[(Label, usize)],
    groups: usize,
    rows: usize,
    cols: usize,
) -> Option<Vec<Piece>> {
    let group_rows = total(parts)?;
    if group_rows == 0 || group_rows.checked_mul(groups)? != rows {
        return None;
    }
    let mut first = 0;
    let mut pieces = Vec::new();
    for ((label, role), size) in parts {
        pieces.push(Piece {
            label,
            role: *role,
            runs: Runs::rows_of_groups(first, *size, group_rows, groups, cols),
            rows: size * groups,
            cols,
        });
        first += size;
    }
    Some(pieces)
}

/// Parts of so many columns each, one beside the other. `None` unless they make up all columns.
pub(super) fn side_by_side(
    parts: &[(Label, usize)],
    rows: usize,
    cols: usize,
) -> Option<Vec<Piece>> {
    if total(parts)? != cols || cols == 0 {
        return None;
    }
    let mut first = 0;
    let mut pieces = Vec::new();
    for ((label, role), width) in parts {
        pieces.push(Piece {
            label,
            role: *role,
            runs: Runs::columns(first, *width, rows, cols),
            rows,
            cols: *width,
        });
        first += width;
    }
    Some(pieces)
}

fn total(parts: &[(Label, usize)]) -> Option<usize> {
    parts
        .iter()
        .try_fold(0_usize, |total, (_, size)| total.checked_add(*size))
}
