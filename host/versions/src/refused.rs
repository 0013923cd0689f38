//! Versions that no automatic update takes: rolled back, removed, or failed when they were tried. Known by their digest, so that
//! removing one does not bring it back. Who puts one in use by name has decided otherwise.

use connector_store::Changed;
use rusqlite::{OptionalExtension as _, Transaction};
use semver::Version;

use crate::error::VersionsError;
use crate::versions::{Installed, Versions};

/// Why no automatic update takes a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Something that served before was put in use again instead.
    RolledBack,
    /// It failed its self-test.
    Failed,
    /// It was removed.
    Removed,
}

impl Reason {
    fn word(self) -> &'static str {
        match self {
            Self::RolledBack => "was rolled back",
            Self::Failed => "failed its self-test",
            Self::Removed => "was removed",
        }
    }
}

impl Versions {
    /// Keeps automatic updates from taking a version again.
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn refuse(&self, version: &Installed, reason: Reason) -> Result<(), VersionsError> {
        let digest = version.digest.to_string();
        self.database.change(|transaction| Ok::<_, Changed<VersionsError>>(refuse(transaction, &digest, reason)?))
    }

    /// Why no automatic update takes this version of a connector, for people: `was rolled back`. None: it may.
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn refused(&self, connector: &str, version: &Version) -> Result<Option<String>, VersionsError> {
        let query = "SELECT reason FROM refused WHERE connector = ?1 AND version = ?2 LIMIT 1";
        let row = (connector, version.to_string());
        Ok(self.database.read(|connection| connection.query_row(query, row, |row| row.get(0)).optional())?)
    }
}

/// Refuses an installed version from now on. What was refused already stays so for its first reason.
pub(crate) fn refuse(transaction: &Transaction<'_>, digest: &str, reason: Reason) -> rusqlite::Result<()> {
    let insert = "INSERT INTO refused (connector, digest, version, reason)
                  SELECT connector, digest, version, ?2 FROM versions WHERE digest = ?1
                  ON CONFLICT (connector, digest) DO NOTHING";
    transaction.execute(insert, (digest, reason.word())).map(drop)
}

/// Refuses a version no more.
pub(crate) fn accept(transaction: &Transaction<'_>, digest: &str) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM refused WHERE digest = ?1", [digest]).map(drop)
}
