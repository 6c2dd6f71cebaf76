//! Which policy judges: on a pull request the base's, so that a change cannot move its own limits.
//! The head's is shown as information, with what it loosens.

use std::io;
use std::path::{Path, PathBuf};

use super::super::CommandError;
use super::super::judged;
use super::super::publish::Publisher;
use super::CiError;
use crate::cli::CiArgs;
use crate::code::{FindingCode, Level};
use crate::fs::FsError;
use crate::github::body::alert;
use crate::github::checkout::{Checkout, Stored};
use crate::github::contents;
use crate::github::event::{Event, Kind};
use crate::policy::{EffectivePolicy, Policy, PolicyError, loosened, shipped_names};
use crate::report::Report;
use crate::report::escape::{markdown_code, markdown_text};
use crate::verdict::{Finding, Verdict, judge};

/// Points of a loosened policy that a banner lists, and findings that it makes.
const SHOWN: usize = 10;

/// The policy that judges, and what the change under judgement does to it.
pub(super) struct Governing {
    pub(super) policy: Policy,
    change: Option<Change>,
}

enum Change {
    /// The base has no such policy: the head's judges, and introduces it.
    Bootstrap { revision: String },
    Changed {
        revision: String,
        loosened: Vec<String>,
        /// `Err` says why the head's policy cannot be used.
        head: Result<Box<Policy>, String>,
    },
}

impl Governing {
    pub(super) fn choose(
        args: &CiArgs,
        event: &Event,
        publisher: &Publisher<'_>,
    ) -> Result<Self, CommandError> {
        let name = match args.check.judge.policy.as_str() {
            "" => "default",
            name => name,
        };
        let workspace = args.runner.github_workspace.as_deref().map(Path::new);
        let checkout = Checkout::find(workspace);
        let revision = revision(args, event)?;
        let path = checkout
            .as_ref()
            .and_then(|checkout| checkout.path_of(Path::new(name)));
        let (Some(revision), false) = (revision, shipped_names().contains(&name)) else {
            return Ok(Self {
                policy: Policy::load(name)?,
                change: None,
            });
        };
        if checkout.is_some() && path.is_none() {
            publisher.notice(&format!(
                "the policy `{name}` lies outside of the repository and is read as it is"
            ));
            return Ok(Self {
                policy: Policy::load(name)?,
                change: None,
            });
        }
        let base = Base {
            checkout: checkout.as_ref(),
            revision: &revision,
            publisher,
        };
        match base.load(name)? {
            Some(policy) => Ok(Self::compared(policy, name, revision)),
            None => Ok(Self {
                policy: Policy::load(name)?,
                change: Some(Change::Bootstrap { revision }),
            }),
        }
    }

    /// `policy` governs; the checkout's is what the change would make of it.
    fn compared(policy: Policy, name: &str, revision: String) -> Self {
        let change = match Policy::load(name) {
            Ok(head) if head.digest == policy.digest => None,
            Ok(head) => Some(Change::Changed {
                revision,
                loosened: loosened(&policy, &head),
                head: Ok(Box::new(head)),
            }),
            Err(error) => Some(Change::Changed {
                revision,
                loosened: Vec::new(),
                head: Err(error.to_string()),
            }),
        };
        Self { policy, change }
    }

    pub(super) fn changed(&self) -> bool {
        self.change.is_some()
    }

    /// The file of the checkout is the one that judged, so its lines can be pointed at.
    pub(super) fn lines_hold(&self) -> bool {
        !matches!(self.change, Some(Change::Changed { .. }))
    }

    /// One `policy-loosened` for every point; they warn, so a pass becomes a pass with a warning.
    pub(super) fn add_findings(&self, report: &mut Report) {
        let Some(Change::Changed {
            loosened,
            head,
            revision,
        }) = &self.change
        else {
            return;
        };
        let mut messages: Vec<String> = loosened.iter().take(SHOWN).cloned().collect();
        if let Some(hidden) = loosened.len().checked_sub(SHOWN + 1) {
            messages.push(format!("{} more points", hidden + 1));
        }
        if head.is_err() {
            messages.push("the changed policy has mistakes and cannot judge".to_owned());
        }
        let code = FindingCode::PolicyLoosened;
        let findings = messages.into_iter().map(|message| {
            let message = format!("{message} (compared with `{}`)", short(revision));
            Finding::plain(code, code.as_str(), Level::Warn, message)
        });
        let findings: Vec<Finding> = findings.collect();
        let judgement = &mut report.judgement;
        if !findings.is_empty() && judgement.verdict == Verdict::Pass {
            judgement.verdict = Verdict::Warn;
            "nothing is outside of the base's limits, and the change loosens the policy"
                .clone_into(&mut judgement.reason);
        }
        let first_note = judgement
            .findings
            .iter()
            .position(|finding| finding.level == Level::Note);
        let at = first_note.unwrap_or(judgement.findings.len());
        judgement.findings.splice(at..at, findings);
    }

    /// What stands above the report, as Markdown.
    pub(super) fn banners(&self, report: &Report) -> Vec<String> {
        match &self.change {
            None => Vec::new(),
            Some(Change::Bootstrap { revision }) => vec![alert(
                "NOTE",
                &[format!(
                    "**First policy.** The base {} has no {}, so this change is judged by the policy that it introduces. \
                     Review its limits as carefully as code.",
                    markdown_code(short(revision)),
                    markdown_code(&self.policy.source),
                )],
            )],
            Some(Change::Changed {
                revision,
                loosened,
                head,
            }) => {
                vec![alert(
                    "WARNING",
                    &self.changed_lines(report, revision, loosened, head),
                )]
            }
        }
    }

    fn changed_lines(
        &self,
        report: &Report,
        revision: &str,
        loosened: &[String],
        head: &Result<Box<Policy>, String>,
    ) -> Vec<String> {
        let what = if loosened.is_empty() {
            "changes"
        } else {
            "loosens"
        };
        let mut lines = vec![format!(
            "**This change {what} the policy** {}. It is judged by the policy of its base, {}.",
            markdown_code(&self.policy.source),
            markdown_code(short(revision)),
        )];
        lines.extend(
            loosened
                .iter()
                .take(SHOWN)
                .map(|point| format!("- {}", markdown_text(point))),
        );
        if let Some(hidden) = loosened.len().checked_sub(SHOWN + 1) {
            lines.push(format!("- {} more points", hidden + 1));
        }
        lines.push(match head {
            Ok(head) => {
                let judgement = judge(&report.comparison, head, judged::today());
                format!(
                    "For information, by the changed policy: **{}**, {}.",
                    judgement.verdict.as_str(),
                    markdown_text(&judgement.reason)
                )
            }
            Err(error) => format!(
                "The changed policy cannot be used, and would stop every later run: {}",
                markdown_text(error.lines().next().unwrap_or_default())
            ),
        });
        lines
    }
}

/// Which commit's policy governs; `None` for the checkout's own.
fn revision(args: &CiArgs, event: &Event) -> Result<Option<String>, CiError> {
    let base = match &event.kind {
        Kind::PullRequest(pull) | Kind::PullRequestTarget(pull) => {
            Some(pull.base.as_str().to_owned())
        }
        Kind::MergeGroup { base } => Some(base.as_str().to_owned()),
        // A payload that could not be read: the runner still names the branch.
        Kind::Other => args
            .runner
            .github_base_ref
            .clone()
            .filter(|branch| !branch.is_empty()),
        Kind::Push
        | Kind::Schedule
        | Kind::WorkflowDispatch
        | Kind::WorkflowRun(_)
        | Kind::Outside => None,
    };
    match args.policy_ref.as_str() {
        "" | "auto" => Ok(base),
        "head" => Ok(None),
        "base" => match base {
            Some(base) => Ok(Some(base)),
            None => Err(CiError::NoBase {
                wanted: args.policy_ref.clone(),
                event: if event.name.is_empty() {
                    "no event".to_owned()
                } else {
                    event.name.clone()
                },
            }),
        },
        named => {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
            if named.starts_with('-') || named.contains("..") || !named.chars().all(plain) {
                return Err(CiError::PolicyRef {
                    reference: named.to_owned(),
                });
            }
            Ok(Some(named.to_owned()))
        }
    }
}

/// The base's files, from the checkout where it holds them, else from GitHub.
struct Base<'a> {
    checkout: Option<&'a Checkout>,
    revision: &'a str,
    publisher: &'a Publisher<'a>,
}

impl Base<'_> {
    /// `None` where the base has no such policy.
    fn load(&self, name: &str) -> Result<Option<Policy>, CommandError> {
        let failure = std::cell::RefCell::new(None);
        let read = |path: &Path| {
            self.read(path).map_err(|error| match error {
                Reading::Missing => missing(path),
                Reading::Failed(error) => {
                    let source = io::Error::other(error.to_string());
                    *failure.borrow_mut() = Some(error);
                    FsError::new("read", path, source)
                }
            })
        };
        let loaded = EffectivePolicy::load_through(name, &read);
        // A file that could not be asked for is another thing than a policy with a mistake.
        if let Some(error) = failure.into_inner() {
            return Err(CommandError::Ci(error));
        }
        match loaded {
            Ok(effective) => Ok(Some(effective.policy)),
            Err(PolicyError::Unreadable { source, .. }) if source.is_not_found() => Ok(None),
            Err(PolicyError::Unknown { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn read(&self, path: &Path) -> Result<String, Reading> {
        let policy = path.display().to_string();
        let revision = self.revision.to_owned();
        let inside = match self.checkout {
            Some(checkout) => checkout.path_of(path),
            None => relative(path),
        };
        // What is not in the repository cannot be part of the base.
        let Some(inside) = inside else {
            return Err(Reading::Missing);
        };
        let stored = self
            .checkout
            .map(|checkout| checkout.file_at(self.revision, &inside));
        match stored {
            Some(Stored::Text(text)) => return Ok(text),
            Some(Stored::Missing) => return Err(Reading::Missing),
            Some(Stored::NotHere) | None => {}
        }
        let unreachable = |problem: &str| {
            Reading::Failed(Box::new(CiError::Unreachable {
                policy: policy.clone(),
                revision: short(&revision).to_owned(),
                problem: problem.to_owned(),
            }))
        };
        let Some(repository) = self.publisher.repository() else {
            return Err(unreachable("there is no repository to ask"));
        };
        let client = self
            .publisher
            .client()
            .map_err(|problem| unreachable(&problem))?;
        match contents::file_at(client, repository, &inside, self.revision) {
            Ok(Some(text)) => Ok(text),
            Ok(None) => Err(Reading::Missing),
            Err(source) => Err(Reading::Failed(Box::new(CiError::Policy {
                policy,
                revision: short(&revision).to_owned(),
                source: Box::new(source),
            }))),
        }
    }
}

enum Reading {
    Missing,
    Failed(Box<CiError>),
}

fn missing(path: &Path) -> FsError {
    FsError::new("read", path, io::Error::from(io::ErrorKind::NotFound))
}

/// A path below the current folder, where nothing tells the repository's root.
fn relative(path: &Path) -> Option<String> {
    let plain = path.components().all(|part| {
        matches!(
            part,
            std::path::Component::Normal(_) | std::path::Component::CurDir
        )
    });
    let clean: PathBuf = path
        .components()
        .filter(|part| !matches!(part, std::path::Component::CurDir))
        .collect();
    plain.then(|| clean.to_string_lossy().replace('\\', "/"))
}

/// A commit by its first digits; a branch in full.
fn short(revision: &str) -> &str {
    let commit = revision.len() >= 40 && revision.chars().all(|c| c.is_ascii_hexdigit());
    if commit {
        revision.get(..12).unwrap_or(revision)
    } else {
        revision
    }
}
