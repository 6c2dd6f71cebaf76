//! Results on disk, keyed by what they were computed from.
//!
//! An entry is one file: a line that names the format, the key, the SHA-256 of the payload, and the
//! payload. What does not fit (another format, another key, a payload with another hash) is no entry:
//! it is computed again and replaced. Entries are written by a rename, so a run that is killed leaves
//! whole entries, and the next one goes on from there.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::checkpoint::fingerprint::sha256_hex;
use crate::fs::{self, FsError};

const FORMAT: &str = "tunegate-cache 1";

/// What an entry was computed from: SHA-256 in hexadecimal digits over everything that decides it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// From the parts that decide a result. Parts are told apart by their lengths, so that no two
    /// lists of parts give one key.
    pub fn of(parts: &[&str]) -> Self {
        let lines: Vec<String> = parts
            .iter()
            .map(|part| format!("{} {part}\n", part.len()))
            .collect();
        Self(sha256_hex(lines.concat().as_bytes()))
    }
}

/// How often the cache helped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub reused: u64,
    pub missing: u64,
    /// Entries that were there and did not hold; they were computed again.
    pub damaged: u64,
    /// Results that could not be written.
    pub unwritten: u64,
}

/// A folder of entries. Safe to share between threads and between processes.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    reused: AtomicU64,
    missing: AtomicU64,
    damaged: AtomicU64,
    unwritten: AtomicU64,
}

impl Store {
    /// Opens the folder, and creates it where it is missing.
    ///
    /// # Errors
    /// Where the folder cannot be created or written to.
    pub fn open(folder: &Path) -> Result<Self, FsError> {
        fs::create_dir_all(folder)?;
        fs::check_writable(&folder.join("entry"))?;
        Ok(Self {
            folder: folder.to_path_buf(),
            reused: AtomicU64::new(0),
            missing: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
            unwritten: AtomicU64::new(0),
        })
    }

    /// The value stored under `key`, read by `parse`; `None` where there is none that holds.
    pub fn get<T>(&self, key: &Key, parse: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        let Ok(bytes) = fs::read(&self.path(key)) else {
            self.missing.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        let value = payload(&bytes, key).and_then(parse);
        let counter = if value.is_some() {
            &self.reused
        } else {
            &self.damaged
        };
        counter.fetch_add(1, Ordering::Relaxed);
        value
    }

    /// Stores a payload. A cache that cannot be written costs time later and nothing now, so a
    /// failure is only counted.
    pub fn put(&self, key: &Key, payload: &[u8]) {
        let path = self.path(key);
        let mut bytes = format!("{FORMAT}\n{}\n{}\n", key.0, sha256_hex(payload)).into_bytes();
        bytes.extend_from_slice(payload);
        let folder = path.parent().unwrap_or(&self.folder);
        let written = fs::create_dir_all(folder).and_then(|()| fs::write_atomic(&path, &bytes));
        if written.is_err() {
            self.unwritten.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn usage(&self) -> Usage {
        Usage {
            reused: self.reused.load(Ordering::Relaxed),
            missing: self.missing.load(Ordering::Relaxed),
            damaged: self.damaged.load(Ordering::Relaxed),
            unwritten: self.unwritten.load(Ordering::Relaxed),
        }
    }

    fn path(&self, key: &Key) -> PathBuf {
        let shelf: String = key.0.chars().take(2).collect();
        self.folder.join(shelf).join(&key.0)
    }
}

/// The payload of an entry's bytes, if the entry is whole and under its own key.
fn payload<'a>(bytes: &'a [u8], key: &Key) -> Option<&'a [u8]> {
    let mut rest = bytes;
    let mut line = || {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let (line, tail) = rest.split_at(end);
        rest = tail.get(1..)?;
        std::str::from_utf8(line).ok()
    };
    let (format, stored_key, hash) = (line()?, line()?, line()?);
    let whole = format == FORMAT && stored_key == key.0 && hash == sha256_hex(rest);
    whole.then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Option<String> {
        String::from_utf8(bytes.to_vec()).ok()
    }

    #[test]
    fn what_was_put_comes_back_under_its_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let key = Key::of(&["a", "b"]);
        assert_eq!(store.get(&key, text), None);
        store.put(&key, b"value");
        assert_eq!(store.get(&key, text).as_deref(), Some("value"));
        assert_eq!(store.get(&Key::of(&["ab"]), text), None);
        let usage = store.usage();
        assert_eq!((usage.reused, usage.missing, usage.damaged), (1, 2, 0));
    }

    #[test]
    fn parts_are_told_apart() {
        assert_ne!(Key::of(&["ab", "c"]), Key::of(&["a", "bc"]));
        assert_ne!(Key::of(&["a\n1 b"]), Key::of(&["a", "b"]));
    }

    #[test]
    fn an_entry_that_was_changed_or_cut_or_moved_is_no_entry() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let (key, other) = (Key::of(&["key"]), Key::of(&["other"]));
        store.put(&key, b"value");
        let whole = fs::read(&store.path(&key)).unwrap();
        for end in 0..whole.len() {
            fs::write_atomic(&store.path(&key), &whole[..end]).unwrap();
            assert_eq!(store.get(&key, text), None, "cut to {end} bytes");
        }
        for index in 0..whole.len() {
            let mut changed = whole.clone();
            changed[index] ^= 1;
            fs::write_atomic(&store.path(&key), &changed).unwrap();
            assert_eq!(store.get(&key, text), None, "byte {index} changed");
        }
        fs::create_dir_all(store.path(&other).parent().unwrap()).unwrap();
        fs::write_atomic(&store.path(&other), &whole).unwrap();
        assert_eq!(store.get(&other, text), None);
    }

    #[test]
    fn a_value_that_cannot_be_read_counts_as_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let key = Key::of(&["key"]);
        store.put(&key, b"value");
        assert_eq!(store.get(&key, |_| None::<u8>), None);
        assert_eq!(store.usage().damaged, 1);
    }
}
