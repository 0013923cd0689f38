//! What a host tells about its work: to an [`Observer`] what has ended, to whoever asks what there is right now, and to `tracing` a
//! span per activity, call and request (target `connector_host`). Holds no secret and no record.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::connector::Connector;
use crate::contract::Outcome;
use crate::deployment::Version;
use crate::egress::Origin;
use crate::error::{CallError, SwapError};
use crate::state::Context;

/// Is told what happens in a host ([`crate::HostConfig::observer`]). It is told in the middle of the work, so it should be quick: count,
/// or pass on.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A call has come to its end. An activity that could not be begun is told as a call of `configure`.
    fn call_ended(&self, call: &CallEnded<'_>) {
        let _ = call;
    }

    /// A request has come to its end: its answer was read, given up, or never came.
    fn request_ended(&self, request: &RequestEnded<'_>) {
        let _ = request;
    }

    /// A swap has switched, or has failed and left the old version serving.
    fn swap_ended(&self, swap: &SwapEnded<'_>) {
        let _ = swap;
    }
}

/// A call that ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallEnded<'a> {
    /// Name of the connection.
    pub connection: &'a str,
    /// The version that served it.
    pub connector: &'a Connector,
    /// The function (`query`).
    pub call: &'static str,
    /// The object, if it is about one.
    pub object: Option<&'a str>,
    /// How long it took.
    pub took: Duration,
    /// What was read or written.
    pub tally: Tally,
    /// Why it failed, in one word ([`CallError::name`]), or `dropped` if nobody waited for its end.
    pub error: Option<&'static str>,
}

/// Records of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records that a query answered, or that a write was given.
    pub records: u64,
    /// Records of a write that were applied.
    pub applied: u64,
    /// Those that were refused.
    pub failed: u64,
    /// Those of which nobody knows; all, if the host had to end the call.
    pub unknown: u64,
    /// Those that were not sent.
    pub skipped: u64,
}

impl Tally {
    pub(crate) fn of_outcomes(outcomes: &[Outcome]) -> Self {
        let mut tally = Self { records: outcomes.len() as u64, ..Self::default() };
        for outcome in outcomes {
            let count = match outcome {
                Outcome::Applied(_) => &mut tally.applied,
                Outcome::Failed(_) => &mut tally.failed,
                Outcome::Unknown(_) => &mut tally.unknown,
                Outcome::Skipped => &mut tally.skipped,
            };
            *count += 1;
        }
        tally
    }
}

/// A request that ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestEnded<'a> {
    /// Name of the connection.
    pub connection: &'a str,
    /// The object that the call was about.
    pub object: Option<&'a str>,
    /// The remote's allowance that the connector reserved last ([`crate::QuotaStatus::bucket`]): it names the store.
    pub store: Option<&'a str>,
    /// The method (`GET`), or `_OTHER` if it is none that is known.
    pub method: &'a str,
    /// Where it went; none if the connector may not go there.
    pub origin: Option<&'a Origin>,
    /// The answer's status, if one came.
    pub status: Option<u16>,
    /// Why there is no whole answer.
    pub failure: Option<&'a str>,
    /// Until the head of the answer, or the failure.
    pub took: Duration,
    /// Bytes of the answer's body that the connector took.
    pub bytes: u64,
}

/// A swap that ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SwapEnded<'a> {
    /// The version that served.
    pub from: &'a Connector,
    /// The version that was to replace it.
    pub to: &'a Connector,
    /// From the beginning to the switch, or the failure.
    pub took: Duration,
    /// Why the old version goes on.
    pub error: Option<&'a SwapError>,
}

/// What a host uses right now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostStatus {
    /// Instances of connectors: activities, and those that are made for moments to open a connection or load a connector.
    pub instances: usize,
    /// Linear memory of all instances, in bytes.
    pub memory: usize,
    /// Open connections.
    pub connections: usize,
}

/// The observer of a host, and its gauges.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) memory: Gauge,
    pub(crate) connections: Gauge,
}

impl Watch {
    pub(crate) fn swap_ended(&self, swap: &SwapEnded<'_>) {
        let (from, to) = (&swap.from.info().version, &swap.to.info().version);
        let connector = &swap.to.info().name;
        match swap.error {
            None => tracing::info!(target: "connector_host", connector, from, to, "another version serves"),
            Some(error) => {
                tracing::warn!(target: "connector_host", connector, from, to, %error, "the version that serves goes on");
            }
        }
        if let Some(observer) = &self.observer {
            observer.swap_ended(swap);
        }
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicUsize);

impl Gauge {
    pub(crate) fn add(&self, more: usize) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn subtract(&self, less: usize) {
        self.0.fetch_sub(less, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Context {
    /// Tells of an activity that could not be begun, as a call of `configure` that failed, and counts it on its version.
    pub(crate) fn failed_to_start(&self, version: &Version, begun: Instant, error: &CallError) {
        version.failed_to_start(error);
        if let Some(observer) = &self.watch.observer {
            observer.call_ended(&CallEnded {
                connection: &self.connection,
                connector: version.connector(),
                call: "configure",
                object: None,
                took: begun.elapsed(),
                tally: Tally::default(),
                error: Some(error.name()),
            });
        }
    }
}

/// A call under way. Counts on its version, and tells the observer of its end, however it comes.
pub(crate) struct Underway {
    context: Arc<Context>,
    version: Arc<Version>,
    call: &'static str,
    object: Option<Arc<str>>,
    begun: Instant,
    told: bool,
}

impl Underway {
    pub(crate) fn begin(
        context: &Arc<Context>,
        version: &Arc<Version>,
        call: &'static str,
        object: Option<Arc<str>>,
    ) -> Self {
        version.call_begins();
        let (context, version) = (Arc::clone(context), Arc::clone(version));
        Self { context, version, call, object, begun: Instant::now(), told: false }
    }

    /// The end.
    pub(crate) fn end(mut self, tally: Tally, error: Option<&CallError>) {
        // What `resolve` finds out about a write is no failure of its own.
        let came_to_nothing = self.call != "resolve" && tally.applied == 0 && tally.failed + tally.unknown > 0;
        self.version.call_ended(error, error.is_some() || came_to_nothing);
        self.tell(tally, error.map(CallError::name));
    }

    fn tell(&mut self, tally: Tally, error: Option<&'static str>) {
        self.told = true;
        let span = tracing::Span::current();
        span.record("connector.records", tally.records);
        span.record("error.type", error);
        if let Some(observer) = &self.context.watch.observer {
            observer.call_ended(&CallEnded {
                connection: &self.context.connection,
                connector: self.version.connector(),
                call: self.call,
                object: self.object.as_deref(),
                took: self.begun.elapsed(),
                tally,
                error,
            });
        }
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        if !self.told {
            // Its activity was dropped in the middle.
            self.version.call_dropped();
            self.tell(Tally::default(), Some("dropped"));
        }
    }
}
