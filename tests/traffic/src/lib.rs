//! Callers that query and write without a pause while versions of a connector change, and what became of their calls and records.
//! The end-to-end tests run it for seconds, `cargo xtask bench` for minutes.
//!
//! Half of the callers read one object from its first to its last record, again and again, and know which records it has. The other
//! half creates records of another object, each with a name of its own; at the end that object is read, and every record that was
//! told as created must be there once.

mod callers;
mod emulator;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use connector_host::contract::QueryRequest;
use connector_host::{CallError, Connection, Connector, Deployment, Host, SwapError, SwapOptions};

use callers::{read, write};
pub use emulator::{Emulator, TOKEN};

/// What is done.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Callers at the same time, an even number.
    pub callers: usize,
    /// For how long.
    pub time: Duration,
    /// Swaps, evenly spread over that time.
    pub swaps: u32,
    /// The object that is read. Nobody changes it meanwhile.
    pub read: &'static str,
    /// Records per page of it.
    pub page_size: u32,
    /// The object that is written.
    pub written: &'static str,
    /// A record of it by its number, as a JSON object.
    pub record: fn(u64) -> String,
    /// The field by which such a record is found again, and its value for that number.
    pub mark: (&'static str, fn(u64) -> String),
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// How long each call took that succeeded: a page, or a batch of records.
    pub calls: Vec<Duration>,
    /// Calls that failed, with the reason.
    pub failed: Vec<String>,
    /// Records that were read or written.
    pub records: u64,
    /// Records that a query or the store should have had and did not.
    pub lost: u64,
    /// Records that came twice.
    pub doubled: u64,
    /// Swaps that switched, and how long each took until then, without its load.
    pub swaps: Vec<Duration>,
    /// Resident memory of this process after each swap, without what the callers remember of their calls, in bytes; none where the
    /// system does not tell.
    pub resident: Vec<u64>,
}

impl Found {
    /// The time within which this share of the calls was answered.
    pub fn percentile(&self, share: f64) -> Duration {
        let mut sorted = self.calls.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() as f64 * share).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// By how many bytes the resident memory grows with each swap: the slope of the straight line that fits best.
    pub fn growth(&self) -> f64 {
        self.growth_after(0)
    }

    /// The same without the first swaps.
    pub fn growth_after(&self, swaps: usize) -> f64 {
        let points: Vec<(f64, f64)> =
            (0..).map(f64::from).zip(self.resident.iter().skip(swaps).map(|bytes| *bytes as f64)).collect();
        let count = points.len().max(1) as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
        let together: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
        if spread > 0.0 { together / spread } else { 0.0 }
    }
}

/// What the callers share.
struct Shared {
    plan: Plan,
    stop: AtomicBool,
    /// Number of the next record.
    next: AtomicU64,
    /// Keys of the records of the object that is read.
    known: Vec<u64>,
    /// What the callers remember of their calls, in bytes: it grows with every call, and is none of the host's.
    remembered: AtomicU64,
}

impl Shared {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// Adds what a caller remembers until the end.
    fn remember<T>(&self, list: &mut Vec<T>, one: T) {
        list.push(one);
        self.remembered.fetch_add(size_of::<T>() as u64, Ordering::Relaxed);
    }

    /// Resident memory of this process without that, in bytes.
    fn resident(&self) -> Option<u64> {
        Some(resident()?.saturating_sub(self.remembered.load(Ordering::Relaxed)))
    }
}

/// Two versions of a component: as it is, and with one more section, which changes its digest and nothing else.
pub fn versions(component: &[u8]) -> [Vec<u8>; 2] {
    // A custom section: id 0, length, length of the name, name.
    let other = [component, b"\0\x08\x07another"].concat();
    [component.to_vec(), other]
}

/// Runs the plan over these connections of the deployment, swapping between the two versions. Records have numbers from `first` on.
///
/// # Errors
/// Nothing could be begun, or looked at in the end.
pub async fn run(
    host: &Host,
    deployment: &Deployment,
    connections: &[Connection],
    versions: &[Vec<u8>; 2],
    plan: Plan,
    first: u64,
) -> Result<Found, Box<dyn std::error::Error + Send + Sync>> {
    let one = connections.first().ok_or("there is no connection")?;
    let known = callers::keys(one, QueryRequest::new(plan.read)).await?;
    let (stop, next, remembered) = (AtomicBool::default(), AtomicU64::new(first), AtomicU64::default());
    let shared = Arc::new(Shared { plan, stop, next, known, remembered });
    let mut callers = Vec::new();
    for (number, connection) in connections.iter().cycle().take(plan.callers).enumerate() {
        let (connection, shared) = (connection.clone(), Arc::clone(&shared));
        callers.push(match number % 2 {
            0 => tokio::spawn(read(connection, shared)),
            _ => tokio::spawn(write(connection, shared)),
        });
    }
    let mut found = Found::default();
    let changed = change_versions(host, deployment, versions, &shared, &mut found).await;
    shared.stop.store(true, Ordering::Relaxed);
    let mut created = Vec::new();
    for caller in callers {
        let (one, numbers) = caller.await?;
        found.calls.extend(one.calls);
        found.failed.extend(one.failed);
        found.records += one.records;
        found.lost += one.lost;
        found.doubled += one.doubled;
        created.extend(numbers);
    }
    changed?;
    let mut there = callers::marks(one, &plan).await?;
    for number in created {
        match there.remove(&(plan.mark.1)(number)) {
            None => found.lost += 1,
            Some(times) => found.doubled += times - 1,
        }
    }
    // A record of this run that nobody was told of.
    let ours: BTreeMap<String, ()> =
        (first..shared.next.load(Ordering::Relaxed)).map(|number| ((plan.mark.1)(number), ())).collect();
    found.doubled += there.keys().filter(|mark| ours.contains_key(*mark)).count() as u64;
    Ok(found)
}

/// Swaps at even distances until the time is over.
async fn change_versions(
    host: &Host,
    deployment: &Deployment,
    versions: &[Vec<u8>; 2],
    shared: &Shared,
    found: &mut Found,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (begun, plan) = (Instant::now(), shared.plan);
    for number in 1..=plan.swaps {
        tokio::time::sleep_until((begun + plan.time / (plan.swaps + 1) * number).into()).await;
        let [even, odd] = versions;
        // Loaded anew each time, as a process does that looks for other versions.
        let next = host.load(if number % 2 == 0 { even } else { odd }).await?;
        found.swaps.push(swap(deployment, &next).await?);
        found.resident.extend(shared.resident());
    }
    tokio::time::sleep_until((begun + plan.time).into()).await;
    Ok(())
}

async fn swap(deployment: &Deployment, next: &Connector) -> Result<Duration, SwapError> {
    let report = deployment.swap(next, SwapOptions::default()).await?;
    Ok(report.switched_after)
}

/// Resident memory of this process, in bytes.
pub fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? << 10)
}

/// A failure with the call that it ended.
fn told(call: &str, error: &CallError) -> String {
    format!("{call}: {error}")
}
