//! Incremental reading: every change is delivered, once, whatever interrupts the runs.

use std::collections::BTreeSet;
use std::time::Duration;

use bigcommerce_emulator::{Config, Sizes};
use connector_host::Connection;
use connector_host::contract::{Comparison, ErrorKind, QueryRequest};
use end_to_end::{Bench, condition, ids, order, query, refused, words, write};
use serde_json::{Value, json};

/// One run of a query: every page in an instance of its own, as if the one before had been dropped. Returns the records and the
/// state.
async fn run(connection: &Connection, mut request: QueryRequest) -> (Vec<Value>, Option<String>) {
    let mut records = Vec::new();
    loop {
        let page = connection.query(request.clone()).await.unwrap().next().await.unwrap().unwrap();
        let text = String::from_utf8(page.records).unwrap();
        records.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        assert!(page.next.is_none() || page.state.is_none(), "a state before the end");
        match page.next {
            Some(next) => request.cursor = Some(next),
            None => return (records, page.state),
        }
    }
}

fn since(object: &str, state: &str) -> QueryRequest {
    QueryRequest { since: Some(state.to_owned()), ..query(object) }
}

async fn change(connection: &Connection, object: &str, record: Value) {
    let outcomes = connection.activity().await.unwrap().update(&write(object, &[record])).await.unwrap();
    assert_eq!(words(&outcomes), ["applied"], "{outcomes:?}");
}

#[tokio::test]
async fn each_run_delivers_what_changed_since_the_one_before() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    // By key ranges, by page numbers with dates in RFC 2822, and by cursor; the last one evaluated here on every page.
    for (object, field, path) in [
        ("products", "name", Some("date_modified:min")),
        ("orders", "staff_notes", Some("min_date_modified")),
        ("customers", "first_name", Some("date_modified:min")),
        ("scripts", "name", None),
    ] {
        let (all, state) = run(&connection, since(object, "")).await;
        assert!(all.len() >= 3, "{object}");
        let key = if object == "scripts" { "uuid" } else { "id" };
        let state = state.unwrap_or_else(|| panic!("{object} gave no state"));
        let (nothing, mut state) = run(&connection, since(object, &state)).await;
        assert!(nothing.is_empty(), "{object}: {nothing:?}");
        for round in 0..3 {
            // Faster than the API's dates tick.
            let victim = &all[(round / 2) % all.len()][key];
            change(&connection, object, json!({ key: victim, field: format!("Round {round}") })).await;
            bench.store.journal().clear();
            let (changed, next) = run(&connection, since(object, state.as_deref().unwrap())).await;
            let got: Vec<_> = changed.iter().map(|record| (&record[key], &record[field])).collect();
            assert_eq!(got, [(victim, &json!(format!("Round {round}")))], "{object}, round {round}");
            if let Some(parameter) = path {
                let requests = bench.store.journal().entries();
                assert!(requests.iter().all(|entry| entry.parameter(parameter).is_some()), "{object}");
                assert_eq!(requests.len(), 1, "{object}: the store evaluates the date");
            }
            state = next;
        }
        let (nothing, _) = run(&connection, since(object, state.as_deref().unwrap())).await;
        assert!(nothing.is_empty(), "{object}");
    }
}

#[tokio::test]
async fn every_object_with_a_date_of_change_can_be_read_incrementally_and_the_others_say_so() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let (mut yes, mut no) = (0, 0);
    for object in connection.list_objects().await.unwrap() {
        let schema = connection.describe_object(&object.name).await.unwrap();
        let Some(activity) = &schema.query else { continue };
        let needs: Value = serde_json::from_str(&activity.request).unwrap();
        if needs["required"].as_array().is_some_and(|needed| !needed.is_empty()) {
            continue;
        }
        let request = since(&object.name, "");
        if !schema.incremental {
            let error = refused(connection.explain(&request).await);
            assert_eq!(
                (error.kind, error.pointer.as_deref()),
                (ErrorKind::Unsupported, Some("/since")),
                "{}",
                object.name
            );
            no += 1;
            continue;
        }
        let (_, state) = run(&connection, request).await;
        let (again, _) = run(&connection, since(&object.name, &state.unwrap())).await;
        assert!(again.is_empty(), "{}: nothing changed, and {} records came again", object.name, again.len());
        yes += 1;
    }
    assert!(yes >= 35 && no >= 50, "{yes} objects with a date, {no} without");
}

#[tokio::test]
async fn a_run_under_changes_misses_and_doubles_nothing() {
    let sizes = Sizes { products: 600, orders: 600, ..Sizes::default() };
    let bench = Bench::with(Config { sizes, ..Config::default() }).await;
    let connection = bench.open(json!({ "page_size": 50, "requests_in_flight": 2 })).await.unwrap();
    for (object, field) in [("products", "name"), ("orders", "staff_notes")] {
        let (all, first) = run(&connection, since(object, "")).await;
        let all = ids(&all);
        let mut delivered: BTreeSet<String> = BTreeSet::new();
        let mut written: Vec<(u64, String)> = Vec::new();
        let mut state = first.unwrap();
        for round in 0..6u64 {
            let mut request = since(object, &state);
            let mut step = 0u64;
            state = loop {
                let page = connection.query(request.clone()).await.unwrap().next().await.unwrap().unwrap();
                for line in String::from_utf8(page.records).unwrap().lines() {
                    let record: Value = serde_json::from_str(line).unwrap();
                    let version = format!("{} {}", record["id"], record[field]);
                    assert!(delivered.insert(version.clone()), "{object}: {version} came twice");
                }
                for turn in 0..20 {
                    let id = all[((round * 7919 + step * 104_729 + turn * 31) % all.len() as u64) as usize];
                    let value = format!("{round} {step} {turn}");
                    change(&connection, object, json!({ "id": id, field: value })).await;
                    written.push((id, value));
                }
                step += 1;
                match page.next {
                    Some(next) => request.cursor = Some(next),
                    None => break page.state.unwrap(),
                }
            };
        }
        let (rest, _) = run(&connection, since(object, &state)).await;
        delivered.extend(rest.iter().map(|record| format!("{} {}", record["id"], record[field])));
        for (at, (id, value)) in written.iter().enumerate() {
            let last = !written[at + 1..].iter().any(|(other, _)| other == id);
            assert!(!last || delivered.contains(&format!("{id} \"{value}\"")), "{object} {id}: {value} is missed");
        }
        assert!(written.len() > 120);
    }
}

#[tokio::test]
async fn a_state_belongs_to_its_store_object_and_filter() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let (_, state) = run(&connection, since("products", "")).await;
    let state = state.unwrap();
    // Other fields are fine: what is left out was seen all the same.
    let mut trimmed = since("products", &state);
    trimmed.fields = vec!["name".into()];
    let (nothing, _) = run(&connection, trimmed).await;
    assert!(nothing.is_empty());
    let mut filtered = since("products", &state);
    filtered.filter = vec![condition("price", Comparison::Greater, json!(10))];
    let error = refused(connection.explain(&filtered).await);
    assert_eq!(error.pointer.as_deref(), Some("/since"), "{error:?}");
    let mut ordered = since("products", &state);
    ordered.order_by = vec![order("name", false)];
    assert_eq!(refused(connection.explain(&ordered).await).kind, ErrorKind::Unsupported);
    for bad in ["nonsense", "1.00", &state[..state.len() / 2]] {
        let error = refused(connection.explain(&since("products", bad)).await);
        assert_eq!((error.kind, error.pointer.as_deref()), (ErrorKind::InvalidRequest, Some("/since")), "{bad}");
    }
    let plan = connection.explain(&since("products", &state)).await.unwrap();
    assert!(plan.steps.iter().any(|step| step.contains("date_modified")), "{:?}", plan.steps);
    // A read that was cut short has not seen everything.
    let (some, none) = run(&connection, QueryRequest { max_records: Some(7), ..since("products", "") }).await;
    assert_eq!((some.len(), none), (7, None));
}

#[tokio::test]
async fn trimmed_records_hold_what_was_asked_for_and_are_watched_all_the_same() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let request = |state: &str| QueryRequest { fields: vec!["name".into()], ..since("products", state) };
    let (all, state) = run(&connection, request("")).await;
    assert_eq!(all[0].as_object().unwrap().keys().collect::<Vec<_>>(), ["name"]);
    tokio::time::sleep(Duration::from_millis(10)).await;
    let first = bench.store.store().texts("products")[0].clone();
    let id = serde_json::from_str::<Value>(&first).unwrap()["id"].clone();
    change(&connection, "products", json!({ "id": id, "name": "Another" })).await;
    let (changed, _) = run(&connection, request(&state.unwrap())).await;
    assert_eq!(changed, [json!({ "name": "Another" })]);
}
