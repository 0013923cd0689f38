//! `wasi:http` for connectors: its linking, the bridge from the runtime's hook to [`crate::transport`], and the table of failure codes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::BodyExt;
use tracing::Instrument as _;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::LinkOptions;
use wasmtime_wasi_http::p2::bindings::http::{outgoing_handler, types};
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttp, WasiHttpHooks, WasiHttpView};

use crate::requests::{Sender, Watched};
use crate::state::{Context, State};
use crate::transport::{Failure, Keep, Timeouts, Transport};

/// What a request gets that asks for no timeouts, if the limits allow as much.
const DEFAULTS: Timeouts = Timeouts {
    connect: Duration::from_secs(10),
    first_byte: Duration::from_secs(60),
    between_bytes: Duration::from_secs(30),
};

/// Largest piece of a request's body that the host takes at once, in bytes. It may hold two for every body that is open.
pub(crate) const PIECE: usize = 64 << 10;

/// Adds `wasi:http`.
///
/// The runtime's handler of requests leaves their options in the table (wasmtime-wasi-http 48.0.8, `http_impl.rs`), where each would count
/// against [`crate::Limits::resources`] until the activity ends: so they are taken out here.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<State, WasiHttp>(linker, &LinkOptions::default().into(), WasiHttpView::http)?;
    type Asked = (Resource<HostOutgoingRequest>, Option<Resource<RequestOptions>>);
    let mut handler = linker.instance("wasi:http/outgoing-handler@0.2.12")?;
    handler.func_wrap("handle", |mut store: StoreContextMut<'_, State>, (request, options): Asked| {
        let mut http = store.data_mut().http();
        let left = options.as_ref().map(|options| Resource::<RequestOptions>::new_own(options.rep()));
        let sent = outgoing_handler::Host::handle(&mut http, request, options);
        if let Some(left) = left {
            // A runtime that takes them itself has left none.
            let _ = http.table.delete(left);
        }
        Ok((match sent {
            Ok(answer) => Ok(answer),
            Err(error) => Err(error.downcast()?),
        },))
    })
}

/// The network of one instance.
pub(crate) struct Network {
    /// None while the instance may send nothing: before and during `configure`.
    pub(crate) transport: Option<Arc<Transport>>,
    pub(crate) keep: Keep,
    pub(crate) sender: Sender,
    longest: Timeouts,
    header_fields: usize,
    header_bytes: usize,
    /// Why the host itself last failed a request of the call: the codes of `wasi:http` have no room for it.
    reason: Arc<Mutex<Option<String>>>,
}

impl Network {
    pub(crate) fn new(activity: u64, context: &Arc<Context>) -> Self {
        let limits = &context.limits;
        Self {
            transport: None,
            keep: Keep { activity, idle: None, use_proxy: false, over: Arc::default() },
            sender: Sender { context: Arc::clone(context), object: None, store: None },
            reason: Arc::default(),
            longest: Timeouts {
                connect: limits.connect_timeout,
                first_byte: limits.first_byte_timeout,
                between_bytes: limits.between_bytes_timeout,
            },
            header_fields: limits.header_fields,
            header_bytes: limits.header_bytes,
        }
    }

    /// Forgets what an earlier call met.
    pub(crate) fn begin(&mut self) {
        // Not emptied: a request that the earlier call gave up may still write into it.
        self.reason = Arc::default();
    }

    /// Why the host itself last failed a request of this call.
    pub(crate) fn reason(&self) -> Option<String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a request asks for, within the limits.
    fn timeouts(&self, asked: RequestOptions) -> Timeouts {
        let within = |asked: Option<Duration>, default: Duration, longest: Duration| {
            asked.filter(|time| !time.is_zero()).unwrap_or(default).min(longest)
        };
        Timeouts {
            connect: within(asked.connect_timeout, DEFAULTS.connect, self.longest.connect),
            first_byte: within(asked.first_byte_timeout, DEFAULTS.first_byte, self.longest.first_byte),
            between_bytes: within(asked.between_bytes_timeout, DEFAULTS.between_bytes, self.longest.between_bytes),
        }
    }
}

type Ended = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(http::Response<WasiBody>, Ended), Error>;

impl WasiHttpHooks for Network {
    fn is_supported_scheme(&mut self, _scheme: &http::uri::Scheme) -> bool {
        // The transport refuses other schemes, with a code that proves that nothing was sent.
        true
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        PIECE
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _read: Ended,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let transport = self.transport.clone();
        let keep = self.keep.clone();
        let timeouts = self.timeouts(options.unwrap_or_default());
        let noted = Arc::clone(&self.reason);
        let target = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let told = move |failure: Failure| {
            if failure.is_of_the_host() {
                let reason = format!("a request to {target} failed: {failure}");
                *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
            }
            code(failure)
        };
        let (fields, bytes) = (self.header_fields, self.header_bytes);
        let watched = Watched::new(self.sender.clone(), &request, |origin| {
            transport.as_ref().is_some_and(|transport| transport.egress().check(origin).is_ok())
        });
        let span = watched.span();
        let sending = async move {
            let sent = match transport {
                _ if !within(request.headers(), fields, bytes) => Err(told(Failure::RequestHeadTooLarge(bytes))),
                Some(transport) => {
                    let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
                    transport.send(request, timeouts, keep).await.map_err(&told)
                }
                None => Err(Error::HttpRequestDenied),
            };
            let sent = sent.and_then(|answer| {
                let small = within(answer.headers(), fields, bytes);
                if small { Ok(answer) } else { Err(told(Failure::AnswerHeadTooLarge(bytes))) }
            });
            match sent {
                Ok(answer) => {
                    let answer = watched.answered(answer.map(|body| body.map_err(told)));
                    let answer = answer.map(BodyExt::boxed_unsync);
                    Ok((answer, Box::new(std::future::ready(Ok(()))) as Ended))
                }
                Err(error) => {
                    watched.failed(&error);
                    Err(error)
                }
            }
        };
        Box::new(sending.instrument(span))
    }
}

/// Whether header fields keep to the limits.
fn within(headers: &http::HeaderMap, fields: usize, bytes: usize) -> bool {
    let size = |(name, value): (&http::HeaderName, &http::HeaderValue)| name.as_str().len() + value.len();
    headers.len() <= fields && headers.iter().map(size).sum::<usize>() <= bytes
}

/// The code that a connector sees. [`Failure`] says which codes prove that nothing was sent.
fn code(failure: Failure) -> Error {
    match failure {
        Failure::DnsTimeout => Error::DnsTimeout,
        Failure::Dns(reason) => Error::DnsError { rcode: Some(reason), info_code: None },
        Failure::NotFound => Error::DestinationNotFound,
        Failure::Unavailable => Error::DestinationUnavailable,
        Failure::Unprocessed(_) | Failure::ProxyUnreachable(_) => Error::DestinationUnavailable,
        Failure::SocketLimit(_) => Error::ConnectionLimitReached,
        Failure::AddressProhibited => Error::DestinationIpProhibited,
        Failure::Unroutable => Error::DestinationIpUnroutable,
        Failure::Refused => Error::ConnectionRefused,
        Failure::ConnectTimeout => Error::ConnectionTimeout,
        Failure::Certificate(_) => Error::TlsCertificateError,
        Failure::TlsAlert { code, description } => {
            Error::TlsAlertReceived { alert_id: Some(code), alert_message: Some(description) }
        }
        Failure::Tls(_) => Error::TlsProtocolError,
        Failure::Denied(_) | Failure::ProxyDenied(_) => Error::HttpRequestDenied,
        Failure::AddressInvalid => Error::HttpRequestUriInvalid,
        Failure::RequestTooLarge(limit) => Error::HttpRequestBodySize(Some(limit)),
        Failure::RequestHeadTooLarge(limit) => Error::HttpRequestHeaderSectionSize(u32::try_from(limit).ok()),
        Failure::AnswerHeadTooLarge(limit) => Error::HttpResponseHeaderSectionSize(u32::try_from(limit).ok()),
        Failure::Terminated => Error::ConnectionTerminated,
        Failure::ReadTimeout => Error::ConnectionReadTimeout,
        Failure::WriteTimeout => Error::ConnectionWriteTimeout,
        Failure::Incomplete => Error::HttpResponseIncomplete,
        Failure::HeadTooLarge => Error::HttpResponseHeaderSectionSize(None),
        Failure::AnswerTooLarge(limit) => Error::HttpResponseBodySize(Some(limit)),
        Failure::ContentCoding(coding) => Error::HttpResponseContentCoding(Some(coding)),
        Failure::Protocol(_) => Error::HttpProtocolError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    /// Whether a code, by its name, proves that nothing was sent: the rule that connectors go by.
    fn proof(error: &Error) -> bool {
        let name = format!("{error:?}");
        let proofs = ["Dns", "Destination", "ConnectionRefused", "ConnectionTimeout", "ConnectionLimit", "Tls"];
        let denied = ["HttpRequestDenied", "HttpRequestUri"];
        proofs.iter().chain(&denied).any(|prefix| name.starts_with(prefix))
    }

    #[test]
    fn a_request_gets_the_timeouts_that_it_asks_for_within_the_limits() {
        let seconds = |connect, first_byte, between_bytes| {
            let limits = Limits {
                connect_timeout: Duration::from_secs(connect),
                first_byte_timeout: Duration::from_secs(first_byte),
                between_bytes_timeout: Duration::from_secs(between_bytes),
                ..Limits::default()
            };
            let context = Arc::new(Context { limits, ..Context::bare() });
            move |asked: Option<u64>| {
                let asked = asked.map(Duration::from_secs);
                let timeouts = Network::new(0, &context).timeouts(RequestOptions {
                    connect_timeout: asked,
                    first_byte_timeout: asked,
                    between_bytes_timeout: asked,
                });
                [timeouts.connect, timeouts.first_byte, timeouts.between_bytes].map(|time| time.as_secs())
            }
        };
        let wide = seconds(600, 600, 600);
        assert_eq!([wide(None), wide(Some(0)), wide(Some(7))], [[10, 60, 30], [10, 60, 30], [7, 7, 7]]);
        let narrow = seconds(5, 6, 70);
        assert_eq!([narrow(None), narrow(Some(9)), narrow(Some(u64::MAX))], [[5, 6, 30], [5, 6, 9], [5, 6, 70]]);
    }

    #[test]
    fn header_fields_are_counted_and_measured() {
        let mut headers = http::HeaderMap::new();
        headers.append("a", http::HeaderValue::from_static("12345"));
        headers.append("a", http::HeaderValue::from_static("67890"));
        assert!(within(&headers, 2, 12));
        assert!(!within(&headers, 1, 12) && !within(&headers, 2, 11));
    }

    #[test]
    fn a_code_proves_exactly_what_the_failure_proves() {
        let text = || "x".to_owned();
        for failure in [
            Failure::DnsTimeout,
            Failure::Dns(text()),
            Failure::NotFound,
            Failure::Unavailable,
            Failure::Unprocessed(text()),
            Failure::SocketLimit(1),
            Failure::ProxyUnreachable(text()),
            Failure::ProxyDenied(text()),
            Failure::AddressProhibited,
            Failure::Unroutable,
            Failure::Refused,
            Failure::ConnectTimeout,
            Failure::Certificate(text()),
            Failure::TlsAlert { code: 1, description: text() },
            Failure::Tls(text()),
            Failure::Denied(text()),
            Failure::AddressInvalid,
            Failure::RequestTooLarge(1),
            Failure::RequestHeadTooLarge(1),
            Failure::AnswerHeadTooLarge(1),
            Failure::Terminated,
            Failure::ReadTimeout,
            Failure::WriteTimeout,
            Failure::ContentCoding(text()),
            Failure::Incomplete,
            Failure::HeadTooLarge,
            Failure::AnswerTooLarge(1),
            Failure::Protocol(text()),
        ] {
            let unsent = failure.proves_unsent();
            let name = failure.to_string();
            assert_eq!(proof(&code(failure)), unsent, "{name}");
        }
    }
}
