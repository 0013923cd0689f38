//! The exchange of a deployment's version: check, try out, switch, drain. One at a time up to the switch; whatever fails before it
//! leaves the old version serving, and nothing can fail after it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::Deployment;
use super::canary::{Canary, Trial};
use super::version::Version;
use crate::connection::Connection;
use crate::connector::Connector;
use crate::error::{CallError, SwapError};
use crate::observe::SwapEnded;

/// How a version is exchanged.
#[derive(Clone, Debug)]
pub struct SwapOptions {
    /// Connections of the deployment whose [`Connection::test`] must succeed with the new version, or else fail with the old one too.
    /// It makes a cheap request each. Default: none.
    pub tests: Vec<Connection>,
    /// Whether the new version gets a share of the activities first. Default: no.
    pub canary: Option<Canary>,
    /// How long the activities of the old version may go on. Default 10 minutes: as long as one call may take.
    pub drain: Duration,
    /// What becomes of those that are left then.
    pub leftovers: Leftovers,
}

impl Default for SwapOptions {
    fn default() -> Self {
        let Drain { within, leftovers } = Drain::default();
        Self { tests: Vec::new(), canary: None, drain: within, leftovers }
    }
}

/// What becomes of activities that still run on a replaced version when its time is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leftovers {
    /// Idle ones end; calls under way are cancelled in an orderly way, so that a write answers its outcomes. The default.
    #[default]
    Cancel,
    /// They go on as long as they want, and their version stays in memory until then.
    Keep,
}

/// What a swap did.
#[derive(Clone, Debug)]
pub struct SwapReport {
    /// The version that was replaced.
    pub from: Connector,
    /// The version that serves.
    pub to: Connector,
    /// From the beginning to the switch: checks and canary.
    pub switched_after: Duration,
    /// Activities of the old version that were cancelled when the time for them was over.
    pub cancelled: u32,
    /// Activities of the old version that go on.
    pub kept: u32,
}

/// A swap whose new version serves. Dropped, it leaves the old one's activities alone.
#[must_use = "the time that the old version has is counted by `drained`"]
pub struct Switched {
    from: Arc<Version>,
    to: Connector,
    after: Duration,
    drain: Drain,
}

impl fmt::Debug for Switched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switched").field("to", &self.to).finish_non_exhaustive()
    }
}

impl Switched {
    /// Waits until the old version has come to its end.
    pub async fn drained(self) -> SwapReport {
        let Self { from, to, after: switched_after, drain } = self;
        let (cancelled, kept) = drain.run(&from).await;
        SwapReport { from: from.connector().clone(), to, switched_after, cancelled, kept }
    }
}

impl Deployment {
    /// [`Deployment::switch`], and waits until the old version has come to its end.
    ///
    /// # Errors
    /// As [`Deployment::switch`].
    pub async fn swap(&self, to: &Connector, options: SwapOptions) -> Result<SwapReport, SwapError> {
        Ok(self.switch(to, options).await?.drained().await)
    }

    /// Exchanges the version that serves. Checks that the new one is the same connector and takes the settings of every connection,
    /// tests it and tries it out as the options say, and gives it all new activities. Another swap may follow at once.
    /// What is wrong with a connection under the old version already is not held against the new one.
    ///
    /// Dropping the future leaves the old version serving.
    ///
    /// # Errors
    /// [`SwapError`] says why the old version goes on serving.
    pub async fn switch(&self, to: &Connector, options: SwapOptions) -> Result<Switched, SwapError> {
        let (begun, from) = (Instant::now(), self.serving());
        let switched = self.try_switch(&from, to, &options).await;
        let after = begun.elapsed();
        let watch = &to.program().runtime.watch;
        let error = switched.as_ref().err();
        watch.swap_ended(&SwapEnded { from: from.connector(), to, took: after, error });
        switched?;
        Ok(Switched { from, to: to.clone(), after, drain: Drain::of(&options) })
    }

    async fn try_switch(&self, from: &Arc<Version>, to: &Connector, options: &SwapOptions) -> Result<(), SwapError> {
        let Ok(_swapping) = self.inner.swapping.try_lock() else { return Err(SwapError::Busy) };
        let (name, found) = (&self.inner.name, &to.info().name);
        if name != found {
            return Err(SwapError::OtherConnector { serving: name.clone(), found: found.clone() });
        }
        let mut checked = self.check_settings(from, to, 0).await?;
        for connection in &options.tests {
            check(connection, from, to, |connection| async move { connection.test().await.map(drop) }).await?;
        }
        let to = Version::new(to);
        let _withdrawn = Withdraw { deployment: self, version: &to, drain: Drain::of(options) };
        if let Some(canary) = options.canary {
            self.try_out(from, &to, canary).await?;
        }
        loop {
            checked = self.check_settings(from, to.connector(), checked).await?;
            let members = self.inner.members();
            // If somebody was opened meanwhile, another round.
            if members.last == checked {
                let mut roles = self.inner.roles();
                let on_trial = roles.canary.take().is_some_and(|trial| Arc::ptr_eq(&trial.version, &to));
                if on_trial != options.canary.is_some() || !Arc::ptr_eq(&roles.serving, from) {
                    return Err(SwapError::RolledBack);
                }
                roles.replace(Arc::clone(&to));
                roles.drain = Drain::of(options);
                return Ok(());
            }
        }
    }

    /// Whether every connection that was opened after the first `checked` takes its settings. Answers how many are checked then.
    async fn check_settings(&self, from: &Version, to: &Connector, checked: u64) -> Result<u64, SwapError> {
        let (last, connections) = {
            let members = self.inner.members();
            let new = members.connections.range(checked.saturating_add(1)..).filter_map(|(_, inner)| inner.upgrade());
            (members.last, new.collect::<Vec<_>>())
        };
        for inner in connections {
            let connection = Connection::of(self.clone(), inner);
            check(&connection, from, to, |connection| async move { connection.activity().await.map(drop) }).await?;
        }
        Ok(last)
    }

    /// Gives the version its share until the time is over, if it does well enough.
    async fn try_out(&self, from: &Version, to: &Arc<Version>, canary: Canary) -> Result<(), SwapError> {
        let (before, ended, mut errors) = (from.tally(), Arc::<Notify>::default(), to.errors());
        let trial = Trial { version: Arc::clone(to), percent: canary.percent, due: 0, ended: Arc::clone(&ended) };
        self.inner.roles().canary = Some(trial);
        let time = tokio::time::sleep(canary.time);
        tokio::pin!(time);
        loop {
            let over = tokio::select! {
                () = &mut time => true,
                _ = errors.changed() => false,
                () = ended.notified() => return Err(SwapError::RolledBack),
            };
            let (new, old) = (to.tally(), from.tally().since(before));
            if new.is_worse_than(old, over) {
                return Err(SwapError::Canary {
                    calls: new.calls,
                    errors: new.errors,
                    faults: new.faults,
                    old_calls: old.calls,
                    old_errors: old.errors,
                    old_faults: old.faults,
                });
            }
            if over {
                return Ok(());
            }
        }
    }
}

/// Ends a trial that did not come to a switch.
struct Withdraw<'a> {
    deployment: &'a Deployment,
    version: &'a Arc<Version>,
    drain: Drain,
}

impl Drop for Withdraw<'_> {
    fn drop(&mut self) {
        let mut roles = self.deployment.inner.roles();
        if roles.canary.as_ref().is_some_and(|trial| Arc::ptr_eq(&trial.version, self.version)) {
            roles.canary = None;
            roles.put_away(self.version);
        }
        // Here, or by a rollback that took the canary away.
        if self.version.is_replaced() {
            self.drain.begin(Arc::clone(self.version));
        }
    }
}

/// Asks a connection with the new version. Where that fails, the old one must fail as well: then it is not the new one's fault.
async fn check<F>(
    connection: &Connection,
    from: &Version,
    to: &Connector,
    ask: impl Fn(Connection) -> F,
) -> Result<(), SwapError>
where
    F: Future<Output = Result<(), CallError>>,
{
    let Err(error) = ask(connection.on(to)).await else { return Ok(()) };
    let (name, its_own) = (connection.name().to_owned(), error.is_fault() || error.is_full());
    if its_own || ask(connection.on(from.connector())).await.is_ok() {
        return Err(SwapError::Refused { connection: name, error: Box::new(error) });
    }
    tracing::info!(target: "connector_host", connection = name, %error, "fails with both versions: not held against the new one");
    Ok(())
}

/// How the activities of a replaced version come to their end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain {
    within: Duration,
    leftovers: Leftovers,
}

impl Default for Drain {
    fn default() -> Self {
        Self { within: Duration::from_secs(600), leftovers: Leftovers::default() }
    }
}

impl Drain {
    fn of(options: &SwapOptions) -> Self {
        Self { within: options.drain, leftovers: options.leftovers }
    }

    /// Waits for the end of what runs on a replaced version. Answers how many activities were cancelled, and how many go on.
    async fn run(self, version: &Version) -> (u32, u32) {
        if timeout(self.within, version.drained()).await.is_ok() {
            return (0, 0);
        }
        let left = version.activities();
        match self.leftovers {
            Leftovers::Cancel if version.retire() => (left, 0),
            _ => (0, left),
        }
    }

    /// The same for a version whose end nobody waits for. Without a runtime around, there is nobody to look at the clock.
    pub(super) fn begin(self, version: Arc<Version>) {
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { self.run(&version).await });
        }
    }
}
