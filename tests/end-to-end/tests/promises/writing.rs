//! Writing: one outcome per record, and whoever reads the outcomes knows what is in the store.

use std::time::Duration;

use bigcommerce_emulator::{Effect, Fault};
use connector_host::contract::{ErrorKind, Outcome, Retry, WrittenBy};
use end_to_end::{Bench, applied, condition, query, records, refused, words, write};
use serde_json::{Value, json};

use crate::sent;

fn product(number: usize) -> Value {
    json!({ "name": format!("Made {number}"), "sku": format!("MADE-{number}"), "type": "physical", "weight": 1.5, "price": 25.5, "categories": [] })
}

fn customer(number: usize) -> Value {
    json!({ "first_name": "Ada", "last_name": format!("Made {number}"), "email": format!("made{number}@example.com") })
}

#[tokio::test]
async fn records_of_the_main_objects_are_created_updated_and_deleted() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let customer_id = records(&connection, query("customers")).await[0]["id"].clone();
    let order = json!({
        "billing_address": { "first_name": "A", "last_name": "B", "street_1": "1 Way", "city": "Town", "state": "Texas", "zip": "1", "country": "United States", "country_iso2": "US", "email": "a@example.com" },
        "products": [{ "name": "Thing", "quantity": 1, "price_inc_tax": 5, "price_ex_tax": 5 }],
        "consignments": {}
    });
    let cases = [
        ("products", product(1), json!({ "price": 30 }), "price"),
        ("brands", json!({ "name": "Made" }), json!({ "name": "Made", "page_title": "Page" }), "page_title"),
        ("customers", customer(1), json!({ "last_name": "Other" }), "last_name"),
        (
            "customers/addresses",
            json!({ "customer_id": customer_id, "first_name": "A", "last_name": "B", "city": "Town", "country_code": "US", "address1": "1 Way", "state_or_province": "Texas", "postal_code": "12345" }),
            json!({ "city": "Village" }),
            "city",
        ),
        ("orders", order, json!({ "staff_notes": "seen" }), "staff_notes"),
        (
            "coupons",
            json!({ "name": "Made", "code": "MADE1", "type": "per_item_discount", "amount": "5", "applies_to": { "entity": "categories", "ids": [0] } }),
            json!({ "name": "Other", "code": "MADE1", "type": "per_item_discount", "amount": "5", "applies_to": { "entity": "categories", "ids": [0] } }),
            "name",
        ),
    ];
    for (object, record, change, field) in cases {
        let mut activity = connection.activity().await.unwrap();
        let outcomes = activity.create(&write(object, &[record])).await.unwrap();
        assert_eq!(words(&outcomes), ["applied"], "{object}: {outcomes:?}");
        if object == "orders" {
            // The documents demand a pickup of every order, also of one that is shipped.
            let told: Vec<String> = bench.store.take_violations().iter().map(ToString::to_string).collect();
            assert!(told.iter().all(|problem| problem.contains("pickup")), "{told:?}");
        }
        let id = applied(&outcomes[0])["id"].clone();
        assert!(id.is_u64(), "{object}: {outcomes:?}");
        let mut changed = change.clone();
        changed["id"] = id.clone();
        let outcomes = activity.update(&write(object, &[changed])).await.unwrap();
        assert_eq!(words(&outcomes), ["applied"], "{object}: {outcomes:?}");
        let mut request = query(object);
        request.filter = vec![condition("id", connector_host::contract::Comparison::Equal, id.clone())];
        let found = records(&connection, request.clone()).await;
        assert_eq!(found.len(), 1, "{object}");
        assert_eq!(found[0][field], change[field], "{object}");
        let outcomes = activity.delete(&write(object, &[json!({ "id": id })])).await.unwrap();
        assert_eq!(words(&outcomes), ["applied"], "{object}: {outcomes:?}");
        let left = records(&connection, request).await;
        let archived = object == "orders" && left.iter().all(|order| order["is_deleted"] == json!(true));
        assert!(left.is_empty() || archived, "{object}: {left:?}");
        let outcomes = activity.delete(&write(object, &[json!({ "id": id })])).await.unwrap();
        assert_eq!(words(&outcomes), ["applied"], "{object}: a record that is gone counts as deleted: {outcomes:?}");
    }
}

#[tokio::test]
async fn batches_keep_the_documented_maximum_and_outcomes_the_order_of_the_rows() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let mut activity = connection.activity().await.unwrap();
    let rows: Vec<Value> = (0..25).map(customer).collect();
    let outcomes = activity.create(&write("customers", &rows)).await.unwrap();
    assert_eq!(words(&outcomes), ["applied"; 25]);
    for (row, outcome) in rows.iter().zip(&outcomes) {
        assert_eq!(applied(outcome)["email"], row["email"]);
    }
    assert_eq!(bench.store.journal().count("POST", "/v3/customers"), 3);
    let updates: Vec<Value> =
        outcomes.iter().map(|outcome| json!({ "id": applied(outcome)["id"], "company": "Made Ltd" })).collect();
    let outcomes = activity.update(&write("customers", &updates)).await.unwrap();
    assert_eq!(words(&outcomes), ["applied"; 25]);
    assert_eq!(bench.store.journal().count("PUT", "/v3/customers"), 3);
    let outcomes = activity
        .delete(&write("customers", &updates.iter().map(|row| json!({ "id": row["id"] })).collect::<Vec<_>>()))
        .await
        .unwrap();
    assert_eq!(words(&outcomes), ["applied"; 25]);
}

#[tokio::test]
async fn one_bad_record_does_not_take_its_batch_with_it() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let mut activity = connection.activity().await.unwrap();
    let taken = records(&connection, query("customers")).await[0]["email"].clone();
    let mut rows: Vec<Value> = (0..12).map(customer).collect();
    rows[4]["email"] = taken;
    let outcomes = activity.create(&write("customers", &rows)).await.unwrap();
    let expected: Vec<&str> = (0..12).map(|row| if row == 4 { "failed" } else { "applied" }).collect();
    assert_eq!(words(&outcomes), expected, "{outcomes:?}");
    let mut rows: Vec<Value> = (20..32).map(customer).collect();
    rows[0]["email"] = rows[1]["email"].clone();
    let mut request = write("customers", &rows);
    request.continue_on_error = false;
    let outcomes = activity.create(&request).await.unwrap();
    let failed = words(&outcomes).iter().filter(|word| **word == "failed").count();
    assert_eq!(failed, 1, "{outcomes:?}");
    for (row, outcome) in rows.iter().zip(&outcomes) {
        let email = row["email"].clone();
        let there = bench
            .store
            .store()
            .texts("customers")
            .iter()
            .any(|text| serde_json::from_str::<Value>(text).unwrap()["email"] == email);
        match outcome {
            Outcome::Applied(_) => assert!(there, "{email}"),
            Outcome::Skipped => assert!(!there, "{email}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_create_whose_answer_is_cut_off_is_unknown_and_was_sent_once() {
    for effect in [
        Effect::ResetBeforeAnswering,
        Effect::ResetInBody,
        Effect::ResetBeforeActing,
        Effect::ResetBeforeReading,
        Effect::EndInBody,
        Effect::TruncatedJson,
        Effect::status(500),
        Effect::StatusAfterActing(504),
    ] {
        let bench = Bench::new().await;
        let connection = bench.connection().await;
        bench.fault(Fault::on("POST", "/v3/catalog/products", effect.clone()));
        let outcomes = connection.activity().await.unwrap().create(&write("products", &[product(1)])).await.unwrap();
        let Outcome::Unknown(error) = &outcomes[0] else { panic!("{}: {outcomes:?}", effect.name()) };
        assert_eq!(error.retry, Retry::OutcomeUnknown, "{}", effect.name());
        assert_eq!(bench.store.journal().count("POST", "/v3/catalog/products"), 1, "{}", effect.name());
    }
}

#[tokio::test]
async fn a_create_answered_429_is_sent_again_after_the_wait_and_applied_once() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    for effect in [Effect::too_many(Duration::from_millis(700)), Effect::too_many_bare()] {
        bench.store.journal().clear();
        bench.fault(Fault::on("POST", "/v3/catalog/products", effect.clone()));
        let number = bench.store.store().count("products");
        let outcomes =
            connection.activity().await.unwrap().create(&write("products", &[product(number)])).await.unwrap();
        assert_eq!(words(&outcomes), ["applied"], "{outcomes:?}");
        let sent = bench.store.journal().find("POST", "/v3/catalog/products");
        assert_eq!(
            sent.iter().map(|entry| (entry.status, entry.acted)).collect::<Vec<_>>(),
            [(Some(429), false), (Some(200), true)]
        );
        let wait = sent[1].at - sent[0].at;
        let least = if effect == Effect::too_many_bare() { 400 } else { 700 };
        assert!(wait >= Duration::from_millis(least), "waited {wait:?}");
        assert_eq!(bench.store.store().count("products"), number + 1);
    }
}

#[tokio::test]
async fn a_create_refused_before_its_first_byte_is_sent_again() {
    let bench = Bench::new().await;
    // Closed when the request is first tried; forwards to the store a moment later.
    let (connection, address) = bench.at_closed_port().await;
    let target = format!("127.0.0.1:{}", bench.store.port());
    let forwarder = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        loop {
            let (mut inbound, _) = listener.accept().await.unwrap();
            let target = target.clone();
            tokio::spawn(async move {
                let mut outbound = tokio::net::TcpStream::connect(target).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut inbound, &mut outbound).await;
            });
        }
    });
    let outcomes = connection.activity().await.unwrap().create(&write("products", &[product(1)])).await.unwrap();
    assert_eq!(words(&outcomes), ["applied"], "{outcomes:?}");
    assert_eq!(bench.store.journal().count("POST", "/v3/catalog/products"), 1);
    forwarder.abort();
}

#[tokio::test]
async fn a_write_over_a_connection_that_the_server_closed_meanwhile_is_not_lost() {
    let config = bigcommerce_emulator::Config { idle_timeout: Some(Duration::from_millis(100)), ..Default::default() };
    let bench = Bench::with(config).await;
    let connection = bench.open(json!({ "keep_alive": true, "keep_alive_seconds": "60" })).await.unwrap();
    for number in 0..5 {
        let outcomes =
            connection.activity().await.unwrap().create(&write("products", &[product(number)])).await.unwrap();
        assert_eq!(words(&outcomes), ["applied"], "{outcomes:?}");
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    assert_eq!(bench.store.journal().count("POST", "/v3/catalog/products"), 5);
}

#[tokio::test]
async fn a_dry_run_finds_what_is_wrong_and_sends_nothing() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let mut request =
        write("products", &[product(1), json!({ "name": "no price" }), json!({ "name": 5, "colour": 1 })]);
    request.validate_only = true;
    let outcomes = connection.activity().await.unwrap().create(&request).await.unwrap();
    assert_eq!(words(&outcomes), ["skipped", "failed", "failed"], "{outcomes:?}");
    let outcomes = connection
        .activity()
        .await
        .unwrap()
        .delete(&{
            let mut request = write("products", &[json!({ "id": 1 }), json!({})]);
            request.validate_only = true;
            request
        })
        .await
        .unwrap();
    assert_eq!(words(&outcomes), ["skipped", "failed"]);
    assert!(bench.store.journal().is_empty());
}

#[tokio::test]
async fn no_delete_ever_widens() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let mut activity = connection.activity().await.unwrap();
    let objects = connection.list_objects().await.unwrap();
    let deletable: Vec<String> = {
        let mut names = Vec::new();
        for object in &objects {
            if object.activities.contains(connector_host::contract::Activities::DELETE) {
                names.push(object.name.clone());
            }
        }
        names
    };
    assert!(deletable.len() > 50, "{}", deletable.len());
    let wild = [
        json!(null),
        json!(""),
        json!(" "),
        json!([]),
        json!({}),
        json!("*"),
        json!("%"),
        json!("1,2,3"),
        json!(".."),
        json!("/"),
        json!("1&id:in=2"),
        json!("1/../../"),
        json!(-1),
        json!(1.5),
        json!(true),
        json!("1;2"),
    ];
    for name in &deletable {
        let key = connection.describe_object(name).await.unwrap().key;
        assert_eq!(words(&activity.delete(&write(name, &[])).await.unwrap()).len(), 0);
        let mut rows = vec![json!({})];
        for value in &wild {
            rows.push(key.iter().map(|field| (field.clone(), value.clone())).collect::<serde_json::Map<_, _>>().into());
            if key.len() > 1 {
                rows.push(
                    key.iter()
                        .enumerate()
                        .map(|(index, field)| (field.clone(), if index == 0 { json!(1) } else { value.clone() }))
                        .collect::<serde_json::Map<_, _>>()
                        .into(),
                );
            }
        }
        let outcomes = activity.delete(&write(name, &rows)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(outcomes.len(), rows.len());
        if !key.is_empty() {
            assert_eq!(words(&outcomes)[0], "failed", "{name}");
        }
        sent::only_values_violate(&bench, name);
    }
    assert_eq!(bench.store.store().wipes(), 0);
    for (resource, least) in [("products", 400), ("customers", 250), ("orders", 150), ("coupons", 100)] {
        assert!(bench.store.store().count(resource) >= least, "{resource}: {}", bench.store.store().count(resource));
    }
    assert!(bench.store.journal().entries().iter().all(|entry| entry.method == "DELETE"));
    sent::deletes_name_records(&bench, "no delete ever widens");
}

#[tokio::test]
async fn unknown_outcomes_of_updates_and_deletes_are_looked_up() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let mut activity = connection.activity().await.unwrap();
    let all = records(&connection, query("products")).await;
    for (acted, effect) in [(true, Effect::ResetBeforeAnswering), (false, Effect::ResetBeforeActing)] {
        let request = write("products", &[json!({ "id": all[0]["id"], "price": if acted { 41.5 } else { 42.5 } })]);
        bench.fault(Fault::on("PUT", "/v3/catalog/products", effect.clone()));
        assert_eq!(words(&activity.update(&request).await.unwrap()), ["unknown"]);
        let resolved = activity.resolve(WrittenBy::Update, &request).await.unwrap();
        assert_eq!(words(&resolved), [if acted { "applied" } else { "failed" }], "{resolved:?}");
        let request = write("products", &[json!({ "id": all[if acted { 5 } else { 6 }]["id"] })]);
        bench.fault(Fault::on("DELETE", "/v3/catalog/products", effect));
        assert_eq!(words(&activity.delete(&request).await.unwrap()), ["unknown"]);
        let resolved = activity.resolve(WrittenBy::Delete, &request).await.unwrap();
        assert_eq!(words(&resolved), [if acted { "applied" } else { "failed" }], "{resolved:?}");
    }
}

#[tokio::test]
async fn an_update_of_a_record_that_does_not_exist_fails_and_says_so() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let outcomes = connection
        .activity()
        .await
        .unwrap()
        .update(&write("products", &[json!({ "id": 99_999_999, "price": 1 })]))
        .await
        .unwrap();
    let Outcome::Failed(error) = &outcomes[0] else { panic!("{outcomes:?}") };
    assert_eq!(error.kind, ErrorKind::NotFound, "{error:?}");
    let error =
        refused(connection.activity().await.unwrap().update(&write("products/nothing", &[json!({ "id": 1 })])).await);
    assert_eq!(error.kind, ErrorKind::NotFound);
}
