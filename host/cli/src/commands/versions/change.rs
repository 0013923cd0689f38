//! `versions use`, `pin`, `unpin`, `rollback`, `remove`: which version serves.

use connector_host::{Connector, Host};
use connector_versions::{Expected, Fetched, Installed, Ready, Reason, Versions};
use serde_json::json;

use super::{connector_of, find, open};
use crate::args::versions as args;
use crate::commands::{print, print_json};
use crate::error::{Failure, Failures, Result};
use crate::remote::{self, version_failed};
use crate::session::{COMPONENT, Loaded, Session};

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
    try_and_switch(session, &host, &versions, &installed, test, false).await?;
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
    try_and_switch(session, &host, &versions, &installed, None, true).await?;
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
    print(&format!("`{connector}` is not pinned.\n"))
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

/// Loads a version, tries it, and switches to it. The first failure leaves the present one serving.
pub(super) async fn try_and_switch(
    session: &Session,
    host: &Host,
    versions: &Versions,
    version: &Installed,
    test: Option<&str>,
    pin: bool,
) -> Result<()> {
    let switched = async {
        let ready = versions.ready(host, version).await.map_err(|error| version_failed(&error))?;
        self_test(session, host, versions, &ready, test).await?;
        versions.put_in_use(&ready, pin).map_err(|error| version_failed(&error))?;
        Ok::<(), Failures>(())
    };
    switched.await.map_err(|mut failures| {
        if let Some(first) = failures.0.first_mut() {
            first.notes.push(format!("{} does not serve; what served before goes on", version.title()));
        }
        failures
    })
}

/// Opens every connection that opens with the present version: one that the new version refuses would be lost by the switch.
/// Tests one of them, if that is asked for. A version that is to blame for a failure is no automatic update any more; one that was
/// tried while the remote was out of order may be tried again.
async fn self_test(
    session: &Session,
    host: &Host,
    versions: &Versions,
    ready: &Ready,
    test: Option<&str>,
) -> Result<()> {
    let name = &ready.version().connector;
    let mut own = session.project.connections()?;
    own.retain(|saved| saved.connector == *name);
    if let Some(test) = test.filter(|test| own.iter().all(|saved| saved.name != *test)) {
        return Err(Failure::new(format!("there is no connection `{test}` of `{name}`")).into());
    }
    if own.is_empty() {
        return Ok(());
    }
    let variables = session.variables()?;
    let present = versions.load(host, name, COMPONENT).await.ok().flatten().map(|loaded| loaded.connector);
    let (mut failures, mut to_blame) = (Vec::new(), false);
    for saved in &own {
        let with = async |connector: &Connector| {
            let granted = session.granted_out_of_the_box(host, connector).await?;
            let source = ready.version().title();
            let loaded = Loaded::new(host.clone(), connector.clone(), granted, source);
            session.open(&loaded, saved, variables.clone()).await
        };
        match with(ready.connector()).await {
            Ok(connection) if test == Some(saved.name.as_str()) => {
                if let Err(error) = connection.test().await {
                    to_blame |= error.is_fault();
                    failures.extend(remote::call_failed(&error).0);
                }
            }
            Ok(_) => {}
            Err(refused) => {
                let opens = match &present {
                    Some(present) => with(present).await.is_ok(),
                    None => false,
                };
                to_blame |= opens;
                if opens || test == Some(saved.name.as_str()) {
                    failures.extend(refused.0);
                }
            }
        }
    }
    if to_blame {
        versions.refuse(ready.version(), Reason::Failed).map_err(|error| version_failed(&error))?;
    }
    Failures::check(failures)
}
