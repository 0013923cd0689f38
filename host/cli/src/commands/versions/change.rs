//! `versions use`, `pin`, `unpin`, `rollback`, `remove`: which version serves.

use connector_host::Host;
use connector_versions::{Expected, Fetched, Installed, Switch, Versions};
use serde_json::json;

use super::self_test::{self, Tried};
use super::{connector_of, find, open};
use crate::args::versions as args;
use crate::commands::{print, print_json};
use crate::error::{Failure, Failures, Result};
use crate::remote::version_failed;
use crate::session::{COMPONENT, Session};

pub(super) async fn switch(session: &Session, version: &str, test: Option<&str>, name: &args::Name) -> Result<()> {
    let versions = open(session)?;
    let host = session.host()?;
    let connector = connector_of(session, &host, &versions, name.of.as_deref()).await?;
    if version == "bundled" {
        if session.bundled_name(&host).await?.as_deref() != Some(connector.as_str()) {
            return Err(Failure::new(format!("this program brings no version of `{connector}` along")).into());
        }
        versions.put_bundled_in_use(&connector).map_err(|error| version_failed(&error))?;
        return told(session, &connector, None);
    }
    let installed = find(&versions, &connector, version)?;
    let tried = try_and_switch(session, &host, &versions, &installed, Trial { test, ..Trial::default() }).await?;
    tried.tell_if_sampled(session);
    told(session, &connector, Some(&installed))
}

pub(super) async fn pin(session: &Session, version: Option<&str>, name: &args::Name) -> Result<()> {
    let versions = open(session)?;
    let host = session.host()?;
    let connector = connector_of(session, &host, &versions, name.of.as_deref()).await?;
    let installed = match version {
        Some(version) => find(&versions, &connector, version)?,
        None => match versions.serving(&connector).map_err(|error| version_failed(&error))?.version {
            Some(version) => version,
            None => install_bundled(session, &host, &versions, &connector).await?,
        },
    };
    let how = Switch { pin: true, ..Switch::default() };
    try_and_switch(session, &host, &versions, &installed, Trial { how, ..Trial::default() }).await?;
    if session.global.json {
        return print_json(&json!({ "connector": connector, "pinned": installed.digest.to_string() }));
    }
    print(&format!("{} is in use and pinned.\n", installed.title()))
}

/// A pin holds whatever this program brings along after its next update, so the version is kept as any other.
async fn install_bundled(session: &Session, host: &Host, versions: &Versions, connector: &str) -> Result<Installed> {
    let bundled = session.bundled_name(host).await?;
    let Some(wasm) = COMPONENT.filter(|_| bundled.as_deref() == Some(connector)) else {
        return Err(Failure::new(format!("nothing serves `{connector}` that could be pinned")).into());
    };
    let fetched = Fetched { wasm: wasm.to_vec(), source: "bundled".to_owned(), signatures: Vec::new() };
    let expected = Expected { connector: Some(connector.to_owned()), version: None };
    let checked = versions.check(host, fetched, &expected).await.map_err(|error| version_failed(&error))?;
    versions.install(&checked).map_err(|error| version_failed(&error).into())
}

pub(super) async fn unpin(session: &Session, name: &args::Name) -> Result<()> {
    let versions = open(session)?;
    let connector = connector_of(session, &session.host()?, &versions, name.of.as_deref()).await?;
    versions.unpin(&connector).map_err(|error| version_failed(&error))?;
    if session.global.json {
        return print_json(&json!({ "connector": connector, "pinned": null }));
    }
    print(&format!("`{connector}` is no longer held on one version.\n"))
}

pub(super) async fn rollback(session: &Session, name: &args::Name) -> Result<()> {
    let versions = open(session)?;
    let host = session.host()?;
    let connector = connector_of(session, &host, &versions, name.of.as_deref()).await?;
    let bundled = session.bundled_name(&host).await?.as_deref() == Some(connector.as_str());
    let now = versions.rollback(&host, &connector, bundled).await.map_err(|error| version_failed(&error))?;
    told(session, &connector, now.as_ref())
}

pub(super) async fn remove(session: &Session, version: &str, name: &args::Name) -> Result<()> {
    let versions = open(session)?;
    let connector = connector_of(session, &session.host()?, &versions, name.of.as_deref()).await?;
    let installed = find(&versions, &connector, version)?;
    versions.remove(&installed).map_err(|error| version_failed(&error))?;
    if session.global.json {
        return print_json(&json!({ "connector": connector, "removed": installed.digest.to_string() }));
    }
    print(&format!("{} is removed.\n", installed.title()))
}

fn told(session: &Session, connector: &str, now: Option<&Installed>) -> Result<()> {
    if session.global.json {
        let digest = now.map(|version| version.digest.to_string());
        let version = now.map(|version| version.version.to_string());
        return print_json(&json!({ "connector": connector, "in_use": version, "digest": digest }));
    }
    match now {
        Some(version) => print(&format!("{} is in use.\n", version.title())),
        None => print(&format!("The bundled version of `{connector}` is in use.\n")),
    }
}

/// A switch to a version.
#[derive(Default)]
pub(super) struct Trial<'a> {
    /// Also tests this connection.
    pub(super) test: Option<&'a str>,
    pub(super) how: Switch,
}

/// Loads a version, tries it, and switches to it, unless somebody else has switched meanwhile. The first failure leaves the present
/// one serving.
pub(super) async fn try_and_switch(
    session: &Session,
    host: &Host,
    versions: &Versions,
    version: &Installed,
    trial: Trial<'_>,
) -> Result<Tried> {
    let switched = async {
        let since = match trial.how.since {
            Some(since) => since,
            None => versions.serving(&version.connector).map_err(|error| version_failed(&error))?.change,
        };
        let ready = versions.ready(host, version).await.map_err(|error| version_failed(&error))?;
        let tried = self_test::run(session, host, versions, &ready, trial.test).await?;
        let how = Switch { since: Some(since), ..trial.how };
        versions.put_in_use(&ready, how).map_err(|error| version_failed(&error))?;
        Ok::<_, Failures>(tried)
    };
    let mut failures = match switched.await {
        Ok(tried) => return Ok(tried),
        Err(failures) => failures,
    };
    let installed = versions.serving(&version.connector).is_ok_and(|serving| serving.version.is_some());
    let bundled = session.bundled_name(host).await.ok().flatten();
    let rest = if installed || bundled.as_deref() == Some(version.connector.as_str()) {
        "what served before goes on"
    } else {
        "nothing does, as before"
    };
    if let Some(first) = failures.0.first_mut() {
        first.notes.push(format!("{} does not serve; {rest}", version.title()));
    }
    Err(failures)
}
