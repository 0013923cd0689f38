//! Sub-objects of one, many or all parents, by the cheapest documented way, and never fewer than there are.

use std::collections::BTreeSet;

use bigcommerce_emulator::{Config, Sizes};
use connector_host::Connection;
use connector_host::contract::{Comparison, QueryRequest};
use end_to_end::{Bench, condition, ids, query, records};
use serde_json::{Value, json};

/// Every record of a sub-object as the store keeps it, as `(parent's key, own key)`.
async fn one_by_one(connection: &Connection, parent: &str, object: &str, link: &str) -> BTreeSet<(u64, u64)> {
    let mut all = BTreeSet::new();
    for id in ids(&records(connection, query(parent)).await) {
        let request = QueryRequest { filter: vec![condition(link, Comparison::Equal, json!(id))], ..query(object) };
        all.extend(ids(&records(connection, request).await).into_iter().map(|own| (id, own)));
    }
    all
}

fn pairs(records: &[Value], link: &str) -> Vec<(u64, u64)> {
    records
        .iter()
        .map(|record| (record[link].as_u64().expect("the parent's key"), record["id"].as_u64().unwrap()))
        .collect()
}

fn one_of(object: &str, field: &str, values: &[u64]) -> QueryRequest {
    QueryRequest { filter: vec![condition(field, Comparison::OneOf, json!(values))], ..query(object) }
}

#[tokio::test]
async fn two_thousand_orders_with_their_line_items_cost_no_request_per_order() {
    let sizes = Sizes { orders: 2000, products: 50, ..Sizes::default() };
    let bench = Bench::with(Config { sizes, ..Config::default() }).await;
    bench.store.switch(|switches| switches.list_archived_orders = true);
    let connection = bench.connection().await;
    let most = 2000usize.div_ceil(250) + 2;
    let stored: BTreeSet<u64> = bench
        .store
        .store()
        .texts("orders/products")
        .iter()
        .map(|text| serde_json::from_str::<Value>(text).unwrap()["id"].as_u64().unwrap())
        .collect();
    assert!(stored.len() > 3000);
    // The line items themselves.
    bench.store.journal().clear();
    let lines = records(&connection, query("orders/products")).await;
    let got = ids(&lines);
    assert!(got.iter().copied().collect::<BTreeSet<_>>() == stored, "missed line items");
    assert_eq!(got.len(), stored.len(), "doubled line items");
    assert!(lines.iter().all(|line| line["order_id"].is_u64() && line["price_ex_tax"].is_string()));
    let requests = bench.store.journal().len();
    println!("{requests} requests for the line items of 2,000 orders");
    assert!(requests <= most, "{requests} requests");
    // The orders with their line items.
    bench.store.journal().clear();
    let include = vec!["consignments.line_items".to_owned()];
    let fields = vec!["id".to_owned()];
    let orders = records(&connection, QueryRequest { include, fields, ..query("orders") }).await;
    assert_eq!(orders.len(), 2000);
    assert!(orders.iter().all(|order| order["consignments"]["shipping"][0]["line_items"][0]["id"].is_u64()));
    assert!(bench.store.journal().len() <= most, "{} requests", bench.store.journal().len());
    // Those of many orders that are named.
    let named: Vec<u64> = ids(&orders).into_iter().filter(|id| id % 3 > 0).collect();
    bench.store.journal().clear();
    let some = records(&connection, one_of("orders/products", "order_id", &named)).await;
    let owners: BTreeSet<u64> = pairs(&some, "order_id").into_iter().map(|(order, _)| order).collect();
    assert!(owners == named.iter().copied().collect::<BTreeSet<_>>(), "other orders than those named");
    assert!(bench.store.journal().len() <= most + 2, "{} requests", bench.store.journal().len());
    // One order has a path of its own.
    bench.store.journal().clear();
    assert!(!records(&connection, one_of("orders/products", "order_id", &named[..1])).await.is_empty());
    assert_eq!(bench.store.journal().count("GET", "/v2/orders/{order_id}/products"), 1);
    assert_eq!(bench.store.journal().len(), 1);
}

#[tokio::test]
async fn sub_objects_of_all_products_come_with_the_products_and_hold_their_keys() {
    let sizes = Sizes { products: 120, ..Sizes::default() };
    let bench = Bench::with(Config { sizes, ..Config::default() }).await;
    let connection = bench.connection().await;
    for object in ["images", "custom-fields", "videos", "modifiers", "bulk-pricing-rules", "reviews"] {
        let object = format!("products/{object}");
        let expected = one_by_one(&connection, "products", &object, "product_id").await;
        bench.store.journal().clear();
        let all = pairs(&records(&connection, query(&object)).await, "product_id");
        assert_eq!(all.iter().copied().collect::<BTreeSet<_>>(), expected, "{object}");
        assert_eq!(all.len(), expected.len(), "{object}: doubled");
        assert!(!expected.is_empty(), "{object}");
        let requests = bench.store.journal().len();
        println!("{object}: {requests} requests");
        // Modifiers cut the products' pages to ten.
        assert!(requests <= 20, "{object}: {requests} requests for 120 products");
        // Of some products only.
        let some: Vec<u64> = expected.iter().map(|(product, _)| *product).step_by(4).take(20).collect();
        bench.store.journal().clear();
        let got = pairs(&records(&connection, one_of(&object, "product_id", &some)).await, "product_id");
        let wanted: BTreeSet<_> = expected.iter().copied().filter(|(product, _)| some.contains(product)).collect();
        assert_eq!(got.iter().copied().collect::<BTreeSet<_>>(), wanted, "{object}");
        assert!(bench.store.journal().len() <= 4, "{object}: {} requests", bench.store.journal().len());
    }
}

#[tokio::test]
async fn sub_objects_inside_of_their_parents_can_be_compared_trimmed_and_resumed_anywhere() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let all = records(&connection, query("orders/products")).await;
    let first = all[0]["id"].as_u64().unwrap();
    let mut request = query("orders/products");
    request.filter = vec![condition("id", Comparison::Greater, json!(first))];
    request.fields = vec!["id".into(), "order_id".into()];
    request.page_size = Some(30);
    let mut got = Vec::new();
    let mut pages = 0;
    loop {
        // Every page in an instance of its own.
        let page = connection.query(request.clone()).await.unwrap().next().await.unwrap().unwrap();
        let text = String::from_utf8(page.records).unwrap();
        got.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        pages += 1;
        match page.next {
            Some(next) => request.cursor = Some(next),
            None => break,
        }
    }
    assert!(pages > 2);
    let expected: BTreeSet<_> = pairs(&all, "order_id").into_iter().filter(|(_, id)| *id > first).collect();
    assert!(pairs(&got, "order_id").into_iter().collect::<BTreeSet<_>>() == expected);
    assert_eq!(got.len(), expected.len());
    assert_eq!(got[0].as_object().unwrap().len(), 2);
    // The parent's key comes when it is asked for, whether or not the store leaves it in what it embeds.
    for object in ["products/images", "products/custom-fields"] {
        let request = QueryRequest { fields: vec!["id".into(), "product_id".into()], ..query(object) };
        let trimmed = records(&connection, request).await;
        assert_eq!(pairs(&trimmed, "product_id"), pairs(&records(&connection, query(object)).await, "product_id"));
        assert!(trimmed.iter().all(|record| record.as_object().unwrap().len() == 2), "{object}: more than was asked");
    }
    let plan = connection.explain(&query("products/images")).await.unwrap();
    assert!(plan.steps.iter().any(|step| step.contains("include")), "{:?}", plan.steps);
    // A field that is not there when it is embedded is asked for where it is.
    let options = records(&connection, query("products/options")).await;
    assert!(options.iter().all(|option| option.get("name").is_some()));
}

#[tokio::test]
async fn five_thousand_ids_are_split_over_requests_and_can_be_resumed_anywhere() {
    let sizes = Sizes { products: 3000, customers: 600, ..Sizes::default() };
    let bench = Bench::with(Config { sizes, ..Config::default() }).await;
    let connection = bench.connection().await;
    let stored = ids(&records(&connection, query("products")).await);
    let mut wanted: Vec<u64> = stored.iter().copied().filter(|id| id % 2 == 0).collect();
    let expected: BTreeSet<u64> = wanted.iter().copied().collect();
    // Ids that nobody has, out of order, some twice.
    wanted.extend((0..5000 - wanted.len() as u64).map(|n| 10_000_000 + n));
    wanted.reverse();
    wanted.push(wanted[0]);
    let mut request = one_of("products", "id", &wanted);
    request.fields = vec!["id".into()];
    bench.store.journal().clear();
    let mut got = Vec::new();
    loop {
        let page = connection.query(request.clone()).await.unwrap().next().await.unwrap().unwrap();
        let text = String::from_utf8(page.records).unwrap();
        got.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_u64().unwrap()));
        match page.next {
            Some(next) => request.cursor = Some(next),
            None => break,
        }
    }
    assert!(got.is_sorted(), "in the order of the key");
    assert_eq!(got.iter().copied().collect::<BTreeSet<_>>(), expected);
    assert_eq!(got.len(), expected.len());
    assert!(bench.store.journal().entries().iter().all(|entry| entry.query.len() < 6000), "URLs are bounded");
    // In one go.
    request.cursor = None;
    bench.store.journal().clear();
    assert_eq!(records(&connection, request).await.len(), expected.len());
    assert!(bench.store.journal().len() <= 24, "{} requests", bench.store.journal().len());
    // Flat sub-objects of many parents: lists of the parent's key.
    let customers = ids(&records(&connection, query("customers")).await);
    let addresses = records(&connection, query("customers/addresses")).await;
    let some: Vec<u64> = customers.iter().copied().step_by(2).collect();
    bench.store.journal().clear();
    let got = records(&connection, one_of("customers/addresses", "customer_id", &some)).await;
    let expected = addresses.iter().filter(|address| some.contains(&address["customer_id"].as_u64().unwrap())).count();
    assert_eq!(got.len(), expected);
    assert!(bench.store.journal().len() <= 8, "{} requests", bench.store.journal().len());
    assert!(bench.store.journal().count("GET", "/v3/customers/addresses") > 0);
}

#[tokio::test]
async fn what_is_included_under_another_name_survives_trimming() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    for (object, include, member) in [
        ("customers", "formfields", "form_fields"),
        ("customers", "storecredit", "store_credit_amounts"),
        ("customers", "addresses", "addresses"),
        ("orders", "consignments.line_items", "consignments"),
        ("products", "images", "images"),
    ] {
        let request = QueryRequest {
            fields: vec!["id".into()],
            include: vec![include.into()],
            max_records: Some(3),
            ..query(object)
        };
        for record in records(&connection, request).await {
            let names: Vec<_> = record.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(names, if member < "id" { [member, "id"] } else { ["id", member] }, "{object} {include}");
        }
    }
}
