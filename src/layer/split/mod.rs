//! How fused projections are put together: which rows or columns are queries, keys, values, gate, up.
//!
//! A tensor is split only where its name, the model's type and the numbers of the config all agree on
//! one layout and the numbers add up to the shape; otherwise it stays one matrix. Source of the
//! layouts: the forward passes of the models in `transformers` (Apache-2.0), read, not copied.

mod experts;
mod pieces;
mod projection;

pub(super) use self::experts::expert_layout;
pub(super) use self::pieces::Piece;
pub(super) use self::projection::{is_fused, is_input_first, split};
