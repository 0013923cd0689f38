//! The contract's types and functions in the terms of its newest version; their documentation is that of the WIT package.
//! `worlds` is the table of the versions that are served, with one module of bindings for each.

mod v0_1;
pub(crate) mod worlds;

pub use v0_1::{
    Activities, ActivitySchema, Comparison, Comparisons, Condition, Consistency, Error, ErrorKind, Field, Identity,
    Info, ObjectInfo, ObjectSchema, Order, Outcome, Page, Plan, QueryRequest, Retry, WriteMode, WriteRequest,
    WrittenBy,
};
pub(crate) use v0_1::{control, logging, quota, transport, variables};

impl ErrorKind {
    /// The contract's name of it (`rate-limited`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Unsupported => "unsupported",
            Self::InvalidRequest => "invalid-request",
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
            Self::Rejected => "rejected",
            Self::RateLimited => "rate-limited",
            Self::Unavailable => "unavailable",
            Self::Protocol => "protocol",
            Self::Denied => "denied",
            Self::Internal => "internal",
        }
    }
}

impl WriteRequest {
    /// A strict write that stops at the first record that fails. `records` is NDJSON: one JSON object per line, each closed by `\n`.
    pub fn new(object: impl Into<String>, records: impl Into<Vec<u8>>) -> Self {
        Self {
            object: object.into(),
            records: records.into(),
            mode: WriteMode::Strict,
            match_on: Vec::new(),
            continue_on_error: false,
            validate_only: false,
        }
    }
}

impl QueryRequest {
    /// A query for everything of an object: all records, all fields, in the connector's own order and page size. What else is
    /// wanted is set in its fields.
    ///
    /// ```
    /// use connector_host::contract::{Comparison, Condition, QueryRequest};
    ///
    /// let condition = Condition { field: "price".into(), op: Comparison::GreaterOrEqual, value: "10".into() };
    /// let request = QueryRequest { filter: vec![condition], max_records: Some(100), ..QueryRequest::new("products") };
    /// assert!(request.fields.is_empty(), "all fields");
    /// ```
    pub fn new(object: impl Into<String>) -> Self {
        Self {
            object: object.into(),
            fields: Vec::new(),
            filter: Vec::new(),
            order_by: Vec::new(),
            include: Vec::new(),
            page_size: None,
            max_records: None,
            since: None,
            cursor: None,
        }
    }
}
