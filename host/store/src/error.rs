//! What goes wrong with a store. No message holds a value.

use std::path::PathBuf;

use crate::database::{Changed, DatabaseError};
use crate::key::KeyError;

/// Why something cannot be read or changed. A change that failed was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The key for hidden values.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is no such connection.
    #[error("there is no connection `{0}`")]
    NoConnection(String),
    /// Several connectors have a connection of this name.
    #[error("several connections have the name `{name}`: {}", .connectors.iter().map(|c| format!("`{c}:{name}`")).collect::<Vec<_>>().join(", "))]
    Ambiguous {
        /// The name.
        name: String,
        /// The connectors.
        connectors: Vec<String>,
    },
    /// The name is taken.
    #[error("the connector `{connector}` has a connection `{name}` already")]
    Exists {
        /// The connector.
        connector: String,
        /// The name.
        name: String,
    },
    /// No connection can have this name.
    #[error("a connection cannot be named `{}`: {reason}", .name.escape_debug())]
    Name {
        /// The name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// Another process has changed or removed the connection since it was read.
    #[error("the connection `{0}` was changed by somebody else in the meantime")]
    ChangedMeanwhile(String),
    /// There is no such activity.
    #[error("the connection `{connection}` has no activity `{name}`")]
    NoActivity {
        /// The connection.
        connection: String,
        /// The name.
        name: String,
    },
    /// The name of an activity is taken.
    #[error("the connection `{connection}` has an activity `{name}` already")]
    ActivityExists {
        /// The connection.
        connection: String,
        /// The name.
        name: String,
    },
    /// No activity can have this name.
    #[error("an activity cannot be named `{}`: {reason}", .name.escape_debug())]
    ActivityName {
        /// The name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// Somebody else has changed or removed the activity since it was read.
    #[error("the activity `{0}` was changed by somebody else in the meantime")]
    ActivityChanged(String),
    /// A row does not hold what this program writes.
    #[error("{what} in {} is damaged: {reason}", .path.display())]
    Damaged {
        /// What it is about (`the connection a`).
        what: String,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl From<StoreError> for Changed<StoreError> {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<KeyError> for Changed<StoreError> {
    fn from(error: KeyError) -> Self {
        Self::Refused(error.into())
    }
}
