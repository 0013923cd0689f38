//! A connection: a configured connector with its variables, grants, sockets and limits.

use std::fmt;
use std::sync::Arc;

use crate::activity::{Activity, Canceller};
use crate::connector::Connector;
use crate::contract::{Identity, ObjectInfo, ObjectSchema, Page, Plan, QueryRequest};
use crate::egress::Grant;
use crate::error::CallError;
use crate::limits::Limits;
use crate::status::Status;
use crate::variables::Variables;

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
    /// Certificate authorities that are trusted besides the system's, as PEM; any number of them.
    pub extra_roots: String,
}

impl ConnectionConfig {
    /// A connection that may reach nothing yet.
    pub fn new(name: impl Into<String>, settings: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            settings: settings.into(),
            variables: Arc::new(crate::variables::NoVariables),
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
pub struct Connection {}

impl Connection {
    /// Its name.
    pub fn name(&self) -> &str {
        todo!()
    }

    /// The connector that serves it.
    pub fn connector(&self) -> &Connector {
        todo!()
    }

    /// Begins an activity: one instance, which serves one call after the other. Any number may run side by side.
    ///
    /// # Errors
    /// [`CallError::Settings`] if a variable changed so that the settings are not valid any more; [`CallError::Ended`] if there is no
    /// room for an instance.
    pub async fn activity(&self) -> Result<Activity, CallError> {
        todo!()
    }

    /// One cheap read that proves address, credentials and transport.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn test(&self) -> Result<Identity, CallError> {
        todo!()
    }

    /// Every object that can be read or written.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn list_objects(&self) -> Result<Vec<ObjectInfo>, CallError> {
        todo!()
    }

    /// Fields, schemas and abilities of one object.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn describe_object(&self, name: &str) -> Result<ObjectSchema, CallError> {
        let _ = name;
        todo!()
    }

    /// How a query would be run. Sends nothing.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn explain(&self, request: &QueryRequest) -> Result<Plan, CallError> {
        let _ = request;
        todo!()
    }

    /// Begins a query in an activity of its own. Pages come from [`Pages::next`].
    ///
    /// # Errors
    /// As [`Connection::activity`].
    pub async fn query(&self, request: QueryRequest) -> Result<Pages, CallError> {
        let _ = request;
        todo!()
    }

    /// What the connection is doing right now.
    pub fn status(&self) -> Status {
        todo!()
    }
}

/// The pages of one query.
pub struct Pages {}

impl Pages {
    /// The next page; none after the last. After an error, [`Pages::cursor`] still names the place to go on from.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn next(&mut self) -> Result<Option<Page>, CallError> {
        todo!()
    }

    /// Where the next page begins: pass it as [`QueryRequest::cursor`] to go on later or elsewhere. None before the first page and
    /// after the last.
    pub fn cursor(&self) -> Option<&str> {
        todo!()
    }

    /// Ends the query from elsewhere.
    pub fn canceller(&self) -> Canceller {
        todo!()
    }
}
