//! Activities over HTTP, and a look at what a query brings.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use connector_host::CallError;
use connector_host::contract::{ErrorKind, QueryRequest};
use connector_store::Saved;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::answer::{Answer, Items, refusal};
use super::connections::Named;
use super::given::Given;
use super::records::{Asked, Places, list_into};
use super::state::Server;
use super::watching::raw_json;
use crate::activities;
use crate::activity::Activity;
use crate::args::Activity as Kind;
use crate::commands::describe::consistency;
use crate::error::{Failure, Result};

/// Records of a preview, unless more or fewer are asked for.
const PREVIEW: u64 = 10;
/// At most as many.
const LARGEST_PREVIEW: u64 = 100;

/// How many records or rows a preview shows.
///
/// # Errors
/// More than there may be, or none.
pub(super) fn previewed(limit: Option<u64>) -> Result<u64> {
    let limit = limit.unwrap_or(PREVIEW);
    if (1..=LARGEST_PREVIEW).contains(&limit) {
        return Ok(limit);
    }
    let failure = Failure::new(format!("`limit` is 1 to {LARGEST_PREVIEW}"));
    Err(failure.with("kind", "invalid-request").with("pointer", "/limit").into())
}

#[utoipa::path(
    get,
    path = "/v1/connections/{name}/activities",
    operation_id = "activities_list",
    summary = "The activities of a connection",
    params(("name" = String, Path, description = "Name of the connection, or connector:name")),
    responses((status = OK, body = Items<Activity>)),
)]
pub(super) async fn list(State(server): State<Arc<Server>>, Path(name): Path<String>) -> Answer<Json<Items<Activity>>> {
    let saved = server.session.project.connection(&name)?;
    Ok(Json(Items { items: activities::of(&server.session, &saved)? }))
}

#[utoipa::path(
    post,
    path = "/v1/connections/{name}/activities",
    operation_id = "activities_add",
    summary = "Keeps a new activity",
    params(("name" = String, Path, description = "Name of the connection, or connector:name")),
    request_body = Activity,
    responses((status = CREATED, body = Activity)),
)]
pub(super) async fn add(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
    Given(activity): Given<Activity>,
) -> Answer {
    let saved = server.session.project.connection(&name)?;
    check(&server, &saved, &activity).await?;
    let added = activities::add(&server.session, &saved, &activity)?;
    Ok((StatusCode::CREATED, Json(added)).into_response())
}

/// Refuses an activity that can never run, as far as that can be told now: its texts in any case, and what its query names where the
/// connector can be asked, which plans it and sends nothing.
async fn check(server: &Arc<Server>, saved: &Saved, activity: &Activity) -> Answer<()> {
    activity.check()?;
    if activity.verb != Kind::Query {
        return Ok(());
    }
    let Ok(connection) = server.opened(saved).await else { return Ok(()) };
    let Ok(request) = activity.query(&connection, None).await else { return Ok(()) };
    match connection.explain(&request).await {
        Err(error) if names_nothing(&error) => Err(Places { texts: activity.conditions.len() }.refusal(&error)),
        _ => Ok(()),
    }
}

/// Whether a member of the query is what a connector finds wrong, whatever the remote holds.
fn names_nothing(error: &CallError) -> bool {
    match error {
        CallError::Connector(error) => {
            matches!(error.kind, ErrorKind::InvalidRequest | ErrorKind::Unsupported) && error.pointer.is_some()
        }
        _ => false,
    }
}

type Which = Path<(String, String)>;

#[utoipa::path(
    get,
    path = "/v1/connections/{name}/activities/{activity}",
    operation_id = "activities_show",
    summary = "One activity",
    params(("name" = String, Path, description = "Name of the connection, or connector:name"), ("activity" = String, Path, description = "Name of the activity")),
    responses((status = OK, body = Activity)),
)]
pub(super) async fn show(State(server): State<Arc<Server>>, Path((name, which)): Which) -> Answer<Json<Activity>> {
    let saved = server.session.project.connection(&name)?;
    Ok(Json(activities::one(&server.session, &saved, &which)?))
}

#[utoipa::path(
    put,
    path = "/v1/connections/{name}/activities/{activity}",
    operation_id = "activities_change",
    summary = "Puts this in the place of an activity",
    params(("name" = String, Path, description = "Name of the connection, or connector:name"), ("activity" = String, Path, description = "Name of the activity")),
    request_body = Activity,
    responses((status = OK, body = Activity)),
)]
pub(super) async fn change(
    State(server): State<Arc<Server>>,
    Path((name, which)): Which,
    Given(activity): Given<Activity>,
) -> Answer<Json<Activity>> {
    if activity.revision.is_none() {
        let message = "say in `revision` which revision is changed";
        return Err(Failure::new(message).with("kind", "invalid-request").with("pointer", "/revision").into());
    }
    let saved = server.session.project.connection(&name)?;
    check(&server, &saved, &activity).await?;
    Ok(Json(activities::change(&server.session, &saved, &which, &activity)?))
}

#[utoipa::path(
    delete,
    path = "/v1/connections/{name}/activities/{activity}",
    operation_id = "activities_delete",
    summary = "Deletes an activity",
    params(("name" = String, Path, description = "Name of the connection, or connector:name"), ("activity" = String, Path, description = "Name of the activity")),
    responses((status = NO_CONTENT)),
)]
pub(super) async fn delete(State(server): State<Arc<Server>>, Path((name, which)): Which) -> Answer<StatusCode> {
    let saved = server.session.project.connection(&name)?;
    activities::delete(&server.session, &saved, &which)?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(
    post,
    path = "/v1/connections/{name}/activities/{activity}/duplicate",
    operation_id = "activities_duplicate",
    summary = "Makes a second activity like this one",
    params(("name" = String, Path, description = "Name of the connection, or connector:name"), ("activity" = String, Path, description = "Name of the activity")),
    request_body = Named,
    responses((status = CREATED, body = Activity)),
)]
pub(super) async fn duplicate(
    State(server): State<Arc<Server>>,
    Path((name, which)): Which,
    Given(new): Given<Named>,
) -> Answer {
    let saved = server.session.project.connection(&name)?;
    let copy = activities::copy(&server.session, &saved, &which, &new.name)?;
    Ok((StatusCode::CREATED, Json(copy)).into_response())
}

/// How much is looked at.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Look {
    limit: Option<u64>,
}

/// The first records.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is put together from the connector's bytes")]
pub(super) struct Preview {
    records: Vec<Value>,
    count: u64,
    /// Whether there are others.
    more: bool,
}

/// The first records of a query.
#[utoipa::path(
    post,
    path = "/v1/connections/{name}/activities/{activity}/preview",
    operation_id = "activities_preview",
    params(("name" = String, Path, description = "Name of the connection, or connector:name"), ("activity" = String, Path, description = "Name of the activity")),
    request_body = Look,
    responses((status = OK, body = Preview)),
)]
pub(super) async fn preview(
    State(server): State<Arc<Server>>,
    Path((name, which)): Which,
    Given(look): Given<Look>,
) -> Answer<Response> {
    let limit = previewed(look.limit)?;
    let saved = server.session.project.connection(&name)?;
    let activity = activities::one(&server.session, &saved, &which)?;
    if activity.verb != Kind::Query {
        let message = format!("only a query can be looked at beforehand, and `{which}` is {}", activity.verb.article());
        return Err(refusal("unsupported", message));
    }
    let connection = server.opened(&saved).await?;
    // One record beyond the limit tells that there are more.
    let wanted = activity.max_records.map_or(limit + 1, |most| most.min(limit + 1));
    let request = QueryRequest {
        max_records: Some(wanted),
        page_size: u32::try_from(wanted).ok(),
        ..activity.query(&connection, None).await?
    };
    let places = Places { texts: activity.conditions.len() };
    let mut pages = connection.query(request).await.map_err(|e| places.refusal(&e))?;
    let (mut text, mut count, mut seen) = (b"{\"records\":[".to_vec(), 0, 0);
    while seen < wanted {
        let page = server.closing.call(pages.canceller(), pages.next()).await.map_err(|e| places.refusal(&e))?;
        let Some(page) = page else { break };
        let room = usize::try_from(limit - count).unwrap_or(usize::MAX);
        let (taken, all) = list_into(&mut text, &page.records, room, count == 0);
        count += taken as u64;
        seen += all as u64;
    }
    let more = seen > count;
    text.extend_from_slice(format!("],\"count\":{count},\"more\":{more}}}\n").as_bytes());
    Ok(raw_json(text))
}

/// How a query would be run.
#[derive(Serialize, ToSchema)]
pub(super) struct Explained {
    /// `stable` or `best-effort`.
    consistency: &'static str,
    /// Of a complete read, if that can be told.
    requests: Option<u64>,
    /// For people.
    steps: Vec<String>,
}

/// How a query would be run.
#[utoipa::path(
    post,
    path = "/v1/connections/{name}/explain",
    operation_id = "activities_explain",
    params(("name" = String, Path, description = "Name of the connection, or connector:name")),
    request_body = Asked,
    responses((status = OK, body = Explained)),
)]
pub(super) async fn explain(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
    Given(asked): Given<Asked>,
) -> Answer<Json<Explained>> {
    let connection = server.connection(&name).await?;
    let (request, places) = asked.on(&connection).await?;
    let plan = connection.explain(&request).await.map_err(|e| places.refusal(&e))?;
    let consistency = consistency(plan.consistency).0;
    Ok(Json(Explained { consistency, requests: plan.requests, steps: plan.steps }))
}
