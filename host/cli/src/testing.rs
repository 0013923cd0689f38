//! The test of a connection, saved or not: the newest version of its connector is looked for, the connection is opened as it is and
//! asked for its account. Whoever asks is told each step when it is done.

use connector_host::contract::Identity;

use crate::commands::versions::look_for_newer;
use crate::draft::Draft;
use crate::error::{Failure, Result};
use crate::remote;
use crate::session::Session;

/// Who is told what happens. An error of theirs ends the test: nobody listens any more.
pub(crate) trait Told: Send {
    /// Something was done, or could not be.
    fn step(&mut self, text: String, good: bool) -> Result<()>;
    /// Something was not, and why.
    fn note(&mut self, text: String) -> Result<()>;
}

/// Tests a connection.
///
/// # Errors
/// Why it does not work; a failure of the kind `cancelled` if the process shall end.
pub(crate) async fn run(session: &Session, draft: &Draft, tell: &mut impl Told) -> Result<Identity> {
    let saved = &draft.saved;
    let variables = check(session, tell, "variables", draft.variables(session))?;
    let name = saved.kept.map(|_| saved.name.as_str());
    look_for_newer(session, &saved.connector, name, tell).await?;
    let loaded = session.connector(Some(&saved.connector)).await;
    let loaded = check(session, tell, "the connector is loaded", loaded)?;
    let (info, digest) = (loaded.connector.info(), loaded.connector.digest());
    let short = digest.get(..19).unwrap_or(digest);
    tell.step(format!("connector {} {} ({}, {short})", info.name, info.version, loaded.source), true)?;

    let opened = session.open(&loaded, saved, variables).await;
    let connection = check(session, tell, "settings", opened)?;
    tell.step("settings are complete and well formed".to_owned(), true)?;

    let began = std::time::Instant::now();
    let activity = connection.activity().await.map_err(|e| remote::call_failed(&e));
    let mut activity = check(session, tell, "an instance", activity)?;
    let _guard = session.interrupt.cancels(activity.canceller());
    let answer = activity.test().await.map_err(|e| remote::call_failed(&e));
    let identity = check(session, tell, &format!("answer of {}", info.title), answer)?;
    let time = began.elapsed().as_millis();
    tell.step(format!("{} answered as {} in {time} ms", info.title, identity.account), true)?;
    Ok(identity)
}

/// A step that failed is told, and ends the test.
pub(crate) fn check<T>(session: &Session, tell: &mut impl Told, what: &str, result: Result<T>) -> Result<T> {
    match result {
        Ok(value) => Ok(value),
        // Whoever stops a test learns nothing about the connection.
        Err(_) if session.interrupt.asked() => {
            Err(Failure::new("stopped, as you asked").with("kind", "cancelled").into())
        }
        Err(failures) => {
            tell.step(what.to_owned(), false)?;
            Err(failures)
        }
    }
}
