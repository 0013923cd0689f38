//! Why there is no answer, and the one thing that writers must know: whether a byte of the request may have left.

use std::error::Error as _;
use std::io;

use http_body_util::LengthLimitError;

/// Why a request has no (complete) answer.
///
/// The upper half proves that the remote did not act ([`Failure::proves_unsent`]): no byte of the request left, or the server
/// itself says so, for which HTTP/2 has words. After the lower half it may have acted. The codes that connectors see (`wasi:http`
/// `error-code`) are divided in the same way: `DNS-*`, `destination-*`, `connection-refused`, `connection-timeout`,
/// `connection-limit-reached`, `TLS-*`, `HTTP-request-denied` and `HTTP-request-URI-*` are proof, nothing else is.
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
    #[error("the server did not act on the request: {0}")]
    Unprocessed(String),
    #[error("the connection has {0} sockets open, and none became free in time (limit `sockets`)")]
    SocketLimit(u32),
    #[error("{0}")]
    ProxyUnreachable(String),
    #[error("{0}")]
    ProxyDenied(String),
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
    #[error("the request has more header fields than the limits `header_fields` and `header_bytes` allow")]
    RequestHeadTooLarge(usize),
    #[error("the answer has more header fields than the limits `header_fields` and `header_bytes` allow")]
    AnswerHeadTooLarge(usize),
    #[error("the connection was lost")]
    Terminated,
    #[error("no answer in time, or the answer stopped")]
    ReadTimeout,
    #[error("the server did not take the whole request in time")]
    WriteTimeout,
    #[error("the answer was cut off")]
    Incomplete,
    #[error("the head of the answer is too large")]
    HeadTooLarge,
    #[error("the answer, as the connector would read it, is larger than the limit `response_body` of {0} bytes")]
    AnswerTooLarge(u64),
    #[error("the answer's body is not what its content-encoding says: {0}")]
    ContentCoding(String),
    #[error("the answer is not HTTP: {0}")]
    Protocol(String),
}

impl Failure {
    /// Whether it is certain that the remote did not act.
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
            | Self::Unprocessed(_)
            | Self::SocketLimit(_)
            | Self::ProxyUnreachable(_)
            | Self::ProxyDenied(_)
            | Self::Certificate(_)
            | Self::TlsAlert { .. }
            | Self::Tls(_)
            | Self::Denied(_)
            | Self::AddressInvalid => true,
            Self::RequestTooLarge(_)
            | Self::RequestHeadTooLarge(_)
            | Self::AnswerHeadTooLarge(_)
            | Self::Terminated
            | Self::ReadTimeout
            | Self::WriteTimeout
            | Self::Incomplete
            | Self::HeadTooLarge
            | Self::AnswerTooLarge(_)
            | Self::ContentCoding(_)
            | Self::Protocol(_) => false,
        }
    }

    /// Whether it says more than the code that the connector gets, something that the operator can change: the caller should hear
    /// it too.
    pub(crate) fn is_of_the_host(&self) -> bool {
        matches!(
            self,
            Self::Denied(_)
                | Self::AddressProhibited
                | Self::SocketLimit(_)
                | Self::ProxyUnreachable(_)
                | Self::ProxyDenied(_)
                | Self::RequestTooLarge(_)
                | Self::AnswerTooLarge(_)
                | Self::RequestHeadTooLarge(_)
                | Self::AnswerHeadTooLarge(_)
        )
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
        } else if let Some(failure) = h2_error(error).map(Self::of_stream) {
            failure
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

    /// A stream of HTTP/2 that ended before the head of an answer.
    fn of_stream(error: &h2::Error) -> Self {
        let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        if error.is_remote() && (refused || error.is_go_away()) {
            // RFC 9113, 8.7: a stream that is refused, or whose number is above the last one of a GOAWAY, was not processed. Only
            // those end with the GOAWAY; others go on, or end with the connection.
            let how = if refused { "it refused the stream" } else { "it was going away" };
            Self::Unprocessed(how.to_owned())
        } else if error.is_library() {
            Self::Protocol(error.to_string())
        } else {
            Self::Terminated
        }
    }

    /// An answer whose body did not come to its end.
    pub(super) fn of_body(error: &hyper::Error) -> Self {
        if let Some(error) = h2_error(error) {
            return if error.is_library() { Self::Protocol(error.to_string()) } else { Self::Terminated };
        }
        let mut source = error.source();
        while let Some(inner) = source {
            if let Some(io) = inner.downcast_ref::<io::Error>() {
                return match io.kind() {
                    io::ErrorKind::UnexpectedEof => Self::Incomplete,
                    io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Self::Protocol(io.to_string()),
                    _ => Self::Terminated,
                };
            }
            source = inner.source();
        }
        if error.is_incomplete_message() { Self::Incomplete } else { Self::Protocol(error.to_string()) }
    }
}

fn h2_error(error: &hyper::Error) -> Option<&h2::Error> {
    error.source()?.downcast_ref()
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
