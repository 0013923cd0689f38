//! What a refusal proves, and what is sent again after it.

use connector_bigcommerce::error::{Kind, Retry};
use connector_bigcommerce::host::Answer;
use connector_bigcommerce::types::Verb;
use serde_json::{Value, json};

use crate::store::{Store, answer, error, lost, request, run, words, write};

fn refusal(status: u16) -> Value {
    json!({ "status": status, "title": "Create customers failed.", "errors": {} })
}

fn customer(number: u32) -> Value {
    json!({ "first_name": "A", "last_name": "B", "email": format!("{number}@x.com") })
}

fn posts(store: &Store) -> usize {
    store.lines().iter().filter(|line| line.starts_with("POST")).count()
}

#[test]
fn what_a_refused_batch_of_creates_left_behind_is_not_created_again() {
    let (connector, store) = Store::new(|sent| {
        if sent.line.starts_with("GET") {
            // It saved the second one, and somebody else has the fourth one's address.
            let held = json!([{ "id": 5, "first_name": "A", "last_name": "B", "email": "2@x.com" },
                { "id": 6, "first_name": "Z", "last_name": "B", "email": "4@x.com" }]);
            return answer(200, json!({ "data": held, "meta": {} }));
        }
        let mut rows = sent.body.as_array().unwrap().clone();
        if rows.len() > 1 {
            return answer(422, refusal(422));
        }
        rows[0]["id"] = json!(9);
        answer(200, json!({ "data": rows, "meta": {} }))
    });
    let outcomes = write(&connector, Verb::Create, "customers", &[1, 2, 3, 4].map(customer));
    assert_eq!(words(&outcomes), ["applied", "unknown", "applied", "failed"], "{outcomes:?}");
    assert!(error(&outcomes[1]).message.contains("Create customers failed"), "{outcomes:?}");
    assert_eq!(error(&outcomes[1]).retry, Retry::OutcomeUnknown);
    assert_eq!(posts(&store), 3, "{:?}", store.lines());
}

#[test]
fn a_plan_limit_and_a_lock_are_in_the_way_of_every_record() {
    for status in [423, 507] {
        let (connector, store) = Store::new(move |sent| match sent.line.starts_with("GET") {
            true => answer(200, json!({ "data": [], "meta": {} })),
            false => answer(status, refusal(status)),
        });
        let outcomes = write(&connector, Verb::Create, "customers", &[1, 2].map(customer));
        assert_eq!((words(&outcomes), posts(&store)), (vec!["failed"; 2], 1), "{status}");
        let rows = [1, 2].map(|id| json!({ "id": id, "first_name": "C" }));
        let outcomes = write(&connector, Verb::Update, "customers", &rows);
        let puts = store.lines().iter().filter(|line| line.starts_with("PUT")).count();
        assert_eq!((words(&outcomes), puts), (vec!["failed"; 2], 1), "{status}: {:?}", store.lines());
    }
}

#[test]
fn creates_that_nobody_can_look_up_are_not_sent_again_after_a_refusal() {
    let (connector, store) = Store::new(|_| answer(422, refusal(422)));
    let row = |id: u32| json!({ "order_id": id, "pickup_items": [], "pickup_method_id": 1, "ready_at": "2026-01-01T00:00:00Z" });
    let outcomes = write(&connector, Verb::Create, "orders/pickups", &[row(1), row(2)]);
    assert_eq!((words(&outcomes), posts(&store)), (vec!["unknown"; 2], 1), "{:?}", store.lines());
}

#[test]
fn a_delete_is_done_only_if_the_api_says_that_there_is_no_such_record() {
    let of_the_api = json!({ "status": 404, "title": "The resource was not found.", "errors": {} }).to_string();
    let of_v2 = json!([{ "status": 404, "message": "The requested resource was not found." }]).to_string();
    let others = ["<html>404 Not Found</html>", "", "{\"message\":\"no Route matched\"}", "\"Not Found\"", "[]"];
    let bodies = [(of_the_api.as_str(), "applied"), (of_v2.as_str(), "applied")];
    for (body, word) in bodies.into_iter().chain(others.map(|body| (body, "failed"))) {
        let body = body.as_bytes().to_vec();
        let (connector, _) = Store::new(move |_| Ok(Answer { status: 404, headers: Vec::new(), body: body.clone() }));
        let outcomes = write(&connector, Verb::Delete, "brands", &[json!({ "id": 7 })]);
        assert_eq!(words(&outcomes), [word], "{outcomes:?}");
        if word == "failed" {
            assert_eq!(error(&outcomes[0]).kind, Kind::NotFound);
        }
    }
}

#[test]
fn a_wait_that_a_degraded_service_asks_for_is_passed_on() {
    let degraded =
        json!({ "error": { "code": "SERVICE_DEGRADED", "message": "Slow down", "retry_after_seconds": 30 } });
    let (connector, store) = Store::new(move |_| answer(503, degraded.clone()));
    let row = json!({ "price_list_id": 1, "variant_id": 2, "currency": "usd" });
    let outcomes = write(&connector, Verb::Delete, "pricelists/records", &[row]);
    assert_eq!((words(&outcomes), store.sent().len()), (vec!["unknown"], 1));
    assert!(error(&outcomes[0]).message.contains("30000 ms"), "{outcomes:?}");
}

#[test]
fn the_seconds_that_a_429_asks_for_are_waited_for_and_passed_on() {
    let (connector, store) = Store::new(|_| {
        let headers = vec![("x-retry-after".to_owned(), "250".to_owned())];
        Ok(Answer { status: 429, headers, body: Vec::new() })
    });
    let outcomes = write(&connector, Verb::Create, "brands", &[json!({ "name": "B" })]);
    assert_eq!((words(&outcomes), store.sent().len()), (vec!["failed"], 2));
    assert_eq!(error(&outcomes[0]).retry, Retry::After(250_000), "{outcomes:?}");
}

#[test]
fn an_upsert_whose_lookup_failed_may_be_sent_again() {
    let (connector, store) = Store::new(|_| lost());
    let mut request = request("brands", &[json!({ "name": "B" })]);
    (request.upsert, request.match_on) = (true, vec!["name".into()]);
    let outcomes = run(connector.write(Verb::Create, &request)).unwrap();
    assert_eq!(words(&outcomes), ["failed"]);
    assert!(matches!(error(&outcomes[0]).retry, Retry::After(1..)), "{outcomes:?}");
    assert_eq!(posts(&store), 0);
}

#[test]
fn a_refused_create_that_was_held_back_as_an_update_keeps_its_refusal() {
    let mut request = request("brands", &["A", "B"].map(|name| json!({ "name": name })));
    (request.upsert, request.match_on) = (true, vec!["name".into()]);
    request.continue_on_error = false;
    let (connector, store) = held_back();
    let outcomes = run(connector.write(Verb::Create, &request)).unwrap();
    assert_eq!(words(&outcomes), ["failed"; 2], "{:?}", store.lines());
    assert_eq!(error(&outcomes[1]).status, Some(409), "{outcomes:?}");
}

/// Two creates that are under way at once are refused as doubles, and of the updates instead of them only one fits at a time.
fn held_back() -> (connector_bigcommerce::connector::Connector, std::rc::Rc<Store>) {
    let mut posts = 0;
    Store::with_places(2, move |sent| match sent.line.split(' ').next().unwrap() {
        "GET" if posts > 0 => {
            answer(200, json!({ "data": [{ "id": 1, "name": "A" }, { "id": 2, "name": "B" }], "meta": {} }))
        }
        "GET" => answer(200, json!({ "data": [], "meta": {} })),
        "POST" => {
            posts += 1;
            answer(409, refusal(409))
        }
        // The first one is refused; the second one is asked to wait and not sent any more.
        _ if sent.line.ends_with("/1") => answer(422, refusal(422)),
        _ => answer(429, refusal(429)),
    })
}

#[test]
fn a_text_that_stands_for_no_number_is_refused_before_anything_is_sent() {
    let (connector, store) = Store::new(|_| answer(200, json!({ "data": [], "meta": {} })));
    for price in ["abc", "1,50", "NaN"] {
        let outcomes = write(&connector, Verb::Update, "products", &[json!({ "id": 1, "price": price })]);
        assert_eq!((words(&outcomes), store.lines().len()), (vec!["failed"], 0), "{price}: {:?}", store.lines());
    }
    // The store takes numbers as texts.
    write(&connector, Verb::Update, "products", &[json!({ "id": 1, "price": "25.00" })]);
    assert!(!store.lines().is_empty());
}
