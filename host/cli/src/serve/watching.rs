//! What operators ask: metrics, versions, connections.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use connector_host::{DeploymentState, QuotaStatus, SwapError, VersionState};
use serde::Serialize;
use utoipa::ToSchema;

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
    let text = text.map_err(|e| refusal("internal", e.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// A connector that serves.
#[derive(Serialize, ToSchema)]
pub(super) struct Deployment {
    connections: usize,
    connector: String,
    /// Why the version that is in use in the project does not serve.
    refused: Option<String>,
    versions: Vec<DeployedVersion>,
}

/// A version of it.
#[derive(Serialize, ToSchema)]
struct DeployedVersion {
    activities: u32,
    calls: u64,
    calls_in_flight: u32,
    digest: String,
    errors: u64,
    faults: u64,
    role: &'static str,
    /// Seconds since the beginning of 1970.
    since: u64,
    version: String,
}

#[utoipa::path(
    get,
    path = "/v1/deployments",
    operation_id = "watching_deployments",
    summary = "Which version of each connector serves",
    responses((status = OK, body = [Deployment])),
)]
pub(super) async fn deployments(State(server): State<Arc<Server>>) -> Json<Vec<Deployment>> {
    let connectors = server.connectors();
    Json(connectors.iter().map(|one| state(one.loaded.deployment.state(), one.upkeep.refused())).collect())
}

fn state(state: DeploymentState, refused: Option<String>) -> Deployment {
    let version = |version: VersionState| DeployedVersion {
        activities: version.activities,
        calls: version.calls,
        calls_in_flight: version.calls_in_flight,
        digest: version.digest,
        errors: version.errors,
        faults: version.faults,
        role: version.role.name(),
        since: version.since.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default(),
        version: version.version,
    };
    let versions = state.versions.into_iter().map(version).collect();
    Deployment { connections: state.connections, connector: state.connector, refused, versions }
}

/// A swap that has come to its end.
#[derive(Serialize, ToSchema)]
pub(super) struct Swapped {
    /// Activities of the old version that were cancelled.
    cancelled: u32,
    from: String,
    switched_after_ms: u64,
    to: String,
}

/// Now, and whatever was tried before, to the version that is in use in the project. Answers when the old one has come to its end.
#[utoipa::path(
    post,
    path = "/v1/deployments/{connector}/swap",
    operation_id = "watching_swap",
    params(("connector" = String, Path)),
    responses((status = OK, body = Swapped)),
)]
pub(super) async fn swap(State(server): State<Arc<Server>>, Path(connector): Path<String>) -> Answer<Json<Swapped>> {
    let serving = server.deployment(&connector)?;
    let conflict = |message: String| refusal("conflict", message);
    // In a task of its own: a swap does not stop because whoever asked for it has gone.
    let swapped = tokio::spawn(async move {
        let switched = serving.upkeep.swap(&server, &serving).await?;
        Ok(switched.drained().await)
    })
    .await;
    let swapped = swapped.map_err(|_| conflict("the swap came to an end that nobody expected".to_owned()))?;
    let report = swapped.map_err(|failures: Failures| conflict(failures.in_one_line()))?;
    Ok(Json(Swapped {
        cancelled: report.cancelled,
        from: report.from.info().version.clone(),
        switched_after_ms: u64::try_from(report.switched_after.as_millis()).unwrap_or(u64::MAX),
        to: report.to.info().version.clone(),
    }))
}

/// What serves again.
#[derive(Serialize, ToSchema)]
pub(super) struct WentBack {
    digest: String,
    /// Why the next process will not begin with it.
    not_kept: Option<String>,
    serving: String,
}

/// Back to the version that served before, at once; and in the project too, so that the next process begins with it.
#[utoipa::path(
    post,
    path = "/v1/deployments/{connector}/rollback",
    operation_id = "watching_rollback",
    params(("connector" = String, Path)),
    responses((status = OK, body = WentBack)),
)]
pub(super) async fn rollback(
    State(server): State<Arc<Server>>,
    Path(connector): Path<String>,
) -> Answer<Json<WentBack>> {
    let conflict = |error: SwapError| refusal("conflict", error.to_string());
    let deployed = server.deployment(&connector)?;
    let serving = deployed.loaded.deployment.rollback().map_err(conflict)?;
    let not_kept = deployed.upkeep.went_back(&serving).await.err().map(|failures| failures.in_one_line());
    let (digest, serving) = (serving.digest().to_owned(), serving.info().version.clone());
    Ok(Json(WentBack { digest, not_kept, serving }))
}

/// What a connection does.
#[derive(Serialize, ToSchema)]
pub(super) struct ConnectionStatus {
    bytes_read: u64,
    in_flight: u32,
    quotas: Vec<ConnectionQuota>,
    requests: u64,
    sockets: u32,
}

/// An allowance of the remote.
#[derive(Serialize, ToSchema)]
struct ConnectionQuota {
    /// No request is sent for so long.
    held_ms: Option<u64>,
    in_flight: u32,
    left: Option<u32>,
    limit: Option<u32>,
    store: String,
    waiting: u32,
}

#[utoipa::path(
    get,
    path = "/v1/connections/{name}/status",
    operation_id = "watching_status",
    summary = "What a connection does, and what is left of the store's quota",
    params(("name" = String, Path, description = "Name of the connection, or connector:name")),
    responses((status = OK, body = ConnectionStatus)),
)]
pub(super) async fn status(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
) -> Answer<Json<ConnectionStatus>> {
    let status = server.connection(&name).await?.status();
    let quota = |quota: QuotaStatus| ConnectionQuota {
        held_ms: quota.held_for.map(|held| u64::try_from(held.as_millis()).unwrap_or(u64::MAX)),
        in_flight: quota.in_flight,
        left: quota.left,
        limit: quota.limit,
        store: quota.bucket,
        waiting: quota.waiting,
    };
    Ok(Json(ConnectionStatus {
        bytes_read: status.bytes_read,
        in_flight: status.in_flight,
        quotas: status.quotas.into_iter().map(quota).collect(),
        requests: status.requests,
        sockets: status.sockets,
    }))
}

impl Server {
    /// The connector of this name, if it serves.
    fn deployment(&self, connector: &str) -> Answer<Arc<Serving>> {
        let serving = self.connectors().into_iter().find(|serving| serving.name == connector);
        serving.ok_or_else(|| refusal("not-found", format!("no connector `{connector}` serves here")))
    }
}

/// JSON that is put together here.
pub(super) fn raw_json(text: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
