//! Quantised weights as tensors of their true shape.
//!
//! A quantised matrix is a payload of codes with companions (scales, zero points, an order of the
//! inputs). [`resolve`] finds the payloads by the names and dtypes that each format uses, checks
//! every side against every other, and puts one tensor in the place of payload and companions, whose
//! values are computed whenever they are read. Layouts and formulas are in `docs/formats.md`.
//!
//! Nothing on disk is trusted. A format that is not known, or a variant that changes the formula, is
//! skipped with the reason ([`Problem::Unsupported`]); parts that do not fit together are skipped and
//! are a [`Defect`](crate::checkpoint::Defect) too ([`Problem::Broken`]). Where the config and the
//! shapes leave a choice, nothing is read: a wrong formula gives weights that look like weights.
//!
//! Values are the exact products in single precision, rounded once an operation in the order of the
//! format's own library; MXFP4's are exact in BF16. Memory is the result and the stored parts.

mod affine;
mod aside;
mod awq;
mod bits;
mod bitsandbytes;
mod codebook;
mod declared;
mod dequantise;
mod float4;
mod float8;
mod gptq;
mod integer8;
mod mixture;
mod packed;
mod parts;
mod resolve;

use crate::checkpoint::Dtype;

pub(super) use self::declared::Declared;
pub(super) use self::parts::Raw;
pub(super) use self::resolve::resolve;

/// How to make one tensor out of a payload and its companions.
#[derive(Debug)]
struct Plan {
    shape: Vec<usize>,
    dtype: Dtype,
    derive: std::sync::Arc<dyn crate::checkpoint::tensor::Derive>,
}

/// Why a payload is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    /// A format or variant that this version does not know.
    Unsupported(String),
    /// Parts that do not fit together.
    Broken(String),
}
