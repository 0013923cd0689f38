//! Random writes under random faults: whoever reads the outcomes knows what is in the store, and nothing is sent a second time
//! that the store did not refuse.

use std::collections::BTreeMap;
use std::time::Duration;

use bigcommerce_emulator::{Effect, Fault, Violation};
use connector_host::contract::Outcome;
use end_to_end::{Bench, words, write};
use serde_json::{Value, json};

use super::{Rng, rounds, store};
use crate::sent;

/// An object that is written: its requests, how a record is made, and the fields by which the model follows it.
struct Written {
    object: &'static str,
    /// The resource that holds the records.
    resource: &'static str,
    /// Where its creates go.
    create: &'static str,
    /// Where its updates go; none are made where it is empty.
    update: &'static str,
    /// A new record with this mark.
    make: fn(&Parents, &str) -> Value,
    /// Makes a new record one that the store refuses.
    spoil: fn(&Parents, &mut Value),
    /// Holds the mark.
    marked: &'static str,
    /// A text that an update changes.
    changed: &'static str,
}

/// Records that exist, for others to refer to.
struct Parents {
    customer: Value,
    product: Value,
    tree: Value,
    taken: BTreeMap<&'static str, Value>,
}

impl Parents {
    fn of(bench: &Bench) -> Self {
        let first = |resource: &str| -> Value {
            let texts = bench.store.store().texts(resource);
            texts.first().map_or(Value::Null, |text| serde_json::from_str(text).unwrap())
        };
        let named = [
            ("products", "name"),
            ("brands", "name"),
            ("customers", "email"),
            ("coupons", "code"),
            ("segments", "name"),
        ];
        Self {
            customer: first("customers")["id"].clone(),
            product: first("products")["id"].clone(),
            tree: first("trees")["id"].clone(),
            taken: named.into_iter().map(|(object, field)| (object, first(object)[field].clone())).collect(),
        }
    }
}

const WRITTEN: &[Written] = &[
    Written {
        object: "products",
        resource: "products",
        create: "/v3/catalog/products",
        update: "/v3/catalog/products",
        make: |_, mark| {
            json!({ "name": format!("Product {mark}"), "sku": mark, "type": "physical", "weight": 1.5, "price": 25.5,
                "categories": [] })
        },
        spoil: |parents, record| record["name"] = parents.taken["products"].clone(),
        marked: "sku",
        changed: "mpn",
    },
    Written {
        object: "customers",
        resource: "customers",
        create: "/v3/customers",
        update: "/v3/customers",
        make: |_, mark| json!({ "first_name": "Ada", "last_name": mark, "email": format!("{}@example.com", mark.to_lowercase()) }),
        spoil: |parents, record| record["email"] = parents.taken["customers"].clone(),
        marked: "last_name",
        changed: "company",
    },
    Written {
        object: "brands",
        resource: "brands",
        create: "/v3/catalog/brands",
        update: "",
        make: |_, mark| json!({ "name": format!("Brand {mark}"), "search_keywords": mark }),
        spoil: |parents, record| record["name"] = parents.taken["brands"].clone(),
        marked: "search_keywords",
        changed: "page_title",
    },
    Written {
        object: "coupons",
        resource: "coupons",
        create: "/v2/coupons",
        update: "",
        make: |_, mark| {
            json!({ "name": mark, "code": mark, "type": "per_item_discount", "amount": "5",
                "applies_to": { "entity": "categories", "ids": [0] } })
        },
        spoil: |parents, record| record["code"] = parents.taken["coupons"].clone(),
        marked: "name",
        changed: "name",
    },
    Written {
        object: "customers/addresses",
        resource: "customers/addresses",
        create: "/v3/customers/addresses",
        update: "/v3/customers/addresses",
        make: |parents, mark| {
            json!({ "customer_id": parents.customer, "first_name": "A", "last_name": "B", "city": "Town",
                "country_code": "US", "address1": mark, "state_or_province": "Texas", "postal_code": "12345" })
        },
        spoil: |_, record| record["customer_id"] = json!(99_999_999),
        marked: "address1",
        changed: "company",
    },
    Written {
        object: "products/metafields",
        resource: "v3:/catalog/products/metafields",
        create: "/v3/catalog/products/",
        update: "/v3/catalog/products/",
        make: |parents, mark| {
            json!({ "resource_id": parents.product, "permission_set": "read", "namespace": "model", "key": mark,
                "value": "v" })
        },
        spoil: |_, record| record["resource_id"] = json!(99_999_999),
        marked: "key",
        changed: "value",
    },
    Written {
        object: "segments",
        resource: "segments",
        create: "/v3/segments",
        update: "/v3/segments",
        make: |_, mark| json!({ "name": format!("Segment {mark}"), "description": mark }),
        spoil: |parents, record| record["name"] = parents.taken["segments"].clone(),
        marked: "description",
        changed: "name",
    },
    Written {
        object: "trees/categories",
        resource: "trees/categories",
        create: "/v3/catalog/trees/categories",
        update: "/v3/catalog/trees/categories",
        make: |parents, mark| json!({ "name": mark, "tree_id": parents.tree, "parent_id": 0 }),
        spoil: |_, record| record["sort_order"] = json!("no number"),
        marked: "name",
        changed: "page_title",
    },
    Written {
        object: "pages",
        resource: "v3:/content/pages",
        create: "/v3/content/pages",
        update: "/v3/content/pages",
        make: |_, mark| json!({ "name": mark, "type": "page", "body": "x", "channel_id": 1, "meta_title": "t" }),
        spoil: |_, record| record["sort_order"] = json!("no number"),
        marked: "name",
        changed: "meta_title",
    },
];

/// What may strike a write.
fn some_fault(rng: &mut Rng, method: &str, path: &str) -> Fault {
    let effect = match rng.below(14) {
        0 => Effect::ResetBeforeReading,
        1 => Effect::ResetBeforeActing,
        2 => Effect::ResetBeforeAnswering,
        3 => Effect::ResetInBody,
        4 => Effect::EndInBody,
        5 => Effect::TruncatedJson,
        6 => Effect::MalformedJson,
        7 => Effect::status(*rng.pick(&[500, 502, 503, 504])),
        8 => Effect::StatusAfterActing(*rng.pick(&[500, 502, 504])),
        9 => Effect::SlowBody { piece: 200, pause: Duration::from_millis(2) },
        10 => Effect::Delay(Duration::from_millis(20)),
        11 => Effect::InPart,
        _ => Effect::too_many(Duration::from_millis(20)),
    };
    Fault::on(method, path, effect).nth(rng.between(1, 3)).times(rng.between(1, 2))
}

/// The stored records that bear a mark of this round, by it.
fn marked(bench: &Bench, written: &Written, run: &str) -> BTreeMap<String, Vec<Value>> {
    let mut out: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for text in bench.store.store().texts(written.resource).iter().filter(|text| text.contains(run)) {
        let record: Value = serde_json::from_str(text).unwrap();
        let mark = record[written.marked].as_str().unwrap_or_default().to_owned();
        out.entry(mark).or_default().push(record);
    }
    out
}

async fn creates(rng: &mut Rng, bench: &Bench, written: &Written, run: &str, told: &str) -> Vec<(String, Value)> {
    let connection = bench.connection().await;
    let parents = Parents::of(bench);
    let rows: Vec<(String, Value)> = (0..rng.between(1, 26))
        .map(|row| {
            let mark = format!("{run}R{row}E");
            let mut record = (written.make)(&parents, &mark);
            if rng.once_in(9) {
                (written.spoil)(&parents, &mut record);
            }
            (mark, record)
        })
        .collect();
    for _ in 0..rng.below(4) {
        bench.fault(some_fault(rng, "POST", written.create));
    }
    let mut request = write(written.object, &rows.iter().map(|(_, r)| r.clone()).collect::<Vec<_>>());
    request.continue_on_error = !rng.once_in(3);
    let outcomes =
        connection.activity().await.unwrap().create(&request).await.unwrap_or_else(|e| panic!("{told}: {e}"));
    bench.store.clear_faults();
    assert_eq!(outcomes.len(), rows.len(), "{told}");
    let there = marked(bench, written, run);
    let mut made = Vec::new();
    for ((mark, _), outcome) in rows.iter().zip(&outcomes) {
        let found = there.get(mark).map(Vec::as_slice).unwrap_or_default();
        let all = || format!("{told}: row {mark} is {outcome:?}, all: {:?}", words(&outcomes));
        assert!(found.len() <= 1, "{} and {} times in the store", all(), found.len());
        match outcome {
            Outcome::Applied(_) => assert_eq!(found.len(), 1, "{} and not in the store", all()),
            Outcome::Failed(_) | Outcome::Skipped => assert!(found.is_empty(), "{} and in the store", all()),
            Outcome::Unknown(_) => {}
        }
        sent::writes_of(bench, mark, told);
        made.extend(found.iter().map(|record| (mark.clone(), record.clone())));
    }
    made
}

/// The fields by which the connector knows a record.
fn key_of(record: &Value, key: &[String]) -> Value {
    let fields = key.iter().map(|field| (field.clone(), record[field].clone()));
    fields.collect::<serde_json::Map<_, _>>().into()
}

async fn updates(rng: &mut Rng, bench: &Bench, written: &Written, made: &[(String, Value)], run: &str, told: &str) {
    let connection = bench.connection().await;
    let key = connection.describe_object(written.object).await.unwrap().key;
    let value = |row: usize| format!("{run}U{row}E");
    let rows: Vec<Value> = made
        .iter()
        .enumerate()
        .map(|(row, (_, record))| {
            let mut change = key_of(record, &key);
            change[written.changed] = json!(value(row));
            if written.object == "products/metafields" {
                // One that is updated alone needs all of them, by the document.
                for field in ["resource_id", "permission_set", "namespace", "key"] {
                    change[field] = record[field].clone();
                }
            }
            change
        })
        .collect();
    for _ in 0..rng.below(4) {
        bench.fault(some_fault(rng, "PUT", written.update));
    }
    let mut request = write(written.object, &rows);
    request.continue_on_error = !rng.once_in(3);
    let outcomes =
        connection.activity().await.unwrap().update(&request).await.unwrap_or_else(|e| panic!("{told}: {e}"));
    bench.store.clear_faults();
    let now = marked(bench, written, run);
    for (row, ((mark, before), outcome)) in made.iter().zip(&outcomes).enumerate() {
        let found = now.get(mark).and_then(|found| found.first()).unwrap_or_else(|| panic!("{told}: {mark} is gone"));
        let (changed, same) =
            (found[written.changed] == json!(value(row)), found[written.changed] == before[written.changed]);
        let all = || format!("{told}: row {mark} is {outcome:?}, all: {:?}", words(&outcomes));
        assert!(changed || same, "{}: {found}", all());
        match outcome {
            Outcome::Applied(_) => assert!(changed, "{} and not changed", all()),
            Outcome::Failed(_) | Outcome::Skipped => assert!(same, "{} and changed", all()),
            Outcome::Unknown(_) => {}
        }
        sent::writes_of(bench, &value(row), told);
    }
}

async fn deletes(rng: &mut Rng, bench: &Bench, written: &Written, made: &[(String, Value)], run: &str, told: &str) {
    let connection = bench.connection().await;
    let key = connection.describe_object(written.object).await.unwrap().key;
    let rows: Vec<Value> = made.iter().map(|(_, record)| key_of(record, &key)).collect();
    for _ in 0..rng.below(3) {
        bench.fault(some_fault(rng, "DELETE", written.create));
    }
    let mut request = write(written.object, &rows);
    request.continue_on_error = !rng.once_in(3);
    let outcomes =
        connection.activity().await.unwrap().delete(&request).await.unwrap_or_else(|e| panic!("{told}: {e}"));
    bench.store.clear_faults();
    let left = marked(bench, written, run);
    for ((mark, _), outcome) in made.iter().zip(&outcomes) {
        let gone = !left.contains_key(mark);
        let all = || format!("{told}: row {mark} is {outcome:?}, all: {:?}", words(&outcomes));
        match outcome {
            Outcome::Applied(_) => assert!(gone, "{} and still there", all()),
            Outcome::Failed(_) | Outcome::Skipped => assert!(!gone, "{} and gone", all()),
            Outcome::Unknown(_) => {}
        }
    }
    sent::deletes_once(bench, told);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outcomes_of_writes_explain_what_is_in_the_store_whatever_strikes_them() {
    for (seed, mut rng) in rounds("model writing", 6) {
        let mut config = store(seed, &mut rng, 30);
        (config.sizes.brands, config.sizes.coupons, config.sizes.customers) = (3, 3, 3);
        let bench = Bench::with(config).await;
        for (number, written) in WRITTEN.iter().enumerate() {
            let told = format!("CONNECTOR_TEST_SEED={seed}, {}", written.object);
            bench.store.switch(|switches| {
                switches.refused_batches_save_the_rest = rng.once_in(2);
                switches.verbose_errors = rng.once_in(2);
                switches.delete_missing_is_404 = rng.once_in(2);
                switches.duplicate_status = *rng.pick(&[None, Some(409), Some(422)]);
            });
            bench.store.journal().clear();
            let run = format!("M{seed}N{number}");
            let made = creates(&mut rng, &bench, written, &run, &told).await;
            if !written.update.is_empty() && !made.is_empty() {
                updates(&mut rng, &bench, written, &made, &run, &told).await;
            }
            if !made.is_empty() {
                deletes(&mut rng, &bench, written, &made, &run, &told).await;
            }
            // Spoiled records do not fit the documents, by intent. All else does.
            let meant = |violation: &Violation| violation.problem.contains("no number");
            let left: Vec<Violation> = bench.store.take_violations().into_iter().filter(|v| !meant(v)).collect();
            assert_eq!(left, Vec::new(), "{told}: requests that the API does not document");
        }
    }
}
