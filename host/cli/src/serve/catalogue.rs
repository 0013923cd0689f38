//! What there is: connectors and their versions, whether the operator has a proxy.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use connector_host::Role;
use connector_versions::Versions;
use serde_json::{Value, json};

use super::answer::Answer;
use super::state::{Server, Serving};
use crate::error::{Failure, Failures, Result};
use crate::remote::version_failed;

#[utoipa::path(
    get,
    path = "/v1/connectors",
    operation_id = "catalogue_connectors",
    summary = "What connections can be made with",
    responses((status = OK, body = Value)),
)]
pub(super) async fn connectors(State(server): State<Arc<Server>>) -> Answer<Json<Value>> {
    let mut items = Vec::new();
    for name in names(&server).await? {
        match server.serving_named(Some(&name)).await {
            Ok(serving) => items.push(told(&serving)?),
            Err(failures) => items.push(json!({ "name": name, "problem": failures.in_one_line() })),
        }
    }
    Ok(Json(json!({ "items": items })))
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

fn told(serving: &Serving) -> Result<Value> {
    let connector = serving.loaded.deployment.connector();
    let info = connector.info();
    Ok(json!({
        "name": info.name,
        "title": info.title,
        "version": info.version,
        "digest": connector.digest(),
        "source": serving.loaded.source,
        "settings_schema": serving.schema()?.root(),
        "origins": info.origins,
        "granted": serving.loaded.granted.iter().map(ToString::to_string).collect::<Vec<_>>(),
    }))
}

/// Whether connections can use the operator's proxy, and why not.
#[utoipa::path(
    get,
    path = "/v1/proxy",
    operation_id = "catalogue_proxy",
    responses((status = OK, body = Value)),
)]
pub(super) async fn proxy(State(server): State<Arc<Server>>) -> Json<Value> {
    let reason = match server.session.proxy() {
        Ok(Some(_)) => None,
        Ok(None) => Some("the operator of this server has configured no proxy (--proxy, or HTTPS_PROXY)".to_owned()),
        Err(failures) => Some(failures.in_one_line()),
    };
    Json(json!({ "configured": reason.is_none(), "reason": reason }))
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

/// The versions that serve or did, and those that the project has besides.
#[utoipa::path(
    get,
    path = "/v1/versions",
    operation_id = "catalogue_versions",
    responses((status = OK, body = Value)),
)]
pub(super) async fn versions(State(server): State<Arc<Server>>) -> Answer<Json<Value>> {
    let found = Versions::existing(&server.session.global.project).map_err(|e| Failures::from(version_failed(&e)))?;
    let mut items = Vec::new();
    for serving in server.connectors() {
        let pinned = match &found {
            Some(versions) => versions.serving(&serving.name).map_err(|e| Failures::from(version_failed(&e)))?.pinned,
            None => false,
        };
        for version in serving.loaded.deployment.state().versions {
            items.push(json!({
                "connector": serving.name, "version": version.version, "digest": version.digest,
                "source": serving.loaded.source, "role": version.role.name(),
                "pinned": pinned && version.role == Role::Serving,
            }));
        }
    }
    let kept = found.map(|versions| versions.list()).transpose().map_err(|e| Failures::from(version_failed(&e)))?;
    for version in kept.into_iter().flatten() {
        let digest = json!(version.digest.to_string());
        match items.iter_mut().find(|item| item["digest"] == digest) {
            Some(item) => item["source"] = json!(version.source),
            None => items.push(json!({
                "connector": version.connector, "version": version.version.to_string(), "digest": digest,
                "source": version.source, "role": "installed", "pinned": false,
            })),
        }
    }
    Ok(Json(json!({ "items": items })))
}
