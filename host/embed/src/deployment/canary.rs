//! A new version on trial: which activities it gets, and when it is given up.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::version::Version;

/// Faults of a canary from which on it is judged before its time is over. One may be bad luck.
const LEAST_FAULTS: u64 = 3;
/// Failures of a canary, whatever the reason, from which on it is judged by them. Fewer may be mistakes of who called.
const LEAST_ERRORS: u64 = 3;
/// Calls of a canary from which on its failures of whatever reason say something.
const LEAST_CALLS: u64 = 10;
/// A canary may have this many times the old version's share of faulty or failed calls, ...
const TOLERATED_TIMES: f64 = 2.0;
/// ... and this share on top where it is to blame, ...
const TOLERATED_FAULTS: f64 = 0.01;
/// ... and this one where nobody knows who is.
const TOLERATED_ERRORS: f64 = 0.05;

/// A share of the activities for the new version, for a time, before it gets all.
///
/// Calls for which the connector is to blame ([`crate::CallError::is_fault`]) count most: crashes, limits, answers that make no sense,
/// defects that it finds in itself. The canary is given up as soon as it has three of them, or at its end one, and their share is more
/// than twice the old version's in the same time plus 1 %. Failures of whatever reason count too, because a version that asks wrongly
/// is refused: the canary is given up as soon as three of at least ten calls failed, and their share is more than twice the old
/// version's plus 5 %. An activity for which it cannot even make a configured instance runs on the old version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canary {
    /// Share of new activities, in percent, 1 to 100.
    pub percent: u8,
    /// For how long.
    pub time: Duration,
}

/// A canary that takes its share.
pub(super) struct Trial {
    pub(super) version: Arc<Version>,
    pub(super) percent: u8,
    /// What has come together towards the next activity, in percent.
    pub(super) due: u8,
    /// Told when somebody gives it up.
    pub(super) ended: Arc<Notify>,
}

impl Trial {
    /// Whether the next activity goes to the canary: every hundredth for each percent, evenly spread.
    pub(super) fn takes_next(&mut self) -> bool {
        let due = self.due.saturating_add(self.percent.clamp(1, 100));
        self.due = due % 100;
        due >= 100
    }
}

/// Calls of a version, how many of them failed, and how many of those it is to blame for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) calls: u64,
    pub(super) errors: u64,
    pub(super) faults: u64,
}

impl Tally {
    /// What was added since `before`.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(before.calls),
            errors: self.errors.saturating_sub(before.errors),
            faults: self.faults.saturating_sub(before.faults),
        }
    }

    fn share(self, count: u64) -> f64 {
        count as f64 / self.calls.max(1) as f64
    }

    /// Whether a canary with this tally is given up, next to the old version's in the same time.
    pub(super) fn is_worse_than(self, old: Self, at_its_end: bool) -> bool {
        let least = if at_its_end { 1 } else { LEAST_FAULTS };
        let more =
            |new: u64, old_one: u64, tolerated: f64| self.share(new) > TOLERATED_TIMES * old.share(old_one) + tolerated;
        let faulty = self.faults >= least && more(self.faults, old.faults, TOLERATED_FAULTS);
        let failing = self.calls >= LEAST_CALLS && self.errors >= LEAST_ERRORS;
        faulty || failing && more(self.errors, old.errors, TOLERATED_ERRORS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worse(canary: (u64, u64), old: (u64, u64), at_its_end: bool) -> bool {
        let tally = |(faults, calls)| Tally { calls, errors: faults, faults };
        tally(canary).is_worse_than(tally(old), at_its_end)
    }

    #[test]
    fn a_canary_is_given_up_when_its_faults_are_more_than_bad_luck_and_more_than_the_old_ones() {
        assert!(!worse((2, 2), (0, 100), false) && worse((3, 3), (0, 100), false));
        assert!(worse((1, 2), (0, 100), true) && !worse((0, 2), (0, 100), true));
        // As bad as the old one, and a little worse.
        assert!(!worse((10, 100), (10, 100), true) && !worse((20, 100), (10, 100), true));
        assert!(worse((22, 100), (10, 100), true));
        // One in a thousand is within what is tolerated.
        assert!(!worse((5, 1000), (0, 1000), true) && worse((11, 1000), (0, 1000), true));
        assert!(!worse((0, 0), (0, 0), true));
    }

    #[test]
    fn a_canary_is_given_up_when_more_of_its_calls_fail_than_of_the_old_ones_whoever_is_to_blame() {
        let worse = |canary: (u64, u64), old: (u64, u64)| {
            let tally = |(errors, calls)| Tally { calls, errors, faults: 0 };
            tally(canary).is_worse_than(tally(old), false)
        };
        assert!(worse((10, 10), (0, 100)) && worse((3, 10), (0, 100)));
        // Too few calls, too few failures.
        assert!(!worse((9, 9), (0, 100)) && !worse((2, 10), (0, 100)));
        // A store that refuses everything refuses both.
        assert!(!worse((10, 10), (100, 100)) && !worse((10, 10), (50, 100)));
        assert!(!worse((25, 100), (10, 100)) && worse((26, 100), (10, 100)));
        assert!(!worse((5, 100), (0, 100)) && worse((6, 100), (0, 100)));
    }
}
