//! Operations over HTTP: the files of the project, as JSON. Whoever changes one says which revision was looked at.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::answer::Answer;
use super::connections::Named;
use super::given::Given;
use super::state::Server;
use crate::error::{Failure, Failures, Result};
use crate::operation::changes::Changes;
use crate::operation::model::Operation;
use crate::operation::{check, due, files, preview, runs};

#[utoipa::path(
    get,
    path = "/v1/operations",
    operation_id = "operations_list",
    summary = "The operations of the project, each with its last run, and its next one if it has a schedule",
    responses((status = OK, body = Value)),
)]
pub(super) async fn list(State(server): State<Arc<Server>>) -> Answer<Json<Value>> {
    let project = &server.session.project;
    let all = runs::list(project, None);
    let mut items = Vec::new();
    for name in files::names(project)? {
        let last = all.iter().find(|run| run.operation == name);
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
    Ok(Json(json!({ "items": items })))
}

#[utoipa::path(
    get,
    path = "/v1/operations/{name}",
    operation_id = "operations_show",
    summary = "One operation, as its file has it",
    params(("name" = String, Path, description = "Name of the operation")),
    responses((status = OK, body = Value)),
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
    request_body = Value,
    responses((status = OK, body = Value)),
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
    post,
    path = "/v1/operations/{name}/duplicate",
    operation_id = "operations_duplicate",
    summary = "Makes a second operation like this one",
    params(("name" = String, Path, description = "Name of the operation")),
    request_body = Named,
    responses((status = CREATED, body = Value)),
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

/// Says what is wrong with an operation on the screen.
#[utoipa::path(
    post,
    path = "/v1/operations/check",
    operation_id = "operations_check",
    request_body = Value,
    responses((status = OK, body = Value)),
)]
pub(super) async fn check_given(
    State(server): State<Arc<Server>>,
    Given(mut given): Given<Map<String, Value>>,
) -> Answer<Json<Value>> {
    let (_, name) = taken(&mut given)?;
    // What is out of reach is not looked at: whether it is there is nothing that is told either.
    let reached = Operation::read(&Value::Object(given))
        .and_then(|operation| server.reach.check(&server.session, &operation).map(|()| operation));
    let checked = match reached {
        Ok(operation) => check(&server.session, &name.unwrap_or_default(), &operation).await,
        Err(failures) => Err(failures),
    };
    let failures = checked.err().unwrap_or(Failures(Vec::new()));
    let errors: Vec<Value> = failures.0.iter().map(Failure::to_json).collect();
    Ok(Json(json!({ "errors": errors })))
}

/// An operation on the screen, and how many rows are wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tried {
    #[schema(value_type = Value)]
    operation: Map<String, Value>,
    #[serde(default = "few")]
    limit: u64,
}

fn few() -> u64 {
    5
}

/// Rows of a preview at most.
const MOST_ROWS: u64 = 100;

#[utoipa::path(
    post,
    path = "/v1/operations/preview",
    operation_id = "operations_preview",
    summary = "What an operation on the screen makes of its first rows; writes nothing",
    request_body = Tried,
    responses((status = OK, body = Value)),
)]
pub(super) async fn preview_given(
    State(server): State<Arc<Server>>,
    Given(mut given): Given<Tried>,
) -> Answer<Json<Value>> {
    taken(&mut given.operation)?;
    let operation = Operation::read(&Value::Object(given.operation))?;
    server.reach.check(&server.session, &operation)?;
    let rows = preview(&server.session, &operation, given.limit.min(MOST_ROWS)).await?;
    Ok(Json(json!({ "rows": rows })))
}
