//! Which bytes were judged: SHA-256 of tensors and of the checkpoint as a whole.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// SHA-256 of a tensor that is read in pieces.
#[derive(Debug, Clone, Default)]
pub struct TensorHash(Sha256);

impl TensorHash {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Lower-case hexadecimal digits.
    pub fn finish(self) -> String {
        let mut text = String::with_capacity(64);
        for byte in self.0.finalize() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// SHA-256 of `bytes` in lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    let mut hash = TensorHash::new();
    hash.update(bytes);
    hash.finish()
}

/// One tensor of a checkpoint's digest.
#[derive(Debug, Clone, Copy)]
pub struct TensorDigest<'a> {
    pub name: &'a str,
    /// Dtype name of safetensors (`BF16`).
    pub dtype: &'a str,
    pub shape: &'a [usize],
    /// From [`sha256_hex`] or [`TensorHash`].
    pub sha256: &'a str,
}

/// `sha256:...` over the sorted lines `name dtype shape sha256(bytes)` of the tensors, each ended by
/// a line feed; a shape is written `[32,48]`. It does not depend on the order of the tensors, on
/// shards or on the file's metadata.
pub fn checkpoint_digest<'a>(tensors: impl IntoIterator<Item = TensorDigest<'a>>) -> String {
    let mut lines: Vec<String> = tensors
        .into_iter()
        .map(|tensor| {
            let sides: Vec<String> = tensor.shape.iter().map(ToString::to_string).collect();
            format!(
                "{} {} [{}] {}\n",
                tensor.name,
                tensor.dtype,
                sides.join(","),
                tensor.sha256
            )
        })
        .collect();
    lines.sort();
    format!("sha256:{}", sha256_hex(lines.concat().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_sha_256_also_in_pieces() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_hex(b"abc"), expected);
        let mut hash = TensorHash::new();
        hash.update(b"a");
        hash.update(b"bc");
        assert_eq!(hash.finish(), expected);
    }

    #[test]
    fn the_digest_is_over_sorted_lines_whatever_the_order() {
        let first = TensorDigest {
            name: "a.weight",
            dtype: "BF16",
            shape: &[32, 48],
            sha256: "00",
        };
        let second = TensorDigest {
            name: "b.bias",
            dtype: "F32",
            shape: &[],
            sha256: "ff",
        };
        let expected = format!(
            "sha256:{}",
            sha256_hex(b"a.weight BF16 [32,48] 00\nb.bias F32 [] ff\n")
        );
        assert_eq!(checkpoint_digest([second, first]), expected);
        assert_eq!(checkpoint_digest([first, second]), expected);
    }
}
