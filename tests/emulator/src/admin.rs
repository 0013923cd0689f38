//! What the program tells about itself: `GET /_emulator/state`, `/_emulator/journal` and `/_emulator/violations`.
//!
//! These requests need no token and stand in no journal, so that a process that started the emulator can ask what the
//! server saw without changing it.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::answer::{Answer, Refusal};
use crate::serve::Shared;
use crate::tables::tables;

/// Prefix of the paths.
pub(crate) const PREFIX: &str = "/_emulator/";

/// Answers a request about the emulator.
pub(crate) fn answer(shared: &Shared, path: &str) -> Answer {
    let body = match path.strip_prefix(PREFIX) {
        Some("state") => state(shared),
        Some("journal") => journal(shared),
        Some("violations") => shared.violations.all().iter().map(|v| Value::from(v.to_string())).collect(),
        _ => return Refusal::not_found().answer(path),
    };
    Answer::json(200, body.to_string())
}

fn state(shared: &Shared) -> Value {
    let store = shared.world.read();
    let mut records = serde_json::Map::new();
    for (table, spec) in tables().specs.iter().enumerate() {
        if let Some(resource) = crate::facts::resources().get(spec.resource) {
            records.insert(resource.key().to_owned(), store.table(table).rows().len().into());
        }
    }
    let quota = shared.quota.uses();
    let quota: Vec<Value> = quota.iter().map(|w| json!({ "granted": w.granted, "refused": w.refused })).collect();
    json!({
        "requests": shared.journal.len(),
        "requests_peak": shared.peak.load(Ordering::SeqCst),
        "connections_accepted": shared.sockets.accepted.load(Ordering::SeqCst),
        "connections_open": shared.sockets.open.load(Ordering::SeqCst),
        "connections_peak": shared.sockets.peak.load(Ordering::SeqCst),
        "quota": quota,
        "wipes": store.wipes,
        "violations": shared.violations.all().len(),
        "records": records,
    })
}

fn journal(shared: &Shared) -> Value {
    shared
        .journal
        .entries()
        .iter()
        .map(|e| {
            json!({
                "number": e.number,
                "at_ms": e.at.as_secs_f64() * 1_000.0,
                "connection": e.connection,
                "method": e.method,
                "path": e.path,
                "query": e.query,
                "body": String::from_utf8_lossy(&e.body),
                "acted": e.acted,
                "status": e.status,
                "fault": e.fault,
            })
        })
        .collect()
}
