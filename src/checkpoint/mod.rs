//! Bytes on disk in, named tensors out.
