//! What a REF names.

use url::{Host, Url};

use super::error::RemoteError;
use super::name::is_plain;

/// A REF that is not a local path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remote {
    /// `hf://owner/name[@revision]`.
    Hub {
        repository: String,
        revision: Option<String>,
    },
    /// `s3://`, `gs://`, `az://`.
    Cloud { kind: Cloud, url: Url },
    /// `https://`, or `http://` on this machine.
    Web { url: Url },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cloud {
    S3,
    Gcs,
    Azure,
}

/// Reads a REF; `None` where it is a local path.
pub(super) fn parse(reference: &str) -> Result<Option<Remote>, RemoteError> {
    let Some((scheme, rest)) = reference.split_once("://") else {
        return Ok(None);
    };
    if scheme.is_empty() || !scheme.chars().all(|one| one.is_ascii_alphanumeric()) {
        return Ok(None);
    }
    let wrong = |problem: &str| RemoteError::Reference {
        reference: shown(reference),
        problem: problem.to_owned(),
    };
    if scheme == "hf" {
        return parse_hub(rest).map(Some).map_err(wrong);
    }
    let cloud = match scheme {
        "s3" => Some(Cloud::S3),
        "gs" => Some(Cloud::Gcs),
        "az" => Some(Cloud::Azure),
        "https" | "http" => None,
        _ => return Err(wrong("its scheme is none of hf, s3, gs, az and https")),
    };
    let url = Url::parse(reference).map_err(|error| wrong(&error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("credentials do not belong into a reference"));
    }
    if url.fragment().is_some() || url.host().is_none() {
        return Err(wrong("it needs a host or bucket, and no `#`"));
    }
    match cloud {
        Some(_) if url.query().is_some() => Err(wrong("a bucket's reference has no `?`")),
        Some(kind) => Ok(Some(Remote::Cloud { kind, url })),
        None if scheme == "http" && !is_this_machine(&url) => {
            Err(wrong("weights are not read over plain http: use https"))
        }
        None => Ok(Some(Remote::Web { url })),
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn parse_hub(rest: &str) -> Result<Remote, &'static str> {
    let (repository, revision) = match rest.split_once('@') {
        Some((repository, revision)) => (repository, Some(revision)),
        None => (rest, None),
    };
    let is_part = |part: &str| {
        let allowed = |one: char| one.is_ascii_alphanumeric() || matches!(one, '-' | '_' | '.');
        !part.is_empty()
            && part.chars().all(allowed)
            && !part.starts_with(['.', '-'])
            && !part.ends_with(['.', '-'])
            && !part.contains("..")
            && !part.contains("--")
    };
    let is_repository = repository
        .split_once('/')
        .is_some_and(|(owner, name)| is_part(owner) && is_part(name));
    if !is_repository {
        return Err("expected hf://owner/name[@revision]");
    }
    let allowed = |one: char| one.is_ascii_graphic() && !r#"?*[~^\:%#"'<>"#.contains(one);
    if revision.is_some_and(|name| !is_plain(name) || !name.chars().all(allowed)) {
        return Err("the revision after `@` is no name of a branch, a tag or a commit");
    }
    Ok(Remote::Hub {
        repository: repository.to_owned(),
        revision: revision.map(str::to_owned),
    })
}

/// A REF as reports and messages show it: a query may be a signature, a user part a password.
pub(super) fn shown(reference: &str) -> String {
    match Url::parse(reference) {
        Ok(mut url) if !url.cannot_be_a_base() && url.scheme() != "hf" => {
            let secret =
                url.query().is_some() || !url.username().is_empty() || url.password().is_some();
            if !secret {
                return reference.to_owned();
            }
            url.set_query(None);
            // Neither can fail for an address with a host.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.to_string()
        }
        Ok(_) => reference.to_owned(),
        // No address, so nothing to take out in a known place.
        Err(_) => reference
            .split(['?', '#'])
            .next()
            .unwrap_or_default()
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(repository: &str, revision: Option<&str>) -> Remote {
        Remote::Hub {
            repository: repository.to_owned(),
            revision: revision.map(str::to_owned),
        }
    }

    #[test]
    fn paths_are_local_and_known_schemes_are_remote() {
        for path in ["runs/ft", "/abs", "C:\\x", "./hf:x", "a+b://c", "://x"] {
            assert_eq!(parse(path).unwrap(), None, "{path}");
        }
        assert_eq!(parse("hf://a/b").unwrap(), Some(hub("a/b", None)));
        assert_eq!(
            parse("hf://a/b.c@refs/pr/12").unwrap(),
            Some(hub("a/b.c", Some("refs/pr/12")))
        );
        for url in [
            "s3://b/x",
            "gs://b",
            "az://c/x/",
            "https://h/x?sig=1",
            "http://127.0.0.1:80/x",
            "http://localhost/x",
            "http://[::1]/x",
        ] {
            assert!(parse(url).unwrap().is_some(), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for reference in [
            "hf://a",
            "hf://a/b/c",
            "hf://../b",
            "hf://a/..",
            "hf://a/b@",
            "hf://a/b@../x",
            "hf://a/b@x?y",
            "hf://a/b@x%2e",
            "hf://a/b@-\u{e9}",
            "hf://a--b/c",
            "ftp://h/x",
            "file:///x",
            "http://example.org/x",
            "https://user:secret@h/x",
            "https://token@h/x",
            "s3://b/x?y=z",
            "https://h/x#y",
            "s3:///x",
            "hf://a/b@a//b",
        ] {
            let error = parse(reference).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
            assert!(error.hint().is_some());
        }
    }

    #[test]
    fn a_signature_is_not_shown() {
        assert_eq!(
            shown("https://h/x/m.safetensors?sig=secret"),
            "https://h/x/m.safetensors"
        );
        assert_eq!(shown("https://u:secret@h/x"), "https://h/x");
        assert_eq!(shown("hf://a/b@refs/pr/1"), "hf://a/b@refs/pr/1");
        assert_eq!(shown("s3://bucket/x"), "s3://bucket/x");
    }
}
