//! Targets that are reached without the proxy.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::egress::Origin;

/// A list as `NO_PROXY` holds it, separated by commas: a name stands for itself and all names below it (`example.com`, or
/// `.example.com`), an address for itself, a range (`10.0.0.0/8`) for the addresses in it, `*` for everything; `:port` behind a name
/// or an address confines it to that port. Names are not looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bypass {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    All,
    Name { name: String, port: Option<u16> },
    Address { address: IpAddr, port: Option<u16> },
    Range(IpNet),
}

impl Bypass {
    /// Reads a list.
    pub fn new(list: &str) -> Self {
        let entries = list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty());
        Self { rules: entries.map(Rule::new).collect() }
    }

    /// Whether a target is reached directly.
    pub(super) fn covers(&self, target: &Origin) -> bool {
        let host = target.host().strip_suffix('.').unwrap_or(target.host());
        let address: Option<IpAddr> = host.parse().ok();
        let at = |port: Option<u16>| port.is_none_or(|port| port == target.port());
        self.rules.iter().any(|rule| match rule {
            Rule::All => true,
            Rule::Name { name, port } => {
                let below = || host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'));
                at(*port) && (host == name || below())
            }
            Rule::Address { address: one, port } => at(*port) && address == Some(*one),
            Rule::Range(range) => address.is_some_and(|address| range.contains(&address)),
        })
    }
}

impl Rule {
    fn new(entry: &str) -> Self {
        if entry == "*" {
            return Self::All;
        }
        if let Ok(range) = entry.parse() {
            return Self::Range(range);
        }
        if let Ok(address) = entry.trim_start_matches('[').trim_end_matches(']').parse() {
            return Self::Address { address, port: None };
        }
        if let Ok(socket) = entry.parse::<std::net::SocketAddr>() {
            return Self::Address { address: socket.ip(), port: Some(socket.port()) };
        }
        let (name, port) = match entry.rsplit_once(':').map(|(name, port)| (name, port.parse())) {
            Some((name, Ok(port))) => (name, Some(port)),
            _ => (entry, None),
        };
        let name = name.strip_prefix("*.").or(name.strip_prefix('.')).unwrap_or(name);
        Self::Name { name: name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase(), port }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_suffixes_addresses_ranges_and_ports_are_told_apart() {
        let list = Bypass::new(
            "example.com, .corp.test,*.star.test 10.0.0.0/8,192.0.2.7,[::1],2001:db8::/32,host:8443,UP.test.",
        );
        for (url, covered) in [
            ("https://example.com", true),
            ("https://api.example.com", true),
            ("https://api.example.com.:444", true),
            ("https://badexample.com", false),
            ("https://corp.test", true),
            ("https://a.b.corp.test", true),
            ("https://x.star.test", true),
            ("http://10.255.0.1", true),
            ("http://11.0.0.1", false),
            ("http://192.0.2.7:81", true),
            ("http://192.0.2.8", false),
            ("http://[::1]:9", true),
            ("http://[2001:db8::5]", true),
            ("http://[2001:db9::5]", false),
            ("https://host:8443", true),
            ("https://host", false),
            ("https://up.test", true),
        ] {
            assert_eq!(list.covers(&url.parse().unwrap()), covered, "{url}");
        }
        assert!(Bypass::new("*").covers(&"https://anything.test".parse().unwrap()));
        assert!(!Bypass::new(" , ").covers(&"https://anything.test".parse().unwrap()));
    }
}
