//! The templates of the human and the Markdown view: embedded, and replaceable one by one.
//!
//! A folder given by the user may hold `human.txt.j2` and `markdown.md.j2`; what it does not hold
//! comes from the program. Both see a [`View`], whose texts are escaped already.

use std::path::{Path, PathBuf};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error, UndefinedBehavior};

use crate::fs::{self, FsError};

use super::view::View;

/// Template of the terminal's view.
pub const HUMAN: &str = "human.txt.j2";
/// Template of the pull request comment.
pub const MARKDOWN: &str = "markdown.md.j2";

const EMBEDDED: [(&str, &str); 2] = [
    (HUMAN, include_str!("templates/human.txt.j2")),
    (MARKDOWN, include_str!("templates/markdown.md.j2")),
];

/// Parsed templates.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
}

#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("cannot use the folder of templates")]
    Read(#[from] FsError),
    #[error("template folder `{}` holds neither `{HUMAN}` nor `{MARKDOWN}`", folder.display())]
    NothingFound { folder: PathBuf },
    #[error("template `{name}` is wrong in line {line}: {reason}")]
    Invalid {
        name: String,
        line: usize,
        reason: String,
    },
    #[error(
        "template `{name}` gives {bytes} bytes in its shortest form, more than the limit of {limit}"
    )]
    TooLong {
        name: &'static str,
        bytes: usize,
        limit: usize,
    },
}

impl Templates {
    /// The embedded templates, with those that `folder` holds in their place.
    ///
    /// # Errors
    /// Where the folder cannot be read or holds no template by a known name, and where a template
    /// does not parse (with its name, line and reason).
    pub fn new(folder: Option<&Path>) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_syntax(
            SyntaxConfig::builder()
                .trim_blocks(true)
                .lstrip_blocks(true)
                .build()
                .map_err(|error| invalid("syntax", &error))?,
        );
        for (name, source) in EMBEDDED {
            environment
                .add_template(name, source)
                .map_err(|error| invalid(name, &error))?;
        }
        let mut templates = Self { environment };
        if let Some(folder) = folder {
            templates.load(folder)?;
        }
        Ok(templates)
    }

    pub(super) fn render(&self, name: &str, view: &View) -> Result<String, TemplateError> {
        self.environment
            .get_template(name)
            .and_then(|template| template.render(Serde(view)))
            .map_err(|error| invalid(name, &error))
    }

    fn load(&mut self, folder: &Path) -> Result<(), TemplateError> {
        let present = fs::list(folder)?;
        let mut found = false;
        for (name, _) in EMBEDDED {
            if present.iter().any(|entry| entry == name) {
                found = true;
                let source = fs::read_to_string(&folder.join(name))?;
                self.environment
                    .add_template_owned(name, source)
                    .map_err(|error| invalid(name, &error))?;
            }
        }
        if found {
            Ok(())
        } else {
            Err(TemplateError::NothingFound {
                folder: folder.to_path_buf(),
            })
        }
    }
}

pub(super) fn invalid(name: &str, error: &Error) -> TemplateError {
    let reason = error.detail().map_or_else(
        || error.kind().to_string(),
        |detail| format!("{}: {detail}", error.kind()),
    );
    TemplateError::Invalid {
        name: error.name().unwrap_or(name).to_owned(),
        line: error.line().unwrap_or(1),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{human, markdown, sample};

    fn folder(name: &str, source: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write_atomic(&folder.path().join(name), source.as_bytes()).unwrap();
        folder
    }

    #[test]
    fn a_template_of_the_user_takes_the_place_of_the_embedded_one() {
        let folder = folder(MARKDOWN, "{{ verdict }}: {{ worst.shown[0].layer }}");
        let templates = Templates::new(Some(folder.path())).unwrap();
        let text = markdown::render(&sample::fail(), &templates).unwrap();
        assert!(text.starts_with("fail: `x\\u{1b}[31m\\u{7c}"), "{text}");
        let human = human::render(&sample::fail(), &templates, human::Layout::default()).unwrap();
        assert!(human.contains("alpha-drift"));
    }

    #[test]
    fn a_broken_template_is_named_with_its_line_and_reason() {
        let folder_with_error = folder(HUMAN, "one\n{% if %}");
        let error = Templates::new(Some(folder_with_error.path()))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("template `human.txt.j2` is wrong in line 2: syntax error"),
            "{error}"
        );

        let folder_with_typo = folder(MARKDOWN, "one\ntwo\n{{ verdikt }}");
        let templates = Templates::new(Some(folder_with_typo.path())).unwrap();
        let error = markdown::render(&sample::pass(), &templates)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("template `markdown.md.j2` is wrong in line 3: "),
            "{error}"
        );
    }

    #[test]
    fn a_folder_without_a_template_is_an_error() {
        let folder = folder("markdown.j2", "misnamed");
        assert!(matches!(
            Templates::new(Some(folder.path())),
            Err(TemplateError::NothingFound { .. })
        ));
        assert!(matches!(
            Templates::new(Some(Path::new("no/such"))),
            Err(TemplateError::Read(_))
        ));
    }

    #[test]
    fn a_template_that_never_fits_is_an_error() {
        let folder = folder(MARKDOWN, "{% for i in range(70000) %}x{% endfor %}");
        let templates = Templates::new(Some(folder.path())).unwrap();
        let error = markdown::render(&sample::pass(), &templates).unwrap_err();
        assert!(matches!(error, TemplateError::TooLong { .. }), "{error}");
    }
}
