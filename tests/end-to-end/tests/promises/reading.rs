//! Reading: nothing is missed, doubled or altered, whatever the store and the network do meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bigcommerce_emulator::{Config, Effect, Fault, Quota, Sizes};
use connector_host::contract::{Comparison, Consistency};
use end_to_end::{Bench, condition, ids, lines, order, query, records};
use serde_json::{Value, json};

/// The store's own list of ids.
fn stored(bench: &Bench, resource: &str) -> BTreeSet<u64> {
    bench
        .store
        .store()
        .texts(resource)
        .iter()
        .map(|text| serde_json::from_str::<Value>(text).unwrap()["id"].as_u64().unwrap())
        .collect()
}

/// What a writer did to the products while they were read.
#[derive(Default)]
struct Changes {
    removed: BTreeSet<u64>,
    /// Insertions into holes, those of them below what had been read by then, and insertions behind the end.
    into_holes: usize,
    into_read: usize,
    behind_the_end: usize,
}

/// Takes products away all over the store, and puts one in for each: in turns into an earlier hole and behind the end.
fn change_products(bench: &Bench, before: &[u64], read: &AtomicU64, stop: &AtomicBool) -> Changes {
    let mut changes = Changes::default();
    let template: Value = serde_json::from_str(&bench.store.store().texts("products")[0]).unwrap();
    let insert = |id: u64| {
        let mut product = template.clone();
        product["id"] = json!(id);
        bench.store.store().insert("products", &product.to_string()).unwrap();
    };
    let at = |step: usize| before[(step * 7919) % before.len()];
    for step in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        if bench.store.store().remove("products", i64::try_from(at(step)).unwrap()) {
            changes.removed.insert(at(step));
        }
        if step % 2 == 1 {
            insert(before[before.len() - 1] + 1 + step as u64);
            changes.behind_the_end += 1;
        } else if step >= 20 {
            let hole = at(step - 20);
            changes.into_read += usize::from(hole < read.load(Ordering::Relaxed));
            insert(hole);
            changes.into_holes += 1;
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    changes
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_products_are_read_while_others_come_and_go() {
    let config = Config { sizes: Sizes { products: 20_000, ..Sizes::default() }, ..Config::default() };
    let bench = Arc::new(Bench::with(config).await);
    bench.store.switch(|switches| switches.latency = Duration::from_millis(10));
    let connection = bench.connection().await;
    let before = stored(&bench, "products");
    let (read, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let writer = std::thread::spawn({
        let (bench, read, stop) = (bench.clone(), read.clone(), stop.clone());
        let before: Vec<u64> = before.iter().copied().collect();
        move || change_products(&bench, &before, &read, &stop)
    });
    let mut got = Vec::new();
    let mut pages = connection.query(query("products")).await.unwrap();
    while let Some(page) = pages.next().await.unwrap() {
        let lines = page.records.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        got.extend(lines.map(|line| serde_json::from_slice::<Value>(line).unwrap()["id"].as_u64().unwrap()));
        read.store(got.iter().copied().max().unwrap_or(0), Ordering::Relaxed);
    }
    stop.store(true, Ordering::Relaxed);
    let changes = writer.join().unwrap();
    let unique: BTreeSet<u64> = got.iter().copied().collect();
    let Changes { removed, into_holes, into_read, behind_the_end } = changes;
    println!(
        "{} records read, {} removed, {into_holes} put into holes ({into_read} behind the reader), {behind_the_end} at the end",
        got.len(),
        removed.len()
    );
    assert!(removed.len() > 50 && behind_the_end > 20, "the store hardly changed");
    assert!(into_read > 5, "hardly anything was put where the reader had been: {into_read} of {into_holes}");
    assert_eq!(unique.len(), got.len(), "doubled records");
    let throughout: BTreeSet<u64> = before.difference(&removed).copied().collect();
    let missed: Vec<_> = throughout.difference(&unique).collect();
    assert!(missed.is_empty(), "missed {missed:?}");
    assert!(bench.store.requests_peak() >= 3, "read-ahead was off: {} at once", bench.store.requests_peak());
}

#[tokio::test]
async fn digits_survive() {
    let bench = Bench::new().await;
    let template: Value = serde_json::from_str(&bench.store.store().texts("products")[0]).unwrap();
    let text = template.to_string();
    let id = template["id"].to_string();
    let price = template["price"].to_string();
    let weight = template["weight"].to_string();
    let text = text
        .replacen(&format!("\"id\":{id}"), "\"id\":12345678901234567890", 1)
        .replacen(&format!("\"price\":{price}"), "\"price\":25.00", 1)
        .replacen(&format!("\"weight\":{weight}"), "\"weight\":1e400", 1);
    bench.store.store().insert("products", &text).unwrap();
    for pretty in [false, true] {
        bench.store.switch(|switches| switches.pretty = pretty);
        let connection = bench.connection().await;
        let all = lines(&connection, query("products")).await.unwrap();
        let line = all.iter().find(|line| line.contains("12345678901234567890")).expect("the record is there");
        assert!(line.contains("\"price\":25.00") || line.contains("\"price\": 25.00"), "{line}");
        assert!(line.contains("1e400"), "{line}");
        let mut request = query("products");
        request.fields = vec!["id".into(), "price".into(), "weight".into()];
        request.filter = vec![condition("weight", Comparison::Greater, json!(1e300))];
        assert_eq!(lines(&connection, request).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_pretty_printed_answer_gives_one_line_per_record() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    for object in ["products", "orders", "customers"] {
        bench.store.switch(|switches| switches.pretty = false);
        let compact = records(&connection, query(object)).await;
        bench.store.switch(|switches| switches.pretty = true);
        assert_eq!(records(&connection, query(object)).await, compact, "{object}");
    }
}

#[tokio::test]
async fn conditions_hold_exactly_whoever_evaluates_them() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let check = async |object: &str, field: &str, op: Comparison, value: Value, holds: &dyn Fn(&Value) -> bool| {
        let all = records(&connection, query(object)).await;
        let expected: Vec<u64> =
            ids(&all).into_iter().zip(&all).filter(|(_, record)| holds(&record[field])).map(|(id, _)| id).collect();
        let mut request = query(object);
        request.filter = vec![condition(field, op, value.clone())];
        let got = ids(&records(&connection, request).await);
        assert_eq!(got, expected, "{object}: {field} {op:?} {value}");
        got.len()
    };
    let number = |value: &Value| {
        value.as_f64().or_else(|| value.as_str().and_then(|text| text.parse().ok())).unwrap_or(f64::NAN)
    };
    let products = records(&connection, query("products")).await;
    let (brand, price) = (products[3]["brand_id"].clone(), products[7]["price"].clone());
    let name = products[11]["name"].as_str().unwrap().to_owned();
    let mut matched = 0;
    matched += check("products", "brand_id", Comparison::Equal, brand.clone(), &|v| *v == brand).await;
    check("products", "brand_id", Comparison::NotEqual, brand.clone(), &|v| *v != brand).await;
    matched += check("products", "price", Comparison::Equal, price.clone(), &|v| number(v) == number(&price)).await;
    matched +=
        check("products", "price", Comparison::GreaterOrEqual, price.clone(), &|v| number(v) >= number(&price)).await;
    check("products", "price", Comparison::Less, price.clone(), &|v| number(v) < number(&price)).await;
    matched += check("products", "is_visible", Comparison::Equal, json!(true), &|v| *v == json!(true)).await;
    check("products", "is_featured", Comparison::Equal, json!(true), &|v| *v == json!(true)).await;
    matched += check("products", "name", Comparison::Equal, json!(name), &|v| *v == json!(name)).await;
    matched += check("products", "condition", Comparison::Equal, json!("New"), &|v| *v == json!("New")).await;
    let some: Vec<u64> = ids(&products).into_iter().step_by(9).collect();
    matched += check("products", "id", Comparison::OneOf, json!(some), &|v| some.contains(&v.as_u64().unwrap())).await;
    matched += check("products", "id", Comparison::Less, json!(some[5]), &|v| v.as_u64().unwrap() < some[5]).await;
    let orders = records(&connection, query("orders")).await;
    let total = orders[5]["total_inc_tax"].as_str().unwrap().to_owned();
    matched += check("orders", "total_inc_tax", Comparison::GreaterOrEqual, json!(total), &|v| {
        number(v) >= total.parse().unwrap()
    })
    .await;
    let status = orders[5]["status_id"].clone();
    matched += check("orders", "status_id", Comparison::Equal, status.clone(), &|v| *v == status).await;
    assert!(matched > 10, "the conditions matched hardly anything: {matched}");

    // Dates are points in time, however they are written.
    let date = orders[50]["date_created"].as_str().unwrap().to_owned();
    let mut request = query("orders");
    request.filter = vec![condition("date_created", Comparison::LessOrEqual, json!(date))];
    let early = records(&connection, request).await;
    assert!(early.len() >= 2 && early.len() < orders.len(), "{} of {}", early.len(), orders.len());
    assert!(early.iter().any(|order| order["date_created"] == json!(date)));
}

#[tokio::test]
async fn fields_includes_and_order_are_what_was_asked_for() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let mut request = query("products");
    request.fields = vec!["name".into(), "price".into()];
    request.filter = vec![condition("is_visible", Comparison::Equal, json!(true))];
    for record in records(&connection, request).await {
        let names: Vec<&String> = record.as_object().unwrap().keys().collect();
        assert_eq!(names, ["name", "price"]);
    }
    let mut request = query("products");
    request.include = vec!["images".into()];
    let with = records(&connection, request).await;
    assert!(with.iter().all(|record| record["images"].is_array()));
    for (object, field, descending) in
        [("products", "name", true), ("products", "price", false), ("customers", "date_created", false)]
    {
        let mut request = query(object);
        request.order_by = vec![order(field, descending)];
        let sorted = records(&connection, request).await;
        assert_eq!(sorted.len(), records(&connection, query(object)).await.len(), "{object} by {field}");
        let key = |record: &Value| {
            record[field].as_f64().map_or_else(
                || (0.0, record[field].as_str().unwrap_or_default().to_lowercase()),
                |n| (n, String::new()),
            )
        };
        let in_order = sorted
            .windows(2)
            .all(|pair| if descending { key(&pair[0]) >= key(&pair[1]) } else { key(&pair[0]) <= key(&pair[1]) });
        assert!(in_order, "{object} by {field}");
    }
}

#[tokio::test]
async fn sub_objects_come_of_one_of_some_and_of_all_parents_and_name_their_parent() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    for (object, parent_field, parent) in [
        ("orders/products", "order_id", "orders"),
        ("products/images", "product_id", "products"),
        ("customers/addresses", "customer_id", "customers"),
    ] {
        let all = records(&connection, query(object)).await;
        let parents: BTreeSet<u64> = all
            .iter()
            .map(|record| {
                record[parent_field].as_u64().unwrap_or_else(|| panic!("{object}: no {parent_field} in {record}"))
            })
            .collect();
        assert!(parents.len() >= 3 && parents.is_subset(&stored(&bench, parent)), "{object}");
        let one = *parents.iter().next().unwrap();
        let mut request = query(object);
        request.filter = vec![condition(parent_field, Comparison::Equal, json!(one))];
        let of_one = records(&connection, request).await;
        assert_eq!(
            of_one,
            all.iter().filter(|record| record[parent_field] == json!(one)).cloned().collect::<Vec<_>>(),
            "{object}"
        );
        let some: Vec<u64> = parents.iter().copied().take(5).collect();
        let mut request = query(object);
        request.filter = vec![condition(parent_field, Comparison::OneOf, json!(some))];
        let of_some = records(&connection, request).await;
        assert_eq!(
            of_some.len(),
            all.iter().filter(|record| some.contains(&record[parent_field].as_u64().unwrap())).count(),
            "{object}"
        );
        let mut request = query(object);
        request.filter = vec![condition(parent_field, Comparison::Equal, json!(99_999_999))];
        assert_eq!(records(&connection, request).await.len(), 0, "{object}");
    }
}

#[tokio::test]
async fn a_read_gets_through_every_passing_fault_without_loss_or_doubling() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let expected = records(&connection, query("products")).await;
    let path = "/v3/catalog/products";
    for effect in [
        Effect::ResetBeforeReading,
        Effect::ResetBeforeActing,
        Effect::ResetBeforeAnswering,
        Effect::ResetInBody,
        Effect::EndInBody,
        Effect::TruncatedJson,
        Effect::MalformedJson,
        Effect::too_many(Duration::from_millis(100)),
        Effect::too_many_bare(),
        // A 500 costs a minute: the component's own tests wait it out, on a clock that does not.
        Effect::status(502),
        Effect::status(503),
        Effect::status(504),
        Effect::SlowBody { piece: 20_000, pause: Duration::from_millis(2) },
        Effect::Pretty,
        Effect::ContentType("text/plain"),
    ] {
        bench.fault(Fault::on("GET", path, effect.clone()).nth(2));
        let mut request = query("products");
        request.page_size = Some(100);
        let got = records(&connection, request).await;
        assert_eq!(bench.store.pending_faults(), 0, "{} did not strike", effect.name());
        assert_eq!(got, expected, "{}", effect.name());
    }
}

#[tokio::test]
async fn a_page_of_another_number_is_asked_for_again() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    for order_by in [Vec::new(), vec![order("name", false)]] {
        let mut request = query("products");
        (request.page_size, request.order_by) = (Some(50), order_by);
        let expected = lines(&connection, request.clone()).await.unwrap();
        for nth in 1..=5 {
            bench.fault(Fault::on("GET", "/v3/catalog/products", Effect::RepeatPage).nth(nth));
            assert_eq!(lines(&connection, request.clone()).await.unwrap(), expected, "{request:?}, answer {nth}");
            bench.store.clear_faults();
        }
    }
}

/// Many lists document no maximum; what they do with a `limit` above theirs is not documented either.
#[tokio::test]
async fn a_list_that_refuses_large_pages_is_read_by_those_that_it_gives() {
    let sizes = Sizes { brands: 170, customers: 170, orders: 170, coupons: 170, ..Sizes::default() };
    let bench = Bench::with(Config { sizes, ..Config::default() }).await;
    let connection = bench.connection().await;
    for object in ["brands", "customers", "orders", "coupons", "customers/addresses"] {
        bench.store.switch(|switches| switches.undocumented_cap = 250);
        let all = lines(&connection, query(object)).await.unwrap();
        bench.store.switch(|switches| switches.undocumented_cap = 50);
        bench.store.journal().clear();
        assert_eq!(lines(&connection, query(object)).await.unwrap(), all, "{object}");
        let refused = bench.store.journal().entries().iter().filter(|entry| entry.status == Some(413)).count();
        assert!((1..=4).contains(&refused), "{object}: {refused} requests were refused, more than were under way");
        // And from any page on.
        let (mut request, mut again) = (query(object), Vec::new());
        loop {
            let page = connection.query(request.clone()).await.unwrap().next().await.unwrap().unwrap();
            again.extend(String::from_utf8(page.records).unwrap().lines().map(str::to_owned));
            request.cursor = page.next;
            if request.cursor.is_none() {
                break;
            }
        }
        assert_eq!(again, all, "{object}");
    }
}

#[tokio::test]
async fn the_quota_is_obeyed_before_it_is_used_up_and_shared_by_all() {
    let config = Config {
        quota: Quota { requests: 30, window: Duration::from_millis(1500), ..Quota::default() },
        ..Config::default()
    };
    let bench = Bench::with(config).await;
    let connection = bench.connection().await;
    let other = bench.connection().await;
    let expected = bench.store.store().count("products");
    let mut tasks = Vec::new();
    for index in 0..8 {
        let connection = if index % 2 == 0 { connection.clone() } else { other.clone() };
        tasks.push(tokio::spawn(async move {
            let mut request = query("products");
            request.page_size = Some(50);
            records(&connection, request).await.len()
        }));
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), expected);
    }
    let refusals = bench.store.journal().entries().iter().filter(|entry| entry.status == Some(429)).count();
    println!("{} requests, {refusals} of them refused", bench.store.journal().len());
    // Answers overtake each other at the window's edge; whoever is refused there waits and goes on.
    assert!(refusals * 10 <= bench.store.journal().len(), "{refusals} requests ran into the wall");
}

#[tokio::test]
async fn explain_tells_how_a_query_would_run_and_sends_nothing() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let mut request = query("products");
    request.filter = vec![
        condition("brand_id", Comparison::Equal, json!(3)),
        condition("description", Comparison::Contains, json!("x")),
    ];
    let plan = connection.explain(&request).await.unwrap();
    let text = plan.steps.join("\n");
    assert_eq!(plan.consistency, Consistency::Stable);
    assert!(
        text.contains("the store evaluates `brand_id`") && text.contains("`description` is evaluated here"),
        "{text}"
    );
    request.order_by = vec![order("name", false)];
    assert_eq!(connection.explain(&request).await.unwrap().consistency, Consistency::BestEffort);
    let plan = connection.explain(&query("orders/products")).await.unwrap();
    println!("{}", plan.steps.join("\n"));
    assert!(bench.store.journal().is_empty());
}

#[tokio::test]
async fn pages_that_no_document_mentions_are_followed() {
    let config = Config { sizes: Sizes { others: 23, ..Sizes::default() }, ..Config::default() };
    let bench = Bench::with(config).await;
    let connection = bench.connection().await;
    let whole = records(&connection, query("tax_rates")).await;
    assert!(whole.len() >= 23, "{}", whole.len());
    bench.store.switch(|switches| switches.undeclared_page_size = Some(5));
    assert_eq!(records(&connection, query("tax_rates")).await, whole);
    // The documents know no `page` here; an answer that tells of more pages asks for it.
    let told: Vec<String> = bench.store.take_violations().iter().map(ToString::to_string).collect();
    assert!(told.iter().all(|problem| problem.contains("query parameter page")), "{told:?}");
}

#[tokio::test]
async fn a_value_named_twice_doubles_nothing_and_conditions_on_one_field_all_hold() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let image = &records(&connection, query("products/images")).await[0];
    let product = image["product_id"].clone();
    let mut request = query("products/images");
    request.filter = vec![condition("product_id", Comparison::OneOf, json!([product, product]))];
    let once = records(&connection, request.clone()).await;
    request.filter = vec![condition("product_id", Comparison::Equal, product.clone())];
    assert_eq!(once, records(&connection, request.clone()).await);
    request.filter.push(condition("product_id", Comparison::OneOf, json!([product, 1, 2])));
    assert_eq!(once, records(&connection, request.clone()).await);
    request.filter.push(condition("product_id", Comparison::Greater, product));
    assert_eq!(records(&connection, request).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_record_whose_own_endpoint_needs_its_parent_is_found_by_its_key_alone() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    for object in ["products/metafields", "orders/metafields", "countries/states"] {
        let all = records(&connection, query(object)).await;
        let mut request = query(object);
        request.filter = vec![condition("id", Comparison::Equal, all[1]["id"].clone())];
        assert_eq!(records(&connection, request).await, [all[1].clone()], "{object}");
    }
}

#[tokio::test]
async fn a_bounded_query_over_sparse_keys_ends_with_what_was_asked_for() {
    let bench = Bench::new().await;
    let template: Value = serde_json::from_str(&bench.store.store().texts("products")[0]).unwrap();
    bench.store.store().clear("products");
    for id in (0..10).map(|n| 1 + 10 * n).chain(101..400) {
        let mut product = template.clone();
        product["id"] = json!(id);
        bench.store.store().insert("products", &product.to_string());
    }
    let connection = bench.connection().await;
    for most in [10, 40, 75, 309] {
        let mut request = query("products");
        request.page_size = Some(10);
        request.max_records = Some(most);
        assert_eq!(records(&connection, request).await.len() as u64, most);
    }
}
