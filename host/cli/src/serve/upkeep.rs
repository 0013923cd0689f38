//! Keeps a serving process up to date: another version that is put in use, by whichever process, takes over without a failed call.
//!
//! What is in use is looked at again and again. A version that was refused for what it is, or rolled back, is not tried again before
//! something else is put in use, or somebody asks for it. Where it was not its fault (no room, no network, a file that cannot be read),
//! it is tried again, after waits that grow.

use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use connector_host::{Canary, Connection, Connector, Host, SwapError, SwapOptions, Switched};
use connector_versions::{Digest, Versions, VersionsError};
use tokio::sync::Mutex;

use super::Arguments;
use super::state::{Server, Serving};
use crate::error::{Failure, Failures, Result, suggest};
use crate::remote;
use crate::session::{COMPONENT, Loaded, Session};

/// Longest wait before a version that was not refused for what it is gets another try.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

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
    refused: std::sync::Mutex<Option<Refused>>,
}

/// Why a version does not take over.
struct Refused {
    reason: String,
    /// When it is tried again, and after which wait; none if that is no use.
    again: Option<(Instant, Duration)>,
}

/// A swap that did not come about.
struct Unswapped {
    failures: Failures,
    /// Whether it may come about later.
    transient: bool,
}

impl From<Failures> for Unswapped {
    /// What cannot be read or loaded now may be so later: there may be no room, or the file may be just being written.
    fn from(failures: Failures) -> Self {
        Self { failures, transient: true }
    }
}

/// Where it stands which component is in use.
enum Source {
    /// In this file.
    File(PathBuf),
    /// In the versions of the project in this folder.
    Project { folder: PathBuf, connector: String },
}

/// Tells whether something else is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    File { changed: Option<SystemTime>, length: u64 },
    Project { change: u64 },
}

impl Upkeep {
    /// `file`: [`mark_of_file`] from before `loaded` was loaded, so that what changed in between is seen at the first look.
    pub(super) fn new(session: &Session, loaded: &Loaded, file: Option<Mark>, arguments: &Arguments) -> Self {
        let (source, seen) = match &session.global.connector {
            Some(path) => (Source::File(path.clone()), file),
            None => {
                let connector = loaded.connector.info().name.clone();
                let source = Source::Project { folder: session.global.project.clone(), connector };
                (source, Some(Mark::Project { change: loaded.change }))
            }
        };
        let seen = Mutex::new(seen);
        let Arguments { look: every, canary, drain, .. } = *arguments;
        let (self_test, refused) = (arguments.self_test.clone(), std::sync::Mutex::default());
        Self { source, every, canary, self_test, drain, seen, refused }
    }

    /// Why what is in use does not serve, if that is so.
    pub(super) fn refused(&self) -> Option<String> {
        self.refusal().as_ref().map(|refused| refused.reason.clone())
    }

    fn refusal(&self) -> MutexGuard<'_, Option<Refused>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// A name among those to be tested that is no connection.
    pub(super) fn check_names(arguments: &Arguments, open: &[Connection]) -> Result<()> {
        let names: Vec<&str> = open.iter().map(Connection::name).collect();
        let unknown = arguments.self_test.iter().filter(|name| *name != "all" && !names.contains(&name.as_str()));
        let failures = unknown.map(|name| {
            let failure = Failure::new(format!("--self-test: no connection `{name}` is open here"));
            match suggest(name, names.iter().copied()) {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        });
        Failures::check(failures.collect())
    }

    fn options(&self, mut connections: Vec<Connection>) -> SwapOptions {
        let all = self.self_test.iter().any(|name| name == "all");
        connections.retain(|connection| all || self.self_test.iter().any(|name| name == connection.name()));
        SwapOptions { tests: connections, canary: self.canary, drain: self.drain, ..SwapOptions::default() }
    }

    /// Swaps to what is in use now.
    ///
    /// # Errors
    /// Why the version that serves goes on.
    pub(super) async fn swap(&self, server: &Server, serving: &Serving) -> Result<Switched> {
        let unswapped = match self.try_swap(server, serving).await {
            Ok(Some(switched)) => {
                *self.refusal() = None;
                server.tell_objects(&serving.name).await;
                return Ok(switched);
            }
            Ok(None) => {
                *self.refusal() = None;
                let version = &serving.loaded.deployment.connector().info().version.clone();
                return Err(Failure::new(format!("version {version}, which is in use, serves already")).into());
            }
            Err(unswapped) => unswapped,
        };
        let reason = unswapped.failures.in_one_line();
        tracing::warn!(target: "connector", reason, again = unswapped.transient, "the version that serves goes on");
        let mut refused = self.refusal();
        let waited = refused.as_ref().and_then(|refused| refused.again).map(|(_, wait)| wait);
        let wait = waited.map_or(self.every, |wait| wait.saturating_mul(2)).min(LONGEST_WAIT);
        let again = unswapped.transient.then(|| (Instant::now() + wait, wait));
        *refused = Some(Refused { reason, again });
        Err(unswapped.failures)
    }

    /// None if what is in use serves.
    async fn try_swap(&self, server: &Server, serving: &Serving) -> Result<Option<Switched>, Unswapped> {
        *self.seen.lock().await = Some(self.source.mark()?);
        let (connector, source, mark) = self.source.load(&serving.loaded.host).await?;
        *self.seen.lock().await = Some(mark);
        let deployment = &serving.loaded.deployment;
        if deployment.connector().digest() == connector.digest() {
            return Ok(None);
        }
        match deployment.switch(&connector, self.options(server.open_of(&serving.name))).await {
            Ok(switched) => Ok(Some(switched)),
            Err(error) => {
                let transient = error.is_transient();
                if !transient && matches!(error, SwapError::Canary { .. } | SwapError::Refused { .. }) {
                    // Told where it is written down; the version that was given up is refused all the same.
                    let _ = self.went_back(&deployment.connector()).await;
                }
                let failure = Failure::new(format!("{source} does not take over")).causes_of(&error);
                Err(Unswapped { failures: failure.into(), transient })
            }
        }
    }

    /// Writes down in the project that this process went back to `connector`, so that the next one begins with it too. What somebody
    /// has put in use meanwhile, or pinned, stays.
    ///
    /// # Errors
    /// Why the next process begins with another version.
    pub(super) async fn went_back(&self, connector: &Connector) -> Result<()> {
        let Source::Project { folder, connector: name } = &self.source else {
            return Err(Failure::new("the file on the command line is what the next process begins with").into());
        };
        let mut seen = self.seen.lock().await;
        let written = (|| {
            let versions = Versions::existing(folder)?;
            let (Some(versions), Some(Mark::Project { change })) = (versions, seen.as_ref()) else { return Ok(None) };
            let is_ours = COMPONENT.is_some_and(|wasm| Digest::of(wasm).to_string() == connector.digest());
            let to = connector.digest().parse().ok().filter(|_| !is_ours);
            versions.went_back(name, to.as_ref(), *change).map(Some)
        })();
        match written {
            Ok(change) => {
                *seen = change.map(|change| Mark::Project { change }).or(seen.take());
                Ok(())
            }
            Err(error) => {
                let failure = remote::version_failed(&error);
                tracing::warn!(target: "connector", reason = failure.message, "the project's versions do not say that it was rolled back");
                Err(failure.into())
            }
        }
    }

    /// Whether there is something to try: something else is in use than before, or what was refused is due again.
    async fn is_due(&self) -> bool {
        // A file that is just being replaced is looked at the next time.
        let Ok(now) = self.source.mark() else { return false };
        if *self.seen.lock().await != Some(now) {
            // Whatever was refused before.
            *self.refusal() = None;
            return true;
        }
        self.refusal().as_ref().and_then(|refused| refused.again).is_some_and(|(at, _)| at <= Instant::now())
    }
}

/// What tells the file on the command line from a later one.
pub(super) fn mark_of_file(session: &Session) -> Option<Mark> {
    session.global.connector.as_ref().and_then(|path| Source::File(path.clone()).mark().ok())
}

impl Source {
    /// What tells this state from any other.
    fn mark(&self) -> Result<Mark> {
        match self {
            Self::File(path) => {
                let data = std::fs::metadata(path).map_err(|e| unreadable(path, &e))?;
                Ok(Mark::File { changed: data.modified().ok(), length: data.len() })
            }
            Self::Project { folder, connector } => {
                let failed = |e: VersionsError| remote::version_failed(&e);
                // A project that has installed nothing yet may do so any time.
                let change = match Versions::existing(folder).map_err(failed)? {
                    Some(versions) => versions.serving(connector).map_err(failed)?.change,
                    None => 0,
                };
                Ok(Mark::Project { change })
            }
        }
    }

    /// The component, what messages call it, and what tells this state from any other.
    async fn load(&self, host: &Host) -> Result<(Connector, String, Mark)> {
        match self {
            Self::File(path) => {
                let source = format!("`{}`", path.display());
                // A file that is replaced after this is seen to be another one.
                let mark = self.mark()?;
                let bytes = crate::files::read(path, connector_versions::MAX_SIZE).map_err(|e| unreadable(path, &e))?;
                Ok((host.load(&bytes).await.map_err(|e| remote::load_failed(&source, &e))?, source, mark))
            }
            Self::Project { folder, connector } => {
                let failed = |e: VersionsError| remote::version_failed(&e);
                let nothing = || Failure::new(format!("no version of `{connector}` is in use"));
                let versions = Versions::existing(folder).map_err(failed)?.ok_or_else(nothing)?;
                let loaded = versions.load(host, connector, COMPONENT).await.map_err(failed)?.ok_or_else(nothing)?;
                match loaded.held_back {
                    Some(held_back) => Err(Failure::new(format!("{} does not serve", held_back.version))
                        .cause(held_back.reason)
                        .into()),
                    None => {
                        let mark = Mark::Project { change: loaded.change };
                        Ok((loaded.connector, "the project's versions".to_owned(), mark))
                    }
                }
            }
        }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot read the component `{}`", path.display())).causes_of(error)
}

/// Looks for another version of a connector as long as the process serves.
pub(super) async fn keep_up(server: Weak<Server>, serving: Arc<Serving>) {
    let upkeep = &serving.upkeep;
    if upkeep.every.is_zero() {
        return;
    }
    loop {
        tokio::time::sleep(upkeep.every).await;
        let Some(server) = server.upgrade() else { return };
        server.close_changed(&serving.name);
        if !upkeep.is_due().await {
            continue;
        }
        // What goes wrong is told where it is tried. The next version need not wait for the end of this one's predecessor.
        if let Ok(switched) = upkeep.swap(&server, &serving).await {
            tokio::spawn(switched.drained());
        }
    }
}
