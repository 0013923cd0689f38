//! The operator's proxies: which there are, for which targets, and with which credentials. A connection uses them if it asks for
//! that; which proxy it gets is not its business.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use super::bypass::Bypass;
use super::failure::Failure;
use crate::egress::Origin;
use crate::variables::{Secret, Variables, resolved};

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
    Socks5,
}

/// A proxy: `http://host:port`, `https://host:port` (TLS to the proxy) or `socks5://host:port`, with `user:password@` before the
/// host if it wants them. User and password may be variables (`http://[proxy_user]:[proxy_password]@proxy.example:3128`), which are
/// read for each new socket; written out, what is special in an address is percent-encoded. Without a port: 80, 443, 1080. Prints
/// without user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    scheme: Scheme,
    host: String,
    port: u16,
    /// As they are written: with variables, and percent-encoded.
    login: Option<(Secret, Secret)>,
}

/// User and password for a proxy.
#[derive(Debug)]
pub(super) struct Credentials {
    pub(super) user: Secret,
    pub(super) password: Secret,
}

/// A text that is not the address of a proxy. Does not repeat it: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not the address of a proxy ({reason}); write it as http://host:port, https://host:port or socks5://host:port, with user:password@ before the host if it wants them"
)]
pub struct ProxyError {
    reason: &'static str,
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let refuse = |reason| ProxyError { reason };
        let (scheme, rest) = text.trim().split_once("://").ok_or(refuse("the scheme is missing"))?;
        let (scheme, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Scheme::Http, 80),
            "https" => (Scheme::Https, 443),
            // Names are looked up by the proxy in either case.
            "socks5" | "socks5h" => (Scheme::Socks5, 1080),
            _ => return Err(refuse("the scheme is none of http, https and socks5")),
        };
        let (login, authority) = match rest.rsplit_once('@') {
            Some((login, authority)) => (Some(login), authority),
            None => (None, rest),
        };
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if authority.contains(['/', '?', '#']) {
            return Err(refuse("it holds a path"));
        }
        let authority: http::uri::Authority = authority.parse().map_err(|_| refuse("the host is not valid"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if host.is_empty() {
            return Err(refuse("the host is missing"));
        }
        let port = match authority.as_str().strip_prefix(authority.host()).and_then(|rest| rest.strip_prefix(':')) {
            None => default_port,
            Some(port) => match port.parse() {
                Ok(port) if port > 0 => port,
                _ => return Err(refuse("the port is not valid")),
            },
        };
        let login = login.map(|login| {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            (Secret::new(user), Secret::new(password))
        });
        Ok(Self { scheme, host, port, login })
    }
}

impl Proxy {
    pub(super) fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// User and password as they are now.
    pub(super) fn credentials(&self, variables: &dyn Variables) -> Result<Option<Credentials>, Failure> {
        let Some((user, password)) = &self.login else {
            return Ok(None);
        };
        let read = |template: &Secret| {
            // What variables hold is taken as it is.
            let mentions = template.reveal().contains('[');
            let text = match mentions {
                true => resolved(template.reveal(), variables),
                false => percent_decode_str(template.reveal()).decode_utf8().ok().map(Into::into),
            };
            text.map(Secret::new).ok_or_else(|| {
                Failure::ProxyDenied(format!("{self} was not asked: a variable of its user or password has no value"))
            })
        };
        Ok(Some(Credentials { user: read(user)?, password: read(password)? }))
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Socks5 => "socks5",
        };
        match self.host.contains(':') {
            true => write!(f, "the proxy {scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "the proxy {scheme}://{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// Which targets are reached through which proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyConfig {
    /// For `https` targets. None: they are reached directly.
    pub https: Option<Proxy>,
    /// For `http` targets. None: they are reached directly.
    pub http: Option<Proxy>,
    /// Targets that are reached directly all the same.
    pub bypass: Bypass,
}

impl ProxyConfig {
    /// One proxy for all targets.
    pub fn new(proxy: Proxy) -> Self {
        Self { https: Some(proxy.clone()), http: Some(proxy), bypass: Bypass::default() }
    }

    /// What the usual variables of an environment say: `HTTPS_PROXY` and `HTTP_PROXY` for targets of that scheme, `ALL_PROXY` for
    /// what they do not name, `NO_PROXY` as [`Bypass`]; in lower case too, which counts first. None if they name no proxy. An
    /// address without a scheme is that of an `http` proxy.
    ///
    /// # Errors
    /// The name of the variable that is not understood, and why.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, (String, ProxyError)> {
        let value = |name: &str| {
            [name.to_ascii_lowercase(), name.to_owned()]
                .into_iter()
                .find_map(|name| Some((variable(&name).filter(|value| !value.trim().is_empty())?, name)))
        };
        let proxy = |name: &str| {
            let Some((text, name)) = value(name).or_else(|| value("ALL_PROXY")) else {
                return Ok(None);
            };
            let text = if text.contains("://") { text } else { format!("http://{text}") };
            text.parse().map(Some).map_err(|error| (name, error))
        };
        let (https, http) = (proxy("HTTPS_PROXY")?, proxy("HTTP_PROXY")?);
        let bypass = value("NO_PROXY").map(|(list, _)| Bypass::new(&list)).unwrap_or_default();
        Ok((https.is_some() || http.is_some()).then_some(Self { https, http, bypass }))
    }

    /// The proxy for a target.
    pub(super) fn of(&self, target: &Origin) -> Option<&Proxy> {
        let proxy = if target.is_https() { &self.https } else { &self.http };
        proxy.as_ref().filter(|_| !self.bypass.covers(target))
    }
}
