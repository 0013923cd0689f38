//! The sockets of one connection that can take a request: idle ones of HTTP/1.1, and those of HTTP/2, idle or not. An HTTP/1.1
//! socket that is busy belongs to its request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio::time::Instant;

use super::connect::Protocol;
use super::{Keep, h1, h2};
use crate::egress::Origin;

/// What the sockets of a pool are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) origin: Origin,
    /// Whether it leads through the operator's proxy.
    pub(super) proxied: bool,
}

/// The only activity that may use a socket; none if all may.
pub(super) type Owner = Option<u64>;

/// One request's hold on a socket.
#[derive(Debug)]
pub(super) enum Lane {
    H1(h1::Lane),
    H2(h2::Lane),
}

#[derive(Debug)]
struct Idle {
    lane: h1::Lane,
    owner: Owner,
    until: Instant,
}

#[derive(Debug)]
struct Shared {
    session: Arc<h2::Session>,
    owner: Owner,
}

impl Shared {
    fn stays(&self, now: Instant) -> bool {
        self.session.is_open() && self.session.idle_until().is_none_or(|until| until > now)
    }
}

#[derive(Debug, Default)]
struct Sockets {
    idle: HashMap<Key, Vec<Idle>>,
    shared: HashMap<Key, Vec<Shared>>,
    /// What the servers speak, as far as it is known.
    protocols: HashMap<Key, Protocol>,
    turns: HashMap<(Key, Owner), Arc<AsyncMutex<()>>>,
    /// When the reaper looks next; none if it does not run.
    looks: Option<Instant>,
}

impl Sockets {
    /// Closes what is over, or broken.
    fn sweep(&mut self, now: Instant) {
        for idle in self.idle.values_mut() {
            idle.retain(|idle| idle.until > now && !idle.lane.is_closed());
        }
        self.idle.retain(|_, idle| !idle.is_empty());
        for shared in self.shared.values_mut() {
            shared.retain(|shared| shared.stays(now));
        }
        self.shared.retain(|_, shared| !shared.is_empty());
    }

    fn next_end(&self) -> Option<Instant> {
        let idle = self.idle.values().flatten().map(|idle| idle.until);
        let shared = self.shared.values().flatten().filter_map(|shared| shared.session.idle_until());
        idle.chain(shared).min()
    }
}

/// Sockets that can take a request.
#[derive(Debug, Default)]
pub(super) struct Pool {
    sockets: Mutex<Sockets>,
    /// Wakes the reaper for a socket whose time is over before it would look.
    sooner: Arc<Notify>,
    /// Wakes one who waits for a socket.
    freed: Notify,
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Sockets> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A socket that is open, if the activity may use one: of HTTP/2 a shared one that takes another request, of HTTP/1.1 the one that was used last. `idle`
    /// is how long a shared one stays open after this request.
    pub(super) fn take(&self, key: &Key, activity: u64, idle: Duration) -> Option<Lane> {
        let may = |owner: Owner| owner.is_none_or(|owner| owner == activity);
        let mut sockets = self.lock();
        sockets.sweep(Instant::now());
        let free = |shared: &&Shared| may(shared.owner) && !shared.session.is_full();
        if let Some(shared) = sockets.shared.get(key).and_then(|all| all.iter().find(free)) {
            return Some(Lane::H2(shared.session.enter(idle)));
        }
        let idle = sockets.idle.get_mut(key)?;
        let last = idle.iter().rposition(|idle| may(idle.owner))?;
        Some(Lane::H1(idle.remove(last).lane))
    }

    /// Keeps an HTTP/1.1 socket for `idle`; not one of an activity that has ended.
    pub(super) fn put(self: &Arc<Self>, key: Key, lane: h1::Lane, keep: &Keep, idle: Duration) {
        if idle.is_zero() || lane.is_closed() {
            return;
        }
        let (owner, until) = (keep.owner(), Instant::now() + idle);
        let mut sockets = self.lock();
        if owner.is_some() && keep.is_over() {
            return;
        }
        sockets.idle.entry(key).or_default().push(Idle { lane, owner, until });
        drop(sockets);
        self.look_at(until);
        self.freed.notify_one();
    }

    /// Ready when a socket can take a request that could not before.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }

    /// Shares a socket of HTTP/2; not one of an activity that has ended.
    pub(super) fn share(&self, key: Key, session: &Arc<h2::Session>, keep: &Keep) {
        let shared = Shared { session: Arc::clone(session), owner: keep.owner() };
        let mut sockets = self.lock();
        if shared.owner.is_none() || !keep.is_over() {
            sockets.shared.entry(key).or_default().push(shared);
        }
    }

    /// Notes what a server speaks.
    pub(super) fn learn(&self, key: &Key, protocol: Protocol) {
        self.lock().protocols.insert(key.clone(), protocol);
    }

    /// Where those wait who would open one socket each and may end up with one for all of them; none if that cannot be.
    pub(super) fn turn(&self, key: &Key, owner: Owner) -> Option<Arc<AsyncMutex<()>>> {
        let mut sockets = self.lock();
        let alone = !key.origin.is_https() || sockets.protocols.get(key) == Some(&Protocol::Http1);
        (!alone).then(|| Arc::clone(sockets.turns.entry((key.clone(), owner)).or_default()))
    }

    /// A request has left a shared socket, which is idle until this time if there is one.
    pub(super) fn left(self: &Arc<Self>, idle_until: Option<Instant>) {
        if let Some(until) = idle_until {
            self.look_at(until);
        }
        self.freed.notify_one();
    }

    /// Has the reaper look at this time, or sooner.
    fn look_at(self: &Arc<Self>, until: Instant) {
        let mut sockets = self.lock();
        match sockets.looks {
            Some(looks) if looks <= until => return,
            Some(_) => self.sooner.notify_one(),
            None => drop(tokio::spawn(reap(Arc::downgrade(self), Arc::clone(&self.sooner)))),
        }
        sockets.looks = Some(until);
    }

    /// Closes the sockets that only this activity may use.
    pub(super) fn close_activity(&self, activity: u64) {
        let mut sockets = self.lock();
        sockets.turns.retain(|(_, owner), _| *owner != Some(activity));
        for idle in sockets.idle.values_mut() {
            idle.retain(|idle| idle.owner != Some(activity));
        }
        for shared in sockets.shared.values_mut() {
            shared.retain(|shared| shared.owner != Some(activity));
        }
    }

    /// Closes the idle socket whose time is over first, to make room for another. False if there is none.
    pub(super) fn close_one(&self) -> bool {
        let mut sockets = self.lock();
        let Some(first) = sockets.next_end() else {
            return false;
        };
        sockets.sweep(first);
        true
    }

    /// Closes what is over. Answers when the next one is, or that there is none.
    fn close_expired(&self) -> Option<Instant> {
        let mut sockets = self.lock();
        sockets.sweep(Instant::now());
        sockets.looks = sockets.next_end();
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
