//! Which origins a connection may reach. Denied by default: a request needs an origin that the connector asks for **and** the
//! operator grants, and then an address that is not private unless the grant says so. Knows nothing of the runtime.

use std::fmt;
use std::str::FromStr;

/// Scheme, host and port of an HTTP address (`https://api.example.com`, `http://127.0.0.1:8080`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    https: bool,
    host: String,
    port: u16,
}

/// What the operator lets a connection reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The origin.
    pub origin: Origin,
    /// Whether the name may resolve to a loopback, private, link-local or otherwise local address.
    pub allow_private: bool,
    /// Whether the grant holds even if the connector does not ask for the origin (a test store, a gateway of one's own).
    pub beyond_asked: bool,
}

impl Grant {
    /// Grants an origin that the connector asks for, at public addresses.
    pub fn asked(origin: Origin) -> Self {
        Self { origin, allow_private: false, beyond_asked: false }
    }

    /// Grants an origin whether or not the connector asks for it, at any address.
    pub fn extra(origin: Origin) -> Self {
        Self { origin, allow_private: true, beyond_asked: true }
    }
}

/// A text that is not an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an origin ({reason}); write it as https://host or https://host:port")]
pub struct OriginError {
    text: String,
    reason: &'static str,
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        Err(OriginError { text: text.to_owned(), reason: "placeholder" })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", if self.https { "https" } else { "http" }, self.host, self.port)
    }
}
