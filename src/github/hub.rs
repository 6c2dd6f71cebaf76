//! The same comment on a pull request of the Hugging Face Hub, where a model is published by one.
//!
//! The Hub knows no deletion that can be undone, so only the oldest comment of ours is kept up to date
//! and a second one is left alone. Who we are is asked once: the token does not say.

use std::str::FromStr;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::body::Body;
use super::client::Client;
use super::comment::{Published, Written};
use super::marker::Marker;
use super::{GitHubError, Repository};

/// Times that a creation is tried, each after a look whether the one before succeeded.
const CREATIONS: u32 = 3;

/// `hf://owner/name@refs/pr/N`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubPullRequest {
    pub repository: Repository,
    pub number: u64,
}

impl FromStr for HubPullRequest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text
            .strip_prefix("hf://")
            .and_then(|rest| rest.split_once("@refs/pr/"))
            .and_then(|(name, number)| Some((name.parse().ok()?, number.parse::<u64>().ok()?)));
        match parts {
            Some((repository, number)) if number > 0 => Ok(Self { repository, number }),
            Some(_) | None => Err(format!("`{text}` is no `hf://owner/name@refs/pr/N`")),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Account {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Discussion {
    events: Vec<Event>,
}

#[derive(Debug, Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    author: Option<Account>,
    #[serde(default)]
    data: Data,
}

#[derive(Debug, Default, Deserialize)]
struct Data {
    latest: Option<Latest>,
}

#[derive(Debug, Deserialize)]
struct Latest {
    raw: Option<String>,
}

/// A comment of ours.
struct Own {
    id: String,
    text: String,
    marker: Marker,
}

/// Edits the comment on `pull`, or creates it where there is none and `create` asks for it.
pub fn publish(
    client: &Client,
    pull: &HubPullRequest,
    body: &Body,
    create: bool,
) -> Result<Published, GitHubError> {
    let account: Account = client.get("ask the Hub whose token this is", "/api/whoami-v2")?;
    let thread = Thread {
        client,
        pull,
        author: account.name,
    };
    match thread.find(&body.marker)? {
        Some(own) => thread.edit(&own, body),
        None if create => thread.create(body),
        None => Ok(Published::NotWanted),
    }
}

struct Thread<'a> {
    client: &'a Client,
    pull: &'a HubPullRequest,
    author: String,
}

impl Thread<'_> {
    fn path(&self) -> String {
        format!(
            "/api/models/{}/discussions/{}",
            self.pull.repository, self.pull.number
        )
    }

    /// The oldest comment of ours.
    fn find(&self, marker: &Marker) -> Result<Option<Own>, GitHubError> {
        let discussion: Discussion = self
            .client
            .get("read the Hub's pull request", &self.path())?;
        Ok(discussion.events.into_iter().find_map(|event| {
            let ours = event.kind == "comment" && event.author?.name == self.author;
            // A hidden comment has no text any more.
            let text = event.data.latest?.raw.filter(|_| ours)?;
            let found = Marker::find(&text)?;
            (found.key == marker.key).then_some(Own {
                id: event.id,
                text,
                marker: found,
            })
        }))
    }

    fn edit(&self, own: &Own, body: &Body) -> Result<Published, GitHubError> {
        if own.marker.run > body.marker.run {
            return Ok(Published::LaterRun(Written::default()));
        }
        if body.says_the_same(&own.text) && own.marker.head == body.marker.head {
            return Ok(Published::Untouched(Written::default()));
        }
        let path = format!("{}/comment/{}/edit", self.path(), own.id.to_lowercase());
        let content = json!({ "content": body.text() });
        let _answer: IgnoredAny =
            self.client
                .repeatable_post("edit the Hub's comment", &path, &content)?;
        Ok(Published::Updated(Written::default()))
    }

    fn create(&self, body: &Body) -> Result<Published, GitHubError> {
        let path = format!("{}/comment", self.path());
        let content = json!({ "comment": body.text() });
        let mut tries = 1;
        loop {
            let sent = self
                .client
                .post::<IgnoredAny>("post the Hub's comment", &path, &content);
            match sent {
                Ok(_) => return Ok(Published::Created(Written::default())),
                Err(error) if tries < CREATIONS && error.may_have_been_done() => {
                    self.client.pause(tries);
                    if self.find(&body.marker)?.is_some() {
                        return Ok(Published::Created(Written::default()));
                    }
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_request_of_the_hub_is_named_by_its_reference() {
        let pull: HubPullRequest = "hf://org/model.v2@refs/pr/12".parse().unwrap();
        assert_eq!(
            (pull.repository.to_string().as_str(), pull.number),
            ("org/model.v2", 12)
        );
        for wrong in [
            "hf://org/model",
            "hf://org/model@main",
            "hf://org/model@refs/pr/0",
            "hf://org/model@refs/pr/x",
            "hf://org/../x@refs/pr/1",
            "org/model@refs/pr/1",
        ] {
            assert!(wrong.parse::<HubPullRequest>().is_err(), "{wrong}");
        }
    }
}
