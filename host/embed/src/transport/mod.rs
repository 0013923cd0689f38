//! The way of a request to the network: one client per connection of the embedder, HTTP/1.1, over sockets that it pools itself,
//! because only who owns the sockets can say whether the first byte of a request had left. Knows nothing of the runtime.
//!
//! Nothing is sent twice here. A request that comes back from a dead pooled socket goes to another one only if not a byte of it
//! was written. Redirects are answers like any other.

mod body;
mod connect;
mod failure;
mod io;
mod pool;
pub(crate) mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::egress::{Egress, Origin};
use crate::limits::Limits;

pub(crate) use body::AnswerBody;
pub(crate) use failure::Failure;
use pool::{Lane, Pool};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// Body of a request as the connector writes it.
pub(crate) type RequestBody = UnsyncBoxBody<Bytes, BoxError>;

/// How long an idle socket stays open within an activity that keeps none beyond its end.
const IDLE_WITHIN_ACTIVITY: Duration = Duration::from_secs(60);

/// Timeouts of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    pub(crate) connect: Duration,
    pub(crate) first_byte: Duration,
    pub(crate) between_bytes: Duration,
}

/// Whose sockets a request may use, and what becomes of its own afterwards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keep {
    /// The activity that sends.
    pub(crate) activity: u64,
    /// How long an idle socket stays open for all activities. None: it serves this activity only and is closed at its end.
    pub(crate) idle: Option<Duration>,
}

/// What has been sent and read.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) bytes_read: AtomicU64,
}

/// The client of one connection.
#[derive(Debug)]
pub(crate) struct Transport {
    egress: Egress,
    tls: tls::Trust,
    pool: Arc<Pool>,
    slots: Arc<Semaphore>,
    limits: Limits,
    counters: Arc<Counters>,
}

impl Transport {
    pub(crate) fn new(egress: Egress, tls: tls::Trust, limits: &Limits) -> Self {
        Self {
            egress,
            tls,
            pool: Arc::default(),
            slots: Arc::new(Semaphore::new(limits.requests_in_flight.clamp(1, Semaphore::MAX_PERMITS))),
            limits: limits.clone(),
            counters: Arc::default(),
        }
    }

    pub(crate) fn egress(&self) -> &Egress {
        &self.egress
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Requests under way.
    pub(crate) fn in_flight(&self) -> u32 {
        let most = self.limits.requests_in_flight.clamp(1, Semaphore::MAX_PERMITS);
        u32::try_from(most.saturating_sub(self.slots.available_permits())).unwrap_or(u32::MAX)
    }

    /// Closes the idle sockets that only this activity uses.
    pub(crate) fn close_activity(&self, activity: u64) {
        self.pool.close_activity(activity);
    }

    /// Sends a request with an absolute address, once, and returns the head of the answer. Dropping the future, or the answer's
    /// body before its end, closes the socket.
    ///
    /// # Errors
    /// [`Failure`], which says whether a byte of the request may have left.
    pub(crate) async fn send(
        &self,
        request: http::Request<RequestBody>,
        timeouts: Timeouts,
        keep: Keep,
    ) -> Result<http::Response<AnswerBody>, Failure> {
        let origin = Origin::of_uri(request.uri()).map_err(|_| Failure::AddressInvalid)?;
        let answer = self.exchange(request, &origin, timeouts, keep).await;
        if let Err(failure) = &answer {
            // The connector gets a code; the operator may want the reason.
            tracing::debug!(target: "connector_host::transport", %origin, %failure, "request failed");
        }
        answer
    }

    async fn exchange(
        &self,
        request: http::Request<RequestBody>,
        origin: &Origin,
        timeouts: Timeouts,
        keep: Keep,
    ) -> Result<http::Response<AnswerBody>, Failure> {
        let allow_private = self.egress.check(origin).map_err(|reason| Failure::Denied(reason.to_string()))?;
        let mut request = self.prepare(request)?;
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| Failure::Unavailable)?;
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
        loop {
            let pooled = self.pool.take(origin, keep.activity);
            let reused = pooled.is_some();
            let mut lane = match pooled {
                Some(lane) => lane,
                None => connect::connect(origin, allow_private, &self.tls, timeouts.connect).await?,
            };
            match timeout(timeouts.connect, lane.sender.ready()).await {
                Ok(Ok(())) => {}
                // Closed by the server while idle. Each turn uses up a pooled socket, so this ends.
                _ if reused => continue,
                _ => return Err(Failure::Unavailable),
            }
            let before = lane.written();
            return match timeout(timeouts.first_byte, lane.sender.try_send_request(request)).await {
                Ok(Ok(answer)) => self.answer(answer, origin.clone(), lane, slot, timeouts, keep),
                Ok(Err(mut error)) => {
                    let returned = error.take_message();
                    let unsent = lane.stop().await == before;
                    match returned {
                        Some(untouched) if unsent && reused => {
                            request = untouched;
                            continue;
                        }
                        _ => Err(Failure::of_request(error.error(), unsent, self.limits.request_body)),
                    }
                }
                Err(_elapsed) if lane.stop().await == before => Err(Failure::ConnectTimeout),
                Err(_elapsed) => Err(Failure::ReadTimeout),
            };
        }
    }

    /// Path instead of address, and a bound on the body.
    fn prepare(&self, request: http::Request<RequestBody>) -> Result<http::Request<RequestBody>, Failure> {
        let (mut parts, body) = request.into_parts();
        let length =
            parts.headers.get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > self.limits.request_body) {
            return Err(Failure::RequestTooLarge(self.limits.request_body));
        }
        if !parts.headers.contains_key(http::header::HOST)
            && let Some(authority) = parts.uri.authority()
        {
            let host = http::HeaderValue::from_str(authority.as_str()).map_err(|_| Failure::AddressInvalid)?;
            parts.headers.insert(http::header::HOST, host);
        }
        let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| http::uri::PathAndQuery::from_static("/"));
        parts.uri = http::Uri::from(path);
        let most = usize::try_from(self.limits.request_body).unwrap_or(usize::MAX);
        // Bodies without a length are bounded as they go.
        let body = if length.is_some() || http_body::Body::is_end_stream(&body) {
            body
        } else {
            Limited::new(body, most).boxed_unsync()
        };
        Ok(http::Request::from_parts(parts, body))
    }

    fn answer(
        &self,
        answer: http::Response<hyper::body::Incoming>,
        origin: Origin,
        lane: Lane,
        slot: OwnedSemaphorePermit,
        timeouts: Timeouts,
        keep: Keep,
    ) -> Result<http::Response<AnswerBody>, Failure> {
        let (parts, incoming) = answer.into_parts();
        let length = http_body::Body::size_hint(&incoming).exact();
        if length.is_some_and(|length| length > self.limits.response_body) {
            return Err(Failure::AnswerTooLarge(self.limits.response_body));
        }
        let idle =
            [Some(keep.idle.unwrap_or(IDLE_WITHIN_ACTIVITY)), server_keeps(&parts.headers)].into_iter().flatten().min();
        let back = body::GiveBack {
            pool: Arc::clone(&self.pool),
            origin,
            lane,
            activity: keep.idle.is_none().then_some(keep.activity),
            idle: idle.unwrap_or(IDLE_WITHIN_ACTIVITY),
            slot: Some(slot),
        };
        let limits = body::BodyLimits { bytes: self.limits.response_body, between: timeouts.between_bytes, length };
        Ok(http::Response::from_parts(parts, AnswerBody::start(incoming, back, limits, Arc::clone(&self.counters))))
    }
}

/// How long the server keeps the socket open (`Keep-Alive: timeout=5`), less what an answer needs to be late.
fn server_keeps(headers: &http::HeaderMap) -> Option<Duration> {
    let value = headers.get("keep-alive")?.to_str().ok()?;
    let seconds = value.split(',').find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("timeout").then(|| value.trim().parse::<u32>().ok())?
    })?;
    Some(Duration::from_secs(u64::from(seconds)).saturating_sub(Duration::from_millis(500)))
}

#[cfg(test)]
mod tests;
