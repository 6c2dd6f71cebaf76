//! `file:PATH#key.path`: a reference that is written in a file of the repository, so that a pull
//! request that changes a recipe names what is judged.
//!
//! The format goes by the file's name: `.json`, `.yaml` or `.yml`, `.toml`; any other file is text,
//! whose only line is the reference. The key is a path of names and indices with dots between them,
//! or a JSON pointer where it starts with `/`, for names that hold dots.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::fs::{self, FsError};

const SCHEME: &str = "file:";
/// A recipe is small; a checkpoint that was named by mistake is not.
const LARGEST_FILE: u64 = 4 << 20;

#[derive(Debug, thiserror::Error)]
pub enum IndirectError {
    #[error("cannot read the reference in `{reference}`")]
    Read {
        reference: String,
        #[source]
        source: FsError,
    },
    #[error("cannot read the reference in `{reference}`: {problem}")]
    Content { reference: String, problem: String },
}

/// What to do about any of them.
pub(super) const HINT: &str = "write `file:PATH#key.path` with the path of a JSON, YAML or TOML file and the key of a text in it";

/// What a `file:` reference names; any other reference is itself.
pub(super) fn resolve(reference: &str) -> Result<Cow<'_, str>, IndirectError> {
    let Some(rest) = reference.strip_prefix(SCHEME) else {
        return Ok(Cow::Borrowed(reference));
    };
    let (path, key) = match rest.split_once('#') {
        Some((path, key)) => (path, Some(key)),
        None => (rest, None),
    };
    let wrong = |problem: String| IndirectError::Content {
        reference: reference.to_owned(),
        problem,
    };
    let unreadable = |source| IndirectError::Read {
        reference: reference.to_owned(),
        source,
    };
    let path = PathBuf::from(path);
    let size = fs::size(&path).map_err(unreadable)?;
    if size > LARGEST_FILE {
        return Err(wrong(format!(
            "the file has {size} bytes, more than {LARGEST_FILE}"
        )));
    }
    let text = fs::read_to_string(&path).map_err(unreadable)?;
    let found = find(&path, &text, key).map_err(wrong)?;
    let found = found.trim();
    if found.is_empty() {
        return Err(wrong("the value is empty".to_owned()));
    }
    if found.starts_with(SCHEME) {
        return Err(wrong(format!("the value `{found}` leads to another file")));
    }
    Ok(Cow::Owned(found.to_owned()))
}

fn find(path: &Path, text: &str, key: Option<&str>) -> Result<String, String> {
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default();
    let document: Value = match extension.to_ascii_lowercase().as_str() {
        "json" => serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?,
        "yaml" | "yml" => {
            serde_saphyr::from_str(text).map_err(|error| format!("it is no YAML: {error}"))?
        }
        "toml" => toml::from_str(text).map_err(|error| format!("it is no TOML: {error}"))?,
        _ => return plain(text, key),
    };
    let key = key
        .filter(|key| !key.is_empty())
        .ok_or("there is no key after `#`")?;
    let pointer = if key.starts_with('/') {
        key.to_owned()
    } else {
        format!(
            "/{}",
            key.replace('~', "~0").replace('/', "~1").replace('.', "/")
        )
    };
    match document.pointer(&pointer) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(format!("`{key}` is {}, not a text", kind(other))),
        None => Err(format!("there is no `{key}`")),
    }
}

/// The only line that is neither blank nor a comment.
fn plain(text: &str, key: Option<&str>) -> Result<String, String> {
    if let Some(key) = key {
        return Err(format!("a text file has no keys, so no `{key}`"));
    }
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    match (lines.next(), lines.next()) {
        (Some(line), None) => Ok(line.to_owned()),
        (None, _) => Err("it is empty".to_owned()),
        (Some(_), Some(_)) => Err("it has more than one line".to_owned()),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(name: &str, text: &str, key: &str) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write_atomic(&path, text.as_bytes()).unwrap();
        resolve(&format!("file:{}{key}", path.display()))
            .map(Cow::into_owned)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn other_references_are_themselves() {
        for reference in ["runs/ft", "hf://org/name@main", "./file:x", ""] {
            assert_eq!(resolve(reference).unwrap(), reference);
        }
    }

    #[test]
    fn the_value_is_found_in_every_format() {
        let found = Ok("runs/ft".to_owned());
        let json = r#"{"train": {"out": ["x", "runs/ft"]}, "a.b": "runs/ft"}"#;
        assert_eq!(resolved("r.json", json, "#train.out.1"), found);
        assert_eq!(resolved("r.json", json, "#/a.b"), found);
        assert_eq!(
            resolved("r.yaml", "train:\n  out: runs/ft # last\n", "#train.out"),
            found
        );
        assert_eq!(resolved("r.YML", "- out: 'runs/ft'\n", "#0.out"), found);
        assert_eq!(
            resolved("r.toml", "[train]\nout = \"runs/ft\"\n", "#train.out"),
            found
        );
        assert_eq!(resolved("r.txt", "# the run\n\n  runs/ft \n", ""), found);
    }

    #[test]
    fn what_is_no_text_is_refused_with_what_was_found() {
        for (name, text, key, part) in [
            ("r.json", "{\"a\": 5}", "#a", "`a` is a number, not a text"),
            ("r.json", "{\"a\": 5}", "#b", "there is no `b`"),
            ("r.json", "{\"a\": 5}", "", "there is no key"),
            ("r.json", "{", "#a", "it is no JSON"),
            ("r.yaml", "a: [", "#a", "it is no YAML"),
            ("r.toml", "a = ", "#a", "it is no TOML"),
            ("r.txt", "a\nb\n", "", "more than one line"),
            ("r.txt", "a\n", "#a", "has no keys"),
            ("r.txt", "\n", "", "it is empty"),
            ("r.json", "{\"a\": \" \"}", "#a", "the value is empty"),
            (
                "r.json",
                "{\"a\": \"file:b\"}",
                "#a",
                "leads to another file",
            ),
        ] {
            let error = resolved(name, text, key).unwrap_err();
            assert!(error.contains(part), "{name} {text} {key}: {error}");
        }
        assert!(matches!(
            resolve("file:no/such.json#a"),
            Err(IndirectError::Read { .. })
        ));
    }

    #[test]
    fn a_document_that_explodes_is_refused() {
        let mut text = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (name, before) in "bcdefghij".chars().zip("abcdefghi".chars()) {
            let line = format!(
                "{name}: &{name} [{}]\n",
                vec![format!("*{before}"); 9].join(", ")
            );
            text.push_str(&line);
        }
        assert!(resolved("r.yaml", &text, "#a").is_err());
    }
}
