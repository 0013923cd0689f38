//! What all requests share: the connectors that serve, and the connections that are open. Both are brought in when they are needed
//! first. A connection that was changed, by whichever process, is opened anew at its next use; what runs on the one before finishes
//! there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use connector_host::{Connection, Deployment};
use connector_store::{Kept, Saved};
use tokio::task::JoinSet;

use super::Arguments;
use super::access::Access;
use super::closing::Closing;
use super::limits::Limits;
use super::reach::Reach;
use super::runs::Running;
use super::scheduling;
use super::upkeep::{self, Upkeep};
use crate::error::{Failures, Result};
use crate::schema::Schema;
use crate::session::{Loaded, Session, parse_schema};
use crate::telemetry::{Telemetry, Watched};

/// The process.
pub(crate) struct Server {
    pub(crate) session: Session,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) access: Access,
    pub(super) reach: Reach,
    pub(super) limits: Limits,
    pub(super) closing: Closing,
    arguments: Arguments,
    state: Mutex<State>,
    /// Held while a connector is loaded or a connection opened, so that it happens once.
    bringing_in: tokio::sync::Mutex<()>,
    looking: Mutex<JoinSet<()>>,
    pub(super) running: Running,
}

#[derive(Default)]
struct State {
    /// By name.
    connectors: BTreeMap<String, Arc<Serving>>,
    /// By `connector:name`.
    connections: BTreeMap<String, Entry>,
    /// What metrics call by its name, of each connector.
    objects: BTreeMap<String, BTreeSet<String>>,
}

/// A connector in the version that serves.
pub(super) struct Serving {
    pub(super) name: String,
    pub(super) loaded: Loaded,
    pub(super) upkeep: Upkeep,
}

impl Serving {
    /// What the version that serves says of its settings.
    pub(super) fn schema(&self) -> Result<Schema> {
        parse_schema(&self.loaded.deployment.connector().info().settings_schema)
    }
}

/// A connection that was opened, or could not be.
struct Entry {
    kept: Option<Kept>,
    opened: std::result::Result<Connection, Failures>,
}

/// How a connection is.
pub(super) enum Condition {
    NotOpened,
    Open,
    Failed(String),
}

impl Server {
    pub(super) fn new(
        session: Session,
        arguments: Arguments,
        telemetry: Arc<Telemetry>,
        access: Access,
        reach: Reach,
    ) -> Self {
        let closing = Closing::new(&session.interrupt, arguments.grace);
        let limits = Limits::new(arguments.rate);
        let (state, looking, bringing_in) = (Mutex::default(), Mutex::default(), tokio::sync::Mutex::default());
        Self {
            session,
            telemetry,
            access,
            reach,
            limits,
            closing,
            arguments,
            state,
            bringing_in,
            looking,
            running: Running::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connectors that serve.
    pub(super) fn connectors(&self) -> Vec<Arc<Serving>> {
        self.state().connectors.values().cloned().collect()
    }

    /// The connector of this name, or the one that is meant without a name. With `--connector`, there is only that one.
    pub(super) async fn serving(self: &Arc<Self>, name: Option<&str>) -> Result<Arc<Serving>> {
        let _one = match self.known(name) {
            Some(serving) => return Ok(serving),
            None => self.bringing_in.lock().await,
        };
        self.load(name).await
    }

    fn known(&self, name: Option<&str>) -> Option<Arc<Serving>> {
        let state = self.state();
        match self.session.global.connector {
            Some(_) => state.connectors.values().next().cloned(),
            None => state.connectors.get(name?).cloned(),
        }
    }

    async fn load(self: &Arc<Self>, name: Option<&str>) -> Result<Arc<Serving>> {
        if let Some(serving) = self.known(name) {
            return Ok(serving);
        }
        let file = upkeep::mark_of_file(&self.session);
        let loaded = self.session.connector(name).await?;
        let name = loaded.connector.info().name.clone();
        // Without a version of that name, what is bundled answers: it may serve already.
        if let Some(serving) = self.known(Some(&name)) {
            return Ok(serving);
        }
        let upkeep = Upkeep::new(&self.session, &loaded, file, &self.arguments);
        let serving = Arc::new(Serving { name: name.clone(), loaded, upkeep });
        self.state().connectors.insert(name, Arc::clone(&serving));
        let mut looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        looking.spawn(upkeep::keep_up(Arc::downgrade(self), Arc::clone(&serving)));
        Ok(serving)
    }

    /// Which agent of its group this process is, if somebody has said so.
    pub(super) fn agent(&self) -> Option<&str> {
        self.arguments.agent.as_deref()
    }

    /// Begins to run operations when they are due.
    pub(super) fn keep_schedules(self: &Arc<Self>, claims: scheduling::Claims) {
        let mut looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        looking.spawn(scheduling::keep(Arc::downgrade(self), claims));
    }

    /// Ends what runs beside requests.
    pub(super) fn stop_looking(&self) {
        self.looking.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    /// The connection of this name, or `connector:name`, as it is in the project now.
    ///
    /// # Errors
    /// There is none, or it does not open.
    pub(crate) async fn connection(self: &Arc<Self>, name: &str) -> Result<Connection> {
        let saved = self.session.project.connection(name)?;
        self.opened(&saved).await
    }

    /// The same for one that was read from the project.
    pub(crate) async fn opened(self: &Arc<Self>, saved: &Saved) -> Result<Connection> {
        if let Some(connection) = self.open_as(saved) {
            return Ok(connection);
        }
        let _one = self.bringing_in.lock().await;
        if let Some(connection) = self.open_as(saved) {
            return Ok(connection);
        }
        let serving = self.load(Some(&saved.connector)).await?;
        let opened = self.session.open(&serving.loaded, saved, self.session.variables()?).await;
        let is_first = !self.state().objects.contains_key(&serving.name);
        self.state().connections.insert(saved.full_name(), Entry { kept: saved.kept, opened: opened.clone() });
        if opened.is_ok() && is_first {
            self.tell_objects(&serving.name).await;
        }
        opened
    }

    /// The open connection, if it was opened as it is now.
    fn open_as(&self, saved: &Saved) -> Option<Connection> {
        let state = self.state();
        let entry = state.connections.get(&saved.full_name()).filter(|entry| entry.kept == saved.kept)?;
        entry.opened.as_ref().ok().cloned()
    }

    /// # Errors
    /// A connection that is to be tested with each version, and is not open.
    pub(super) fn check_self_test(&self, open: &[Connection]) -> Result<()> {
        Upkeep::check_names(&self.arguments, open)
    }

    /// How a connection is.
    pub(super) fn condition(&self, saved: &Saved) -> Condition {
        match self.state().connections.get(&saved.full_name()).filter(|entry| entry.kept == saved.kept) {
            Some(Entry { opened: Ok(_), .. }) => Condition::Open,
            Some(Entry { opened: Err(failures), .. }) => Condition::Failed(failures.in_one_line()),
            None => Condition::NotOpened,
        }
    }

    /// The open connections of a connector.
    pub(super) fn open_of(&self, connector: &str) -> Vec<Connection> {
        let state = self.state();
        let of = |key: &str| key.split_once(':').is_some_and(|(first, _)| first == connector);
        let entries = state.connections.iter().filter(|(key, _)| of(key));
        entries.filter_map(|(_, entry)| entry.opened.as_ref().ok().cloned()).collect()
    }

    /// Lets go of connections that the project does not have any more as they were opened.
    pub(super) fn close_changed(&self, connector: &str) {
        // What cannot be read now can be later.
        let Ok(all) = self.session.project.connections() else { return };
        let there: BTreeMap<String, Option<Kept>> = all.iter().map(|saved| (saved.full_name(), saved.kept)).collect();
        let of = |key: &str| key.split_once(':').is_some_and(|(first, _)| first == connector);
        self.state().connections.retain(|key, entry| !of(key) || there.get(key) == Some(&entry.kept));
    }

    /// Tells the metrics which objects there are: those of any connection of this connector, because they are the connector's.
    pub(super) async fn tell_objects(&self, connector: &str) {
        let Some(connection) = self.open_of(connector).into_iter().next() else { return };
        let listed = connection.list_objects().await.unwrap_or_default();
        let names = listed.into_iter().map(|object| object.name).collect();
        let all = {
            let mut state = self.state();
            state.objects.insert(connector.to_owned(), names);
            state.objects.values().flatten().cloned().collect()
        };
        self.telemetry.know_objects(all);
    }
}

impl Watched for std::sync::Weak<Server> {
    fn deployments(&self) -> Vec<Deployment> {
        let connectors = self.upgrade().map(|server| server.connectors()).unwrap_or_default();
        connectors.iter().map(|serving| serving.loaded.deployment.clone()).collect()
    }

    fn connections(&self) -> Vec<Connection> {
        let Some(server) = self.upgrade() else { return Vec::new() };
        let state = server.state();
        state.connections.values().filter_map(|entry| entry.opened.as_ref().ok().cloned()).collect()
    }
}
