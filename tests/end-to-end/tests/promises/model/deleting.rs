//! Random deletes: whatever is handed in, no collection is wiped and nothing goes that was not named.

use std::collections::BTreeSet;

use bigcommerce_emulator::Key;
use connector_host::contract::Activities;
use end_to_end::{Bench, write};
use serde_json::{Map, Value, json};

use super::{Rng, rounds, store};
use crate::sent;

/// A value where a key belongs: nothing, something wild, or something that names many.
fn wild(rng: &mut Rng, depth: usize) -> Value {
    const PIECES: &[&str] = &[
        "", " ", "*", "%", "%25", "_", ",", "1", "2", "3", "7", "77", "..", "/", "\\", "?", "&", "#", "=", ":", ";",
        "id:in", "null", "true", "\u{0}", "\n", "\t", "\"", "'", "{", "}", "[", "]", "0", "-", "+", "%2C", "%2F",
        "%00", "ä", "💥", "all",
    ];
    match rng.below(if depth == 0 { 12 } else { 10 }) {
        0 => Value::Null,
        1 => json!(""),
        2 => json!(rng.below(2) == 0),
        3 => json!(-(rng.below(1_000) as i64)),
        4 => json!(rng.below(1_000) as f64 / 8.0),
        5 => serde_json::from_str(&format!("{}{:018}", rng.below(9) + 1, rng.below(1_000_000))).unwrap(),
        6..=9 => {
            let pieces = if rng.once_in(20) { 3_000 } else { 6 };
            json!((0..rng.below(pieces)).map(|_| *rng.pick(PIECES)).collect::<String>())
        }
        10 => (0..rng.below(4)).map(|_| wild(rng, depth + 1)).collect(),
        _ => (0..rng.below(3))
            .map(|_| ((*rng.pick(PIECES)).to_owned(), wild(rng, depth + 1)))
            .collect::<Map<_, _>>()
            .into(),
    }
}

fn parts(key: &Key) -> Vec<String> {
    match key {
        Key::Many(parts) => parts.iter().flat_map(self::parts).collect(),
        one => vec![one.to_json().trim_matches('"').to_owned()],
    }
}

/// A stored record: its key in the store's table, and the fields by which the connector knows it, where it has them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stored {
    key: Vec<String>,
    fields: Vec<Option<String>>,
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The records of an object. An archived order is gone.
fn stored(bench: &Bench, object: &str, key: &[String]) -> Vec<Stored> {
    let store = bench.store.store();
    let records = store.keys(object).into_iter().zip(store.texts(object));
    let parsed = records.map(|(own, text)| (own, serde_json::from_str::<Value>(&text).unwrap_or_default()));
    let there = parsed.filter(|(_, record)| record["is_deleted"] != json!(true));
    let field = |record: &Value, name: &String| record.get(name).filter(|v| !v.is_null()).map(plain);
    there
        .map(|(own, record)| Stored { key: parts(&own), fields: key.iter().map(|name| field(&record, name)).collect() })
        .collect()
}

/// Whether a row's value is this part of a key; a number may be written in several ways.
fn same(value: &Value, part: &str) -> bool {
    let text = plain(value);
    let text = text.trim();
    let number = |text: &str| text.parse::<f64>().ok();
    text == part || part.parse::<i64>().is_ok() && number(text).is_some() && number(text) == number(part)
}

/// Whether one row names every part of a record's key: those of the connector's key fields that the record holds, or else the
/// parts of its key in the store.
fn names(row: &Value, key: &[String], gone: &Stored) -> bool {
    let held: Vec<(&String, &String)> =
        key.iter().zip(&gone.fields).filter_map(|(name, part)| Some((name, part.as_ref()?))).collect();
    if held.is_empty() {
        let values = row.as_object().into_iter().flat_map(Map::values);
        let values: Vec<&Value> = values.collect();
        return gone.key.iter().all(|part| values.iter().any(|value| same(value, part)));
    }
    held.iter().all(|(name, part)| same(&row[name.as_str()], part))
}

/// Random rows: keys of records, whole or with a part of them spoiled, and wild ones.
fn some_rows(rng: &mut Rng, key: &[String], before: &[Stored]) -> Vec<Value> {
    let most = if rng.once_in(6) { 900 } else { 12 };
    (0..rng.below(most))
        .map(|_| {
            let mut row = Map::new();
            let real = (!before.is_empty() && rng.once_in(4)).then(|| rng.pick(before));
            let whole = rng.once_in(2);
            for (at, field) in key.iter().enumerate() {
                let part = real.and_then(|real| real.fields[at].as_ref().or_else(|| real.key.get(at)));
                match part.filter(|_| whole || !rng.once_in(5)) {
                    Some(part) => drop(row.insert(field.clone(), json!(part))),
                    None if rng.once_in(6) => {}
                    None => drop(row.insert(field.clone(), wild(rng, 0))),
                }
            }
            if rng.once_in(10) {
                row.insert("id:in".to_owned(), wild(rng, 0));
            }
            row.into()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_delete_ever_wipes_whatever_it_is_given() {
    let (mut went, mut tried) = (0, 0);
    for (seed, mut rng) in rounds("model deleting", 6) {
        let bench = Bench::with(store(seed, &mut rng, 60)).await;
        let connection = bench.connection().await;
        let mut activity = connection.activity().await.unwrap();
        let objects = connection.list_objects().await.unwrap();
        let deletable: Vec<String> =
            objects.iter().filter(|o| o.activities.contains(Activities::DELETE)).map(|o| o.name.clone()).collect();
        assert!(deletable.len() > 50);
        for _ in 0..25 {
            let name = rng.pick(&deletable);
            let told = format!("CONNECTOR_TEST_SEED={seed}, {name}");
            let key = connection.describe_object(name).await.unwrap().key;
            let before = stored(&bench, name, &key);
            let rows = some_rows(&mut rng, &key, &before);
            let mut request = write(name, &rows);
            request.continue_on_error = !rng.once_in(4);
            bench.store.journal().clear();
            let outcomes = activity.delete(&request).await.unwrap_or_else(|error| panic!("{told}: {error}"));
            assert_eq!(outcomes.len(), rows.len(), "{told}");
            assert_eq!(bench.store.store().wipes(), 0, "{told}: a collection was wiped");
            let after: BTreeSet<Stored> = stored(&bench, name, &key).into_iter().collect();
            for gone in before.iter().filter(|record| !after.contains(*record)) {
                let named = rows.iter().any(|row| names(row, &key, gone));
                assert!(named, "{told}: {gone:?} went and no row names all of its key {key:?}: {rows:?}");
                went += 1;
            }
            tried += 1;
            sent::deletes_name_records(&bench, &told);
            sent::only_values_violate(&bench, &told);
        }
    }
    println!("model deleting: {went} records went in {tried} deletes");
    assert!(went * 10 > tried, "hardly a record went: {went} in {tried} deletes");
}
