//! Leave to send. Remotes allow so many requests per window and tell with each answer how many are left; everybody who draws on
//! one such allowance, over all activities and connections of the host, shares one bucket here and waits in one line.
//!
//! A request may go while more is left than is under way, and than belongs to others who draw on the same allowance (see [`share`]).
//! When nothing is left, everybody waits for the window's end; then one request goes ahead to learn what the new window holds. Where
//! nothing is known yet a few may go, and more with each answer that says nothing. Nothing runs in the background: whoever waits
//! moves the line on.

mod share;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::egress::Grant;
use crate::status::QuotaStatus;
use share::{Share, Told};

/// Requests that may be under way at first, before any answer has told the allowance.
const UNKNOWN_IN_FLIGHT: u32 = 4;
/// How long a window is taken to last if the remote does not say.
const DEFAULT_WINDOW: Duration = Duration::from_secs(1);
/// Longest wait that a report can impose on everybody who shares the bucket; what is longer is cut to it and asked again.
const LONGEST_WINDOW: Duration = Duration::from_secs(600);
/// Remotes tell the time until a window's end in milliseconds, and cut off the rest.
const CUT_OFF: Duration = Duration::from_millis(1);
/// Answers of one window arrive at different times and so name its end a little differently; a later end than this is a new window.
const SAME_WINDOW: Duration = Duration::from_secs(1);
/// Buckets above which those that nobody uses are forgotten.
const MANY_BUCKETS: usize = 1000;

/// All buckets of a host, by who may share them and the connector's name for the bucket.
///
/// Connections share a bucket if their connectors say the same name **and** the operator granted them the same origins. The name
/// alone would not do, since any component can claim it; with it, a connector can hold up only connections to places that it was
/// trusted to reach itself, and for [`LONGEST_WINDOW`] at a time. Connectors of one name and the same grants trust each other here.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    buckets: Mutex<HashMap<(String, String), Arc<Bucket>>>,
}

impl Registry {
    /// The bucket of this name, new if nobody drew on it yet. `sharers` is from [`sharers`].
    pub(crate) fn bucket(&self, sharers: &str, name: &str) -> Arc<Bucket> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MANY_BUCKETS {
            let now = Instant::now();
            buckets.retain(|_, bucket| Arc::strong_count(bucket) > 1 || bucket.lock().held_until(now).is_some());
        }
        Arc::clone(buckets.entry((sharers.to_owned(), name.to_owned())).or_default())
    }
}

/// By what connections know that they may share buckets: the connector's name, and the granted origins.
pub(crate) fn sharers(connector: &str, grants: &[Grant]) -> String {
    let origins: BTreeSet<String> = grants.iter().map(|grant| grant.origin.to_string()).collect();
    // Neither holds a line break; should a connector's name hold one, it must not pass for origins.
    let name = connector.replace('\n', " ");
    std::iter::once(name).chain(origins).collect::<Vec<_>>().join("\n")
}

/// What an answer said.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Report {
    pub(crate) limit: Option<u32>,
    pub(crate) left: Option<u32>,
    pub(crate) reset: Option<Duration>,
}

/// One allowance of a remote.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    limit: Option<u32>,
    known: Known,
    /// Requests that have leave and are not answered yet.
    out: u32,
    /// Those of them whose instance does not run: they use up the allowance, and keep nobody else waiting.
    idle: u32,
    /// Reports that came for requests which are still `out`.
    reported: u32,
    waiting: VecDeque<Arc<Ticket>>,
    share: Share,
}

#[derive(Debug)]
enum Known {
    /// Nothing. `answered` requests came back without a word about the allowance.
    Nothing { answered: u32 },
    /// `left` at the last report, `ends` when the window does; `silent` requests came back since without a word.
    Window { left: u32, silent: u32, ends: Instant },
    /// The last window was used up and has `ended`; one request, if `sent`, is finding out about the new one.
    Probing { sent: bool, ended: Instant },
}

impl Default for Known {
    fn default() -> Self {
        Self::Nothing { answered: 0 }
    }
}

#[derive(Debug)]
struct Ticket {
    concurrency: Option<u32>,
    granted: AtomicBool,
    probe: AtomicBool,
    /// Its instance is not running; see [`Held::park`].
    parked: AtomicBool,
    wake: Notify,
}

impl Line {
    fn held_until(&self, now: Instant) -> Option<Instant> {
        match self.known {
            Known::Window { left, silent, ends } if ends > now && left <= silent => Some(ends),
            _ => None,
        }
    }

    /// When to ask for the next window.
    fn over(&self, left: u32, silent: u32, ends: Instant, now: Instant) -> Instant {
        ends + self.share.behind(left.saturating_sub(silent), now)
    }

    /// Whether one more may go in a window; otherwise when to look again.
    fn room(&self, left: u32, silent: u32, ends: Instant, now: Instant) -> Result<(), Instant> {
        let free = f64::from(left) - f64::from(self.out) - f64::from(silent);
        if free >= 1.0 + self.share.kept(ends.saturating_duration_since(now), now) {
            return Ok(());
        }
        let due = self.share.due(free, now).and_then(|before| ends.checked_sub(before));
        Err(due.map_or_else(|| self.over(left, silent, ends, now), |due| due.max(now + CUT_OFF).min(ends)))
    }

    /// Lets those at the head of the line go who may. Answers when it is worth trying again, if time alone can change it.
    fn advance(&mut self, now: Instant) -> Option<Instant> {
        if let Known::Window { left, silent, ends } = self.known
            && now >= self.over(left, silent, ends, now)
        {
            let used_up = self.room(left, silent, ends, now).is_err();
            self.known = if used_up { Known::Probing { sent: false, ended: ends } } else { Known::default() };
        }
        while let Some(index) = self.waiting.iter().position(|ticket| !ticket.parked.load(Ordering::Relaxed)) {
            let head = self.waiting.get(index)?;
            let running = self.out.saturating_sub(self.idle);
            if head.concurrency.is_some_and(|most| running >= most.max(1)) {
                return None;
            }
            if let Some(next) = self.share.next(now) {
                return Some(next);
            }
            if let Known::Window { left, silent, ends } = self.known
                && let Err(again) = self.room(left, silent, ends, now)
            {
                return Some(again);
            }
            match &mut self.known {
                Known::Nothing { answered } if running >= UNKNOWN_IN_FLIGHT.saturating_add(*answered) => return None,
                Known::Nothing { .. } | Known::Window { .. } => {}
                Known::Probing { sent: true, .. } => return None,
                Known::Probing { sent, .. } => {
                    *sent = true;
                    head.probe.store(true, Ordering::Relaxed);
                }
            }
            let head = self.waiting.remove(index)?;
            self.share.granted(now);
            self.out = self.out.saturating_add(1);
            head.granted.store(true, Ordering::Release);
            head.wake.notify_one();
        }
        None
    }

    /// [`Line::advance`], after a change that may have set a time: whoever waits without one must learn of it, and not only the
    /// head of the line, whose owner may be busy with something else.
    fn advance_for_all(&mut self, now: Instant) {
        if self.advance(now).is_some() {
            self.tell_all();
        }
    }

    fn tell_all(&self) {
        self.waiting.iter().for_each(|ticket| ticket.wake.notify_one());
    }

    fn report(&mut self, report: Report, now: Instant) {
        self.reported = self.reported.saturating_add(1).min(self.out);
        if report.limit.is_some() {
            self.limit = report.limit;
        }
        let Some(left) = report.left else { return };
        let reset = report.reset.unwrap_or(DEFAULT_WINDOW).min(LONGEST_WINDOW);
        let ends = now + reset + CUT_OFF;
        if let (Some(limit), Some(_)) = (report.limit, report.reset) {
            let behind = match self.known {
                Known::Probing { ended, .. } => Some(ended),
                _ => None,
            };
            self.share.told(Told { limit, left, reset }, self.out, behind, now);
        }
        self.known = match self.known {
            // A refusal holds until the end that it named: what was under way meanwhile may tell of a later window, and is no leave.
            Known::Window { left: 0, silent, ends: known } if now < known && ends > known + SAME_WINDOW => {
                Known::Window { left: 0, silent, ends: if left == 0 { ends } else { known } }
            }
            // Answers overtake each other: within one window the lowest number is the latest.
            Known::Window { left: before, ends: known, .. } if now < known && ends <= known + SAME_WINDOW => {
                // Of ends that are the same the later one is safe; one that is nearer is when the remote wants to be asked again.
                let same = known <= ends + SAME_WINDOW;
                let ends = if left == 0 && same { known.max(ends) } else { known.min(ends) };
                Known::Window { left: left.min(before), silent: 0, ends }
            }
            _ => Known::Window { left, silent: 0, ends },
        };
    }

    fn returned(&mut self, was_probe: bool, now: Instant) {
        self.out = self.out.saturating_sub(1);
        self.share.returned(now);
        if self.reported > 0 {
            self.reported -= 1;
            return;
        }
        match &mut self.known {
            Known::Nothing { answered } => *answered = answered.saturating_add(1),
            Known::Window { silent, .. } => *silent = silent.saturating_add(1),
            Known::Probing { .. } if was_probe => self.known = Known::default(),
            Known::Probing { .. } => {}
        }
    }
}

impl Bucket {
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the line. `concurrency` bounds the requests under way.
    pub(crate) fn reserve(self: &Arc<Self>, concurrency: Option<u32>) -> Permit {
        let ticket = Arc::new(Ticket {
            concurrency,
            granted: AtomicBool::new(false),
            probe: AtomicBool::new(false),
            parked: AtomicBool::new(false),
            wake: Notify::new(),
        });
        let mut line = self.lock();
        line.waiting.push_back(Arc::clone(&ticket));
        line.advance(Instant::now());
        drop(line);
        Permit { bucket: Arc::clone(self), ticket }
    }

    /// Takes note of what an answer said.
    pub(crate) fn report(&self, report: Report) {
        let now = Instant::now();
        let mut line = self.lock();
        line.report(report, now);
        line.advance_for_all(now);
    }

    /// For people.
    pub(crate) fn status(&self, name: &str) -> QuotaStatus {
        let now = Instant::now();
        let line = self.lock();
        let left = match line.known {
            Known::Window { left, silent, ends } if ends > now => Some(left.saturating_sub(silent)),
            _ => None,
        };
        QuotaStatus {
            bucket: name.to_owned(),
            limit: line.limit,
            left,
            in_flight: line.out,
            waiting: u32::try_from(line.waiting.len()).unwrap_or(u32::MAX),
            held_for: line.held_until(now).map(|until| until - now),
        }
    }
}

/// Leave to send one request, given or still awaited. Dropping it frees its place.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "the generated bindings name it as a public type")]
pub struct Permit {
    bucket: Arc<Bucket>,
    ticket: Arc<Ticket>,
}

/// What somebody who waits sees.
enum Look {
    Granted,
    /// Not yet; at this time it is worth looking again.
    Again(Option<Instant>),
}

/// A permit, seen from the instance that holds it.
#[derive(Debug)]
pub(crate) struct Held {
    bucket: Arc<Bucket>,
    ticket: Weak<Ticket>,
}

impl Held {
    /// The instance that holds the permit stops running: between two calls it can neither send nor take note of answers, so its
    /// permits must not keep anybody else waiting. False if the permit is gone.
    pub(crate) fn park(&self) -> bool {
        let Some(ticket) = self.ticket.upgrade() else { return false };
        let mut line = self.bucket.lock();
        if !ticket.parked.swap(true, Ordering::Relaxed) && ticket.granted.load(Ordering::Acquire) {
            line.idle = line.idle.saturating_add(1);
            if ticket.probe.swap(false, Ordering::Relaxed)
                && let Known::Probing { sent, .. } = &mut line.known
            {
                *sent = false;
            }
        }
        line.advance_for_all(Instant::now());
        true
    }

    /// Whether the permit is still there.
    pub(crate) fn is_alive(&self) -> bool {
        self.ticket.strong_count() > 0
    }

    /// The instance runs again.
    pub(crate) fn unpark(&self) {
        let Some(ticket) = self.ticket.upgrade() else { return };
        let mut line = self.bucket.lock();
        if ticket.parked.swap(false, Ordering::Relaxed) && ticket.granted.load(Ordering::Acquire) {
            line.idle = line.idle.saturating_sub(1);
        }
        line.advance_for_all(Instant::now());
    }
}

impl Permit {
    /// The same permit, for the instance's own list.
    pub(crate) fn held(&self) -> Held {
        Held { bucket: Arc::clone(&self.bucket), ticket: Arc::downgrade(&self.ticket) }
    }

    /// Returns once the request may be sent.
    pub(crate) async fn granted(&self) {
        loop {
            match self.look() {
                Look::Granted => return,
                Look::Again(Some(at)) => tokio::select! {
                    () = self.ticket.wake.notified() => {}
                    () = tokio::time::sleep_until(at) => {}
                },
                Look::Again(None) => self.ticket.wake.notified().await,
            }
        }
    }

    /// Moves the line on. Who leaves it tells the others when there is something to do.
    fn look(&self) -> Look {
        let mut line = self.bucket.lock();
        let again = line.advance(Instant::now());
        if !self.ticket.granted.load(Ordering::Acquire) {
            return Look::Again(again);
        }
        if again.is_some() {
            line.tell_all();
        }
        Look::Granted
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut line = self.bucket.lock();
        if self.ticket.granted.load(Ordering::Acquire) {
            if self.ticket.parked.load(Ordering::Relaxed) {
                line.idle = line.idle.saturating_sub(1);
            }
            line.returned(self.ticket.probe.load(Ordering::Relaxed), now);
        } else {
            line.waiting.retain(|ticket| !Arc::ptr_eq(ticket, &self.ticket));
        }
        line.advance_for_all(now);
    }
}

#[cfg(test)]
mod fairness;
#[cfg(test)]
mod tests;
