//! What a hostile connector can do, and what it gets for it: its own activity a clear error with connector, version and limit, and
//! nobody else anything. `docs/security.md` is the list of attacks; it names these tests.

mod answers;
mod compiling;
mod computing;
pub(crate) mod handmade;
mod logs;
mod network;
mod sealed;
mod secrets;
mod worlds;

use std::sync::Arc;

use connector_host::contract::{QueryRequest, WriteRequest, WrittenBy};
use connector_host::{CallError, Connection, ConnectionConfig, Connector, Ended, Grant, Limits, LoadError, OpenError};

use crate::{Changing, component, host, people, plain};

/// The functions that a connection calls.
const FUNCTIONS: [&str; 9] =
    ["test", "list-objects", "describe-object", "query", "explain", "create", "update", "delete", "resolve"];

/// An attack: what is done, where, and on what.
struct Attack<'a> {
    how: &'a str,
    function: &'a str,
    url: &'a str,
    limits: Limits,
}

impl<'a> Attack<'a> {
    /// One in `query`, under the default limits.
    fn new(how: &'a str) -> Self {
        Self { how, function: "query", url: "", limits: Limits::default() }
    }

    async fn open(&self) -> Result<Connection, OpenError> {
        let settings = serde_json::json!({
            "how": self.how, "in": self.function, "url": self.url, "token": "[api-token]",
        });
        let mut config = ConnectionConfig::new("under attack", settings.to_string());
        config.limits = self.limits.clone();
        config.variables = Arc::new(Changing::with(&[("api-token", "s3cret-value")]));
        config.grants = self.url.parse().ok().map(Grant::extra).into_iter().collect();
        host().open(&hostile().await, config).await
    }

    /// Makes the attack; what it comes to. Whatever that is, others are served.
    async fn make(&self) -> Result<(), CallError> {
        let connection = self.open().await.unwrap();
        let result = call(&connection, self.function).await;
        assert_eq!(plain().await.activity().await.unwrap().query(&people()).await.unwrap().count, 37);
        result
    }

    /// The finding in which it ends.
    async fn ended(&self) -> Ended {
        match self.make().await {
            Err(CallError::Ended(finding)) => finding,
            other => panic!("{} in {}: {other:?}", self.how, self.function),
        }
    }

    /// The connector's own failure, which says what came of it.
    async fn told(&self) -> String {
        match self.make().await {
            Err(CallError::Connector(error)) => error.message,
            other => panic!("{} in {}: {other:?}", self.how, self.function),
        }
    }
}

/// The hostile connector.
async fn hostile() -> Connector {
    host().load(&component("hostile")).await.unwrap()
}

/// The hostile connector with an attack in `describe`.
async fn describing(how: &str) -> Result<Connector, LoadError> {
    let (from, to) =
        (format!("{:.<32}", "describe does: nothing"), format!("{:.<32}", format!("describe does: {how}")));
    let mut wasm = component("hostile");
    let at = wasm.windows(from.len()).position(|bytes| bytes == from.as_bytes()).expect("the text to write over");
    wasm[at..at + from.len()].copy_from_slice(to.as_bytes());
    host().load(&wasm).await
}

/// Calls one function.
async fn call(connection: &Connection, function: &str) -> Result<(), CallError> {
    let mut activity = connection.activity().await?;
    let query = QueryRequest::new("anything");
    let records = WriteRequest::new("anything", "{\"id\":1}\n{\"id\":2}\n");
    match function {
        "test" => activity.test().await.map(drop),
        "list-objects" => activity.list_objects().await.map(drop),
        "describe-object" => activity.describe_object("anything").await.map(drop),
        "query" => activity.query(&query).await.map(drop),
        "explain" => activity.explain(&query).await.map(drop),
        "create" => activity.create(&records).await.map(drop),
        "update" => activity.update(&records).await.map(drop),
        "delete" => activity.delete(&records).await.map(drop),
        "resolve" => activity.resolve(WrittenBy::Create, &records).await.map(drop),
        other => panic!("there is no function `{other}`"),
    }
}
