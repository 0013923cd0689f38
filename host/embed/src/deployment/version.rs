//! One version within a deployment: what runs on it, and how its calls end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::SystemTime;

use tokio::sync::watch;

use super::canary::Tally;
use super::{Role, VersionState};
use crate::connector::Connector;
use crate::error::CallError;
use crate::instance::Program;

/// Whether a version takes activities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It does.
    Takes,
    /// It does not any more; those that it has go on.
    Drains,
    /// Those that it has shall end.
    Retired,
}

#[derive(Debug)]
struct Life {
    phase: Phase,
    since: SystemTime,
}

/// A version of a connector, with what is counted of it.
pub(crate) struct Version {
    connector: Connector,
    life: watch::Sender<Life>,
    activities: watch::Sender<u32>,
    in_flight: AtomicU32,
    calls: AtomicU64,
    errors: watch::Sender<u64>,
    faults: AtomicU64,
}

impl Version {
    pub(super) fn new(connector: &Connector) -> Arc<Self> {
        Arc::new(Self {
            connector: connector.clone(),
            life: watch::Sender::new(Life { phase: Phase::Takes, since: SystemTime::now() }),
            activities: watch::Sender::default(),
            in_flight: AtomicU32::default(),
            calls: AtomicU64::default(),
            errors: watch::Sender::default(),
            faults: AtomicU64::default(),
        })
    }

    pub(crate) fn connector(&self) -> &Connector {
        &self.connector
    }

    pub(crate) fn program(&self) -> &Arc<Program> {
        self.connector.program()
    }

    /// Whether new activities do not get this version any more.
    pub(crate) fn is_replaced(&self) -> bool {
        self.life.borrow().phase != Phase::Takes
    }

    /// Whether the time for what ran on it is over.
    pub(crate) fn is_retired(&self) -> bool {
        self.life.borrow().phase == Phase::Retired
    }

    /// Comes to its end when the version's activities shall.
    pub(crate) async fn retired(&self) {
        let retired = self.life.subscribe().wait_for(|life| life.phase == Phase::Retired).await.is_ok();
        debug_assert!(retired, "the version holds the sender");
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.life.send_replace(Life { phase, since: SystemTime::now() });
    }

    /// Ends what is left, unless the version has come back meanwhile. Answers whether it has to.
    pub(super) fn retire(&self) -> bool {
        self.life.send_if_modified(|life| {
            let drains = life.phase == Phase::Drains;
            if drains {
                *life = Life { phase: Phase::Retired, since: life.since };
            }
            drains
        })
    }

    /// A place for an activity.
    pub(super) fn lease(self: &Arc<Self>, on_trial: bool) -> Lease {
        self.activities.send_modify(|activities| *activities += 1);
        Lease { version: Arc::clone(self), on_trial }
    }

    pub(super) fn activities(&self) -> u32 {
        *self.activities.borrow()
    }

    /// Comes to its end when the version has no activity any more, or has come back.
    pub(super) async fn drained(&self) {
        let (mut activities, mut life) = (self.activities.subscribe(), self.life.subscribe());
        // Both senders live as long as the version.
        tokio::select! {
            _ = activities.wait_for(|activities| *activities == 0) => {}
            _ = life.wait_for(|life| life.phase == Phase::Takes) => {}
        }
    }

    /// A call begins.
    pub(crate) fn call_begins(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// It ended so. One without an error may have `failed` nevertheless: a write that came to nothing.
    pub(crate) fn call_ended(&self, error: Option<&CallError>, failed: bool) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.count(error, failed);
    }

    /// It was given up, which says nothing about the version.
    pub(crate) fn call_dropped(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// An instance for an activity could not be made: as bad as a call that failed, unless there was no room, which is not the version's.
    pub(crate) fn failed_to_start(&self, error: &CallError) {
        if !error.is_full() {
            self.count(Some(error), true);
        }
    }

    fn count(&self, error: Option<&CallError>, failed: bool) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if error.is_some_and(CallError::is_fault) {
            self.faults.fetch_add(1, Ordering::Relaxed);
        }
        // Last: whoever waits for it looks at the others.
        if failed {
            self.errors.send_modify(|errors| *errors += 1);
        }
    }

    /// Calls so far, how many of them failed, and how many of those it is to blame for.
    pub(super) fn tally(&self) -> Tally {
        let errors = *self.errors.borrow();
        Tally { calls: self.calls.load(Ordering::Relaxed), errors, faults: self.faults.load(Ordering::Relaxed) }
    }

    /// Changes with every call that failed.
    pub(super) fn errors(&self) -> watch::Receiver<u64> {
        self.errors.subscribe()
    }

    pub(super) fn state(&self, role: Role) -> VersionState {
        VersionState {
            version: self.connector.info().version.clone(),
            digest: self.connector.digest().to_owned(),
            role,
            since: self.life.borrow().since,
            activities: self.activities(),
            calls_in_flight: self.in_flight.load(Ordering::Relaxed),
            calls: self.calls.load(Ordering::Relaxed),
            errors: *self.errors.borrow(),
            faults: self.faults.load(Ordering::Relaxed),
        }
    }
}

/// An activity's place on a version. The version is not drained before it is dropped, so it outlives the activity's instance.
pub(crate) struct Lease {
    version: Arc<Version>,
    /// Whether the version is a canary.
    pub(crate) on_trial: bool,
}

impl Lease {
    pub(crate) fn version(&self) -> &Arc<Version> {
        &self.version
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.version.activities.send_modify(|activities| *activities = activities.saturating_sub(1));
    }
}
