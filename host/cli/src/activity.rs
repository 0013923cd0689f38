//! An activity: a query or a write of one object under a connection, with everything that it asks for but its records. The store
//! keeps it, the API and the command line speak it, and operations hold it by name or inline.

use connector_host::Connection;
use connector_host::contract::{QueryRequest, WriteMode, WriteRequest};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::args::{Activity as Kind, Verb};
use crate::error::{Failure, Failures, Result};
use crate::request::{conditions, filter, orders, read_all};

/// Records of a write per call, unless something else is asked for.
pub(crate) const BATCH: u64 = 100;
/// At most as many.
pub(crate) const LARGEST_BATCH: u64 = 1000;

/// An activity. What is missing is as its type has it: all fields, no condition, a strict write.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Activity {
    /// Unique among those of its connection; empty where it stands inline.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `name` or `connector:name`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub connection: String,
    /// What is done.
    #[serde(default = "query")]
    pub verb: Kind,
    /// Name of the object.
    pub object: String,
    /// Counts the changes of one that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Of a query: the fields to return.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// Of a query: conditions as they are typed, `price >= 10`. All must hold.
    #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
    /// Of a query: orders, `name`, `name desc` or `-name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order_by: Vec<String>,
    /// Of a query: related data to bring along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Of a query: reads only what was modified since the last time, where a state of that is kept.
    #[serde(default, skip_serializing_if = "is_false")]
    pub incremental: bool,
    /// Of a query: records to ask for at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_size: Option<u32>,
    /// Of a query: stops after as many records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_records: Option<u64>,
    /// Of a create or update.
    #[serde(default, skip_serializing_if = "Mode::is_strict")]
    pub mode: Mode,
    /// Of an upsert: the fields by which it finds a record; the key if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_on: Vec<String>,
    /// Of a write: goes on after a failed record.
    #[serde(default, skip_serializing_if = "is_false")]
    pub continue_on_error: bool,
    /// Of a write: records per call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u64>,
}

/// What a write does with records that are there already, or missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Takes it as a failure.
    #[default]
    Strict,
    /// Creates or updates.
    Upsert,
}

impl Mode {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_strict(&self) -> bool {
        *self == Self::Strict
    }
}

impl From<Mode> for WriteMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Strict => Self::Strict,
            Mode::Upsert => Self::Upsert,
        }
    }
}

fn query() -> Kind {
    Kind::Query
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl Activity {
    /// One that reads everything of an object.
    pub(crate) fn new(connection: impl Into<String>, verb: Kind, object: impl Into<String>) -> Self {
        Self {
            name: String::new(),
            connection: connection.into(),
            verb,
            object: object.into(),
            revision: None,
            fields: Vec::new(),
            conditions: Vec::new(),
            order_by: Vec::new(),
            include: Vec::new(),
            incremental: false,
            page_size: None,
            max_records: None,
            mode: Mode::Strict,
            match_on: Vec::new(),
            continue_on_error: false,
            batch_size: None,
        }
    }

    /// Its write; none if it is a query.
    pub(crate) fn write_verb(&self) -> Option<Verb> {
        match self.verb {
            Kind::Query => None,
            Kind::Create => Some(Verb::Create),
            Kind::Update => Some(Verb::Update),
            Kind::Delete => Some(Verb::Delete),
        }
    }

    /// What can be said about it without its connection: everything that is wrong, each with a pointer to the member.
    ///
    /// # Errors
    /// Members that its verb does not have, numbers out of bounds, conditions and orders that cannot be read.
    pub(crate) fn check(&self) -> Result<()> {
        let mut failures = Vec::new();
        if self.object.is_empty() {
            failures.push(at("/object", Failure::new("the activity does not say which object")));
        }
        let of_queries = [
            ("fields", !self.fields.is_empty()),
            ("where", !self.conditions.is_empty()),
            ("order_by", !self.order_by.is_empty()),
            ("include", !self.include.is_empty()),
            ("incremental", self.incremental),
            ("page_size", self.page_size.is_some()),
            ("max_records", self.max_records.is_some()),
        ];
        let of_writes = [
            ("mode", self.mode != Mode::Strict),
            ("match_on", !self.match_on.is_empty()),
            ("continue_on_error", self.continue_on_error),
            ("batch_size", self.batch_size.is_some()),
        ];
        let (others, whose) =
            if self.verb == Kind::Query { (&of_writes[..], "writes") } else { (&of_queries[..], "queries") };
        for (name, _) in others.iter().filter(|(_, is_set)| *is_set) {
            let failure = Failure::new(format!("`{name}` is for {whose}; this activity is {}", self.verb.article()));
            failures.push(at(&format!("/{name}"), failure));
        }
        if self.verb == Kind::Delete && self.mode == Mode::Upsert {
            failures.push(at("/mode", Failure::new("only a create or update can be an upsert")));
        }
        if !self.match_on.is_empty() && self.mode == Mode::Strict {
            failures.push(at("/match_on", Failure::new("`match_on` is for the mode `upsert`")));
        }
        if self.page_size == Some(0) {
            failures.push(at("/page_size", Failure::new("`page_size` is 1 or more")));
        }
        if self.max_records == Some(0) {
            failures.push(at("/max_records", Failure::new("`max_records` is 1 or more")));
        }
        if self.incremental && self.max_records.is_some() {
            let failure = Failure::new("an incremental query reads everything that was modified, so it has no limit");
            failures.push(at("/max_records", failure));
        }
        if self.batch_size.is_some_and(|size| !(1..=LARGEST_BATCH).contains(&size)) {
            failures.push(at("/batch_size", Failure::new(format!("`batch_size` is 1 to {LARGEST_BATCH}"))));
        }
        failures.extend(conditions(&self.conditions).filter_map(Result::err));
        failures.extend(orders(&self.order_by).filter_map(Result::err));
        Failures::check(failures)
    }

    /// What a query asks for. `since` is the state of the last complete one, of an incremental query.
    ///
    /// # Errors
    /// Conditions and orders that cannot be read, an object that the connection does not have.
    pub(crate) async fn query(&self, connection: &Connection, since: Option<String>) -> Result<QueryRequest> {
        let conditions = read_all(conditions(&self.conditions))?;
        Ok(QueryRequest {
            object: self.object.clone(),
            fields: self.fields.clone(),
            filter: filter(connection, &self.object, conditions).await?,
            order_by: read_all(orders(&self.order_by))?,
            include: self.include.clone(),
            page_size: self.page_size,
            max_records: self.max_records,
            since,
            cursor: None,
        })
    }

    /// What a write asks for with these records, NDJSON.
    pub(crate) fn write(&self, records: Vec<u8>, validate_only: bool) -> WriteRequest {
        WriteRequest {
            mode: self.mode.into(),
            match_on: self.match_on.clone(),
            continue_on_error: self.continue_on_error || validate_only,
            validate_only,
            ..WriteRequest::new(self.object.clone(), records)
        }
    }

    /// Records per call of a write.
    pub(crate) fn batch(&self) -> u64 {
        self.batch_size.unwrap_or(BATCH)
    }
}

/// A failure of one member.
fn at(pointer: &str, failure: Failure) -> Failure {
    failure.with("kind", "invalid-request").with("pointer", pointer)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn read(value: serde_json::Value) -> serde_json::Result<Activity> {
        serde_json::from_value(value)
    }

    #[test]
    fn an_activity_is_written_as_it_is_read_and_unknown_members_are_refused() {
        let written = json!({ "name": "cheap", "connection": "shop", "verb": "query", "object": "products", "revision": 3,
            "where": ["price < 10"], "order_by": ["-id"], "page_size": 50 });
        let activity = read(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(&activity).unwrap(), written);
        assert_eq!(read(json!({ "object": "products" })).unwrap().verb, Kind::Query);
        read(json!({ "object": "products", "filter": [] })).unwrap_err();
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_its_member() {
        let pointers = |value: serde_json::Value| -> Vec<String> {
            let failures = read(value).unwrap().check().err().map(|failures| failures.0).unwrap_or_default();
            failures.iter().map(|failure| failure.detail["pointer"].as_str().unwrap().to_owned()).collect()
        };
        let query = json!({ "object": "o", "where": ["a = 1", "b ~"], "order_by": ["a down"], "batch_size": 5, "page_size": 0 });
        assert_eq!(pointers(query), ["/batch_size", "/page_size", "/where/1", "/order_by/0"]);
        let write =
            json!({ "object": "o", "verb": "update", "where": ["a = 1"], "match_on": ["sku"], "batch_size": 1001 });
        assert_eq!(pointers(write), ["/where", "/match_on", "/batch_size"]);
        assert_eq!(
            pointers(json!({ "object": "o", "verb": "create", "mode": "upsert", "match_on": ["sku"] })),
            [""; 0]
        );
    }

    #[test]
    fn the_command_line_and_activities_have_the_same_bounds() {
        use clap::CommandFactory as _;
        let cli = crate::args::Cli::command();
        let batch = cli.find_subcommand("create").unwrap().get_arguments().find(|one| one.get_id() == "batch").unwrap();
        assert_eq!(batch.get_default_values(), [BATCH.to_string().as_str()]);
    }
}
