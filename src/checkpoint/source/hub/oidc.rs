//! A token of the Hub for a job that can prove its identity: no secret has to be stored.
//!
//! The job asks its CI system for an identity token meant for the Hub, and exchanges it at
//! `POST /oauth/token` by RFC 8693 for a token that lasts an hour, with access to one repository or
//! what one user can read. The Hub must know the job as a trusted publisher:
//! <https://huggingface.co/docs/hub/trusted-publishers>. The CI system is GitHub Actions, or any other
//! whose identity token is given in `HF_OIDC_ID_TOKEN`.

use serde::Deserialize;
use url::Url;

use super::api::{client, refused};
use super::settings::{HubSettings, Token};
use crate::checkpoint::source::error::RemoteError;
use crate::checkpoint::source::store::innermost;
use crate::checkpoint::source::wire::{Answer, message_of};

const AUDIENCE: &str = "https://huggingface.co";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const SUBJECT: &str = "urn:ietf:params:oauth:token-type:id_token";

/// What the exchange starts from. The tokens in it are never shown.
#[derive(Clone)]
pub(super) struct Identity {
    /// What access is wanted to.
    resource: String,
    source: IdSource,
}

#[derive(Clone)]
enum IdSource {
    Given(String),
    /// Where GitHub Actions gives it, and the token to ask with.
    GitHub {
        url: String,
        token: String,
    },
    Missing,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Identity")
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct IdToken {
    value: String,
}

#[derive(Deserialize)]
struct Exchanged {
    access_token: String,
}

impl Identity {
    pub(super) fn new(resource: &str, variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let source = if let Some(token) = set("HF_OIDC_ID_TOKEN") {
            IdSource::Given(token)
        } else if let (Some(url), Some(token)) = (
            set("ACTIONS_ID_TOKEN_REQUEST_URL"),
            set("ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
        ) {
            IdSource::GitHub { url, token }
        } else {
            IdSource::Missing
        };
        Self {
            resource: resource.to_owned(),
            source,
        }
    }

    /// Gets the token of the Hub.
    pub(super) async fn exchange(
        &self,
        settings: &HubSettings,
        location: &str,
    ) -> Result<Token, RemoteError> {
        let client = client(settings, location)?;
        let id_token = match &self.source {
            IdSource::Given(token) => token.clone(),
            IdSource::GitHub { url, token } => ask_github(&client, url, token, location).await?,
            IdSource::Missing => {
                return Err(setup(
                    location,
                    "`--hub-oidc` needs a job of GitHub Actions with `permissions: { id-token: write }`, or HF_OIDC_ID_TOKEN",
                ));
            }
        };
        let body = serde_json::json!({
            "grant_type": GRANT,
            "subject_token_type": SUBJECT,
            "subject_token": id_token,
            "resource": self.resource,
        });
        let request = client
            .post(format!("{}/oauth/token", settings.endpoint))
            .header("content-type", "application/json")
            .body(body.to_string());
        let Exchanged { access_token } = send(request, location).await?;
        Token::new(&access_token)
            .ok_or_else(|| setup(location, "the Hub gave a token that cannot be sent"))
    }
}

async fn ask_github(
    client: &reqwest::Client,
    url: &str,
    token: &str,
    location: &str,
) -> Result<String, RemoteError> {
    let mut url = Url::parse(url)
        .ok()
        .ok_or_else(|| setup(location, "ACTIONS_ID_TOKEN_REQUEST_URL is no address"))?;
    url.query_pairs_mut().append_pair("audience", AUDIENCE);
    let request = client
        .get(url)
        .header("authorization", format!("Bearer {token}"));
    let IdToken { value } = send(request, location).await?;
    Ok(value)
}

fn setup(location: &str, problem: &str) -> RemoteError {
    RemoteError::Setup {
        location: location.to_owned(),
        problem: problem.to_owned(),
    }
}

/// Sends a request and reads the JSON that it is answered with.
async fn send<T: for<'a> Deserialize<'a>>(
    request: reqwest::RequestBuilder,
    location: &str,
) -> Result<T, RemoteError> {
    let network = |error: reqwest::Error| RemoteError::Network {
        location: location.to_owned(),
        reason: innermost(&error),
    };
    let response = request.send().await.map_err(network)?;
    let status = response.status();
    let body = response.text().await.map_err(network)?;
    if !status.is_success() {
        let answer = Answer {
            status: Some(status.as_u16()),
            message: format!("no token for this job ({})", message_of(&body)),
            ..Answer::default()
        };
        return Err(refused(answer, location));
    }
    serde_json::from_str(&body)
        .ok()
        .ok_or_else(|| setup(location, "the exchange of tokens gave no token"))
}
