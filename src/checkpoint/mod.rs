//! Bytes on disk in, named tensors out.
//!
//! [`Checkpoint::open`] reads headers and side files, and of quantised tensors the few small parts
//! that decide their shape, never the weights; [`Checkpoint::bytes`] then
//! reads one tensor at a time by position from files that were opened once, so memory is one tensor
//! and a file that a trainer replaces meanwhile is not mixed with its successor. Nothing is mapped
//! into memory: a file cut off under a mapping would kill the process instead of giving an error.
//!
//! Everything on disk is untrusted. What cannot be read at all is a [`CheckpointError`]; what can be
//! read but does not hold together is a [`Defect`], and the tensors whose bytes are there stay
//! readable. A tensor that is not read as weights is listed in [`Checkpoint::skipped`] with the
//! reason. An [`Adapter`] is opened by itself and put on its base by [`Checkpoint::with_adapter`].
//! Format: <https://github.com/huggingface/safetensors#format>.
#![warn(clippy::indexing_slicing)]

mod adapter;
mod decode;
mod dtype;
mod error;
pub mod fingerprint;
mod header;
mod json;
mod layout;
mod open;
mod pair;
mod quantised;
mod rounding;
mod shards;
mod side;
mod source;
mod tensor;
#[cfg(test)]
mod tests;

pub use self::adapter::{Adapter, AdapterError, AdapterModule, AdapterModules, LowRankUpdate};
pub use self::decode::{decode_f32, decode_f64, to_f32, to_f64};
pub use self::dtype::Dtype;
pub use self::error::CheckpointError;
pub use self::header::HeaderError;
pub use self::layout::LaidOut;
pub use self::pair::{Pairing, pair};
pub use self::source::{
    Access, AccessOptions, HubSettings, ReadAhead, Refusal, RemoteError, TimeLimit, read_ahead,
};
pub use self::tensor::{Checkpoint, Defect, Skipped, Tensor};
