//! What a store promises, over files on a disk.
#![allow(clippy::unwrap_used, clippy::panic)]

mod activities;
mod connections;
mod due;
mod keys;
mod many;
mod variables;

use std::path::PathBuf;

use connector_host::Secret;
use connector_store::{KeySources, Name, NewVariable, Saved, Store, StoreError};
use tempfile::TempDir;

/// A folder with a store and keys.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("connector.db")
    }

    fn keys(&self) -> KeySources {
        KeySources { folder: Some(self.0.path().join("keys")), ..KeySources::default() }
    }

    fn store(&self) -> Store {
        Store::open(&self.path(), self.keys()).unwrap()
    }

    /// Changes the file behind the store's back.
    fn sql(&self, sql: &str) {
        rusqlite::Connection::open(self.path()).unwrap().execute_batch(sql).unwrap();
    }

    /// The only file in the folder of keys.
    fn key_file(&self) -> PathBuf {
        let mut entries = std::fs::read_dir(self.0.path().join("keys")).unwrap();
        entries.next().unwrap().unwrap().path()
    }
}

fn add(store: &Store, name: &str, secrets: &[(&str, &str)]) -> Saved {
    let mut saved = Saved::new("fixed", name);
    for (key, _) in secrets {
        saved.settings.insert((*key).to_owned(), format!("[secret.{key}]").into());
    }
    let own = secrets.iter().map(|(key, value)| (format!("secret.{key}"), Secret::new(*value))).collect();
    store.save(&[(saved, own)]).unwrap();
    get(store, name)
}

fn get(store: &Store, name: &str) -> Saved {
    store.connection(&Name::from(name)).unwrap()
}

fn set(store: &Store, name: &str, value: &str, hidden: bool) -> Result<(), StoreError> {
    store.set(&NewVariable {
        name,
        connection: None,
        environment: None,
        hidden,
        description: None,
        value: Secret::new(value),
    })
}

/// The values under a name, decrypted.
fn values(store: &Store, name: &str, of: Option<&Saved>) -> Result<Vec<String>, StoreError> {
    let rows = store.stored(name, of.and_then(|saved| saved.kept))?;
    rows.iter().map(|row| Ok(store.reveal(row)?.reveal().to_owned())).collect()
}
