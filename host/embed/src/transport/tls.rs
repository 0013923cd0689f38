//! Whom TLS trusts: the system's certificate authorities, and for a connection those that its operator adds. The system's are
//! read once per process, when the first TLS connection is made; connections without additions share one configuration.

use std::io;
use std::sync::{Arc, OnceLock};

use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::failure::Failure;
use super::io::Stream;

/// A connection's trust.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust {
    extra: Vec<CertificateDer<'static>>,
    config: Arc<OnceLock<Arc<ClientConfig>>>,
}

static SYSTEM_ROOTS: OnceLock<RootCertStore> = OnceLock::new();
static SYSTEM_CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();

impl Trust {
    /// Trust with additional authorities, as PEM.
    ///
    /// # Errors
    /// Says what is wrong with the PEM.
    pub(crate) fn new(extra_roots: &str) -> Result<Self, String> {
        let mut extra = Vec::new();
        let mut probe = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(extra_roots.as_bytes()) {
            let certificate = certificate.map_err(|error| format!("not valid PEM ({error})"))?;
            probe.add(certificate.clone()).map_err(|error| format!("not a certificate authority ({error})"))?;
            extra.push(certificate);
        }
        if extra.is_empty() && !extra_roots.trim().is_empty() {
            return Err("there is no certificate in the text".to_owned());
        }
        Ok(Self { extra, config: Arc::default() })
    }

    /// Agrees on TLS over a connected socket. `offers`: the protocols that may be spoken over it, the best first.
    pub(super) async fn connect<S: Stream>(
        &self,
        host: &str,
        stream: S,
        offers: &[&[u8]],
    ) -> Result<TlsStream<S>, Failure> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Failure::AddressInvalid)?;
        let connector = TlsConnector::from(self.config().await?);
        let offers = offers.iter().map(|offer| offer.to_vec()).collect();
        connector.with_alpn(offers).connect(name, stream).await.map_err(|error| Failure::of_handshake(&error))
    }

    async fn config(&self) -> Result<Arc<ClientConfig>, Failure> {
        let made = if self.extra.is_empty() { &SYSTEM_CONFIG } else { &*self.config };
        if let Some(config) = made.get() {
            return Ok(Arc::clone(config));
        }
        let extra = self.extra.clone();
        // Reading the system's certificates takes milliseconds of file access.
        let config = tokio::task::spawn_blocking(move || client_config(extra))
            .await
            .map_err(|error| Failure::Tls(error.to_string()))?
            .map_err(|error| Failure::Tls(error.to_string()))?;
        Ok(Arc::clone(made.get_or_init(|| Arc::new(config))))
    }
}

fn client_config(
    extra: Vec<CertificateDer<'static>>,
) -> Result<ClientConfig, Box<dyn std::error::Error + Send + Sync>> {
    let mut roots = SYSTEM_ROOTS.get_or_init(system_roots).clone();
    for certificate in extra {
        roots.add(certificate)?;
    }
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, _ignored) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        tracing::warn!(target: "connector_host::transport", errors = ?found.errors, "this system has no certificate authorities");
    }
    roots
}
