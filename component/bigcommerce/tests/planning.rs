//! What a query asks the store for, and what it promises: conditions are never dropped, records never doubled.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "shared with the tests of writing")]
#[path = "writes/store.rs"]
mod store;

use connector_bigcommerce::compare::Comparison;
use connector_bigcommerce::connector::Connector;
use connector_bigcommerce::error::Kind;
use connector_bigcommerce::types::{Condition, Order, QueryRequest};
use serde_json::{Value, json};

use store::{Store, answer, run};

fn empty() -> Connector {
    Store::new(|_| answer(200, json!({ "data": [], "meta": {} }))).0
}

fn query(object: &str) -> QueryRequest {
    QueryRequest { object: object.into(), ..QueryRequest::default() }
}

fn condition(field: &str, op: Comparison, value: Value) -> Condition {
    Condition { field: field.into(), op, value: value.to_string() }
}

fn ordered(object: &str, field: &str) -> QueryRequest {
    QueryRequest { order_by: vec![Order { field: field.into(), descending: false }], ..query(object) }
}

fn numbers(count: u32) -> Value {
    (1..=count).map(|n| json!(100_000 + n)).collect()
}

#[test]
fn a_condition_that_only_the_list_can_evaluate_is_asked_of_the_list() {
    let (connector, store) = Store::new(|_| answer(200, json!([{ "id": 100 }])));
    let mut request = query("orders");
    request.filter =
        vec![condition("id", Comparison::Equal, json!(100)), condition("email", Comparison::Equal, json!("x@y.z"))];
    run(connector.query(&request)).unwrap();
    for line in store.lines() {
        assert!(line.starts_with("GET /v2/orders?") && line.contains("email=x@y.z"), "{line}");
    }
}

#[test]
fn a_condition_that_nobody_can_evaluate_is_refused_wherever_the_records_come_from() {
    let connector = empty();
    for object in ["products/options", "orders/products", "products"] {
        let field = if object == "orders/products" { "applied_discounts" } else { "option_values" };
        let field = if object == "products" { "bulk_pricing_rules" } else { field };
        let request = QueryRequest { filter: vec![condition(field, Comparison::Equal, json!(5))], ..query(object) };
        let error = connector.explain(&request).expect_err(object);
        assert_eq!((error.kind, error.pointer.as_deref()), (Kind::Unsupported, Some("/filter/0")), "{object}: {error}");
    }
}

#[test]
fn a_list_is_split_only_where_no_record_can_be_in_two_parts_and_the_order_holds() {
    let connector = empty();
    let split = |request: &QueryRequest| {
        let plan = connector.explain(request).unwrap();
        plan.steps.iter().any(|step| step.contains("parts"))
    };
    let with = |request: QueryRequest, field: &str, values: Value| QueryRequest {
        filter: vec![condition(field, Comparison::OneOf, values)],
        ..request
    };
    let names: Value = (0..2000).map(|n| json!(format!("SKU-{n}"))).collect();
    assert!(split(&with(query("products"), "sku", names.clone())));
    let in_two = connector.explain(&with(query("products"), "categories", numbers(2000))).unwrap_err();
    assert!(in_two.message.contains("name fewer"), "a product is in several categories: {in_two}");
    assert!(!split(&with(ordered("products", "id"), "sku", names)), "the parts are not in the order of the ids");
}

#[test]
fn of_several_long_lists_one_is_asked_for_in_parts_and_the_others_are_evaluated_here() {
    let records: Vec<Value> = (1..=2000).map(|n| json!({ "id": 100_000 + n, "sku": format!("SKU-{n}") })).collect();
    let (connector, store) = Store::new(move |sent| {
        let list = sent.line.split_once("id:in=").map(|(_, rest)| rest.split('&').next().unwrap_or_default());
        let wanted: Vec<&str> = list.expect("asks for ids").split(',').collect();
        let held = |record: &&Value| wanted.contains(&record["id"].to_string().as_str());
        let found: Vec<&Value> = records.iter().filter(held).collect();
        answer(200, json!({ "data": found, "meta": { "pagination": { "total": found.len(), "total_pages": 1 } } }))
    });
    let skus: Value = (1001..3000).map(|n| json!(format!("SKU-{n}"))).collect();
    let mut request = query("products");
    request.filter =
        vec![condition("id", Comparison::OneOf, numbers(2000)), condition("sku", Comparison::OneOf, skus.clone())];
    let steps = connector.explain(&request).unwrap().steps.join("\n");
    assert!(steps.contains("`id` (id:in), 2000 values") && steps.contains("`sku` is evaluated here"), "{steps}");
    let mut ids = Vec::new();
    loop {
        let page = run(connector.query(&request)).unwrap();
        let lines = std::str::from_utf8(&page.records).unwrap().lines();
        ids.extend(lines.map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_u64().unwrap()));
        request.cursor = page.next;
        if request.cursor.is_none() {
            break;
        }
    }
    assert_eq!(ids, (101_001..=102_000).collect::<Vec<u64>>());
    assert!(store.lines().iter().all(|line| !line.contains("SKU")), "{:?}", store.lines());
}

#[test]
fn no_request_gets_longer_than_servers_take_however_many_conditions_there_are() {
    let connector = empty();
    let short = |field: &str, count: u32| {
        let values: Value = (0..count).map(|n| json!(format!("ein Schlüssel, {n}").replace(", ", " Ü "))).collect();
        condition(field, Comparison::OneOf, values)
    };
    let asked = |filter: Vec<Condition>| {
        let (connector, store) = Store::new(|_| answer(200, json!({ "data": [], "meta": {} })));
        run(connector.query(&QueryRequest { filter, ..query("products") })).unwrap();
        store.lines()
    };
    // Each fits, all of them do not.
    for lines in [
        asked(vec![short("sku", 60), short("name", 60), short("upc", 60), short("mpn", 60)]),
        asked(vec![short("sku", 200), condition("name", Comparison::Equal, json!("Ü".repeat(600)))]),
        asked(vec![condition("id", Comparison::OneOf, numbers(2000)), short("sku", 70)]),
    ] {
        assert!(lines.iter().all(|line| line.len() < 6500), "{:?}", lines.iter().map(String::len).collect::<Vec<_>>());
    }
    let needed = |count| condition("categories", Comparison::OneOf, numbers(count));
    let plan = connector.explain(&QueryRequest { filter: vec![short("sku", 60), needed(300)], ..query("products") });
    let steps = plan.unwrap().steps.join("\n");
    assert!(steps.contains("(categories:in)"), "what only the store can evaluate comes first: {steps}");
}

#[test]
fn records_that_are_read_in_an_order_that_changes_are_not_called_stable() {
    let connector = empty();
    assert!(connector.explain(&query("customers")).unwrap().stable);
    assert!(!connector.explain(&ordered("customers", "date_modified")).unwrap().stable);
    assert!(!connector.explain(&query("tax_rates")).unwrap().stable, "the answer is documented to tell of pages");
}

#[test]
fn a_record_without_a_date_of_change_comes_once_and_a_plan_that_cannot_see_a_new_one_says_so() {
    for (object, by_the_store) in [("products", true), ("scripts", false)] {
        let (connector, _) = Store::new(|sent| {
            // A store compares dates, and null is none.
            let dated = sent.line.contains("date_modified:min");
            let all = json!([{ "id": 1, "uuid": "a", "date_modified": null }]);
            let data = if dated { json!([]) } else { all };
            answer(200, json!({ "data": data, "meta": { "pagination": { "total": 1, "total_pages": 1 } } }))
        });
        let mut request = QueryRequest { since: Some(String::new()), ..query(object) };
        let first = run(connector.query(&request)).unwrap();
        request.since = first.state;
        let second = run(connector.query(&request)).unwrap();
        assert_eq!((first.count, second.count), (1, 0), "{object}");
        let steps = connector.explain(&request).unwrap().steps.join("\n");
        assert_eq!(steps.contains("is null comes with a first read only"), by_the_store, "{steps}");
    }
}

#[test]
fn the_parents_key_is_asked_for_where_the_store_trims_it() {
    let (connector, store) = Store::new(|sent| {
        let trimmed = sent.line.contains("include_fields=") && !sent.line.contains("product_id");
        let record =
            if trimmed { json!({ "id": 7, "sku": "A" }) } else { json!({ "id": 7, "product_id": 5, "sku": "A" }) };
        answer(200, json!({ "data": [record], "meta": { "pagination": { "total": 1, "total_pages": 1 } } }))
    });
    let mut request = query("products/variants");
    request.fields = vec!["sku".into()];
    request.filter = vec![condition("product_id", Comparison::NotEqual, json!(6))];
    assert_eq!(run(connector.query(&request)).unwrap().records, b"{\"sku\":\"A\"}\n");
    request.filter = vec![condition("product_id", Comparison::NotEqual, json!(5))];
    assert_eq!(run(connector.query(&request)).unwrap().count, 0, "{:?}", store.lines());
}

#[test]
fn more_combinations_than_can_be_held_are_refused() {
    let connector = empty();
    let mut request = query("products/images");
    request.filter = vec![
        condition("product_id", Comparison::OneOf, numbers(20_000)),
        condition("id", Comparison::OneOf, numbers(20_000)),
    ];
    match connector.explain(&request) {
        Ok(plan) => assert!(!plan.steps.iter().any(|step| step.contains("one by one")), "{:?}", plan.steps),
        Err(error) => assert_eq!(error.kind, Kind::Unsupported),
    }
}

#[test]
fn a_field_inside_of_another_comes_with_what_it_is_in() {
    let (connector, _) = Store::new(|_| {
        let record = json!({ "identity": { "variant_id": 3, "sku": "A" }, "locations": [] });
        answer(200, json!({ "data": [record], "meta": { "pagination": { "total": 1, "total_pages": 1 } } }))
    });
    let mut request = query("inventory_items");
    request.fields = vec!["identity.variant_id".into()];
    let record: Value = serde_json::from_slice(&run(connector.query(&request)).unwrap().records).unwrap();
    assert_eq!(record, json!({ "identity": { "variant_id": 3, "sku": "A" } }));
}

#[test]
fn a_page_that_is_gone_by_the_time_it_is_asked_for_is_the_end() {
    let (connector, store) = Store::new(|sent| {
        if sent.line.contains("page=1") {
            let pagination = json!({ "total": 3, "total_pages": 3, "current_page": 1, "per_page": 1 });
            return answer(200, json!({ "data": [{ "id": 1, "name": "A" }], "meta": { "pagination": pagination } }));
        }
        answer(404, json!({ "status": 404, "title": "The requested resource was not found." }))
    });
    let request = QueryRequest { page_size: Some(1), ..ordered("products", "name") };
    let first = run(connector.query(&request)).unwrap();
    let rest = run(connector.query(&QueryRequest { cursor: first.next, ..request })).unwrap();
    assert_eq!((first.count, rest.count, rest.next), (1, 0, None), "{:?}", store.lines());
}

#[test]
fn a_page_that_others_pushed_back_is_no_repetition_and_one_that_came_twice_is() {
    for moves_on in [true, false] {
        let (connector, _) = Store::new(move |sent| {
            let second = sent.line.contains("page=2");
            let current = if second && moves_on { 2 } else { 1 };
            let data = if sent.line.contains("page=3") { json!([]) } else { json!([{ "id": 1, "name": "A" }]) };
            let pagination = json!({ "total_pages": 2, "current_page": current, "per_page": 1 });
            answer(200, json!({ "data": data, "meta": { "pagination": pagination } }))
        });
        let request = QueryRequest { page_size: Some(1), ..ordered("products", "name") };
        let first = run(connector.query(&request)).unwrap();
        let second = run(connector.query(&QueryRequest { cursor: first.next, ..request }));
        assert_eq!(second.is_ok(), moves_on, "{second:?}");
    }
}
