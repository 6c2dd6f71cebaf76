//! The checkout that the program runs in: paths from its root, and files of other commits that it
//! happens to hold.
//!
//! A runner's usual checkout holds one commit only, so "not here" is an ordinary answer, told apart
//! from "that commit has no such file".

use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use crate::fs;

#[derive(Debug, Clone)]
pub struct Checkout {
    root: PathBuf,
    /// The folder in which paths are read, with every link resolved.
    folder: PathBuf,
}

/// A file of another commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    Text(String),
    /// The commit is here, and has no such file.
    Missing,
    /// The checkout cannot tell.
    NotHere,
}

impl Checkout {
    /// The repository around the current folder; otherwise the runner's workspace around it.
    pub fn find(workspace: Option<&Path>) -> Option<Self> {
        let folder = fs::canonical(Path::new(".")).ok()?;
        let workspace = workspace.and_then(|path| fs::canonical(path).ok());
        let repository = folder
            .ancestors()
            .find(|folder| folder.join(".git").exists());
        let root = match repository {
            Some(root) => root.to_path_buf(),
            None => workspace.filter(|workspace| folder.starts_with(workspace))?,
        };
        Some(Self { root, folder })
    }

    /// The path from the root, with `/` between folders; `None` where it leads out of the repository.
    pub fn path_of(&self, path: &Path) -> Option<String> {
        let mut parts: Vec<Component<'_>> = Vec::new();
        let whole = self.folder.join(path);
        for part in whole.components() {
            match part {
                Component::ParentDir => {
                    parts.pop();
                }
                Component::CurDir => {}
                Component::Prefix(_) | Component::RootDir | Component::Normal(_) => {
                    parts.push(part);
                }
            }
        }
        let clean: PathBuf = parts.into_iter().collect();
        let inside = clean.strip_prefix(&self.root).ok()?;
        let names: Option<Vec<&str>> = inside.iter().map(|name| name.to_str()).collect();
        names
            .map(|names| names.join("/"))
            .filter(|path| !path.is_empty())
    }

    /// Text of a file at `revision`, by the repository's own store; nothing is fetched.
    pub fn file_at(&self, revision: &str, path: &str) -> Stored {
        if revision.starts_with('-') {
            return Stored::NotHere;
        }
        let commit = format!("{revision}^{{commit}}");
        if self.git(&["cat-file", "-e", &commit]).is_none() {
            return Stored::NotHere;
        }
        let Some(listed) = self.git(&["ls-tree", "-z", "--full-tree", revision, "--", path]) else {
            return Stored::NotHere;
        };
        if listed.is_empty() {
            return Stored::Missing;
        }
        match self.git(&["cat-file", "blob", &format!("{revision}:{path}")]) {
            Some(bytes) => String::from_utf8(bytes).map_or(Stored::NotHere, Stored::Text),
            None => Stored::NotHere,
        }
    }

    /// What git prints; `None` where it is not installed or says no.
    fn git(&self, args: &[&str]) -> Option<Vec<u8>> {
        let output = Command::new("git")
            .arg("-C")
            .arg(&self.root)
            .arg("--literal-pathspecs")
            .args(args)
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        output.status.success().then_some(output.stdout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkout(root: &str, folder: &str) -> Checkout {
        Checkout {
            root: PathBuf::from(root),
            folder: PathBuf::from(folder),
        }
    }

    #[test]
    fn a_path_is_read_in_the_folder_and_named_from_the_root() {
        let checkout = checkout("/work/repo", "/work/repo/models/a");
        let path = |text: &str| checkout.path_of(Path::new(text));
        assert_eq!(path("gate.toml").as_deref(), Some("models/a/gate.toml"));
        assert_eq!(path("./../gate.toml").as_deref(), Some("models/gate.toml"));
        assert_eq!(path("/work/repo/gate.toml").as_deref(), Some("gate.toml"));
        for outside in [
            "../../../gate.toml",
            "/etc/gate.toml",
            "../..",
            "/work/repository/x",
        ] {
            assert_eq!(path(outside), None, "{outside}");
        }
    }

    #[test]
    fn a_revision_that_is_an_option_is_not_handed_to_git() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        assert_eq!(checkout(root, root).file_at("--help", "x"), Stored::NotHere);
    }
}
