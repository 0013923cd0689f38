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

/// Sends rows in the mode `upsert`, and gives what was sent.
fn upserted(verb: Verb, object: &str, rows: &[Value]) -> Vec<Value> {
    let (connector, store) = Store::new(|sent| answer(200, json!({ "data": sent.body, "meta": {} })));
    let mut request = request(object, rows);
    request.upsert = true;
    let outcomes = run(connector.write(verb, &request)).unwrap();
    assert_eq!(words(&outcomes), vec!["applied"; rows.len()], "{outcomes:?}");
    store.sent().into_iter().map(|sent| sent.body).collect()
}

#[test]
fn rows_of_an_upsert_go_together_unless_they_name_the_same_record() {
    let redirect = |path: usize, to: &str| json!({ "site_id": 1, "from_path": format!("/{path}"), "to": { "type": "url", "url": to } });
    for verb in [Verb::Create, Verb::Update] {
        let rows: Vec<Value> = (0..40).map(|path| redirect(path, "a")).collect();
        assert!(upserted(verb, "redirects", &rows).len() <= 4, "one request a row");
        let sent = upserted(verb, "redirects", &[redirect(1, "old"), redirect(2, "a"), redirect(1, "new")]);
        let sizes: Vec<usize> = sent.iter().map(|body| body.as_array().unwrap().len()).collect();
        assert_eq!((sizes, &sent[1][0]["to"]["url"]), (vec![2, 1], &json!("new")));
    }
}

#[test]
fn two_states_of_the_same_settings_go_one_after_the_other() {
    let (connector, store) = Store::new(|sent| answer(200, json!({ "data": sent.body, "meta": {} })));
    let rows = ["a", "b"].map(|text| json!({ "robots_txt_ssl": text }));
    let outcomes = write(&connector, Verb::Update, "settings_storefront/robotstxt", &rows);
    assert_eq!(words(&outcomes), ["applied"; 2], "{outcomes:?}");
    assert_eq!((store.sent().len(), store.most_under_way()), (2, 1));
}
