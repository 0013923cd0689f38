//! Operations over HTTP: the files of the project, as JSON. Whoever changes one says which revision was looked at.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::activities::previewed;
use super::answer::{Answer, Items};
use super::connections::Named;
use super::given::Given;
use super::state::Server;
use crate::activity::Mode;
use crate::args::Activity as Verb;
use crate::error::{Failure, Failures, Result};
use crate::error_schema::Told;
use crate::operation::changes::Changes;
use crate::operation::model::Operation;
use crate::operation::preview::Row;
use crate::operation::{check, due, files, preview, runs};

/// An operation in the list.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is put together from maps")]
pub(super) struct ListedOperation {
    name: String,
    /// Why its file cannot be read. Then the rest is missing.
    #[schema(nullable = false)]
    problem: Option<String>,
    #[schema(nullable = false)]
    description: Option<String>,
    /// In words.
    #[schema(nullable = false)]
    source: Option<String>,
    /// In words.
    #[schema(nullable = false)]
    target: Option<String>,
    /// In words.
    #[schema(nullable = false)]
    schedule: Option<String>,
    next_run: Option<String>,
    #[schema(nullable = false)]
    not_run: Option<NotRun>,
    #[schema(required)]
    last_run: Option<runs::Run>,
}

/// Why the last time that was due came to nothing.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is put together from maps")]
struct NotRun {
    due: String,
    reason: String,
}

/// An operation, as its file has it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `operation::model` reads")]
pub(super) struct OperationFile {
    /// Another one than that of the path renames it.
    #[schema(nullable = false)]
    name: Option<String>,
    /// Which one is replaced; of a new one there is none.
    #[schema(nullable = false)]
    revision: Option<String>,
    #[schema(nullable = false)]
    description: Option<String>,
    source: OperationEnd,
    #[schema(nullable = false)]
    mapping: Option<OperationMapping>,
    target: OperationEnd,
    #[schema(nullable = false)]
    run: Option<OperationRun>,
    #[schema(nullable = false)]
    after: Option<OperationAfter>,
    #[schema(nullable = false)]
    schedule: Option<OperationSchedule>,
}

/// A file, an activity, or an activity of its own.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `operation::model` reads")]
struct OperationEnd {
    #[schema(nullable = false)]
    file: Option<String>,
    #[schema(nullable = false)]
    format: Option<String>,
    /// `CONNECTION/ACTIVITY`.
    #[schema(nullable = false)]
    activity: Option<String>,
    #[schema(nullable = false)]
    connection: Option<String>,
    #[schema(nullable = false)]
    verb: Option<Verb>,
    #[schema(nullable = false)]
    object: Option<String>,
    #[schema(nullable = false)]
    fields: Option<Vec<String>>,
    #[schema(nullable = false)]
    r#where: Option<Vec<String>>,
    #[schema(nullable = false)]
    order_by: Option<Vec<String>>,
    #[schema(nullable = false)]
    include: Option<Vec<String>>,
    #[schema(nullable = false)]
    incremental: Option<bool>,
    #[schema(nullable = false)]
    page_size: Option<u32>,
    #[schema(nullable = false)]
    max_records: Option<u64>,
    #[schema(nullable = false)]
    mode: Option<Mode>,
    #[schema(nullable = false)]
    match_on: Option<Vec<String>>,
}

/// A program, or the file of one.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `operation::model` reads")]
struct OperationMapping {
    #[schema(nullable = false)]
    jq: Option<String>,
    #[schema(nullable = false)]
    file: Option<String>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `operation::model` reads")]
struct OperationRun {
    #[schema(nullable = false)]
    batch_size: Option<u64>,
    #[schema(nullable = false)]
    continue_on_error: Option<bool>,
}

/// The operation that runs next.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `operation::model` reads")]
struct OperationAfter {
    #[schema(nullable = false)]
    success: Option<String>,
    #[schema(nullable = false)]
    failure: Option<String>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `operation::model` reads")]
struct OperationSchedule {
    #[schema(nullable = false)]
    every: Option<String>,
    #[schema(nullable = false)]
    cron: Option<String>,
    /// `skip` or `run`.
    #[schema(nullable = false)]
    missed: Option<String>,
}

#[utoipa::path(
    get,
    path = "/v1/operations",
    operation_id = "operations_list",
    summary = "The operations of the project, each with its last run, and its next one if it has a schedule",
    responses((status = OK, body = Items<ListedOperation>)),
)]
pub(super) async fn list(State(server): State<Arc<Server>>) -> Answer<Json<Items<Value>>> {
    let project = &server.session.project;
    let names = files::names(project)?;
    let mut last_runs = runs::last_of(project, &names);
    let mut items = Vec::new();
    for name in names {
        let last = last_runs.remove(&name);
        items.push(match files::load(project, &name).and_then(|saved| saved.operation()) {
            Ok(operation) => {
                let mut item = due::told(project, &name, operation.schedule.as_ref())?;
                item.extend([
                    ("name".to_owned(), json!(name)),
                    ("description".to_owned(), json!(operation.description)),
                    ("source".to_owned(), json!(operation.source.words())),
                    ("target".to_owned(), json!(operation.target.words())),
                    ("last_run".to_owned(), json!(last)),
                ]);
                Value::Object(item)
            }
            Err(failures) => json!({ "name": name, "problem": failures.in_one_line(), "last_run": last }),
        });
    }
    Ok(Json(Items { items }))
}

#[utoipa::path(
    get,
    path = "/v1/operations/{name}",
    operation_id = "operations_show",
    summary = "One operation, as its file has it",
    params(("name" = String, Path, description = "Name of the operation")),
    responses((status = OK, body = OperationFile)),
)]
pub(super) async fn show(State(server): State<Arc<Server>>, Path(name): Path<String>) -> Answer<Json<Value>> {
    Ok(Json(told(&files::load(&server.session.project, &name)?)))
}

fn told(saved: &files::Saved) -> Value {
    let mut value = saved.value.clone();
    if let Value::Object(map) = &mut value {
        map.insert("name".to_owned(), json!(saved.name));
        map.insert("revision".to_owned(), json!(saved.revision));
    }
    value
}

/// Makes an operation or replaces it; another `name` renames it.
#[utoipa::path(
    put,
    path = "/v1/operations/{name}",
    operation_id = "operations_put",
    params(("name" = String, Path, description = "Name of the operation")),
    request_body = OperationFile,
    responses((status = OK, body = OperationFile)),
)]
pub(super) async fn put(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
    Given(mut given): Given<Map<String, Value>>,
) -> Answer<Json<Value>> {
    let (revision, new_name) = taken(&mut given)?;
    server.reach.check(&server.session, &Operation::read(&Value::Object(given.clone()))?)?;
    let new_name = new_name.unwrap_or_else(|| name.clone());
    let put = move |changes: Changes<'_>| changes.put(&name, revision.as_deref(), &new_name, &given);
    Ok(Json(told(&changed(server, put).await?)))
}

/// Takes out what is no part of an operation: the revision that was looked at, and the name that it shall have.
fn taken(given: &mut Map<String, Value>) -> Result<(Option<String>, Option<String>)> {
    let mut text = |key: &str| match given.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => {
            let failure = Failure::new(format!("`{key}` is a text"));
            Err(failure.with("kind", "invalid-request").with("pointer", format!("/{key}")))
        }
    };
    Ok((text("revision")?, text("name")?))
}

/// Makes a change when nobody else is at it, in a thread that may wait for that.
async fn changed<T: Send + 'static>(
    server: Arc<Server>,
    change: impl FnOnce(Changes<'_>) -> Result<T> + Send + 'static,
) -> Result<T> {
    let work = move || change(Changes::begin(&server.session.project)?);
    tokio::task::spawn_blocking(work).await.map_err(|e| Failure::defect("a change has ended").causes_of(&e))?
}

#[utoipa::path(
    delete,
    path = "/v1/operations/{name}",
    operation_id = "operations_delete",
    summary = "Deletes an operation; its runs stay",
    params(("name" = String, Path, description = "Name of the operation")),
    responses((status = NO_CONTENT)),
)]
pub(super) async fn delete(State(server): State<Arc<Server>>, Path(name): Path<String>) -> Answer<StatusCode> {
    changed(server, move |changes| changes.delete(&name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(
    get,
    path = "/v1/operations/{name}/export",
    operation_id = "operations_export",
    summary = "The file of an operation, as it stands in the project: TOML",
    params(("name" = String, Path, description = "Name of the operation")),
    responses((status = OK, body = String, content_type = "application/toml")),
)]
pub(super) async fn export(State(server): State<Arc<Server>>, Path(name): Path<String>) -> Answer<Response> {
    let saved = files::load(&server.session.project, &name)?;
    Ok(([(header::CONTENT_TYPE, "application/toml")], saved.text).into_response())
}

#[utoipa::path(
    post,
    path = "/v1/operations/{name}/duplicate",
    operation_id = "operations_duplicate",
    summary = "Makes a second operation like this one",
    params(("name" = String, Path, description = "Name of the operation")),
    request_body = Named,
    responses((status = CREATED, body = OperationFile)),
)]
pub(super) async fn duplicate(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
    Given(new): Given<Named>,
) -> Answer<(StatusCode, Json<Value>)> {
    server.reach.check(&server.session, &files::load(&server.session.project, &name)?.operation()?)?;
    let made = changed(server, move |changes| changes.duplicate(&name, &new.name)).await?;
    Ok((StatusCode::CREATED, Json(told(&made))))
}

/// What is wrong with it.
#[derive(Serialize, ToSchema)]
pub(super) struct Checked {
    #[schema(value_type = Vec<Told>)]
    errors: Vec<Value>,
}

/// Says what is wrong with an operation on the screen.
#[utoipa::path(
    post,
    path = "/v1/operations/check",
    operation_id = "operations_check",
    request_body = OperationFile,
    responses((status = OK, body = Checked)),
)]
pub(super) async fn check_given(
    State(server): State<Arc<Server>>,
    Given(mut given): Given<Map<String, Value>>,
) -> Answer<Json<Checked>> {
    let (_, name) = taken(&mut given)?;
    // What is out of reach is not looked at: whether it is there is nothing that is told either.
    let reached = Operation::read(&Value::Object(given))
        .and_then(|operation| server.reach.check(&server.session, &operation).map(|()| operation));
    let checked = match reached {
        Ok(operation) => check(&server.session, &name.unwrap_or_default(), &operation).await,
        Err(failures) => Err(failures),
    };
    let failures = checked.err().unwrap_or(Failures(Vec::new()));
    Ok(Json(Checked { errors: failures.0.iter().map(Failure::to_json).collect() }))
}

/// An operation on the screen, and how many rows are wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tried {
    #[schema(value_type = OperationFile)]
    operation: Map<String, Value>,
    limit: Option<u64>,
}

/// The first rows, and what becomes of them.
#[derive(Serialize, ToSchema)]
pub(super) struct Previewed {
    rows: Vec<Row>,
}

#[utoipa::path(
    post,
    path = "/v1/operations/preview",
    operation_id = "operations_preview",
    summary = "What an operation on the screen makes of its first rows; writes nothing",
    request_body = Tried,
    responses((status = OK, body = Previewed)),
)]
pub(super) async fn preview_given(
    State(server): State<Arc<Server>>,
    Given(mut given): Given<Tried>,
) -> Answer<Json<Previewed>> {
    let limit = previewed(given.limit)?;
    taken(&mut given.operation)?;
    let operation = Operation::read(&Value::Object(given.operation))?;
    server.reach.check(&server.session, &operation)?;
    let rows = preview(&server.session, &operation, limit).await?;
    Ok(Json(Previewed { rows }))
}
