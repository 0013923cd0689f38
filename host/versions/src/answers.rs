//! Answers of a registry that are read as a whole, tags and manifests, up to a size: whoever answers decides nothing about this
//! host's memory. Who asks is known to the registry by what its client library has agreed with it.

use std::time::Duration;

use http::StatusCode;
use oci_client::Reference;
use oci_client::errors::{OciDistributionError, OciEnvelope};
use oci_client::secrets::RegistryAuth;
use serde::Deserialize;

/// Largest manifest or list of tags, in bytes: what the distribution specification asks registries to take at least.
const MAX_ANSWER: usize = 4 << 20;

/// How to ask.
pub(crate) struct Answers {
    http: reqwest::Client,
    scheme: &'static str,
}

/// A page of tags.
#[derive(Deserialize)]
struct Tags {
    // Some registries write null where there are none.
    tags: Option<Vec<String>>,
}

/// Who asks.
pub(crate) struct Asking<'a> {
    /// The token that the registry has given, if it gives any.
    pub(crate) token: Option<&'a str>,
    /// What to say where it gives none.
    pub(crate) auth: &'a RegistryAuth,
}

impl Answers {
    /// With these authorities besides the system's, as PEM, or without TLS.
    pub(crate) fn new(
        plain: bool,
        extra_roots: &str,
        connect_timeout: Duration,
        read_timeout: Duration,
        user_agent: &'static str,
    ) -> reqwest::Result<Self> {
        let roots = reqwest::Certificate::from_pem_bundle(extra_roots.as_bytes())?;
        let http = reqwest::Client::builder()
            .tls_certs_merge(roots)
            .connect_timeout(connect_timeout)
            .read_timeout(read_timeout)
            .user_agent(user_agent)
            .build()?;
        Ok(Self { http, scheme: if plain { "http" } else { "https" } })
    }

    /// The tags behind `last`, as many as the registry likes, at most `count`.
    pub(crate) async fn tags(
        &self,
        image: &Reference,
        asking: &Asking<'_>,
        count: usize,
        last: Option<&str>,
    ) -> Result<Vec<String>, OciDistributionError> {
        let url = self.url(image, "tags/list");
        let mut request = self.http.get(&url).query(&[("n", count)]);
        if let Some(last) = last {
            request = request.query(&[("last", last)]);
        }
        let answer = answer(request, asking, &url).await?;
        Ok(serde_json::from_slice::<Tags>(&answer)?.tags.unwrap_or_default())
    }

    /// The manifest of an image, as the registry holds it.
    pub(crate) async fn manifest(
        &self,
        image: &Reference,
        asking: &Asking<'_>,
        types: &[&str],
    ) -> Result<Vec<u8>, OciDistributionError> {
        let named = image.digest().or(image.tag()).unwrap_or("latest");
        let url = self.url(image, &format!("manifests/{named}"));
        answer(self.http.get(&url).header(http::header::ACCEPT, types.join(", ")), asking, &url).await
    }

    fn url(&self, image: &Reference, rest: &str) -> String {
        format!("{}://{}/v2/{}/{rest}", self.scheme, image.resolve_registry(), image.repository())
    }
}

/// Sends a request, and reads the answer; what says why there is none, as far as it is worth telling.
async fn answer(
    request: reqwest::RequestBuilder,
    asking: &Asking<'_>,
    url: &str,
) -> Result<Vec<u8>, OciDistributionError> {
    let request = match (asking.token, asking.auth) {
        (Some(token), _) => request.bearer_auth(token),
        (None, RegistryAuth::Basic(user, password)) => request.basic_auth(user, Some(password)),
        (None, _) => request,
    };
    let mut response = request.send().await?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > MAX_ANSWER {
            let reason = format!("the registry answers with more than {} MiB", MAX_ANSWER >> 20);
            return Err(OciDistributionError::SpecViolationError(reason));
        }
        body.extend_from_slice(&piece);
    }
    let url = url.to_owned();
    match status {
        StatusCode::OK => Ok(body),
        StatusCode::UNAUTHORIZED => Err(OciDistributionError::UnauthorizedError { url }),
        _ => Err(match serde_json::from_slice::<OciEnvelope>(&body) {
            Ok(envelope) if status.is_client_error() => OciDistributionError::RegistryError { envelope, url },
            _ => {
                let message = String::from_utf8_lossy(&body).into_owned();
                OciDistributionError::ServerError { code: status.as_u16(), url, message }
            }
        }),
    }
}
