//! `--emit FORMAT=PATH`: parsed, and its targets tried, before the work starts.

use std::path::{Path, PathBuf};

use super::CommandError;
use crate::fs;

/// A report that goes to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Emit<F> {
    pub(super) format: F,
    pub(super) path: PathBuf,
}

/// Reads every `FORMAT=PATH`; `formats` names what is allowed.
pub(super) fn parse<F: Copy>(
    texts: &[String],
    formats: &[(&'static str, F)],
) -> Result<Vec<Emit<F>>, CommandError> {
    let mut emits: Vec<Emit<F>> = Vec::new();
    for text in texts
        .iter()
        .map(|text| text.trim())
        .filter(|text| !text.is_empty())
    {
        let wrong = |problem: &str| CommandError::Emit {
            text: text.to_owned(),
            problem: problem.to_owned(),
            formats: formats
                .iter()
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
                .join(", "),
        };
        let (name, path) = text
            .split_once('=')
            .ok_or_else(|| wrong("there is no `=`"))?;
        let format = formats
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, format)| *format)
            .ok_or_else(|| wrong(&format!("`{name}` is no format")))?;
        if path.is_empty() {
            return Err(wrong("there is no path"));
        }
        let path = PathBuf::from(path);
        if emits.iter().any(|emit| is_same_file(&emit.path, &path)) {
            return Err(wrong("another `--emit` writes the same file"));
        }
        fs::check_writable(&path)?;
        emits.push(Emit { format, path });
    }
    Ok(emits)
}

/// Whether two targets are one file, as far as their names say: `out` and `./out` are.
pub(super) fn is_same_file(one: &Path, other: &Path) -> bool {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute(one) == absolute(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMATS: &[(&str, u8)] = &[("json", 1), ("markdown", 2)];

    #[test]
    fn a_target_that_cannot_be_written_is_found_before_the_work() {
        let texts = ["json=/no/such/folder/report.json".to_owned()];
        assert!(matches!(parse(&texts, FORMATS), Err(CommandError::Fs(_))));
    }

    #[test]
    fn an_unknown_format_and_a_repeated_path_are_refused() {
        for texts in [
            vec!["html=x"],
            vec!["json"],
            vec!["json="],
            vec!["json=x", "markdown=x"],
        ] {
            let texts: Vec<String> = texts.into_iter().map(str::to_owned).collect();
            assert!(
                matches!(parse(&texts, FORMATS), Err(CommandError::Emit { .. })),
                "{texts:?}"
            );
        }
    }

    #[test]
    fn blank_lines_of_an_environment_variable_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let texts = [
            String::new(),
            format!("json={}", folder.path().join("a").display()),
        ];
        assert_eq!(parse(&texts, FORMATS).unwrap().len(), 1);
    }
}
