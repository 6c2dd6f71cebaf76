//! Where a history is kept.

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

/// A SQLite file, or the address of a PostgreSQL database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    File(PathBuf),
    Postgres(Box<Url>),
}

impl Location {
    /// `postgres://...` and `postgresql://...` are addresses, everything else is a path.
    ///
    /// # Errors
    /// Where an address cannot be read, or has a scheme that is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        let path = text.strip_prefix("sqlite://").unwrap_or(text);
        match path.split_once("://") {
            None if path.is_empty() => Err("there is no path".to_owned()),
            None => Ok(Self::File(PathBuf::from(path))),
            Some(("postgres" | "postgresql", _)) => {
                let url = Url::parse(path).map_err(|error| error.to_string())?;
                Ok(Self::Postgres(Box::new(url)))
            }
            Some((scheme, _)) => Err(format!(
                "`{scheme}` is no kind of store; it is a path or `postgres://...`"
            )),
        }
    }

    /// What the driver connects to. A file is opened to write even where it is only read: what a writer
    /// that was killed left half-way has to be taken back first.
    pub(super) fn connection_url(&self, create: bool) -> String {
        match self {
            Self::Postgres(url) => url.to_string(),
            Self::File(path) => {
                let mode = if create { "rwc" } else { "rw" };
                format!("sqlite:{}?mode={mode}", encode(path))
            }
        }
    }
}

/// Percent-encodes every byte that is not plain, so that no name of a file is read as an option.
fn encode(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            text.push(char::from(*byte));
        } else {
            text.push('%');
            for digit in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(u32::from(digit), 16));
            }
        }
    }
    text
}

/// Without user, password and options, which may hold a password too.
impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(formatter),
            Self::Postgres(url) => {
                let host = url.host_str().unwrap_or_default();
                write!(formatter, "postgres://{host}{}", url.path())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let text = "postgres://gate:hunter2@db.example:5433/nights?password=hunter3";
        let location = Location::parse(text).unwrap();
        assert_eq!(location.to_string(), "postgres://db.example/nights");
    }

    #[test]
    fn anything_without_a_scheme_is_a_path() {
        let file = |text: &str| Location::File(PathBuf::from(text));
        assert_eq!(Location::parse("a b.db").unwrap(), file("a b.db"));
        assert_eq!(
            Location::parse("sqlite:///x/y.db").unwrap(),
            file("/x/y.db")
        );
        assert!(Location::parse("").is_err());
        let error = Location::parse("mysql://host/db").unwrap_err();
        assert!(error.contains("`mysql`"), "{error}");
    }

    #[test]
    fn the_name_of_a_file_is_never_an_option() {
        let url = Location::parse("a?mode=memory#é.db")
            .unwrap()
            .connection_url(false);
        assert_eq!(url, "sqlite:a%3fmode%3dmemory%23%c3%a9.db?mode=rw");
    }
}
