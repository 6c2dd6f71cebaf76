//! Reads and checks the header of a safetensors file.
//!
//! Layout: 8 bytes header length (little-endian), the header as JSON, then the data. The header is
//! untrusted: it is read with limits, duplicate names are refused (JSON readers keep the last one
//! and would let two readers see two models), and offsets must cover the data without hole or
//! overlap. What follows the header is not looked at here.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::checkpoint::dtype::bits_of_name;
use crate::checkpoint::json::{Object, UniqueStrings};

/// Limit of the reference implementation.
pub(super) const MAX_HEADER_BYTES: u64 = 100_000_000;
const MAX_TENSORS: usize = 1_000_000;
const MAX_NAME_BYTES: usize = 1024;
const MAX_RANK: usize = 8;
/// Bytes of the length field.
pub(super) const LENGTH_BYTES: u64 = 8;

/// What a header says, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// In the order of the data.
    pub(super) entries: Vec<Entry>,
    /// Bytes of data that must follow the header.
    pub(super) data_length: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) dtype: String,
    pub(super) shape: Vec<usize>,
    /// Offsets from the start of the data.
    pub(super) begin: u64,
    pub(super) end: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    #[error("file of {size} bytes is too short for a safetensors header")]
    TooShort { size: u64 },
    #[error("it is a Git LFS pointer, not the file itself")]
    LfsPointer,
    #[error("header length {length} exceeds the limit of {MAX_HEADER_BYTES} bytes")]
    TooLong { length: u64 },
    #[error("header of {length} bytes does not fit into the file of {size} bytes")]
    PastTheEnd { length: u64, size: u64 },
    #[error("header is not the JSON of a safetensors file")]
    Json(#[source] serde_json::Error),
    #[error("tensor `{}`: {problem}", tensor.escape_debug())]
    Tensor { tensor: String, problem: String },
}

/// Length of the header in bytes, from the first 8 bytes of a file of `size` bytes.
pub(super) fn header_length(prefix: [u8; 8], size: u64) -> Result<u64, HeaderError> {
    if &prefix == b"version " {
        return Err(HeaderError::LfsPointer);
    }
    let length = u64::from_le_bytes(prefix);
    if length > MAX_HEADER_BYTES {
        return Err(HeaderError::TooLong { length });
    }
    if length + LENGTH_BYTES > size {
        return Err(HeaderError::PastTheEnd { length, size });
    }
    Ok(length)
}

/// Reads the JSON of a header.
pub(super) fn parse(json: &[u8]) -> Result<Header, HeaderError> {
    let RawHeader(raw) = serde_json::from_slice(json).map_err(HeaderError::Json)?;
    let mut entries = raw
        .into_iter()
        .map(|(name, entry)| check_entry(name, entry))
        .collect::<Result<Vec<_>, _>>()?;
    // An empty tensor comes before the one that starts where it does.
    entries.sort_by_key(|entry| (entry.begin, entry.end));
    let mut data_length = 0;
    for entry in &entries {
        if entry.begin != data_length {
            return Err(problem(
                &entry.name,
                format!(
                    "data starts at {} where {data_length} was expected: a hole or an overlap",
                    entry.begin
                ),
            ));
        }
        data_length = entry.end;
    }
    Ok(Header {
        entries,
        data_length,
    })
}

fn problem(tensor: &str, problem: String) -> HeaderError {
    // A hostile name can be as long as the header.
    let tensor = tensor.chars().take(100).collect();
    HeaderError::Tensor { tensor, problem }
}

fn check_entry(name: String, raw: RawEntry) -> Result<Entry, HeaderError> {
    let RawEntry {
        dtype,
        shape: RawShape(shape),
        data_offsets: (begin, end),
    } = raw;
    if name.len() > MAX_NAME_BYTES {
        let text = format!("name of {} bytes, limit {MAX_NAME_BYTES}", name.len());
        return Err(problem(&name, text));
    }
    // Digests are made of lines: a line feed in a name could make two checkpoints look equal.
    if name.chars().any(char::is_control) {
        return Err(problem(&name, "control character in the name".to_owned()));
    }
    if begin > end {
        let text = format!("data offsets {begin} to {end} run backwards");
        return Err(problem(&name, text));
    }
    let elements = shape
        .iter()
        .try_fold(1_u64, |product, side| product.checked_mul(*side));
    let sides: Option<Vec<usize>> = shape
        .iter()
        .map(|side| usize::try_from(*side).ok())
        .collect();
    let (Some(elements), Some(sides)) = (elements, sides) else {
        return Err(problem(&name, format!("shape {shape:?} overflows")));
    };
    check_size(&name, &dtype, elements, end - begin)?;
    Ok(Entry {
        name,
        dtype,
        shape: sides,
        begin,
        end,
    })
}

/// A dtype that the format does not know cannot be checked; such a tensor is skipped later.
fn check_size(name: &str, dtype: &str, elements: u64, length: u64) -> Result<(), HeaderError> {
    let Some(bits) = bits_of_name(dtype) else {
        return Ok(());
    };
    match elements.checked_mul(bits) {
        Some(total) if total % 8 == 0 && total / 8 == length => Ok(()),
        Some(total) => Err(problem(
            name,
            format!(
                "{elements} values of {dtype} take {total} bits, the offsets give {length} bytes"
            ),
        )),
        None => Err(problem(name, "size overflows".to_owned())),
    }
}

/// One tensor as the JSON has it. Further keys are let pass, as other readers do.
#[derive(Debug, Deserialize)]
struct RawEntry {
    dtype: String,
    shape: RawShape,
    data_offsets: (u64, u64),
}

/// The sides of a tensor. Collected up to the limit only: a header has room for millions of them.
#[derive(Debug)]
struct RawShape(Vec<u64>);

impl<'de> Deserialize<'de> for RawShape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = RawShape;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of sides")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<RawShape, A::Error> {
        let mut sides = Vec::new();
        while let Some(side) = sequence.next_element()? {
            if sides.len() == MAX_RANK {
                return Err(A::Error::custom(format!("more than {MAX_RANK} dimensions")));
            }
            sides.push(side);
        }
        Ok(RawShape(sides))
    }
}

/// All tensors of the JSON.
#[derive(Debug)]
struct RawHeader(BTreeMap<String, RawEntry>);

impl<'de> Deserialize<'de> for RawHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = RawHeader;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawHeader, A::Error> {
        let mut tensors = BTreeMap::new();
        let mut has_metadata = false;
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                if has_metadata {
                    return Err(A::Error::custom("duplicate key `__metadata__`"));
                }
                has_metadata = true;
                map.next_value::<UniqueStrings>()?;
                continue;
            }
            let Object(entry) = map.next_value()?;
            if tensors.len() == MAX_TENSORS {
                return Err(A::Error::custom(format!("more than {MAX_TENSORS} tensors")));
            }
            if tensors.contains_key(&name) {
                return Err(A::Error::custom(format!(
                    "duplicate tensor `{}`",
                    name.escape_debug()
                )));
            }
            tensors.insert(name, entry);
        }
        Ok(RawHeader(tensors))
    }
}
