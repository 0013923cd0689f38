//! Versions that change under load: what that costs the callers, and whether old versions leave the memory.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use clap::Args;
use connector_host::{ConnectionConfig, Deployment, Grant};
use serde_json::json;
use traffic::Plan;

use crate::figures::Samples;
use crate::library::{Common, Token, load, runtime};

/// The share of calls that the figure is about.
const SHARE: f64 = 0.99;

/// How long swaps follow each other before anything is measured.
const WARM_UP: Duration = Duration::from_secs(20);

#[derive(Args, Debug)]
pub(crate) struct Swap {
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
    /// Seconds with swaps, and as many without.
    #[arg(long)]
    seconds: u64,
    /// Swaps.
    #[arg(long)]
    swaps: u32,
}

/// Runs the same traffic without swaps and with them.
pub(crate) fn swap(options: Swap) -> Result<Vec<Samples>> {
    runtime()?.block_on(async {
        let (host, connector, wasm) = load(&options.common).await?;
        let deployment = Deployment::new(&connector);
        let settings = json!({
            "store_hash": options.store_hash, "access_token": "[token]", "base_url": options.url, "keep_alive": true,
            "keep_alive_seconds": "30",
        });
        let mut connections = Vec::new();
        for number in 0..4 {
            let mut config = ConnectionConfig::new(format!("store-{number}"), settings.to_string());
            config.variables = Arc::new(Token(options.token.clone()));
            config.grants = vec![Grant::extra(options.url.parse()?)];
            connections.push(host.open(&deployment, config).await?);
        }
        let calm = Plan {
            callers: 32,
            time: Duration::from_secs(options.seconds),
            swaps: 0,
            read: "products",
            page_size: 100,
            written: "customers",
            record: |number| format!(r#"{{"first_name":"Ada","last_name":"{number}","email":"{number}@example.com"}}"#),
            mark: ("email", |number| format!("{number}@example.com")),
        };
        let versions = traffic::versions(&wasm);
        let run = async |plan, first| {
            let found = traffic::run(&host, &deployment, &connections, &versions, plan, first).await;
            found.map_err(|error| anyhow!(error))
        };
        // Each version of the first hundred finds places in the pool that none has used before, and leaves pages in them.
        run(Plan { swaps: 100, time: WARM_UP, ..calm }, 1).await?;
        let without = run(calm, 10_000_000).await?;
        let with = run(Plan { swaps: options.swaps, ..calm }, 20_000_000).await?;
        if let Some(failure) = without.failed.first() {
            bail!("a call failed without any swap: {failure}");
        }
        if let Some(failure) = with.failed.first() {
            eprintln!("failed: {failure}");
        }
        let [before, after] = [&without, &with].map(|found| found.percentile(SHARE).as_secs_f64() * 1e3);
        let one = |name, unit, value| Samples::new(name, unit, vec![value]);
        Ok(vec![
            one("swap-failed", "calls", with.failed.len() as f64),
            one("swap-lost", "records", with.lost as f64),
            one("swap-doubled", "records", with.doubled as f64),
            one("swap-calls", "calls", with.calls.len() as f64),
            one("swap-calm-p99", "ms", before),
            one("swap-p99", "ms", after),
            one("swap-p99-ratio", "x", after / before),
            one("swap-growth", "KB", with.growth() / 1e3),
        ])
    })
}
