//! Figures of a host: time per call, records per second. The same calls as the scenarios', on a store in the driver's process.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::host::Runner;
use crate::store::{self, Setup};

/// Products of the store.
const RECORDS: usize = 5_000;
/// Calls whose median is taken.
const CALLS: usize = 101;

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Median time of `explain`: a new instance, its settings, one call, no request.
    pub call: Duration,
    /// Records per second of a query for all products.
    pub records_per_second: f64,
}

/// Measures a host, after one call of each to warm up.
///
/// # Errors
/// If a call fails.
pub fn measure(runner: &mut Runner, components: &Path) -> Result<Figures> {
    let store = store::start(&Setup::with_products(RECORDS))?;
    let url = store.base_url();
    ok(runner.ask(&json!({
        "do": "connect",
        "component": components.join("bigcommerce.wasm"),
        "settings": { "store_hash": store.store_hash(), "access_token": "[token]", "base_url": url },
        "variables": { "token": { "value": store.token(), "hidden": true } },
        "grant": [url],
    }))?)?;
    let explain = json!({ "do": "explain", "request": { "object": "products" } });
    let query = json!({ "do": "query-all", "request": { "object": "products" }, "count-only": true });
    timed(runner, &explain)?;
    let mut calls = (0..CALLS).map(|_| Ok(timed(runner, &explain)?.0)).collect::<Result<Vec<_>>>()?;
    calls.sort_unstable();
    let call = calls.get(CALLS / 2).copied().context("no call was measured")?;
    timed(runner, &query)?;
    let (took, answer) = timed(runner, &query)?;
    let count = answer.get("count").and_then(Value::as_u64);
    ensure!(count == Some(RECORDS as u64), "the query delivered {count:?} records, not {RECORDS}");
    ok(runner.ask(&json!({ "do": "close" }))?)?;
    Ok(Figures { call, records_per_second: RECORDS as f64 / took.as_secs_f64() })
}

fn timed(runner: &mut Runner, command: &Value) -> Result<(Duration, Value)> {
    let begun = Instant::now();
    let reply = runner.ask(command)?;
    Ok((begun.elapsed(), ok(reply)?))
}

fn ok(mut reply: Value) -> Result<Value> {
    match reply.get_mut("ok") {
        Some(answer) => Ok(answer.take()),
        None => anyhow::bail!("a measured call failed: {reply}"),
    }
}
