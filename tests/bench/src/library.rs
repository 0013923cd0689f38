//! Figures about the embedding library, each in a process of its own: this program starts itself with one of these sub-commands
//! and reads the samples that they print.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use connector_host::contract::QueryRequest;
use connector_host::{
    Connection, ConnectionConfig, Connector, Deployment, Grant, Host, HostConfig, Secret, VariableError, Variables,
};
use serde::Deserialize;
use serde_json::json;

use crate::figures::Samples;

/// Loads that are timed.
const LOADS: usize = 50;
/// What is read side by side under a quota: objects of both versions, with every style of paging.
const OBJECTS: [&str; 8] =
    ["products", "brands", "categories", "customers", "orders", "coupons", "customers/addresses", "products/images"];

/// What every one of them needs.
#[derive(Args, Debug)]
pub(crate) struct Common {
    /// The component.
    #[arg(long)]
    pub(crate) component: PathBuf,
    /// Folder of compiled components.
    #[arg(long)]
    cache: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct Start {
    #[command(flatten)]
    common: Common,
    /// Activities that are started.
    #[arg(long, default_value_t = 2000)]
    starts: usize,
}

#[derive(Args, Debug)]
pub(crate) struct Quota {
    #[command(flatten)]
    common: Common,
    /// Address of the store's API.
    #[arg(long)]
    url: String,
    /// The store's hash.
    #[arg(long)]
    store_hash: String,
    /// Access token.
    #[arg(long)]
    token: String,
    /// Records per request.
    #[arg(long)]
    page_size: u32,
    /// Windows that are judged.
    #[arg(long)]
    windows: u32,
}

#[derive(Args, Debug)]
pub(crate) struct Idle {
    #[command(flatten)]
    common: Common,
    /// Connections.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Those of them that are active at once, before all are idle again.
    #[arg(long, default_value_t = 500)]
    active: usize,
}

/// Prints samples for the process that waits for them.
pub(crate) fn report(samples: Result<Vec<Samples>>) -> Result<()> {
    println!("{}", serde_json::to_string(&samples?)?);
    Ok(())
}

/// Starts activities of one connection, one after another on one thread, so that the end of one does not disturb the start of
/// the next; loads the compiled component again and again.
pub(crate) fn start(options: Start) -> Result<Vec<Samples>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (host, connector, wasm) = load(&options.common).await?;
        let connection = host.open(&connector, bigcommerce("store")).await?;
        let mut starts = Vec::with_capacity(options.starts);
        for _ in 0..options.starts {
            let started = Instant::now();
            let activity = connection.activity().await?;
            starts.push(started.elapsed().as_secs_f64() * 1e6);
            drop(activity);
            // Its task takes the instance down now.
            tokio::task::yield_now().await;
        }
        let mut loads = Vec::with_capacity(LOADS);
        for _ in 0..LOADS {
            let started = Instant::now();
            host.load(&wasm).await?;
            loads.push(started.elapsed().as_secs_f64() * 1e3);
        }
        Ok(vec![
            Samples::new("activity", "µs", starts),
            Samples::new("load-cached", "ms", loads),
            Samples::new("component", "KB", vec![wasm.len() as f64 / 1e3]),
        ])
    })
}

/// Opens connections, of which some are active at once; then all do nothing.
pub(crate) fn idle(options: Idle) -> Result<Vec<Samples>> {
    runtime()?.block_on(async {
        let (host, connector, _) = load(&options.common).await?;
        let deployment = Deployment::new(&connector);
        let mut connections = Vec::with_capacity(options.connections);
        for number in 0..options.connections {
            connections.push(host.open(&deployment, bigcommerce(&format!("store-{number}"))).await?);
        }
        let before = resident()?;
        let mut activities = Vec::with_capacity(options.active);
        for connection in connections.iter().take(options.active) {
            activities.push(connection.activity().await?);
        }
        let active = resident()?;
        drop(activities);
        // Instances go a little after their activities.
        while host.status().instances > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let after = resident()?;
        drop(connections);
        Ok(vec![
            Samples::new("idle", "MB", vec![before]),
            Samples::new("idle-active", "MB", vec![active]),
            Samples::new("idle-after", "MB", vec![after]),
        ])
    })
}

/// Reads objects side by side, each again and again, through some windows of the quota. How the windows were used is asked from the
/// store: only that knows what it granted and what it refused.
pub(crate) fn quota(options: Quota) -> Result<Vec<Samples>> {
    runtime()?.block_on(async {
        let (host, connector, _) = load(&options.common).await?;
        let mut config = bigcommerce("store");
        config.settings = json!({
            "store_hash": options.store_hash, "access_token": "[token]", "base_url": options.url,
            "page_size": options.page_size,
        })
        .to_string();
        config.variables = Arc::new(Token(options.token.clone()));
        config.grants = vec![Grant::extra(options.url.parse()?)];
        let connection = host.open(&connector, config).await?;
        let mut expected = Vec::new();
        for object in OBJECTS {
            expected.push(read_all(&connection, object).await?);
        }

        let window = Window::learn(&options).await?;
        let before = windows(&options).await?.len();
        tokio::time::sleep(window.left).await;
        let end = Instant::now() + window.length.saturating_mul(options.windows);
        let queries: Vec<_> = OBJECTS
            .into_iter()
            .zip(expected)
            .map(|(object, expected)| tokio::spawn(read_until(connection.clone(), object, expected, end)))
            .collect();
        tokio::time::sleep_until(end.into()).await;
        let used = windows(&options).await?;
        for query in queries {
            query.await??;
        }
        let judged = used.get(before..before + options.windows as usize).context("the store counted fewer windows")?;
        let granted: u32 = judged.iter().map(|window| window.granted).sum();
        let refused: u32 = judged.iter().map(|window| window.refused).sum();
        let share = |used: &Used| f64::from(used.granted) * 100.0 / window.requests;
        Ok(vec![
            Samples::new("quota-used", "%", judged.iter().map(share).collect()),
            Samples::new("quota-refused", "%", vec![f64::from(refused) * 100.0 / f64::from(granted.max(1))]),
        ])
    })
}

/// What the store says about one window of its quota.
#[derive(Debug, Deserialize)]
struct Used {
    granted: u32,
    refused: u32,
}

/// The windows since the emulated store started.
async fn windows(options: &Quota) -> Result<Vec<Used>> {
    #[derive(Deserialize)]
    struct State {
        quota: Vec<Used>,
    }
    let answer = reqwest::get(format!("{}/_emulator/state", options.url)).await?.bytes().await?;
    Ok(serde_json::from_slice::<State>(&answer)?.quota)
}

/// Reads one object again and again until the time is over. Each read must be complete.
async fn read_until(connection: Connection, object: &str, expected: u64, end: Instant) -> Result<()> {
    while Instant::now() < end {
        let records = read_all(&connection, object).await?;
        if records != expected {
            bail!("a query of {object} read {records} records of {expected}");
        }
    }
    Ok(())
}

/// A window of the store's quota.
struct Window {
    requests: f64,
    length: Duration,
    left: Duration,
}

impl Window {
    async fn learn(options: &Quota) -> Result<Self> {
        let url = format!("{}/stores/{}/v3/catalog/products?limit=1", options.url, options.store_hash);
        let answer = reqwest::Client::new().get(url).header("x-auth-token", &options.token).send().await?;
        let number = |name: &str| -> Result<u64> {
            let value = answer.headers().get(name).and_then(|value| value.to_str().ok()?.parse().ok());
            value.with_context(|| format!("the store does not tell {name}"))
        };
        Ok(Self {
            requests: number("x-rate-limit-requests-quota")? as f64,
            length: Duration::from_millis(number("x-rate-limit-time-window-ms")?),
            left: Duration::from_millis(number("x-rate-limit-time-reset-ms")?),
        })
    }
}

async fn read_all(connection: &Connection, object: &str) -> Result<u64> {
    let mut pages = connection.query(QueryRequest::new(object)).await?;
    let mut records = 0;
    while let Some(page) = pages.next().await? {
        records += u64::from(page.count);
    }
    Ok(records)
}

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    // The libraries that speak to registries build the client here with TLS of no provider, and it insists on one.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// A host as an embedder would set it up, and the component, compiled before.
pub(crate) async fn load(options: &Common) -> Result<(Host, Connector, Vec<u8>)> {
    let wasm =
        std::fs::read(&options.component).with_context(|| format!("cannot read {}", options.component.display()))?;
    let host = Host::new(HostConfig { cache_dir: Some(options.cache.clone()), ..HostConfig::default() })?;
    host.load(&wasm).await?;
    let connector = host.load(&wasm).await?;
    Ok((host, connector, wasm))
}

/// A connection with the settings that everybody has.
fn bigcommerce(name: &str) -> ConnectionConfig {
    let settings = json!({ "store_hash": "emu1ated", "access_token": "[token]" });
    let mut config = ConnectionConfig::new(name, settings.to_string());
    config.variables = Arc::new(Token("emulated-token".to_owned()));
    config
}

/// One variable, `token`.
pub(crate) struct Token(pub(crate) String);

impl Variables for Token {
    fn get(&self, name: &str) -> Result<Secret, VariableError> {
        match name {
            "token" => Ok(Secret::new(self.0.clone())),
            other => Err(VariableError::Undefined(other.to_owned())),
        }
    }
}

/// Resident memory of this process, in MB.
fn resident() -> Result<f64> {
    Ok(traffic::resident().context("the system does not tell the memory")? as f64 / 1e6)
}
