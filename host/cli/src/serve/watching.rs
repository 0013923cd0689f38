//! What operators ask: metrics, versions, connections.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use connector_host::{DeploymentState, SwapError};
use serde_json::{Value, json};

use super::answer::{Answer, refusal};
use super::state::{Server, Serving};
use crate::error::Failures;

#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "watching_metrics",
    summary = "Metrics for Prometheus",
    responses((status = OK, body = String, content_type = "text/plain")),
)]
pub(super) async fn metrics(State(server): State<Arc<Server>>) -> Answer {
    let text = server.telemetry.exposition();
    let text = text.map_err(|e| refusal(StatusCode::INTERNAL_SERVER_ERROR, "internal", &e.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

#[utoipa::path(
    get,
    path = "/v1/deployments",
    operation_id = "watching_deployments",
    summary = "Which version of each connector serves",
    responses((status = OK, body = Value)),
)]
pub(super) async fn deployments(State(server): State<Arc<Server>>) -> Json<Value> {
    let connectors = server.connectors();
    Json(connectors.iter().map(|one| state(&one.loaded.deployment.state(), one.upkeep.refused())).collect())
}

fn state(state: &DeploymentState, refused: Option<String>) -> Value {
    let versions: Vec<Value> = state
        .versions
        .iter()
        .map(|version| {
            json!({
                "version": version.version,
                "digest": version.digest,
                "role": version.role.name(),
                "since": version.since.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default(),
                "activities": version.activities,
                "calls_in_flight": version.calls_in_flight,
                "calls": version.calls,
                "errors": version.errors,
                "faults": version.faults,
            })
        })
        .collect();
    json!({ "connector": state.connector, "connections": state.connections, "versions": versions, "refused": refused })
}

/// Now, and whatever was tried before, to the version that is in use in the project. Answers when the old one has come to its end.
#[utoipa::path(
    post,
    path = "/v1/deployments/{connector}/swap",
    operation_id = "watching_swap",
    params(("connector" = String, Path)),
    responses((status = OK, body = Value)),
)]
pub(super) async fn swap(State(server): State<Arc<Server>>, Path(connector): Path<String>) -> Answer<Json<Value>> {
    let serving = server.deployment(&connector)?;
    let conflict = |message: String| refusal(StatusCode::CONFLICT, "conflict", &message);
    // In a task of its own: a swap does not stop because whoever asked for it has gone.
    let swapped = tokio::spawn(async move {
        let switched = serving.upkeep.swap(&server, &serving).await?;
        Ok(switched.drained().await)
    })
    .await;
    let swapped = swapped.map_err(|_| conflict("the swap came to an end that nobody expected".to_owned()))?;
    let report = swapped.map_err(|failures: Failures| conflict(failures.in_one_line()))?;
    Ok(Json(json!({
        "from": report.from.info().version,
        "to": report.to.info().version,
        "cancelled": report.cancelled,
        "switched_after_ms": u64::try_from(report.switched_after.as_millis()).unwrap_or(u64::MAX),
    })))
}

/// Back to the version that served before, at once; and in the project too, so that the next process begins with it.
#[utoipa::path(
    post,
    path = "/v1/deployments/{connector}/rollback",
    operation_id = "watching_rollback",
    params(("connector" = String, Path)),
    responses((status = OK, body = Value)),
)]
pub(super) async fn rollback(State(server): State<Arc<Server>>, Path(connector): Path<String>) -> Answer<Json<Value>> {
    let conflict = |error: SwapError| refusal(StatusCode::CONFLICT, "conflict", &error.to_string());
    let deployed = server.deployment(&connector)?;
    let serving = deployed.loaded.deployment.rollback().map_err(conflict)?;
    let not_kept = deployed.upkeep.went_back(&serving).await.err().map(|failures| failures.in_one_line());
    Ok(Json(json!({ "serving": serving.info().version, "digest": serving.digest(), "not_kept": not_kept })))
}

#[utoipa::path(
    get,
    path = "/v1/connections/{name}/status",
    operation_id = "watching_status",
    summary = "What a connection does, and what is left of the store's quota",
    params(("name" = String, Path, description = "Name of the connection, or connector:name")),
    responses((status = OK, body = Value)),
)]
pub(super) async fn status(State(server): State<Arc<Server>>, Path(name): Path<String>) -> Answer<Json<Value>> {
    let status = server.connection(&name).await?.status();
    let quotas: Vec<Value> = status
        .quotas
        .iter()
        .map(|quota| {
            json!({
                "store": quota.bucket,
                "limit": quota.limit,
                "left": quota.left,
                "in_flight": quota.in_flight,
                "waiting": quota.waiting,
                "held_ms": quota.held_for.map(|held| u64::try_from(held.as_millis()).unwrap_or(u64::MAX)),
            })
        })
        .collect();
    Ok(Json(json!({
        "requests": status.requests,
        "in_flight": status.in_flight,
        "bytes_read": status.bytes_read,
        "sockets": status.sockets,
        "quotas": quotas,
    })))
}

impl Server {
    /// The connector of this name, if it serves.
    fn deployment(&self, connector: &str) -> Answer<Arc<Serving>> {
        let serving = self.connectors().into_iter().find(|serving| serving.name == connector);
        let missing =
            || refusal(StatusCode::NOT_FOUND, "not-found", &format!("no connector `{connector}` serves here"));
        serving.ok_or_else(missing)
    }
}

/// JSON that is put together here.
pub(super) fn raw_json(text: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
