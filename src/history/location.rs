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
    /// Where an address cannot be read or has a scheme that is neither, and where a path looks like an
    /// address or keeps nothing.
    pub fn parse(text: &str) -> Result<Self, String> {
        let path = text.strip_prefix("sqlite://").unwrap_or(text);
        if let Some(("postgres" | "postgresql", _)) = path.split_once("://") {
            let url = Url::parse(path).map_err(|error| error.to_string())?;
            return Ok(Self::Postgres(Box::new(url)));
        }
        if let Some(scheme) = scheme(path) {
            return Err(format!(
                "`{scheme}` is no kind of store; it is a path or `postgres://...`"
            ));
        }
        if path.is_empty() {
            return Err("there is no path".to_owned());
        }
        if path.ends_with(":memory:") {
            return Err("a history in memory is gone with the run".to_owned());
        }
        if path.contains("://") {
            return Err("it is an address without a scheme".to_owned());
        }
        if path.contains("password=") {
            return Err("it holds a password, and is no `postgres://...`".to_owned());
        }
        Ok(Self::File(PathBuf::from(path)))
    }

    /// As much of an argument that is no location as may be shown: a wrong address may hold a password
    /// anywhere.
    pub fn shown(text: &str) -> String {
        match scheme(text) {
            Some(scheme) => format!("{scheme}:..."),
            None if text.contains("://") || text.contains("password=") => "...".to_owned(),
            None => text.to_owned(),
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

/// The scheme of what is, or was meant as, an address.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    let has_form = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter));
    let is_database = ["postgres", "postgresql"]
        .iter()
        .any(|name| scheme.eq_ignore_ascii_case(name));
    (has_form && (is_database || rest.starts_with("//"))).then_some(scheme)
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
    fn what_is_meant_as_an_address_is_no_path_and_shows_no_password() {
        for text in [
            "postgres://gate:hunter2/nights",
            "postgres://gate@db:port/x?password=hunter2",
            "mysql://h/db?password=hunter2",
            "postgres:/gate:hunter2@db/n",
            "POSTGRES://gate:hunter2@db/n",
            "sqlite://postgres:gate:hunter2@db/n",
            "gate:hunter2@postgres://db/n",
            "host=db user=gate password=hunter2",
        ] {
            let problem = Location::parse(text);
            let problem = problem
                .as_ref()
                .map_or_else(String::clone, Location::to_string);
            let shown = Location::shown(text);
            assert!(Location::parse(text).is_err(), "{text}");
            assert!(!problem.contains("hunter2"), "{problem}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        assert_eq!(Location::shown("postgres://gate:x/n"), "postgres:...");
    }

    #[test]
    fn a_colon_in_the_name_of_a_file_is_no_scheme() {
        for text in ["nights:2026.db", "C:\\nights.db", "a/b:c"] {
            let file = Location::File(PathBuf::from(text));
            assert_eq!(Location::parse(text), Ok(file));
        }
    }

    #[test]
    fn a_store_that_keeps_nothing_is_refused() {
        for text in [":memory:", "sqlite://:memory:", "sqlite::memory:"] {
            let error = Location::parse(text).unwrap_err();
            assert!(error.contains("memory"), "{error}");
        }
    }

    #[test]
    fn the_name_of_a_file_is_never_an_option() {
        let url = Location::parse("a?mode=memory#é.db")
            .unwrap()
            .connection_url(false);
        assert_eq!(url, "sqlite:a%3fmode%3dmemory%23%c3%a9.db?mode=rw");
    }
}
