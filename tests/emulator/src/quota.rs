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
    /// Times of requests in the sliding window.
    recent: VecDeque<Instant>,
    uses: Vec<WindowUse>,
}

impl Counter {
    pub(crate) fn new(quota: Quota) -> Self {
        let inner = Inner { quota, start: Instant::now(), recent: VecDeque::new(), uses: Vec::new() };
        Self { inner: Mutex::new(inner) }
    }

    /// Starts anew with another quota.
    pub(crate) fn set(&self, quota: Quota) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        *inner = Inner { quota, start: Instant::now(), recent: VecDeque::new(), uses: Vec::new() };
    }

    /// How the windows since the start were used.
    pub(crate) fn uses(&self) -> Vec<WindowUse> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).uses.clone()
    }

    /// Counts a request.
    pub(crate) fn take(&self, now: Instant) -> Allowance {
        let mut guard = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner { quota, start, recent, uses } = &mut *guard;
        let window = quota.window.max(Duration::from_millis(1));
        let elapsed = now.saturating_duration_since(*start);
        let number = (elapsed.as_nanos() / window.as_nanos()) as usize;
        let into = elapsed.saturating_sub(window.saturating_mul(number as u32));
        // A window that saw no request costs nothing: only as many entries as windows with a bound.
        if uses.len() <= number && number < 1_000_000 {
            uses.resize(number + 1, WindowUse::default());
        }
        let share = quota.others_share.clamp(0.0, 1.0) * f64::from(quota.requests);
        let (used, others, reset);
        if quota.sliding {
            while recent.front().is_some_and(|t| now.saturating_duration_since(*t) >= window) {
                recent.pop_front();
            }
            used = recent.len() as u32;
            others = share as u32;
            let oldest = recent.front().map_or(Duration::ZERO, |t| now.saturating_duration_since(*t));
            reset = window.saturating_sub(oldest);
        } else {
            used = uses.last().map_or(0, |u| u.granted);
            others = (share * into.as_secs_f64() / window.as_secs_f64()) as u32;
            reset = window.saturating_sub(into);
        }
        let free = quota.requests.saturating_sub(used).saturating_sub(others);
        let granted = free > 0;
        if granted && quota.sliding {
            recent.push_back(now);
        }
        if let Some(entry) = uses.last_mut() {
            entry.others = entry.others.max(others);
            if granted {
                entry.granted += 1;
            } else {
                entry.refused += 1;
            }
        }
        Allowance { granted, quota: quota.requests, left: free.saturating_sub(1), window, reset }
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
        assert_eq!(granted(&counter, start, 9_990, 200), 71);
        let counter = Counter::new(quota(100, true, 0.3));
        assert_eq!(granted(&counter, start, 1, 200), 70);
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
