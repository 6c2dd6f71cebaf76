//! The sticky comment: one for each gate and pull request, however many runs there are.
//!
//! A comment is ours by its marker and its author. The oldest one is kept and edited, later ones are
//! deleted: they come from two runs that met, or from a creation whose answer was lost. A run never
//! writes over the comment of a later run. What it would not change, it does not touch.

use serde::Deserialize;
use serde_json::json;

use super::body::Body;
use super::client::Client;
use super::marker::Marker;
use super::{GitHubError, Repository};

/// Login that GitHub gives to a workflow's own token.
pub const ACTIONS_BOT: &str = "github-actions[bot]";
/// Times that a creation is tried, each after a look whether the one before succeeded.
const CREATIONS: u32 = 3;

/// Where the comment goes.
#[derive(Debug)]
pub struct Thread<'a> {
    pub client: &'a Client,
    pub repository: &'a Repository,
    /// Number of the pull request.
    pub number: u64,
    /// Login that the token writes as, where it is not [`ACTIONS_BOT`].
    pub login: Option<&'a str>,
}

/// What became of the comment, with its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    Created(Written),
    Updated(Written),
    /// It says the same about the same commit already.
    Untouched(Written),
    /// A later run has written it.
    LaterRun(Written),
    /// There is none, and none was wanted.
    NotWanted,
}

impl Published {
    /// What this run finds untouched right after it sent it is what it created.
    fn or_created(self) -> Self {
        if let Self::Untouched(written) = self {
            Self::Created(written)
        } else {
            self
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    pub url: String,
    /// Who wrote it, where that is not the login that was expected: the next run will not find it.
    pub stranger: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Comment {
    id: u64,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    html_url: Option<String>,
    /// `null` where the account is gone.
    #[serde(default)]
    user: Option<User>,
}

#[derive(Debug, Clone, Deserialize)]
struct User {
    login: String,
    #[serde(default, rename = "type")]
    kind: String,
}

/// A comment of ours, and what its marker says.
#[derive(Debug)]
struct Own {
    comment: Comment,
    marker: Marker,
}

impl Thread<'_> {
    /// Edits the comment, or creates it where there is none and `create` asks for it.
    pub fn publish(&self, body: &Body, create: bool) -> Result<Published, GitHubError> {
        if let Some(published) = self.settle(self.list(&body.marker)?, body, None)? {
            return Ok(published);
        }
        if create {
            self.create(body)
        } else {
            Ok(Published::NotWanted)
        }
    }

    /// Comments of ours, the oldest first.
    fn list(&self, marker: &Marker) -> Result<Vec<Own>, GitHubError> {
        let path = format!("/repos/{}/issues/{}/comments", self.repository, self.number);
        let all: Vec<Comment> = self.client.get_all("list the comments", &path)?;
        let mut own: Vec<Own> = all
            .into_iter()
            .filter(|comment| self.is_ours(comment.user.as_ref()))
            .filter_map(|comment| {
                let found = Marker::find(comment.body.as_deref()?)?;
                (found.key == marker.key).then_some(Own {
                    comment,
                    marker: found,
                })
            })
            .collect();
        own.sort_by_key(|own| own.comment.id);
        Ok(own)
    }

    fn is_ours(&self, user: Option<&User>) -> bool {
        user.is_some_and(|user| match self.login {
            Some(login) => user.login == login,
            None => user.login == ACTIONS_BOT && user.kind == "Bot",
        })
    }

    /// Makes one comment out of those that are there; `None` where there is none. `created` is the id
    /// of the one that this run has just made.
    fn settle(
        &self,
        own: Vec<Own>,
        body: &Body,
        created: Option<u64>,
    ) -> Result<Option<Published>, GitHubError> {
        let mut own = own.into_iter();
        let Some(first) = own.next() else {
            return Ok(None);
        };
        let others: Vec<Own> = own.collect();
        let newest = others
            .iter()
            .map(|own| own.marker.run)
            .fold(first.marker.run, Ord::max);
        if newest > body.marker.run {
            // The later run cleans up after itself; only what this run made is its own to delete.
            for extra in others.iter().filter(|own| Some(own.comment.id) == created) {
                self.delete(extra.comment.id)?;
            }
            return Ok(Some(Published::LaterRun(self.written(&first.comment))));
        }
        for extra in &others {
            self.delete(extra.comment.id)?;
        }
        let same_text = first
            .comment
            .body
            .as_deref()
            .is_some_and(|text| body.says_the_same(text));
        if same_text && first.marker.head == body.marker.head {
            return Ok(Some(Published::Untouched(self.written(&first.comment))));
        }
        match self.update(first.comment.id, body) {
            Ok(comment) => Ok(Some(Published::Updated(self.written(&comment)))),
            // Somebody deleted it between the listing and now.
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn create(&self, body: &Body) -> Result<Published, GitHubError> {
        let path = format!("/repos/{}/issues/{}/comments", self.repository, self.number);
        let mut tries = 1;
        loop {
            let sent = self.client.post::<Comment>(
                "post the comment",
                &path,
                &json!({ "body": body.text() }),
            );
            match sent {
                Ok(comment) => {
                    let created = Published::Created(self.written(&comment));
                    // Another run may have created one at the same time.
                    let own = self.list(&body.marker)?;
                    return match self.settle(own, body, Some(comment.id))? {
                        Some(Published::Untouched(_)) | None => Ok(created),
                        Some(other) => Ok(other),
                    };
                }
                Err(error) if tries < CREATIONS && error.may_have_been_done() => {
                    self.client.pause(tries);
                    // It may be there although the answer was lost.
                    if let Some(published) = self.settle(self.list(&body.marker)?, body, None)? {
                        return Ok(published.or_created());
                    }
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn update(&self, id: u64, body: &Body) -> Result<Comment, GitHubError> {
        let path = format!("/repos/{}/issues/comments/{id}", self.repository);
        self.client
            .patch("edit the comment", &path, &json!({ "body": body.text() }))
    }

    fn delete(&self, id: u64) -> Result<(), GitHubError> {
        let path = format!("/repos/{}/issues/comments/{id}", self.repository);
        self.client.delete("delete a second comment", &path)
    }

    fn written(&self, comment: &Comment) -> Written {
        let stranger = comment
            .user
            .as_ref()
            .filter(|user| !self.is_ours(Some(user)));
        Written {
            url: comment.html_url.clone().unwrap_or_default(),
            stranger: stranger.map(|user| user.login.clone()),
        }
    }
}
