//! What lies between the stores and the network: waits that a server asks for, and what it said when
//! it refused.
//!
//! The stores retry by themselves, but they look at no `Retry-After` and keep of a refusal neither
//! the Hub's error code nor a message that could be shown as it is: their texts hold whole addresses,
//! and an address can hold a signature.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};
use object_store::{ClientOptions, HeaderMap};

/// The longest wait that a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Bodies of refusals are small; a larger one is not looked at.
const LARGEST_REFUSAL: u64 = 1 << 16;
const LONGEST_MESSAGE: usize = 200;
/// Where cloud machines find their credentials.
const METADATA_HOSTS: &[&str] = &[
    "169.254.169.254",
    "metadata.google.internal",
    "169.254.170.2",
    "169.254.170.23",
];

/// The last answer to a request and its retries. Put it into the request's extensions.
#[derive(Debug, Clone, Default)]
pub(super) struct Trace(Arc<Mutex<Answer>>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// `None` where there was no answer.
    pub(super) status: Option<u16>,
    /// `X-Error-Code` of the Hub.
    pub(super) code: String,
    pub(super) message: String,
    /// Seconds that the server asked to wait and that nobody waited.
    pub(super) refused_wait: Option<u64>,
    /// The failure was in asking a cloud machine's credentials.
    pub(super) no_credentials: bool,
}

impl Trace {
    pub(super) fn answer(&self) -> Answer {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, answer: Answer) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }
}

/// Makes clients that wait as they are asked to, and remember refusals.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// The last failure of a request that carries no trace: a listing, or a request for credentials.
    untraced: Arc<Mutex<Answer>>,
}

/// The connector that the stores are built with.
#[derive(Debug)]
pub(super) struct Connector(pub(super) Arc<Wire>);

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Service {
            inner,
            untraced: Trace(Arc::clone(&self.0.untraced)),
        }))
    }
}

#[derive(Debug)]
struct Service {
    inner: HttpClient,
    untraced: Trace,
}

#[derive(Debug, thiserror::Error)]
#[error("the server asks to wait {0} s")]
struct TooLongAWait(u64);

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let trace = request.extensions().get::<Trace>();
        let trace = trace.unwrap_or(&self.untraced).clone();
        let no_credentials = request
            .uri()
            .host()
            .is_some_and(|host| METADATA_HOSTS.contains(&host));
        let unknown = Answer {
            no_credentials,
            ..Answer::default()
        };
        let response = match self.inner.execute(request).await {
            Ok(response) => response,
            Err(error) => {
                trace.set(unknown);
                return Err(error);
            }
        };
        let status = response.status().as_u16();
        if status < 400 {
            return Ok(response);
        }
        let (answer, response) = read_refusal(response).await?;
        let answer = Answer {
            no_credentials,
            ..answer
        };
        let wait = asked_wait(status, response.headers());
        let too_long = wait
            .filter(|wait| !is_short(*wait))
            .map(|wait| wait.as_secs());
        trace.set(Answer {
            refused_wait: too_long,
            ..answer
        });
        if let Some(seconds) = too_long {
            // A kind of failure that the stores do not retry.
            return Err(HttpError::new(HttpErrorKind::Decode, TooLongAWait(seconds)));
        }
        if let Some(wait) = wait {
            tokio::time::sleep(wait).await;
        }
        Ok(response)
    }
}

impl Wire {
    /// What is known of a request that failed. A request that was never answered may have failed for
    /// want of credentials.
    pub(super) fn answer(&self, trace: &Trace) -> Answer {
        let answer = trace.answer();
        if answer == Answer::default() {
            return Trace(Arc::clone(&self.untraced)).answer();
        }
        answer
    }
}

/// Reads the body of a refusal, and gives it back for the store to see.
async fn read_refusal(response: HttpResponse) -> Result<(Answer, HttpResponse), HttpError> {
    let status = response.status().as_u16();
    let header = |name: &str| {
        let value = response.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
            .to_owned()
    };
    let (code, mut message) = (header("x-error-code"), clean(&header("x-error-message")));
    let length = header("content-length").parse::<u64>().unwrap_or(u64::MAX);
    let (parts, body) = response.into_parts();
    let response = if length <= LARGEST_REFUSAL {
        let body = body.bytes().await?;
        if message.is_empty() {
            message = message_of(&String::from_utf8_lossy(&body));
        }
        HttpResponse::from_parts(parts, body.into())
    } else {
        HttpResponse::from_parts(parts, body)
    };
    let answer = Answer {
        status: Some(status),
        code,
        message,
        ..Answer::default()
    };
    Ok((answer, response))
}

/// What a body says in words: the message of an XML or JSON document. Anything else could be a page.
pub(super) fn message_of(body: &str) -> String {
    let xml = |tag: &str| {
        let (_, rest) = body.split_once(&format!("<{tag}>"))?;
        Some(rest.split_once('<')?.0.to_owned())
    };
    if let Some(code) = xml("Code") {
        let message = xml("Message").unwrap_or_default();
        return clean(&format!("{code}: {message}"));
    }
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let error = json.get("error").unwrap_or(&json);
    let text = error.as_str().or_else(|| error.get("message")?.as_str());
    clean(text.unwrap_or_default())
}

/// One line of limited length without control characters, and without words that could be a token or
/// a signature: a server may repeat what it was sent.
pub(super) fn clean(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|one: char| one.is_control() || one.is_whitespace())
        .filter(|word| !word.is_empty())
        .map(|word| if may_be_secret(word) { "[...]" } else { word })
        .collect();
    let line: String = words.join(" ").chars().take(LONGEST_MESSAGE).collect();
    line.trim_end_matches('.').to_owned()
}

fn may_be_secret(word: &str) -> bool {
    let is_code = |one: char| one.is_ascii_alphanumeric() || "+/_.=-".contains(one);
    word.contains("hf_") || word.contains("ig=") || (word.len() >= 40 && word.chars().all(is_code))
}

/// How long a server that is busy asks to wait.
pub(super) fn asked_wait(status: u16, headers: &HeaderMap) -> Option<Duration> {
    if !matches!(status, 429 | 503) {
        return None;
    }
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Duration::try_from(until.duration_since(Timestamp::now())).ok()
}

/// Whether a wait is short enough to be waited.
pub(super) fn is_short(wait: Duration) -> bool {
    wait <= LONGEST_WAIT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", value.parse().unwrap());
        headers
    }

    #[test]
    fn a_wait_is_read_as_seconds_or_as_a_date_and_only_from_a_busy_server() {
        assert_eq!(asked_wait(429, &headers("7")), Some(Duration::from_secs(7)));
        assert_eq!(asked_wait(503, &headers(" 0 ")), Some(Duration::ZERO));
        assert_eq!(asked_wait(500, &headers("7")), None);
        assert_eq!(asked_wait(429, &headers("soon")), None);
        assert_eq!(asked_wait(429, &headers("-1")), None);
        assert_eq!(asked_wait(429, &HeaderMap::new()), None);
        let past = "Wed, 21 Oct 2015 07:28:00 GMT";
        assert_eq!(asked_wait(429, &headers(past)), None);
        let future = "Mon, 21 Oct 2199 07:28:00 GMT";
        assert!(asked_wait(429, &headers(future)).unwrap() > LONGEST_WAIT);
    }

    #[test]
    fn the_message_of_a_refusal_is_taken_from_xml_or_json_and_from_nothing_else() {
        let xml =
            "<Error><Code>AccessDenied</Code><Message>Access Denied</Message><Key>s</Key></Error>";
        assert_eq!(message_of(xml), "AccessDenied: Access Denied");
        assert_eq!(message_of(r#"{"error":"no\u0007 way"}"#), "no way");
        assert_eq!(
            message_of(r#"{"error":{"code":404,"message":"gone."}}"#),
            "gone"
        );
        assert_eq!(message_of("<html>nginx</html>"), "");
        assert_eq!(message_of(""), "");
        assert_eq!(clean(&"long ".repeat(1000)).len(), LONGEST_MESSAGE);
    }

    #[test]
    fn what_a_server_repeats_of_a_secret_is_not_shown() {
        let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJyZXBvOmEvYiJ9.c2lnbmF0dXJl";
        for secret in ["hf_abcdef", "`hf_abcdef`", jwt, "?sig=abc", "Sig=abc"] {
            assert_eq!(
                clean(&format!("bad token {secret} here")),
                "bad token [...] here"
            );
        }
        let arn = "arn:aws:iam::123456789012:user/somebody-with-a-name";
        assert_eq!(clean(arn), arn);
    }
}
