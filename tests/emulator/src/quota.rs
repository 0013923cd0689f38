//! The quota of requests and the limits of requests at a time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Quota;

/// What the counter says about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// Whether the request may pass.
    pub(crate) granted: bool,
    /// Requests per window.
    pub(crate) quota: u32,
    /// Requests left after this one.
    pub(crate) left: u32,
    /// Length of a window.
    pub(crate) window: Duration,
    /// Until the window starts anew, or (sliding) until the next request may pass.
    pub(crate) reset: Duration,
}

impl Allowance {
    /// The `X-Rate-Limit-*` headers.
    pub(crate) fn headers(&self) -> [(&'static str, String); 4] {
        [
            ("x-rate-limit-time-window-ms", self.window.as_millis().to_string()),
            ("x-rate-limit-time-reset-ms", self.reset.as_millis().to_string()),
            ("x-rate-limit-requests-quota", self.quota.to_string()),
            ("x-rate-limit-requests-left", self.left.to_string()),
        ]
    }
}

/// How the quota was used, one entry per window of the emulator's life (for sliding windows: per window length).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowUse {
    /// Requests that passed.
    pub granted: u32,
    /// Requests that were refused.
    pub refused: u32,
    /// Requests that another consumer took.
    pub others: u32,
    /// Requests of the other consumer that were refused.
    pub others_refused: u32,
}

/// Counts requests against a quota.
#[derive(Debug)]
pub(crate) struct Counter {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    quota: Quota,
    start: Instant,
    /// Times of granted requests in the sliding window.
    recent: VecDeque<Instant>,
    /// Number of the fixed window, and requests granted in it.
    fixed: (usize, u32),
    /// Requests that the other consumer has sent.
    others_sent: u32,
    uses: Vec<WindowUse>,
}

impl Inner {
    fn new(quota: Quota) -> Self {
        Self {
            quota: Quota { window: quota.window.max(Duration::from_millis(1)), ..quota },
            start: Instant::now(),
            recent: VecDeque::new(),
            fixed: (0, 0),
            others_sent: 0,
            uses: Vec::new(),
        }
    }

    fn number(&self, at: Instant) -> usize {
        (at.saturating_duration_since(self.start).as_nanos() / self.quota.window.as_nanos()) as usize
    }

    fn used(&self) -> u32 {
        if self.quota.sliding { self.recent.len() as u32 } else { self.fixed.1 }
    }

    /// Grants a request, if one is left. Times must not go backwards.
    fn grant(&mut self, at: Instant) -> bool {
        while self.recent.front().is_some_and(|t| at.saturating_duration_since(*t) >= self.quota.window) {
            self.recent.pop_front();
        }
        let number = self.number(at);
        if self.fixed.0 != number {
            self.fixed = (number, 0);
        }
        let granted = self.used() < self.quota.requests;
        if granted && self.quota.sliding {
            self.recent.push_back(at);
        }
        self.fixed.1 += u32::from(granted);
        granted
    }

    /// The window at this time; nothing so far behind that it would cost memory.
    fn entry(&mut self, at: Instant) -> Option<&mut WindowUse> {
        let number = self.number(at);
        if self.uses.len() <= number && number < 1_000_000 {
            self.uses.resize(number + 1, WindowUse::default());
        }
        self.uses.get_mut(number)
    }

    /// What the other consumer has sent until now: evenly, whether it is granted or not.
    fn others(&mut self, now: Instant) {
        let share = self.quota.others_share.clamp(0.0, 1.0) * f64::from(self.quota.requests);
        if share <= 0.0 {
            return;
        }
        let step = self.quota.window.div_f64(share);
        loop {
            let at = self.start + step.mul_f64(f64::from(self.others_sent) + 0.5);
            if at > now {
                return;
            }
            self.others_sent += 1;
            let granted = self.grant(at);
            if let Some(entry) = self.entry(at) {
                *(if granted { &mut entry.others } else { &mut entry.others_refused }) += 1;
            }
        }
    }
}

impl Counter {
    pub(crate) fn new(quota: Quota) -> Self {
        Self { inner: Mutex::new(Inner::new(quota)) }
    }

    /// Starts anew with another quota.
    pub(crate) fn set(&self, quota: Quota) {
        *self.inner.lock().unwrap_or_else(PoisonError::into_inner) = Inner::new(quota);
    }

    /// How the windows since the start were used.
    pub(crate) fn uses(&self) -> Vec<WindowUse> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).uses.clone()
    }

    /// Counts a request.
    pub(crate) fn take(&self, now: Instant) -> Allowance {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.others(now);
        let granted = inner.grant(now);
        if let Some(entry) = inner.entry(now) {
            *(if granted { &mut entry.granted } else { &mut entry.refused }) += 1;
        }
        let Quota { requests, window, sliding, .. } = inner.quota;
        let since = if sliding {
            inner.recent.front().map_or(Duration::ZERO, |oldest| now.saturating_duration_since(*oldest))
        } else {
            let past = window.saturating_mul(inner.fixed.0 as u32);
            now.saturating_duration_since(inner.start).saturating_sub(past)
        };
        let left = requests.saturating_sub(inner.used());
        Allowance { granted, quota: requests, left, window, reset: window.saturating_sub(since) }
    }
}

/// Counts requests under way per operation.
#[derive(Clone, Debug, Default)]
pub(crate) struct InFlight(Arc<Mutex<HashMap<(usize, usize), usize>>>);

impl InFlight {
    /// Enters an operation that `limit` requests may be in; `None` if there are as many already.
    pub(crate) fn enter(&self, operation: (usize, usize), limit: usize) -> Option<Pass> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(operation).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Pass { counts: self.clone(), operation })
    }
}

/// A request under way; leaves when dropped.
#[derive(Debug)]
pub(crate) struct Pass {
    counts: InFlight,
    operation: (usize, usize),
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut counts = self.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.operation) {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(requests: u32, sliding: bool, others_share: f64) -> Quota {
        Quota { requests, window: Duration::from_secs(10), sliding, others_share }
    }

    fn granted(counter: &Counter, from: Instant, at_ms: u64, tries: usize) -> usize {
        (0..tries).filter(|_| counter.take(from + Duration::from_millis(at_ms)).granted).count()
    }

    #[test]
    fn a_fixed_window_starts_anew() {
        let counter = Counter::new(quota(5, false, 0.0));
        let start = Instant::now();
        assert_eq!(granted(&counter, start, 9_000, 8), 5);
        assert_eq!(granted(&counter, start, 10_500, 8), 5);
        let uses = counter.uses();
        assert_eq!(uses.first().map(|u| (u.granted, u.refused)), Some((5, 3)));
    }

    #[test]
    fn a_sliding_window_frees_what_is_old() {
        let counter = Counter::new(quota(5, true, 0.0));
        let start = Instant::now();
        assert_eq!(granted(&counter, start, 9_000, 8), 5);
        assert_eq!(granted(&counter, start, 10_500, 8), 0);
        assert_eq!(granted(&counter, start, 19_100, 8), 5);
    }

    #[test]
    fn another_consumer_takes_its_share() {
        let counter = Counter::new(quota(100, false, 0.3));
        let start = Instant::now();
        assert_eq!(granted(&counter, start, 9_990, 200), 70);
        let counter = Counter::new(quota(100, true, 0.3));
        assert_eq!(granted(&counter, start, 9_990, 200), 70);
    }

    #[test]
    fn another_consumer_finds_nothing_where_all_was_taken_before() {
        for sliding in [false, true] {
            let counter = Counter::new(quota(100, sliding, 0.3));
            let start = Instant::now();
            assert_eq!(granted(&counter, start, 10, 200), 100);
            granted(&counter, start, 9_990, 1);
            let uses = counter.uses();
            assert_eq!(uses.first().map(|u| (u.others, u.others_refused)), Some((0, 30)));
        }
    }

    #[test]
    fn requests_at_a_time_are_limited_per_operation() {
        let flights = InFlight::default();
        let first = flights.enter((1, 1), 1);
        assert!(first.is_some());
        assert!(flights.enter((1, 1), 1).is_none());
        assert!(flights.enter((1, 2), 1).is_some());
        drop(first);
        assert!(flights.enter((1, 1), 1).is_some());
    }
}
