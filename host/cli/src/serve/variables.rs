//! Variables and environments over HTTP. The value of a hidden one comes in and never goes out.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use connector_host::Secret;
use connector_store::{Kept, NewVariable};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answer::{Answer, Items, Refusal, refusal};
use super::given::Given;
use super::parameters::Parameters;
use super::state::Server;
use crate::commands::environments::{self, ListedEnvironment};
use crate::commands::variables::{ListedVariable, listed};
use crate::error::Result;
use crate::project::failed;
use crate::variables::check_name;

#[utoipa::path(
    get,
    path = "/v1/variables",
    operation_id = "variables_list",
    summary = "Variables, without the values of hidden ones",
    responses((status = OK, body = Items<ListedVariable>)),
)]
pub(super) async fn list(State(server): State<Arc<Server>>) -> Answer<Json<Items<ListedVariable>>> {
    Ok(Json(Items { items: listed(&server.session)? }))
}

/// All of them, and the one that holds here.
#[derive(Serialize, ToSchema)]
pub(super) struct Environments {
    active: Option<String>,
    items: Vec<ListedEnvironment>,
}

#[utoipa::path(
    get,
    path = "/v1/environments",
    operation_id = "variables_environments",
    summary = "Environments that somebody has a value for or that have a group of agents, and the active one",
    responses((status = OK, body = Environments)),
)]
pub(super) async fn environments(State(server): State<Arc<Server>>) -> Answer<Json<Environments>> {
    let session = &server.session;
    Ok(Json(Environments { active: session.global.environment.clone(), items: environments::listed(session)? }))
}

/// A variable as it shall be kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    value: String,
    #[serde(default)]
    hidden: bool,
    description: Option<String>,
    environment: Option<String>,
    /// Whose it is alone.
    connection: Option<String>,
    scope: Option<Scope>,
}

/// For whom a variable holds. Others are not kept, so they cannot be set here.
#[derive(Clone, Copy, Deserialize, PartialEq, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Scope {
    Project,
    Connection,
}

#[utoipa::path(
    put,
    path = "/v1/variables/{variable}",
    operation_id = "variables_set",
    summary = "Keeps a variable",
    params(("variable" = String, Path)),
    request_body = Wanted,
    responses((status = NO_CONTENT)),
)]
pub(super) async fn set(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
    Given(new): Given<Wanted>,
) -> Answer<StatusCode> {
    check_name(&name).map_err(|failure| failure.with("kind", "invalid-request").with("pointer", "/name"))?;
    if new.scope.is_some_and(|scope| (scope == Scope::Connection) != new.connection.is_some()) {
        let message = "the scope `connection` goes with the member `connection`, and no other does";
        return Err(refusal("invalid-request", message));
    }
    let variable = NewVariable {
        name: &name,
        connection: kept(&server, new.connection.as_deref())?,
        environment: new.environment.as_deref(),
        hidden: new.hidden,
        description: new.description.as_deref(),
        value: Secret::new(new.value),
    };
    let store = server.session.project.made_store()?;
    store.set(&variable).map_err(|error| Refusal::from(failed(&error)))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whose value is meant.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Whose {
    environment: Option<String>,
    connection: Option<String>,
}

#[utoipa::path(
    delete,
    path = "/v1/variables/{variable}",
    operation_id = "variables_unset",
    summary = "Forgets a value of a variable",
    params(("variable" = String, Path), Whose),
    responses((status = NO_CONTENT)),
)]
pub(super) async fn unset(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
    Parameters(whose): Parameters<Whose>,
) -> Answer<StatusCode> {
    let of = kept(&server, whose.connection.as_deref())?;
    let gone = match server.session.project.store()? {
        Some(store) => {
            store.unset(&name, of, whose.environment.as_deref()).map_err(|error| Refusal::from(failed(&error)))?
        }
        None => false,
    };
    if gone {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(refusal("not-found", format!("the store has no such value of the variable `{name}`")))
}

fn kept(server: &Server, connection: Option<&str>) -> Result<Option<Kept>> {
    Ok(connection.map(|name| server.session.project.connection(name)).transpose()?.and_then(|saved| saved.kept))
}
