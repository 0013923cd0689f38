//! Random deletes: whatever is handed in, no collection is wiped and nothing goes that was not named.

use std::collections::BTreeSet;

use bigcommerce_emulator::Key;
use connector_host::contract::Activities;
use end_to_end::{Bench, write};
use serde_json::{Map, Value, json};

use super::{Rng, rounds, store};

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

#[tokio::test(flavor = "multi_thread")]
async fn no_delete_ever_wipes_whatever_it_is_given() {
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
            let before = bench.store.store().keys(name);
            let most = if rng.once_in(6) { 900 } else { 12 };
            let mut named: BTreeSet<String> = BTreeSet::new();
            let rows: Vec<Value> = (0..rng.below(most))
                .map(|_| {
                    let mut row = Map::new();
                    let real = (!before.is_empty() && rng.once_in(4)).then(|| parts(rng.pick(&before)));
                    for (at, field) in key.iter().enumerate() {
                        let real = real.as_ref().and_then(|parts| parts.get(at)).filter(|_| !rng.once_in(5));
                        match real {
                            Some(part) => drop(row.insert(field.clone(), json!(part))),
                            None if rng.once_in(6) => {}
                            None => drop(row.insert(field.clone(), wild(&mut rng, 0))),
                        }
                    }
                    if rng.once_in(10) {
                        row.insert("id:in".to_owned(), wild(&mut rng, 0));
                    }
                    for value in row.values() {
                        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                        // A number may be written in several ways.
                        named.extend(text.trim().parse::<f64>().ok().map(|number| format!("{number:.0}")));
                        named.extend(text.trim().parse::<i128>().ok().map(|number| number.to_string()));
                        named.insert(text.trim().to_owned());
                    }
                    row.into()
                })
                .collect();
            let mut request = write(name, &rows);
            request.continue_on_error = !rng.once_in(4);
            let outcomes = activity.delete(&request).await.unwrap_or_else(|error| panic!("{told}: {error}"));
            assert_eq!(outcomes.len(), rows.len(), "{told}");
            assert_eq!(bench.store.store().wipes(), 0, "{told}: a collection was wiped");
            let after: BTreeSet<Key> = bench.store.store().keys(name).into_iter().collect();
            // Of a record that goes, every part of its key that a row can name was named by a row.
            for gone in before.iter().filter(|k| !after.contains(*k)) {
                let parts = parts(gone);
                assert!(parts.iter().any(|part| named.contains(part)), "{told}: {gone:?} went and was not named");
            }
            for entry in bench.store.journal().entries().iter().filter(|e| e.method == "DELETE") {
                let names_some = !entry.query.is_empty() || !entry.body.is_empty() || entry.template.ends_with('}');
                let below = entry.path != entry.template;
                assert!(names_some || below, "{told}: {} {}", entry.method, entry.path);
            }
            bench.store.clear_violations();
        }
    }
}
