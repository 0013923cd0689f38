//! The verbs over HTTP. A query answers one page; the next one is asked for with its cursor, by anybody, of any version that serves
//! then. Records pass as the bytes that they are.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use connector_host::contract::{Comparison, Condition, Outcome, QueryRequest, WriteMode, WriteRequest, WrittenBy};
use connector_host::{Activity, CallError, Connection};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::answer::{Answer, Refusal, refusal};
use super::given::{Given, Lines};
use super::parameters::Parameters;
use super::state::Server;
use super::streaming;
use super::watching::raw_json;
use crate::args::Verb;
use crate::error::Failures;
use crate::error_schema::Told;
use crate::remote;
use crate::request::{conditions, filter, orders, place, read_all};

/// Who answered.
#[derive(Serialize, ToSchema)]
pub(super) struct Account {
    account: String,
    /// What these credentials will not do, for people.
    warnings: Vec<String>,
}

#[utoipa::path(
    post,
    path = "/v1/connections/{name}/test",
    operation_id = "records_test",
    summary = "One cheap read",
    params(("name" = String, Path, description = "Name of the connection, or connector:name")),
    responses((status = OK, body = Account)),
)]
pub(super) async fn test(State(server): State<Arc<Server>>, Path(name): Path<String>) -> Answer<Json<Account>> {
    let mut activity = server.activity(&name).await?;
    let identity = server.closing.call(activity.canceller(), activity.test()).await.map_err(|e| Refusal::from(&e))?;
    Ok(Json(Account { account: identity.account, warnings: identity.warnings }))
}

/// A query as it is asked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    object: String,
    #[serde(default)]
    fields: Vec<String>,
    /// Conditions as they are typed, `price >= 10`. All must hold, also those of `filter`.
    #[serde(default, rename = "where")]
    conditions: Vec<String>,
    /// Conditions in parts.
    #[serde(default)]
    filter: Vec<AskedCondition>,
    /// `name`, `name desc` or `-name`.
    #[serde(default)]
    order_by: Vec<String>,
    #[serde(default)]
    include: Vec<String>,
    page_size: Option<u32>,
    max_records: Option<u64>,
    since: Option<String>,
    cursor: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AskedCondition {
    field: String,
    op: AskedComparison,
    /// As it was written, so that no digit is lost.
    #[schema(value_type = Value)]
    value: Box<RawValue>,
}

/// The contract's names.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum AskedComparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    OneOf,
    Contains,
}

impl From<AskedComparison> for Comparison {
    fn from(asked: AskedComparison) -> Self {
        match asked {
            AskedComparison::Equal => Self::Equal,
            AskedComparison::NotEqual => Self::NotEqual,
            AskedComparison::Less => Self::Less,
            AskedComparison::LessOrEqual => Self::LessOrEqual,
            AskedComparison::Greater => Self::Greater,
            AskedComparison::GreaterOrEqual => Self::GreaterOrEqual,
            AskedComparison::OneOf => Self::OneOf,
            AskedComparison::Contains => Self::Contains,
        }
    }
}

impl Asked {
    /// As the contract has it, and what tells the members of what was asked from its members.
    pub(super) async fn on(self, connection: &Connection) -> Result<(QueryRequest, Places), Failures> {
        let typed = read_all(conditions(&self.conditions))?;
        let order_by = read_all(orders(&self.order_by))?;
        let places = Places { texts: typed.len() };
        let mut filter = filter(connection, &self.object, typed).await?;
        filter.extend(self.filter.into_iter().map(|asked| Condition {
            field: asked.field,
            op: asked.op.into(),
            value: asked.value.get().to_owned(),
        }));
        let request = QueryRequest {
            object: self.object,
            fields: self.fields,
            filter,
            order_by,
            include: self.include,
            page_size: self.page_size,
            max_records: self.max_records,
            since: self.since,
            cursor: self.cursor,
        };
        Ok((request, places))
    }
}

/// Where the members of a query stand in the body that asked for it.
#[derive(Clone, Copy)]
pub(super) struct Places {
    /// Conditions that were typed; they come first.
    pub(super) texts: usize,
}

impl Places {
    /// A failure of the query.
    pub(super) fn refusal(self, error: &CallError) -> Refusal {
        place(remote::call_failed(error), self.texts).into()
    }
}

/// A page of records.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is put together from the connector's bytes")]
pub(super) struct Page {
    records: Vec<Value>,
    count: u32,
    /// The `cursor` of the following page.
    next: Option<String>,
    total: Option<u64>,
    /// What `since` takes the next time.
    state: Option<String>,
}

#[utoipa::path(
    post,
    path = "/v1/connections/{name}/query",
    operation_id = "records_query",
    summary = "One page of records, or all of them as a stream where NDJSON is accepted",
    params(("name" = String, Path, description = "Name of the connection, or connector:name")),
    request_body = Asked,
    responses((status = OK, content((Page = "application/json"), (String = "application/x-ndjson")))),
)]
pub(super) async fn query(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Given(asked): Given<Asked>,
) -> Answer {
    let connection = server.connection(&name).await?;
    let (request, places) = asked.on(&connection).await?;
    if streaming::is_wanted(&headers) {
        let pages = connection.query(request).await.map_err(|e| places.refusal(&e))?;
        return streaming::answer(&server, pages, places).await;
    }
    let mut activity = connection.activity().await.map_err(|e| Refusal::from(&e))?;
    let canceller = activity.canceller();
    let page = server.closing.call(canceller, activity.query(&request)).await.map_err(|e| places.refusal(&e))?;
    let mut text = b"{\"records\":[".to_vec();
    list_into(&mut text, &page.records, usize::MAX, true);
    let rest = json!({ "count": page.count, "next": page.next, "total": page.total, "state": page.state }).to_string();
    text.extend_from_slice(format!("],{}", rest.trim_start_matches('{')).as_bytes());
    Ok(raw_json(text))
}

/// Appends the first `room` records of a page as members of a JSON list. Answers how many those are, and how many the page has.
pub(super) fn list_into(text: &mut Vec<u8>, records: &[u8], room: usize, is_first: bool) -> (usize, usize) {
    let lines = records.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let mut all = 0;
    for (index, line) in lines.enumerate() {
        all += 1;
        if index < room {
            text.extend_from_slice(if index == 0 && is_first { b"" } else { b"," });
            text.extend_from_slice(line);
        }
    }
    (all.min(room), all)
}

/// How a write is made; its records are the body, NDJSON.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct How {
    object: String,
    #[serde(default)]
    continue_on_error: bool,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    upsert: bool,
    /// Names of fields, with commas between them.
    #[serde(default)]
    match_on: String,
}

/// What became of each record, in order.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is put together from the connector's bytes")]
pub(super) struct Written {
    outcomes: Vec<WrittenRecord>,
}

/// What became of one.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is put together from the connector's bytes")]
struct WrittenRecord {
    /// From 1.
    row: u64,
    /// `applied`, `failed`, `unknown` or `skipped`.
    outcome: String,
    /// What the remote holds now, of one that is applied.
    #[schema(required = false)]
    record: Value,
    #[schema(nullable = false)]
    error: Option<Told>,
}

type Writing = (State<Arc<Server>>, Path<String>, How, Bytes);

macro_rules! writes {
    ($($function:ident $verb:ident $path:literal),*) => { $(
        #[utoipa::path(
            post,
            path = $path,
            operation_id = concat!("records_", stringify!($function)),
            summary = concat!("A ", stringify!($function), " of the records of the body: one outcome each, in order"),
            params(("name" = String, Path, description = "Name of the connection, or connector:name"), How),
            request_body(content = String, content_type = "application/x-ndjson"),
            responses((status = OK, body = Written)),
        )]
        pub(super) async fn $function(
            State(server): State<Arc<Server>>,
            Path(name): Path<String>,
            Parameters(how): Parameters<How>,
            Lines(body): Lines,
        ) -> Answer {
            write(Verb::$verb, (State(server), Path(name), how, body)).await
        }
    )* };
}
writes!(
    create Create "/v1/connections/{name}/create",
    update Update "/v1/connections/{name}/update",
    delete Delete "/v1/connections/{name}/delete"
);

/// Looks up what became of records whose outcome is unknown: the body is theirs, NDJSON, and the rest as the write was asked for.
#[utoipa::path(
    post,
    path = "/v1/connections/{name}/resolve/{by}",
    operation_id = "records_resolve",
    params(("name" = String, Path, description = "Name of the connection, or connector:name"), ("by" = String, Path, description = "create, update or delete"), How),
    request_body(content = String, content_type = "application/x-ndjson"),
    responses((status = OK, body = Written)),
)]
pub(super) async fn resolve(
    State(server): State<Arc<Server>>,
    Path((name, by)): Path<(String, String)>,
    Parameters(how): Parameters<How>,
    Lines(body): Lines,
) -> Answer {
    let by = match by.as_str() {
        "create" => WrittenBy::Create,
        "update" => WrittenBy::Update,
        "delete" => WrittenBy::Delete,
        _ => return Err(refusal("not-found", "records are written by create, update or delete")),
    };
    let request = requested(how, body);
    let mut activity = server.activity(&name).await?;
    let outcomes = server.closing.call(activity.canceller(), activity.resolve(by, &request)).await;
    Ok(answered(&outcomes.map_err(|e| Refusal::from(&e))?))
}

async fn write(verb: Verb, (State(server), Path(name), how, body): Writing) -> Answer {
    let request = requested(how, body);
    let mut activity = server.activity(&name).await?;
    // In a task of its own: who asked may go away, and then a write must not be broken off in the middle. Counted before it runs: who
    // asked may go away, and the process be told to end, before anybody gets to it.
    let counted = server.closing.begins();
    let written = tokio::spawn(async move {
        let _counted = counted;
        let canceller = activity.canceller();
        let call = async {
            match verb {
                Verb::Create => activity.create(&request).await,
                Verb::Update => activity.update(&request).await,
                Verb::Delete => activity.delete(&request).await,
            }
        };
        server.closing.call(canceller, call).await
    });
    let written = written.await;
    let lost = |_| refusal("internal", "the write came to an end that nobody expected");
    let outcomes = written.map_err(lost)?.map_err(|e| Refusal::from(&e))?;
    Ok(answered(&outcomes))
}

/// What a write asks for.
fn requested(how: How, body: Bytes) -> WriteRequest {
    WriteRequest {
        mode: if how.upsert { WriteMode::Upsert } else { WriteMode::Strict },
        match_on: how.match_on.split(',').filter(|field| !field.is_empty()).map(str::to_owned).collect(),
        continue_on_error: how.continue_on_error,
        validate_only: how.dry_run,
        ..WriteRequest::new(how.object, body)
    }
}

fn answered(outcomes: &[Outcome]) -> Response {
    let mut text = b"{\"outcomes\":[".to_vec();
    for (row, outcome) in (1..).zip(outcomes) {
        crate::outcomes::line_into(row, outcome, &mut text);
        // The line's end is white space between two members of a list.
        text.extend_from_slice(if row < outcomes.len() as u64 { b"," } else { b"" });
    }
    text.extend_from_slice(b"]}\n");
    raw_json(text)
}

impl Server {
    /// A new activity of the connection of this name.
    async fn activity(self: &Arc<Self>, name: &str) -> Answer<Activity> {
        self.connection(name).await?.activity().await.map_err(|e| Refusal::from(&e))
    }
}
