//! Who serves: this process, and the other agents of its group as they answer now.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::IntoParams;

use super::answer::{Answer, refusal};
use super::state::Server;
use crate::agents::{Group, ask};
use crate::variables::host_name;

/// What this process says of itself.
#[utoipa::path(
    get,
    path = "/v1/agent",
    operation_id = "agents_this",
    responses((status = OK, body = Value)),
)]
pub(super) async fn this(State(server): State<Arc<Server>>) -> Json<Value> {
    Json(Value::Object(introduction(&server)))
}

fn introduction(server: &Server) -> Map<String, Value> {
    let connectors: Vec<Value> = server
        .connectors()
        .iter()
        .map(|serving| {
            let connector = serving.loaded.deployment.connector();
            json!({ "name": serving.name, "version": connector.info().version, "digest": connector.digest() })
        })
        .collect();
    let name = server.agent().map_or_else(host_name, str::to_owned);
    [
        ("name", json!(name)),
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("environment", json!(server.session.global.environment)),
        ("connectors", json!(connectors)),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into_iter()
    .collect()
}

/// Whose agents are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Whose {
    /// The active environment, if none is named.
    environment: Option<String>,
}

/// The agents of an environment's group as they answer now; this process alone, where there is no group.
#[utoipa::path(
    get,
    path = "/v1/agents",
    operation_id = "agents_list",
    params(Whose),
    responses((status = OK, body = Value)),
)]
pub(super) async fn list(
    State(server): State<Arc<Server>>,
    whose: std::result::Result<Query<Whose>, QueryRejection>,
) -> Answer<Json<Value>> {
    let Query(whose) = whose.map_err(|e| refusal(e.status(), "invalid-request", &e.body_text()))?;
    let items = match Group::of(&server.session, whose.environment.as_deref())? {
        Some(group) => ask::list(&server.session, &group, server.agent()).await?,
        None => {
            let mut item = introduction(&server);
            item.extend(
                [("group", Value::Null), ("self", json!(true)), ("reachable", json!(true))]
                    .map(|(k, v)| (k.to_owned(), v)),
            );
            vec![Value::Object(item)]
        }
    };
    Ok(Json(json!({ "items": items })))
}
