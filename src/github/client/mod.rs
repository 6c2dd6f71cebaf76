//! The connection to GitHub: octocrab over reqwest, with a retry policy of our own.
//!
//! octocrab's typed calls are not used where they differ from GitHub's description of its API:
//! updating a comment must be a `PATCH` (octocrab sends `POST`), and its retries send a `POST` again
//! after a 502, which GitHub may have carried out. Here
//!
//! - a request that may be repeated (`GET`, `PATCH`, `DELETE`) is tried up to [`TRIES`] times after
//!   a lost answer or a status of 5xx;
//! - a `POST` is repeated only where GitHub says that it did nothing: over a rate limit;
//! - all waits together are capped, whatever `Retry-After` asks for, and answers that do not come
//!   take of the same time.

mod answer;

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use octocrab::Octocrab;
use reqwest::header::{ACCEPT, HeaderName};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::GitHubError;
use answer::Answer;

/// Times that a repeatable request is sent.
pub const TRIES: u32 = 3;
/// Items on a page of a listing; the most that GitHub gives.
pub const PAGE: usize = 100;
/// Pages of a listing that are read.
const PAGES: usize = 50;
const FIRST_WAIT: Duration = Duration::from_millis(500);
const USER_AGENT: &str = concat!("tunegate/", env!("CARGO_PKG_VERSION"));

/// How GitHub is reached.
#[derive(Clone)]
pub struct Settings {
    /// `GITHUB_API_URL`.
    pub api_url: String,
    pub token: Option<String>,
    /// For one request, with its answer.
    pub timeout: Duration,
    /// For all waits between requests, and for answers that do not come, together.
    pub longest_wait: Duration,
}

/// Not derived: a token is never shown.
impl std::fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("api_url", &self.api_url)
            .field("has_token", &self.token.is_some())
            .finish_non_exhaustive()
    }
}

/// Blocking; one request at a time.
pub struct Client {
    crab: Octocrab,
    runtime: tokio::runtime::Runtime,
    timeout: Duration,
    /// Time left for waits and for answers that do not come.
    patience: Cell<Duration>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Client").finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Post,
    Patch,
    /// A `POST` that replaces, so that twice is the same as once.
    Replace,
    /// A `PATCH` that adds, so that twice is more than once.
    Append,
    Delete,
}

impl Method {
    fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post | Self::Replace => "POST",
            Self::Patch | Self::Append => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether sending it twice leaves what sending it once leaves.
    fn is_repeatable(self) -> bool {
        !matches!(self, Self::Post | Self::Append)
    }
}

struct Call<'a> {
    /// What it is for, as in "cannot ...".
    action: &'a str,
    method: Method,
    path: &'a str,
    body: Option<serde_json::Value>,
}

impl Client {
    pub fn new(settings: &Settings) -> Result<Self, GitHubError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| GitHubError::Setup(error.into()))?;
        let crab = {
            // The client's queue is served by a task of the runtime.
            let _inside = runtime.enter();
            connect(settings)?
        };
        Ok(Self {
            crab,
            runtime,
            timeout: settings.timeout,
            patience: Cell::new(settings.longest_wait),
        })
    }

    pub fn get<T: DeserializeOwned>(&self, action: &str, path: &str) -> Result<T, GitHubError> {
        self.call(&Call::new(action, Method::Get, path))?
            .read(action, "GET", path)
    }

    /// All items of a listing. Pages are asked for by number: a `Link` to another host is not followed.
    pub fn get_all<T: DeserializeOwned>(
        &self,
        action: &str,
        path: &str,
    ) -> Result<Vec<T>, GitHubError> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        for page in 1..=PAGES {
            let path = format!("{path}{separator}per_page={PAGE}&page={page}");
            let answer = self.call(&Call::new(action, Method::Get, &path))?;
            let has_next = answer.has_next_page();
            let mut more: Vec<T> = answer.read(action, "GET", &path)?;
            let full = more.len() >= PAGE;
            items.append(&mut more);
            if !has_next && !full {
                return Ok(items);
            }
        }
        Err(GitHubError::TooMany {
            action: action.to_owned(),
            limit: PAGE * PAGES,
        })
    }

    pub fn patch<T: DeserializeOwned>(
        &self,
        action: &str,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, GitHubError> {
        let call = Call::new(action, Method::Patch, path).with(body)?;
        self.call(&call)?.read(action, "PATCH", path)
    }

    /// As [`Client::patch`] for what a second time would add again: sent once.
    pub fn append<T: DeserializeOwned>(
        &self,
        action: &str,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, GitHubError> {
        let call = Call::new(action, Method::Append, path).with(body)?;
        self.call(&call)?.read(action, "PATCH", path)
    }

    /// Sent once. After [`GitHubError::NoAnswer`] or a 5xx, look whether it was done.
    pub fn post<T: DeserializeOwned>(
        &self,
        action: &str,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, GitHubError> {
        let call = Call::new(action, Method::Post, path).with(body)?;
        self.call(&call)?.read(action, "POST", path)
    }

    /// As [`Client::post`] for what a second time would not change: tried again as a `PATCH` is.
    pub fn repeatable_post<T: DeserializeOwned>(
        &self,
        action: &str,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, GitHubError> {
        let call = Call::new(action, Method::Replace, path).with(body)?;
        self.call(&call)?.read(action, "POST", path)
    }

    /// What is gone already counts as deleted.
    pub fn delete(&self, action: &str, path: &str) -> Result<(), GitHubError> {
        match self.call(&Call::new(action, Method::Delete, path)) {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn call(&self, call: &Call<'_>) -> Result<Answer, GitHubError> {
        let mut tries = 1;
        loop {
            let started = Instant::now();
            let outcome = self.runtime.block_on(self.send(call));
            let limited = match &outcome {
                Ok(answer) if answer.is_success() => return outcome,
                Ok(answer) => answer.rate_limit_wait(now()),
                Err(_) => {
                    // Answers that do not come take of the same patience.
                    self.spend(started.elapsed());
                    None
                }
            };
            let transient = outcome.as_ref().map_or(true, Answer::is_server_error);
            let retried = (call.method.is_repeatable() && transient).then(|| pause(tries));
            let wait = limited.or(retried).filter(|_| tries < TRIES);
            match wait {
                Some(wait) if self.can_wait(wait) => self.sleep(wait),
                Some(wait) if limited.is_some() => {
                    return Err(GitHubError::RateLimited {
                        action: call.action.to_owned(),
                        seconds: wait.as_secs(),
                    });
                }
                Some(_) | None => {
                    let (method, path) = (call.method.as_str(), call.path);
                    return outcome
                        .and_then(|answer| Err(answer.refusal(call.action, method, path)));
                }
            }
            tries += 1;
        }
    }

    /// Waits before try `tries + 1`, as far as there is patience left.
    pub(super) fn pause(&self, tries: u32) {
        self.sleep(pause(tries).min(self.patience.get()));
    }

    fn can_wait(&self, wait: Duration) -> bool {
        wait <= self.patience.get()
    }

    fn spend(&self, time: Duration) {
        self.patience.set(self.patience.get().saturating_sub(time));
    }

    fn sleep(&self, wait: Duration) {
        self.spend(wait);
        std::thread::sleep(wait);
    }

    async fn send(&self, call: &Call<'_>) -> Result<Answer, GitHubError> {
        let no_answer = |problem: String| GitHubError::NoAnswer {
            action: call.action.to_owned(),
            method: call.method.as_str(),
            path: call.path.to_owned(),
            problem,
        };
        match tokio::time::timeout(self.timeout, self.exchange(call)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(no_answer(innermost(&error))),
            Err(_elapsed) => Err(no_answer(format!(
                "none within {} s",
                self.timeout.as_secs()
            ))),
        }
    }

    async fn exchange(&self, call: &Call<'_>) -> Result<Answer, octocrab::Error> {
        let body = call.body.as_ref();
        let response = match call.method {
            Method::Get => self.crab._get(call.path).await?,
            Method::Post | Method::Replace => self.crab._post(call.path, body).await?,
            Method::Patch | Method::Append => self.crab._patch(call.path, body).await?,
            Method::Delete => self.crab._delete(call.path, body).await?,
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self.crab.body_to_string(response).await?;
        Ok(Answer {
            status,
            headers,
            body,
        })
    }
}

impl<'a> Call<'a> {
    fn new(action: &'a str, method: Method, path: &'a str) -> Self {
        Self {
            action,
            method,
            path,
            body: None,
        }
    }

    fn with(mut self, body: &impl Serialize) -> Result<Self, GitHubError> {
        let body = serde_json::to_value(body).map_err(|error| GitHubError::Setup(error.into()))?;
        self.body = Some(body);
        Ok(self)
    }
}

fn connect(settings: &Settings) -> Result<Octocrab, GitHubError> {
    let wrong_url = |problem: String| GitHubError::ApiUrl {
        url: settings.api_url.clone(),
        problem,
    };
    if !settings.api_url.starts_with("https://") && !settings.api_url.starts_with("http://") {
        return Err(wrong_url(
            "it starts with neither `https://` nor `http://`".to_owned(),
        ));
    }
    // Fails only where another part of the program has installed a provider.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    // A redirect would turn a POST into a GET; GitHub redirects only renamed repositories.
    let transport = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(settings.timeout)
        .build()
        .map_err(|error| GitHubError::Setup(error.into()))?;
    let mut builder = Octocrab::builder()
        .base_uri(settings.api_url.trim_end_matches('/'))
        .map_err(|error| wrong_url(innermost(&error)))?
        .add_header(ACCEPT, "application/vnd.github+json".to_owned())
        .add_header(
            HeaderName::from_static("x-github-api-version"),
            "2022-11-28".to_owned(),
        )
        .add_header(reqwest::header::USER_AGENT, USER_AGENT.to_owned());
    if let Some(token) = &settings.token {
        builder = builder.personal_token(token.clone());
    }
    builder
        .build_with_reqwest(transport)
        .map_err(|error| GitHubError::Setup(innermost(&error).into()))
}

/// The last cause: octocrab's own texts carry addresses of its source and backtraces.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

/// Doubles with every try; spread by up to a half, so that jobs of a matrix do not come back together.
fn pause(tries: u32) -> Duration {
    let wait = FIRST_WAIT * 2_u32.saturating_pow(tries - 1);
    let spread = u64::from(now().subsec_nanos()) % 500;
    wait + wait * u32::try_from(spread).unwrap_or(0) / 1000
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// A path or query value with everything but unreserved characters and `/` percent-encoded.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.extend(char::from_digit(u32::from(digit), 16).map(|c| c.to_ascii_uppercase()));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_shown() {
        let settings = Settings {
            api_url: "https://api.github.com".to_owned(),
            token: Some("ghs_secret".to_owned()),
            timeout: Duration::from_secs(1),
            longest_wait: Duration::ZERO,
        };
        assert!(!format!("{settings:?}").contains("secret"));
        let client = Client::new(&settings).unwrap();
        assert!(!format!("{client:?}").contains("secret"));
    }

    #[test]
    fn an_address_that_is_none_of_the_web_is_refused() {
        for api_url in ["", "file:///etc/passwd", "api.github.com"] {
            let settings = Settings {
                api_url: api_url.to_owned(),
                token: None,
                timeout: Duration::from_secs(1),
                longest_wait: Duration::ZERO,
            };
            assert!(
                matches!(Client::new(&settings), Err(GitHubError::ApiUrl { .. })),
                "{api_url}"
            );
        }
    }

    #[test]
    fn only_what_may_be_repeated_is_repeated() {
        assert!(Method::Get.is_repeatable() && Method::Patch.is_repeatable());
        assert!(Method::Delete.is_repeatable());
        assert!(!Method::Post.is_repeatable() && !Method::Append.is_repeatable());
    }

    #[test]
    fn waits_grow_and_stay_short() {
        for tries in 1..=3 {
            let least = FIRST_WAIT * 2_u32.pow(tries - 1);
            assert!(pause(tries) >= least && pause(tries) <= least * 3 / 2);
        }
    }

    #[test]
    fn a_path_cannot_leave_its_place_in_an_address() {
        assert_eq!(encoded("policies/gate.toml"), "policies/gate.toml");
        assert_eq!(encoded("a b?ref=x#é"), "a%20b%3Fref%3Dx%23%C3%A9");
    }
}
