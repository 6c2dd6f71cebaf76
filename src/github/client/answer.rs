//! An answer of GitHub's, and what it says about trying again.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LINK, LOCATION, RETRY_AFTER};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::GitHubError;

/// What GitHub asks for where it gives no time.
const USUAL_RATE_LIMIT_WAIT: Duration = Duration::from_secs(60);
/// Characters of a message that are shown.
const MESSAGE_LIMIT: usize = 300;

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

#[derive(Deserialize)]
struct Problem {
    message: String,
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        self.status.is_success()
    }

    pub(super) fn is_server_error(&self) -> bool {
        self.status.is_server_error()
    }

    pub(super) fn has_next_page(&self) -> bool {
        let links = self.headers.get(LINK).and_then(|value| value.to_str().ok());
        links.is_some_and(|links| links.contains("rel=\"next\""))
    }

    /// How long GitHub asks to wait, where it refused only because of a rate limit. `now` is the
    /// time since 1970.
    pub(super) fn rate_limit_wait(&self, now: Duration) -> Option<Duration> {
        let number = |name: &str| {
            self.headers
                .get(name)?
                .to_str()
                .ok()?
                .trim()
                .parse::<u64>()
                .ok()
        };
        let retry_after = number(RETRY_AFTER.as_str()).map(Duration::from_secs);
        let exhausted = number("x-ratelimit-remaining") == Some(0);
        let limited = match self.status {
            StatusCode::TOO_MANY_REQUESTS => true,
            // A token that may not write gets 403 as well, without these headers.
            StatusCode::FORBIDDEN => retry_after.is_some() || exhausted,
            _ => false,
        };
        let reset = number("x-ratelimit-reset")
            .filter(|_| exhausted)
            .map(|at| Duration::from_secs(at).saturating_sub(now) + Duration::from_secs(1));
        limited.then(|| retry_after.or(reset).unwrap_or(USUAL_RATE_LIMIT_WAIT))
    }

    pub(super) fn read<T: DeserializeOwned>(
        &self,
        action: &str,
        method: &'static str,
        path: &str,
    ) -> Result<T, GitHubError> {
        serde_json::from_str(&self.body).map_err(|source| GitHubError::Answer {
            action: action.to_owned(),
            method,
            path: path.to_owned(),
            source,
        })
    }

    pub(super) fn refusal(&self, action: &str, method: &'static str, path: &str) -> GitHubError {
        GitHubError::Refused {
            action: action.to_owned(),
            method,
            path: path.to_owned(),
            status: self.status.as_u16(),
            message: self.message(),
        }
    }

    fn message(&self) -> String {
        let location = self
            .headers
            .get(LOCATION)
            .and_then(|value| value.to_str().ok());
        if let (true, Some(location)) = (self.status.is_redirection(), location) {
            return format!("moved to {location}");
        }
        let said = serde_json::from_str::<Problem>(&self.body).map(|problem| problem.message);
        let text = said.unwrap_or_else(|_| self.body.clone());
        let text: String = text.trim().chars().take(MESSAGE_LIMIT).collect();
        if text.is_empty() {
            self.status
                .canonical_reason()
                .unwrap_or("no reason given")
                .to_owned()
        } else {
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(name, value)| {
            let name = reqwest::header::HeaderName::from_static(name);
            (name, value.parse().unwrap())
        });
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers.collect(),
            body: body.to_owned(),
        }
    }

    fn wait(status: u16, headers: &[(&'static str, &str)]) -> Option<u64> {
        let now = Duration::from_secs(1000);
        let answer = answer(status, headers, "");
        answer.rate_limit_wait(now).map(|wait| wait.as_secs())
    }

    #[test]
    fn a_rate_limit_is_told_apart_from_a_token_that_may_not_write() {
        assert_eq!(wait(403, &[]), None);
        assert_eq!(wait(403, &[("x-ratelimit-remaining", "4000")]), None);
        assert_eq!(wait(403, &[("retry-after", "7")]), Some(7));
        assert_eq!(wait(429, &[]), Some(60));
        let reset = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1010"),
        ];
        assert_eq!(wait(403, &reset), Some(11));
        assert_eq!(wait(502, &[("retry-after", "7")]), None);
    }

    #[test]
    fn a_refusal_says_what_github_said_on_one_page() {
        let refused = answer(
            403,
            &[],
            r#"{"message": "Resource not accessible by integration"}"#,
        );
        let error = refused.refusal("list the comments", "GET", "/x");
        assert_eq!(
            error.to_string(),
            "cannot list the comments: 403 from GET /x: Resource not accessible by integration"
        );
        assert!(error.is_forbidden());
        assert_eq!(answer(502, &[], " ").message(), "Bad Gateway");
        assert_eq!(
            answer(500, &[], &"é".repeat(9000))
                .message()
                .chars()
                .count(),
            300
        );
        assert_eq!(
            answer(301, &[("location", "https://x/y")], "").message(),
            "moved to https://x/y"
        );
    }

    #[test]
    fn only_a_link_to_the_next_page_is_one() {
        let link = "<https://api.github.com/x?page=2>; rel=\"next\"";
        assert!(answer(200, &[("link", link)], "[]").has_next_page());
        assert!(!answer(200, &[("link", "<https://x>; rel=\"prev\"")], "[]").has_next_page());
        assert!(!answer(200, &[], "[]").has_next_page());
    }
}
