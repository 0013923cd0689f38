//! What one connection may use, all defaults in one place. Limits are the host's: a connector cannot raise them, and one that
//! reaches a limit costs its own activity a clear error and nobody else anything. `docs/security.md` lists what each holds back.

use std::time::Duration;

/// Bounds of one connection. The comments name the defaults; a test holds them against [`Limits::default`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of one activity, all its memories together, in bytes. Default 256 MiB.
    pub memory: usize,
    /// Entries of the tables of functions of one activity, all together; no more than 100000 in one table. Default 100000.
    pub table_entries: usize,
    /// Resources (requests, answers, streams, pollables, permits) that one activity may hold at once. Default 2000.
    pub resources: usize,
    /// What the host holds for one activity in its own memory: header fields, addresses and pieces of request bodies, in bytes,
    /// measured while it computes, in steps of 10 ms. Default 64 MiB.
    pub held_bytes: usize,
    /// Wall time of one call (one page, one batch of records, one test). Then the call is cancelled and has `cancel_grace` to come
    /// to an orderly end: a write answers the outcomes that it has. Default 10 minutes.
    pub call_time: Duration,
    /// Time on a processor that one call may take, with what the host does for it meanwhile, in steps of 10 ms. Waiting does not
    /// count. Default 30 seconds.
    pub compute_time: Duration,
    /// Time that a call has to come to an orderly end when it is cancelled, or its `call_time` is over. Then it is ended hard, and
    /// every record of a write is unknown. Default 30 seconds.
    pub cancel_grace: Duration,
    /// Body of one answer, in bytes. Default 64 MiB.
    pub response_body: u64,
    /// Body of one request, in bytes. Default 16 MiB.
    pub request_body: u64,
    /// Names and values of the header fields of one request, and of one answer, in bytes as they are held in memory. Default 64 KiB.
    pub header_bytes: usize,
    /// Header fields of one request, and of one answer. Default 100.
    pub header_fields: usize,
    /// Requests under way at once, over all activities of the connection; more of them wait. Default 16.
    pub requests_in_flight: usize,
    /// Sockets open at once, over all activities of the connection; a request that needs another one closes an idle one, or waits
    /// for its `connect_timeout`. Default 32.
    pub sockets: usize,
    /// Log lines of one call; further ones are counted and dropped. Default 1000.
    pub log_lines: u32,
    /// Length of one log line with its fields, in bytes; the rest is cut. Default 4 KiB.
    pub log_line_bytes: usize,
    /// Log lines of one call together, in bytes; further ones are counted and dropped. Default 1 MiB.
    pub log_bytes: usize,
    /// What a connector may hand over at once, in bytes as they are held in memory: a page, the outcomes of a call, the texts of an
    /// error, the piece of a request's body. Default 128 MiB.
    pub answer_bytes: usize,
    /// Length of one text for people (the message of an error, a warning, a step of a plan), in bytes; the rest is cut.
    /// Default 8 KiB.
    pub message_bytes: usize,
    /// Longest that a request may take to resolve a name, connect and agree on TLS; it may ask for less, and one that asks for
    /// nothing gets 10 seconds at most. Default 10 minutes.
    pub connect_timeout: Duration,
    /// Longest until the head of the answer is there; one that asks for nothing gets 60 seconds at most. Default 10 minutes.
    pub first_byte_timeout: Duration,
    /// Longest between two pieces of an answer's body; one that asks for nothing gets 30 seconds at most. Default 10 minutes.
    pub between_bytes_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 256 << 20,
            table_entries: 100_000,
            resources: 2000,
            held_bytes: 64 << 20,
            call_time: Duration::from_secs(600),
            compute_time: Duration::from_secs(30),
            cancel_grace: Duration::from_secs(30),
            response_body: 64 << 20,
            request_body: 16 << 20,
            header_bytes: 64 << 10,
            header_fields: 100,
            requests_in_flight: 16,
            sockets: 32,
            log_lines: 1000,
            log_line_bytes: 4 << 10,
            log_bytes: 1 << 20,
            answer_bytes: 128 << 20,
            message_bytes: 8 << 10,
            connect_timeout: Duration::from_secs(600),
            first_byte_timeout: Duration::from_secs(600),
            between_bytes_timeout: Duration::from_secs(600),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_default_is_the_real_one() {
        let source = include_str!("limits.rs");
        let limits = Limits::default();
        let told: Vec<&str> = source
            .lines()
            .filter_map(|line| line.trim().strip_prefix("/// "))
            .filter_map(|line| line.split_once("Default ").map(|(_, default)| default.trim_end_matches('.')))
            .collect();
        let seconds = |time: Duration| match time.as_secs() {
            s if s % 60 == 0 && s >= 120 => format!("{} minutes", s / 60),
            s => format!("{s} seconds"),
        };
        let bytes = |size: u64| match size {
            s if s % (1 << 20) == 0 => format!("{} MiB", s >> 20),
            s => format!("{} KiB", s >> 10),
        };
        let real = [
            bytes(limits.memory as u64),
            limits.table_entries.to_string(),
            limits.resources.to_string(),
            bytes(limits.held_bytes as u64),
            seconds(limits.call_time),
            seconds(limits.compute_time),
            seconds(limits.cancel_grace),
            bytes(limits.response_body),
            bytes(limits.request_body),
            bytes(limits.header_bytes as u64),
            limits.header_fields.to_string(),
            limits.requests_in_flight.to_string(),
            limits.sockets.to_string(),
            limits.log_lines.to_string(),
            bytes(limits.log_line_bytes as u64),
            bytes(limits.log_bytes as u64),
            bytes(limits.answer_bytes as u64),
            bytes(limits.message_bytes as u64),
            seconds(limits.connect_timeout),
            seconds(limits.first_byte_timeout),
            seconds(limits.between_bytes_timeout),
        ];
        assert_eq!(told, real);
    }
}
