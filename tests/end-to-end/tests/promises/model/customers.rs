//! Random creates, updates, deletes and upserts of customers under random faults: outcomes explain the store, also those that
//! were unknown once they have been looked up.

use std::time::Duration;

use bigcommerce_emulator::{Effect, Fault};
use connector_host::contract::{Outcome, WriteMode, WriteRequest, WrittenBy};
use connector_host::{Activity, Connection};
use end_to_end::{Bench, write};
use serde_json::{Value, json};

use super::{Rng, rounds};
use crate::sent;

/// What the store holds of customers: id, email, company.
fn held(bench: &Bench) -> Vec<(u64, String, String)> {
    let customer = |text: &String| {
        let record: Value = serde_json::from_str(text).unwrap();
        let text = |field: &str| record[field].as_str().unwrap_or_default().to_owned();
        (record["id"].as_u64().unwrap(), text("email"), text("company"))
    };
    bench.store.store().texts("customers").iter().map(customer).collect()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Create,
    Update,
    Delete,
    Upsert,
}

async fn send(activity: &mut Activity, kind: Kind, request: &WriteRequest) -> Vec<Outcome> {
    match kind {
        Kind::Create | Kind::Upsert => activity.create(request).await.unwrap(),
        Kind::Update => activity.update(request).await.unwrap(),
        Kind::Delete => activity.delete(request).await.unwrap(),
    }
}

/// Random rows of one kind. What a row writes into `company` stands in no other row.
fn rows(rng: &mut Rng, kind: Kind, round: usize, before: &[(u64, String, String)]) -> Vec<Value> {
    let mut used = Vec::new();
    let mut rows = Vec::new();
    for number in 0..=rng.below(24) {
        let company = format!("Mark {round}-{number};");
        let old = rng.pick(before);
        let fresh = format!("r{round}n{number}@example.com");
        let clash = rng.once_in(8);
        if kind != Kind::Create && used.contains(&old.0) {
            continue;
        }
        used.push(old.0);
        let record = |email: &str| json!({ "email": email, "first_name": "A", "last_name": "B", "company": company });
        rows.push(match kind {
            Kind::Create => record(if clash { &old.1 } else { &fresh }),
            Kind::Update if clash => json!({ "id": 90_000_000 + number, "company": company }),
            Kind::Update => json!({ "id": old.0, "company": company }),
            Kind::Delete => json!({ "id": old.0 }),
            Kind::Upsert => record(if rng.once_in(2) { &old.1 } else { &fresh }),
        });
    }
    rows
}

/// Whether the store holds what a row asked for.
fn done(kind: Kind, row: &Value, after: &[(u64, String, String)]) -> bool {
    match kind {
        Kind::Delete => !after.iter().any(|held| json!(held.0) == row["id"]),
        _ => after.iter().any(|held| json!(held.2) == row["company"]),
    }
}

fn agree(kind: Kind, rows: &[Value], outcomes: &[Outcome], after: &[(u64, String, String)], context: &str) {
    assert_eq!(rows.len(), outcomes.len(), "{context}");
    for (row, outcome) in rows.iter().zip(outcomes) {
        let done = done(kind, row, after);
        match outcome {
            Outcome::Applied(_) => assert!(done, "{context}: {row} is not in the store: {outcome:?}"),
            Outcome::Failed(_) | Outcome::Skipped => assert!(!done, "{context}: {row} is in the store: {outcome:?}"),
            Outcome::Unknown(_) => {}
        }
    }
}

async fn round(bench: &Bench, connection: &Connection, rng: &mut Rng, number: usize, told: &str) {
    let kind = *rng.pick(&[Kind::Create, Kind::Update, Kind::Delete, Kind::Upsert]);
    let before = held(bench);
    let rows = rows(rng, kind, number, &before);
    for _ in 0..rng.below(3) {
        let effects = [
            Effect::ResetBeforeReading,
            Effect::ResetBeforeActing,
            Effect::ResetBeforeAnswering,
            Effect::ResetInBody,
            Effect::TruncatedJson,
            Effect::status(500),
            Effect::StatusAfterActing(502),
            Effect::too_many(Duration::from_millis(20)),
        ];
        let effect = rng.pick(&effects).clone();
        let method = *rng.pick(&["POST", "PUT", "DELETE"]);
        bench.fault(Fault::on(method, "/v3/customers", effect).nth(rng.between(1, 3)));
    }
    let mut request = match kind {
        Kind::Upsert => {
            WriteRequest { mode: WriteMode::Upsert, match_on: vec!["email".to_owned()], ..write("customers", &rows) }
        }
        _ => write("customers", &rows),
    };
    request.continue_on_error = !rng.once_in(3);
    let context = format!("{told}, round {number}, {kind:?}");
    bench.store.journal().clear();
    let mut activity = connection.activity().await.unwrap();
    let outcomes = send(&mut activity, kind, &request).await;
    bench.store.clear_faults();
    agree(kind, &rows, &outcomes, &held(bench), &context);
    for mark in rows.iter().filter_map(|row| row["company"].as_str()) {
        sent::writes_of(bench, mark, &context);
    }
    sent::deletes_once(bench, &context);
    let open: Vec<usize> = (0..rows.len()).filter(|row| matches!(outcomes[*row], Outcome::Unknown(_))).collect();
    if open.is_empty() {
        return;
    }
    let unknown: Vec<Value> = open.iter().map(|row| rows[*row].clone()).collect();
    let by = match kind {
        Kind::Create | Kind::Upsert => WrittenBy::Create,
        Kind::Update => WrittenBy::Update,
        Kind::Delete => WrittenBy::Delete,
    };
    let again = WriteRequest { records: write("customers", &unknown).records, ..request };
    let resolved = activity.resolve(by, &again).await.unwrap();
    agree(kind, &unknown, &resolved, &held(bench), &format!("{context}, resolved"));
}

#[tokio::test]
async fn what_becomes_of_customers_explains_the_store_and_what_is_unknown_is_looked_up() {
    for (seed, mut rng) in rounds("model customers", 1) {
        let bench = Bench::new().await;
        let connection = bench.connection().await;
        for number in 0..40 {
            round(&bench, &connection, &mut rng, number, &format!("CONNECTOR_TEST_SEED={seed}")).await;
        }
    }
}
