//! Connections over HTTP: what the project has, changed as a whole and checked by the connector before it is kept. A secret comes
//! in and never goes out.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use connector_store::{Dependent, Saved, StoreError, check_name};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::answer::{Answer, Items, Refusal, refusal};
use super::given::Given;
use super::parameters::Parameters;
use super::state::{Condition, Server};
use crate::activities;
use crate::commands::connection::described;
use crate::dependents;
use crate::draft::Draft;
use crate::error::Result;
use crate::project::{bad_name, failed};
use crate::settings::{pointer, shown};

/// A connection in the list.
#[derive(Serialize, ToSchema)]
pub(super) struct ListedConnection {
    /// How many it has.
    activities: usize,
    connector: String,
    name: String,
    /// Why it does not open.
    problem: Option<String>,
    revision: Option<i64>,
    state: ConnectionState,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum ConnectionState {
    NotOpened,
    Open,
    Failed,
}

#[utoipa::path(
    get,
    path = "/v1/connections",
    operation_id = "connections_list",
    summary = "The connections of the project",
    responses((status = OK, body = Items<ListedConnection>)),
)]
pub(super) async fn list(State(server): State<Arc<Server>>) -> Answer<Json<Items<ListedConnection>>> {
    let mut items = Vec::new();
    for saved in server.session.project.connections()? {
        let (state, problem) = match server.condition(&saved) {
            Condition::NotOpened => (ConnectionState::NotOpened, None),
            Condition::Open => (ConnectionState::Open, None),
            Condition::Failed(problem) => (ConnectionState::Failed, Some(problem)),
        };
        let activities = activities::of(&server.session, &saved)?.len();
        let revision = saved.kept.map(|kept| kept.revision());
        let (name, connector) = (saved.name, saved.connector);
        items.push(ListedConnection { activities, connector, name, problem, revision, state });
    }
    Ok(Json(Items { items }))
}

/// A new connection.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    name: String,
    connector: Option<String>,
    #[serde(default)]
    settings: Map<String, Value>,
    #[serde(default)]
    grants: Vec<String>,
    #[schema(value_type = Option<String>)]
    ca_file: Option<PathBuf>,
}

#[utoipa::path(
    post,
    path = "/v1/connections",
    operation_id = "connections_add",
    summary = "Checks a connection and keeps it",
    request_body = New,
    responses((status = CREATED, body = KeptConnection)),
)]
pub(super) async fn add(State(server): State<Arc<Server>>, Given(new): Given<New>) -> Answer {
    check_name(&new.name).map_err(|reason| bad_name(&new.name, reason))?;
    let serving = server.serving_named(new.connector.as_deref()).await?;
    let mut draft = Draft::from(Saved::new(&serving.name, &new.name));
    server.reach.check_ca_file(&server.session, new.ca_file.as_deref(), None)?;
    draft.saved.ca_file = new.ca_file;
    draft.grant(&new.grants)?;
    draft.set(new.settings, &serving.schema()?)?;
    let name = draft.saved.full_name();
    keep(&server, draft).await?;
    let location = format!("/v1/connections/{}", percent(&new.name));
    let body = told(&server, &server.session.project.connection(&name)?).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(body)).into_response())
}

/// A name as it stands in a path.
fn percent(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    name.bytes().map(one).collect()
}

/// Checks a connection as it would be, and saves it.
async fn keep(server: &Arc<Server>, draft: Draft) -> Answer<()> {
    let serving = server.serving(Some(&draft.saved.connector)).await?;
    draft.open(&server.session, &serving.loaded).await?;
    Ok(draft.save(&server.session)?)
}

/// A connection as it is told.
#[derive(Serialize, ToSchema)]
pub(super) struct KeptConnection {
    ca_file: Option<String>,
    connector: String,
    grants: Vec<String>,
    /// JSON pointers to the secret settings.
    hidden: Vec<String>,
    name: String,
    revision: Option<i64>,
    /// Of secrets the variables, never values.
    settings: Map<String, Value>,
}

async fn told(server: &Arc<Server>, saved: &Saved) -> Result<KeptConnection> {
    let schema = match server.serving(Some(&saved.connector)).await {
        Ok(serving) if serving.name == saved.connector => Some(serving.schema()?),
        _ => None,
    };
    let hidden = |key: &&String| schema.as_ref().is_none_or(|schema| schema.is_secret(key));
    let hidden: Vec<String> = saved.settings.keys().filter(hidden).map(|key| pointer(key)).collect();
    Ok(KeptConnection {
        ca_file: saved.ca_file.as_ref().map(|path| path.display().to_string()),
        connector: saved.connector.clone(),
        grants: saved.grants.iter().map(ToString::to_string).collect(),
        hidden,
        name: saved.name.clone(),
        revision: saved.kept.map(|kept| kept.revision()),
        settings: shown(saved, schema.as_ref()),
    })
}

#[utoipa::path(
    get,
    path = "/v1/connections/{name}",
    operation_id = "connections_show",
    summary = "One connection: of secrets the variables, never values",
    params(("name" = String, Path, description = "Name of the connection, or connector:name")),
    responses((status = OK, body = KeptConnection)),
)]
pub(super) async fn show(State(server): State<Arc<Server>>, Path(name): Path<String>) -> Answer<Json<KeptConnection>> {
    Ok(Json(told(&server, &server.session.project.connection(&name)?).await?))
}

/// A connection as it shall be from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Changed {
    revision: i64,
    name: Option<String>,
    settings: Map<String, Value>,
    grants: Option<Vec<String>>,
    /// Left out: as it is. Null: none.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    ca_file: Option<Option<PathBuf>>,
}

/// Tells null from a member that is missing.
fn present<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(from: D) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

#[utoipa::path(
    put,
    path = "/v1/connections/{name}",
    operation_id = "connections_change",
    summary = "Puts this in the place of a connection",
    params(("name" = String, Path, description = "Name of the connection, or connector:name")),
    request_body = Changed,
    responses((status = OK, body = KeptConnection)),
)]
pub(super) async fn change(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
    Given(changed): Given<Changed>,
) -> Answer<Json<KeptConnection>> {
    let saved = server.session.project.connection(&name)?;
    if saved.kept.map(|kept| kept.revision()) != Some(changed.revision) {
        return Err(failed(&StoreError::ChangedMeanwhile(saved.name)).into());
    }
    let serving = server.serving(Some(&saved.connector)).await?;
    let mut draft = Draft::from(saved);
    if let Some(name) = changed.name {
        draft.saved.name = name;
    }
    if let Some(grants) = changed.grants {
        draft.grant(&grants)?;
    }
    if let Some(ca_file) = changed.ca_file {
        server.reach.check_ca_file(&server.session, ca_file.as_deref(), draft.saved.ca_file.as_deref())?;
        draft.saved.ca_file = ca_file;
    }
    draft.set(changed.settings, &serving.schema()?)?;
    check_name(&draft.saved.name).map_err(|reason| bad_name(&draft.saved.name, reason))?;
    let name = draft.saved.full_name();
    keep(&server, draft).await?;
    Ok(Json(told(&server, &server.session.project.connection(&name)?).await?))
}

/// What a delete may take along.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Deleting {
    #[param(inline)]
    dependents: Option<Dependents>,
}

#[derive(Deserialize, PartialEq, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Dependents {
    Delete,
}

#[utoipa::path(
    delete,
    path = "/v1/connections/{name}",
    operation_id = "connections_delete",
    summary = "Deletes a connection, if nothing depends on it",
    params(("name" = String, Path, description = "Name of the connection, or connector:name"), Deleting),
    responses((status = NO_CONTENT)),
)]
pub(super) async fn delete(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
    Parameters(how): Parameters<Deleting>,
) -> Answer<StatusCode> {
    let saved = server.session.project.connection(&name)?;
    let dependents = depending(&server, &saved)?;
    if !dependents.is_empty() && how.dependents.is_none() {
        let message = format!(
            "other things depend on the connection `{}`: ?dependents=delete deletes it with what is its own",
            saved.name
        );
        return Err(refusal("conflict", message).with("dependents", dependents));
    }
    server.session.project.made_store()?.delete(&saved).map_err(|error| Refusal::from(failed(&error)))?;
    server.close_changed(&saved.connector);
    Ok(StatusCode::NO_CONTENT)
}

/// What is lost or stops working with a connection.
#[derive(Serialize, ToSchema)]
pub(super) struct ListedDependent {
    /// `activity`, `operation` or `hidden variable`.
    kind: &'static str,
    name: String,
}

fn depending(server: &Server, saved: &Saved) -> Result<Vec<ListedDependent>> {
    let all = dependents::of(&server.session, saved)?.into_iter();
    Ok(all.map(|Dependent { kind, name }| ListedDependent { kind, name }).collect())
}

#[utoipa::path(
    get,
    path = "/v1/connections/{name}/dependents",
    operation_id = "connections_dependents",
    summary = "What is lost with a connection",
    params(("name" = String, Path, description = "Name of the connection, or connector:name")),
    responses((status = OK, body = Items<ListedDependent>)),
)]
pub(super) async fn dependents(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
) -> Answer<Json<Items<ListedDependent>>> {
    let saved = server.session.project.connection(&name)?;
    Ok(Json(Items { items: depending(&server, &saved)? }))
}

/// The name of something new.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    pub(super) name: String,
}

#[utoipa::path(
    post,
    path = "/v1/connections/{name}/copy",
    operation_id = "connections_copy",
    summary = "Makes a second connection like this one",
    params(("name" = String, Path, description = "Name of the connection, or connector:name")),
    request_body = Named,
    responses((status = CREATED, body = KeptConnection)),
)]
pub(super) async fn copy(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
    Given(new): Given<Named>,
) -> Answer {
    let saved = server.session.project.connection(&name)?;
    let store = server.session.project.made_store()?;
    store.copy(&saved, &new.name).map_err(|error| Refusal::from(failed(&error)))?;
    let copy = server.session.project.connection(&format!("{}:{}", saved.connector, new.name))?;
    Ok((StatusCode::CREATED, Json(told(&server, &copy).await?)).into_response())
}

#[utoipa::path(
    get,
    path = "/v1/connections/{name}/export",
    operation_id = "connections_export",
    summary = "A connection as TOML, without secrets",
    params(("name" = String, Path, description = "Name of the connection, or connector:name")),
    responses((status = OK, body = String, content_type = "application/toml")),
)]
pub(super) async fn export(State(server): State<Arc<Server>>, Path(name): Path<String>) -> Answer<Response> {
    let saved = server.session.project.connection(&name)?;
    let text = described(&server.session, vec![saved])?;
    Ok(([(header::CONTENT_TYPE, "application/toml")], text).into_response())
}
