//! From an origin to a socket: resolve, check the addresses, connect, by the operator's proxy if the connection asks for it, and
//! agree on TLS. Everything that fails here proves that nothing was sent.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::failure::Failure;
use super::io::Stream;
use super::proxy::{Proxy, Scheme};
use super::resolve::Resolver;
use super::tls::Trust;
use super::tunnel;
use crate::egress::{Origin, is_public};
use crate::variables::Variables;

/// As good as for ever, for a time so long that no clock can name its end.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Longest that a target's name is looked up here when a proxy will look it up anyway.
const GLANCE: Duration = Duration::from_secs(1);

/// How long such a look-up is not tried again after it failed.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The name of HTTP/2 in the handshake of TLS.
const H2: &[u8] = b"h2";

/// What is spoken over a socket. HTTP/2 takes a server that names it in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Names that this host cannot look up, each until when it is not tried again.
#[derive(Debug, Default)]
pub(super) struct Unknown(Mutex<HashMap<String, Instant>>);

impl Unknown {
    fn has(&self, host: &str) -> bool {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.retain(|_, until| *until > Instant::now());
        names.contains_key(host)
    }

    fn add(&self, host: &str) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(host.to_owned(), Instant::now() + REMEMBERED);
    }
}

/// When something that may take this long must be over.
pub(super) fn deadline(within: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(within).unwrap_or_else(|| now + FOR_EVER)
}

/// What connecting needs to know.
pub(super) struct Route<'a> {
    pub(super) origin: &'a Origin,
    pub(super) allow_private: bool,
    pub(super) trust: &'a Trust,
    pub(super) resolver: Resolver,
    /// Through which proxy, if through one, and where its credentials come from.
    pub(super) proxy: Option<(&'a Proxy, &'a dyn Variables)>,
    /// What a proxy was asked for without this host knowing its addresses.
    pub(super) unknown: &'a Unknown,
    pub(super) deadline: Instant,
}

impl Route<'_> {
    /// A new connection to the origin, and what is spoken over it.
    pub(super) async fn connect(&self) -> Result<(Box<dyn Stream>, Protocol), Failure> {
        let stream = match self.proxy {
            None => self.directly().await?,
            Some((proxy, variables)) => {
                self.glance_at_target().await?;
                let late = |_| Failure::ProxyUnreachable(format!("{proxy} did not connect in time"));
                timeout_at(self.deadline, self.through(proxy, variables)).await.map_err(late)??
            }
        };
        if !self.origin.is_https() {
            return Ok((stream, Protocol::Http1));
        }
        let handshake =
            timeout_at(self.deadline, self.trust.connect(self.origin.host(), stream, &[H2, b"http/1.1"])).await;
        let tls = handshake.map_err(|_| Failure::ConnectTimeout)??;
        let protocol = if tls.get_ref().1.alpn_protocol() == Some(H2) { Protocol::Http2 } else { Protocol::Http1 };
        Ok((Box::new(tls), protocol))
    }

    async fn directly(&self) -> Result<Box<dyn Stream>, Failure> {
        let (host, port) = (self.origin.host(), self.origin.port());
        let addresses = self.resolver.allowed(host, port, self.allow_private, self.deadline).await?;
        Ok(Box::new(dial(&addresses, self.deadline).await?))
    }

    /// A proxy looks names up for itself. Where this host can do it too, what it may not connect to is refused before the proxy
    /// hears of it; where it cannot, the proxy's rules decide.
    async fn glance_at_target(&self) -> Result<(), Failure> {
        let glance = self.deadline.min(Instant::now() + GLANCE);
        let host = self.origin.host();
        if self.allow_private || self.unknown.has(host) {
            return Ok(());
        }
        // Which of several addresses the proxy takes is not known here.
        match self.resolver.all(host, self.origin.port(), glance).await {
            Ok(found) if !found.iter().all(|address| is_public(address.ip())) => Err(Failure::AddressProhibited),
            Ok(_) => Ok(()),
            Err(_) => {
                self.unknown.add(host);
                Ok(())
            }
        }
    }

    async fn through(&self, proxy: &Proxy, variables: &dyn Variables) -> Result<Box<dyn Stream>, Failure> {
        let unreachable = |failure: Failure| Failure::ProxyUnreachable(format!("{proxy}: {failure}"));
        let credentials = proxy.credentials(variables)?;
        // The operator names the proxy, wherever it is.
        let addresses = self.resolver.all(proxy.host(), proxy.port(), self.deadline).await.map_err(unreachable)?;
        let socket = dial(&addresses, self.deadline).await.map_err(unreachable)?;
        let stream: Box<dyn Stream> = if proxy.scheme() == Scheme::Https {
            Box::new(self.trust.connect(proxy.host(), socket, &[]).await.map_err(unreachable)?)
        } else {
            Box::new(socket)
        };
        match proxy.scheme() {
            Scheme::Http | Scheme::Https => tunnel::connect(stream, self.origin, proxy, credentials.as_ref()).await,
            Scheme::Socks5 => tunnel::socks5(stream, self.origin, proxy, credentials.as_ref()).await,
        }
    }
}

/// The first address that answers; each gets an equal share of the time that is left.
async fn dial(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, Failure> {
    let mut failure = Failure::NotFound;
    for (index, address) in addresses.iter().enumerate() {
        let others = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let until = Instant::now() + deadline.saturating_duration_since(Instant::now()) / others;
        match timeout_at(until, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // A request is written at once; waiting for more would only add latency.
                stream.set_nodelay(true).map_err(|error| Failure::of_connect(&error))?;
                return Ok(stream);
            }
            Ok(Err(error)) => failure = Failure::of_connect(&error),
            Err(_elapsed) => failure = Failure::ConnectTimeout,
        }
    }
    Err(failure)
}
