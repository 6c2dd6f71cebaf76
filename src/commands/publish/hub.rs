//! The comment on a pull request of the Hub, where one is named.

use super::{Publisher, Request, ci, with_hint};
use crate::cli::CommentWhen;
use crate::github::body::{Body, COMMENT_LIMIT};
use crate::github::hub::{self, HubPullRequest};
use crate::github::marker::Marker;
use crate::github::{CommitSha, RunId};

/// Stands for a commit that nobody named.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

impl Publisher<'_> {
    pub(super) fn hub_comment(&self, request: &Request<'_>) {
        let named = self
            .args
            .hub_pull_request
            .as_deref()
            .filter(|text| !text.is_empty());
        let Some(named) = named.filter(|_| self.args.comment != CommentWhen::Never) else {
            return;
        };
        if let Err(problem) = self.publish_on_hub(request, named) {
            self.fail("the comment on the Hub", &problem);
        }
    }

    fn publish_on_hub(&self, request: &Request<'_>, named: &str) -> Result<(), String> {
        let pull: HubPullRequest = named.parse()?;
        if self
            .args
            .hub_token
            .as_deref()
            .is_none_or(|token| token.trim().is_empty())
        {
            return Err("there is no token in `HF_TOKEN`".to_owned());
        }
        let client = ci::hub(self.args).map_err(|error| with_hint(&error))?;
        let target = request.target.as_ref();
        let commit = target
            .map(|target| &target.head)
            .or(self.event.judged_commit());
        let head: CommitSha = match commit {
            Some(head) => head.clone(),
            None => NO_COMMIT.parse()?,
        };
        let body = self.hub_body(
            request,
            head,
            target.map_or(self.event.run, |target| target.run),
        )?;
        hub::publish(&client, &pull, &body, self.wants_comment(request))
            .map(|_published| ())
            .map_err(|error| super::chain(&error))
    }

    fn hub_body(&self, request: &Request<'_>, head: CommitSha, run: RunId) -> Result<Body, String> {
        let footer = self.footer(&head, request.has_page);
        let mut body = Body {
            marker: Marker {
                key: self.key(),
                run,
                head,
            },
            content: String::new(),
            footer,
        };
        let room = COMMENT_LIMIT.saturating_sub(body.text().len());
        body.content = self.markdown(request, room)?;
        Ok(body)
    }
}
