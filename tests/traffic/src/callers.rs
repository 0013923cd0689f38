//! One caller at work.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use connector_host::contract::{Outcome, QueryRequest, WriteRequest};
use connector_host::{CallError, Connection};
use serde_json::Value;

use crate::{Found, Plan, Shared, told};

/// Records per call of a writer.
const BATCH: u64 = 5;

/// What a caller found, and the numbers of the records that it was told are created.
type Report = (Found, Vec<u64>);

/// Reads the object from its first to its last record, again and again.
pub(crate) async fn read(connection: Connection, shared: Arc<Shared>) -> Report {
    let mut found = Found::default();
    while shared.goes_on() {
        if let Err(error) = read_once(&connection, &shared, &mut found).await {
            found.failed.push(told("query", &error));
        }
    }
    (found, Vec::new())
}

async fn read_once(connection: &Connection, shared: &Shared, found: &mut Found) -> Result<(), CallError> {
    let Plan { read, page_size, .. } = shared.plan;
    let request = QueryRequest { page_size: Some(page_size), fields: vec!["id".into()], ..QueryRequest::new(read) };
    let mut begun = Instant::now();
    let mut pages = connection.query(request).await?;
    let mut seen = BTreeMap::<u64, u64>::new();
    while let Some(page) = pages.next().await? {
        shared.remember(&mut found.calls, begun.elapsed());
        found.records += u64::from(page.count);
        ids(&page.records).for_each(|id| *seen.entry(id).or_default() += 1);
        begun = Instant::now();
    }
    found.doubled += seen.values().map(|times| times - 1).sum::<u64>();
    let known: BTreeSet<&u64> = shared.known.iter().collect();
    found.lost += known.iter().filter(|id| !seen.contains_key(**id)).count() as u64;
    found.doubled += seen.keys().filter(|id| !known.contains(id)).count() as u64;
    Ok(())
}

/// Creates records, again and again.
pub(crate) async fn write(connection: Connection, shared: Arc<Shared>) -> Report {
    let (mut found, mut created) = (Found::default(), Vec::new());
    while shared.goes_on() {
        let first = shared.next.fetch_add(BATCH, Ordering::Relaxed);
        let records: String = (first..first + BATCH).map(|number| (shared.plan.record)(number) + "\n").collect();
        let request = WriteRequest { continue_on_error: true, ..WriteRequest::new(shared.plan.written, records) };
        let begun = Instant::now();
        let called = async { connection.activity().await?.create(&request).await };
        match called.await {
            Ok(outcomes) => {
                shared.remember(&mut found.calls, begun.elapsed());
                for (number, outcome) in (first..).zip(outcomes) {
                    match outcome {
                        Outcome::Applied(_) => shared.remember(&mut created, number),
                        other => found.failed.push(format!("create: record {number}: {other:?}")),
                    }
                }
                found.records += BATCH;
            }
            Err(error) => found.failed.push(told("create", &error)),
        }
    }
    (found, created)
}

/// The key of every record that a query answers.
pub(crate) async fn keys(connection: &Connection, request: QueryRequest) -> Result<Vec<u64>, CallError> {
    let mut pages = connection.query(request).await?;
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await? {
        keys.extend(ids(&page.records));
    }
    Ok(keys)
}

/// How often each mark is in the store.
pub(crate) async fn marks(connection: &Connection, plan: &Plan) -> Result<BTreeMap<String, u64>, CallError> {
    let mut pages = connection.query(QueryRequest::new(plan.written)).await?;
    let mut marks = BTreeMap::new();
    while let Some(page) = pages.next().await? {
        for record in values(&page.records) {
            if let Some(mark) = record.get(plan.mark.0).and_then(Value::as_str) {
                *marks.entry(mark.to_owned()).or_default() += 1;
            }
        }
    }
    Ok(marks)
}

fn values(ndjson: &[u8]) -> impl Iterator<Item = Value> {
    ndjson.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok())
}

fn ids(ndjson: &[u8]) -> impl Iterator<Item = u64> {
    values(ndjson).filter_map(|record| record.get("id").and_then(Value::as_u64))
}
