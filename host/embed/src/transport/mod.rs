//! The way of a request to the network: one client per connection of the embedder, HTTP/1.1 and 2, over sockets that it pools
//! itself, because only who owns the sockets can say whether the first byte of a request had left. Knows nothing of the runtime.
//!
//! Nothing is sent twice here. A request that comes back from a dead pooled socket goes to another one only if not a byte of it
//! was written. Redirects are answers like any other.

mod body;
mod bypass;
mod connect;
mod decode;
mod failure;
mod frames;
mod h1;
mod h2;
mod io;
mod pool;
mod proxy;
mod resolve;
pub(crate) mod tls;
mod tunnel;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep_until, timeout_at};

use crate::egress::{Egress, Origin};
use crate::limits::Limits;
use crate::variables::Variables;

pub(crate) use body::AnswerBody;
use body::GiveBack;
pub use bypass::Bypass;
use connect::{Protocol, Route, Unknown};
use decode::{Source, Wire};
pub(crate) use failure::Failure;
use io::Counted;
use pool::{Key, Lane, Owner, Pool};
pub use proxy::{Proxy, ProxyConfig, ProxyError};
pub(crate) use resolve::Resolver;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// Body of a request as the connector writes it.
pub(crate) type RequestBody = UnsyncBoxBody<Bytes, BoxError>;
type Request = http::Request<RequestBody>;

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
#[derive(Clone, Debug)]
pub(crate) struct Keep {
    /// The activity that sends.
    pub(crate) activity: u64,
    /// How long an idle socket stays open for all activities. None: it serves this activity only and is closed at its end.
    pub(crate) idle: Option<Duration>,
    /// Whether it goes by the operator's proxy.
    pub(crate) use_proxy: bool,
    /// Set when the activity ends: nothing of it begins any more, and its sockets are not kept.
    pub(crate) over: Arc<AtomicBool>,
}

impl Keep {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    fn owner(&self) -> Owner {
        self.idle.is_none().then_some(self.activity)
    }

    fn idle(&self) -> Duration {
        self.idle.unwrap_or(IDLE_WITHIN_ACTIVITY)
    }
}

/// A request without an answer.
struct Unanswered {
    failure: Failure,
    /// The request, if it is certain that no byte of it was written.
    returned: Option<Request>,
}

impl Unanswered {
    fn untouched(failure: Failure, request: Request) -> Self {
        Self { failure, returned: Some(request) }
    }
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        Self { failure, returned: None }
    }
}

/// What has been sent and read.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) bytes_read: AtomicU64,
}

/// What a client is made of.
pub(crate) struct Setup {
    pub(crate) egress: Egress,
    pub(crate) trust: tls::Trust,
    pub(crate) proxy: Option<ProxyConfig>,
    /// Where the proxy's credentials come from.
    pub(crate) variables: Arc<dyn Variables>,
    pub(crate) limits: Limits,
    pub(crate) resolver: Resolver,
}

/// The client of one connection. Cheap to clone; clones share everything.
#[derive(Clone)]
pub(crate) struct Transport {
    setup: Arc<Setup>,
    egress: Egress,
    pool: Arc<Pool>,
    /// Requests that may be under way, and sockets that may be open.
    slots: Arc<Semaphore>,
    sockets: Arc<Semaphore>,
    counters: Arc<Counters>,
    unknown: Arc<Unknown>,
}

impl Transport {
    pub(crate) fn new(setup: Setup) -> Self {
        let places = |most: usize| Arc::new(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS)));
        Self {
            pool: Arc::default(),
            slots: places(setup.limits.requests_in_flight),
            sockets: places(setup.limits.sockets),
            counters: Arc::default(),
            unknown: Arc::default(),
            egress: setup.egress.clone(),
            setup: Arc::new(setup),
        }
    }

    /// The same client for a version of the connector that asks for these origins.
    pub(crate) fn asked_by(&self, asked: &[Origin]) -> Self {
        Self { egress: self.egress.asked_by(asked), ..self.clone() }
    }

    pub(crate) fn egress(&self) -> &Egress {
        &self.egress
    }

    /// Open sockets, idle ones included, and those on which one is being opened.
    pub(crate) fn open_sockets(&self) -> u32 {
        taken(self.setup.limits.sockets, &self.sockets)
    }

    /// Whether the operator configured a proxy.
    pub(crate) fn has_proxy(&self) -> bool {
        self.setup.proxy.is_some()
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Requests under way.
    pub(crate) fn in_flight(&self) -> u32 {
        taken(self.setup.limits.requests_in_flight, &self.slots)
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
        // The connector gets a code; the operator may want the reason. A name that is not granted is the connector's to choose: it
        // may hold anything.
        if let Err(failure) = &answer
            && !matches!(failure, Failure::Denied(_))
        {
            tracing::debug!(target: "connector_host::transport", %origin, %failure, "request failed");
        }
        answer
    }

    async fn exchange(
        &self,
        request: Request,
        origin: &Origin,
        timeouts: Timeouts,
        keep: Keep,
    ) -> Result<http::Response<AnswerBody>, Failure> {
        let allow_private = self.egress.check(origin).map_err(|reason| Failure::Denied(reason.to_string()))?;
        let proxy = self.setup.proxy.as_ref().filter(|_| keep.use_proxy).and_then(|proxies| proxies.of(origin));
        let (mut request, decodes) = self.prepare(request)?;
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| Failure::Unavailable)?;
        if keep.is_over() {
            return Err(Failure::Unavailable);
        }
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
        let key = Key { origin: origin.clone(), proxied: proxy.is_some() };
        let route = Route {
            origin,
            allow_private,
            trust: &self.setup.trust,
            resolver: self.setup.resolver,
            proxy: proxy.map(|proxy| (proxy, &*self.setup.variables)),
            unknown: &self.unknown,
            deadline: connect::deadline(timeouts.connect),
        };
        loop {
            let (lane, reused) = match self.pool.take(&key, keep.activity, keep.idle()) {
                Some(lane) => (lane, true),
                None => self.open(&key, &route, &keep).await?,
            };
            if keep.is_over() {
                return Err(Failure::Unavailable);
            }
            let most = self.setup.limits.request_body;
            let answer = match lane {
                Lane::H1(lane) => lane.send(request, timeouts, most).await.map(|(a, lane)| (a, Lane::H1(lane))),
                Lane::H2(lane) => lane.send(request, timeouts, most).await.map(|(a, lane)| (a, Lane::H2(lane))),
            };
            match answer {
                Ok((answer, lane)) => return self.answer(answer, decodes, key, lane, slot, timeouts, keep),
                // Each turn uses up a pooled socket, so this ends.
                Err(Unanswered { returned: Some(untouched), .. }) if reused => request = untouched,
                Err(unanswered) => return Err(unanswered.failure),
            }
        }
    }

    /// A new socket, or one that somebody else opened while this one waited for its turn, and whether that is so.
    async fn open(&self, key: &Key, route: &Route<'_>, keep: &Keep) -> Result<(Lane, bool), Failure> {
        let late = |_| Failure::ConnectTimeout;
        // A server that speaks HTTP/2 is connected to once: whether it does is known afterwards.
        let turn = self.pool.turn(key, keep.owner());
        let turn = match turn {
            Some(turn) => Some(timeout_at(route.deadline, turn.lock_owned()).await.map_err(late)?),
            None => None,
        };
        let turn = turn.filter(|_| self.pool.turn(key, keep.owner()).is_some());
        if turn.is_some()
            && let Some(lane) = self.pool.take(key, keep.activity, keep.idle())
        {
            return Ok((lane, true));
        }
        let place = loop {
            if let Ok(place) = Arc::clone(&self.sockets).try_acquire_owned() {
                break place;
            }
            // As many as there may be are open: one that somebody has done with serves, or closes for this one.
            if let Some(lane) = self.pool.take(key, keep.activity, keep.idle()) {
                return Ok((lane, true));
            }
            self.pool.close_one();
            tokio::select! {
                place = Arc::clone(&self.sockets).acquire_owned() => break place.map_err(|_| Failure::Unavailable)?,
                () = self.pool.freed() => {}
                () = sleep_until(route.deadline) => {
                    return Err(Failure::SocketLimit(u32::try_from(self.setup.limits.sockets).unwrap_or(u32::MAX)));
                }
            }
        };
        let (stream, protocol) = route.connect().await?;
        let socket = Counted::new(stream, key.origin.is_https(), place);
        self.pool.learn(key, protocol);
        Ok(match protocol {
            Protocol::Http1 => (Lane::H1(h1::Lane::new(socket).await?), false),
            Protocol::Http2 => {
                let session = h2::Session::new(socket, &self.pool).await?;
                let lane = session.enter(keep.idle());
                self.pool.share(key.clone(), &session, keep);
                // The others wait until the server has said how many requests it takes; this one need not.
                let settled = timeout_at(route.deadline, session.settled());
                tokio::spawn(async move {
                    let _ = settled.await;
                    drop(turn);
                });
                (Lane::H2(lane), false)
            }
        })
    }

    /// A bound on the body, and whether the host takes compressed answers for the connector.
    fn prepare(&self, request: Request) -> Result<(Request, bool), Failure> {
        let (mut parts, body) = request.into_parts();
        let most = self.setup.limits.request_body;
        let length =
            parts.headers.get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > most) {
            return Err(Failure::RequestTooLarge(most));
        }
        let decodes = decode::ask(&parts.method, &mut parts.headers);
        // Bodies without a length are bounded as they go.
        let body = Limited::new(body, usize::try_from(most).unwrap_or(usize::MAX)).boxed_unsync();
        Ok((http::Request::from_parts(parts, body), decodes))
    }

    #[allow(clippy::too_many_arguments)]
    fn answer(
        &self,
        answer: http::Response<Incoming>,
        decodes: bool,
        key: Key,
        lane: Lane,
        slot: OwnedSemaphorePermit,
        timeouts: Timeouts,
        keep: Keep,
    ) -> Result<http::Response<AnswerBody>, Failure> {
        let (mut parts, incoming) = answer.into_parts();
        let idle = [Some(keep.idle()), server_keeps(&parts.headers)].into_iter().flatten().min();
        let back = GiveBack {
            pool: Arc::clone(&self.pool),
            key,
            lane,
            keep,
            idle: idle.unwrap_or(IDLE_WITHIN_ACTIVITY),
            slot: Some(slot),
        };
        if incoming.is_end_stream() {
            return Ok(http::Response::from_parts(parts, AnswerBody::empty(back)));
        }
        let coding = if decodes { decode::take_coding(&mut parts.headers)? } else { None };
        let most = self.setup.limits.response_body;
        let length = incoming.size_hint().exact().filter(|_| coding.is_none());
        if length.is_some_and(|length| length > most) {
            return Err(Failure::AnswerTooLarge(most));
        }
        let source = Source::new(Wire::new(incoming, parts.version, timeouts.between_bytes, most), coding);
        let body = AnswerBody::start(source, back, most, length, Arc::clone(&self.counters));
        Ok(http::Response::from_parts(parts, body))
    }
}

/// How many of so many places are taken.
fn taken(most: usize, places: &Semaphore) -> u32 {
    let most = most.clamp(1, Semaphore::MAX_PERMITS);
    u32::try_from(most.saturating_sub(places.available_permits())).unwrap_or(u32::MAX)
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
