//! The first line of a comment of ours: by it the next run finds the comment, and knows whose it is.
//!
//! ```text
//! <!-- tunegate:v1 key=0123456789ab run=77.2 head=ce587453ced02b1526dfb4cb910479d431683101 -->
//! ```
//!
//! The line counts only in a comment that our login wrote: anybody may write such a line.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use super::{CommitSha, RunId};

const START: &str = "<!-- tunegate:v1 ";
const END: &str = " -->";
/// Hexadecimal digits of a key.
const KEY_DIGITS: usize = 12;

/// Tells the comments of several gates in one repository apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// Of the input `comment-key`, where it is set.
    pub fn of_name(name: &str) -> Self {
        Self::hashed(&["name", name])
    }

    /// Of the workflow and the job, which differ between gates that nobody named.
    pub fn of_job(workflow: &str, job: &str) -> Self {
        Self::hashed(&["job", workflow, job])
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn hashed(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            // With its length, so that `a` + `bc` is not `ab` + `c`.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let mut digits = String::new();
        for byte in hash.finalize() {
            for digit in [byte >> 4, byte & 15] {
                digits.extend(char::from_digit(u32::from(digit), 16));
            }
        }
        digits.truncate(KEY_DIGITS);
        Self(digits)
    }
}

impl FromStr for Key {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text
            .chars()
            .all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase());
        if text.len() == KEY_DIGITS && digits {
            Ok(Self(text.to_owned()))
        } else {
            Err(())
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    pub key: Key,
    /// The run that wrote the comment last.
    pub run: RunId,
    /// The commit that it is about.
    pub head: CommitSha,
}

impl Marker {
    /// Of the first line of a comment; `None` where it is no marker of this version.
    pub fn find(body: &str) -> Option<Self> {
        let line = body.lines().next()?.trim_end();
        let fields = line.strip_prefix(START)?.strip_suffix(END)?;
        let mut fields = fields.split(' ');
        let mut field = |name: &str| fields.next()?.strip_prefix(name)?.strip_prefix('=');
        let key = field("key")?.parse().ok()?;
        let (run, attempt) = field("run")?.split_once('.')?;
        let run = RunId {
            run: run.parse().ok()?,
            attempt: attempt.parse().ok()?,
        };
        let head = field("head")?.parse().ok()?;
        fields.next().is_none().then_some(Self { key, run, head })
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, run, head } = self;
        let (key, head) = (key.as_str(), head.as_str());
        write!(
            formatter,
            "{START}key={key} run={}.{} head={head}{END}",
            run.run, run.attempt
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker() -> Marker {
        Marker {
            key: Key::of_name("gate"),
            run: RunId {
                run: 77,
                attempt: 2,
            },
            head: "ce587453ced02b1526dfb4cb910479d431683101".parse().unwrap(),
        }
    }

    #[test]
    fn a_marker_is_found_again_in_the_first_line_only() {
        let marker = marker();
        assert_eq!(
            Marker::find(&format!("{marker}\ntext")),
            Some(marker.clone())
        );
        assert_eq!(
            Marker::find(&format!("{marker}\r\ntext")),
            Some(marker.clone())
        );
        assert_eq!(Marker::find(&format!("text\n{marker}")), None);
        assert_eq!(Marker::find(&format!("> {marker}")), None);
    }

    #[test]
    fn a_line_that_only_looks_like_a_marker_is_none() {
        let text = marker().to_string();
        for (from, to) in [
            ("v1", "v2"),
            ("run=77.2", "run=77"),
            ("run=77.2", "run=-1.2"),
            ("head=ce58", "head=zz58"),
            (" -->", " more -->"),
            (" -->", ""),
            ("key=", "key=f"),
        ] {
            assert_eq!(
                Marker::find(&text.replace(from, to)),
                None,
                "{from} -> {to}"
            );
        }
        assert_eq!(Marker::find(""), None);
    }

    #[test]
    fn gates_with_other_names_or_jobs_have_other_keys() {
        let keys = [
            Key::of_name("gate"),
            Key::of_name("lora"),
            Key::of_job("gate", ""),
            Key::of_job("a", "bc"),
            Key::of_job("ab", "c"),
        ];
        for (index, key) in keys.iter().enumerate() {
            assert_eq!(key.as_str().len(), KEY_DIGITS);
            assert!(!keys[..index].contains(key));
        }
        assert_eq!(Key::of_name("gate"), Key::of_name("gate"));
    }
}
