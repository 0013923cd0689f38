//! The promises of the embedding library, held with the connector of fixed data.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod activities;
mod frozen;
mod hostile;
mod limits;
mod load;
mod settings;
mod swap;

use std::sync::{Arc, Mutex, OnceLock};

use connector_host::contract::{Comparison, Condition, QueryRequest, WriteRequest};
use connector_host::{
    CallError, Connection, ConnectionConfig, Connector, Ended, Host, HostConfig, Secret, VariableError, Variables,
};

/// A component; made by `cargo xtask components`.
fn component(name: &str) -> Vec<u8> {
    let path = format!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/components/{}.wasm"), name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}; run `cargo xtask components` first"))
}

/// The component of fixed data.
fn wasm() -> Vec<u8> {
    component("fixed")
}

/// A host for all tests, with a compile cache that outlives them.
fn host() -> Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    let made = || {
        let cache_dir = Some(concat!(env!("CARGO_TARGET_TMPDIR"), "/compiled").into());
        Host::new(HostConfig { cache_dir, activities: 64, ..HostConfig::default() }).unwrap()
    };
    HOST.get_or_init(made).clone()
}

async fn connector() -> Connector {
    host().load(&wasm()).await.unwrap()
}

async fn connection(config: ConnectionConfig) -> Connection {
    host().open(&connector().await, config).await.unwrap()
}

async fn plain() -> Connection {
    connection(ConnectionConfig::new("plain", "{}")).await
}

fn people() -> QueryRequest {
    QueryRequest {
        object: "people".into(),
        fields: vec![],
        filter: vec![],
        order_by: vec![],
        include: vec![],
        page_size: Some(37),
        max_records: None,
        since: None,
        cursor: None,
    }
}

/// A query that misbehaves.
fn trial(how: &str) -> QueryRequest {
    let condition = Condition { field: "how".into(), op: Comparison::Equal, value: format!("{how:?}") };
    QueryRequest { object: "trials".into(), filter: vec![condition], ..people() }
}

fn write(object: &str, records: &str) -> WriteRequest {
    WriteRequest { continue_on_error: true, ..WriteRequest::new(object, records) }
}

/// The finding that a call ended in.
fn ended(result: Result<impl std::fmt::Debug, CallError>) -> Ended {
    match result {
        Err(CallError::Ended(ended)) => ended,
        other => panic!("{other:?}"),
    }
}

/// Variables that a test can change while a connection is open.
#[derive(Clone, Default)]
struct Changing(Arc<Mutex<std::collections::BTreeMap<String, String>>>);

impl Changing {
    fn with(pairs: &[(&str, &str)]) -> Self {
        let this = Self::default();
        pairs.iter().for_each(|(name, value)| this.set(name, value));
        this
    }

    fn set(&self, name: &str, value: &str) {
        self.0.lock().unwrap().insert(name.into(), value.into());
    }

    fn forget(&self, name: &str) {
        self.0.lock().unwrap().remove(name);
    }
}

impl Variables for Changing {
    fn get(&self, name: &str) -> Result<Secret, VariableError> {
        let values = self.0.lock().unwrap();
        values.get(name).map(Secret::new).ok_or_else(|| VariableError::Undefined(name.into()))
    }
}
