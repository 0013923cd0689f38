//! What can go wrong with versions. None of it carries a secret.

use std::io;
use std::path::PathBuf;

use connector_host::LoadError;
use connector_store::DatabaseError;

use crate::digest::Digest;
use crate::signature::{KeyError, Verdict};

/// Why a component does not become, or does not stay, a version that serves.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is larger than any connector should be.
    #[error("it is larger than {} MiB", crate::MAX_SIZE >> 20)]
    Size,
    /// The bytes are not those that were meant.
    #[error("its digest is {found}, expected {expected}")]
    Digest {
        /// What was meant.
        expected: Digest,
        /// What is there.
        found: Digest,
    },
    /// It is no connector that this host can run.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It is another connector.
    #[error("it says it is the connector `{found}`, expected `{expected}`")]
    Name {
        /// What was meant.
        expected: String,
        /// What it says.
        found: String,
    },
    /// It is another version.
    #[error("it says it is version {found}, expected {expected}")]
    Version {
        /// What was meant.
        expected: String,
        /// What it says.
        found: String,
    },
    /// Its version cannot be compared.
    #[error("it says it is version `{0}`, which is no semantic version (like 1.2.3)")]
    NotSemantic(String),
    /// The policy requires a signature by a trusted key.
    #[error("it is {0}, and the policy requires a signature by a trusted key")]
    Signature(Verdict),
    /// Nobody has asked for it, and no trusted key has signed it.
    #[error("it is {0}, and an automatic update takes what a trusted key has signed")]
    Unasked(Verdict),
    /// Nobody has asked for it, and automatic updates are off.
    #[error("the policy has automatic updates off")]
    NoUpdates,
    /// Its file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// An operation on versions did not happen. What served before goes on serving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VersionsError {
    /// The store of versions.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A file of a version cannot be written.
    #[error("cannot write {}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A component is no version that may serve.
    #[error("{what} is refused")]
    Refused {
        /// Which one: a name and a version, or where it came from.
        what: String,
        /// Why.
        source: Refusal,
    },
    /// There is no such version here.
    #[error("no installed version of `{connector}` is {wanted}; there are: {}", if .there.is_empty() { "none".to_owned() } else { .there.join(", ") })]
    NotInstalled {
        /// The connector.
        connector: String,
        /// What was asked for.
        wanted: String,
        /// What there is.
        there: Vec<String>,
    },
    /// Several installed versions fit.
    #[error("{wanted} fits several installed versions: {}", .fitting.join(", "))]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// Digests of those that fit.
        fitting: Vec<String>,
    },
    /// The connector is pinned to a version.
    #[error("`{connector}` is pinned to {version}")]
    Pinned {
        /// The connector.
        connector: String,
        /// Its version.
        version: String,
    },
    /// Somebody else was faster.
    #[error("another version of `{0}` was put in use meanwhile")]
    Switched(String),
    /// The version serves.
    #[error("{0} is in use")]
    InUse(String),
    /// Nothing served before.
    #[error("no other version of `{0}` has served before")]
    NoneBefore(String),
    /// Something else is where a version should be put.
    #[error("{place} holds something else already")]
    Taken {
        /// The place.
        place: String,
    },
    /// A place that versions come from or go to.
    #[error("{place}: {reason}")]
    Place {
        /// The place.
        place: String,
        /// What is wrong with it or went wrong there.
        reason: String,
    },
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl VersionsError {
    pub(crate) fn place(place: impl ToString, reason: impl ToString) -> Self {
        Self::Place { place: place.to_string(), reason: reason.to_string() }
    }
}
