//! From a name to the addresses that may be connected to. What was checked is what is connected to: a name is looked up once per
//! socket, so one that changes its address between check and use gains nothing.

use std::io;
#[cfg(test)]
use std::net::IpAddr;
use std::net::SocketAddr;

use tokio::time::{Instant, timeout_at};

use super::failure::Failure;
use crate::egress::is_public;

/// Who knows the addresses of names.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Resolver {
    /// The system.
    #[default]
    System,
    #[cfg(test)]
    Fixed(fn(&str) -> Vec<IpAddr>),
}

impl Resolver {
    async fn look_up(self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::System => Ok(tokio::net::lookup_host((host, port)).await?.collect()),
            #[cfg(test)]
            Self::Fixed(known) => Ok(known(host).into_iter().map(|ip| SocketAddr::new(ip, port)).collect()),
        }
    }

    /// Every address of a name.
    pub(super) async fn all(self, host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, Failure> {
        let found = timeout_at(deadline, self.look_up(host, port))
            .await
            .map_err(|_| Failure::DnsTimeout)?
            .map_err(|error| Failure::Dns(error.to_string()))?;
        if found.is_empty() { Err(Failure::NotFound) } else { Ok(found) }
    }

    /// The addresses of a name that may be connected to.
    pub(super) async fn allowed(
        self,
        host: &str,
        port: u16,
        allow_private: bool,
        deadline: Instant,
    ) -> Result<Vec<SocketAddr>, Failure> {
        let mut found = self.all(host, port, deadline).await?;
        found.retain(|address| allow_private || is_public(address.ip()));
        if found.is_empty() { Err(Failure::AddressProhibited) } else { Ok(found) }
    }
}
