//! A file of the repository at another commit, without a checkout of it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::client::{Client, encoded};
use super::{GitHubError, Repository};

#[derive(Debug, Deserialize)]
struct Content {
    #[serde(default, rename = "content")]
    bytes: String,
    #[serde(default)]
    encoding: String,
    #[serde(rename = "type")]
    kind: String,
}

/// Any answer will do: only whether there is one counts.
#[derive(Debug, Deserialize)]
struct Commit {
    #[serde(rename = "sha")]
    _sha: String,
}

/// Text of the file at `path` (from the root of the repository, `/` between folders) at `revision`;
/// `None` where that commit has no such file.
///
/// # Errors
/// Where GitHub cannot be asked. A token without `contents: read` gets 404 as well, so a missing file
/// counts only where the commit itself can be read.
pub fn file_at(
    client: &Client,
    repository: &Repository,
    path: &str,
    revision: &str,
) -> Result<Option<String>, GitHubError> {
    let revision = encoded(revision).replace('/', "%2F");
    let action = format!("read `{path}` at the base");
    let address = format!(
        "/repos/{repository}/contents/{}?ref={revision}",
        encoded(path)
    );
    let content: Content = match client.get(&action, &address) {
        Ok(content) => content,
        Err(error) if error.is_not_found() => {
            let _visible: Commit =
                client.get(&action, &format!("/repos/{repository}/commits/{revision}"))?;
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    text(content)
        .map(Some)
        .map_err(|problem| GitHubError::NoAnswer {
            action,
            method: "GET",
            path: address,
            problem,
        })
}

fn text(content: Content) -> Result<String, String> {
    let Content {
        bytes,
        encoding,
        kind,
    } = content;
    if kind != "file" {
        return Err(format!("it is a {kind}, not a file"));
    }
    if encoding != "base64" {
        return Err(format!(
            "its encoding is `{encoding}`; a policy has less than 1 MB"
        ));
    }
    let compact: String = bytes.chars().filter(|c| !c.is_whitespace()).collect();
    let bytes = BASE64_STANDARD
        .decode(compact)
        .map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, encoding: &str, content: &str) -> Result<String, String> {
        text(Content {
            bytes: content.to_owned(),
            encoding: encoding.to_owned(),
            kind: kind.to_owned(),
        })
    }

    #[test]
    fn the_text_comes_in_lines_of_base64() {
        assert_eq!(
            read("file", "base64", "dmVyc2lv\nbiA9IDEK\n"),
            Ok("version = 1\n".to_owned())
        );
    }

    #[test]
    fn a_folder_a_large_file_and_bytes_that_are_no_text_are_refused() {
        assert!(read("dir", "base64", "").is_err());
        assert!(read("file", "none", "").is_err());
        assert!(read("file", "base64", "////").is_err());
        assert!(read("file", "base64", "%").is_err());
    }
}
