//! An open store.
//!
//! Keys are looked for while nothing is locked: a keyring may wait for a person, and meanwhile others read secrets and change the
//! file.

use std::cell::OnceCell;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use connector_host::Secret;
use rusqlite::{Connection, Transaction};

use crate::database::{Changed, Database};
use crate::error::StoreError;
use crate::key::{Key, KeyError, KeySources, Looked};
use crate::layout::LAYOUT;
use crate::seal::{Owner, open, seal};
use crate::variables::Stored;

/// How long a key that was not found is taken to be nowhere: whoever reads secrets for each request does not ask a keyring as often.
const MISSING_FOR: Duration = Duration::from_secs(5);

/// Connections and variables. Several processes may have the same file open.
#[derive(Debug)]
pub struct Store {
    pub(crate) database: Database,
    pub(crate) keys: KeySources,
    /// What tells this store from all others: values and key files belong to it.
    pub(crate) id: String,
    looked: Mutex<LookedFor>,
}

/// What came of looking for keys.
#[derive(Debug, Default)]
struct LookedFor {
    found: Vec<Key>,
    /// Fingerprints, where they were looked for, and when.
    missing: Vec<(String, Vec<Looked>, Instant)>,
}

/// The key with which a change encrypts, once it is known.
pub(crate) struct Present(OnceCell<Key>);

impl Store {
    /// Opens a store and makes it if it is missing. Looks for no key yet.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn open(path: &Path, keys: KeySources) -> Result<Self, StoreError> {
        let database = Database::open(path, &LAYOUT)?;
        let id = database.read(|c| c.query_row("SELECT id FROM store", [], |row| row.get(0)))?;
        Ok(Self { database, keys, id, looked: Mutex::default() })
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

    /// The same, for changes that may decrypt or encrypt; with `hidden`, they will. Then the present key is looked for before, and
    /// once more if another one has taken its place until the change begins.
    ///
    /// # Errors
    /// [`StoreError::Key`] if it is not there, and those of the change.
    pub(crate) fn change_hidden<T>(
        &self,
        hidden: bool,
        change: impl Fn(&Transaction<'_>, &Present) -> Result<T, Changed<StoreError>>,
    ) -> Result<T, StoreError> {
        loop {
            let present = Present(OnceCell::new());
            let named = if hidden { self.database.read(present_key)? } else { None };
            if let Some(fingerprint) = &named {
                let _ = present.0.set(self.key(fingerprint)?);
            }
            let done = self.change(|transaction| {
                if hidden && present_key(transaction)? != named {
                    return Ok(None);
                }
                change(transaction, &present).map(Some)
            })?;
            if let Some(done) = done {
                return Ok(done);
            }
        }
    }

    /// Encrypts a value with the present key; a store that has none gets its first one. The key is safe in its place before a
    /// value that needs it is committed, and no other process makes one meanwhile: this one holds the right to change the file.
    pub(crate) fn seal(
        &self,
        transaction: &Transaction<'_>,
        present: &Present,
        owner: Owner<'_>,
        value: &Secret,
    ) -> Result<(Vec<u8>, String), Changed<StoreError>> {
        let key = match present.0.get() {
            Some(key) => key,
            None => {
                let key = match present_key(transaction)? {
                    Some(fingerprint) => self.key(&fingerprint)?,
                    None => self.keys.first(&self.id)?,
                };
                transaction.execute("UPDATE store SET key = ?1", [key.fingerprint()])?;
                present.0.get_or_init(|| key)
            }
        };
        Ok((seal(key, owner, value.reveal())?, key.fingerprint().to_owned()))
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

    /// The key with this fingerprint; looks for it only once, and again after a while if it was nowhere.
    pub(crate) fn key(&self, fingerprint: &str) -> Result<Key, KeyError> {
        let missing = |looked| KeyError::Missing { fingerprint: fingerprint.to_owned(), looked };
        {
            let mut looked = self.looked();
            if let Some(key) = looked.found.iter().find(|key| key.fingerprint() == fingerprint) {
                return Ok(key.clone());
            }
            looked.missing.retain(|(.., at)| at.elapsed() < MISSING_FOR);
            if let Some((_, places, _)) = looked.missing.iter().find(|(missing, ..)| missing == fingerprint) {
                return Err(missing(places.clone()));
            }
        }
        match self.keys.find(&self.id, fingerprint) {
            Ok(key) => {
                self.looked().found.push(key.clone());
                Ok(key)
            }
            Err(KeyError::Missing { looked, .. }) => {
                self.looked().missing.push((fingerprint.to_owned(), looked.clone(), Instant::now()));
                Err(missing(looked))
            }
            Err(error) => Err(error),
        }
    }

    fn looked(&self) -> MutexGuard<'_, LookedFor> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn damaged(&self, what: String, reason: impl ToString) -> StoreError {
        StoreError::Damaged { what, path: self.path().to_owned(), reason: reason.to_string() }
    }
}

/// The fingerprint of the present key; none if nothing hidden was ever kept.
pub(crate) fn present_key(connection: &Connection) -> rusqlite::Result<Option<String>> {
    connection.query_row("SELECT key FROM store", [], |row| row.get(0))
}
