//! Which origins a connection may reach. Denied by default: a request needs an origin that the connector asks for **and** the
//! operator grants, and then an address that is not private unless the grant says so. Knows nothing of the runtime.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

/// Scheme, host and port of an HTTP address (`https://api.example.com`, `http://127.0.0.1:8080`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    https: bool,
    /// In lower case; an IPv6 address without brackets.
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

impl Origin {
    /// The origin of an absolute `http` or `https` address.
    pub(crate) fn of_uri(uri: &http::Uri) -> Result<Self, &'static str> {
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) => return Err("the scheme is neither http nor https"),
            None => return Err("the scheme is missing"),
        };
        let authority = uri.authority().ok_or("the host is missing")?;
        if authority.as_str().contains('@') {
            return Err("it holds user or password");
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if host.is_empty() {
            return Err("the host is missing");
        }
        let port = match (authority.port_u16(), authority.as_str().rsplit_once(':')) {
            (Some(0), _) => return Err("the port is not valid"),
            (Some(port), _) => port,
            (None, Some((_, rest))) if !rest.ends_with(']') => return Err("the port is not valid"),
            (None, _) => default_port(https),
        };
        Ok(Self { https, host, port })
    }

    /// The origin of a setting, if it is an absolute HTTP address.
    pub(crate) fn of_setting(text: &str) -> Option<Result<Self, &'static str>> {
        let text = text.trim();
        let scheme = text.split_once("://")?.0;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return None;
        }
        Some(text.parse::<http::Uri>().map_err(|_| "it is no valid address").and_then(|uri| Self::of_uri(&uri)))
    }

    /// Whether TLS is used.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Host name or address; an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let refuse = |reason| OriginError { text: text.to_owned(), reason };
        let uri: http::Uri = text.parse().map_err(|_| refuse("it is no valid address"))?;
        let origin = Self::of_uri(&uri).map_err(refuse)?;
        if uri.path() != "/" && !uri.path().is_empty() || uri.query().is_some() || text.contains('#') {
            return Err(refuse("it holds a path"));
        }
        Ok(origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]", self.host)?;
        } else {
            write!(f, "{scheme}://{}", self.host)?;
        }
        if self.port == default_port(self.https) { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// Why an origin may not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    NotGranted,
    NotAsked,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotGranted => "this connection is not granted that origin",
            Self::NotAsked => {
                "the connector does not ask for that origin, and the grant does not go beyond what it asks for"
            }
        })
    }
}

/// The rules of one connection, for one version of its connector.
#[derive(Clone, Debug, Default)]
pub(crate) struct Egress {
    asked: Arc<[Origin]>,
    grants: Arc<[Grant]>,
}

impl Egress {
    pub(crate) fn new(asked: Vec<Origin>, grants: Vec<Grant>) -> Self {
        Self { asked: asked.into(), grants: grants.into() }
    }

    /// The same for a version that asks for these origins.
    pub(crate) fn asked_by(&self, asked: &[Origin]) -> Self {
        Self { asked: asked.into(), grants: Arc::clone(&self.grants) }
    }

    /// Whether the origin may be reached, and if so, whether at private addresses.
    pub(crate) fn check(&self, origin: &Origin) -> Result<bool, Refused> {
        let mut granted = self.grants.iter().filter(|grant| grant.origin == *origin).peekable();
        if granted.peek().is_none() {
            return Err(Refused::NotGranted);
        }
        let asked = self.asked.contains(origin);
        granted
            .filter(|grant| asked || grant.beyond_asked)
            .map(|grant| grant.allow_private)
            .reduce(|one, other| one || other)
            .ok_or(Refused::NotAsked)
    }
}

/// Whether an address belongs to the public internet. What is not clearly public is not.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    // 192.88.99.0/24 leads to 6to4 relays; 168.63.129.16 to the host of a virtual machine, as 169.254.169.254 elsewhere.
    let special = matches!((a, b, c), (0, ..) | (192, 0, 0) | (192, 88, 99) | (198, 18..=19, _) | (240.., ..))
        || address == Ipv4Addr::new(168, 63, 129, 16)
        || (a == 100 && (64..128).contains(&b));
    !(special
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let octets = address.octets();
    let [.., a, b, c, d] = octets;
    let embedded = Ipv4Addr::new(a, b, c, d);
    if address.to_ipv4_mapped().is_some() || octets.starts_with(&[0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]) {
        // IPv4-mapped and NAT64: as private as the IPv4 address inside.
        return is_public_v4(embedded);
    }
    let six_to_four = first == 0x2002;
    // Teredo, benchmarks, and what else is no address of a server.
    let protocols = first == 0x2001 && second < 0x0200;
    let documentation = first == 0x2001 && second == 0x0db8 || first == 0x3fff && second < 0x1000;
    // 2000::/3 is all that is assigned to the public internet so far.
    first & 0xe000 == 0x2000 && !six_to_four && !protocols && !documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        text.parse().unwrap()
    }

    #[test]
    fn origins_are_compared_by_scheme_host_and_port() {
        assert_eq!(origin("https://API.example.com"), origin("https://api.example.com:443/"));
        assert_ne!(origin("https://api.example.com"), origin("http://api.example.com:443"));
        assert_ne!(origin("https://api.example.com"), origin("https://api.example.com."));
        assert_ne!(origin("https://api.example.com"), origin("https://api.example.com.evil.test"));
        assert_eq!(origin("http://[::1]:80").to_string(), "http://[::1]");
        assert_eq!(origin("http://127.0.0.1:8080").to_string(), "http://127.0.0.1:8080");
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "api.example.com",
            "ftp://x",
            "https://",
            "https://a/b",
            "https://a?b",
            "https://u:p@a",
            "https://a@b",
            "https://a:x",
            "https://a:0",
            "https://a:70000",
            "https://a#b",
            "//a",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_what_is_asked_for_and_granted_may_be_reached() {
        let (api, other) = (origin("https://api.example.com"), origin("http://127.0.0.1:9"));
        let none = Egress::new(vec![api.clone()], vec![]);
        assert_eq!(none.check(&api), Err(Refused::NotGranted));
        let plain = Egress::new(vec![api.clone()], vec![Grant::asked(api.clone()), Grant::asked(other.clone())]);
        assert_eq!(plain.check(&api), Ok(false));
        assert_eq!(plain.check(&other), Err(Refused::NotAsked));
        assert_eq!(plain.check(&origin("http://api.example.com")), Err(Refused::NotGranted));
        assert_eq!(plain.check(&origin("https://api.example.com:8443")), Err(Refused::NotGranted));
        let extra = Egress::new(vec![api.clone()], vec![Grant::extra(other.clone())]);
        assert_eq!(extra.check(&other), Ok(true));
        // Another version asks for other origins; what is granted stays.
        let next = plain.asked_by(std::slice::from_ref(&other));
        assert_eq!((next.check(&other), next.check(&api)), (Ok(false), Err(Refused::NotAsked)));
    }

    #[test]
    fn private_and_local_addresses_are_not_public() {
        for text in [
            "127.0.0.1",
            "127.8.8.8",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "168.63.129.16",
            "100.100.100.200",
            "fd00:ec2::254",
            "2001:2::1",
            "2001:20::1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "::ffff:169.254.169.254",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "::127.0.0.1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "1.1.1.1",
            "172.15.0.1",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn settings_that_hold_an_address_are_recognised() {
        assert_eq!(Origin::of_setting("HTTPS://Api.Example.com/v3?x"), Some(Ok(origin("https://api.example.com"))));
        assert!(Origin::of_setting("https://u:p@evil.test/").unwrap().is_err());
        assert!(Origin::of_setting("https://").unwrap().is_err());
        for text in ["", "plain", "ftp://x", "see https//x"] {
            assert!(Origin::of_setting(text).is_none(), "{text}");
        }
    }
}
