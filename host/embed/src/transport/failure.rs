//! Why there is no answer, and the one thing that writers must know: whether a byte of the request may have left.

use std::error::Error as _;
use std::io;

use http_body_util::LengthLimitError;

/// Why a request has no (complete) answer.
///
/// The upper half proves that no byte of the request left ([`Failure::proves_unsent`]); after the lower half the remote may have
/// acted. The codes that connectors see (`wasi:http` `error-code`) are divided in the same way: `DNS-*`, `destination-*`,
/// `connection-refused`, `connection-timeout`, `TLS-*`, `HTTP-request-denied` and `HTTP-request-URI-*` are proof, nothing else is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the name was not resolved in time")]
    DnsTimeout,
    #[error("the name could not be resolved: {0}")]
    Dns(String),
    #[error("the name has no address")]
    NotFound,
    #[error("every address of the name is private, and the grant does not allow that")]
    AddressProhibited,
    #[error("there is no route to the address")]
    Unroutable,
    #[error("nobody listens at the address")]
    Refused,
    #[error("no connection in time")]
    ConnectTimeout,
    #[error("the connection was lost before the request's first byte")]
    Unavailable,
    #[error("the certificate is not trusted: {0}")]
    Certificate(String),
    #[error("TLS alert {description}")]
    TlsAlert { code: u8, description: String },
    #[error("the TLS handshake failed: {0}")]
    Tls(String),
    #[error("not allowed: {0}")]
    Denied(String),
    #[error("the address is not valid")]
    AddressInvalid,

    #[error("the request's body is larger than the limit `request_body` of {0} bytes")]
    RequestTooLarge(u64),
    #[error("the connection was lost")]
    Terminated,
    #[error("no answer in time, or the answer stopped")]
    ReadTimeout,
    #[error("the answer was cut off")]
    Incomplete,
    #[error("the head of the answer is too large")]
    HeadTooLarge,
    #[error("the answer is larger than the limit `response_body` of {0} bytes")]
    AnswerTooLarge(u64),
    #[error("the answer is not HTTP: {0}")]
    Protocol(String),
}

impl Failure {
    /// Whether it is certain that no byte of the request left.
    #[cfg(test)]
    pub(crate) fn proves_unsent(&self) -> bool {
        match self {
            Self::DnsTimeout
            | Self::Dns(_)
            | Self::NotFound
            | Self::AddressProhibited
            | Self::Unroutable
            | Self::Refused
            | Self::ConnectTimeout
            | Self::Unavailable
            | Self::Certificate(_)
            | Self::TlsAlert { .. }
            | Self::Tls(_)
            | Self::Denied(_)
            | Self::AddressInvalid => true,
            Self::RequestTooLarge(_)
            | Self::Terminated
            | Self::ReadTimeout
            | Self::Incomplete
            | Self::HeadTooLarge
            | Self::AnswerTooLarge(_)
            | Self::Protocol(_) => false,
        }
    }

    /// A failure while connecting.
    pub(super) fn of_connect(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut => Self::ConnectTimeout,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable => {
                Self::Unroutable
            }
            _ => Self::Unavailable,
        }
    }

    /// A failure of the TLS handshake.
    pub(super) fn of_handshake(error: &io::Error) -> Self {
        use tokio_rustls::rustls::Error;
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(Error::InvalidCertificate(reason)) => Self::Certificate(format!("{reason:?}")),
            Some(Error::AlertReceived(alert)) => {
                Self::TlsAlert { code: u8::from(*alert), description: format!("{alert:?}") }
            }
            Some(other) => Self::Tls(other.to_string()),
            None => Self::Tls(error.to_string()),
        }
    }

    /// A request that failed before the head of an answer. `unsent`: nothing was written, and nothing can be any more.
    pub(super) fn of_request(error: &hyper::Error, unsent: bool, request_limit: u64) -> Self {
        if is_body_limit(error) {
            Self::RequestTooLarge(request_limit)
        } else if unsent {
            Self::Unavailable
        } else if error.is_parse_too_large() {
            Self::HeadTooLarge
        } else if error.is_parse() {
            Self::Protocol(error.to_string())
        } else {
            Self::Terminated
        }
    }

    /// An answer whose body did not come to its end.
    pub(super) fn of_body(error: &hyper::Error) -> Self {
        let mut source = error.source();
        while let Some(inner) = source {
            if let Some(io) = inner.downcast_ref::<io::Error>() {
                return match io.kind() {
                    io::ErrorKind::UnexpectedEof => Self::Incomplete,
                    _ => Self::Terminated,
                };
            }
            source = inner.source();
        }
        if error.is_incomplete_message() { Self::Incomplete } else { Self::Protocol(error.to_string()) }
    }
}

/// Whether the request's own body ended the request, because it reached its limit.
fn is_body_limit(error: &hyper::Error) -> bool {
    let mut source = error.source();
    while let Some(inner) = source {
        if inner.is::<LengthLimitError>() {
            return true;
        }
        source = inner.source();
    }
    false
}
