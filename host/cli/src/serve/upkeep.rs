//! Keeps a serving process up to date: another version that is put in use, by whichever process, takes over without a failed call.
//!
//! What is in use is looked at again and again. A change of it is tried once: a version that was refused, or rolled back, is not tried
//! again before something else is put in use, or somebody asks for it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use connector_host::{Canary, Connection, SwapOptions, SwapReport};
use tokio::sync::Mutex;

use super::{Arguments, Server};
use crate::error::{Failure, Failures, Result, suggest};
use crate::remote;
use crate::session::Session;

/// How and when another version takes over.
pub(super) struct Upkeep {
    source: Source,
    every: Duration,
    canary: Option<Canary>,
    self_test: Vec<String>,
    drain: Duration,
    /// What was in use when it was looked at last.
    seen: Mutex<Option<Mark>>,
    /// Why what is in use does not serve, if that is so.
    refused: std::sync::Mutex<Option<String>>,
}

/// Where it stands which component is in use.
enum Source {
    /// In this file.
    File(PathBuf),
    /// In this program: nothing can change.
    Bundled,
}

/// Tells whether something else is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    changed: Option<SystemTime>,
    length: u64,
}

impl Upkeep {
    pub(super) fn new(session: &Session, arguments: &Arguments) -> Self {
        let source = session.global.connector.clone().map_or(Source::Bundled, Source::File);
        let seen = Mutex::new(source.mark().ok().flatten());
        let Arguments { look: every, canary, drain, .. } = *arguments;
        let (self_test, refused) = (arguments.self_test.clone(), std::sync::Mutex::default());
        Self { source, every, canary, self_test, drain, seen, refused }
    }

    /// Why what is in use does not serve, if that is so.
    pub(super) fn refused(&self) -> Option<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// # Errors
    /// A name among those to be tested that is no connection.
    pub(super) fn check_names(&self, connections: &BTreeMap<String, Connection>) -> Result<()> {
        let unknown = self.self_test.iter().filter(|name| *name != "all" && !connections.contains_key(*name));
        let failures = unknown.map(|name| {
            let failure = Failure::new(format!("--self-test: no connection `{name}` is open here"));
            match suggest(name, connections.keys().map(String::as_str)) {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        });
        Failures::check(failures.collect())
    }

    fn options(&self, connections: &BTreeMap<String, Connection>) -> SwapOptions {
        let all = self.self_test.iter().any(|name| name == "all");
        let chosen = connections.iter().filter(|(name, _)| all || self.self_test.contains(name));
        SwapOptions {
            tests: chosen.map(|(_, connection)| connection.clone()).collect(),
            canary: self.canary,
            drain: self.drain,
            ..SwapOptions::default()
        }
    }

    /// Swaps to what is in use now.
    ///
    /// # Errors
    /// Why the version that serves goes on.
    pub(super) async fn swap(&self, server: &Server) -> Result<SwapReport> {
        let swapped = self.try_swap(server).await;
        let refused = swapped.as_ref().err().map(Failures::in_one_line);
        if let Some(reason) = &refused {
            tracing::warn!(target: "connector", reason, "the version that serves goes on");
        }
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
        swapped
    }

    async fn try_swap(&self, server: &Server) -> Result<SwapReport> {
        *self.seen.lock().await = self.source.mark()?;
        let (bytes, source) = self.source.bytes()?;
        let connector = server.loaded.host.load(&bytes).await.map_err(|e| remote::load_failed(&source, &e))?;
        let deployment = &server.loaded.deployment;
        if deployment.connector().digest() == connector.digest() {
            let version = &connector.info().version;
            return Err(Failure::new(format!("version {version} in {source} serves already")).into());
        }
        let swapped = deployment.swap(&connector, self.options(&server.connections)).await;
        swapped.map_err(|e| Failure::new(format!("{source} does not take over")).causes_of(&e).into())
    }

    /// Whether something else is in use than before.
    async fn has_changed(&self) -> bool {
        // A file that is just being replaced is looked at the next time.
        let Ok(Some(now)) = self.source.mark() else { return false };
        *self.seen.lock().await != Some(now)
    }
}

impl Source {
    /// What tells this state from any other; none if nothing changes.
    fn mark(&self) -> Result<Option<Mark>> {
        let Self::File(path) = self else { return Ok(None) };
        let data = std::fs::metadata(path)
            .map_err(|e| Failure::new(format!("cannot read the component `{}`", path.display())).causes_of(&e))?;
        Ok(Some(Mark { changed: data.modified().ok(), length: data.len() }))
    }

    /// The component, and what messages call it.
    fn bytes(&self) -> Result<(Vec<u8>, String)> {
        let Self::File(path) = self else {
            return Err(Failure::new("the component is part of this program: there is no other version").into());
        };
        let bytes = std::fs::read(path)
            .map_err(|e| Failure::new(format!("cannot read the component `{}`", path.display())).causes_of(&e))?;
        Ok((bytes, format!("`{}`", path.display())))
    }
}

/// Looks for another version as long as the process serves.
pub(super) async fn keep_up(server: Arc<Server>) {
    let upkeep = &server.upkeep;
    if upkeep.every.is_zero() {
        return;
    }
    loop {
        tokio::time::sleep(upkeep.every).await;
        if upkeep.has_changed().await {
            // Told where it is tried.
            let _ = upkeep.swap(&server).await;
        }
    }
}
