//! What a connection can read and write.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer::{Answer, Items, Refusal};
use super::parameters::Parameters;
use super::state::Server;
use crate::commands::describe::{DescribedObject, for_programs};
use crate::commands::objects::{ListedObject, listed};
use crate::session::describe;

/// Asked of the connector each time.
#[utoipa::path(
    get,
    path = "/v1/connections/{name}/objects",
    operation_id = "objects_list",
    params(("name" = String, Path, description = "Name of the connection, or connector:name")),
    responses((status = OK, body = Items<ListedObject>)),
)]
pub(super) async fn list(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
) -> Answer<Json<Items<ListedObject>>> {
    let objects = server.connection(&name).await?.list_objects().await.map_err(|e| Refusal::from(&e))?;
    Ok(Json(Items { items: listed(&objects) }))
}

/// Which object. Names hold `/`, so they do not stand in the path.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    object: String,
}

#[utoipa::path(
    get,
    path = "/v1/connections/{name}/schema",
    operation_id = "objects_schema",
    summary = "Fields, abilities and JSON Schemas of an object",
    params(("name" = String, Path, description = "Name of the connection, or connector:name"), Which),
    responses((status = OK, body = DescribedObject)),
)]
pub(super) async fn schema(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
    Parameters(Which { object }): Parameters<Which>,
) -> Answer<Json<DescribedObject>> {
    let connection = server.connection(&name).await?;
    let described = describe(&connection, &object).await?;
    let mut answer = for_programs(&described, &object)?;
    let objects = connection.list_objects().await.map_err(|e| Refusal::from(&e))?;
    let under = objects.iter().filter(|one| one.parent.as_deref() == Some(object.as_str()));
    answer.sub_objects = Some(under.map(|one| one.name.clone()).collect());
    Ok(Json(answer))
}
