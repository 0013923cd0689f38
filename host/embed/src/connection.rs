//! A connection: a configured connector with its variables, grants, sockets and limits.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::activity::{Activity, Canceller};
use crate::connector::Connector;
use crate::contract::{Error, ErrorKind, Identity, ObjectInfo, ObjectSchema, Page, Plan, QueryRequest, Retry};
use crate::egress::{Egress, Grant, Origin};
use crate::error::{CallError, Effect, OpenError};
use crate::instance::Live;
use crate::limits::Limits;
use crate::quota::{Registry, sharers};
use crate::state::Context;
use crate::status::Status;
use crate::transport::{Transport, tls};
use crate::variables::{NoVariables, Variables, each_text, mentions, resolved};

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
    inner: Arc<Inner>,
}

struct Inner {
    connector: Connector,
    context: Arc<Context>,
    transport: Arc<Transport>,
    settings: String,
    parsed: Value,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({:?}, {:?})", self.name(), self.connector())
    }
}

impl Connection {
    pub(crate) async fn open(
        connector: &Connector,
        config: ConnectionConfig,
        quotas: Arc<Registry>,
    ) -> Result<Self, OpenError> {
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
        let transport = Arc::new(Transport::new(egress, trust, &config.limits));
        let context = Context {
            connection: config.name,
            connector: connector.info().name.clone(),
            variables: config.variables,
            granted: mentions(&parsed).into_iter().map(|mention| mention.name).collect(),
            limits: config.limits,
            quotas,
            sharers,
            transport: Some(Arc::clone(&transport)),
            buckets: Mutex::default(),
        };
        let connection = Self {
            inner: Arc::new(Inner {
                connector: connector.clone(),
                context: Arc::new(context),
                transport,
                settings: config.settings,
                parsed,
            }),
        };
        match connection.configured(&Canceller::new()).await {
            Ok(_instance) => Ok(connection),
            Err(CallError::Ended(ended)) => Err(ended.into()),
            Err(CallError::Settings(errors)) => Err(OpenError::Settings(errors)),
            Err(CallError::Connector(error)) => Err(OpenError::Settings(vec![error])),
        }
    }

    /// A new instance that has taken the settings.
    async fn configured(&self, canceller: &Canceller) -> Result<Live, CallError> {
        let inner = &self.inner;
        let mut live = Live::new(inner.connector.program(), &inner.context, canceller, "configure").await?;
        let settings = inner.settings.clone();
        let taken = live
            .run("configure", Effect::NothingSent, std::future::pending(), move |store, instance| {
                Box::pin(async move { instance.ipaas_connector_connection().call_configure(store, &settings).await })
            })
            .await?;
        let mut errors = taken.err().unwrap_or_default();
        errors.iter_mut().for_each(|error| live.state().redactor().clean(&mut error.message));
        errors.extend(self.addresses_outside_of_the_grants());
        if !errors.is_empty() {
            return Err(CallError::Settings(errors));
        }
        live.state().connect();
        Ok(live)
    }

    /// A connector cannot know what it is granted, so addresses in the settings are looked at here.
    fn addresses_outside_of_the_grants(&self) -> Vec<Error> {
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
                Some(Ok(origin)) => match inner.transport.egress().check(&origin) {
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

    /// The connector that serves it.
    pub fn connector(&self) -> &Connector {
        &self.inner.connector
    }

    /// Begins an activity: one instance, which serves one call after the other. Any number may run side by side, up to
    /// [`crate::HostConfig::activities`] of all connections; if there is no room, waits a second for some.
    ///
    /// # Errors
    /// [`CallError::Settings`] if a variable changed so that the settings are not valid any more; [`CallError::Ended`] with
    /// [`crate::Cause::Full`] if there is no room.
    pub async fn activity(&self) -> Result<Activity, CallError> {
        let canceller = Canceller::new();
        let live = self.configured(&canceller).await?;
        Ok(Activity::start(live, canceller, self.inner.connector.program()))
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
        Ok(Pages { activity: self.activity().await?, request, last: false })
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
            quotas: buckets.iter().map(|(name, bucket)| bucket.status(name)).collect(),
        }
    }
}

/// The pages of one query.
#[derive(Debug)]
pub struct Pages {
    activity: Activity,
    request: QueryRequest,
    last: bool,
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
        let page = self.activity.query(&self.request).await?;
        self.request.cursor.clone_from(&page.next);
        self.last = page.next.is_none();
        Ok(Some(page))
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
