//! Whether others draw on the same allowance (other processes, other apps on the same account), and what is left to them. Nobody
//! tells, but it shows: what an answer says is used, less what we used ourselves, was somebody else.
//!
//! Whether windows are fixed or slide, all that counts as used was used since `window - reset` ago: in a fixed window that is its
//! beginning, in a sliding one the oldest request in it. So one rule finds others in both.
//!
//! Who is alone may use up a window at once, but for two requests that show later whether somebody has come. Who is not takes half
//! at once and the other half bit by bit, as the window passes: so whoever comes finds something left at any time, two hosts end up
//! with about the same, and nothing is lost, because what others do not take is ours before the window ends.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Requests left over while there are others, or where windows slide. Answers are a little old when they come: without this, the
/// last requests would meet a refusal now and then.
const SPARE: f64 = 2.0;
/// How much longer than it takes for those to come back in a sliding window one waits for it: others wait for the same.
const PATIENCE: f64 = 2.0;
/// Part of an allowance that is used bit by bit while there are others.
const SLOWLY: f64 = 0.5;
/// Requests that who seems to be alone spreads over a window, to see whether somebody else has come.
const LOOKS: f64 = 2.0;
/// The least allowance of which it is worth while to keep some for that.
const LEAST: f64 = 10.0;
/// Ends of fixed windows lie whole windows apart; this part of one is how exactly answers name them.
const EXACT: u32 = 20;
/// Windows for which others are expected to come back.
const EXPECTED: u32 = 2;
/// Most requests of ours that are remembered; of larger allowances nobody needs to know so exactly.
const MOST: usize = 10_000;

/// What an answer told: `left` of `limit` requests, and `reset` until the window ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) limit: u32,
    pub(super) left: u32,
    pub(super) reset: Duration,
}

/// Who draws on one allowance.
#[derive(Debug, Default)]
pub(super) struct Share {
    limit: Option<u32>,
    /// Length of a window, as far as seen: the longest time that an answer named until the end of one.
    window: Duration,
    /// Whether requests come back one by one instead of all at once.
    sliding: bool,
    /// An end of a window, to hold others against.
    end: Option<Instant>,
    /// When a request of ours was let go.
    granted: Option<Instant>,
    /// When requests of ours came back.
    ours: VecDeque<Instant>,
    /// Until when others are expected.
    others: Option<Instant>,
}

impl Share {
    /// A request of ours came back.
    pub(super) fn returned(&mut self, now: Instant) {
        self.ours.push_back(now);
        while self.ours.len() > MOST || self.ours.front().is_some_and(|at| now - *at > self.window * 2) {
            self.ours.pop_front();
        }
    }

    /// An answer told the allowance. `out` of our requests, this one included, are on their way, and counted or not. `behind` is
    /// when the window before ended, if this answers a request that was sent after it.
    pub(super) fn told(&mut self, told: Told, out: u32, behind: Option<Instant>, now: Instant) {
        let Told { limit, left, reset } = told;
        if self.limit.is_some_and(|known| known != limit) {
            // Another plan, with windows of its own.
            *self = Self::default();
        }
        self.limit = Some(limit);
        if left > 0 {
            self.window = self.window.max(reset);
        }
        self.ends(now + reset, behind);
        // What is a little older may have been counted, too: that way nobody takes himself for somebody else.
        let since = self.window.saturating_sub(reset) + self.window / 100;
        let ours = self.ours.iter().rev().take_while(|at| now - **at <= since).count();
        let used = f64::from(limit.saturating_sub(left));
        if used - ours as f64 - f64::from(out) >= 1.0 {
            self.others = Some(now + self.window * EXPECTED);
        }
    }

    /// An answer named the end of a window.
    fn ends(&mut self, end: Instant, behind: Option<Instant>) {
        if behind.is_some_and(|before| end < before + self.window / 2) {
            (self.sliding, self.end) = (true, Some(end));
            return;
        }
        let Some(known) = self.end else {
            self.end = Some(end);
            return;
        };
        let (ahead, window) = (end.saturating_duration_since(known).as_nanos(), self.window.as_nanos().max(1));
        let off = (ahead % window).min(window - ahead % window);
        let sliding = off > window / u128::from(EXACT);
        if sliding || ahead > window / 2 {
            (self.sliding, self.end) = (sliding, Some(end));
        }
    }

    /// A request of ours may go.
    pub(super) fn granted(&mut self, now: Instant) {
        self.granted = Some(now);
    }

    /// When the next one may go. In a sliding window what goes at once comes back at once, a window later: while there are others,
    /// requests go as evenly as they will have to come back.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        if !self.sliding || self.limit() < LEAST || !self.has_others(now) {
            return None;
        }
        Some(self.granted? + self.window.div_f64(self.limit())).filter(|next| *next > now)
    }

    /// Requests to leave to others in what is left of a window.
    pub(super) fn kept(&self, left_of_window: Duration, now: Instant) -> f64 {
        let (spare, slowly) = self.claim(now);
        let part = left_of_window.as_secs_f64() / self.window.as_secs_f64();
        if part.is_nan() { 0.0 } else { (spare + slowly * part.min(1.0)).max(0.0) }
    }

    /// When so many requests may be sent, counted back from the window's end, if they may before it.
    pub(super) fn due(&self, free: f64, now: Instant) -> Option<Duration> {
        let (spare, slowly) = self.claim(now);
        let spendable = free - 1.0 - spare;
        (spendable >= 0.0 && slowly > 0.0).then(|| self.window.mul_f64((spendable / slowly).min(1.0)))
    }

    /// How much longer to wait behind the end of a window that slides: until as many requests have come back as are to be left over.
    pub(super) fn behind(&self, left: u32, now: Instant) -> Duration {
        let missing = (SPARE + 1.0 - f64::from(left)) * PATIENCE;
        if !self.sliding || missing <= 0.0 || self.limit() < LEAST || !self.has_others(now) {
            return Duration::ZERO;
        }
        self.window.mul_f64(missing / self.limit())
    }

    fn limit(&self) -> f64 {
        self.limit.map_or(0.0, f64::from)
    }

    fn has_others(&self, now: Instant) -> bool {
        self.others.is_some_and(|until| now < until)
    }

    /// Requests to leave over in any case, and those that are used bit by bit.
    fn claim(&self, now: Instant) -> (f64, f64) {
        match self.has_others(now) {
            _ if self.limit() < LEAST => (0.0, 0.0),
            true => (SPARE, self.limit() * SLOWLY),
            // Requests come back while answers are on their way, so that old ones say too much: what they say is not used up.
            false if self.sliding => (SPARE, LOOKS),
            false => (-0.5, LOOKS),
        }
    }
}
