//! The runner of the Rust host: takes the commands of `tests/scenarios/README.md` from stdin, one per line, and makes them calls of
//! the embedding library. It only translates; what is right is the driver's to judge.

mod capability;
mod contract;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use connector_host::contract::{Error, Outcome};
use connector_host::{
    CallError, Canceller, Connection, ConnectionConfig, Grant, Host, HostConfig, OpenError, Proxy, ProxyConfig, Secret,
    VariableError, Variables,
};
use scenarios::protocol::{self, Command, Connect, Write};
use serde_json::{Value, json};

/// Variables that change while a connection is open.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<BTreeMap<String, Secret>>>);

impl Memory {
    fn set(&self, name: &str, value: &str, hidden: bool) {
        let value = if hidden { Secret::new(value) } else { Secret::public(value) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), value);
    }

    fn is_hidden(&self, name: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).is_none_or(Secret::is_hidden)
    }
}

impl Variables for Memory {
    fn get(&self, name: &str) -> Result<Secret, VariableError> {
        let values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        values.get(name).cloned().ok_or_else(|| VariableError::Undefined(name.to_owned()))
    }
}

/// An open connection.
struct Open {
    connection: Connection,
    variables: Memory,
}

/// What a command comes to, other than success.
enum Failure {
    Connector(Error),
    Settings(Vec<Error>),
    Host(String),
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Connector(error) => Self::Connector(error),
            CallError::Settings(errors) => Self::Settings(errors),
            other => Self::Host(other.to_string()),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Settings(errors) => Self::Settings(errors),
            other => Self::Host(other.to_string()),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Host(format!("{error:#}"))
    }
}

impl Failure {
    fn reply(&self) -> Value {
        match self {
            Self::Connector(error) => json!({ "error": contract::error(error) }),
            Self::Settings(errors) => json!({ "errors": errors.iter().map(contract::error).collect::<Vec<_>>() }),
            Self::Host(sentence) => json!({ "host-error": sentence }),
        }
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let cache_dir = std::env::args_os().nth(1).map(PathBuf::from);
    let host = Host::new(HostConfig { cache_dir, ..HostConfig::default() })?;
    let mut open = None;
    for line in std::io::stdin().lines() {
        let line = line.context("cannot read the next command")?;
        let command = serde_json::from_str(&line).with_context(|| format!("this is no command: {line}"))?;
        let reply = match run(&host, &mut open, command).await {
            Ok(answer) => json!({ "ok": answer }),
            Err(failure) => failure.reply(),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{reply}").and_then(|()| out.flush()).context("cannot reply")?;
    }
    Ok(())
}

async fn run(host: &Host, open: &mut Option<Open>, command: Command) -> Result<Value, Failure> {
    match command {
        Command::Hello => Ok(json!({
            "host": "rust",
            "versions": { "connector-host": env!("CARGO_PKG_VERSION"), "wasmtime": wasmtime_version() },
        })),
        Command::Connect(connect) => {
            *open = None;
            *open = Some(self::connect(host, connect).await?);
            Ok(json!({}))
        }
        Command::Close => {
            *open = None;
            Ok(json!({}))
        }
        command => {
            let open = open.as_ref().context("there is no connection: `connect` comes first")?;
            call(open, command).await
        }
    }
}

/// The version of the runtime that this was built with.
fn wasmtime_version() -> &'static str {
    let lock = include_str!("../../../../../../Cargo.lock");
    let package = lock.split("[[package]]\nname = \"wasmtime\"\nversion = \"").nth(1);
    package.and_then(|rest| rest.split('"').next()).unwrap_or_default()
}

async fn connect(host: &Host, connect: Connect) -> Result<Open, Failure> {
    let file = &connect.component;
    let wasm = std::fs::read(file).with_context(|| format!("cannot read {file}"))?;
    let wasm = capability::left_out(wasm, &connect.without);
    let connector = host.load(&wasm).await.map_err(anyhow::Error::from)?;
    let variables = Memory::default();
    for (name, variable) in &connect.variables {
        variables.set(name, &variable.value, variable.hidden);
    }
    let mut config = ConnectionConfig::new("scenario", Value::Object(connect.settings).to_string());
    config.variables = Arc::new(variables.clone());
    for origin in connect.grant.iter().flatten() {
        config.grants.push(Grant::extra(origin.parse().map_err(anyhow::Error::from)?));
    }
    if let Some(url) = connect.proxy {
        let proxy: Proxy = url.parse().map_err(anyhow::Error::from)?;
        config.proxy = Some(ProxyConfig::new(proxy));
    }
    if let Some(most) = connect.requests_in_flight {
        config.limits.requests_in_flight = most;
    }
    Ok(Open { connection: host.open(&connector, config).await?, variables })
}

async fn call(open: &Open, command: Command) -> Result<Value, Failure> {
    let connection = &open.connection;
    match command {
        Command::SetVariable { name, value } => {
            open.variables.set(&name, &value, open.variables.is_hidden(&name));
            Ok(json!({}))
        }
        Command::Describe => Ok(contract::info(connection.connector().info())),
        Command::Test => Ok(contract::identity(&connection.test().await?)),
        Command::ListObjects => {
            Ok(connection.list_objects().await?.iter().map(contract::object_info).collect::<Vec<_>>().into())
        }
        Command::DescribeObject { name } => Ok(contract::object_schema(&connection.describe_object(&name).await?)),
        Command::Query { request } => {
            let page = connection.activity().await?.query(&contract::query_request(request)).await?;
            Ok(contract::page(&page))
        }
        Command::QueryAll { request, cancel_after_records, count_only } => {
            let all = query_all(connection, request, cancel_after_records).await?;
            Ok(if count_only { json!({ "count": all.lines().count() }) } else { contract::records(&all) })
        }
        Command::Explain { request } => {
            Ok(contract::plan(&connection.explain(&contract::query_request(request)).await?))
        }
        Command::Create(Write { request, cancel_after_ms }) => {
            let mut activity = connection.activity().await?;
            cancel_after(activity.canceller(), cancel_after_ms);
            Ok(outcomes(&activity.create(&contract::write_request(request)).await?))
        }
        Command::Update(Write { request, cancel_after_ms }) => {
            let mut activity = connection.activity().await?;
            cancel_after(activity.canceller(), cancel_after_ms);
            Ok(outcomes(&activity.update(&contract::write_request(request)).await?))
        }
        Command::Delete(Write { request, cancel_after_ms }) => {
            let mut activity = connection.activity().await?;
            cancel_after(activity.canceller(), cancel_after_ms);
            Ok(outcomes(&activity.delete(&contract::write_request(request)).await?))
        }
        Command::Resolve { written_by, request } => {
            let request = contract::write_request(request);
            let written_by = contract::written_by(written_by);
            Ok(outcomes(&connection.activity().await?.resolve(written_by, &request).await?))
        }
        Command::Hello | Command::Connect(_) | Command::Close => Err(Failure::Host("not a call".to_owned())),
    }
}

/// The lines of all pages, until the caller has enough.
async fn query_all(
    connection: &Connection,
    request: protocol::QueryRequest,
    enough: Option<usize>,
) -> Result<String, Failure> {
    let mut pages = connection.query(contract::query_request(request)).await?;
    let mut all = String::new();
    let mut count = 0;
    loop {
        match pages.next().await {
            Ok(Some(page)) => {
                count += page.count as usize;
                all.push_str(&String::from_utf8_lossy(&page.records));
                if enough.is_some_and(|enough| count >= enough) {
                    pages.canceller().cancel();
                }
            }
            Ok(None) => return Ok(all),
            Err(error) if enough.is_some() && error.is_cancelled() => return Ok(all),
            Err(error) => return Err(error.into()),
        }
    }
}

fn cancel_after(canceller: Canceller, milliseconds: Option<u64>) {
    if let Some(milliseconds) = milliseconds {
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            canceller.cancel();
        });
    }
}

fn outcomes(outcomes: &[Outcome]) -> Value {
    outcomes.iter().map(contract::outcome).collect::<Vec<_>>().into()
}
