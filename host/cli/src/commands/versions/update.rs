//! The newest version before a test: looked for, downloaded, verified, tried, in use; or why not. Whatever fails leaves the
//! present version serving, and is told.

use connector_host::Host;
use connector_versions::{AutoUpdate, Before, Expected, Offer, Switch, Versions, VersionsError, newest};
use semver::Version;

use super::change::{Trial, try_and_switch};
use super::self_test::Tried;
use crate::error::{Failure, Failures, Result};
use crate::remote::version_failed;
use crate::session::Session;
use crate::testing::Told;

/// Looks for a newer version of what serves `connector`, and switches to it if it passes its self-test, which includes the test
/// of `connection`, if one is named. Each step is told, and why one was not taken.
pub(crate) async fn look_for_newer(
    session: &Session,
    connector: &str,
    connection: Option<&str>,
    tell: &mut impl Told,
) -> Result<()> {
    // Whoever names a file wants that file.
    if session.global.connector.is_some() {
        return Ok(());
    }
    let versions = match Versions::existing(&session.global.project) {
        Ok(Some(versions)) => versions,
        Ok(None) => return Ok(()),
        Err(error) => return tell.note(on_one_line("no newer version was looked for", &version_failed(&error).into())),
    };
    if let Err(failures) = update(session, &versions, connector, connection, tell).await {
        return tell.note(on_one_line("the present version goes on", &failures));
    }
    Ok(())
}

async fn update(
    session: &Session,
    versions: &Versions,
    connector: &str,
    connection: Option<&str>,
    tell: &mut impl Told,
) -> Result<()> {
    let failed = |error: VersionsError| Failures::from(version_failed(&error));
    if versions.sources().map_err(failed)?.is_empty() {
        return Ok(());
    }
    if versions.auto_update().map_err(failed)? == AutoUpdate::Off {
        return tell.note("no newer version was looked for: the policy has automatic updates off".to_owned());
    }
    let serving = versions.serving(connector).map_err(failed)?;
    if let Some(version) = serving.version.as_ref().filter(|_| serving.pinned) {
        return tell.note(format!("no newer version was looked for: {} is pinned", version.title()));
    }
    let rolled_back = match &serving.before {
        Some(Before::Installed(before)) => Some(before.version.clone()),
        _ => None,
    };
    let (host, since) = (session.host()?, serving.change);
    let present = match serving.version {
        Some(version) => Some(version.version),
        None => bundled_version(session, &host, connector).await?,
    };

    let (mut offers, mut answered) = (Vec::new(), 0);
    for (source, answer) in versions.offers(Some(connector), &session.variables()?).await.map_err(failed)? {
        match answer {
            Ok(more) => {
                answered += 1;
                offers.extend(more.into_iter().map(|offer| (source.clone(), offer)));
            }
            Err(error) => tell.note(on_one_line(&format!("{} was not looked at", source.place), &failed(error)))?,
        }
    }
    let all: Vec<Offer> = offers.iter().map(|(_, offer)| offer.clone()).collect();
    // Pre-releases are for those who name them.
    let newer = newest(&all).filter(|offer| {
        offer.version.pre.is_empty() && present.as_ref().is_none_or(|present| offer.version > *present)
    });
    let Some(offer) = newer else {
        // What was not looked at was told.
        return match answered {
            0 => Ok(()),
            1 => tell.step(format!("no newer version of {connector} in one source"), true),
            _ => tell.step(format!("no newer version of {connector} in {answered} sources"), true),
        };
    };
    // Whoever went back from it or removed it had a reason.
    let went_back = rolled_back.filter(|version| *version == offer.version).map(|_| "was rolled back".to_owned());
    if let Some(reason) = versions.refused(connector, &offer.version).map_err(failed)?.or(went_back) {
        let (version, place) = (&offer.version, &offer.place);
        return tell.note(format!(
            "{connector} {version} is newer, and {reason}: `connector versions install {place} --use` takes it all the same"
        ));
    }
    tell.step(format!("found {connector} {} at {}", offer.version, offer.place), true)?;

    let source = offers.iter().find(|(_, one)| one == offer).map(|(source, _)| source);
    let access = match source {
        Some(source) => source.access(&session.global.project, &session.variables()?).map_err(failed)?,
        None => connector_versions::Access::default(),
    };
    let fetched = offer.place.fetch(&access).await.map_err(failed)?;
    tell.step(format!("downloaded {} KiB from {}", fetched.wasm.len() / 1024, fetched.source), true)?;
    let expected = Expected { connector: Some(connector.to_owned()), version: Some(offer.version.clone()) };
    let checked = versions.check(&host, fetched, &expected).await.map_err(failed)?;
    if let Err(error) = versions.check_unasked(&checked) {
        let place = &offer.place;
        let reason = on_one_line("the present version goes on", &failed(error));
        return tell.note(format!(
            "{reason}; `connector versions install {place} --use` takes this one all the same, `connector versions policy --trust \
             KEY` those that KEY has signed, `connector versions policy --auto-update unsigned` all"
        ));
    }
    let installed = versions.install(&checked).map_err(failed)?;
    tell.step(format!("installed {}, {}", installed.digest.short(), checked.verdict()), true)?;
    let how = Switch { since: Some(since), unasked: true, ..Switch::default() };
    let trial = Trial { test: connection, how };
    let Tried { opened, all } = try_and_switch(session, &host, versions, &installed, trial).await?;
    tell.step(format!("{} passed its self-test ({opened} of {all} connections) and is in use", installed.title()), true)
}

async fn bundled_version(session: &Session, host: &Host, connector: &str) -> Result<Option<Version>> {
    let bundled = session.bundled(host).await?;
    Ok(bundled.filter(|one| one.info().name == connector).and_then(|one| one.info().version.parse().ok()))
}

/// Failures as a note: what did not happen, and all reasons.
fn on_one_line(what: &str, failures: &Failures) -> String {
    let one = |failure: &Failure| {
        let parts = std::iter::once(&failure.message).chain(&failure.causes);
        parts.map(String::as_str).collect::<Vec<_>>().join(": ")
    };
    format!("{what}: {}", failures.0.iter().map(one).collect::<Vec<_>>().join("; "))
}
