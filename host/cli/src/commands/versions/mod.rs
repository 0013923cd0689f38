//! `versions`: which versions of connectors a project has, and which one serves.

mod change;
mod install;
mod list;
mod policy;
mod self_test;
mod update;

use std::path::{Path, PathBuf};

use connector_host::Host;
use connector_versions::{Access, Installed, Place, Source, Versions};

pub(crate) use update::look_for_newer;

use crate::args::versions as args;
use crate::error::{Failure, Result, suggest};
use crate::remote::version_failed;
use crate::session::Session;

pub(super) async fn run(session: &Session, command: args::Versions) -> Result<()> {
    if !session.global.project.is_dir() {
        let failure = Failure::new(format!("there is no folder `{}`", session.global.project.display()));
        return Err(failure.hint("name the project's folder with --project").into());
    }
    match command {
        args::Versions::List { name } => list::installed(session, name.of.as_deref()),
        args::Versions::Available { name } => list::available(session, name.of.as_deref()).await,
        args::Versions::Install { place, switch, network } => install::install(session, &place, switch, &network).await,
        args::Versions::Push { wanted, place, sign_key, author, replace, name, network } => {
            let signed = install::Signed { key: sign_key.as_deref(), author: author.as_deref(), replace };
            install::push(session, &wanted, &place, &signed, &name, &network).await
        }
        args::Versions::Use { wanted, test, name } => change::switch(session, &wanted, test.as_deref(), &name).await,
        args::Versions::Pin { wanted, name } => change::pin(session, wanted.as_deref(), &name).await,
        args::Versions::Unpin { name } => change::unpin(session, &name).await,
        args::Versions::Rollback { name } => change::rollback(session, &name).await,
        args::Versions::Remove { wanted, name } => change::remove(session, &wanted, &name).await,
        args::Versions::Sources(command) => policy::sources(session, command),
        args::Versions::Policy(command) => policy::policy(session, &command),
    }
}

fn open(session: &Session) -> Result<Versions> {
    Versions::open(&session.global.project).map_err(|error| version_failed(&error).into())
}

/// The connector that is meant: the one that is named, or the only one that the project has versions of, or the bundled one.
async fn connector_of(session: &Session, host: &Host, versions: &Versions, of: Option<&str>) -> Result<String> {
    if let Some(name) = of {
        return Ok(name.to_owned());
    }
    let known = versions.connectors().map_err(|error| version_failed(&error))?;
    match known.as_slice() {
        [one] => Ok(one.clone()),
        [] => session
            .bundled_name(host)
            .await?
            .ok_or_else(|| Failure::new("this project has no versions of any connector").into()),
        several => Err(Failure::new("this project has versions of several connectors")
            .hint(format!("name one with --of: {}", several.join(", ")))
            .into()),
    }
}

fn find(versions: &Versions, connector: &str, wanted: &str) -> Result<Installed> {
    versions.find(connector, wanted).map_err(|error| {
        let mut failure = version_failed(&error);
        let known = versions.connectors().unwrap_or_default();
        if !known.iter().any(|name| name == connector)
            && let Some(hint) = suggest(connector, known.iter().map(String::as_str))
        {
            failure.and_hint(hint);
        }
        failure.into()
    })
}

/// How the registry of a place is reached: as typed, and where nothing was typed as the source on it is.
fn access(session: &Session, versions: &Versions, place: &Place, network: &args::Network) -> Result<Access> {
    let variables = session.variables()?;
    let mut access = versions.access(place, &variables).map_err(|error| version_failed(&error))?;
    let typed = typed_source(place.to_string(), network);
    let typed = typed.access(Path::new("."), &variables).map_err(|error| version_failed(&error))?;
    access.plain_http |= typed.plain_http;
    if network.ca_file.is_some() {
        access.extra_roots = typed.extra_roots;
    }
    access.credentials = typed.credentials.or(access.credentials);
    Ok(access)
}

fn typed_source(place: String, network: &args::Network) -> Source {
    Source {
        place,
        connector: None,
        plain_http: network.plain_http,
        ca_file: network.ca_file.clone(),
        credentials: network.credentials.clone(),
        signatures: None,
    }
}

/// Reads a file that was named on the command line.
fn read_text(path: &Path, what: &str) -> Result<String> {
    crate::files::read_text(path)
        .map_err(|error| Failure::new(format!("cannot read the {what} `{}`", path.display())).causes_of(&error).into())
}

/// What people call a key: the name of its file.
fn name_of(path: &Path) -> String {
    path.file_name().map(PathBuf::from).unwrap_or_else(|| path.to_owned()).display().to_string()
}
