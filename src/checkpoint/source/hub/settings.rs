//! What the environment says about the Hub.

use std::path::PathBuf;

use hf_hub::Cache;
use object_store::HeaderValue;

use super::oidc::Identity;
use crate::checkpoint::source::error::RemoteError;

const ENDPOINT: &str = "https://huggingface.co";

/// Where the Hub is, who asks, and where the cache is: the variables of the Python client.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// Without a `/` at the end.
    pub(super) endpoint: String,
    pub(super) token: Option<Token>,
    pub(super) cache: Cache,
    /// `HF_HUB_OFFLINE`.
    pub(in crate::checkpoint::source) offline: bool,
    /// Gets the token by an exchange.
    pub(super) identity: Option<Identity>,
}

impl Default for HubSettings {
    fn default() -> Self {
        Self::from_variables(|_| None)
    }
}

impl HubSettings {
    /// From the environment, of which `variable` gives the value by name.
    ///
    /// * `HF_ENDPOINT`: another Hub or a mirror.
    /// * `HF_TOKEN`, else the file `HF_TOKEN_PATH`, else `token` in `HF_HOME`; none where
    ///   `HF_HUB_DISABLE_IMPLICIT_TOKEN` is set and `HF_TOKEN` is not.
    /// * `HF_HUB_CACHE`, else `hub` in `HF_HOME`; `HF_HOME` is `~/.cache/huggingface` by default.
    /// * `HF_HUB_OFFLINE`: use nothing but the cache.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let home = set("HF_HOME").map_or_else(
            || {
                set("XDG_CACHE_HOME")
                    .map(PathBuf::from)
                    .or_else(|| {
                        let home = set("HOME").or_else(|| set("USERPROFILE"));
                        home.map(|home| PathBuf::from(home).join(".cache"))
                    })
                    .unwrap_or_default()
                    .join("huggingface")
            },
            PathBuf::from,
        );
        let cache = ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"]
            .into_iter()
            .find_map(set)
            .map_or_else(|| home.join("hub"), PathBuf::from);
        let is_on = |name: &str| {
            set(name).is_some_and(|value| {
                matches!(
                    value.to_ascii_uppercase().as_str(),
                    "1" | "ON" | "YES" | "TRUE"
                )
            })
        };
        let stored = || {
            if is_on("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
                return None;
            }
            match set("HF_TOKEN_PATH") {
                Some(path) => crate::fs::read_to_string(path.as_ref()).ok(),
                None => Cache::new(home.join("hub")).token(),
            }
        };
        let token = set("HF_TOKEN").or_else(stored);
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned());
        Self {
            endpoint: endpoint.trim().trim_end_matches('/').to_owned(),
            token: token.and_then(|text| Token::new(&text)),
            cache: Cache::new(cache),
            offline: is_on("HF_HUB_OFFLINE"),
            identity: None,
        }
    }

    /// With a token that is got in exchange for the identity of this job, with access to `resource`.
    #[must_use]
    pub fn with_oidc(self, resource: &str, variable: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            token: None,
            identity: Some(Identity::new(resource, variable)),
            ..self
        }
    }

    /// The settings with their token at hand.
    pub(super) async fn with_token(&self, location: &str) -> Result<Self, RemoteError> {
        let mut settings = self.clone();
        if let Some(identity) = settings.identity.take() {
            settings.token = Some(identity.exchange(self, location).await?);
        }
        Ok(settings)
    }
}

/// A token of the Hub. It is never shown.
#[derive(Clone)]
pub(super) struct Token(HeaderValue);

impl Token {
    /// `None` for a text that cannot be sent.
    pub(super) fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {text}")).ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> HubSettings {
        HubSettings::from_variables(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn token(settings: &HubSettings) -> Option<String> {
        let header = settings.token.as_ref()?.header();
        header.to_str().ok().map(str::to_owned)
    }

    #[test]
    fn the_cache_is_where_the_python_client_has_it() {
        let path = |variables: &[(&str, &str)]| settings(variables).cache.path().clone();
        let home = ("HOME", "/h");
        assert_eq!(path(&[home]), PathBuf::from("/h/.cache/huggingface/hub"));
        assert_eq!(
            path(&[home, ("XDG_CACHE_HOME", "/x")]),
            PathBuf::from("/x/huggingface/hub")
        );
        assert_eq!(path(&[home, ("HF_HOME", "/f")]), PathBuf::from("/f/hub"));
        assert_eq!(
            path(&[("HF_HOME", "/f"), ("HF_HUB_CACHE", "/c")]),
            PathBuf::from("/c")
        );
        assert_eq!(
            path(&[home, ("HF_HOME", "")]),
            PathBuf::from("/h/.cache/huggingface/hub")
        );
    }

    #[test]
    fn the_token_is_the_variable_or_the_file_and_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        crate::fs::write_atomic(&file, b"stored\n").unwrap();
        let home = folder.path().to_str().unwrap();
        let path = file.to_str().unwrap();
        assert_eq!(
            token(&settings(&[("HF_HOME", home)])).as_deref(),
            Some("Bearer stored")
        );
        let given = [("HF_HOME", home), ("HF_TOKEN", " given ")];
        assert_eq!(token(&settings(&given)).as_deref(), Some("Bearer given"));
        let by_path = [("HF_TOKEN_PATH", path), ("HF_HOME", "/none")];
        assert_eq!(token(&settings(&by_path)).as_deref(), Some("Bearer stored"));
        let without = [("HF_HOME", home), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")];
        assert_eq!(token(&settings(&without)), None);
        assert!(!format!("{:?}", settings(&given)).contains("given"));
    }

    #[test]
    fn the_endpoint_has_no_slash_at_its_end_and_offline_is_a_truth_value() {
        let mirror = settings(&[
            ("HF_ENDPOINT", "https://mirror/hub/"),
            ("HF_HUB_OFFLINE", "0"),
        ]);
        assert_eq!(mirror.endpoint, "https://mirror/hub");
        assert!(!mirror.offline);
        assert!(settings(&[("HF_HUB_OFFLINE", "1")]).offline);
        assert_eq!(settings(&[]).endpoint, ENDPOINT);
    }
}
