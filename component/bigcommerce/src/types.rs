//! What callers pass and get, free of WIT types, so that everything behind them runs in native tests.

use crate::error::Error;

/// How a condition compares. See the WIT package's `comparison`.
pub use crate::compare::Comparison;

/// One condition of a query.
#[derive(Clone, Debug)]
pub struct Condition {
    /// Field name.
    pub field: String,
    /// Comparison.
    pub op: Comparison,
    /// JSON text; an array for `OneOf`.
    pub value: String,
}

/// An order by one field.
#[derive(Clone, Debug)]
pub struct Order {
    /// Field name.
    pub field: String,
    /// Greatest first.
    pub descending: bool,
}

/// See the WIT package's `query-request`.
#[derive(Clone, Debug, Default)]
pub struct QueryRequest {
    /// Object name.
    pub object: String,
    /// Fields to return; all when empty.
    pub fields: Vec<String>,
    /// Conditions; all of them hold.
    pub filter: Vec<Condition>,
    /// Order.
    pub order_by: Vec<Order>,
    /// Related data to bring along.
    pub include: Vec<String>,
    /// Records wanted per page.
    pub page_size: Option<u32>,
    /// Records wanted in all.
    pub max_records: Option<u64>,
    /// `state` of an earlier read, or empty for the first of several.
    pub since: Option<String>,
    /// Where to go on.
    pub cursor: Option<String>,
}

/// One page of a query.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// NDJSON.
    pub records: Vec<u8>,
    /// Lines in `records`.
    pub count: u32,
    /// Cursor of the next page.
    pub next: Option<String>,
    /// Records in all.
    pub total: Option<u64>,
    /// What to pass as `since` next time; with the last page of a read that had `since`.
    pub state: Option<String>,
}

/// How a query would be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Requests of a complete read, if that can be told.
    pub requests: Option<u64>,
    /// Whether a record that exists throughout is delivered exactly once.
    pub stable: bool,
    /// Sentences for people.
    pub steps: Vec<String>,
}

/// Which write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// POST, mostly.
    Create,
    /// PUT.
    Update,
    /// DELETE.
    Delete,
}

impl Verb {
    /// For messages.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Delete => "delete",
        }
    }
}

/// See the WIT package's `write-request`.
#[derive(Clone, Debug, Default)]
pub struct WriteRequest {
    /// Object name.
    pub object: String,
    /// NDJSON.
    pub records: Vec<u8>,
    /// Create or update, matched on `match_on`.
    pub upsert: bool,
    /// Fields to match on.
    pub match_on: Vec<String>,
    /// Go on after a failed record.
    pub continue_on_error: bool,
    /// Send nothing.
    pub validate_only: bool,
}

/// What became of one record.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Done; the record as the store has it, at least its key.
    Applied(String),
    /// Not done.
    Failed(Error),
    /// Perhaps done.
    Unknown(Error),
    /// Not sent.
    Skipped,
}

/// The account behind the credentials.
#[derive(Clone, Debug)]
pub struct Identity {
    /// For people.
    pub account: String,
    /// What will not work.
    pub warnings: Vec<String>,
}
