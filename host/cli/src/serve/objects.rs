//! What a connection can read and write.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Refusal, refusal};
use super::state::Server;
use crate::commands::describe::as_json;
use crate::commands::objects::to_json;
use crate::session::describe;

/// Asked of the connector each time.
pub(super) async fn list(State(server): State<Arc<Server>>, Path(name): Path<String>) -> Answer<Json<Value>> {
    let objects = server.connection(&name).await?.list_objects().await.map_err(|e| Refusal::from(&e))?;
    Ok(Json(json!({ "items": to_json(&objects) })))
}

/// Which object. Names hold `/`, so they do not stand in the path.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    object: String,
}

pub(super) async fn schema(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
    which: Result<Query<Which>, QueryRejection>,
) -> Answer<Json<Value>> {
    let Query(Which { object }) = which.map_err(|e| refusal(e.status(), "invalid-request", &e.body_text()))?;
    let connection = server.connection(&name).await?;
    let described = describe(&connection, &object).await?;
    let mut answer = as_json(&described, &object)?;
    let objects = connection.list_objects().await.map_err(|e| Refusal::from(&e))?;
    let under = objects.iter().filter(|one| one.parent.as_deref() == Some(object.as_str()));
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("sub_objects".into(), under.map(|one| json!(one.name)).collect());
    }
    Ok(Json(answer))
}
