//! Figures about the embedding library, each in a process of its own: this program starts itself with one of these sub-commands
//! and reads the samples that they print.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use connector_host::contract::QueryRequest;
use connector_host::{
    Connection, ConnectionConfig, Connector, Grant, Host, HostConfig, Secret, VariableError, Variables,
};
use serde_json::json;

use crate::figures::Samples;

/// Loads that are timed.
const LOADS: usize = 50;
/// Queries side by side.
const QUERIES: usize = 8;

/// What every one of them needs.
#[derive(Args, Debug)]
pub(crate) struct Common {
    /// The component.
    #[arg(long)]
    component: PathBuf,
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
    /// Products in the store.
    #[arg(long)]
    products: u64,
}

#[derive(Args, Debug)]
pub(crate) struct Idle {
    #[command(flatten)]
    common: Common,
    /// Connections.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
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

/// Opens connections that then do nothing.
pub(crate) fn idle(options: Idle) -> Result<Vec<Samples>> {
    runtime()?.block_on(async {
        let (host, connector, _) = load(&options.common).await?;
        let mut connections = Vec::with_capacity(options.connections);
        for number in 0..options.connections {
            connections.push(host.open(&connector, bigcommerce(&format!("store-{number}"))).await?);
        }
        let resident = resident()?;
        drop(connections);
        Ok(vec![Samples::new("idle", "MB", vec![resident])])
    })
}

/// Reads all products with several queries at once, and looks at how many requests left in each window of the quota in which
/// all of them were busy. A window's share cannot exceed the quota, because the store refuses what is above it.
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

        let window = Window::learn(&options).await?;
        tokio::time::sleep(window.left).await;
        let started = Instant::now();
        let queries: Vec<_> = (0..QUERIES).map(|_| tokio::spawn(read_all(connection.clone()))).collect();
        let mut sent = vec![0];
        while queries.iter().all(|query| !query.is_finished()) {
            let end = window.length.saturating_mul(u32::try_from(sent.len())?);
            tokio::time::sleep(end.saturating_sub(started.elapsed())).await;
            sent.push(connection.status().requests);
        }
        // The last window saw a query end.
        sent.pop();
        for query in queries {
            let records = query.await??;
            if records != options.products {
                bail!("a query read {records} records of {}", options.products);
            }
        }
        let windows: Vec<f64> = sent.array_windows().map(|[before, after]| (after - before) as f64).collect();
        if windows.len() < 3 {
            bail!("the queries were over in {} windows: too few to measure", windows.len());
        }
        let share = |sent: &f64| sent.min(window.requests) * 100.0 / window.requests;
        let refused = |sent: &f64| (sent - window.requests).max(0.0);
        Ok(vec![
            Samples::new("quota-used", "%", windows.iter().map(share).collect()),
            Samples::new("quota-refused", "", windows.iter().map(refused).collect()),
        ])
    })
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

async fn read_all(connection: Connection) -> Result<u64> {
    let request = QueryRequest {
        object: "products".to_owned(),
        fields: Vec::new(),
        filter: Vec::new(),
        order_by: Vec::new(),
        include: Vec::new(),
        page_size: None,
        max_records: None,
        since: None,
        cursor: None,
    };
    let mut pages = connection.query(request).await?;
    let mut records = 0;
    while let Some(page) = pages.next().await? {
        records += u64::from(page.count);
    }
    Ok(records)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// A host as an embedder would set it up, and the component, compiled before.
async fn load(options: &Common) -> Result<(Host, Connector, Vec<u8>)> {
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
struct Token(String);

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
    let status = std::fs::read_to_string("/proc/self/status").context("the system does not tell the memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("there is no VmRSS")?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes * 1024.0 / 1e6)
}
