//! Keys in the system's keyring: one entry per store, which holds its keys, the newest last.
//!
//! The keyring is asked in a thread of its own and not for ever: it may wait for somebody to unlock it.

use std::sync::mpsc;
use std::time::Duration;

use keyring::{Entry, Error};
use zeroize::Zeroizing;

use super::{Key, KeyError, list};

/// What it is called in messages.
pub(super) const PLACE: &str = "the system's keyring";

/// How long it may take to answer: as long as a person may need to type a password.
const PATIENCE: Duration = Duration::from_secs(60);

/// The keys of a store.
pub(super) fn read(store: &str) -> Result<Vec<Key>, KeyError> {
    asked(store, |entry| keys_of(&entry))
}

/// Adds a new key to those of a store.
pub(super) fn append(store: &str) -> Result<Key, KeyError> {
    let key = Key::generate()?;
    let new = key.clone();
    asked(store, move |entry| {
        let mut keys = keys_of(&entry)?;
        keys.push(new);
        let text = keys.iter().map(|key| key.text().to_string()).collect::<Vec<_>>().join("\n");
        entry.set_password(&Zeroizing::new(text)).map_err(|error| failed(&error))
    })?;
    Ok(key)
}

fn keys_of(entry: &Entry) -> Result<Vec<Key>, KeyError> {
    match entry.get_password().map(Zeroizing::new) {
        Ok(text) => list(&text).ok_or_else(|| KeyError::NoKey { place: PLACE.to_owned() }),
        Err(Error::NoEntry) => Ok(Vec::new()),
        Err(error) => Err(failed(&error)),
    }
}

fn asked<T: Send + 'static>(
    store: &str,
    ask: impl FnOnce(Entry) -> Result<T, KeyError> + Send + 'static,
) -> Result<T, KeyError> {
    let (answer, answered) = mpsc::channel();
    let user = store.to_owned();
    std::thread::spawn(move || {
        // Why there is no keyring stands in its status and not in the error.
        let entry = match Entry::store_status() {
            Ok(()) => Entry::new("connector", &user).map_err(|error| failed(&error)),
            Err(error) => Err(failed(error)),
        };
        let _ = answer.send(entry.and_then(ask));
    });
    let silent = || KeyError::Keyring(format!("no answer within {} seconds", PATIENCE.as_secs()));
    answered.recv_timeout(PATIENCE).map_err(|_| silent())?
}

fn failed(error: &Error) -> KeyError {
    KeyError::Keyring(error.to_string())
}
