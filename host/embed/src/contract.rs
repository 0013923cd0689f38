//! The contract's types and functions, generated from `wit/`; their documentation is that of the WIT package.
//!
//! The world here is the contract's without `wasi:http` and `wasi:clocks`: those are bound by the runtime's own crates, at a later
//! 0.2 than the contract names, which serves the same components.

#![allow(missing_docs, unreachable_pub, clippy::all)]

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package ipaas:embed;
            world served {
                import ipaas:connector/variables@0.1.0;
                import ipaas:connector/transport@0.1.0;
                import ipaas:connector/quota@0.1.0;
                import ipaas:connector/control@0.1.0;
                import ipaas:connector/logging@0.1.0;
                export ipaas:connector/metadata@0.1.0;
                export ipaas:connector/connection@0.1.0;
            }
        ",
        world: "ipaas:embed/served",
        imports: { default: trappable },
        exports: { default: async },
        require_store_data_send: true,
        additional_derives: [PartialEq],
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "ipaas:connector/quota.permit": crate::quota::Permit,
        },
    });
}

pub use bindings::exports::ipaas::connector::connection::{
    Activities, ActivitySchema, Comparison, Comparisons, Condition, Consistency, Field, Identity, ObjectInfo,
    ObjectSchema, Order, Outcome, Page, Plan, QueryRequest, WriteMode, WriteRequest, WrittenBy,
};
pub use bindings::exports::ipaas::connector::metadata::Info;
pub use bindings::ipaas::connector::types::{Error, ErrorKind, Retry};

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

pub(crate) use bindings::exports::ipaas::connector::connection::Guest;
pub(crate) use bindings::ipaas::connector::{control, logging, quota, transport, variables};
pub(crate) use bindings::{Served as Instance, ServedPre as InstancePre};

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
