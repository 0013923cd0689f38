//! What a connection is doing right now, for a progress line or a dashboard.

use std::time::Duration;

/// A snapshot of a connection; cheap to take, several times a second if need be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Requests handed to the network since the connection was opened.
    pub requests: u64,
    /// Requests under way.
    pub in_flight: u32,
    /// Bytes of answers' bodies read.
    pub bytes_read: u64,
    /// Open sockets, idle ones included.
    pub sockets: u32,
    /// The remote's allowances that this connection draws on, as last reported.
    pub quotas: Vec<QuotaStatus>,
}

/// One allowance of the remote. Other connections of the host may draw on it too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuotaStatus {
    /// The connector's name for it (a store, an endpoint).
    pub bucket: String,
    /// Requests per window, if known.
    pub limit: Option<u32>,
    /// Requests left in this window, if known.
    pub left: Option<u32>,
    /// Requests that have leave and no answer yet.
    pub in_flight: u32,
    /// Requests that wait for leave.
    pub waiting: u32,
    /// The allowance is used up: nobody sends for this long.
    pub held_for: Option<Duration>,
}
