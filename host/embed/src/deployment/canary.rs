//! A new version on trial: which activities it gets, and when it is given up.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::version::Version;

/// Faults of a canary from which on it is judged before its time is over. One may be bad luck.
const LEAST_FAULTS: u64 = 3;
/// A canary may have this many times the old version's share of faulty calls, ...
const TOLERATED_TIMES: f64 = 2.0;
/// ... and this share on top.
const TOLERATED_SHARE: f64 = 0.01;

/// A share of the activities for the new version, for a time, before it gets all.
///
/// Calls are counted against a version if the connector is to blame ([`crate::CallError::is_fault`]): crashes, limits, answers that
/// make no sense, defects that it finds in itself; refusals of the remote are not. The canary is given up as soon as it has three
/// faults, or at its end one, and a share of faulty calls of more than twice the old version's in the same time plus 1 %. An activity
/// for which it cannot even make a configured instance runs on the old version.
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

/// Calls of a version, and how many of them it is to blame for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) calls: u64,
    pub(super) faults: u64,
}

impl Tally {
    /// What was added since `before`.
    pub(super) fn since(self, before: Self) -> Self {
        Self { calls: self.calls.saturating_sub(before.calls), faults: self.faults.saturating_sub(before.faults) }
    }

    fn share(self) -> f64 {
        self.faults as f64 / self.calls.max(1) as f64
    }

    /// Whether a canary with this tally is given up, next to the old version's in the same time.
    pub(super) fn is_worse_than(self, old: Self, at_its_end: bool) -> bool {
        let least = if at_its_end { 1 } else { LEAST_FAULTS };
        self.faults >= least && self.share() > TOLERATED_TIMES * old.share() + TOLERATED_SHARE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worse(canary: (u64, u64), old: (u64, u64), at_its_end: bool) -> bool {
        let tally = |(faults, calls)| Tally { calls, faults };
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
}
