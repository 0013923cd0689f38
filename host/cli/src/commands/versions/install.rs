//! `versions install` and `versions push`.

use std::path::Path;

use connector_host::Host;
use connector_versions::{
    Checked, Expected, Fetched, Place, Push, Pushed, SignKey, SignaturePolicy, Verdict, Versions,
};
use serde_json::json;

use super::{access, change, connector_of, find, open, read_text};
use crate::args::versions as args;
use crate::commands::{print, print_json};
use crate::error::Result;
use crate::remote::version_failed;
use crate::session::Session;

pub(super) async fn install(session: &Session, place: &str, switch: bool, network: &args::Network) -> Result<()> {
    let place = Place::parse(place).map_err(|error| version_failed(&error))?;
    let versions = open(session)?;
    let access = access(session, &versions, &place, network)?;
    let host = session.host()?;
    let fetched = place.fetch(&access).await.map_err(|error| version_failed(&error))?;
    let checked = versions.check(&host, fetched, &Expected::default()).await.map_err(|error| version_failed(&error))?;
    let installed = versions.install(&checked).map_err(|error| version_failed(&error))?;
    tell(session, &host, &versions, &checked).await?;
    if switch {
        change::try_and_switch(session, &host, &versions, &installed, change::Trial::default())
            .await?
            .tell_if_sampled(session);
    }
    if session.global.json {
        return print_json(&json!({
            "connector": installed.connector, "version": installed.version.to_string(),
            "digest": installed.digest.to_string(), "source": installed.source, "world": installed.world,
            "signature": checked.verdict().to_string(), "in_use": switch,
        }));
    }
    print(&format!("{} is installed{}.\n", installed.title(), if switch { " and in use" } else { "" }))?;
    if !switch {
        session.note(format!(
            "`connector versions use {} --of {}` switches to it.",
            installed.digest.short(),
            installed.connector
        ));
    }
    Ok(())
}

/// What the operator should know of a version that was checked: whose it is, and what it wants to reach.
async fn tell(session: &Session, host: &Host, versions: &Versions, checked: &Checked) -> Result<()> {
    let title = checked.version().title();
    if versions.signature_policy_of(&checked.version().source).map_err(|error| version_failed(&error))?
        == SignaturePolicy::Warn
        && !matches!(checked.verdict(), Verdict::Trusted(_))
    {
        session.note(format!("warning: {title} is {}", checked.verdict()));
    }
    let granted = session.granted_out_of_the_box(host, checked.connector()).await?;
    for origin in &checked.connector().info().origins {
        if !granted.iter().any(|known| known.to_string() == *origin) {
            session.note(format!("note: {title} asks to reach {origin}, which each connection has to grant"));
        }
    }
    Ok(())
}

/// Whose name a pushed version bears, and what it may take the place of.
pub(super) struct Signed<'a> {
    pub key: Option<&'a Path>,
    pub author: Option<&'a str>,
    pub replace: bool,
}

pub(super) async fn push(
    session: &Session,
    version: &str,
    place: &str,
    signed: &Signed<'_>,
    name: &args::Name,
    network: &args::Network,
) -> Result<()> {
    let place = Place::parse(place).map_err(|error| version_failed(&error))?;
    let key = match signed.key {
        None => None,
        Some(path) => {
            let key = SignKey::from_pem(&read_text(path, "private key")?);
            Some(key.map_err(|error| version_failed(&error.into()))?)
        }
    };
    let versions = open(session)?;
    let host = session.host()?;
    let file = Path::new(version);
    let fetched = if file.is_file() {
        Place::File(file.to_owned()).fetch(&connector_versions::Access::default()).await
    } else {
        let connector = connector_of(session, &host, &versions, name.of.as_deref()).await?;
        let installed = find(&versions, &connector, version)?;
        let what = installed.title();
        let bytes = versions.bytes(&installed);
        let fetched = |wasm| Fetched { wasm, source: installed.source, signatures: installed.signatures };
        bytes.map(fetched).map_err(|source| connector_versions::VersionsError::Refused { what, source })
    };
    let fetched = fetched.map_err(|error| version_failed(&error))?;
    let expected = Expected { connector: name.of.clone(), version: None };
    // What the policy demands is for those who install it; here, the signature may only be about to be made.
    let described = fetched.describe(&host, &expected).await.map_err(|error| version_failed(&error))?;
    let access = access(session, &versions, &place, network)?;
    let with = Push { key: key.as_ref(), author: signed.author, replace: signed.replace };
    let Pushed { place: there, left_behind } =
        described.push(&place, &access, &with).await.map_err(|error| version_failed(&error))?;
    if left_behind > 0 {
        session.note(format!("note: {left_behind} of the signatures that it came with cannot be taken there"));
    }
    if session.global.json {
        let version = described.version();
        return print_json(&json!({
            "connector": version.connector, "version": version.version.to_string(),
            "digest": version.digest.to_string(), "place": there, "signed": key.is_some(),
        }));
    }
    print(&format!("{} is at {there}{}.\n", described.version().title(), if key.is_some() { ", signed" } else { "" }))
}
