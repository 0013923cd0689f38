//! The host's side of the component: `Host` over the WIT imports.

use std::any::Any;
use std::cell::RefCell;

use crate::error::{Error, Kind, UNDEFINED};
use crate::executor::wait;
use crate::guest::ipaas::connector::{control, logging, quota, transport, variables};
use crate::guest::wasi::clocks::monotonic_clock;
use crate::guest::wasi::http::outgoing_handler;
use crate::guest::wasi::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
    http_error_code,
};
use crate::guest::wasi::io::poll::{Pollable, poll};
use crate::guest::wasi::io::streams::{OutputStream, StreamError};
use crate::host::{Allowance, Answer, Cause, Host, Level, Local, Request, SendError};

/// Bytes asked for at once when a body is read. Hosts that buffer bodies hand out this much in one call.
const READ: u64 = 1 << 20;
/// The headers that are read; the others stay with the host.
const HEADERS: [&str; 7] = [
    "date",
    "x-rate-limit-requests-quota",
    "x-rate-limit-requests-left",
    "x-rate-limit-time-reset-ms",
    "x-retry-after",
    "retry-after",
    "content-length",
];

/// The host behind the imports.
pub(crate) struct Imports;

/// Whether it is ready now. Its own `ready` is not asked: `wasmtime serve` 49.0.3 denies it of a clock that is due, though `poll` tells.
fn is_ready(pollable: &Pollable) -> bool {
    poll(&[pollable, &monotonic_clock::subscribe_duration(0)]).contains(&0)
}

impl Host for Imports {
    fn variable(&self, name: &str) -> Result<String, Error> {
        variables::get(name).map_err(|error| {
            let (code, message) = match error {
                variables::Error::InvalidName(name) => {
                    ("invalid-variable-name", format!("`{name}` is no name of a variable"))
                }
                variables::Error::Undefined(name) => (
                    UNDEFINED,
                    format!("the variable `{name}` is not defined: define it, or write `[{name}{{default}}]`"),
                ),
                variables::Error::Provider(why) => {
                    ("variable-provider", format!("the variable `{name}` cannot be read: {why}"))
                }
            };
            Error::new(Kind::Configuration, message).code(code)
        })
    }

    fn transport(&self, use_proxy: bool, keep_alive_seconds: Option<u32>) -> Result<(), Error> {
        transport::apply(use_proxy, keep_alive_seconds).map_err(|error| match error {
            transport::Error::NoProxy => {
                let message = "the proxy settings are to be used, and this host has none: configure a proxy there (private agents only), or switch `use_proxy` off";
                Error::new(Kind::Configuration, message).code("no-proxy").at("/use_proxy")
            }
            transport::Error::Refused(why) => Error::new(Kind::Configuration, format!("the host refuses these transport settings: {why}")).at("/keep_alive_seconds"),
        })
    }

    fn permit(&self, bucket: &str, concurrency: Option<u32>) -> Local<'static, Box<dyn Any>> {
        let permit = quota::reserve(bucket, concurrency);
        Box::pin(async move {
            // A host that cannot tell when a place becomes free wakes early: asked again, it says whether it is so.
            loop {
                let ready = permit.ready();
                if is_ready(&ready) {
                    break;
                }
                wait(ready).await;
            }
            Box::new(permit) as Box<dyn Any>
        })
    }

    fn report(&self, bucket: &str, allowance: Allowance) {
        quota::report(
            bucket,
            quota::Allowance { limit: allowance.limit, left: allowance.left, reset_ms: allowance.reset_ms },
        );
    }

    fn send(&self, request: Request) -> Local<'static, Result<Answer, SendError>> {
        Box::pin(send(request))
    }

    fn sleep(&self, milliseconds: u64) -> Local<'static, ()> {
        Box::pin(wait(monotonic_clock::subscribe_duration(milliseconds.saturating_mul(1_000_000))))
    }

    fn cancelled(&self) -> Local<'static, ()> {
        Box::pin(wait(control::cancelled()))
    }

    fn now(&self) -> u64 {
        monotonic_clock::now()
    }

    fn log(&self, level: Level, message: &str, fields: &[(&str, String)]) {
        let level = match level {
            Level::Debug => logging::Level::Debug,
            Level::Info => logging::Level::Info,
            Level::Warn => logging::Level::Warn,
        };
        let fields: Vec<(String, String)> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        logging::log(level, message, &fields);
    }
}

/// Sends a request and reads its answer. What fails before the host has the request left no byte; what fails after the answer's
/// head came was sent.
async fn send(request: Request) -> Result<Answer, SendError> {
    let unsent = |code: ErrorCode| SendError { unsent: true, ..failure(&code) };
    let outgoing = prepare(&request).map_err(unsent)?;
    let options = RequestOptions::new();
    let nanoseconds = |milliseconds: u64| Some(milliseconds.saturating_mul(1_000_000));
    // A host without such a timeout says so by an error; its own defaults hold then.
    let _ = options.set_connect_timeout(nanoseconds(request.connect_timeout));
    let _ = options.set_first_byte_timeout(nanoseconds(request.answer_timeout));
    let _ = options.set_between_bytes_timeout(nanoseconds(request.answer_timeout));
    let body = outgoing.body().map_err(|()| unsent(broken("the request takes no body")))?;
    let future = match request.body {
        None => {
            OutgoingBody::finish(body, None).map_err(unsent)?;
            outgoing_handler::handle(outgoing, Some(options)).map_err(unsent)?
        }
        Some(bytes) => {
            let stream = body.write().map_err(|()| unsent(broken("the body cannot be written")))?;
            let future = outgoing_handler::handle(outgoing, Some(options)).map_err(unsent)?;
            // When the body cannot be written, the answer's error says why, and whether a byte left.
            let written = write(&stream, &bytes).await;
            drop(stream);
            if written.is_ok() {
                OutgoingBody::finish(body, None).map_err(|code| failure(&code))?;
            } else {
                drop(body);
            }
            future
        }
    };
    wait(future.subscribe()).await;
    let response = match future.get() {
        Some(Ok(result)) => result.map_err(|code| failure(&code))?,
        _ => return Err(failure(&broken("the host gave no answer"))),
    };
    drop(future);
    receive(response).await.map_err(|code| SendError { unsent: false, ..failure(&code) })
}

fn broken(what: &str) -> ErrorCode {
    ErrorCode::InternalError(Some(what.to_owned()))
}

fn prepare(request: &Request) -> Result<OutgoingRequest, ErrorCode> {
    let headers = Fields::new();
    for (name, value) in &request.headers {
        headers.append(name, &value.clone().into_bytes()).map_err(|_| broken("a header was refused"))?;
    }
    let outgoing = OutgoingRequest::new(headers);
    let method = match request.method {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        other => Method::Other(other.to_owned()),
    };
    let scheme = if request.https { Scheme::Https } else { Scheme::Http };
    outgoing.set_method(&method).map_err(|()| ErrorCode::HttpRequestMethodInvalid)?;
    outgoing.set_scheme(Some(&scheme)).map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    outgoing.set_authority(Some(&request.authority)).map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    outgoing.set_path_with_query(Some(&request.target)).map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    Ok(outgoing)
}

/// Writes a body as the host takes it, without keeping other requests from going on.
async fn write(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    while !bytes.is_empty() {
        wait(stream.subscribe()).await;
        let room = usize::try_from(stream.check_write()?).unwrap_or(usize::MAX);
        let (piece, rest) = bytes.split_at(room.min(bytes.len()));
        if !piece.is_empty() {
            stream.write(piece)?;
        }
        bytes = rest;
    }
    stream.flush()?;
    wait(stream.subscribe()).await;
    stream.check_write().map(drop)
}

async fn receive(response: IncomingResponse) -> Result<Answer, ErrorCode> {
    let mut answer = Answer { status: response.status(), ..Answer::default() };
    let headers = response.headers();
    for name in HEADERS {
        for value in headers.get(name) {
            answer.headers.push((name.to_owned(), String::from_utf8_lossy(&value).into_owned()));
        }
    }
    drop(headers);
    let body = response.consume().map_err(|()| ErrorCode::InternalError(Some("the answer has no body".into())))?;
    let stream =
        body.stream().map_err(|()| ErrorCode::InternalError(Some("the answer's body cannot be read".into())))?;
    let expected = answer
        .number("content-length")
        .and_then(|length| usize::try_from(length).ok())
        .filter(|length| *length < 1 << 26);
    loop {
        wait(stream.subscribe()).await;
        match stream.read(READ) {
            Ok(piece) if answer.body.is_empty() => {
                answer.body = piece;
                // Nothing to add in the common case; otherwise grown once.
                if let Some(expected) = expected.filter(|expected| *expected > answer.body.len()) {
                    answer.body.reserve_exact(expected - answer.body.len());
                }
            }
            Ok(piece) => answer.body.extend_from_slice(&piece),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(http_error_code(&error).unwrap_or(ErrorCode::HttpResponseIncomplete));
            }
        }
    }
    drop(stream);
    drop(IncomingBody::finish(body));
    Ok(answer)
}

/// What an error code means. A code of the first group is a host's word that no byte of the request left.
fn failure(code: &ErrorCode) -> SendError {
    let (unsent, cause) = match code {
        ErrorCode::DnsTimeout | ErrorCode::DnsError(_) => (true, Cause::Name),
        ErrorCode::DestinationNotFound | ErrorCode::DestinationUnavailable | ErrorCode::DestinationIpUnroutable => {
            (true, Cause::Connect)
        }
        ErrorCode::ConnectionRefused | ErrorCode::ConnectionTimeout | ErrorCode::ConnectionLimitReached => {
            (true, Cause::Connect)
        }
        ErrorCode::TlsCertificateError => (true, Cause::Certificate),
        ErrorCode::TlsProtocolError => (true, Cause::Tls),
        // An alert may come behind the request as well.
        ErrorCode::TlsAlertReceived(_) => (false, Cause::Tls),
        ErrorCode::DestinationIpProhibited | ErrorCode::HttpRequestDenied => (true, Cause::Denied),
        ErrorCode::HttpRequestMethodInvalid | ErrorCode::HttpRequestUriInvalid | ErrorCode::HttpRequestUriTooLong => {
            (true, Cause::Other)
        }
        ErrorCode::ConnectionReadTimeout | ErrorCode::ConnectionWriteTimeout | ErrorCode::HttpResponseTimeout => {
            (false, Cause::Timeout)
        }
        ErrorCode::ConnectionTerminated | ErrorCode::HttpResponseIncomplete => (false, Cause::Broken),
        ErrorCode::HttpResponseBodySize(_) => (false, Cause::TooLarge),
        _ => (false, Cause::Other),
    };
    let detail = match code {
        ErrorCode::InternalError(Some(text)) => text.clone(),
        ErrorCode::DnsError(payload) => payload.rcode.clone().unwrap_or_default(),
        ErrorCode::TlsAlertReceived(payload) => payload.alert_message.clone().unwrap_or_default(),
        other => name(other),
    };
    SendError { unsent, cause, detail }
}

/// The code's name as a person reads it: `connection refused`.
fn name(code: &ErrorCode) -> String {
    let debug = format!("{code:?}");
    let variant =
        debug.split(['(', ' ', ':']).find(|word| !word.is_empty() && *word != "ErrorCode").unwrap_or_default();
    let mut out = String::new();
    for c in variant.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push(' ');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

thread_local! {
    /// The connection that `configure` made.
    pub(crate) static CONNECTOR: RefCell<Option<std::rc::Rc<crate::connector::Connector>>> = const { RefCell::new(None) };
}
