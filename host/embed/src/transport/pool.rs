//! Idle sockets of one connection. A socket that is busy belongs to its request; dropping it closes it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::RequestBody;
use crate::egress::Origin;

/// A socket that speaks HTTP/1.1, and the task that drives it.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) sender: SendRequest<RequestBody>,
    task: JoinHandle<()>,
    written: Arc<AtomicU64>,
}

impl Lane {
    pub(super) fn new(sender: SendRequest<RequestBody>, task: JoinHandle<()>, written: Arc<AtomicU64>) -> Self {
        Self { sender, task, written }
    }

    /// Bytes that may have left over this socket, ever.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Closes the socket and answers, once nothing can be written any more, how much may have left.
    pub(super) async fn stop(mut self) -> u64 {
        self.task.abort();
        let _ = (&mut self.task).await;
        self.written()
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
struct Idle {
    lane: Lane,
    /// The only activity that may use it; none if all may.
    activity: Option<u64>,
    until: Instant,
}

#[derive(Debug, Default)]
struct Sockets {
    idle: HashMap<Origin, Vec<Idle>>,
    /// When the reaper looks next; none if it does not run.
    looks: Option<Instant>,
}

/// Idle sockets.
#[derive(Debug, Default)]
pub(super) struct Pool {
    sockets: Mutex<Sockets>,
    /// Wakes the reaper for a socket whose time is over before it would look.
    sooner: Arc<Notify>,
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Sockets> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The socket that was used last and is still open, if the activity may use one.
    pub(super) fn take(&self, origin: &Origin, activity: u64) -> Option<Lane> {
        let now = Instant::now();
        let mut sockets = self.lock();
        let idle = sockets.idle.get_mut(origin)?;
        idle.retain(|idle| idle.until > now && !idle.lane.sender.is_closed());
        let last = idle.iter().rposition(|idle| idle.activity.is_none_or(|owner| owner == activity))?;
        Some(idle.remove(last).lane)
    }

    /// Keeps a socket for `keep`.
    pub(super) fn put(self: &Arc<Self>, origin: Origin, lane: Lane, activity: Option<u64>, keep: Duration) {
        if keep.is_zero() || lane.sender.is_closed() {
            return;
        }
        let until = Instant::now() + keep;
        let mut sockets = self.lock();
        sockets.idle.entry(origin).or_default().push(Idle { lane, activity, until });
        match sockets.looks {
            Some(looks) if looks <= until => return,
            Some(_) => self.sooner.notify_one(),
            None => drop(tokio::spawn(reap(Arc::downgrade(self), Arc::clone(&self.sooner)))),
        }
        sockets.looks = Some(until);
    }

    /// Closes the sockets that only this activity may use.
    pub(super) fn close_activity(&self, activity: u64) {
        for idle in self.lock().idle.values_mut() {
            idle.retain(|idle| idle.activity != Some(activity));
        }
    }

    /// Closes what is over. Answers when the next one is, or that there is none.
    fn close_expired(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut sockets = self.lock();
        for idle in sockets.idle.values_mut() {
            idle.retain(|idle| idle.until > now && !idle.lane.sender.is_closed());
        }
        sockets.idle.retain(|_, idle| !idle.is_empty());
        sockets.looks = sockets.idle.values().flatten().map(|idle| idle.until).min();
        sockets.looks
    }
}

/// Closes idle sockets when their time is over, and ends when there are none.
async fn reap(pool: Weak<Pool>, sooner: Arc<Notify>) {
    loop {
        let Some(next) = pool.upgrade().and_then(|pool| pool.close_expired()) else {
            return;
        };
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = sooner.notified() => {}
        }
    }
}
