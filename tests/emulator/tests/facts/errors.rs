//! Error bodies and the statuses that go with them.

use std::sync::Arc;
use std::time::Duration;

use bigcommerce_emulator::{Config, Effect, Fault, Quota};
use reqwest::Method;
use serde_json::{Value, json};

use crate::shop::{Shop, customer, kind, product, small};

#[tokio::test]
async fn a_v3_error_is_an_object_that_maps_fields_to_messages() {
    let shop = Shop::open().await;
    let (status, error) = shop.post("/v3/catalog/products", &json!({ "name": "No price" })).await;
    assert_eq!((status, &error["status"]), (422, &json!(422)));
    assert!(error["title"].is_string() && error["type"].is_string() && error["errors"]["price"].is_string(), "{error}");
    assert!(error["instance"].is_null() && error["code"].is_null() && error["detail"].is_null());
    shop.emulator.switch(|s| s.verbose_errors = true);
    let (_, error) = shop.post("/v3/catalog/products", &json!({ "name": "No price" })).await;
    assert!(error["instance"].is_string() && error["code"].is_number() && error["detail"].is_string(), "{error}");
}

#[tokio::test]
async fn refused_customers_are_not_named() {
    let shop = Shop::open().await;
    let taken = shop.first("customers")["email"].clone();
    let mut bad = customer(2);
    bad["email"] = taken;
    let (status, error) = shop.post("/v3/customers", &json!([customer(1), bad])).await;
    assert_eq!((status, &error["title"]), (422, &json!("Create customers failed.")));
    assert!(error["errors"][".customer_create"].as_str().unwrap().starts_with("Error creating customers"), "{error}");
}

#[tokio::test]
async fn too_many_records_are_413() {
    let shop = Shop::open().await;
    let (status, error) = shop.put("/v3/catalog/products", &json!(vec![json!({ "id": 1 }); 11])).await;
    assert_eq!((status, &error["status"], &error["errors"]), (413, &json!(413), &json!({})));
    let title = "The request payload is too large. The maximum items allowed in the array is 10.";
    assert_eq!(error["title"], title);
}

#[tokio::test]
async fn a_taken_name_is_409() {
    let shop = Shop::open().await;
    let name = shop.first("channels")["name"].clone();
    let body = json!({ "name": name, "type": "pos", "platform": "custom" });
    let (status, error) = shop.post("/v3/channels", &body).await;
    assert_eq!(status, 409, "{error}");
    assert_eq!(error["title"], format!("Channel already exists with name: {}", name.as_str().unwrap()));
    let taken = shop.first("products")["name"].clone();
    assert_eq!(shop.post("/v3/catalog/products", &product(taken.as_str().unwrap())).await.0, 409);
    shop.emulator.switch(|s| s.duplicate_status = Some(422));
    assert_eq!(shop.post("/v3/catalog/products", &product(taken.as_str().unwrap())).await.0, 422);
}

#[tokio::test]
async fn some_resources_answer_problem_json() {
    let shop = Shop::open().await;
    for path in ["/v3/content/pages", "/v3/inventory/locations", "/v3/pickup/methods", "/v3/tax/classes"] {
        let answer = shop.send(Method::PUT, path, &json!([{ "id": 999_999, "name": "None" }])).await;
        assert_eq!(kind(&answer), "application/problem+json", "{path}: {}", answer.status());
    }
    let answer = shop.send(Method::PUT, "/v3/inventory/adjustments/absolute", &json!({ "items": [{}] })).await;
    assert_eq!((answer.status().as_u16(), kind(&answer).as_str()), (422, "application/problem+json"));
}

#[tokio::test]
async fn some_errors_stand_in_an_array_and_name_records_by_their_place() {
    let shop = Shop::open().await;
    let (status, error) = shop.delete("/v3/promotions").await;
    assert_eq!((status, &error["errors"][0]["title"]), (422, &json!("Parameter id:in is required")));
    assert_eq!(error["meta"], json!({ "total": 0, "success": 0, "failed": 0 }));
    let name = shop.first("segments")["name"].clone();
    let body = json!([{ "name": "Fresh", "description": "" }, { "name": name, "description": "" }]);
    let (status, error) = shop.post("/v3/segments", &body).await;
    assert_eq!(status, 409, "{error}");
    assert_eq!(error["errors"][0]["title"], "Cannot have multiple segments with the same name.");
    assert!(error["errors"][0]["errors"]["1.name"].is_string(), "{error}");
    assert_eq!(error["meta"], json!({ "total": 2, "success": 1, "failed": 1 }));
    assert_eq!(error["data"][0]["name"], "Fresh");
    let (status, error) = shop.put("/v3/tax/classes", &json!([{ "id": 987_654, "name": "None" }])).await;
    assert_eq!((status, &error["errors"][0]["status"]), (400, &json!(400)), "{error}");
    assert!(error["meta"]["total"].is_number());
}

#[tokio::test]
async fn variants_and_price_records_answer_batch_errors() {
    let shop = Shop::open().await;
    let (status, error) = shop.put("/v3/catalog/variants", &json!([{ "id": 1, "price": "cheap" }])).await;
    assert_eq!((status, &error["batch_errors"][0]["status"]), (422, &json!(422)), "{error}");
    let list = shop.key("pricelists");
    let body = json!([{ "variant_id": 1, "currency": "usd", "price": "cheap" }]);
    let (status, error) = shop.put(&format!("/v3/pricelists/{list}/records"), &body).await;
    assert_eq!(status, 422);
    assert_eq!(error["batch_errors"][0]["data"], json!({ "variant_id": 1, "currency": "usd" }), "{error}");
    assert!(error["batch_errors"][0]["errors"].is_object());
}

#[tokio::test]
async fn deletes_of_price_lists_can_be_degraded_and_say_for_how_long() {
    let shop = Shop::open().await;
    shop.emulator.fault(Fault::on("DELETE", "/v3/pricelists", Effect::degraded(30)));
    let (status, error) = shop.delete(&format!("/v3/pricelists/{}", shop.key("pricelists"))).await;
    assert_eq!((status, &error["error"]["code"]), (503, &json!("SERVICE_DEGRADED")));
    assert_eq!(error["error"]["retry_after_seconds"], 30);
    assert!(error["error"]["message"].is_string() && error["error"]["timestamp"].is_string());
}

#[tokio::test]
async fn a_v2_error_is_an_array_whose_status_may_differ_from_the_answers() {
    let shop = Shop::open().await;
    let (status, error) = shop.get("/v2/orders/999999").await;
    assert_eq!(status, 404);
    assert_eq!(error, json!([{ "status": 404, "message": "The requested resource was not found." }]));
    let path = format!("/v2/orders/{}", shop.key("orders"));
    let (status, error) = shop.put(&path, &json!({ "items_total": 4, "status": "x" })).await;
    assert_eq!((status, &error[0]["status"]), (400, &json!(404)), "{error}");
    assert!(error[0]["message"].as_str().unwrap().contains("cannot be written to"));
    shop.emulator.switch(|s| s.verbose_errors = true);
    assert!(shop.get("/v2/orders/999999").await.1[0]["details"].is_object());
    let (status, error) = shop.post("/v2/customer_groups", &json!({})).await;
    assert_eq!((status, &error["errors"][0]["status"]), (400, &json!(400)), "{error}");
    assert!(error["errors"][0]["title"].is_string() && error["errors"][0]["type"].is_string());
}

#[tokio::test]
async fn channels_ignore_what_is_read_only() {
    let shop = Shop::open().await;
    let channel = shop.first("channels");
    let path = format!("/v3/channels/{}", channel["id"]);
    let (status, told) = shop.put(&path, &json!({ "external_id": "x-1", "type": "nothing", "platform": "none" })).await;
    let after = shop.first("channels");
    assert_eq!(status, 200, "{told}");
    assert_eq!((&after["external_id"], &after["platform"]), (&json!("x-1"), &channel["platform"]));
}

#[tokio::test]
async fn some_errors_are_no_json() {
    let shop = Shop::open().await;
    let path = format!("/v3/catalog/products/{}/custom-fields", shop.key("products"));
    let plain = shop.request(Method::POST, &path).header("content-type", "text/plain").body("{}").send().await.unwrap();
    assert_eq!((plain.status().as_u16(), kind(&plain).as_str()), (415, "text/html"));
    let url = shop.emulator.url("/v3/catalog/brands");
    let wrong = shop.client.get(url).header("x-auth-token", "wrong").send().await.unwrap();
    assert_eq!((wrong.status().as_u16(), kind(&wrong).as_str()), (401, "text/plain"));
}

#[tokio::test]
async fn a_429_tells_the_wait_for_the_quota_and_nothing_for_requests_at_a_time() {
    let quota = Quota { requests: 1, window: Duration::from_secs(20), ..Quota::default() };
    let shop = Shop::with(Config { quota, sizes: small(), https: false, ..Config::default() }).await;
    shop.answer("/v2/time").await;
    let used_up = shop.answer("/v3/pricelists").await;
    assert_eq!(used_up.status(), 429);
    assert!(used_up.headers()["x-rate-limit-time-reset-ms"].to_str().unwrap().parse::<u64>().unwrap() > 15_000);
    let seconds: u64 = used_up.headers()["x-retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=20).contains(&seconds), "{seconds}");
    let body: serde_json::Value = used_up.json().await.unwrap();
    assert_eq!(
        (&body["status"], &body["title"], &body["errors"]),
        (&json!(429), &json!("Too many requests"), &json!({}))
    );
    shop.emulator.set_quota(Quota::default());
    shop.emulator.switch(|s| s.latency = Duration::from_millis(300));
    let tree = format!("/v3/catalog/trees/{}/categories", shop.key("trees"));
    let (a, b) = tokio::join!(shop.answer(&tree), shop.answer(&tree));
    let refused = if a.status() == 429 { a } else { b };
    assert_eq!(refused.status(), 429);
    assert!(!refused.headers().keys().any(|name| name.as_str().starts_with("x-r")), "{:?}", refused.headers());
}

/// Method, path and limit of every operation whose requests at a time are limited, with `1` for every parameter of its path.
fn limited() -> Vec<(Method, String, usize)> {
    let facts: Vec<Value> = serde_json::from_str(include_str!("../../../../component/bigcommerce/facts.json")).unwrap();
    let operations = facts.iter().flat_map(|resource| resource["operations"].as_array().unwrap());
    let limited = operations.filter_map(|operation| Some((operation, operation["concurrency_limit"].as_u64()?)));
    limited
        .map(|(operation, limit)| {
            let segments = operation["path"].as_str().unwrap().split('/');
            let path: Vec<&str> =
                segments.map(|segment| if segment.starts_with('{') { "1" } else { segment }).collect();
            let method = operation["method"].as_str().unwrap().parse().unwrap();
            (method, path.join("/"), usize::try_from(limit).unwrap())
        })
        .collect()
}

/// Statuses of two requests more than the operation takes at a time. What becomes of the others is no matter here.
async fn too_many(shop: Arc<Shop>, method: Method, path: &str, limit: usize) -> Vec<u16> {
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..limit + 2 {
        let request = shop.request(method.clone(), path);
        let request = if matches!(method, Method::GET | Method::DELETE) {
            request
        } else {
            request.header("content-type", "application/json").body("[]")
        };
        calls.spawn(async move { request.send().await.unwrap().status().as_u16() });
    }
    calls.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_limit_of_requests_at_a_time_is_kept() {
    let shop = Arc::new(Shop::open().await);
    shop.emulator.switch(|s| s.latency = Duration::from_secs(1));
    let limited = limited();
    assert!(limited.len() >= 46, "{}", limited.len());
    for some in limited.chunks(5) {
        let mut running = tokio::task::JoinSet::new();
        for (method, path, limit) in some.iter().cloned() {
            let shop = shop.clone();
            running.spawn(async move {
                let mut refused = 0;
                // On a busy machine the last may come when the first are answered: too few refusals prove nothing, too many do.
                for _ in 0..5 {
                    let statuses = too_many(shop.clone(), method.clone(), &path, limit).await;
                    refused = statuses.iter().filter(|s| **s == 429).count();
                    assert!(refused <= 2, "{method} {path}, {limit} at a time: {statuses:?}");
                    if refused == 2 {
                        break;
                    }
                }
                assert_eq!(refused, 2, "{method} {path}, {limit} at a time");
            });
        }
        running.join_all().await;
    }
}
