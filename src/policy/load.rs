//! From a name or path to the chain of files that make a policy.

use std::path::{Component, Path, PathBuf};

use super::Policy;
use super::file::PolicyFile;
use super::problem::{PolicyError, Problem, SourceText};
use super::read;
use super::rule::{self, RuleEntry};
use super::shipped::{self, shipped_names};
use super::show::EffectivePolicy;
use super::suggest::{nearest, one_of};
use super::table::Problems;
use super::{across, merge};
use crate::fs::{self, FsError};

/// More files than this in a chain are taken for a mistake.
const CHAIN_LIMIT: usize = 16;

/// How a policy file is read; a caller may read from somewhere else than the disk.
pub type ReadText<'a> = dyn Fn(&Path) -> Result<String, FsError> + 'a;

/// A file of the chain, read and checked on its own.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) source: SourceText,
    pub(super) file: PolicyFile,
    pub(super) rules: Vec<RuleEntry>,
    pub(super) problems: Vec<Problem>,
}

/// What makes two links the same file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Shipped(String),
    /// Cleaned of `.` and `..` by its text alone.
    File(PathBuf),
}

impl Policy {
    /// Loads a shipped policy by name, or a file by path.
    ///
    /// A shipped name wins over a file of that name; write `./default` for the file. Every mistake
    /// in the file and in the files that it extends is reported at once.
    pub fn load(name_or_path: &str) -> Result<Self, PolicyError> {
        Ok(EffectivePolicy::load(name_or_path)?.policy)
    }

    /// Reads a policy from text. `path` names it in messages and is where a relative `extends`
    /// starts from.
    pub fn parse(path: &str, text: &str) -> Result<Self, PolicyError> {
        Ok(EffectivePolicy::parse(path, text, &fs::read_to_string)?.policy)
    }
}

impl EffectivePolicy {
    /// As [`Policy::load`], with the origin of every value.
    pub fn load(name_or_path: &str) -> Result<Self, PolicyError> {
        Self::load_through(name_or_path, &fs::read_to_string)
    }

    /// As [`EffectivePolicy::load`], with files read through `read_text`.
    pub fn load_through(name_or_path: &str, read_text: &ReadText<'_>) -> Result<Self, PolicyError> {
        if let Some(source) = shipped::source(name_or_path) {
            let place = Place::Shipped(name_or_path.to_owned());
            return assemble(source, place, read_text);
        }
        let path = Path::new(name_or_path);
        match read_text(path) {
            Ok(text) => Self::parse(name_or_path, &text, read_text),
            Err(error) if error.is_not_found() && !looks_like_path(name_or_path) => {
                Err(unknown(name_or_path))
            }
            Err(source) => Err(PolicyError::Unreadable {
                name: name_or_path.to_owned(),
                source,
            }),
        }
    }

    /// As [`Policy::parse`], with extended files read through `read_text`.
    pub fn parse(path: &str, text: &str, read_text: &ReadText<'_>) -> Result<Self, PolicyError> {
        let source = SourceText {
            name: path.to_owned(),
            text: text.to_owned(),
        };
        assemble(source, Place::File(normal(Path::new(path))), read_text)
    }
}

fn assemble(
    first: SourceText,
    place: Place,
    read_text: &ReadText<'_>,
) -> Result<EffectivePolicy, PolicyError> {
    let source_name = first.name.clone();
    let (mut chain, complete) = read_chain(first, place, read_text);
    if complete {
        across::check_across(&mut chain);
    }
    let mut problems = Vec::new();
    for link in &mut chain {
        link.problems
            .sort_by_key(|problem| (problem.line, problem.column));
        problems.append(&mut link.problems);
    }
    if problems.is_empty() {
        Ok(merge::effective(chain))
    } else {
        Err(PolicyError::Invalid {
            source_name,
            problems,
        })
    }
}

/// Reads `first` and everything that it extends, nearest first. The flag is false where the chain
/// breaks off.
fn read_chain(first: SourceText, place: Place, read_text: &ReadText<'_>) -> (Vec<Link>, bool) {
    let mut chain = Vec::new();
    let mut names = Vec::new();
    let mut places = Vec::new();
    let mut next = Some((first, place));
    let mut complete = true;
    while let Some((source, place)) = next.take() {
        names.push(source.name.clone());
        places.push(place.clone());
        let mut problems = Problems::of(&source);
        let mut file = read::read(&mut problems);
        let rules = rule::check_all(std::mem::take(&mut file.rule), &mut problems);
        if let Some(extends) = &file.extends {
            let parent = resolve(extends.get_ref(), &place, &source, read_text)
                .and_then(|parent| check_chain(parent, &names, &places));
            match parent {
                Ok(parent) => next = Some(parent),
                Err(message) => {
                    complete = false;
                    problems.add(&extends.span(), &message);
                }
            }
        }
        let problems = problems.finish();
        chain.push(Link {
            source,
            file,
            rules,
            problems,
        });
    }
    (chain, complete)
}

fn check_chain(
    parent: (SourceText, Place),
    names: &[String],
    places: &[Place],
) -> Result<(SourceText, Place), String> {
    if let Some(start) = places.iter().position(|place| *place == parent.1) {
        let circle: Vec<_> = names
            .iter()
            .skip(start)
            .chain([&parent.0.name])
            .map(|name| format!("`{name}`"))
            .collect();
        return Err(format!(
            "policies extend each other: {}",
            circle.join(" -> ")
        ));
    }
    if places.len() >= CHAIN_LIMIT {
        return Err(format!(
            "more than {CHAIN_LIMIT} policies extend each other"
        ));
    }
    Ok(parent)
}

/// Finds the policy that `written` names in a file at `place`.
fn resolve(
    written: &str,
    place: &Place,
    child: &SourceText,
    read_text: &ReadText<'_>,
) -> Result<(SourceText, Place), String> {
    if let Some(source) = shipped::source(written) {
        return Ok((source, Place::Shipped(written.to_owned())));
    }
    let folder = match place {
        Place::Shipped(_) => return Err(format!("a shipped policy cannot extend `{written}`")),
        Place::File(_) => Path::new(&child.name).parent().unwrap_or(Path::new("")),
    };
    // The cleaned path is also what annotations of a pull request can point at.
    let path = normal(&folder.join(written));
    match read_text(&path) {
        Ok(text) => {
            let name = path.to_string_lossy().into_owned();
            Ok((SourceText { name, text }, Place::File(path)))
        }
        Err(error) if error.is_not_found() && !looks_like_path(written) => Err(format!(
            "unknown policy `{written}`, {}",
            expected(written, "a path relative to this file")
        )),
        Err(error) => Err(format!("{error}: {}", error.source)),
    }
}

fn unknown(name: &str) -> PolicyError {
    PolicyError::Unknown {
        name: name.to_owned(),
        expected: expected(name, "the path of a file"),
    }
}

fn expected(written: &str, or: &str) -> String {
    let names = shipped_names();
    let meant = nearest(written, names.iter().copied())
        .map(|name| format!("; did you mean `{name}`?"))
        .unwrap_or_default();
    format!("expected {}, or {or}{meant}", one_of(&names))
}

fn looks_like_path(text: &str) -> bool {
    let path = Path::new(text);
    path.components().count() > 1
        || text.contains('/')
        || path
            .extension()
            .is_some_and(|extension| extension == "toml")
}

/// `path` without `.` and `..`, so that a circle is seen however it is spelt.
fn normal(path: &Path) -> PathBuf {
    let mut parts: Vec<Component<'_>> = Vec::new();
    for part in path.components() {
        match (part, parts.last()) {
            (Component::CurDir, _) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.into_iter().collect()
}
