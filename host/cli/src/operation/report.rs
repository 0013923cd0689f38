//! What a run has done so far: printed, kept, and told while it goes on.

use std::collections::BTreeMap;

use connector_host::Connection;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::progress::{counted, grouped};

/// Figures of a run.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
pub(crate) struct Report {
    /// Rows that were read.
    pub read: u64,
    /// Records that were made of them.
    pub mapped: u64,
    /// Records that are in the target.
    pub applied: u64,
    /// Records that are not, and rows that the mapping failed on.
    pub failed: u64,
    /// Records of which nobody knows.
    pub unknown: u64,
    /// Records that were not sent.
    pub skipped: u64,
    /// Records that were made, or rows that the mapping failed on, before the run ended and nothing came of them.
    #[serde(default)]
    pub not_reached: u64,
    /// Requests of both ends.
    pub requests: u64,
    /// The allowance that is nearest to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// Time at work.
    pub seconds: f64,
}

/// What is left of an allowance.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RunQuota)]
pub(crate) struct Quota {
    /// Requests that may be sent now.
    pub left: u32,
    /// Requests of a whole window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

impl Report {
    /// Takes in what the connections have counted; each by its name, since both ends may share one.
    pub(super) fn look_at(&mut self, connections: &[Connection], before: u64) {
        let distinct: BTreeMap<&str, &Connection> = connections.iter().map(|one| (one.name(), one)).collect();
        let status: Vec<_> = distinct.values().map(|one| one.status()).collect();
        self.requests = before + status.iter().map(|one| one.requests).sum::<u64>();
        let quotas = status.iter().flat_map(|one| &one.quotas);
        let left = quotas.filter_map(|one| Some(Quota { left: one.left?, limit: one.limit }));
        self.quota = left.min_by_key(|quota| quota.left).or(self.quota);
    }

    /// Seconds until the last of so many rows is read, if the rest goes as what came before; none before the first.
    pub(crate) fn left_seconds(&self, rows: u64) -> Option<f64> {
        (self.read > 0).then(|| self.seconds * rows.saturating_sub(self.read) as f64 / self.read as f64)
    }

    /// Records of which it is known what became of them, be it nothing.
    pub(super) fn settled(&self) -> u64 {
        self.applied + self.failed + self.unknown + self.skipped
    }

    /// For people, one figure per line.
    pub(crate) fn words(&self) -> String {
        let Self { read, mapped, applied, failed, unknown, skipped, not_reached, requests, seconds, .. } = self;
        let mut text = String::new();
        for (word, count) in [
            ("read", read),
            ("mapped", mapped),
            ("applied", applied),
            ("failed", failed),
            ("unknown", unknown),
            ("skipped", skipped),
        ] {
            text.push_str(&format!("{word:<9}{}\n", grouped(*count)));
        }
        if *not_reached > 0 {
            text.push_str(&format!("{} not reached\n", grouped(*not_reached)));
        }
        text.push_str(&format!("{:<9}{seconds:.1} s, {}", "time", counted(*requests, "request")));
        if let Some(Quota { left, limit }) = self.quota {
            let of = limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
            text.push_str(&format!(", quota {left}{of} left"));
        }
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_takes_as_long_as_what_came_before() {
        let at = |read| Report { read, seconds: 10.0, ..Report::default() };
        assert_eq!(at(250).left_seconds(1000), Some(30.0));
        assert_eq!(at(1000).left_seconds(1000), Some(0.0));
        assert_eq!(at(0).left_seconds(1000), None);
    }
}
