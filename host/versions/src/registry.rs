//! A repository of an OCI registry, reached by the operator's own client: what this host grants to connectors does not hold here,
//! and the usual variables for proxies do (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`).
//!
//! A tag is looked up once; everything else is asked for by the digests that its manifest names, so a tag that is moved meanwhile
//! cannot mix two versions. Every blob's digest and size are looked at while it comes, and what is read as a whole is bounded; what
//! bounds the little that the registry's client library asks for by itself, for a token, is time.

use std::collections::BTreeSet;
use std::io;
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use connector_host::Secret;
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use tokio::sync::OnceCell;

use crate::admission::{Fetched, with_causes};
use crate::answers::{Answers, Asking};
use crate::artifact::{self, Artifact, DOCKER_MANIFEST_TYPE, MANIFEST_TYPE};
use crate::credentials::{self, Credentials};
use crate::digest::Digest;
use crate::error::{Refusal, VersionsError};
use crate::files::MAX_SIZE;
use crate::place::Image;
use crate::signature::{MAX_SIGNATURES, SignKey, Signed, payload};

/// Until a connection stands, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two pieces of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// One look-up: tags, a manifest.
const LOOK_UP_LIMIT: Duration = Duration::from_secs(60);
/// One blob, up or down: 64 MiB over a slow line.
const BLOB_LIMIT: Duration = Duration::from_secs(600);
/// Tags asked for at a time, and how often at most. Registries send shorter pages as they please (100 is common).
const PAGE: usize = 1000;
const PAGES: usize = 100;
/// Payloads of signatures are a few hundred bytes.
const MAX_PAYLOAD: u64 = 64 << 10;
/// How this program calls itself.
const USER_AGENT: &str = concat!("connector/", env!("CARGO_PKG_VERSION"));
/// What a registry says about a failure is told up to here, in characters.
const MAX_MESSAGE: usize = 300;

/// How a registry is reached.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Without TLS. Registries on a loopback address are always reached without, unless `extra_roots` says otherwise.
    pub plain_http: bool,
    /// Certificate authorities to trust besides the system's, as PEM.
    pub extra_roots: String,
    /// User and password; those that Docker's tools keep, if this is none.
    pub credentials: Option<Credentials>,
}

/// A client for one repository.
pub(crate) struct Registry {
    client: Client,
    answers: Answers,
    /// What the registry gives to those who want to do this.
    token: OnceCell<Option<String>>,
    operation: RegistryOperation,
    auth: RegistryAuth,
    image: Image,
}

impl Registry {
    /// To read from it.
    pub(crate) fn new(image: &Image, access: &Access) -> Result<Self, VersionsError> {
        provide_tls();
        let plain = access.plain_http || is_loopback(&image.registry) && access.extra_roots.is_empty();
        let config = ClientConfig {
            protocol: if plain { ClientProtocol::Http } else { ClientProtocol::Https },
            extra_root_certificates: certificates(&access.extra_roots),
            platform_resolver: None,
            use_monolithic_push: true,
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(READ_TIMEOUT),
            user_agent: USER_AGENT,
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).map_err(|error| VersionsError::place(image, shortened(told(error))))?;
        let credentials = access.credentials.clone().or_else(|| credentials::of_docker(&image.registry));
        let auth = credentials.map_or(RegistryAuth::Anonymous, |Credentials { user, password }| {
            RegistryAuth::Basic(user, Secret::reveal(&password).to_owned())
        });
        let answers = Answers::new(plain, &access.extra_roots, CONNECT_TIMEOUT, READ_TIMEOUT, USER_AGENT);
        let answers = answers.map_err(|error| VersionsError::place(image, with_causes(&error)))?;
        Ok(Self {
            client,
            answers,
            token: OnceCell::new(),
            operation: RegistryOperation::Pull,
            auth,
            image: image.clone(),
        })
    }

    /// To push to it. Registries let only those who may push look at a repository that is not there yet.
    pub(crate) fn to_push(image: &Image, access: &Access) -> Result<Self, VersionsError> {
        Ok(Self { operation: RegistryOperation::Push, ..Self::new(image, access)? })
    }

    /// The repository's tags, all of them. A short page is not the last one, and a registry that knows no pages sends everything
    /// each time, so the end is where a page brings nothing new.
    pub(crate) async fn tags(&self) -> Result<Vec<String>, VersionsError> {
        let image = self.reference(None);
        let (mut tags, mut last) = (BTreeSet::new(), None::<String>);
        for _ in 0..PAGES {
            let asked = async {
                let token = self.token(&image).await?;
                self.answers.tags(&image, &self.asking(token), PAGE, last.as_deref()).await
            };
            let page = self.within(LOOK_UP_LIMIT, asked).await?;
            last = page.last().cloned();
            let before = tags.len();
            tags.extend(page);
            if tags.len() == before {
                return Ok(tags.into_iter().collect());
            }
        }
        Err(self.failed(format!("the repository has more than {PAGES} pages of tags: name the one that you mean")))
    }

    /// The component with its signatures.
    pub(crate) async fn pull(&self) -> Result<Fetched, VersionsError> {
        let manifest = self.manifest(&self.reference(self.image.digest.as_ref())).await?;
        let digest = Digest::of(&manifest);
        if let Some(expected) = self.image.digest.filter(|expected| *expected != digest) {
            return Err(self.refused(Refusal::Digest { expected, found: digest }));
        }
        let layer = artifact::component_layer(&manifest).map_err(|reason| self.failed(reason))?;
        let wasm = self.blob(&layer, MAX_SIZE).await?;
        let signatures = self.signatures(&digest, &manifest).await?;
        let source = Image { digest: Some(digest), ..self.image.clone() }.to_string();
        Ok(Fetched { wasm, source, signatures })
    }

    /// Signatures of the image with this manifest. What is not of cosign's form is no signature.
    async fn signatures(&self, digest: &Digest, manifest: &[u8]) -> Result<Vec<Signed>, VersionsError> {
        let Some(signed) = self.manifest_if_there(&self.tagged(artifact::signature_tag(digest))).await? else {
            return Ok(Vec::new());
        };
        let layers = artifact::signature_layers(&signed).map_err(|reason| self.failed(reason))?;
        let mut signatures = Vec::new();
        for (layer, signature) in layers.into_iter().take(MAX_SIGNATURES) {
            let payload = self.blob(&layer, MAX_PAYLOAD).await?;
            signatures.push(Signed::Image {
                signature,
                payload: String::from_utf8_lossy(&payload).into_owned(),
                manifest: String::from_utf8_lossy(manifest).into_owned(),
            });
        }
        Ok(signatures)
    }

    /// Pushes a component under its tag, signed if there is a key. A tag that leads to the same component already keeps its manifest,
    /// and the signatures by others; one that leads to another is left alone unless it is to be replaced. Answers the digest of the
    /// manifest.
    pub(crate) async fn push(
        &self,
        artifact: Artifact,
        component: &Digest,
        key: Option<&SignKey>,
        replace: bool,
    ) -> Result<Digest, VersionsError> {
        let tag = self.image.tag.clone().unwrap_or_default();
        let there = self.manifest_if_there(&self.tagged(tag.clone())).await?;
        let same = there
            .as_ref()
            .filter(|there| artifact::component_layer(there).is_ok_and(|layer| layer.digest == component.to_string()));
        if there.is_some() && same.is_none() && !replace {
            return Err(VersionsError::Taken { place: self.image.to_string() });
        }
        let digest = Digest::of(same.unwrap_or(&artifact.manifest));
        // The signature first: under a policy that requires one, nobody finds the tag without it.
        if let Some(key) = key {
            let name = format!("{}/{}", self.image.registry, self.image.repository);
            let payload = payload(&name, &digest);
            let signature = key.sign(&Digest::of(payload.as_bytes()))?;
            let place = self.tagged(artifact::signature_tag(&digest));
            let others = self.manifest_if_there(&place).await?;
            let signed = Artifact::of_signature(&payload, &signature, others.as_deref());
            self.put(signed.map_err(|reason| self.failed(reason))?, &artifact::signature_tag(&digest)).await?;
        }
        if same.is_none() {
            self.put(artifact, &tag).await?;
        }
        Ok(digest)
    }

    async fn put(&self, artifact: Artifact, tag: &str) -> Result<(), VersionsError> {
        let image = self.tagged(tag.to_owned());
        self.client.store_auth_if_needed(image.resolve_registry(), &self.auth).await;
        for (digest, blob) in artifact.blobs {
            let digest = digest.to_string();
            let there = self.client.blob_exists(&image, &digest);
            if !self.within(LOOK_UP_LIMIT, there).await? {
                self.within(BLOB_LIMIT, self.client.push_blob(&image, blob, &digest)).await?;
            }
        }
        let content_type = http::HeaderValue::from_static(MANIFEST_TYPE);
        let put = self.client.push_manifest_raw(&image, artifact.manifest, content_type);
        self.within(LOOK_UP_LIMIT, put).await.map(drop)
    }

    async fn manifest(&self, image: &Reference) -> Result<Vec<u8>, VersionsError> {
        self.within(LOOK_UP_LIMIT, self.asked_manifest(image)).await
    }

    async fn manifest_if_there(&self, image: &Reference) -> Result<Option<Vec<u8>>, VersionsError> {
        let asked = async {
            match self.asked_manifest(image).await {
                Err(error) if is_missing(&error) => Ok(None),
                asked => asked.map(Some),
            }
        };
        self.within(LOOK_UP_LIMIT, asked).await
    }

    async fn asked_manifest(&self, image: &Reference) -> Result<Vec<u8>, OciDistributionError> {
        let token = self.token(image).await?;
        self.answers.manifest(image, &self.asking(token), &[MANIFEST_TYPE, DOCKER_MANIFEST_TYPE]).await
    }

    async fn token(&self, image: &Reference) -> Result<Option<&str>, OciDistributionError> {
        let asked = || self.client.auth(image, &self.auth, self.operation);
        Ok(self.token.get_or_try_init(asked).await?.as_deref())
    }

    fn asking<'a>(&'a self, token: Option<&'a str>) -> Asking<'a> {
        Asking { token, auth: &self.auth }
    }

    fn tagged(&self, tag: String) -> Reference {
        Reference::with_tag(self.image.registry.clone(), self.image.repository.clone(), tag)
    }

    async fn blob(&self, layer: &OciDescriptor, limit: u64) -> Result<Vec<u8>, VersionsError> {
        let size = u64::try_from(layer.size).ok().filter(|size| *size <= limit);
        let size = size.ok_or_else(|| self.refused(Refusal::Size))?;
        // A digest of another kind is nothing that could be looked at.
        let expected: Digest = layer.digest.parse().map_err(|error| self.failed(error))?;
        let mut blob = Bounded { bytes: Vec::new(), left: size };
        self.within(BLOB_LIMIT, self.client.pull_blob(&self.reference(None), layer, &mut blob)).await?;
        let found = Digest::of(&blob.bytes);
        if found == expected { Ok(blob.bytes) } else { Err(self.refused(Refusal::Digest { expected, found })) }
    }

    fn reference(&self, digest: Option<&Digest>) -> Reference {
        let Image { registry, repository, tag, .. } = self.image.clone();
        match digest {
            Some(digest) => Reference::with_digest(registry, repository, digest.to_string()),
            None => Reference::with_tag(registry, repository, tag.unwrap_or_else(|| "latest".to_owned())),
        }
    }

    async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, OciDistributionError>>,
    ) -> Result<T, VersionsError> {
        match tokio::time::timeout(limit, work).await {
            Ok(done) => done.map_err(|error| self.failed(self.told(error))),
            Err(_) => Err(self.late(limit)),
        }
    }

    /// What went wrong at the registry, for people. A registry may repeat what it was sent.
    fn told(&self, error: OciDistributionError) -> String {
        let mut text = told(error);
        if let RegistryAuth::Basic(user, password) = &self.auth {
            for secret in [&BASE64.encode(format!("{user}:{password}")), password] {
                if !secret.is_empty() {
                    text = text.replace(secret, "****");
                }
            }
        }
        if let Some(Some(token)) = self.token.get() {
            text = text.replace(token, "****");
        }
        shortened(text)
    }

    fn failed(&self, reason: impl ToString) -> VersionsError {
        VersionsError::place(&self.image, reason)
    }

    fn late(&self, limit: Duration) -> VersionsError {
        self.failed(format!("the registry needs longer than {} s", limit.as_secs()))
    }

    fn refused(&self, source: Refusal) -> VersionsError {
        VersionsError::Refused { what: self.image.to_string(), source }
    }
}

/// The registry's client takes what TLS it finds in the process.
fn provide_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Another part of the program may have been first.
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    });
}

fn is_loopback(registry: &str) -> bool {
    let host = match registry.rsplit_once(':') {
        Some((host, port)) if port.chars().all(|c| c.is_ascii_digit()) => host,
        _ => registry,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Each certificate of a file of them.
fn certificates(pem: &str) -> Vec<Certificate> {
    const END: &str = "-----END CERTIFICATE-----";
    let one = |part: &str| Certificate { encoding: CertificateEncoding::Pem, data: part.as_bytes().to_vec() };
    pem.split_inclusive(END).filter(|part| part.contains(END)).map(one).collect()
}

fn is_missing(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::ImageManifestNotFoundError(_) | OciDistributionError::ServerError { code: 404, .. } => {
            true
        }
        OciDistributionError::RegistryError { envelope, .. } => envelope.errors.iter().any(|error| {
            matches!(error.code, OciErrorCode::ManifestUnknown | OciErrorCode::NotFound | OciErrorCode::NameUnknown)
        }),
        _ => false,
    }
}

fn is_refusal(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => true,
        OciDistributionError::RequestError(error) => {
            error.status().is_some_and(|status| matches!(status.as_u16(), 401 | 403))
        }
        OciDistributionError::RegistryError { envelope, .. } => {
            envelope.errors.iter().any(|error| matches!(error.code, OciErrorCode::Unauthorized | OciErrorCode::Denied))
        }
        _ => false,
    }
}

/// What went wrong at the registry, for people. Addresses of single requests stay out of it: a storage that the registry leads to
/// may have put a token into one.
fn told(error: OciDistributionError) -> String {
    match error {
        error if is_missing(&error) => "the registry has no such image".to_owned(),
        error if is_refusal(&error) => "the registry refuses the credentials, or wants some".to_owned(),
        OciDistributionError::RequestError(error) => with_causes(&error.without_url()),
        OciDistributionError::RegistryError { envelope, .. } => envelope.to_string(),
        OciDistributionError::ServerError { code, message, .. } => format!("the registry answers {code}: {message}"),
        OciDistributionError::IoError(error) => with_causes(&error),
        error => with_causes(&error),
    }
}

fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_MESSAGE) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Takes as many bytes as were promised, and no more.
struct Bounded {
    bytes: Vec<u8>,
    left: u64,
}

impl tokio::io::AsyncWrite for Bounded {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            return Poll::Ready(Err(io::Error::other("the registry sends more than the manifest says")));
        };
        self.left = left;
        self.bytes.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_reached_without_tls_unasked() {
        for loopback in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.8.9.1", "[::1]:5000", "[::1]"] {
            assert!(is_loopback(loopback), "{loopback}");
        }
        for other in ["localhost.example", "registry:5000", "10.0.0.1:5000", "127.0.0.1.example", "[::2]:5000", ""] {
            assert!(!is_loopback(other), "{other}");
        }
    }
}
