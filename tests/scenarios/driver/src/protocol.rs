//! What the driver and a host's runner say to each other: one command per line as JSON, one reply per line. `README.md` beside the
//! scenarios tells it in words. A scenario's calls are these commands, too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a runner is asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// Who it is, and which versions it runs on.
    Hello,
    /// Loads a component and opens a connection, in place of the one before.
    Connect(Connect),
    /// Sets a variable of the open connection.
    SetVariable {
        /// Its name.
        name: String,
        /// Its value from now on.
        value: String,
    },
    /// The component's metadata.
    Describe,
    /// Tests the connection.
    Test,
    /// All objects.
    ListObjects,
    /// One object.
    DescribeObject {
        /// Its name.
        name: String,
    },
    /// One page, in an instance of its own.
    Query {
        /// What to read.
        request: QueryRequest,
    },
    /// All pages, by the host's own iteration.
    QueryAll {
        /// What to read.
        request: QueryRequest,
        /// The caller cancels when it has so many records.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cancel_after_records: Option<usize>,
        /// Reply only how many there were.
        #[serde(default, skip_serializing_if = "is_false")]
        count_only: bool,
    },
    /// How a query would be made.
    Explain {
        /// What would be read.
        request: QueryRequest,
    },
    /// Creates records.
    Create(Write),
    /// Changes records.
    Update(Write),
    /// Deletes records.
    Delete(Write),
    /// Looks up what became of records.
    Resolve {
        /// The verb that they were written by.
        written_by: WrittenBy,
        /// The request, as it was made.
        request: WriteRequest,
    },
    /// Drops the connection and its sockets.
    Close,
}

/// How a connection is opened. What a scenario leaves out, the driver fills in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Connect {
    /// The component's file.
    #[serde(default)]
    pub component: String,
    /// Settings of the connection.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// Variables by name.
    #[serde(default)]
    pub variables: BTreeMap<String, Variable>,
    /// Origins that may be reached, at private addresses too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Vec<String>>,
    /// The operator's proxy for http and https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Capabilities that the host is to lack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<Capability>,
    /// Most requests that the connection may have under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_in_flight: Option<usize>,
}

/// A variable of a connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Its value.
    pub value: String,
    /// Whether it must not be shown.
    #[serde(default)]
    pub hidden: bool,
}

/// What a host gives a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// `ipaas:connector/variables`.
    Variables,
    /// `ipaas:connector/transport`.
    Transport,
    /// `ipaas:connector/quota`.
    Quota,
    /// `ipaas:connector/control`.
    Control,
    /// `ipaas:connector/logging`.
    Logging,
    /// `wasi:clocks/monotonic-clock`.
    Clocks,
    /// `wasi:http/outgoing-handler`.
    Http,
}

/// A write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Write {
    /// What to write.
    pub request: WriteRequest,
    /// The caller cancels after so many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_after_ms: Option<u64>,
}

/// `query-request` of the contract.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the contract tells what each is")]
pub struct QueryRequest {
    pub object: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filter: Vec<Condition>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order_by: Vec<Order>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_size: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_records: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// `condition` of the contract.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// A field of the object.
    pub field: String,
    /// How it is compared.
    pub op: Comparison,
    /// The JSON text of what it is compared with.
    pub value: String,
}

/// `comparison` of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the contract tells what each is")]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    OneOf,
    Contains,
}

/// `order` of the contract.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// A field of the object.
    pub field: String,
    /// From the greatest to the least.
    #[serde(default)]
    pub descending: bool,
}

/// `write-request` of the contract. Records are lines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the contract tells what each is")]
pub struct WriteRequest {
    pub object: String,
    pub records: Vec<String>,
    #[serde(default)]
    pub mode: WriteMode,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_on: Vec<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub continue_on_error: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub validate_only: bool,
}

/// `write-mode` of the contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the contract tells what each is")]
pub enum WriteMode {
    #[default]
    Strict,
    Upsert,
}

/// `written-by` of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the contract tells what each is")]
pub enum WrittenBy {
    Create,
    Update,
    Delete,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
