//! Breadth: what the API does on request is created like a record, and the store sees the documented request.

use std::collections::BTreeMap;

use connector_host::contract::{Comparison, Outcome};
use end_to_end::{Bench, applied, condition, query, records, refused, words, write};
use serde_json::{Value, json};

/// The value of a field of a record of the store.
fn stored(bench: &Bench, resource: &str, field: &str) -> Value {
    let text = bench.store.store().texts(resource).into_iter().next().unwrap_or_else(|| panic!("no {resource}"));
    let record: Value = serde_json::from_str(&text).unwrap();
    field.split('.').fold(record, |value, name| value[name].clone())
}

/// The body of the only request of this kind.
fn sent(bench: &Bench, method: &str, path: &str) -> Value {
    let entries = bench.store.journal().find(method, path);
    assert_eq!(entries.len(), 1, "{method} {path}: {:?}", bench.store.journal().entries());
    assert!(entries[0].acted, "{method} {path} was refused");
    if entries[0].body.is_empty() { Value::Null } else { serde_json::from_slice(&entries[0].body).unwrap() }
}

async fn create(bench: &Bench, object: &str, rows: &[Value]) -> Vec<Outcome> {
    let connection = bench.connection().await;
    let outcomes = connection.activity().await.unwrap().create(&write(object, rows)).await;
    let outcomes = outcomes.unwrap_or_else(|error| panic!("{object}: {error}"));
    assert_eq!(outcomes.len(), rows.len(), "{object}");
    outcomes
}

#[tokio::test]
async fn adjustments_of_stock_go_in_one_request_per_reason_and_answer_for_every_record() {
    let bench = Bench::new().await;
    let items: Vec<Value> =
        bench.store.store().texts("inventory_items").iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let variant = |index: usize| items[index]["identity"]["variant_id"].clone();
    let adjustment = |index: usize, quantity: i64, reason: &str| json!({ "reason": reason, "location_id": 77, "variant_id": variant(index), "quantity": quantity });
    let rows = [adjustment(0, 5, "count"), adjustment(1, 6, "count"), adjustment(0, 7, "recount")];
    let outcomes = create(&bench, "inventory_adjustments/absolute", &rows).await;
    assert_eq!(words(&outcomes), ["applied"; 3], "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| applied(outcome)["transaction_id"].is_string()), "{outcomes:?}");
    let path = "/v3/inventory/adjustments/absolute";
    let requests = bench.store.journal().find("PUT", path);
    let bodies: Vec<Value> = requests.iter().map(|entry| serde_json::from_slice(&entry.body).unwrap()).collect();
    let item =
        |index: usize, quantity: i64| json!({ "location_id": 77, "variant_id": variant(index), "quantity": quantity });
    assert_eq!(
        bodies,
        [
            json!({ "reason": "count", "items": [item(0, 5), item(1, 6)] }),
            json!({ "reason": "recount", "items": [item(0, 7)] })
        ]
    );
    assert!(
        requests.iter().all(|entry| entry.in_flight == 1),
        "the next adjustment may go when the one before is answered"
    );

    let outcomes = create(
        &bench,
        "inventory_adjustments/relative",
        &[json!({ "location_id": 77, "variant_id": variant(0), "quantity": -3 })],
    )
    .await;
    assert_eq!(words(&outcomes), ["applied"]);
    let connection = bench.connection().await;
    let mut request = query("inventory_items");
    request.filter = vec![condition("identity.variant_id", Comparison::Equal, variant(0))];
    let found = records(&connection, request).await;
    let location =
        found[0]["locations"].as_array().unwrap().iter().find(|location| location["location_id"] == 77).cloned();
    assert_eq!(location.unwrap()["total_inventory_onhand"], 4);
}

#[tokio::test]
async fn a_refused_batch_of_relative_adjustments_is_not_sent_again() {
    let bench = Bench::new().await;
    let good = stored(&bench, "inventory_items", "identity.variant_id");
    let row = |variant: &Value| json!({ "location_id": 1, "variant_id": variant, "quantity": 1 });
    let outcomes = create(&bench, "inventory_adjustments/relative", &[row(&good), row(&json!(999_999_999))]).await;
    assert_eq!(words(&outcomes), ["failed", "failed"], "{outcomes:?}");
    let Outcome::Failed(error) = &outcomes[0] else { panic!() };
    assert!(error.message.contains("999999999") && error.message.contains("2 records"), "{}", error.message);
    assert_eq!(bench.store.journal().count("POST", "/v3/inventory/adjustments/relative"), 1);
    // What sets levels can be sent again without harm, so the good record gets through.
    let outcomes = create(&bench, "inventory_adjustments/absolute", &[row(&good), row(&json!(999_999_999))]).await;
    assert_eq!(words(&outcomes), ["applied", "failed"], "{outcomes:?}");
}

#[tokio::test]
async fn payments_are_captured_and_voided_and_refunds_quoted_and_made() {
    let bench = Bench::new().await;
    let order = stored(&bench, "orders", "id");
    for (object, status) in
        [("orders/payment_actions/capture", "capture pending"), ("orders/payment_actions/void", "void pending")]
    {
        let outcomes = create(&bench, object, &[json!({ "order_id": order })]).await;
        assert_eq!(words(&outcomes), ["applied"], "{object}: {outcomes:?}");
        assert_eq!(applied(&outcomes[0]), json!({ "order_id": order }), "{object}");
        assert_eq!(
            sent(&bench, "POST", &format!("/v3/{}", object.replacen('/', &format!("/{order}/"), 1))),
            Value::Null
        );
        assert_eq!(stored(&bench, "orders", "payment_status"), status);
    }
    let items = json!([{ "item_type": "SHIPPING", "item_id": order, "amount": 1.5 }]);
    let outcomes =
        create(&bench, "orders/payment_actions/refund_quotes", &[json!({ "order_id": order, "items": items })]).await;
    assert_eq!(applied(&outcomes[0])["order_id"], order, "{outcomes:?}");
    assert!(applied(&outcomes[0])["refund_methods"].is_array(), "{outcomes:?}");
    let path = format!("/v3/orders/{order}/payment_actions/refund_quotes");
    assert_eq!(sent(&bench, "POST", &path), json!({ "items": items }));
    let refund = json!({ "order_id": order, "items": items, "payments": [{ "provider_id": "storecredit", "amount": 1.5, "offline": false }] });
    let before = bench.store.store().count("orders/payment_actions/refunds");
    let outcomes = create(&bench, "orders/payment_actions/refunds", &[refund]).await;
    assert_eq!(words(&outcomes), ["applied"], "{outcomes:?}");
    assert_eq!(bench.store.store().count("orders/payment_actions/refunds"), before + 1);
    let gone = create(&bench, "orders/payment_actions/capture", &[json!({ "order_id": 999_999_999 })]).await;
    assert_eq!(words(&gone), ["failed"], "{gone:?}");
}

#[tokio::test]
async fn promotion_codes_are_generated_looked_up_and_deleted_by_code() {
    let bench = Bench::new().await;
    let promotion = stored(&bench, "promotions", "id");
    let order = json!({ "promotion_id": promotion, "batch_size": 3, "max_uses": 1, "prefix": "SPRING" });
    let outcomes = create(&bench, "promotions/codegen", &[order]).await;
    let made = applied(&outcomes[0]);
    assert_eq!((made["codes"].as_array().map(Vec::len), &made["promotion_id"]), (Some(3), &promotion), "{made}");
    let body = sent(&bench, "POST", &format!("/v3/promotions/{promotion}/codegen"));
    assert_eq!(body, json!({ "batch_size": 3, "max_uses": 1, "prefix": "SPRING" }));

    let connection = bench.connection().await;
    let error = refused(connection.query(query("promotion_codes")).await.unwrap().next().await);
    assert!(error.message.contains("code"), "{}", error.message);
    let mut request = query("promotion_codes");
    request.filter = vec![condition("code", Comparison::Equal, made["codes"][0].clone())];
    let found = records(&connection, request.clone()).await;
    assert_eq!(found.len(), 1, "{found:?}");
    let row = json!({ "code": made["codes"][0] });
    let outcomes = connection.activity().await.unwrap().delete(&write("promotion_codes", &[row])).await.unwrap();
    assert_eq!(words(&outcomes), ["applied"], "{outcomes:?}");
    assert_eq!(records(&connection, request).await.len(), 0);
}

#[tokio::test]
async fn assignments_are_created_by_put_and_again_without_harm() {
    let bench = Bench::new().await;
    let (product, category) = (stored(&bench, "products", "id"), stored(&bench, "v3:/catalog/categories", "id"));
    let channel = stored(&bench, "channels", "id");
    for (object, row) in [
        ("products/category-assignments", json!({ "product_id": product, "category_id": category })),
        ("products/channel-assignments", json!({ "product_id": product, "channel_id": channel })),
    ] {
        for _ in 0..2 {
            let outcomes = create(&bench, object, std::slice::from_ref(&row)).await;
            assert_eq!(words(&outcomes), ["applied"], "{object}: {outcomes:?}");
        }
        let requests = bench.store.journal().find("PUT", &format!("/v3/catalog/{object}"));
        assert_eq!(requests.len(), 2, "{object}");
        assert_eq!(serde_json::from_slice::<Value>(&requests[0].body).unwrap(), json!([row]));
    }
}

#[tokio::test]
async fn a_carrier_is_disconnected_by_its_name_in_the_body() {
    let bench = Bench::new().await;
    let rows = [json!({ "carrier_id": "usps" })];
    let connection = bench.connection().await;
    let mut activity = connection.activity().await.unwrap();
    let connected = json!({ "carrier_id": "usps", "connection": {} });
    assert_eq!(
        words(&activity.create(&write("shipping_carrier/connection", &[connected])).await.unwrap()),
        ["applied"]
    );
    let outcomes = activity.delete(&write("shipping_carrier/connection", &rows)).await.unwrap();
    assert_eq!(words(&outcomes), ["applied"], "{outcomes:?}");
    assert_eq!(sent(&bench, "DELETE", "/v2/shipping/carrier/connection"), json!({ "carrier_id": "usps" }));
    for nameless in [json!({}), json!({ "carrier_id": "" }), json!({ "carrier_id": null })] {
        let outcomes = activity.delete(&write("shipping_carrier/connection", &[nameless])).await.unwrap();
        assert_eq!(words(&outcomes), ["failed"], "{outcomes:?}");
    }
    assert_eq!(bench.store.journal().count("DELETE", "/v2/shipping/carrier/connection"), 1);
}

#[tokio::test]
async fn images_are_set_by_address_and_taken_away() {
    let bench = Bench::new().await;
    let variant: Value = serde_json::from_str(&bench.store.store().texts("products/variants")[0]).unwrap();
    let url = "https://cdn.example.com/v.jpg";
    let row = json!({ "product_id": variant["product_id"], "variant_id": variant["id"], "image_url": url });
    assert_eq!(words(&create(&bench, "products/variants/image", &[row]).await), ["applied"]);
    let path = format!("/v3/catalog/products/{}/variants/{}/image", variant["product_id"], variant["id"]);
    assert_eq!(sent(&bench, "POST", &path), json!({ "image_url": url }));
    assert_eq!(stored(&bench, "products/variants", "image_url"), url);

    let brand = stored(&bench, "brands", "id");
    let connection = bench.connection().await;
    let mut activity = connection.activity().await.unwrap();
    let outcomes = activity.delete(&write("brands/image", &[json!({ "brand_id": brand })])).await.unwrap();
    assert_eq!(words(&outcomes), ["applied"], "{outcomes:?}");
    assert_eq!(stored(&bench, "brands", "image_url"), "");
    assert_eq!(words(&activity.delete(&write("brands/image", &[json!({})])).await.unwrap()), ["failed"]);
}

#[tokio::test]
async fn what_the_api_answers_to_a_question_is_the_outcome() {
    let bench = Bench::new().await;
    let (product, theme) = (stored(&bench, "products", "id"), stored(&bench, "themes", "uuid"));
    let cart = stored(&bench, "carts", "id");
    let email = stored(&bench, "customers", "email");
    let theme_path = format!("/v3/themes/{}/actions/download", theme.as_str().unwrap());
    let cart_path = format!("/v3/carts/{}/redirect_urls", cart.as_str().unwrap());
    let prices = json!({ "channel_id": 1, "currency_code": "USD", "items": [{ "product_id": product }, { "product_id": product }] });
    let cases = [
        ("pricing_products", prices, "data", "/v3/pricing/products"),
        (
            "customers/validate-credentials",
            json!({ "email": email, "password": "secret-1" }),
            "is_valid",
            "/v3/customers/validate-credentials",
        ),
        ("tax_zonecheck", json!({ "country_code": "US" }), "data", "/v3/tax/zonecheck"),
        ("redirects/imex/export", json!({ "site_id": 1 }), "id", "/v3/storefront/redirects/imex/export"),
        ("themes/actions/download", json!({ "theme_uuid": theme, "which": "original" }), "job_id", theme_path.as_str()),
        ("carts/redirect_urls", json!({ "cart_id": cart }), "checkout_url", cart_path.as_str()),
        ("deployments/uploads", json!({}), "upload_url", "/v3/infrastructure/deployments/uploads"),
        (
            "api-token",
            json!({ "expires_at": 1_885_635_176, "channel_id": 1, "allowed_cors_origins": ["https://shop.example.com"] }),
            "token",
            "/v3/storefront/api-token",
        ),
    ];
    for (object, row, field, path) in cases {
        let outcomes = create(&bench, object, std::slice::from_ref(&row)).await;
        assert_eq!(words(&outcomes), ["applied"], "{object}: {outcomes:?}");
        let answer = applied(&outcomes[0]);
        assert!(!answer[field].is_null(), "{object}: {answer}");
        sent(&bench, "POST", path);
        if object == "pricing_products" {
            assert_eq!(answer["data"].as_array().map(Vec::len), Some(2), "{answer}");
        }
        if let Some(uuid) = row.get("theme_uuid") {
            assert_eq!(&answer["theme_uuid"], uuid, "the outcome names on what it was done");
        }
    }
    // Where the answer does not tell which question it answers, each goes alone.
    bench.store.journal().clear();
    let zones =
        create(&bench, "tax_zonecheck", &[json!({ "country_code": "US" }), json!({ "country_code": "DE" })]).await;
    assert_eq!(words(&zones), ["applied", "applied"]);
    assert_eq!(bench.store.journal().count("POST", "/v3/tax/zonecheck"), 2);
}

#[tokio::test]
async fn an_action_whose_answer_is_lost_is_unknown_and_was_sent_once() {
    let bench = Bench::new().await;
    let order = stored(&bench, "orders", "id");
    let path = format!("/v3/orders/{order}/payment_actions/capture");
    for effect in [bigcommerce_emulator::Effect::ResetBeforeAnswering, bigcommerce_emulator::Effect::TruncatedJson] {
        bench.store.journal().clear();
        bench.fault(bigcommerce_emulator::Fault::on("POST", &path, effect.clone()));
        let outcomes = create(&bench, "orders/payment_actions/capture", &[json!({ "order_id": order })]).await;
        assert_eq!(words(&outcomes), ["unknown"], "{}: {outcomes:?}", effect.name());
        assert_eq!(bench.store.journal().count("POST", &path), 1, "{}", effect.name());
    }
}

#[tokio::test]
async fn counts_are_queried_and_take_the_conditions_of_their_list() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let orders = records(&connection, query("orders/count")).await;
    let texts = bench.store.store().texts("orders");
    let there = texts.iter().filter(|text| serde_json::from_str::<Value>(text).unwrap()["is_deleted"] != true).count();
    assert_eq!(orders[0]["count"], there, "{orders:?}");
    let mut request = query("orders/count");
    request.filter = vec![condition("status_id", Comparison::Equal, json!(11))];
    let counted = records(&connection, request).await;
    let parsed = texts.iter().map(|text| serde_json::from_str::<Value>(text).unwrap());
    let meant = parsed.filter(|order| order["is_deleted"] != true && order["status_id"] == 11).count();
    assert!(0 < meant && meant < there, "{meant} of {there}");
    assert_eq!((counted.len(), &counted[0]["count"]), (1, &json!(meant)));
    let asked = bench.store.journal().find("GET", "/v2/orders/count");
    assert_eq!(asked.last().unwrap().parameter("status_id").as_deref(), Some("11"));
}

#[tokio::test]
async fn every_object_that_needs_a_condition_is_queried_with_it() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    // What a condition may be where the store knows no record of that name.
    let made: BTreeMap<&str, Value> = BTreeMap::from([
        ("keyword", json!("lamp")),
        ("code", json!("CODE-1")),
        ("customer_id", stored(&bench, "customers", "id")),
        ("order_id", stored(&bench, "orders", "id")),
        ("product_id", stored(&bench, "products", "id")),
        ("cart_id", stored(&bench, "carts", "id")),
        ("checkout_id", stored(&bench, "carts", "id")),
    ]);
    let mut asked = Vec::new();
    for object in connection.list_objects().await.unwrap() {
        let Some(schema) = connection.describe_object(&object.name).await.unwrap().query else { continue };
        let schema: Value = serde_json::from_str(&schema.request).unwrap();
        let needed: Vec<String> = serde_json::from_value(schema.get("required").cloned().unwrap_or(json!([]))).unwrap();
        if needed.is_empty() {
            continue;
        }
        let mut request = query(&object.name);
        request.max_records = Some(1);
        for field in &needed {
            let listed = schema["properties"][field]["enum"].get(0).cloned();
            let known = made.get(field.as_str()).cloned();
            let value = listed.or(known).unwrap_or_else(|| match schema["properties"][field]["type"].as_str() {
                Some("integer" | "number") => json!(1),
                _ => json!("1"),
            });
            request.filter.push(condition(field, Comparison::Equal, value));
        }
        // The path leads to the store, or the store says that there is no such record; it is never an undocumented request.
        match end_to_end::lines(&connection, request).await {
            Ok(_) => {}
            Err(connector_host::CallError::Connector(error)) if error.status == Some(404) => {}
            Err(error) => panic!("{} {needed:?}: {error}", object.name),
        }
        asked.push(object.name);
    }
    assert!(asked.len() > 5, "{asked:?}");
}
