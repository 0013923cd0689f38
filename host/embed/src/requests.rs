//! A request as the operator sees it: one span, and one word to the observer at its end. Knows where it goes and for which object,
//! and nothing of what it carries.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame};
use tracing::{Span, field};

use crate::egress::Origin;
use crate::observe::RequestEnded;
use crate::state::Context;

/// On whose behalf an instance sends.
#[derive(Clone)]
pub(crate) struct Sender {
    pub(crate) context: Arc<Context>,
    /// The object of the call under way.
    pub(crate) object: Option<Arc<str>>,
    /// The allowance that was reserved last: it names the store.
    pub(crate) store: Option<Arc<str>>,
}

/// A request from its sending to its end. Dropped without one, it was given up.
pub(crate) struct Watched {
    sender: Sender,
    method: &'static str,
    origin: Option<Origin>,
    span: Span,
    begun: Instant,
    took: Option<Duration>,
    status: Option<u16>,
    failure: Option<String>,
    bytes: u64,
}

impl Watched {
    /// `may_reach`: whether the connector may reach an origin. One that it may not is of its own making, and could hold anything.
    pub(crate) fn new<B>(sender: Sender, request: &http::Request<B>, may_reach: impl Fn(&Origin) -> bool) -> Self {
        let method = known(request.method());
        let origin = Origin::of_uri(request.uri()).ok().filter(may_reach);
        let span = tracing::info_span!(
            target: "connector_host",
            "request",
            otel.kind = "client",
            connector.connection = sender.context.connection,
            connector.object = sender.object.as_deref(),
            connector.store = sender.store.as_deref(),
            http.request.method = method,
            server.address = origin.as_ref().map(Origin::host),
            server.port = origin.as_ref().map(Origin::port),
            http.response.status_code = field::Empty,
            http.response.body.size = field::Empty,
            error.r#type = field::Empty,
        );
        Self { sender, method, origin, span, begun: Instant::now(), took: None, status: None, failure: None, bytes: 0 }
    }

    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// The head of an answer has come; its body ends the request.
    pub(crate) fn answered<B>(mut self, answer: http::Response<B>) -> http::Response<WatchedBody<B>> {
        self.took = Some(self.begun.elapsed());
        self.status = Some(answer.status().as_u16());
        answer.map(|body| WatchedBody { body, watched: Some(self) })
    }

    /// There is no answer, or no whole one.
    pub(crate) fn failed(mut self, why: &impl std::fmt::Debug) {
        // The name of the code without what it carries: few values, so that they can be counted.
        let name = format!("{why:?}");
        let end = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
        self.failure = name.get(..end).map(str::to_owned);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.span.record("http.response.status_code", self.status);
        self.span.record("http.response.body.size", self.bytes);
        self.span.record("error.type", self.failure.as_deref());
        if let Some(observer) = &self.sender.context.watch.observer {
            observer.request_ended(&RequestEnded {
                connection: &self.sender.context.connection,
                object: self.sender.object.as_deref(),
                store: self.sender.store.as_deref(),
                method: self.method,
                origin: self.origin.as_ref(),
                status: self.status,
                failure: self.failure.as_deref(),
                took: self.took.unwrap_or_else(|| self.begun.elapsed()),
                bytes: self.bytes,
            });
        }
    }
}

/// The methods that there are; any other text is the connector's.
fn known(method: &http::Method) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("_OTHER")
}

/// The body of an answer, counted.
pub(crate) struct WatchedBody<B> {
    body: B,
    /// None once it is told.
    watched: Option<Watched>,
}

impl<B> Body for WatchedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Debug,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(task));
        match (&frame, &mut self.watched) {
            (Some(Ok(frame)), Some(watched)) => {
                watched.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            (Some(Err(error)), watched) => {
                if let Some(watched) = watched.take() {
                    watched.failed(error);
                }
            }
            (None, watched) => drop(watched.take()),
            (Some(Ok(_)), None) => {}
        }
        Poll::Ready(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_connector_makes_up_is_not_told() {
        let request = |method: &str, uri: &str| http::Request::builder().method(method).uri(uri).body(()).unwrap();
        let told = |method: &str, uri: &str| {
            let sender = Sender { context: Arc::new(Context::bare()), object: None, store: None };
            let granted = |origin: &Origin| origin.host() == "api.example.com";
            let watched = Watched::new(sender, &request(method, uri), granted);
            (watched.method, watched.origin.as_ref().map(ToString::to_string))
        };
        let granted = Some("https://api.example.com".to_owned());
        assert_eq!(told("PATCH", "https://api.example.com/t0ken"), ("PATCH", granted));
        assert_eq!(told("T0KEN", "https://t0ken.example.com/"), ("_OTHER", None));
    }
}
