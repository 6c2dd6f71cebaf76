//! Patterns of local paths: `'runs/x/checkpoint-*'`.

use std::path::{Path, PathBuf};

use globset::GlobBuilder;

use super::TrackError;
use crate::fs;
use crate::layer::natural_order;

/// What a pattern leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expanded {
    /// Folders and `.safetensors` files, in natural order.
    pub references: Vec<String>,
    /// Other files that the pattern matches; they are no checkpoints.
    pub left_out: Vec<String>,
}

/// Whether a reference is a pattern: a local path with `*`, `?` or `[` that is not there by that name.
pub fn is_pattern(reference: &str) -> bool {
    !reference.contains("://")
        && !reference.starts_with("file:")
        && reference.contains(['*', '?', '['])
        && !Path::new(reference).exists()
}

/// The paths that match, where each part between two `/` is matched by itself; names that start with a dot
/// are only matched by a dot.
///
/// # Errors
/// Where the pattern cannot be read, a folder cannot be listed, or nothing matches.
pub fn expand(pattern: &str) -> Result<Expanded, TrackError> {
    let root = if pattern.starts_with('/') { "/" } else { "" };
    let mut paths = vec![PathBuf::from(root)];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        paths = step(&paths, part, pattern)?;
    }
    let mut expanded = Expanded::default();
    for path in paths {
        let name = path.display().to_string();
        let weights = path
            .extension()
            .is_some_and(|extension| extension == "safetensors");
        if path.is_dir() || weights {
            expanded.references.push(name);
        } else {
            expanded.left_out.push(name);
        }
    }
    if expanded.references.is_empty() {
        return Err(TrackError::NoMatch {
            pattern: pattern.to_owned(),
        });
    }
    expanded
        .references
        .sort_by(|left, right| natural_order(left, right));
    Ok(expanded)
}

/// What lies under each path by a name that matches.
fn step(paths: &[PathBuf], part: &str, pattern: &str) -> Result<Vec<PathBuf>, TrackError> {
    if !part.contains(['*', '?', '[']) {
        let joined = paths.iter().map(|path| path.join(part));
        return Ok(joined.filter(|path| path.exists()).collect());
    }
    let matcher = GlobBuilder::new(part)
        .literal_separator(true)
        .build()
        .map_err(|error| TrackError::Pattern {
            pattern: pattern.to_owned(),
            problem: error.kind().to_string(),
        })?
        .compile_matcher();
    let mut found = Vec::new();
    for path in paths {
        let folder = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        if !folder.is_dir() {
            continue;
        }
        let names = fs::list(folder)?;
        let visible = |name: &&String| !name.starts_with('.') || part.starts_with('.');
        let matching = names
            .iter()
            .filter(visible)
            .filter(|name| matcher.is_match(name));
        found.extend(matching.map(|name| path.join(name)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_finds_folders_and_weights_and_names_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["checkpoint-10", "checkpoint-9", "other", ".checkpoint-1"] {
            fs::create_dir_all(&at(name)).unwrap();
        }
        fs::write_atomic(&at("checkpoint-11.safetensors"), b"").unwrap();
        fs::write_atomic(&at("checkpoint-log.csv"), b"").unwrap();
        let root = folder.path().display();
        let Expanded {
            references,
            left_out,
        } = expand(&format!("{root}/checkpoint-*")).unwrap();
        let expected = ["checkpoint-9", "checkpoint-10", "checkpoint-11.safetensors"];
        assert_eq!(references, expected.map(|name| format!("{root}/{name}")));
        assert_eq!(left_out, [format!("{root}/checkpoint-log.csv")]);
        let error = expand(&format!("{root}/epoch-*")).unwrap_err();
        assert!(error.to_string().contains("epoch-*"), "{error}");
        assert!(expand(&format!("{root}/[")).is_err());
    }

    #[test]
    fn a_path_that_is_there_and_a_remote_one_are_no_patterns() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("run[1]");
        assert!(is_pattern(&odd.display().to_string()));
        fs::create_dir_all(&odd).unwrap();
        assert!(!is_pattern(&odd.display().to_string()));
        assert!(!is_pattern("hf://a/b@*"));
        assert!(!is_pattern("runs/x"));
    }
}
