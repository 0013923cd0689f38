//! The self-test of a version before it is put in use: the connections of the project open with it as they do with the present one.
//!
//! All connections are opened up to [`MOST`]; of more, as many spread over the whole list, so that a switch takes seconds however
//! many there are. What was left out is told.

use connector_host::{Connector, Host, Origin};
use connector_store::Saved;
use connector_versions::{Ready, Reason, Versions};
use futures_util::{StreamExt as _, stream};

use crate::error::{Failure, Failures, Result};
use crate::remote::{self, version_failed};
use crate::session::{COMPONENT, Loaded, Session};
use crate::variables::Variables;

/// Connections that are opened.
const MOST: usize = 100;
/// Connections that are opened at once.
const AT_ONCE: usize = 8;

/// What was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tried {
    /// Connections that were opened.
    pub(super) opened: usize,
    /// Connections that the connector has.
    pub(super) all: usize,
}

impl Tried {
    pub(super) fn tell_if_sampled(self, session: &Session) {
        if self.opened < self.all {
            let Self { opened, all } = self;
            session.note(format!("note: of {all} connections, {opened} were opened to try it"));
        }
    }
}

/// A version, and what it may reach ungranted.
struct With {
    connector: Connector,
    granted: Vec<Origin>,
    source: String,
}

impl With {
    async fn new(session: &Session, host: &Host, connector: &Connector, source: String) -> Result<Self> {
        let granted = session.granted_out_of_the_box(host, connector).await?;
        Ok(Self { connector: connector.clone(), granted, source })
    }

    async fn open(
        &self,
        session: &Session,
        host: &Host,
        saved: &Saved,
        variables: &Variables,
    ) -> Result<connector_host::Connection> {
        let loaded = Loaded::new(host.clone(), self.connector.clone(), self.granted.clone(), self.source.clone());
        session.open(&loaded, saved, variables.clone()).await
    }
}

/// What became of one connection.
#[derive(Default)]
struct Outcome {
    failures: Vec<Failure>,
    to_blame: bool,
}

/// Opens connections that open with the present version: one that the new version refuses would be lost by the switch. Tests one
/// of them, if that is asked for. A version that is to blame for a failure is no automatic update any more; one that was tried
/// while the remote was out of order may be tried again.
pub(super) async fn run(
    session: &Session,
    host: &Host,
    versions: &Versions,
    ready: &Ready,
    test: Option<&str>,
) -> Result<Tried> {
    let name = &ready.version().connector;
    let mut own = session.project.connections()?;
    own.retain(|saved| saved.connector == *name);
    if let Some(test) = test.filter(|test| own.iter().all(|saved| saved.name != *test)) {
        return Err(Failure::new(format!("there is no connection `{test}` of `{name}`")).into());
    }
    if own.is_empty() {
        return Ok(Tried::default());
    }
    let all = own.len();
    let chosen = sample(own, test);
    let opened = chosen.len();
    let variables = session.variables()?;
    let source = ready.version().title();
    let new = With::new(session, host, ready.connector(), source.clone()).await?;
    let present = match versions.load(host, name, COMPONENT).await.ok().flatten() {
        Some(loaded) => Some(With::new(session, host, &loaded.connector, source).await?),
        None => None,
    };

    let one = async |saved: Saved| {
        let tested = test == Some(saved.name.as_str());
        match new.open(session, host, &saved, &variables).await {
            Ok(connection) if tested => match connection.test().await {
                Ok(_) => Outcome::default(),
                Err(error) => Outcome { to_blame: error.is_fault(), failures: remote::call_failed(&error).0 },
            },
            Ok(_) => Outcome::default(),
            Err(refused) => {
                let opens = match &present {
                    Some(present) => present.open(session, host, &saved, &variables).await.is_ok(),
                    None => false,
                };
                let failures = if opens || tested { refused.0 } else { Vec::new() };
                Outcome { to_blame: opens, failures }
            }
        }
    };
    let mut all_of_it = Outcome::default();
    let mut outcomes = std::pin::pin!(stream::iter(chosen).map(one).buffered(AT_ONCE));
    while let Some(outcome) = outcomes.next().await {
        all_of_it.to_blame |= outcome.to_blame;
        all_of_it.failures.extend(outcome.failures);
    }
    if all_of_it.to_blame {
        versions.refuse(ready.version(), Reason::Failed).map_err(|error| version_failed(&error))?;
    }
    Failures::check(all_of_it.failures).map(|()| Tried { opened, all })
}

/// At most [`MOST`] of them, spread evenly, and the one that is to be tested.
fn sample(all: Vec<Saved>, test: Option<&str>) -> Vec<Saved> {
    let count = all.len();
    if count <= MOST {
        return all;
    }
    // Each that takes the running share over a whole number.
    let chosen = |at: usize| (at + 1) * MOST / count > at * MOST / count;
    let wanted = |(at, saved): &(usize, Saved)| chosen(*at) || test == Some(saved.name.as_str());
    all.into_iter().enumerate().filter(wanted).map(|(_, saved)| saved).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_connections_a_hundred_are_tried_from_the_first_to_the_last_and_the_tested_one() {
        let all = |count: usize| (0..count).map(|n| Saved::new("x", n.to_string())).collect::<Vec<_>>();
        for count in [1, 99, 100] {
            assert_eq!(sample(all(count), Some("0")).len(), count);
        }
        for count in [101, 150, 1000, 12_345] {
            let names: Vec<String> = sample(all(count), None).into_iter().map(|saved| saved.name).collect();
            assert_eq!(names.len(), MOST, "{count}");
            assert_eq!(names.last(), Some(&(count - 1).to_string()));
            let first: usize = names.first().and_then(|name| name.parse().ok()).unwrap_or(count);
            assert!(first <= count / MOST, "{count}: {first}");
            assert!(sample(all(count), Some("0")).iter().any(|saved| saved.name == "0"));
        }
    }
}
