//! Everything that leaves a run on GitHub, after its exit code is decided.
//!
//! A part that fails is said once and keeps no other part from being published. A fork's token that
//! may not write is expected: it is a notice, never a failure.

mod hub;
mod link;
mod subject;

use std::cell::{Cell, OnceCell, RefCell};
use std::path::Path;

use super::ci;
use crate::cli::{CommentWhen, PublishArgs, ReportErrors, RunnerArgs, Switch};
use crate::error::ExitStatus;
use crate::github::annotate::{self, Remark};
use crate::github::body::{Body, COMMENT_LIMIT};
use crate::github::check_run::{self, CheckRun};
use crate::github::checkout::Checkout;
use crate::github::client::Client;
use crate::github::comment::{Published, Thread, Written};
use crate::github::event::{Event, Source};
use crate::github::marker::{Key, Marker};
use crate::github::{CommitSha, GitHubError, Repository, RunId, outputs};
use crate::report::escape::markdown_code;
use crate::term::Printer;

pub(super) use subject::Subject;

/// The pull request that is told.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) number: u64,
    pub(super) head: CommitSha,
    pub(super) run: RunId,
    pub(super) from: Source,
}

/// One result, and where it goes.
pub(super) struct Request<'a> {
    pub(super) subject: &'a Subject<'a>,
    /// Markdown above the report.
    pub(super) banners: &'a [String],
    pub(super) status: ExitStatus,
    pub(super) target: Option<Target>,
    /// Where the JSON report lies.
    pub(super) report_path: Option<&'a Path>,
    /// The run wrote the page with charts.
    pub(super) has_page: bool,
    pub(super) policy_changed: bool,
    /// Whether the lines of the policy that judged are those of the judged commit's file.
    pub(super) lines_hold: bool,
}

pub(super) struct Publisher<'a> {
    args: &'a PublishArgs,
    runner: &'a RunnerArgs,
    event: &'a Event,
    printer: &'a Printer,
    client: OnceCell<Result<Client, String>>,
    /// Something that was asked for could not be published.
    failed: Cell<bool>,
    /// What a token that may only read kept from being published.
    refused: RefCell<Vec<&'static str>>,
}

impl<'a> Publisher<'a> {
    pub(super) fn new(
        args: &'a PublishArgs,
        runner: &'a RunnerArgs,
        event: &'a Event,
        printer: &'a Printer,
    ) -> Self {
        let publisher = Self {
            args,
            runner,
            event,
            printer,
            client: OnceCell::new(),
            failed: Cell::new(false),
            refused: RefCell::default(),
        };
        event
            .notices
            .iter()
            .for_each(|notice| publisher.notice(notice));
        publisher
    }

    /// Said once, where the run's page shows it.
    pub(super) fn notice(&self, text: &str) {
        if self.runner.github_actions {
            self.printer.commands(&annotate::notice(text));
        } else {
            self.printer.warning(text);
        }
    }

    pub(super) fn repository(&self) -> Option<&'a Repository> {
        self.event.repository.as_ref()
    }

    /// The connection, made at the first use. Without a token it can read what is public.
    pub(super) fn client(&self) -> Result<&Client, String> {
        let made = self
            .client
            .get_or_init(|| ci::client(self.args, self.runner).map_err(|error| chain(&error)));
        made.as_ref().map_err(Clone::clone)
    }

    /// As [`Publisher::client`], for what cannot go on without it.
    pub(super) fn connected(&self) -> Result<&Client, ci::CiError> {
        self.client()
            .map_err(|problem| GitHubError::Setup(problem.into()).into())
    }

    /// Something was not published, and that was asked to be an error.
    pub(super) fn has_failed_strictly(&self) -> bool {
        self.failed.get() && self.args.report_errors == ReportErrors::Fail
    }

    fn has_token(&self) -> bool {
        ci::token(self.args, self.runner).is_some()
    }

    /// Publishes in every way that was asked for. Returns how the program ends: as decided before,
    /// unless `--report-errors fail` turns a sound run into one that was not published.
    pub(super) fn publish(&self, request: &Request<'_>) -> ExitStatus {
        let checkout = Checkout::find(self.runner.github_workspace.as_deref().map(Path::new));
        let locate = |source: &str| {
            let file = (!source.starts_with("builtin:")).then(|| Path::new(source));
            checkout.as_ref()?.path_of(file?)
        };
        let mut remarks = request.subject.remarks(&locate);
        if !request.lines_hold {
            for remark in &mut remarks {
                remark.line = None;
            }
        }
        let url = self.comment(request);
        self.hub_comment(request);
        self.check_run(request, &remarks);
        self.say_refusals(request);
        self.summary(request);
        if self.runner.github_actions && self.args.annotations == Switch::True {
            self.printer.commands(&annotate::commands(&remarks));
        }
        let status = self.final_status(request.status);
        self.outputs(request, status, url.unwrap_or_default());
        self.final_status(status)
    }

    fn final_status(&self, decided: ExitStatus) -> ExitStatus {
        if self.has_failed_strictly() && decided == ExitStatus::Sound {
            ExitStatus::NotPublished
        } else {
            decided
        }
    }

    /// Address of the comment, where there is one.
    fn comment(&self, request: &Request<'_>) -> Option<String> {
        if self.args.comment == CommentWhen::Never {
            return None;
        }
        let target = request.target.as_ref()?;
        let repository = self.repository()?;
        let create = self.wants_comment(request);
        if !self.has_token() {
            self.without_token(target, create);
            return None;
        }
        let outcome = self.client().and_then(|client| {
            let thread = Thread {
                client,
                repository,
                number: target.number,
                login: self
                    .args
                    .bot_login
                    .as_deref()
                    .filter(|login| !login.is_empty()),
            };
            let body = self.body(request, target)?;
            match thread.publish(&body, create) {
                Ok(published) => Ok(Some(published)),
                Err(error) if error.is_forbidden() && target.from != Source::SameRepository => {
                    self.refused.borrow_mut().push("comment");
                    Ok(None)
                }
                Err(error) => Err(with_hint(&error)),
            }
        });
        match outcome {
            Ok(published) => published.and_then(|published| self.say_published(published)),
            Err(problem) => {
                self.fail("the comment", &problem);
                None
            }
        }
    }

    fn wants_comment(&self, request: &Request<'_>) -> bool {
        match self.args.comment {
            CommentWhen::Auto => !request.subject.is_quiet() || !request.banners.is_empty(),
            CommentWhen::Always => true,
            CommentWhen::OnFailure => request.status != ExitStatus::Sound,
            CommentWhen::Never => false,
        }
    }

    fn without_token(&self, target: &Target, wanted: bool) {
        match target.from {
            Source::SameRepository => {
                self.failed.set(self.failed.get() || wanted);
                self.notice("there is no token, so the pull request gets no comment; pass the input `token`");
            }
            Source::Fork | Source::Dependabot => self.refused.borrow_mut().push("comment"),
        }
    }

    fn say_published(&self, published: Published) -> Option<String> {
        let Written { url, stranger } = match published {
            Published::Created(written)
            | Published::Updated(written)
            | Published::Untouched(written) => written,
            Published::LaterRun(written) => {
                self.notice("a later run has written the comment already; it stays as it is");
                written
            }
            Published::NotWanted => return None,
        };
        if let Some(login) = stranger {
            self.notice(&format!(
                "the token writes as `{login}`: set the input `bot-login` to it, or every run adds a comment"
            ));
        }
        Some(url)
    }

    fn body(&self, request: &Request<'_>, target: &Target) -> Result<Body, String> {
        let mut body = Body {
            marker: Marker {
                key: self.key(),
                run: target.run,
                head: target.head.clone(),
            },
            content: String::new(),
            footer: self.footer(&target.head, request.has_page),
        };
        // The report's own line end is left out.
        let room = (COMMENT_LIMIT + 1).saturating_sub(body.text().len());
        body.content = self.markdown(request, room)?;
        Ok(body)
    }

    fn markdown(&self, request: &Request<'_>, limit: usize) -> Result<String, String> {
        let gate = self.key_name().map(markdown_code);
        request
            .subject
            .markdown(request.banners, gate.as_deref(), limit)
    }

    fn key(&self) -> Key {
        match self.key_name() {
            Some(name) => Key::of_name(name),
            None => Key::of_job(&self.event.workflow, &self.event.job),
        }
    }

    fn key_name(&self) -> Option<&'a str> {
        self.args
            .comment_key
            .as_deref()
            .map(str::trim)
            .filter(|name| !name.is_empty())
    }

    /// What the numbers are about and where the log is, on one line.
    fn footer(&self, head: &CommitSha, has_page: bool) -> String {
        let mut parts = vec![format!("commit {}", markdown_code(head.short()))];
        if let Some(url) = &self.event.run_url {
            parts.push(format!("[run and full report]({url})"));
        }
        if let Some(url) = self.page(has_page) {
            parts.push(format!("[charts]({url})"));
        }
        parts.join(" · ")
    }

    /// Address of the page with charts: the one that is given, else the artifacts of the run that wrote it.
    fn page(&self, has_page: bool) -> Option<String> {
        let given = self.args.html_url.as_deref().map(str::trim);
        if let Some(given) = given.filter(|given| !given.is_empty()) {
            let url = link::web_address(given);
            if url.is_none() {
                self.fail(
                    "the link to the page",
                    "`TUNEGATE_HTML_URL` is no address of the web",
                );
            }
            return url;
        }
        let run = self.event.run_url.as_deref().filter(|_| has_page)?;
        Some(format!("{run}#artifacts"))
    }

    fn check_run(&self, request: &Request<'_>, remarks: &[Remark]) {
        if !self.args.check_run {
            return;
        }
        let target_head = request.target.as_ref().map(|target| &target.head);
        let (Some(head), Some(repository)) = (
            target_head.or(self.event.judged_commit()),
            self.repository(),
        ) else {
            self.fail("the check run", "no commit is known");
            return;
        };
        let key = self.key();
        let from = request
            .target
            .as_ref()
            .map_or(Source::SameRepository, |target| target.from);
        let sent = self.client().and_then(|client| {
            let run = CheckRun {
                name: format!("tunegate / {}", self.key_name().unwrap_or(&self.event.job)),
                head,
                verdict: request.subject.verdict(),
                title: request.subject.title(),
                summary: self.markdown(request, check_run::SUMMARY_LIMIT)?,
                remarks,
                details_url: self.event.run_url.as_deref(),
                external_id: key.as_str(),
            };
            match run.publish(client, repository) {
                Err(error) if error.is_forbidden() && from != Source::SameRepository => {
                    self.refused.borrow_mut().push("check run");
                    Ok(())
                }
                Err(error) => Err(with_hint(&error)),
                Ok(()) => Ok(()),
            }
        });
        if let Err(problem) = sent {
            self.fail("the check run", &problem);
        }
    }

    /// One notice for all that a token of a fork may not write.
    fn say_refusals(&self, request: &Request<'_>) {
        let refused = self.refused.borrow();
        if refused.is_empty() {
            return;
        }
        let who = match request.target.as_ref().map(|target| target.from) {
            Some(Source::Dependabot) => "for Dependabot",
            Some(Source::Fork | Source::SameRepository) | None => "from a fork",
        };
        self.notice(&format!(
            "a pull request {who} has a token that may only read: no {}; see the job summary and the report, or \
             publish it from a second workflow with `tunegate comment`",
            refused.join(" and no ")
        ));
    }

    fn summary(&self, request: &Request<'_>) {
        let path = self
            .runner
            .github_step_summary
            .as_deref()
            .filter(|path| !path.is_empty());
        let (Some(path), Switch::True) = (path.map(Path::new), self.args.summary) else {
            return;
        };
        let room = outputs::summary_room(path).saturating_sub(2);
        let written = self.markdown(request, room).and_then(|text| {
            outputs::append_summary(path, &format!("{text}\n")).map_err(|error| chain(&error))
        });
        if let Err(problem) = written {
            self.fail("the job summary", &problem);
        }
    }

    fn outputs(&self, request: &Request<'_>, status: ExitStatus, url: String) {
        let (fail, warn) = request.subject.counts();
        let report_path = request
            .report_path
            .map(|path| absolute(path).display().to_string());
        let verdict = request
            .subject
            .verdict()
            .map_or("", crate::verdict::Verdict::as_str);
        self.write_outputs(&[
            ("verdict", verdict.to_owned()),
            ("exit-code", status.code().to_string()),
            ("fail-count", fail.to_string()),
            ("warn-count", warn.to_string()),
            ("report-path", report_path.unwrap_or_default()),
            ("comment-url", url),
            ("policy-changed", request.policy_changed.to_string()),
        ]);
    }

    /// Of a share there is only the exit code: `merge` gives the verdict.
    pub(super) fn share(&self, status: ExitStatus) {
        self.write_outputs(&[
            ("verdict", String::new()),
            ("exit-code", status.code().to_string()),
        ]);
    }

    fn write_outputs(&self, values: &[(&str, String)]) {
        let path = self
            .runner
            .github_output
            .as_deref()
            .filter(|path| !path.is_empty());
        let Some(path) = path else { return };
        if let Err(error) = outputs::write(Path::new(path), values) {
            self.fail("the step's outputs", &chain(&error));
        }
    }

    fn fail(&self, what: &str, problem: &str) {
        self.failed.set(true);
        self.notice(&format!("{what} could not be published: {problem}"));
    }
}

fn absolute(path: &Path) -> std::path::PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// The error and its causes in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn with_hint(error: &GitHubError) -> String {
    match error.hint() {
        Some(hint) => format!("{}; {hint}", chain(error)),
        None => chain(error),
    }
}
