//! From an origin to a socket that speaks HTTP/1.1: resolve, check the addresses, connect, agree on TLS. Everything that fails
//! here proves that nothing was sent.

use std::net::SocketAddr;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::failure::Failure;
use super::io::{Counted, Wire};
use super::pool::Lane;
use super::tls::Trust;
use crate::egress::{Origin, is_public};

/// Most bytes of an answer that the HTTP client holds at once. It begins with 8 KiB and grows while pieces fill it.
const READ_BUFFER: usize = 512 << 10;

/// As good as for ever, for a time so long that no clock can name its end.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// A new socket to the origin.
pub(super) async fn connect(
    origin: &Origin,
    allow_private: bool,
    trust: &Trust,
    within: Duration,
) -> Result<Lane, Failure> {
    let now = Instant::now();
    let deadline = now.checked_add(within).unwrap_or_else(|| now + FOR_EVER);
    let resolved = timeout_at(deadline, tokio::net::lookup_host((origin.host(), origin.port())))
        .await
        .map_err(|_| Failure::DnsTimeout)?
        .map_err(|error| Failure::Dns(error.to_string()))?;
    let addresses: Vec<SocketAddr> = resolved.collect();
    if addresses.is_empty() {
        return Err(Failure::NotFound);
    }
    let allowed: Vec<SocketAddr> =
        addresses.into_iter().filter(|address| allow_private || is_public(address.ip())).collect();
    let stream = dial(&allowed, deadline).await?;
    // A request is written at once; waiting for more would only add latency.
    stream.set_nodelay(true).map_err(|error| Failure::of_connect(&error))?;
    let wire = if origin.is_https() {
        let handshake = timeout_at(deadline, trust.connect(origin.host(), stream)).await;
        Wire::Tls(Box::new(handshake.map_err(|_| Failure::ConnectTimeout)??))
    } else {
        Wire::Plain(stream)
    };
    let counted = Counted::new(wire);
    let written = counted.written();
    let (sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(READ_BUFFER)
        .handshake(TokioIo::new(counted))
        .await
        .map_err(|_| Failure::Unavailable)?;
    let task = tokio::spawn(async move {
        // Who waits for the answer learns of the error.
        let _ = connection.await;
    });
    Ok(Lane::new(sender, task, written))
}

/// The first address that answers; each gets an equal share of the time that is left.
async fn dial(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, Failure> {
    let mut failure = Failure::AddressProhibited;
    for (index, address) in addresses.iter().enumerate() {
        let others = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let until = Instant::now() + deadline.saturating_duration_since(Instant::now()) / others;
        match timeout_at(until, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = Failure::of_connect(&error),
            Err(_elapsed) => failure = Failure::ConnectTimeout,
        }
    }
    Err(failure)
}
