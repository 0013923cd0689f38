//! The contract: what the component imports, and what hosts rely on.

use std::time::Duration;

use end_to_end::{Bench, component, host, query, records};
use serde_json::json;

/// What the README lists, with what these interfaces bring along.
const IMPORTS: [&str; 12] = [
    "ipaas:connector/control@0.1.0",
    "ipaas:connector/logging@0.1.0",
    "ipaas:connector/quota@0.1.0",
    "ipaas:connector/transport@0.1.0",
    "ipaas:connector/types@0.1.0",
    "ipaas:connector/variables@0.1.0",
    "wasi:clocks/monotonic-clock@0.2.0",
    "wasi:http/outgoing-handler@0.2.0",
    "wasi:http/types@0.2.0",
    "wasi:io/error@0.2.0",
    "wasi:io/poll@0.2.0",
    "wasi:io/streams@0.2.0",
];

#[tokio::test]
async fn the_component_imports_what_the_contract_names_and_nothing_else() {
    let connector = host().load(&component("bigcommerce")).await.unwrap();
    let mut imports = connector.imports().to_vec();
    imports.sort();
    println!("imports of bigcommerce.wasm:\n  {}", imports.join("\n  "));
    assert_eq!(imports, IMPORTS);
}

#[test]
fn the_component_stays_under_a_megabyte() {
    let size = component("bigcommerce").len();
    println!("bigcommerce.wasm: {size} bytes");
    assert!(size < 1_000_000, "{size} bytes");
}

#[tokio::test]
async fn eight_activities_of_one_connection_run_side_by_side() {
    let bench = Bench::new().await;
    bench.store.switch(|switches| switches.latency = Duration::from_millis(150));
    let connection = bench.connection().await;
    let expected = bench.store.store().count("products");
    let begun = std::time::Instant::now();
    let one = async { records(&connection, query("products")).await.len() };
    assert_eq!(one.await, expected);
    let alone = begun.elapsed();
    let begun = std::time::Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let connection = connection.clone();
        tasks.push(tokio::spawn(async move { records(&connection, query("products")).await.len() }));
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), expected);
    }
    let together = begun.elapsed();
    assert!(together < alone * 3, "eight took {together:?}, one took {alone:?}: they did not run side by side");
}

#[tokio::test]
async fn a_cancelled_query_ends_and_leaves_the_others_alone() {
    let bench = Bench::new().await;
    bench.store.switch(|switches| switches.latency = Duration::from_millis(300));
    let connection = bench.connection().await;
    let mut pages = connection.query(query("products")).await.unwrap();
    let canceller = pages.canceller();
    let other = tokio::spawn({
        let connection = connection.clone();
        async move { records(&connection, query("brands")).await.len() }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let begun = std::time::Instant::now();
    canceller.cancel();
    let error = pages.next().await.unwrap_err();
    assert!(error.is_cancelled(), "{error}");
    assert!(begun.elapsed() < Duration::from_millis(200), "took {:?}", begun.elapsed());
    assert_eq!(other.await.unwrap(), bench.store.store().count("brands"));
}

#[tokio::test]
async fn a_query_goes_on_from_any_page_in_a_fresh_instance() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    for object in
        ["products", "customers", "orders", "coupons", "orders/products", "customers/addresses", "products/images"]
    {
        let whole = records(&connection, query(object)).await;
        assert!(whole.len() >= 9, "{object}: {}", whole.len());
        let mut pieces = Vec::new();
        let mut cursor = None;
        loop {
            let mut request = query(object);
            request.page_size = Some(37);
            request.cursor = cursor;
            // A new activity each time: nothing is left of the instance that served the page before.
            let page = connection.activity().await.unwrap().query(&request).await.unwrap();
            let text = String::from_utf8(page.records).unwrap();
            pieces.extend(text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(pieces, whole, "{object}");
    }
}

#[tokio::test]
async fn at_most_so_many_records_come_as_were_asked_for_also_across_instances() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    for most in [1, 7, 250, 251, 100_000] {
        let mut request = query("products");
        request.max_records = Some(most);
        request.page_size = Some(100);
        let expected = usize::try_from(most).unwrap().min(bench.store.store().count("products"));
        assert_eq!(records(&connection, request).await.len(), expected);
    }
    let mut request = query("products");
    request.max_records = Some(10);
    request.page_size = Some(4);
    let mut total = 0;
    loop {
        let page = connection.activity().await.unwrap().query(&request).await.unwrap();
        total += page.count;
        request.cursor = page.next;
        if request.cursor.is_none() {
            break;
        }
    }
    assert_eq!(total, 10);
}

#[tokio::test]
async fn a_small_query_does_not_read_ahead() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let mut request = query("products");
    request.max_records = Some(5);
    assert_eq!(records(&connection, request).await.len(), 5);
    assert_eq!(bench.store.journal().count("GET", "/v3/catalog/products"), 1);
    let entry = &bench.store.journal().find("GET", "/v3/catalog/products")[0];
    assert_eq!(entry.parameter("limit").as_deref(), Some("5"));
}

#[tokio::test]
async fn every_object_can_be_described_and_every_collection_read() {
    let bench = Bench::new().await;
    let connection = bench.open(json!({ "requests_in_flight": 8 })).await.unwrap();
    let objects = connection.list_objects().await.unwrap();
    assert!(objects.len() > 150, "{}", objects.len());
    let (mut read, mut refused) = (0, Vec::new());
    for object in &objects {
        let schema = connection.describe_object(&object.name).await.unwrap();
        for activity in [&schema.query, &schema.create, &schema.update, &schema.delete].into_iter().flatten() {
            for text in [&activity.request, &activity.response] {
                serde_json::from_str::<serde_json::Value>(text)
                    .unwrap_or_else(|error| panic!("{}: {error}", object.name));
            }
        }
        if schema.query.is_none() {
            continue;
        }
        let mut request = query(&object.name);
        request.max_records = Some(20);
        match end_to_end::lines(&connection, request).await {
            Ok(_) => read += 1,
            Err(error) => refused.push(format!("{}: {error}", object.name)),
        }
    }
    println!("{read} objects read, {} need a condition:\n  {}", refused.len(), refused.join("\n  "));
    // What needs a condition says so; nothing fails for another reason.
    for line in &refused {
        assert!(line.contains("condition"), "{line}");
    }
    assert!(read > 120, "only {read} objects could be read without a condition");
}
