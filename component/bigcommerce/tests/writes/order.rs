//! What is sent when, and what is not sent any more.

use connector_bigcommerce::types::Verb;
use serde_json::{Value, json};

use crate::store::{Store, answer, request, run, words, write};

fn product(number: usize) -> Value {
    json!({ "name": format!("N{number}"), "type": "physical", "weight": 1, "price": 1, "categories": [] })
}

#[test]
fn a_request_that_waits_for_its_turn_is_not_sent_after_a_failure() {
    // One request at a time: three more wait for the quota while the first one fails.
    let (connector, store) = Store::with_places(1, |_| answer(422, json!({ "status": 422, "title": "No." })));
    let records: Vec<Value> = (0..6).map(product).collect();
    let mut request = request("products", &records);
    request.continue_on_error = false;
    let outcomes = run(connector.write(Verb::Create, &request)).unwrap();
    assert_eq!(words(&outcomes), ["failed", "skipped", "skipped", "skipped", "skipped", "skipped"]);
    assert_eq!(store.sent().len(), 1);
}

#[test]
fn a_request_that_waits_to_be_repeated_is_not_sent_after_a_failure() {
    let (connector, store) = Store::new(|sent| match sent.body["name"].as_str() {
        Some("N0") => answer(422, json!({ "title": "No." })),
        _ => answer(429, json!({ "title": "Too many requests" })),
    });
    let records: Vec<Value> = (0..3).map(product).collect();
    let mut request = request("products", &records);
    request.continue_on_error = false;
    let outcomes = run(connector.write(Verb::Create, &request)).unwrap();
    assert_eq!(words(&outcomes), ["failed", "skipped", "skipped"]);
    assert_eq!(store.sent().len(), 3, "{:?}", store.lines());
}

#[test]
fn what_goes_on_after_a_failure_sends_everything() {
    let (connector, store) = Store::with_places(1, |sent| match sent.body["name"].as_str() {
        Some("N0") => answer(422, json!({ "title": "No." })),
        _ => answer(200, json!({ "data": { "id": 1 } })),
    });
    let records: Vec<Value> = (0..4).map(product).collect();
    let outcomes = write(&connector, Verb::Create, "products", &records);
    assert_eq!(words(&outcomes), ["failed", "applied", "applied", "applied"]);
    assert_eq!(store.sent().len(), 4);
}

#[test]
fn writes_that_must_not_run_side_by_side_go_one_after_another() {
    let (connector, store) = Store::new(|sent| match sent.line.split(' ').next() {
        Some("POST") => answer(201, json!({ "data": { "id": 1 } })),
        _ => answer(204, Value::Null),
    });
    let refunds: Vec<Value> = (0..4).map(|_| json!({ "order_id": 7, "items": [], "payments": [] })).collect();
    let outcomes = write(&connector, Verb::Create, "orders/payment_actions/refunds", &refunds);
    assert_eq!(words(&outcomes), ["applied"; 4], "{outcomes:?}");
    assert_eq!(store.most_out("orders/refunds"), 1);
    let pairs: Vec<Value> = (0..40).map(|id| json!({ "product_id": id + 1, "channel_id": 1 })).collect();
    let outcomes = write(&connector, Verb::Create, "products/channel-assignments", &pairs);
    assert_eq!(words(&outcomes), ["applied"; 40], "{outcomes:?}");
    assert_eq!(store.most_out("products/channel-assignments"), 1);
    assert!(store.sent().len() > 5);
}

#[test]
fn a_documented_limit_of_requests_at_once_is_kept() {
    let (connector, store) = Store::new(|sent| answer(200, json!({ "data": sent.body, "meta": {} })));
    let records: Vec<Value> = (1..=80).map(|id| json!({ "id": id, "first_name": "A" })).collect();
    let outcomes = write(&connector, Verb::Update, "customers", &records);
    assert_eq!(words(&outcomes), ["applied"; 80]);
    assert_eq!((store.sent().len(), store.most_out("PUT /v3/customers")), (8, 3));
}
