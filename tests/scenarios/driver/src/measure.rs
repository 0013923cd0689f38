//! Figures of a host: time per call, records per second, processor time per page. The same calls as the scenarios', on a store in the
//! driver's process.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bigcommerce_emulator::Emulator;
use serde_json::{Value, json};

use crate::host::Runner;
use crate::store::{self, Setup};

/// Products of the store: so many that a query takes many times what processor time is counted in.
const RECORDS: usize = 20_000;
/// Records of a page.
const PAGE: usize = 250;
/// Calls whose median is taken.
const CALLS: usize = 101;
/// Queries whose median is taken.
const QUERIES: usize = 3;

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Median time of `explain`: a new instance, its settings, one call, no request.
    pub call: Duration,
    /// Records per second of a query for all products.
    pub records_per_second: f64,
    /// Processor time of the host's process per page of that query, where the system tells it.
    pub cpu_per_page: Option<Duration>,
}

/// Measures a host, after one call of each to warm up.
///
/// # Errors
/// If a call fails.
pub fn measure(runner: &mut Runner, components: &Path) -> Result<Figures> {
    let mut warm = Warm::new(runner, components)?;
    let calls = (0..CALLS).map(|_| warm.explain()).collect::<Result<Vec<_>>>()?;
    let queries = (0..QUERIES).map(|_| warm.query()).collect::<Result<Vec<_>>>()?;
    warm.close()?;
    let took = median(queries.iter().map(|query| query.took))?;
    let pages = RECORDS.div_ceil(PAGE) as f64;
    let cpu = queries.iter().map(|query| Some(query.cpu?.div_f64(pages))).collect::<Option<Vec<_>>>();
    Ok(Figures {
        call: median(calls)?,
        records_per_second: RECORDS as f64 / took.as_secs_f64(),
        cpu_per_page: cpu.map(median).transpose()?,
    })
}

/// How many times the processor time of `than` a host takes per page; `None` where the system does not tell. The two take turns, so that
/// what else the machine does meets both.
///
/// # Errors
/// If a call fails.
pub fn cpu_ratio(runner: &mut Runner, than: &mut Runner, components: &Path) -> Result<Option<f64>> {
    let (mut one, mut other) = (Warm::new(runner, components)?, Warm::new(than, components)?);
    let mut ratios = Vec::new();
    for _ in 0..QUERIES {
        let (Some(cpu), Some(than)) = (one.query()?.cpu, other.query()?.cpu) else { return Ok(None) };
        ratios.push(cpu.as_secs_f64() / than.as_secs_f64());
    }
    one.close()?;
    other.close()?;
    ratios.sort_unstable_by(f64::total_cmp);
    Ok(ratios.get(QUERIES / 2).copied())
}

/// A runner with a connection to a store of its own, after one call of each kind.
struct Warm<'a> {
    runner: &'a mut Runner,
    /// Ends when it is dropped.
    _store: Emulator,
}

/// What a query for all products took.
struct Query {
    took: Duration,
    cpu: Option<Duration>,
}

impl<'a> Warm<'a> {
    fn new(runner: &'a mut Runner, components: &Path) -> Result<Self> {
        let store = store::start(&Setup::with_products(RECORDS))?;
        let url = store.base_url();
        ok(runner.ask(&json!({
            "do": "connect",
            "component": components.join("bigcommerce.wasm"),
            "settings": { "store_hash": store.store_hash(), "access_token": "[token]", "base_url": url, "page_size": PAGE },
            "variables": { "token": { "value": store.token(), "hidden": true } },
            "grant": [url],
        }))?)?;
        let mut warm = Self { runner, _store: store };
        warm.explain()?;
        warm.query()?;
        Ok(warm)
    }

    fn explain(&mut self) -> Result<Duration> {
        Ok(self.timed(&json!({ "do": "explain", "request": { "object": "products" } }))?.0)
    }

    fn query(&mut self) -> Result<Query> {
        let before = self.runner.cpu();
        let query = json!({ "do": "query-all", "request": { "object": "products" }, "count-only": true });
        let (took, answer) = self.timed(&query)?;
        let cpu = self.runner.cpu().zip(before).map(|(after, before)| after.saturating_sub(before));
        let count = answer.get("count").and_then(Value::as_u64);
        ensure!(count == Some(RECORDS as u64), "the query delivered {count:?} records, not {RECORDS}");
        Ok(Query { took, cpu })
    }

    fn close(self) -> Result<()> {
        ok(self.runner.ask(&json!({ "do": "close" }))?).map(drop)
    }

    fn timed(&mut self, command: &Value) -> Result<(Duration, Value)> {
        let begun = Instant::now();
        let reply = self.runner.ask(command)?;
        Ok((begun.elapsed(), ok(reply)?))
    }
}

fn ok(mut reply: Value) -> Result<Value> {
    match reply.get_mut("ok") {
        Some(answer) => Ok(answer.take()),
        None => anyhow::bail!("a measured call failed: {reply}"),
    }
}

fn median(times: impl IntoIterator<Item = Duration>) -> Result<Duration> {
    let mut times: Vec<Duration> = times.into_iter().collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().context("nothing was measured")
}
