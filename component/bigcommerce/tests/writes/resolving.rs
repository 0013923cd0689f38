//! What became of records whose write got no answer.

use connector_bigcommerce::error::Retry;
use connector_bigcommerce::types::{Outcome, Verb};
use serde_json::{Value, json};

use crate::store::{Store, answer, applied, error, lost, request, run, words};

/// Looks records up in a store that holds these.
fn resolve(verb: Verb, object: &str, records: &[Value], held: Value) -> (Vec<Outcome>, Vec<String>) {
    let (connector, store) = Store::new(move |_| answer(200, json!({ "data": held, "meta": {} })));
    let outcomes = run(connector.resolve(verb, &request(object, records))).unwrap();
    assert!(store.lines().iter().all(|line| line.starts_with("GET")), "{:?}", store.lines());
    (outcomes, store.lines())
}

#[test]
fn a_created_record_is_found_by_its_name_and_by_what_it_holds() {
    let asked = json!({ "sku": "A", "name": "N", "price": 25.50, "categories": [3], "custom_url": { "url": "/n" } });
    let held = |price: Value| json!([{ "id": 9, "sku": "A", "name": "N", "price": price, "categories": [3], "custom_url": { "url": "/n", "is_customized": false } }]);
    let (outcomes, lines) = resolve(Verb::Create, "products", std::slice::from_ref(&asked), held(json!(25.5)));
    assert_eq!(applied(&outcomes[0])["id"], 9, "{outcomes:?}");
    assert!(lines[0].contains("sku:in=A"), "{lines:?}");
    let (outcomes, _) = resolve(Verb::Create, "products", std::slice::from_ref(&asked), held(json!(30)));
    assert_eq!(words(&outcomes), ["unknown"], "another record may have the name");
    let (outcomes, _) = resolve(Verb::Create, "products", &[asked], json!([]));
    assert_eq!(words(&outcomes), ["failed"]);
}

#[test]
fn a_password_that_never_comes_back_does_not_keep_a_customer_unknown() {
    let asked =
        json!({ "email": "a@x.com", "first_name": "A", "last_name": "B", "authentication": { "new_password": "p" } });
    let held = json!([{ "id": 4, "email": "a@x.com", "first_name": "A", "last_name": "B" }]);
    let (outcomes, _) = resolve(Verb::Create, "customers", &[asked], held);
    assert_eq!(words(&outcomes), ["applied"], "{outcomes:?}");
}

#[test]
fn updates_are_compared_and_deletes_are_gone_in_one_request() {
    let held = json!([{ "id": 1, "price": 5, "name": "x" }, { "id": 2, "price": 6, "name": "y" }]);
    let rows = [json!({ "id": 1, "price": 5.00 }), json!({ "id": 2, "price": 7 }), json!({ "id": 3, "price": 7 })];
    let (outcomes, lines) = resolve(Verb::Update, "products", &rows, held.clone());
    assert_eq!(words(&outcomes), ["applied", "failed", "failed"], "{outcomes:?}");
    assert_eq!(lines.len(), 1, "{lines:?}");
    let keys = [json!({ "id": 1 }), json!({ "id": 3 })];
    let (outcomes, _) = resolve(Verb::Delete, "products", &keys, held);
    assert_eq!(words(&outcomes), ["failed", "applied"], "{outcomes:?}");
}

#[test]
fn two_records_of_one_name_and_records_without_a_name_stay_unknown() {
    let held = json!([{ "id": 1, "name": "N", "price": 5 }, { "id": 2, "name": "N", "price": 5 }]);
    let (outcomes, _) = resolve(Verb::Create, "products", &[json!({ "name": "N", "price": 5 })], held);
    assert_eq!(words(&outcomes), ["unknown"], "{outcomes:?}");
    let (outcomes, lines) = resolve(Verb::Create, "products", &[json!({ "price": 5 })], json!([]));
    assert_eq!((words(&outcomes)[0], lines.len()), ("unknown", 0));
    let (outcomes, lines) = resolve(Verb::Delete, "products", &[json!({ "name": "N" })], json!([]));
    assert_eq!((words(&outcomes)[0], lines.len()), ("unknown", 0), "a delete is looked up by its key alone");
}

#[test]
fn a_store_that_does_not_answer_leaves_everything_unknown() {
    let (connector, _) = Store::new(|_| lost());
    let outcomes =
        run(connector.resolve(Verb::Update, &request("products", &[json!({ "id": 1, "price": 5 })]))).unwrap();
    assert_eq!(words(&outcomes), ["unknown"]);
}

#[test]
fn a_record_that_the_store_spells_in_its_own_way_is_found() {
    let filtered = |held: Value| {
        Store::new(move |sent| {
            // A store that compares exactly.
            let asked = sent.line.split(['&', '?', '=', ',', '/', ' ']).map(str::to_owned).collect::<Vec<_>>();
            let has = |record: &&Value| {
                ["email", "sku", "currency"]
                    .iter()
                    .all(|f| record[*f].as_str().is_none_or(|v| asked.iter().any(|a| a == v)))
            };
            let data: Vec<&Value> = held.as_array().unwrap().iter().filter(has).collect();
            answer(200, json!({ "data": data, "meta": {} }))
        })
        .0
    };
    let held = json!([{ "price_list_id": 1, "variant_id": 2, "currency": "usd", "price": 5 }]);
    let row = json!({ "price_list_id": 1, "variant_id": 2, "currency": "USD" });
    let outcomes = run(filtered(held).resolve(Verb::Delete, &request("pricelists/records", &[row]))).unwrap();
    assert_eq!(words(&outcomes), ["failed"], "it is still there: {outcomes:?}");
    let held = json!([{ "id": 4, "email": "ann@x.com", "first_name": "Ann", "last_name": "B" }]);
    let row = json!({ "email": " Ann@X.com", "first_name": "Ann ", "last_name": "B" });
    let outcomes = run(filtered(held).resolve(Verb::Create, &request("customers", &[row]))).unwrap();
    assert_eq!(words(&outcomes), ["applied"], "{outcomes:?}");
}

#[test]
fn what_was_not_found_is_not_to_be_sent_again_at_once() {
    let cases = [
        (Verb::Create, json!({ "sku": "A", "name": "N" }), json!([])),
        (Verb::Update, json!({ "id": 1, "price": 7 }), json!([{ "id": 1, "price": 6 }])),
        (Verb::Delete, json!({ "id": 1 }), json!([{ "id": 1 }])),
    ];
    for (verb, row, held) in cases {
        let (outcomes, _) = resolve(verb, "products", &[row], held);
        assert_eq!(words(&outcomes), ["failed"]);
        let error = error(&outcomes[0]);
        assert!(matches!(error.retry, Retry::After(60_000..)), "a store may still be at work on it: {error:?}");
        assert!(error.message.contains("when it was looked up"), "{error:?}");
    }
}

#[test]
fn a_read_comes_back_a_minute_after_a_500() {
    let mut first = true;
    let (connector, store) = Store::new(move |_| match std::mem::take(&mut first) {
        true => answer(500, Value::Null),
        false => answer(200, json!({ "data": [], "meta": {} })),
    });
    let outcomes = run(connector.resolve(Verb::Delete, &request("products", &[json!({ "id": 1 })]))).unwrap();
    assert_eq!(words(&outcomes), ["applied"]);
    assert!((60_000..90_000).contains(&store.slept()), "{} ms", store.slept());
}
