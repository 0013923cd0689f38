//! A connection: a configured connector with its variables, grants, sockets and limits.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use serde_json::Value;

use crate::activity::{Activity, Canceller};
use crate::answer::Reply;
use crate::connector::Connector;
use crate::contract::{Error, ErrorKind, Identity, ObjectInfo, ObjectSchema, Page, Plan, QueryRequest, Retry};
use crate::deployment::Deployment;
use crate::egress::{Egress, Grant, Origin};
use crate::error::{CallError, Cause, Effect, Ended, OpenError};
use crate::instance::Live;
use crate::limits::Limits;
use crate::observe::Watch;
use crate::quota::{Registry, sharers};
use crate::state::Context;
use crate::status::Status;
use crate::transport::{ProxyConfig, Resolver, Setup, Transport, tls};
use crate::variables::{NoVariables, Variables, each_text, mentions, path, resolved};

/// What makes a connection.
#[derive(Clone)]
pub struct ConnectionConfig {
    /// Name, for people and for logs: not empty, without `/`, `:` and control characters.
    pub name: String,
    /// Settings, a JSON object as the connector's `settings-schema` describes it.
    pub settings: String,
    /// Where variables that the settings mention come from. Default: there are none.
    pub variables: Arc<dyn Variables>,
    /// What may be reached. Default: nothing.
    pub grants: Vec<Grant>,
    /// Bounds.
    pub limits: Limits,
    /// Certificate authorities that are trusted besides the system's, as PEM; any number of them. Default: none.
    pub extra_roots: String,
    /// Proxies, for a connection whose settings ask for them. Their credentials are read from `variables`, whether or not the settings
    /// mention those, and stay out of the connector's sight. Default: none.
    pub proxy: Option<ProxyConfig>,
}

impl ConnectionConfig {
    /// A connection that may reach nothing yet.
    pub fn new(name: impl Into<String>, settings: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            settings: settings.into(),
            variables: Arc::new(NoVariables),
            grants: Vec::new(),
            limits: Limits::default(),
            extra_roots: String::new(),
            proxy: None,
        }
    }
}

impl fmt::Debug for ConnectionConfig {
    /// Without the settings: somebody may have typed a secret into them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionConfig")
            .field("name", &self.name)
            .field("grants", &self.grants)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// An open connection. Cheap to clone; clones are the same connection. Costs nothing while idle.
#[derive(Clone)]
pub struct Connection {
    deployment: Deployment,
    inner: Arc<Inner>,
}

/// What a connection has whichever version serves it.
pub(crate) struct Inner {
    context: Arc<Context>,
    transport: Arc<Transport>,
    settings: String,
    parsed: Value,
    /// Where it is a member, and as which, once it is open.
    member: OnceLock<(Deployment, u64)>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some((deployment, number)) = self.member.get() {
            deployment.leave(*number);
            self.context.watch.connections.subtract(1);
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({:?}, {:?})", self.name(), self.connector())
    }
}

impl Connection {
    pub(crate) async fn open(
        deployment: Deployment,
        config: ConnectionConfig,
        quotas: Arc<Registry>,
        watch: Arc<Watch>,
    ) -> Result<Self, OpenError> {
        let connector = deployment.connector();
        check_name(&config.name)?;
        let invalid = |message: String| OpenError::Settings(vec![finding(ErrorKind::Configuration, message, None, "")]);
        let parsed: Value = serde_json::from_str(&config.settings)
            .map_err(|error| invalid(format!("the settings are not JSON: {error}")))?;
        if !parsed.is_object() {
            return Err(invalid("the settings are not a JSON object".to_owned()));
        }
        let trust = tls::Trust::new(&config.extra_roots).map_err(OpenError::Certificates)?;
        let sharers = sharers(&connector.info().name, &config.grants);
        let egress = Egress::new(connector.asked().to_vec(), config.grants);
        let transport = Arc::new(Transport::new(Setup {
            egress,
            trust,
            proxy: config.proxy,
            variables: Arc::clone(&config.variables),
            limits: config.limits.clone(),
            resolver: Resolver::System,
        }));
        let context = Context {
            connection: config.name,
            connector: connector.info().name.clone(),
            variables: config.variables,
            granted: mentioned(&parsed),
            limits: config.limits,
            quotas,
            sharers,
            transport: Some(Arc::clone(&transport)),
            buckets: Mutex::default(),
            watch,
        };
        let inner =
            Inner { context: Arc::new(context), transport, settings: config.settings, parsed, member: OnceLock::new() };
        let connection = Self { deployment, inner: Arc::new(inner) };
        connection.join().await.map_err(|error| match error {
            CallError::Ended(ended) => ended.into(),
            CallError::Settings(errors) => OpenError::Settings(errors),
            CallError::Connector(error) => OpenError::Settings(vec![error]),
        })?;
        Ok(connection)
    }

    /// Checks the settings with the version that serves, and becomes a member of its deployment.
    async fn join(&self) -> Result<(), CallError> {
        loop {
            let serving = self.deployment.serving();
            self.configured(serving.connector(), &Canceller::new()).await?;
            if let Some(number) = self.deployment.admit(&serving, &self.inner) {
                self.inner.context.watch.connections.add(1);
                // Nobody else has seen this connection yet.
                let _ = self.inner.member.set((self.deployment.clone(), number));
                return Ok(());
            }
        }
    }

    pub(crate) fn of(deployment: Deployment, inner: Arc<Inner>) -> Self {
        Self { deployment, inner }
    }

    /// The same connection, served by this version whatever its deployment does.
    pub(crate) fn on(&self, connector: &Connector) -> Self {
        Self::of(Deployment::new(connector), Arc::clone(&self.inner))
    }

    /// A new instance that has taken the settings.
    async fn configured(&self, connector: &Connector, canceller: &Canceller) -> Result<Live, CallError> {
        let inner = &self.inner;
        let mut live = Live::new(connector.program(), &inner.context, canceller, "configure").await?;
        live.state().hide_literals_in(&inner.parsed);
        let settings = inner.settings.clone();
        let taken = live
            .run("configure", Effect::NothingSent, std::future::pending(), move |store, exports| {
                exports.configure(store, settings)
            })
            .await?;
        let mut errors = taken.err().unwrap_or_default();
        let transport = inner.transport.asked_by(connector.asked());
        errors.extend(self.addresses_outside_of_the_grants(&transport));
        let log = live.state().log();
        errors.texts(&mut |text| log.clean(text));
        if !errors.is_empty() {
            return Err(CallError::Settings(errors));
        }
        live.state().connect(transport);
        Ok(live)
    }

    /// A connector cannot know what it is granted, so addresses in the settings are looked at here.
    fn addresses_outside_of_the_grants(&self, transport: &Transport) -> Vec<Error> {
        let inner = &self.inner;
        let mut errors = Vec::new();
        each_text(&inner.parsed, &mut String::new(), &mut |pointer, text| {
            // A variable that is missing is the connector's to tell.
            let Some(text) = resolved(text, &*inner.context.variables) else {
                return;
            };
            let told = match Origin::of_setting(&text) {
                None => return,
                Some(Err(reason)) => format!("this address cannot be used: {reason}"),
                Some(Ok(origin)) => match transport.egress().check(&origin) {
                    Ok(_) => return,
                    Err(refused) => format!("requests to {origin} are not allowed: {refused}"),
                },
            };
            errors.push(finding(ErrorKind::Denied, told, Some("origin-not-granted"), pointer));
        });
        errors
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.context.connection
    }

    /// The version that serves it now.
    pub fn connector(&self) -> Connector {
        self.deployment.connector()
    }

    /// What chooses the version that serves it.
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// Begins an activity: one instance, which serves one call after the other. Any number may run side by side, up to
    /// [`crate::HostConfig::activities`] of all connections; if there is no room, waits a second for some.
    ///
    /// # Errors
    /// [`CallError::Settings`] if a variable changed so that the settings are not valid any more; [`CallError::Ended`] with
    /// [`crate::Cause::Full`] if there is no room.
    pub async fn activity(&self) -> Result<Activity, CallError> {
        self.begin(Canceller::new()).await
    }

    /// [`Connection::activity`], to be ended by this canceller.
    async fn begin(&self, canceller: Canceller) -> Result<Activity, CallError> {
        let mut lease = self.deployment.lease();
        loop {
            let begun = Instant::now();
            match self.configured(lease.version().connector(), &canceller).await {
                Ok(live) => return Ok(Activity::start(lease, live, canceller, &self.inner.context)),
                Err(error) => {
                    self.inner.context.failed_to_start(lease.version(), begun, &error);
                    if !lease.on_trial || error.is_full() {
                        return Err(error);
                    }
                    lease = self.deployment.lease_serving();
                }
            }
        }
    }

    /// One cheap read that proves address, credentials and transport.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn test(&self) -> Result<Identity, CallError> {
        self.activity().await?.test().await
    }

    /// Every object that can be read or written.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn list_objects(&self) -> Result<Vec<ObjectInfo>, CallError> {
        self.activity().await?.list_objects().await
    }

    /// Fields, schemas and abilities of one object.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn describe_object(&self, name: &str) -> Result<ObjectSchema, CallError> {
        self.activity().await?.describe_object(name).await
    }

    /// How a query would be run. Sends nothing.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn explain(&self, request: &QueryRequest) -> Result<Plan, CallError> {
        self.activity().await?.explain(request).await
    }

    /// Begins a query in an activity of its own. Pages come from [`Pages::next`].
    ///
    /// # Errors
    /// As [`Connection::activity`].
    pub async fn query(&self, request: QueryRequest) -> Result<Pages, CallError> {
        let activity = self.activity().await?;
        Ok(Pages { connection: self.clone(), activity, request, last: false, stays: false })
    }

    /// What the connection is doing right now.
    pub fn status(&self) -> Status {
        let Inner { context, transport, .. } = &*self.inner;
        let buckets = context.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let counters = transport.counters();
        Status {
            requests: counters.requests.load(Ordering::Relaxed),
            in_flight: transport.in_flight(),
            bytes_read: counters.bytes_read.load(Ordering::Relaxed),
            sockets: transport.open_sockets(),
            quotas: buckets.values().map(|(shown, bucket)| bucket.status(shown)).collect(),
        }
    }
}

/// The pages of one query. If another version of the connector serves by the next page, that page comes from it; unless it cannot
/// read the cursor or fails where the query could go on, then the query stays with the version that it has.
#[derive(Debug)]
pub struct Pages {
    connection: Connection,
    activity: Activity,
    request: QueryRequest,
    last: bool,
    /// It cannot move over.
    stays: bool,
}

impl Pages {
    /// The next page; none after the last. After an error, [`Pages::cursor`] still names the place to go on from.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn next(&mut self) -> Result<Option<Page>, CallError> {
        if self.last {
            return Ok(None);
        }
        let page = self.page().await?;
        self.request.cursor.clone_from(&page.next);
        self.last = page.next.is_none();
        Ok(Some(page))
    }

    async fn page(&mut self) -> Result<Page, CallError> {
        if !self.stays && self.activity.is_replaced() {
            match self.move_over().await {
                Err(error) if leaves_a_choice(&error) => {
                    tracing::info!(target: "connector_host", connection = self.connection.name(), %error, "a query stays with its version");
                    self.stays = true;
                }
                moved => return moved,
            }
        }
        match self.activity.query(&self.request).await {
            // A read: what the end of its version has broken off begins again on the next one.
            Err(CallError::Ended(Ended { cause: Cause::Replaced, .. })) => self.move_over().await,
            page => page,
        }
    }

    /// The next page from the version that serves now.
    async fn move_over(&mut self) -> Result<Page, CallError> {
        let canceller = self.activity.canceller();
        canceller.move_on();
        let mut activity = self.connection.begin(canceller).await?;
        let page = activity.query(&self.request).await?;
        self.activity = activity;
        Ok(page)
    }

    /// Where the next page begins: pass it as [`QueryRequest::cursor`] to go on later or elsewhere. None before the first page (of
    /// a query from the start) and after the last.
    pub fn cursor(&self) -> Option<&str> {
        self.request.cursor.as_deref()
    }

    /// Ends the query from elsewhere.
    pub fn canceller(&self) -> Canceller {
        self.activity.canceller()
    }
}

/// Whether a query that fails so on the new version can go on with the old one.
fn leaves_a_choice(error: &CallError) -> bool {
    match error {
        CallError::Connector(error) => error.code.as_deref() == Some("cursor-version"),
        CallError::Settings(_) => true,
        CallError::Ended(_) => error.is_fault() || error.is_full(),
    }
}

/// The variables that settings mention, each with the settings that do.
fn mentioned(settings: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for mention in mentions(settings) {
        found.entry(mention.name.clone()).or_default().extend(path(&mention.pointer));
    }
    found
}

fn check_name(name: &str) -> Result<(), OpenError> {
    let reason = if name.trim().is_empty() {
        "it is empty"
    } else if name.contains(['/', ':']) {
        "it holds `/` or `:`"
    } else if name.contains(char::is_control) {
        "it holds a control character"
    } else {
        return Ok(());
    };
    Err(OpenError::Name { name: name.to_owned(), reason })
}

/// A finding of the host, in the shape of the connector's own.
fn finding(kind: ErrorKind, message: String, code: Option<&str>, pointer: &str) -> Error {
    Error {
        kind,
        retry: Retry::Never,
        message,
        status: None,
        code: code.map(str::to_owned),
        pointer: Some(pointer.to_owned()),
    }
}
