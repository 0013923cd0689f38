//! What there is: connectors and their versions, whether the operator has a proxy.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use connector_host::Role;
use connector_versions::Versions;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::answer::{Answer, Items};
use super::state::{Server, Serving};
use crate::error::{Failure, Failures, Result};
use crate::remote::version_failed;

/// What connections can be made with, or why they cannot.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum ListedConnector {
    Works(WorkingConnector),
    Fails(FailingConnector),
}

#[derive(Serialize, ToSchema)]
pub(super) struct WorkingConnector {
    digest: String,
    /// Origins that are granted out of the box.
    granted: Vec<String>,
    name: String,
    /// Origins that it asks to reach.
    origins: Vec<String>,
    /// JSON Schema.
    settings_schema: Value,
    source: String,
    title: String,
    version: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct FailingConnector {
    name: String,
    problem: String,
}

#[utoipa::path(
    get,
    path = "/v1/connectors",
    operation_id = "catalogue_connectors",
    summary = "What connections can be made with",
    responses((status = OK, body = Items<ListedConnector>)),
)]
pub(super) async fn connectors(State(server): State<Arc<Server>>) -> Answer<Json<Items<ListedConnector>>> {
    let mut items = Vec::new();
    for name in names(&server).await? {
        items.push(match server.serving_named(Some(&name)).await {
            Ok(serving) => ListedConnector::Works(told(&serving)?),
            Err(failures) => ListedConnector::Fails(FailingConnector { name, problem: failures.in_one_line() }),
        });
    }
    Ok(Json(Items { items }))
}

/// Those that serve, those that the project has versions of, and the one that this program brings along.
async fn names(server: &Arc<Server>) -> Result<BTreeSet<String>> {
    let mut names: BTreeSet<String> = server.connectors().iter().map(|serving| serving.name.clone()).collect();
    if server.session.global.connector.is_none() {
        let versions = Versions::existing(&server.session.global.project).map_err(|e| version_failed(&e))?;
        let installed = versions.map(|versions| versions.connectors()).transpose().map_err(|e| version_failed(&e))?;
        names.extend(installed.unwrap_or_default());
        names.extend(server.session.bundled_name(&server.session.host()?).await?);
    }
    Ok(names)
}

fn told(serving: &Serving) -> Result<WorkingConnector> {
    let connector = serving.loaded.deployment.connector();
    let info = connector.info();
    Ok(WorkingConnector {
        digest: connector.digest().to_owned(),
        granted: serving.loaded.granted.iter().map(ToString::to_string).collect(),
        name: info.name.clone(),
        origins: info.origins.clone(),
        settings_schema: serving.schema()?.root().clone(),
        source: serving.loaded.source.clone(),
        title: info.title.clone(),
        version: info.version.clone(),
    })
}

/// Whether there is a proxy.
#[derive(Serialize, ToSchema)]
pub(super) struct Proxy {
    configured: bool,
    /// Why not.
    reason: Option<String>,
}

/// Whether connections can use the operator's proxy, and why not.
#[utoipa::path(
    get,
    path = "/v1/proxy",
    operation_id = "catalogue_proxy",
    responses((status = OK, body = Proxy)),
)]
pub(super) async fn proxy(State(server): State<Arc<Server>>) -> Json<Proxy> {
    let reason = match server.session.proxy() {
        Ok(Some(_)) => None,
        Ok(None) => Some("the operator of this server has configured no proxy (--proxy, or HTTPS_PROXY)".to_owned()),
        Err(failures) => Some(failures.in_one_line()),
    };
    Json(Proxy { configured: reason.is_none(), reason })
}

impl Server {
    /// The connector of this name and no other; the one that is meant, without a name.
    ///
    /// # Errors
    /// There is none of that name.
    pub(super) async fn serving_named(self: &Arc<Self>, name: Option<&str>) -> Result<Arc<Serving>> {
        let serving = self.serving(name).await?;
        match name.filter(|name| *name != serving.name) {
            None => Ok(serving),
            Some(name) => Err(Failure::new(format!("no version of the connector `{name}` is in use in this project"))
                .with("kind", "not-found")
                .with("pointer", "/connector")
                .into()),
        }
    }
}

/// A version of a connector.
#[derive(Serialize, ToSchema)]
pub(super) struct ListedVersion {
    connector: String,
    digest: String,
    /// It stays in use, whatever is newer.
    pinned: bool,
    /// `serving`, `canary`, `draining`, `previous` or `installed`.
    role: &'static str,
    source: String,
    version: String,
}

/// The versions that serve or did, and those that the project has besides.
#[utoipa::path(
    get,
    path = "/v1/versions",
    operation_id = "catalogue_versions",
    responses((status = OK, body = Items<ListedVersion>)),
)]
pub(super) async fn versions(State(server): State<Arc<Server>>) -> Answer<Json<Items<ListedVersion>>> {
    let found = Versions::existing(&server.session.global.project).map_err(|e| Failures::from(version_failed(&e)))?;
    let mut items: Vec<ListedVersion> = Vec::new();
    for serving in server.connectors() {
        let pinned = match &found {
            Some(versions) => versions.serving(&serving.name).map_err(|e| Failures::from(version_failed(&e)))?.pinned,
            None => false,
        };
        for version in serving.loaded.deployment.state().versions {
            items.push(ListedVersion {
                connector: serving.name.clone(),
                digest: version.digest,
                pinned: pinned && version.role == Role::Serving,
                role: version.role.name(),
                source: serving.loaded.source.clone(),
                version: version.version,
            });
        }
    }
    let kept = found.map(|versions| versions.list()).transpose().map_err(|e| Failures::from(version_failed(&e)))?;
    for version in kept.into_iter().flatten() {
        let digest = version.digest.to_string();
        match items.iter_mut().find(|item| item.digest == digest) {
            Some(item) => item.source = version.source,
            None => items.push(ListedVersion {
                connector: version.connector,
                digest,
                pinned: false,
                role: "installed",
                source: version.source,
                version: version.version.to_string(),
            }),
        }
    }
    Ok(Json(Items { items }))
}
