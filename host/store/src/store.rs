//! An open store.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use connector_host::Secret;
use rusqlite::Transaction;

use crate::database::{Changed, Database};
use crate::error::StoreError;
use crate::key::{Key, KeyError, KeySources};
use crate::layout::LAYOUT;
use crate::seal::{Owner, open, seal};
use crate::variables::Stored;

/// Connections and variables. Several processes may have the same file open.
#[derive(Debug)]
pub struct Store {
    pub(crate) database: Database,
    pub(crate) keys: KeySources,
    /// What tells this store from all others: values and key files belong to it.
    pub(crate) id: String,
    /// Keys that were found already.
    found: Mutex<Vec<Key>>,
}

impl Store {
    /// Opens a store and makes it if it is missing. Looks for no key yet.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn open(path: &Path, keys: KeySources) -> Result<Self, StoreError> {
        let database = Database::open(path, &LAYOUT)?;
        let id = database.read(|c| c.query_row("SELECT id FROM store", [], |row| row.get(0)))?;
        Ok(Self { database, keys, id, found: Mutex::default() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.database.path()
    }

    /// Changes, all or nothing.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, Changed<StoreError>>,
    ) -> Result<T, StoreError> {
        self.database.change(change)
    }

    /// Encrypts a value with the present key; a store that has none gets its first one. The key is safe in its place before a
    /// value that needs it is committed, and no other process makes one meanwhile: this one holds the right to change the file.
    pub(crate) fn seal(
        &self,
        transaction: &Transaction<'_>,
        owner: Owner<'_>,
        value: &Secret,
    ) -> Result<(Vec<u8>, String), Changed<StoreError>> {
        let present = transaction.query_row("SELECT key FROM store", [], |row| row.get::<_, Option<String>>(0))?;
        let key = match present {
            Some(fingerprint) => self.key(&fingerprint)?,
            None => {
                let key = self.keys.first(&self.id)?;
                transaction.execute("UPDATE store SET key = ?1", [key.fingerprint()])?;
                key
            }
        };
        Ok((seal(&key, owner, value.reveal())?, key.fingerprint().to_owned()))
    }

    /// The value of a variable. Looks for the key if it is hidden.
    ///
    /// # Errors
    /// [`StoreError::Key`] if the key is not there, [`StoreError::Damaged`] if the value was not sealed for this variable.
    pub fn reveal(&self, variable: &Stored) -> Result<Secret, StoreError> {
        let Some((sealed, fingerprint)) = &variable.sealed else {
            return Ok(Secret::public(variable.value().unwrap_or_default()));
        };
        let key = self.key(fingerprint)?;
        let owner = Owner {
            store: &self.id,
            connection: variable.connection,
            environment: variable.environment().unwrap_or_default(),
            name: &variable.name,
        };
        let value = open(&key, owner, sealed).ok_or_else(|| {
            self.damaged(format!("the value of `{}`", variable.name), "it was not encrypted for this place")
        })?;
        Ok(Secret::new(value.as_str()))
    }

    /// Looks for the present key before a change that will need it: a keyring may wait for a person, and meanwhile others may
    /// change the file. If it is not found, the change will say so.
    pub(crate) fn look_ahead(&self) {
        let sql = "SELECT key FROM store";
        let present = self.database.read(|c| c.query_row(sql, [], |row| row.get::<_, Option<String>>(0)));
        if let Ok(Some(fingerprint)) = present {
            drop(self.key(&fingerprint));
        }
    }

    /// The key with this fingerprint; looks for it only once.
    pub(crate) fn key(&self, fingerprint: &str) -> Result<Key, KeyError> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = found.iter().find(|key| key.fingerprint() == fingerprint) {
            return Ok(key.clone());
        }
        let key = self.keys.find(&self.id, fingerprint)?;
        found.push(key.clone());
        Ok(key)
    }

    pub(crate) fn damaged(&self, what: String, reason: impl ToString) -> StoreError {
        StoreError::Damaged { what, path: self.path().to_owned(), reason: reason.to_string() }
    }
}
