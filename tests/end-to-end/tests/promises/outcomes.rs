//! Outcomes: what a partial success, an upsert, a stop or a lost answer comes to, and that the store agrees.

use std::time::Duration;

use bigcommerce_emulator::{Effect, Fault};
use connector_host::contract::{Outcome, WriteMode, WriteRequest, WrittenBy};
use end_to_end::{Bench, applied, query, records, words, write};
use serde_json::{Value, json};

fn product(sku: &str, price: f64) -> Value {
    json!({ "name": format!("Upserted {sku}"), "sku": sku, "type": "physical", "weight": 1.5, "price": price, "categories": [] })
}

fn upsert(object: &str, match_on: &[&str], rows: &[Value]) -> WriteRequest {
    let match_on = match_on.iter().map(|field| (*field).to_owned()).collect();
    WriteRequest { mode: WriteMode::Upsert, match_on, ..write(object, rows) }
}

fn message(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Failed(error) | Outcome::Unknown(error) => &error.message,
        other => panic!("no error: {other:?}"),
    }
}

#[tokio::test]
async fn products_are_upserted_by_their_sku_and_customers_by_their_email() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let mut activity = connection.activity().await.unwrap();
    let stored = records(&connection, query("products")).await;
    let before = bench.store.store().count("products");
    let sku = stored[3]["sku"].as_str().unwrap();
    let known = json!({ "sku": sku, "name": stored[3]["name"], "type": "physical", "weight": 1, "price": 77, "categories": [] });
    let rows = [product("UP-1", 1.0), known, product("UP-2", 2.0), product("UP-1", 3.0)];
    let outcomes = activity.create(&upsert("products", &["sku"], &rows)).await.unwrap();
    assert_eq!(words(&outcomes), ["applied"; 4], "{outcomes:?}");
    assert_eq!(bench.store.store().count("products"), before + 2);
    assert_eq!(applied(&outcomes[1])["id"], stored[3]["id"]);
    assert_eq!(applied(&outcomes[0])["id"], applied(&outcomes[3])["id"], "the second row of a sku finds the first");
    let id = applied(&outcomes[0])["id"].as_u64().unwrap();
    let price: Value = bench.store.store().field("products", id as i64, "price").unwrap().parse().unwrap();
    assert_eq!(price.as_f64(), Some(3.0));

    let email = records(&connection, query("customers")).await[0]["email"].clone();
    let row = |email: Value| json!({ "email": email, "first_name": "Ada", "last_name": "Upserted" });
    let rows = [row(email), row(json!("fresh@example.com"))];
    let before = bench.store.store().count("customers");
    let outcomes = activity.update(&upsert("customers", &["email"], &rows)).await.unwrap();
    assert_eq!(words(&outcomes), ["applied"; 2], "{outcomes:?}");
    assert_eq!(bench.store.store().count("customers"), before + 1);
    // Once more, nothing is created.
    let outcomes = activity.update(&upsert("customers", &["email"], &rows)).await.unwrap();
    assert_eq!((words(&outcomes), bench.store.store().count("customers")), (vec!["applied"; 2], before + 1));
}

#[tokio::test]
async fn metafields_that_were_saved_beside_refused_ones_are_applied_and_sent_once() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let product = records(&connection, query("products")).await[0]["id"].clone();
    let row = |key: &str, resource: &Value| json!({ "resource_id": resource, "namespace": "n", "key": key, "value": "v", "permission_set": "read" });
    let rows = [row("a", &product), row("b", &json!(99_999_999)), row("c", &product)];
    let mut activity = connection.activity().await.unwrap();
    let outcomes = activity.create(&write("products/metafields", &rows)).await.unwrap();
    assert_eq!(words(&outcomes), ["applied", "failed", "applied"], "{outcomes:?}");
    assert_eq!(applied(&outcomes[2])["key"], "c");
    assert_eq!(bench.store.journal().count("POST", "/v3/catalog/products/metafields"), 1);
    let ids: Vec<Value> = [0, 2].iter().map(|row: &usize| json!({ "id": applied(&outcomes[*row])["id"] })).collect();
    let outcomes = activity.delete(&write("products/metafields", &ids)).await.unwrap();
    assert_eq!(words(&outcomes), ["applied"; 2], "{outcomes:?}");
}

#[tokio::test]
async fn of_metafields_that_are_deleted_together_those_that_were_not_there_fail_and_the_others_are_gone() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let all = records(&connection, query("products/metafields")).await;
    let ids = [&all[0]["id"], &json!(99_999_998), &all[1]["id"], &json!(99_999_999)];
    let rows = ids.map(|id| json!({ "id": id }));
    bench.store.journal().clear();
    let outcomes = connection.activity().await.unwrap().delete(&write("products/metafields", &rows)).await.unwrap();
    assert_eq!(words(&outcomes), ["applied", "failed", "applied", "failed"], "{outcomes:?}");
    assert!(message(&outcomes[1]).contains("99999998"), "{outcomes:?}");
    let sent = bench.store.journal().find("DELETE", "/v3/catalog/products/metafields");
    assert_eq!(sent.iter().map(|entry| (entry.status, entry.acted)).collect::<Vec<_>>(), [(Some(422), true)]);
    let left = records(&connection, query("products/metafields")).await;
    assert_eq!(left, all[2..]);
}

#[tokio::test]
async fn an_address_that_is_there_already_is_told_and_the_others_are_created() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let customer = records(&connection, query("customers")).await[0]["id"].clone();
    let row = |city: &str| {
        json!({ "customer_id": customer, "first_name": "A", "last_name": "B", "address1": "1 Way", "city": city,
            "state_or_province": "Texas", "postal_code": "12345", "country_code": "US" })
    };
    let mut activity = connection.activity().await.unwrap();
    let outcomes = activity.create(&write("customers/addresses", &[row("One")])).await.unwrap();
    assert_eq!(words(&outcomes), ["applied"]);
    let outcomes =
        activity.create(&write("customers/addresses", &[row("Two"), row("One"), row("Three")])).await.unwrap();
    assert_eq!(words(&outcomes), ["applied", "failed", "applied"], "{outcomes:?}");
    assert!(message(&outcomes[1]).contains("may exist already"));
    assert_eq!(
        (applied(&outcomes[0])["city"].clone(), applied(&outcomes[2])["city"].clone()),
        (json!("Two"), json!("Three"))
    );
}

#[tokio::test]
async fn a_delete_that_is_accepted_is_applied_once_the_store_shows_it() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let mut activity = connection.activity().await.unwrap();
    let tree = records(&connection, query("trees")).await[0]["id"].clone();
    let row = |name: &str| json!({ "name": name, "tree_id": tree, "parent_id": 0 });
    let outcomes = activity.create(&write("trees/categories", &[row("Gone one"), row("Gone two")])).await.unwrap();
    assert_eq!(words(&outcomes), ["applied"; 2], "{outcomes:?}");
    let keys: Vec<Value> =
        outcomes.iter().map(|outcome| json!({ "category_id": applied(outcome)["category_id"] })).collect();
    let outcomes = activity.delete(&write("trees/categories", &keys)).await.unwrap();
    assert_eq!(words(&outcomes), ["applied"; 2], "{outcomes:?}");
    let left = records(&connection, query("trees/categories")).await;
    assert!(left.iter().all(|record| keys.iter().all(|key| record["category_id"] != key["category_id"])));
}

#[tokio::test]
async fn what_waits_while_another_record_fails_is_not_sent() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    // Every one of them would be refused. The first one to come is, while the others are told to come back later.
    let stored = records(&connection, query("products")).await;
    let rows: Vec<Value> = (0..8)
        .map(|number: usize| {
            let mut row = product(&format!("WAIT-{number}"), 1.0);
            row["name"] = stored[number]["name"].clone();
            row
        })
        .collect();
    bench.store.switch(|switches| switches.latency = Duration::from_millis(300));
    bench.fault(
        Fault::on("POST", "/v3/catalog/products", Effect::too_many(Duration::from_millis(1500))).nth(2).times(3),
    );
    let request = WriteRequest { continue_on_error: false, ..write("products", &rows) };
    let outcomes = connection.activity().await.unwrap().create(&request).await.unwrap();
    let count = |word: &str| words(&outcomes).iter().filter(|other| **other == word).count();
    assert_eq!((count("failed"), count("skipped")), (1, 7), "{outcomes:?}");
    let sent = bench.store.journal().find("POST", "/v3/catalog/products");
    let statuses: Vec<_> = sent.iter().map(|entry| entry.status).collect();
    assert!(sent.len() <= 4, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == Some(409)).count(), 1, "{statuses:?}");
}

#[tokio::test]
async fn a_create_without_an_answer_is_found_by_its_sku_or_proven_missing() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let mut activity = connection.activity().await.unwrap();
    for (number, (acted, effect)) in [
        (true, Effect::ResetBeforeAnswering),
        (false, Effect::ResetBeforeActing),
        (true, Effect::StatusAfterActing(504)),
    ]
    .into_iter()
    .enumerate()
    {
        bench.fault(Fault::on("POST", "/v3/catalog/products", effect));
        let request = write("products", &[product(&format!("LOST-{number}"), 25.50)]);
        assert_eq!(words(&activity.create(&request).await.unwrap()), ["unknown"]);
        let outcomes = activity.resolve(WrittenBy::Create, &request).await.unwrap();
        assert_eq!(words(&outcomes), [if acted { "applied" } else { "failed" }], "{outcomes:?}");
        if acted {
            assert_eq!(applied(&outcomes[0])["sku"], format!("LOST-{number}"));
        }
    }
    // A record of the same sku that holds something else proves nothing.
    let request = write("products", &[product("LOST-0", 99.0)]);
    assert_eq!(words(&activity.resolve(WrittenBy::Create, &request).await.unwrap()), ["unknown"]);
}

#[tokio::test]
async fn bulk_upserts_of_prices_go_one_at_a_time() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let list = records(&connection, query("pricelists")).await[0]["id"].clone();
    let variants: Vec<Value> =
        records(&connection, query("products/variants")).await.iter().map(|record| record["id"].clone()).collect();
    bench.store.switch(|switches| switches.latency = Duration::from_millis(60));
    bench.store.journal().clear();
    let row = |variant: &Value| json!({ "price_list_id": list, "variant_id": variant, "currency": "usd", "price": 5 });
    let rows: Vec<Value> = variants.iter().take(60).map(row).collect();
    let halves = rows.split_at(30);
    let send = async |rows: &[Value]| {
        let mut activity = connection.activity().await.unwrap();
        activity.update(&upsert("pricelists/records", &[], rows)).await.unwrap()
    };
    let (one, two) = tokio::join!(send(halves.0), send(halves.1));
    assert_eq!(words(&one), vec!["applied"; halves.0.len()], "{one:?}");
    assert_eq!(words(&two), vec!["applied"; halves.1.len()]);
    let puts: Vec<_> = bench.store.journal().entries().into_iter().filter(|entry| entry.method == "PUT").collect();
    assert!(puts.len() >= 2 && puts.iter().all(|entry| entry.in_flight == 1), "{puts:?}");
}
