//! The versions of one connector behind any number of connections, and the change from one to another while calls run.
//!
//! Every activity is leased from the deployment and stays with the version that it got; a query moves over between two pages
//! ([`crate::Pages`]). A swap looks at the new version from all sides before it gets the first call, so that whatever is wrong with it
//! leaves the old one serving.

mod canary;
mod swap;
mod version;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

use crate::connection;
use crate::connector::Connector;
use crate::error::SwapError;

pub use canary::Canary;
use canary::Trial;
use swap::Drain;
pub use swap::{Leftovers, SwapOptions, SwapReport, Switched};
use version::Phase;
pub(crate) use version::{Lease, Version};

/// Which version of a connector serves the connections that were opened with it. Cheap to clone; clones are the same deployment.
///
/// A connection that is opened with a [`Connector`] has a deployment of its own; to exchange the version of many at once, open them
/// with one deployment.
///
/// ```no_run
/// # async fn example(host: connector_host::Host, configs: Vec<connector_host::ConnectionConfig>) -> Result<(), Box<dyn std::error::Error>> {
/// use connector_host::{Canary, Deployment, SwapOptions};
/// use std::time::Duration;
///
/// let deployment = Deployment::new(&host.load(&std::fs::read("bigcommerce-1.wasm")?).await?);
/// let mut connections = Vec::new();
/// for config in configs {
///     connections.push(host.open(&deployment, config).await?);
/// }
/// // Later, while calls run:
/// let next = host.load(&std::fs::read("bigcommerce-2.wasm")?).await?;
/// let options = SwapOptions {
///     tests: connections.clone(), // besides the settings of all, which are always checked
///     canary: Some(Canary { percent: 10, time: Duration::from_secs(60) }),
///     ..SwapOptions::default()
/// };
/// match deployment.swap(&next, options).await {
///     Ok(report) => println!("{} serves, {} activities of the old one were cancelled", report.to.info().version, report.cancelled),
///     Err(why) => println!("{} goes on: {why}", deployment.connector().info().version),
/// }
/// deployment.rollback()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Deployment {
    inner: Arc<Inner>,
}

struct Inner {
    /// The connector's name: all versions have the same.
    name: String,
    members: Mutex<Members>,
    roles: Mutex<Roles>,
    /// Held by a swap up to its switch.
    swapping: tokio::sync::Mutex<()>,
}

/// The connections, in the order in which they were opened.
#[derive(Default)]
struct Members {
    last: u64,
    connections: BTreeMap<u64, Weak<connection::Inner>>,
}

struct Roles {
    serving: Arc<Version>,
    canary: Option<Trial>,
    /// Where a rollback leads.
    previous: Option<Arc<Version>>,
    /// Those that were replaced and have activities left.
    draining: Vec<Weak<Version>>,
    /// What the last swap gave to the activities of the version that it replaced.
    drain: Drain,
}

/// A snapshot of a deployment.
#[derive(Clone, Debug)]
pub struct DeploymentState {
    /// The connector's name.
    pub connector: String,
    /// Open connections.
    pub connections: usize,
    /// Its versions: the one that serves, then those that have another role.
    pub versions: Vec<VersionState>,
}

/// A snapshot of one version of a deployment.
#[derive(Clone, Debug)]
pub struct VersionState {
    /// The version, as the connector says it.
    pub version: String,
    /// Digest of the component.
    pub digest: String,
    /// What it is there for.
    pub role: Role,
    /// When it began to take activities, or ceased to.
    pub since: SystemTime,
    /// Activities on it.
    pub activities: u32,
    /// Calls under way.
    pub calls_in_flight: u32,
    /// Calls that ended.
    pub calls: u64,
    /// Those that failed, for whatever reason; writes of which nothing was applied, and something failed or is unknown, among them.
    pub errors: u64,
    /// Those for which the connector is to blame ([`crate::CallError::is_fault`]).
    pub faults: u64,
}

/// What a version is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// New activities run on it.
    Serving,
    /// It gets this share of new activities, in percent, and is watched.
    Canary(u8),
    /// It was replaced, and finishes what it has begun.
    Draining,
    /// It was replaced last, and has nothing to do: a rollback leads back to it.
    Previous,
}

impl Role {
    /// The role in one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Canary(_) => "canary",
            Self::Draining => "draining",
            Self::Previous => "previous",
        }
    }
}

impl From<&Connector> for Deployment {
    fn from(connector: &Connector) -> Self {
        Self::new(connector)
    }
}

impl From<&Deployment> for Deployment {
    fn from(deployment: &Deployment) -> Self {
        deployment.clone()
    }
}

impl fmt::Debug for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deployment({:?})", self.connector())
    }
}

impl Deployment {
    /// A deployment that this version serves.
    pub fn new(connector: &Connector) -> Self {
        let serving = Version::new(connector);
        let roles = Roles { serving, canary: None, previous: None, draining: Vec::new(), drain: Drain::default() };
        Self {
            inner: Arc::new(Inner {
                name: connector.info().name.clone(),
                members: Mutex::default(),
                roles: Mutex::new(roles),
                swapping: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// The version that serves.
    pub fn connector(&self) -> Connector {
        self.serving().connector().clone()
    }

    /// Which versions there are, and what they do.
    pub fn state(&self) -> DeploymentState {
        let connections = self.inner.members().connections.len();
        let roles = self.inner.roles();
        let mut versions = vec![roles.serving.state(Role::Serving)];
        versions.extend(roles.canary.as_ref().map(|trial| trial.version.state(Role::Canary(trial.percent))));
        let draining: Vec<_> = roles.draining.iter().filter_map(Weak::upgrade).collect();
        let replaced = roles.previous.iter().chain(draining.iter().filter(|version| !roles.is_previous(version)));
        versions.extend(replaced.filter_map(|version| match version.activities() {
            0 if !roles.is_previous(version) => None,
            0 => Some(version.state(Role::Previous)),
            _ => Some(version.state(Role::Draining)),
        }));
        DeploymentState { connector: self.inner.name.clone(), connections, versions }
    }

    /// Goes back, at once: ends a canary, or gives all new activities to the version that served before. That version is not checked
    /// again. What runs on the other one finishes there, within the time that the swap gave ([`SwapOptions::drain`]), which is counted
    /// only where this is called within a Tokio runtime; queries move back at their next page. Answers the version that serves now.
    ///
    /// # Errors
    /// [`SwapError::NoPrevious`].
    pub fn rollback(&self) -> Result<Connector, SwapError> {
        let mut roles = self.inner.roles();
        if let Some(trial) = roles.canary.take() {
            trial.ended.notify_one();
            roles.put_away(&trial.version);
        } else {
            let previous = roles.previous.take().ok_or(SwapError::NoPrevious)?;
            let left = Arc::clone(&roles.serving);
            roles.replace(previous);
            roles.drain.begin(left);
        }
        Ok(roles.serving.connector().clone())
    }

    /// A place for a new activity, on the version whose turn it is.
    pub(crate) fn lease(&self) -> Lease {
        let mut roles = self.inner.roles();
        if let Some(trial) = &mut roles.canary
            && trial.takes_next()
        {
            return trial.version.lease(true);
        }
        roles.serving.lease(false)
    }

    /// A place on the version that serves, whatever is on trial.
    pub(crate) fn lease_serving(&self) -> Lease {
        self.inner.roles().serving.lease(false)
    }

    pub(crate) fn serving(&self) -> Arc<Version> {
        Arc::clone(&self.inner.roles().serving)
    }

    /// Takes in a connection whose settings `checked` has taken. Answers its number, or none if another version serves by now.
    pub(crate) fn admit(&self, checked: &Arc<Version>, connection: &Arc<connection::Inner>) -> Option<u64> {
        let mut members = self.inner.members();
        Arc::ptr_eq(&self.inner.roles().serving, checked).then(|| {
            members.last += 1;
            let number = members.last;
            members.connections.insert(number, Arc::downgrade(connection));
            number
        })
    }

    /// Forgets a connection.
    pub(crate) fn leave(&self, number: u64) {
        self.inner.members().connections.remove(&number);
    }
}

impl Inner {
    /// Before [`Inner::roles`], where both are held.
    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn roles(&self) -> MutexGuard<'_, Roles> {
        self.roles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Roles {
    /// Another version serves from now on.
    fn replace(&mut self, to: Arc<Version>) {
        to.enter(Phase::Takes);
        // It may have come back while it was draining.
        self.draining.retain(|other| !std::ptr::eq(other.as_ptr(), Arc::as_ptr(&to)));
        let from = std::mem::replace(&mut self.serving, to);
        self.put_away(&from);
        self.previous = Some(from);
    }

    /// A version gets no new activities from now on.
    fn put_away(&mut self, version: &Arc<Version>) {
        version.enter(Phase::Drains);
        self.draining.retain(|other| other.upgrade().is_some_and(|other| other.activities() > 0));
        self.draining.push(Arc::downgrade(version));
    }

    fn is_previous(&self, version: &Arc<Version>) -> bool {
        self.previous.as_ref().is_some_and(|previous| Arc::ptr_eq(previous, version))
    }
}
