//! A project: the folder with the store of connections and variables, and `variables.toml`.
//!
//! The store is opened when something is asked of it, and made only when there is something to keep. What a connector's settings
//! may be, the connector decides when the connection is opened.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use connector_store::{DatabaseError, KeyError, KeySources, Name, Saved, Store, StoreError, check_name};

use crate::error::{Failure, Result, suggest};

/// The folder.
#[derive(Debug)]
pub(crate) struct Project {
    folder: PathBuf,
    keys: KeySources,
    store: OnceLock<Arc<Store>>,
}

impl Project {
    /// A project whose hidden values have their key in one of these places.
    pub(crate) fn new(folder: &Path, keys: KeySources) -> Self {
        Self { folder: folder.to_owned(), keys, store: OnceLock::new() }
    }

    /// A file of the project, without a `./` in front.
    fn file(&self, name: &str) -> PathBuf {
        self.resolve(Path::new(name))
    }

    /// The file of connections and variables.
    pub(crate) fn store_file(&self) -> PathBuf {
        self.file("connector.db")
    }

    /// The file of variables that people write.
    pub(crate) fn variables_file(&self) -> PathBuf {
        self.file("variables.toml")
    }

    /// The file of agents.
    pub(crate) fn agents_file(&self) -> PathBuf {
        self.file("agents.toml")
    }

    /// A path that the project mentions.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        if self.folder == Path::new(".") { path.to_owned() } else { self.folder.join(path) }
    }

    /// A path as the project should keep it: relative to its folder if it lies in there.
    pub(crate) fn relative(&self, path: &Path) -> PathBuf {
        if path.is_absolute() || self.folder == Path::new(".") {
            return path.to_owned();
        }
        match path.strip_prefix(&self.folder) {
            Ok(inside) => inside.to_owned(),
            Err(_) => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        }
    }

    /// The store; none if nothing was kept yet.
    pub(crate) fn store(&self) -> Result<Option<Arc<Store>>> {
        if self.store.get().is_none() && !self.store_file().exists() {
            if self.folder.is_dir() {
                return Ok(None);
            }
            let failure = Failure::new(format!("there is no folder `{}`", self.folder.display()));
            return Err(failure.hint("name the project's folder with --project").into());
        }
        self.made_store().map(Some)
    }

    /// The store, made if nothing was kept yet.
    pub(crate) fn made_store(&self) -> Result<Arc<Store>> {
        if let Some(store) = self.store.get() {
            return Ok(Arc::clone(store));
        }
        let store = Store::open(&self.store_file(), self.keys.clone()).map_err(|error| failed(&error))?;
        Ok(Arc::clone(self.store.get_or_init(|| Arc::new(store))))
    }

    /// All connections, by name.
    pub(crate) fn connections(&self) -> Result<Vec<Saved>> {
        match self.store()? {
            Some(store) => Ok(store.connections().map_err(|error| failed(&error))?),
            None => Ok(Vec::new()),
        }
    }

    /// One connection, by `name` or `connector:name`.
    pub(crate) fn connection(&self, name: &str) -> Result<Saved> {
        let store = self.store()?;
        let found = match &store {
            Some(store) => store.connection(&Name::from(name)),
            None => Err(StoreError::NoConnection(name.to_owned())),
        };
        found.map_err(|error| match error {
            StoreError::NoConnection(_) => self.no_connection(name, store.as_deref()).into(),
            other => failed(&other).into(),
        })
    }

    fn no_connection(&self, name: &str, store: Option<&Store>) -> Failure {
        let Name { connector, name } = Name::from(name);
        if let Err(reason) = check_name(&name) {
            return bad_name(&name, reason);
        }
        if let Some(connector) = connector {
            return Failure::new(format!("the connector `{connector}` has no connection `{name}`"))
                .hint("`connector connection list` lists them")
                .with("kind", "not-found");
        }
        let failure = Failure::new(format!("there is no connection `{name}` in {}", self.store_file().display()))
            .with("kind", "not-found");
        let names = store.and_then(|store| store.names().ok()).unwrap_or_default();
        let hint = suggest(&name, names.iter().map(String::as_str)).or_else(|| self.old_file());
        failure.hint(hint.unwrap_or_else(|| "`connector connection add` makes one".to_owned()))
    }

    /// What to do about a file of connections that nothing reads.
    pub(crate) fn old_file(&self) -> Option<String> {
        let file = self.file("connections.toml");
        (file.exists() && !self.store_file().exists())
            .then(|| format!("`connector connection import {}` takes over what is in that file", file.display()))
    }
}

/// What to do where a project can only be read.
pub(crate) const READ_ONLY: &str =
    "change it as a user who may write the file and its folder; commands that only read work here";

/// What went wrong in the store, and what to do about it.
pub(crate) fn failed(error: &StoreError) -> Failure {
    // The innermost message is part of the outer ones.
    let mut failure = Failure::new(error.to_string());
    if let StoreError::Database(DatabaseError::Open { source, .. }) = error {
        failure = failure.cause(source);
    }
    let failure = match error {
        StoreError::Name { name, reason } => bad_name(name, reason),
        StoreError::Ambiguous { .. } => failure.hint("say which with connector:name").with("kind", "conflict"),
        StoreError::Exists { .. } => {
            failure.hint("choose another name").with("kind", "conflict").with("pointer", "/name")
        }
        StoreError::NoConnection(_) => {
            failure.hint("somebody has just deleted or renamed it").with("kind", "not-found")
        }
        StoreError::ChangedMeanwhile(_) => failure.hint("look at it, and change it again").with("kind", "conflict"),
        StoreError::NoActivity { .. } => failure.with("kind", "not-found"),
        StoreError::ActivityExists { .. } => {
            failure.hint("choose another name").with("kind", "conflict").with("pointer", "/name")
        }
        StoreError::ActivityName { .. } => failure.with("kind", "invalid-request").with("pointer", "/name"),
        StoreError::ActivityChanged(_) => failure.hint("look at it, and change it again").with("kind", "conflict"),
        StoreError::Damaged { .. } => failure.hint("set it again, or take the file from a copy"),
        StoreError::Database(error) if error.is_damage() => failure.hint(
            "move it away and put a copy of the file in its place; without a copy, begin with `connector connection import` \
             of what was exported, and set the variables again",
        ),
        StoreError::Database(DatabaseError::Foreign { .. }) => failure
            .hint("it is left as it is; take it out of the project's folder, or name another folder with --project"),
        StoreError::Database(DatabaseError::ReadOnly { .. } | DatabaseError::Older { .. }) => {
            failure.hint(READ_ONLY)
        }
        StoreError::Key(error) => no_key(error),
        _ => failure,
    };
    if failure.kind().is_some() { failure } else { failure.with("kind", "storage") }
}

fn no_key(error: &KeyError) -> Failure {
    match error {
        KeyError::Missing { fingerprint, looked } => {
            let mut failure =
                Failure::new(format!("the key {fingerprint}, with which hidden values are encrypted, was not found"));
            failure = looked.iter().fold(failure, |failure, looked| {
                let found = format!("{}: {}", looked.place, looked.found);
                failure.cause(found)
            });
            failure
                .hint("put it into one of these places, or name its file with --key-file; without it, set the values again")
                .with("key", fingerprint.as_str())
        }
        KeyError::NoPlace => {
            Failure::new(error.to_string()).hint("name a key file with --key-file, or set CONNECTOR_KEY")
        }
        KeyError::OnlyThePresentOne(_) => Failure::new(error.to_string())
            .hint("put the new key behind it, with a comma between; `head -c 32 /dev/urandom | base64` makes one"),
        KeyError::NoKey { .. } => Failure::new(error.to_string()).hint("`head -c 32 /dev/urandom | base64` makes one"),
        other => Failure::new(other.to_string()),
    }
}

/// The failure for a name that no connection can have.
pub(crate) fn bad_name(name: &str, reason: &str) -> Failure {
    Failure::new(format!("a connection cannot be named `{}`", name.escape_debug()))
        .cause(reason)
        .with("kind", "invalid-request")
        .with("pointer", "/name")
}
