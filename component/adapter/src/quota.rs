//! Who may send when, among the requests of one instance: no more at once than the connector allows, and none that the remote's
//! last answers leave no room for. Pure: the caller has the clock, in nanoseconds.
//!
//! Other instances draw on the same allowance and are not seen here. What they take shows in the next answer's numbers.

use std::collections::BTreeMap;

/// Two answers whose windows end within this time speak of the same window, in nanoseconds: clocks and networks jitter.
const SAME_WINDOW: u64 = 1_000_000_000;

/// Longest that an answer can hold requests back, in nanoseconds.
const LONGEST_WINDOW: u64 = 86_400 * 1_000_000_000;

/// What a request that asks for leave is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Send. The place is taken until it is given back.
    Granted,
    /// Ask again then: the remote's window is used up.
    At(u64),
    /// Ask again before long: all places are taken, and nobody can say when one is given back.
    Soon,
}

/// All allowances, by bucket.
#[derive(Debug, Default)]
pub struct Quota {
    buckets: BTreeMap<String, Bucket>,
}

#[derive(Debug, Default)]
struct Bucket {
    /// Requests that have leave and no answer yet.
    out: u32,
    window: Option<Window>,
}

#[derive(Debug)]
struct Window {
    left: u32,
    ends: u64,
}

impl Quota {
    /// Asks leave to send one request.
    pub fn ask(&mut self, bucket: &str, concurrency: Option<u32>, now: u64) -> Leave {
        let bucket = self.buckets.entry(bucket.to_owned()).or_default();
        bucket.window = bucket.window.take().filter(|window| window.ends > now);
        if let Some(window) = bucket.window.as_ref().filter(|window| window.left == 0) {
            return Leave::At(window.ends);
        }
        // A bound of none at all would never let anything pass.
        if concurrency.is_some_and(|most| bucket.out >= most.max(1)) {
            return Leave::Soon;
        }
        if let Some(window) = &mut bucket.window {
            window.left -= 1;
        }
        bucket.out += 1;
        Leave::Granted
    }

    /// Gives a place back.
    pub fn give_back(&mut self, bucket: &str) {
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            bucket.out = bucket.out.saturating_sub(1);
        }
    }

    /// Notes what an answer said: requests left, and milliseconds until the window ends. One number without the other says nothing.
    pub fn report(&mut self, bucket: &str, left: Option<u32>, reset_ms: Option<u64>, now: u64) {
        let (Some(left), Some(reset_ms)) = (left, reset_ms) else { return };
        let bucket = self.buckets.entry(bucket.to_owned()).or_default();
        let ends = now.saturating_add(reset_ms.saturating_mul(1_000_000).min(LONGEST_WINDOW));
        // Requests still out, but for the one that was answered, may not be counted in it yet.
        let left = left.saturating_sub(bucket.out.saturating_sub(1));
        // Answers overtake each other: within a window, what is left only becomes less.
        let left = match &bucket.window {
            Some(window) if window.ends > now && window.ends.abs_diff(ends) < SAME_WINDOW => left.min(window.left),
            _ => left,
        };
        bucket.window = Some(Window { left, ends });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn no_more_are_out_at_once_than_the_connector_allows() {
        let mut quota = Quota::default();
        assert_eq!(quota.ask("a", Some(2), 0), Leave::Granted);
        assert_eq!(quota.ask("a", Some(2), 0), Leave::Granted);
        assert_eq!(quota.ask("a", Some(2), 0), Leave::Soon);
        assert_eq!(quota.ask("b", Some(2), 0), Leave::Granted, "buckets do not know each other");
        quota.give_back("a");
        assert_eq!(quota.ask("a", Some(2), 0), Leave::Granted);
        assert_eq!(quota.ask("a", None, 0), Leave::Granted);
    }

    #[test]
    fn a_window_that_is_used_up_holds_everybody_back_until_it_ends() {
        let mut quota = Quota::default();
        assert_eq!(quota.ask("a", None, 0), Leave::Granted);
        quota.give_back("a");
        quota.report("a", Some(2), Some(5_000), 0);
        assert_eq!(quota.ask("a", None, 1), Leave::Granted);
        assert_eq!(quota.ask("a", None, 2), Leave::Granted);
        assert_eq!(quota.ask("a", None, 3), Leave::At(5 * SECOND));
        assert_eq!(quota.ask("a", None, 5 * SECOND), Leave::Granted);
    }

    #[test]
    fn an_answer_that_was_overtaken_gives_nothing_back() {
        let mut quota = Quota::default();
        quota.report("a", Some(0), Some(5_000), 0);
        quota.report("a", Some(3), Some(4_990), 10_000_000);
        assert_eq!(quota.ask("a", None, SECOND), Leave::At(4_990_000_000 + 10_000_000));
        quota.report("a", Some(1), Some(5_000), 2 * SECOND);
        assert_eq!(quota.ask("a", None, 2 * SECOND), Leave::Granted, "a new window is a new allowance");
    }

    #[test]
    fn requests_under_way_count_against_what_is_left() {
        let mut quota = Quota::default();
        for _ in 0..3 {
            assert_eq!(quota.ask("a", None, 0), Leave::Granted);
        }
        quota.report("a", Some(3), Some(5_000), 0);
        assert_eq!(quota.ask("a", None, 0), Leave::Granted);
        assert_eq!(quota.ask("a", None, 0), Leave::At(5 * SECOND));
    }

    #[test]
    fn half_a_report_and_a_bound_of_none_hold_nobody_back_for_ever() {
        let mut quota = Quota::default();
        quota.report("a", Some(0), None, 0);
        quota.report("a", None, Some(1), 0);
        assert_eq!(quota.ask("a", Some(0), 0), Leave::Granted);
        quota.report("b", Some(0), Some(u64::MAX), 0);
        assert_eq!(quota.ask("b", None, 0), Leave::At(LONGEST_WINDOW));
    }
}
