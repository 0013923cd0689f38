//! Create or update, where the API itself has no such request.

use std::cell::RefCell;
use std::rc::Rc;

use connector_bigcommerce::connector::Connector;
use connector_bigcommerce::discovery;
use connector_bigcommerce::error::{Error, Kind};
use connector_bigcommerce::plan;
use connector_bigcommerce::types::{Outcome, Verb};
use serde_json::{Value, json};

use crate::store::{Store, answer, applied, error, request, run, words};

/// A store of products, found by `sku:in` and `name`.
fn products(records: Vec<Value>) -> (Connector, Rc<Store>, Rc<RefCell<Vec<Value>>>) {
    let records = Rc::new(RefCell::new(records));
    let all = records.clone();
    let (connector, store) = Store::new(move |sent| {
        let mut all = all.borrow_mut();
        let (method, target) = sent.line.split_once(' ').unwrap();
        match method {
            "GET" => {
                let (_, query) = target.split_once('?').unwrap();
                let asked = |name: &str| query.split('&').find_map(|part| part.strip_prefix(&format!("{name}=")));
                let hit = |record: &&Value| {
                    let is = |field: &str, list: &str| {
                        let value = record[field].as_str().map_or(record[field].to_string(), str::to_owned);
                        list.split(',').any(|one| one == value)
                    };
                    match (asked("sku:in"), asked("name"), asked("id:in")) {
                        (Some(list), _, _) => is("sku", list),
                        (_, Some(name), _) => record["name"] == json!(name),
                        (_, _, Some(list)) => is("id", list),
                        _ => panic!("reads everything: {target}"),
                    }
                };
                let data: Vec<Value> = all.iter().filter(hit).cloned().collect();
                answer(
                    200,
                    json!({ "data": data, "meta": { "pagination": { "total": data.len(), "total_pages": 1, "current_page": 1 } } }),
                )
            }
            "POST" => {
                let mut record = sent.body.clone();
                record["id"] = json!(100 + all.len());
                all.push(record.clone());
                answer(200, json!({ "data": record }))
            }
            _ => {
                let one = sent.body.as_object().map(|_| {
                    let mut change = sent.body.clone();
                    change["id"] = target.rsplit('/').next().unwrap().parse().unwrap();
                    vec![change]
                });
                let mut saved = Vec::new();
                for change in one.clone().unwrap_or_else(|| sent.body.as_array().unwrap().clone()) {
                    let record = all.iter_mut().find(|record| record["id"] == change["id"]).unwrap();
                    change.as_object().unwrap().iter().for_each(|(name, value)| record[name] = value.clone());
                    saved.push(record.clone());
                }
                answer(
                    200,
                    if one.is_some() { json!({ "data": saved[0] }) } else { json!({ "data": saved, "meta": {} }) },
                )
            }
        }
    });
    (connector, store, records)
}

fn product(sku: &str, price: u32) -> Value {
    json!({ "name": format!("Name {sku}"), "sku": sku, "type": "physical", "weight": 1, "price": price, "categories": [] })
}

fn stored(id: u32, sku: &str, name: &str) -> Value {
    json!({ "id": id, "sku": sku, "name": name, "price": 1 })
}

fn upsert(connector: &Connector, object: &str, match_on: &[&str], records: &[Value]) -> Result<Vec<Outcome>, Error> {
    let mut request = request(object, records);
    request.upsert = true;
    request.match_on = match_on.iter().map(|field| (*field).to_owned()).collect();
    run(connector.write(Verb::Create, &request))
}

#[test]
fn what_is_there_is_updated_and_what_is_missing_is_created() {
    let (connector, store, records) = products(vec![stored(7, "A", "x"), stored(8, "B", "y")]);
    let rows = [product("A", 5), product("C", 6), product("B", 7)];
    let outcomes = upsert(&connector, "products", &["sku"], &rows).unwrap();
    assert_eq!(words(&outcomes), ["applied"; 3], "{outcomes:?}");
    let ids: Vec<Value> = outcomes.iter().map(|outcome| applied(outcome)["id"].clone()).collect();
    assert_eq!(ids, [json!(7), json!(102), json!(8)]);
    assert_eq!(records.borrow().len(), 3);
    assert_eq!(records.borrow()[0]["price"], 5);
    assert_eq!(store.lines().iter().filter(|line| line.starts_with("GET")).count(), 1, "{:?}", store.lines());
}

/// A store of brands in which somebody else creates `B` after it was looked up.
fn brands_with_a_race(status: u16) -> (Connector, Rc<Store>) {
    let mut there = false;
    Store::new(move |sent| match sent.line.split(' ').next().unwrap() {
        "GET" => {
            let data = if there { json!([{ "id": 9, "name": "B" }]) } else { json!([]) };
            answer(200, json!({ "data": data, "meta": {} }))
        }
        "POST" if sent.body["name"] == "B" => {
            there = true;
            answer(status, json!({ "status": status, "title": "The brand name is taken.", "errors": {} }))
        }
        "POST" => answer(200, json!({ "data": { "id": 5, "name": sent.body["name"] } })),
        _ => answer(200, json!({ "data": { "id": 9, "name": "B", "page_title": sent.body["page_title"] } })),
    })
}

#[test]
fn what_somebody_else_created_meanwhile_is_updated() {
    for status in [409, 422] {
        for continue_on_error in [true, false] {
            let (connector, store) = brands_with_a_race(status);
            let rows = ["A", "B", "C"].map(|name| json!({ "name": name, "page_title": "t" }));
            let mut request = request("brands", &rows);
            (request.upsert, request.continue_on_error) = (true, continue_on_error);
            request.match_on = vec!["name".into()];
            let outcomes = run(connector.write(Verb::Create, &request)).unwrap();
            assert_eq!(words(&outcomes), ["applied"; 3], "{status} {:?}", store.lines());
            assert_eq!(applied(&outcomes[1])["id"], json!(9));
            let puts: Vec<String> = store.lines().into_iter().filter(|line| line.starts_with("PUT")).collect();
            assert_eq!(puts, ["PUT /v3/catalog/brands/9"]);
        }
    }
}

#[test]
fn a_refusal_for_another_reason_stays_the_outcome() {
    let (connector, store) = Store::new(|sent| match sent.line.split(' ').next().unwrap() {
        "GET" => answer(200, json!({ "data": [], "meta": {} })),
        _ => answer(422, json!({ "status": 422, "title": "The name is too rude.", "errors": {} })),
    });
    let outcomes = upsert(&connector, "brands", &["name"], &[json!({ "name": "X" })]).unwrap();
    assert!(error(&outcomes[0]).message.contains("too rude"), "{outcomes:?}");
    assert_eq!(store.lines().iter().filter(|line| line.starts_with("POST")).count(), 1);
}

#[test]
fn rows_of_one_value_go_one_after_another() {
    let (connector, _, records) = products(Vec::new());
    let outcomes =
        upsert(&connector, "products", &["sku"], &[product("A", 1), product("A", 2), product("A", 3)]).unwrap();
    assert_eq!(words(&outcomes), ["applied"; 3], "{outcomes:?}");
    assert_eq!(records.borrow().len(), 1, "the second row finds what the first one created");
    assert_eq!(records.borrow()[0]["price"], 3);
}

#[test]
fn a_value_that_several_records_have_is_refused() {
    let (connector, store, _) = products(vec![stored(7, "A", "same"), stored(8, "B", "same")]);
    let mut row = product("C", 1);
    row["name"] = json!("same");
    let outcomes = upsert(&connector, "products", &["name"], &[row]).unwrap();
    let error = error(&outcomes[0]);
    assert_eq!((error.kind, error.pointer.as_deref()), (Kind::Conflict, Some("/name")));
    assert!(error.message.contains("2 records") && error.message.contains("{\"id\":7}"), "{}", error.message);
    assert!(store.lines().iter().all(|line| line.starts_with("GET")));
}

#[test]
fn long_lists_are_looked_up_in_pieces_and_a_comma_never_joins_one() {
    let (connector, store, records) = products(vec![stored(7, "S17", "x"), stored(8, "a,b", "y")]);
    let mut rows: Vec<Value> = (0..120).map(|number| product(&format!("S{number}"), 1)).collect();
    rows.push(json!({ "name": "a, b", "sku": "z", "type": "physical", "weight": 1, "price": 1, "categories": [] }));
    let outcomes = upsert(&connector, "products", &["sku"], &rows).unwrap();
    assert_eq!(words(&outcomes), ["applied"; 121]);
    assert_eq!(records.borrow().len(), 2 + 120);
    let reads = store.lines().iter().filter(|line| line.starts_with("GET")).count();
    assert_eq!(reads, 3, "{:?}", store.lines());
}

#[test]
fn without_fields_to_match_on_the_key_decides() {
    let (connector, store, records) = products(vec![stored(7, "A", "x")]);
    let mut unknown_id = product("Q", 1);
    unknown_id["id"] = json!(99);
    let rows = [json!({ "id": 7, "price": 9 }), product("N", 1), unknown_id];
    let outcomes = upsert(&connector, "products", &[], &rows).unwrap();
    assert_eq!(words(&outcomes), ["applied", "applied", "failed"], "{outcomes:?}");
    assert_eq!((error(&outcomes[2]).kind, error(&outcomes[2]).pointer.as_deref()), (Kind::NotFound, Some("/id")));
    assert_eq!((records.borrow()[0]["price"].clone(), records.borrow().len()), (json!(9), 2));
    assert_eq!(store.lines().iter().filter(|line| line.starts_with("GET")).count(), 1);
}

#[test]
fn a_row_that_names_another_key_than_the_record_has_is_refused() {
    let (connector, _, _) = products(vec![stored(7, "A", "x")]);
    let mut row = product("A", 1);
    row["id"] = json!(8);
    let outcomes = upsert(&connector, "products", &["sku"], &[row]).unwrap();
    assert_eq!((words(&outcomes)[0], error(&outcomes[0]).kind), ("failed", Kind::Conflict), "{outcomes:?}");
}

#[test]
fn what_cannot_be_asked_for_cannot_be_matched_on() {
    let (connector, store) = Store::new(|sent| panic!("{sent:?}"));
    for (object, match_on, word) in [
        ("products", "warranty", "can be matched on `id`, `sku`, `name`"),
        ("products", "skuu", "did you mean `sku`?"),
        ("banners", "name", "can be matched on"),
    ] {
        let error = upsert(&connector, object, &[match_on], &[json!({})]).unwrap_err();
        assert!(error.message.contains(word), "{}", error.message);
    }
    let error = upsert(&connector, "orders/products", &[], &[json!({})]).unwrap_err();
    assert_eq!(error.kind, Kind::Unsupported);
    let outcomes = upsert(&connector, "products", &["sku"], &[json!({ "name": "no sku" })]).unwrap();
    assert_eq!(error_pointer(&outcomes[0]), Some("/sku"));
    assert!(store.sent().is_empty());
}

fn error_pointer(outcome: &Outcome) -> Option<&str> {
    error(outcome).pointer.as_deref()
}

#[test]
fn a_dry_run_of_an_upsert_sends_nothing() {
    let (connector, store) = Store::new(|sent| panic!("{sent:?}"));
    let mut request =
        request("products", &[product("A", 1), json!({ "sku": "B", "price": 2 }), json!({ "sku": "C", "colour": 1 })]);
    (request.upsert, request.validate_only, request.match_on) = (true, true, vec!["sku".into()]);
    let outcomes = run(connector.write(Verb::Create, &request)).unwrap();
    assert_eq!(words(&outcomes), ["skipped", "skipped", "failed"], "{outcomes:?}");
    assert!(store.sent().is_empty());
}

#[test]
fn the_schema_tells_what_an_upsert_can_match_on() {
    let sets = |object: &str| {
        let schema = discovery::describe(plan::find(object).unwrap()).create.unwrap().request;
        serde_json::from_str::<Value>(&schema).unwrap()["x-match-on"].clone()
    };
    assert_eq!(sets("products"), json!([["id"], ["sku"], ["name"]]));
    assert_eq!(sets("customers"), json!([["id"], ["email"]]));
    assert_eq!(sets("brands"), json!([["id"], ["name"]]));
    assert_eq!(sets("coupons"), json!([["id"], ["code"], ["name"]]));
    assert_eq!(sets("products/options"), json!([["product_id", "id"], ["display_name"]]));
}
