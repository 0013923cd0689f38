//! A new key for the hidden values of a store.
//!
//! The new key is safe in its place before anything is encrypted with it; then all values change over in one transaction. Each
//! value notes the fingerprint of its key, and the old key stays where it was: whenever this is killed, every value has its key.

use connector_host::Secret;
use rusqlite::params;

use crate::error::StoreError;
use crate::seal::{Owner, seal};
use crate::store::{Store, present_key};
use crate::variables::{Stored, read_all};

/// Where the new key goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewKey {
    /// The first place that there is: the environment (where it must stand already, behind the present one), the key file.
    #[default]
    Usual,
    /// The system's keyring.
    Keyring,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// Values that were encrypted anew.
    pub values: usize,
    /// Fingerprint of the key before; none if there was none.
    pub before: Option<String>,
    /// Fingerprint of the key now.
    pub now: String,
    /// Where the new key is.
    pub place: String,
}

impl Store {
    /// Encrypts all hidden values with a new key. The old key stays where it is: copies of the store may need it.
    ///
    /// # Errors
    /// [`StoreError::Key`] if the old key is not there or the new one cannot be kept. Then all is as before.
    pub fn rotate_key(&self, to: NewKey) -> Result<Rotated, StoreError> {
        // A keyring is asked while nobody else waits for the file.
        let in_keyring = match to {
            NewKey::Usual => None,
            NewKey::Keyring => {
                self.hidden_values(&self.database.read(read_all)?)?;
                Some(self.keys.next_in_keyring(&self.id)?)
            }
        };
        self.change_hidden(true, |transaction, _| {
            let before = present_key(transaction)?;
            let mut hidden = read_all(transaction)?;
            hidden.retain(Stored::hidden);
            // All of them open with the old keys, or nothing is begun.
            let values = self.hidden_values(&hidden)?;
            let (key, place) = match &in_keyring {
                Some(next) => next.clone(),
                None => self.keys.next(&self.id, before.as_deref())?,
            };
            let now = key.fingerprint();
            for (variable, value) in hidden.iter().zip(&values) {
                let environment = variable.environment().unwrap_or_default();
                let owner =
                    Owner { store: &self.id, connection: variable.connection, environment, name: &variable.name };
                let sealed = seal(&key, owner, value.reveal())?;
                let sql = "UPDATE variable SET sealed = ?1, key = ?2 WHERE id = ?3";
                transaction.execute(sql, params![sealed, now, variable.id])?;
            }
            transaction.execute("UPDATE store SET key = ?1", [now])?;
            Ok(Rotated { values: values.len(), before, now: now.to_owned(), place })
        })
    }

    fn hidden_values(&self, variables: &[Stored]) -> Result<Vec<Secret>, StoreError> {
        variables.iter().filter(|variable| variable.hidden()).map(|variable| self.reveal(variable)).collect()
    }
}
