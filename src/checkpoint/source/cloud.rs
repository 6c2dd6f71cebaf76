//! Object stores and web servers by their addresses.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::path::Path as ObjectPath;
use object_store::{ClientConfigKey, ClientOptions, HeaderMap, ObjectStore, ObjectStoreScheme};
use url::Url;

use super::access::Shared;
use super::error::RemoteError;
use super::reference::Cloud;
use super::store::{Store, Versions, innermost, retries};
use super::wire::Wire;

/// Between two parts of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How the program names itself.
pub(super) const USER_AGENT: &str = concat!("tunegate/", env!("CARGO_PKG_VERSION"));

/// Settings for all stores whose builders also read the environment. There is no limit on a whole
/// request, which may be of any size, but on the wait for its next bytes.
fn client_settings() -> [(ClientConfigKey, String); 4] {
    let seconds = |limit: Duration| format!("{} s", limit.as_secs());
    [
        (ClientConfigKey::Timeout, "365 days".to_owned()),
        (ClientConfigKey::ReadTimeout, seconds(READ_TIMEOUT)),
        (ClientConfigKey::ConnectTimeout, seconds(CONNECT_TIMEOUT)),
        (ClientConfigKey::UserAgent, USER_AGENT.to_owned()),
    ]
}

/// The store that a bucket's address names, set up from the environment, and the path in it.
pub(super) fn bucket(
    kind: Cloud,
    url: &Url,
    location: &str,
    shared: &Arc<Shared>,
) -> Result<(Store, ObjectPath), RemoteError> {
    // Not parse_url_opts: it takes any variable of the environment for a setting, TOKEN among them.
    let built = build(kind, url, &shared.wire);
    let setup = |problem| RemoteError::Setup {
        location: location.to_owned(),
        problem,
    };
    let inner = built.map_err(|error| setup(innermost(&error)))?;
    let (_, path) = ObjectStoreScheme::parse(url).map_err(|error| setup(innermost(&error)))?;
    let store = Store {
        inner,
        shared: Arc::clone(shared),
        versions: Versions::Tagged,
    };
    Ok((store, path))
}

fn build(
    kind: Cloud,
    url: &Url,
    wire: &Arc<Wire>,
) -> Result<Arc<dyn ObjectStore>, object_store::Error> {
    let connector = super::wire::Connector(Arc::clone(wire));
    Ok(match kind {
        Cloud::S3 => {
            let mut builder = AmazonS3Builder::from_env().with_url(url.as_str());
            for (key, value) in client_settings() {
                builder = builder.with_config(AmazonS3ConfigKey::Client(key), value);
            }
            let builder = builder.with_retry(retries()).with_http_connector(connector);
            Arc::new(builder.build()?)
        }
        Cloud::Gcs => {
            let mut builder = GoogleCloudStorageBuilder::from_env().with_url(url.as_str());
            for (key, value) in client_settings() {
                builder = builder.with_config(GoogleConfigKey::Client(key), value);
            }
            let builder = builder.with_retry(retries()).with_http_connector(connector);
            Arc::new(builder.build()?)
        }
        Cloud::Azure => {
            let mut builder = MicrosoftAzureBuilder::from_env().with_url(url.as_str());
            for (key, value) in client_settings() {
                builder = builder.with_config(AzureConfigKey::Client(key), value);
            }
            let builder = builder.with_retry(retries()).with_http_connector(connector);
            Arc::new(builder.build()?)
        }
    })
}

/// A folder behind a web server. `headers` go with every request, but not to another host.
pub(super) fn web(
    url: &Url,
    headers: HeaderMap,
    versions: Versions,
    location: &str,
    shared: &Arc<Shared>,
) -> Result<Store, RemoteError> {
    let options = ClientOptions::new()
        .with_allow_http(url.scheme() == "http")
        .with_default_headers(headers);
    let options = client_settings()
        .into_iter()
        .fold(options, |options, (key, value)| {
            options.with_config(key, value)
        });
    let built = HttpBuilder::new()
        .with_url(url.as_str())
        .with_client_options(options)
        .with_retry(retries())
        .with_http_connector(super::wire::Connector(Arc::clone(&shared.wire)))
        .build();
    let inner = built.map_err(|error| RemoteError::Setup {
        location: location.to_owned(),
        problem: innermost(&error),
    })?;
    Ok(Store {
        inner: Arc::new(inner),
        shared: Arc::clone(shared),
        versions,
    })
}
