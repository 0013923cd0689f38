//! What the end-to-end tests share: a host with the BigCommerce component, an emulated store, a connection between them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test bench fails loudly")]

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bigcommerce_emulator::{Config, Emulator, Fault};
use connector_host::contract::{Comparison, Condition, Order, Outcome, QueryRequest, WriteMode, WriteRequest};
use connector_host::{
    CallError, Connection, ConnectionConfig, Connector, Grant, Host, HostConfig, OpenError, Secret, VariableError,
    Variables,
};
use serde_json::{Value, json};

/// Workspace root.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Bytes of a component that `cargo xtask components` has built.
pub fn component(name: &str) -> Vec<u8> {
    std::fs::read(component_file(name)).unwrap()
}

/// The file of a component that `cargo xtask components` has built, from the sources as they are now.
pub fn component_file(name: &str) -> PathBuf {
    let path = root().join(format!("target/components/{name}.wasm"));
    assert!(path.is_file(), "{} is missing: run `cargo xtask components` first", path.display());
    let module = root().join(format!("target/guest/wasm32-unknown-unknown/component/connector_{name}.wasm"));
    if let Some(source) = newer_source(&module) {
        panic!("{} is older than {}: run `cargo xtask components` first", path.display(), source.display());
    }
    path
}

/// A source that has changed since cargo made the module from it; cargo lists its sources beside it. Not asked of the component:
/// that keeps its date where a change leaves its bytes alone.
fn newer_source(module: &Path) -> Option<PathBuf> {
    let changed = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
    let made = changed(module)?;
    let list = std::fs::read_to_string(module.with_extension("d")).ok()?;
    let (_, sources) = list.split_once(": ")?;
    let sources = sources.lines().next()?.replace("\\ ", "\0");
    let mut sources = sources.split_whitespace().map(|source| PathBuf::from(source.replace('\0', " ")));
    sources.find(|source| changed(source) > Some(made))
}

/// The binary `connector`, which a run of all tests builds beside this one.
pub fn binary() -> PathBuf {
    program("connector")
}

/// A program of the workspace, which a run of all tests builds beside this one.
pub fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent().and_then(Path::parent).unwrap().join(name);
    assert!(path.is_file(), "{} is missing: build it with `cargo build --workspace`", path.display());
    path
}

/// A host with the project's compile cache.
pub fn host() -> Host {
    Host::new(HostConfig { cache_dir: Some(root().join("target/compile-cache")), ..HostConfig::default() }).unwrap()
}

/// Variables in memory, changeable between calls.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<HashMap<String, String>>>);

impl Memory {
    /// Sets a variable.
    pub fn set(&self, name: &str, value: &str) {
        self.0.lock().unwrap().insert(name.to_owned(), value.to_owned());
    }
}

impl Variables for Memory {
    fn get(&self, name: &str) -> Result<Secret, VariableError> {
        self.0
            .lock()
            .unwrap()
            .get(name)
            .map(|value| Secret::new(value.clone()))
            .ok_or_else(|| VariableError::Undefined(name.to_owned()))
    }
}

/// An emulated store and a connection to it.
pub struct Bench {
    /// The store.
    pub store: Emulator,
    /// The host.
    pub host: Host,
    /// The component.
    pub connector: Connector,
    /// Values of variables.
    pub variables: Memory,
}

impl Bench {
    /// A small store.
    pub async fn new() -> Self {
        Self::with(Config::default()).await
    }

    /// A store of this kind.
    pub async fn with(config: Config) -> Self {
        let store = Emulator::start(config).await.unwrap();
        let host = host();
        let connector = host.load(&component("bigcommerce")).await.unwrap();
        let variables = Memory::default();
        variables.set("token", store.token());
        Self { store, host, connector, variables }
    }

    /// The settings for the store over HTTP.
    pub fn settings(&self) -> Value {
        json!({ "store_hash": self.store.store_hash(), "access_token": "[token]", "base_url": self.store.base_url() })
    }

    /// Opens a connection with these settings changed; `null` removes one.
    pub async fn open(&self, changes: Value) -> Result<Connection, OpenError> {
        let mut settings = self.settings();
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                settings.as_object_mut().unwrap().remove(name);
            } else {
                settings[name] = value.clone();
            }
        }
        self.open_as(settings, |_| {}).await
    }

    /// Opens a connection with exactly these settings.
    pub async fn open_as(
        &self,
        settings: Value,
        change: impl FnOnce(&mut ConnectionConfig),
    ) -> Result<Connection, OpenError> {
        let mut config = self.config(settings);
        change(&mut config);
        self.host.open(&self.connector, config).await
    }

    /// What a connection with exactly these settings is opened from.
    pub fn config(&self, settings: Value) -> ConnectionConfig {
        let mut config = ConnectionConfig::new("store", settings.to_string());
        config.variables = Arc::new(self.variables.clone());
        let origins = [self.store.base_url(), self.store.https_url()];
        config.grants = origins.iter().filter_map(|url| url.parse().ok()).map(Grant::extra).collect();
        config
    }

    /// The connection with default settings.
    pub async fn connection(&self) -> Connection {
        self.open(json!({})).await.unwrap()
    }

    /// A connection to an address where nobody listens, and the address.
    pub async fn at_closed_port(&self) -> (Connection, SocketAddr) {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let url = format!("http://{address}");
        let mut settings = self.settings();
        settings["base_url"] = json!(url);
        let granted = |config: &mut ConnectionConfig| config.grants.push(Grant::extra(url.parse().unwrap()));
        (self.open_as(settings, granted).await.unwrap(), address)
    }

    /// Installs a fault.
    pub fn fault(&self, fault: Fault) {
        self.store.fault(fault);
    }
}

impl Drop for Bench {
    /// Every request of every test is held against the API's documents and the emulator's own reading of them, and no test may
    /// empty a collection.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.store.violations(), Vec::new(), "requests that the API does not document");
            assert_eq!(self.store.store().wipes(), 0, "a request wiped a collection");
        }
    }
}

/// A query for all records of an object.
pub fn query(object: &str) -> QueryRequest {
    QueryRequest::new(object)
}

/// A condition.
pub fn condition(field: &str, op: Comparison, value: Value) -> Condition {
    Condition { field: field.to_owned(), op, value: value.to_string() }
}

/// An order.
pub fn order(field: &str, descending: bool) -> Order {
    Order { field: field.to_owned(), descending }
}

/// A write of these records.
pub fn write(object: &str, records: &[Value]) -> WriteRequest {
    let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
    WriteRequest {
        object: object.to_owned(),
        records: lines.into_bytes(),
        mode: WriteMode::Strict,
        match_on: Vec::new(),
        continue_on_error: true,
        validate_only: false,
    }
}

/// All lines of a query.
pub async fn lines(connection: &Connection, request: QueryRequest) -> Result<Vec<String>, CallError> {
    let mut pages = connection.query(request).await?;
    let mut lines = Vec::new();
    while let Some(page) = pages.next().await? {
        let text = String::from_utf8(page.records).unwrap();
        assert_eq!(text.lines().count(), page.count as usize, "count does not match the lines");
        assert!(text.is_empty() || text.ends_with('\n'));
        lines.extend(text.lines().map(str::to_owned));
    }
    Ok(lines)
}

/// All records of a query as values.
pub async fn records(connection: &Connection, request: QueryRequest) -> Vec<Value> {
    let lines = lines(connection, request).await.unwrap_or_else(|error| panic!("{error}"));
    lines.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The `id`s of records.
pub fn ids(records: &[Value]) -> Vec<u64> {
    records.iter().map(|record| record["id"].as_u64().unwrap_or_else(|| panic!("no id in {record}"))).collect()
}

/// One word per outcome.
pub fn words(outcomes: &[Outcome]) -> Vec<&'static str> {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Applied(_) => "applied",
        Outcome::Failed(_) => "failed",
        Outcome::Unknown(_) => "unknown",
        Outcome::Skipped => "skipped",
    };
    outcomes.iter().map(word).collect()
}

/// The record of an applied outcome.
pub fn applied(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Applied(record) => serde_json::from_str(record).unwrap(),
        other => panic!("not applied: {other:?}"),
    }
}

/// The connector's error of a failed call.
pub fn refused<T: std::fmt::Debug>(result: Result<T, CallError>) -> connector_host::contract::Error {
    match result {
        Err(CallError::Connector(error)) => error,
        other => panic!("not an error of the connector: {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_module_that_is_older_than_one_of_its_sources_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str, hour: u64| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(3600 * hour);
            File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
            path
        };
        let module = write("connector_x.wasm", "", 2);
        assert_eq!(newer_source(&module), None, "nobody says what it is made of");
        let (old, new) = (write("old.rs", "", 1), write("a new one.rs", "", 1));
        let escaped = |path: &PathBuf| path.display().to_string().replace(' ', "\\ ");
        let gone = folder.path().join("gone.rs");
        let list = [&old, &gone, &new].map(escaped).join(" ");
        write("connector_x.d", &format!("{}: {list}\n", escaped(&module)), 3);
        assert_eq!(newer_source(&module), None);
        write("a new one.rs", "", 3);
        assert_eq!(newer_source(&module), Some(new));
    }
}
