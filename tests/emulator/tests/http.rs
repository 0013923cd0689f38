//! The emulator over HTTP: what clients see of a list, a write, a delete, a fault and the quota.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use bigcommerce_emulator::{Config, Effect, Empty, Emulator, Fault, Quota, Sizes, Token};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;

struct Shop {
    emulator: Emulator,
    client: Client,
}

impl Shop {
    async fn open(config: Config) -> Self {
        Self { emulator: Emulator::start(config).await.unwrap(), client: Client::new() }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, self.emulator.url(path))
            .header("x-auth-token", self.emulator.token())
            .header("accept", "application/json")
    }

    async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    async fn send(&self, method: Method, path: &str, body: &str) -> (u16, String) {
        let request = self.request(method, path).header("content-type", "application/json").body(body.to_owned());
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

fn small() -> Config {
    Config { sizes: Sizes { products: 120, ..Sizes::default() }, ..Config::default() }
}

fn ids(list: &Value) -> Vec<i64> {
    list.as_array().unwrap().iter().map(|r| r["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn v3_pages_hold_every_record_once_in_the_order_of_ids() {
    let shop = Shop::open(small()).await;
    let mut seen = Vec::new();
    let mut page = 1;
    loop {
        let list = shop.json(&format!("/v3/catalog/products?limit=50&page={page}")).await;
        let paging = &list["meta"]["pagination"];
        assert_eq!(paging["total"], 120);
        assert_eq!(paging["total_pages"], 3);
        assert_eq!(paging["current_page"], page);
        seen.extend(ids(&list["data"]));
        if paging["links"]["next"].is_null() {
            break;
        }
        page += 1;
    }
    assert_eq!(seen.len(), 120);
    assert!(seen.windows(2).all(|w| w[0] < w[1]));
    let beyond = shop.json("/v3/catalog/products?limit=50&page=9").await;
    assert_eq!(beyond["data"], serde_json::json!([]));
    assert!(shop.emulator.violations().is_empty(), "{:?}", shop.emulator.violations());
    assert_eq!(shop.get("/v3/catalog/products?limit=251").await.status(), 413);
}

#[tokio::test]
async fn cursors_walk_forward_and_back() {
    let shop = Shop::open(small()).await;
    let all = shop.emulator.store().count("customers");
    let mut path = "/v3/customers?limit=40".to_owned();
    let mut seen = Vec::new();
    let mut start = String::new();
    loop {
        let list = shop.json(&path).await;
        seen.extend(ids(&list["data"]));
        let cursor = &list["meta"]["cursor_pagination"];
        start = cursor["start_cursor"].as_str().unwrap_or(&start).to_owned();
        let Some(next) = cursor["links"]["next"].as_str() else { break };
        path = format!("/v3/customers{next}");
    }
    assert_eq!(seen.len(), all);
    assert!(seen.windows(2).all(|w| w[0] < w[1]));
    let back = shop.json(&format!("/v3/customers?limit=40&before={start}")).await;
    let before = seen.len() - seen.len() % 40;
    assert_eq!(ids(&back["data"]), seen[before - 40..before].to_vec());
    let second = shop.json("/v3/customers?limit=40&page=2").await;
    assert!(second["meta"]["cursor_pagination"]["end_cursor"].is_null());
}

#[tokio::test]
async fn cursors_hold_in_another_order() {
    let shop = Shop::open(small()).await;
    let mut path = "/v3/customers?limit=70&sort=last_name:desc".to_owned();
    let mut names: Vec<(String, i64)> = Vec::new();
    loop {
        let list = shop.json(&path).await;
        for record in list["data"].as_array().unwrap() {
            names.push((record["last_name"].as_str().unwrap().to_lowercase(), record["id"].as_i64().unwrap()));
        }
        let Some(next) = list["meta"]["cursor_pagination"]["links"]["next"].as_str() else { break };
        path = format!("/v3/customers{next}");
    }
    assert_eq!(names.len(), shop.emulator.store().count("customers"));
    assert!(names.windows(2).all(|w| w[0] > w[1]), "not in descending order");
}

#[tokio::test]
async fn v2_lists_are_bare_and_end_with_an_empty_204() {
    let shop = Shop::open(small()).await;
    let list = shop.json("/v2/coupons?limit=100").await;
    assert_eq!(list.as_array().unwrap().len(), 100);
    let past = shop.get("/v2/coupons?limit=100&page=9").await;
    assert_eq!(past.status(), 204);
    assert_eq!(past.bytes().await.unwrap().len(), 0);
    shop.emulator.switch(|s| s.v2_past_end = Empty::List);
    assert_eq!(shop.json("/v2/coupons?limit=100&page=9").await, serde_json::json!([]));
    let last = list.as_array().unwrap().last().unwrap()["id"].as_i64().unwrap();
    let rest = shop.json(&format!("/v2/coupons?limit=250&min_id={}", last + 1)).await;
    assert_eq!(rest.as_array().unwrap().len(), shop.emulator.store().count("coupons") - 100);
}

#[tokio::test]
async fn channel_listings_go_on_after_the_last_id() {
    let config = Config { sizes: Sizes { others: 9, ..Sizes::default() }, ..Config::default() };
    let shop = Shop::open(config).await;
    let channel = ids(&shop.json("/v3/channels").await["data"])[0];
    let all = shop.json(&format!("/v3/channels/{channel}/listings?limit=100")).await["data"].as_array().unwrap().len();
    assert_eq!(all, 9);
    let mut after = String::new();
    let mut seen = 0;
    loop {
        let list = shop.json(&format!("/v3/channels/{channel}/listings?limit=4{after}")).await;
        let Some(last) = list["data"].as_array().unwrap().last() else { break };
        seen += list["data"].as_array().unwrap().len();
        after = format!("&after={}", last["listing_id"]);
    }
    assert_eq!(seen, all);
}

#[tokio::test]
async fn filters_sorts_and_trimming_apply() {
    let shop = Shop::open(small()).await;
    let all = ids(&shop.json("/v3/catalog/products?limit=250").await["data"]);
    let (low, high) = (all[10], all[20]);
    let range = shop.json(&format!("/v3/catalog/products?id:min={low}&id:max={high}")).await;
    assert_eq!(ids(&range["data"]), all[10..=20].to_vec());
    assert_eq!(range["meta"]["pagination"]["total"], 11);
    let down = shop.json("/v3/catalog/products?sort=id&direction=desc&limit=3").await;
    assert_eq!(ids(&down["data"]), [all[119], all[118], all[117]]);
    let cheap = shop.json("/v3/catalog/products?sort=price&limit=250").await;
    let prices: Vec<f64> = cheap["data"].as_array().unwrap().iter().map(|p| p["price"].as_f64().unwrap()).collect();
    assert!(prices.windows(2).all(|w| w[0] <= w[1]));
    let thin = shop.json("/v3/catalog/products?include_fields=name&limit=1").await;
    assert_eq!(thin["data"][0].as_object().unwrap().len(), 2);
    let rich = shop.json("/v3/catalog/products?include=variants,images&limit=1").await;
    assert_eq!(rich["data"][0]["variants"][0]["product_id"], all[0]);
    assert_eq!(rich["data"][0]["images"].as_array().unwrap().len(), 3);
    let order = shop.json("/v2/orders?limit=1&include=consignments.line_items&consignment_structure=object").await;
    assert!(!order[0]["consignments"]["shipping"][0]["line_items"][0]["product_id"].is_null());
    assert!(shop.emulator.violations().is_empty(), "{:?}", shop.emulator.violations());
    assert_eq!(shop.get("/v3/catalog/products?id:in=abc").await.status(), 422);
    shop.emulator.clear_violations();
    shop.json("/v3/catalog/products?nonsense=1&limit=1").await;
    assert!(shop.emulator.violations().iter().any(|v| v.problem.contains("nonsense")));
}

#[tokio::test]
async fn digits_come_out_as_they_went_in() {
    let shop = Shop::open(small()).await;
    let text = r#"{"id":12345678901234567890,"name":"Big","price":25.00,"cost_price":1e400}"#;
    shop.emulator.store().insert("products", text).unwrap();
    let body = shop.get("/v3/catalog/products?id:in=12345678901234567890").await.text().await.unwrap();
    assert!(body.starts_with(&format!("{{\"data\":[{text}]")), "{body}");
    let one = shop.get("/v3/catalog/products/12345678901234567890").await.text().await.unwrap();
    assert!(one.contains(text), "{one}");
    let (status, made) = shop
        .send(
            Method::POST,
            "/v3/catalog/products",
            r#"{"name":"New","type":"physical","weight":1.50,"price":19.990000000000000001,"categories":[]}"#,
        )
        .await;
    assert_eq!(status, 200, "{made}");
    assert!(made.contains("\"price\":19.990000000000000001") && made.contains("\"weight\":1.50"), "{made}");
}

#[tokio::test]
async fn products_are_created_changed_and_deleted() {
    let shop = Shop::open(small()).await;
    let body = r#"{"name":"New","type":"physical","weight":1,"price":9.5,"categories":[],"sku":"NEW-1",
        "custom_fields":[{"name":"colour","value":"blue"}]}"#;
    let (status, text) = shop.send(Method::POST, "/v3/catalog/products", body).await;
    assert_eq!(status, 200, "{text}");
    let made: Value = serde_json::from_str(&text).unwrap();
    let id = made["data"]["id"].as_i64().unwrap();
    assert_eq!(shop.emulator.store().field("products", id, "sku").unwrap(), "\"NEW-1\"");
    let fields = shop.json(&format!("/v3/catalog/products/{id}/custom-fields")).await;
    assert_eq!(fields["data"][0]["value"], "blue");
    let (status, text) = shop.send(Method::POST, "/v3/catalog/products", body).await;
    assert_eq!(status, 409, "{text}");
    let (status, _) = shop.send(Method::POST, "/v3/catalog/products", r#"{"name":"No price"}"#).await;
    assert_eq!(status, 422);
    let (status, text) = shop.send(Method::PUT, &format!("/v3/catalog/products/{id}"), r#"{"price":7.25}"#).await;
    assert_eq!(status, 200, "{text}");
    assert_eq!(shop.emulator.store().field("products", id, "price").unwrap(), "7.25");
    let batch = format!("[{{\"id\":{id},\"price\":1}},{{\"id\":999999,\"price\":2}}]");
    let (status, text) = shop.send(Method::PUT, "/v3/catalog/products", &batch).await;
    let partial: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status, 207, "{text}");
    assert_eq!((ids(&partial["data"]), partial["errors"]["errors"].as_object().unwrap().len()), (vec![id], 1));
    let eleven = format!("[{}]", vec![format!("{{\"id\":{id}}}"); 11].join(","));
    assert_eq!(shop.send(Method::PUT, "/v3/catalog/products", &eleven).await.0, 413);
    assert_eq!(shop.send(Method::DELETE, &format!("/v3/catalog/products/{id}"), "").await.0, 204);
    assert!(shop.emulator.store().get("products", id).is_none());
    assert_eq!(shop.json(&format!("/v3/catalog/products?id:in={id}")).await["data"], serde_json::json!([]));
    assert_eq!(shop.send(Method::DELETE, "/v3/catalog/products", "").await.0, 422);
    assert_eq!(shop.emulator.store().wipes(), 0);
}

#[tokio::test]
async fn customers_and_addresses_are_written_in_batches() {
    let shop = Shop::open(small()).await;
    let body = r#"[{"email":"a@example.com","first_name":"A","last_name":"B"},
        {"email":"b@example.com","first_name":"C","last_name":"D","addresses":[{"first_name":"C","last_name":"D",
        "address1":"1 St","city":"X","state_or_province":"Y","postal_code":"1","country_code":"US"}]}]"#;
    let (status, text) = shop.send(Method::POST, "/v3/customers", body).await;
    assert_eq!(status, 200, "{text}");
    let made: Value = serde_json::from_str(&text).unwrap();
    let both = ids(&made["data"]);
    assert_eq!(both.len(), 2);
    assert!(both[0] < both[1]);
    let (status, text) = shop.send(Method::POST, "/v3/customers", body).await;
    assert_eq!(status, 422, "{text}");
    let addresses = shop.json(&format!("/v3/customers/addresses?customer_id:in={}", both[1])).await;
    assert_eq!(addresses["data"].as_array().unwrap().len(), 1);
    let address = format!(
        r#"[{{"customer_id":{},"first_name":"C","last_name":"D","address1":"1 St","city":"X",
        "state_or_province":"Y","postal_code":"1","country_code":"US"}}]"#,
        both[1]
    );
    let (status, text) = shop.send(Method::POST, "/v3/customers/addresses", &address).await;
    assert_eq!((status, text.contains("\"data\":[]")), (200, true), "an equal address is absent: {text}");
    let change = format!(r#"[{{"id":{},"company":"ACME"}}]"#, both[0]);
    let (status, text) = shop.send(Method::PUT, "/v3/customers", &change).await;
    assert_eq!(status, 200, "{text}");
    assert_eq!(shop.emulator.store().field("customers", both[0], "company").unwrap(), "\"ACME\"");
    assert_eq!(shop.send(Method::DELETE, "/v3/customers", "").await.0, 204);
    let before = shop.emulator.store().count("customers");
    assert_eq!(shop.send(Method::DELETE, &format!("/v3/customers?id:in={},{}", both[0], both[1]), "").await.0, 204);
    assert_eq!(shop.emulator.store().count("customers"), before - 2);
    assert_eq!(shop.emulator.store().wipes(), 0);
}

#[tokio::test]
async fn orders_are_created_changed_and_archived() {
    let shop = Shop::open(small()).await;
    let product = ids(&shop.json("/v3/catalog/products?limit=1").await["data"])[0];
    let body = format!(
        r#"{{"status_id":11,"billing_address":{{"first_name":"A","last_name":"B","street_1":"1 St","city":"X","state":"Y",
        "zip":"1","country":"United States","country_iso2":"US","email":"a@example.com"}},
        "products":[{{"product_id":{product},"quantity":2,"price_ex_tax":10,"price_inc_tax":11.5}}]}}"#
    );
    let (status, text) = shop.send(Method::POST, "/v2/orders", &body).await;
    assert_eq!(status, 200, "{text}");
    let order: Value = serde_json::from_str(&text).unwrap();
    let id = order["id"].as_i64().unwrap();
    assert_eq!(order["total_inc_tax"], "28.0000");
    assert_eq!(order["status"], "Awaiting Fulfillment");
    let lines = shop.json(&format!("/v2/orders/{id}/products")).await;
    assert_eq!(lines[0]["quantity"], 2);
    let refused = shop.send(Method::PUT, &format!("/v2/orders/{id}"), r#"{"items_shipped":1,"status":"x"}"#).await;
    assert_eq!(refused.0, 400, "{}", refused.1);
    assert!(refused.1.starts_with("[{\"status\":404,\"message\":\"The field 'status' cannot be written to."));
    let (status, text) = shop.send(Method::PUT, &format!("/v2/orders/{id}"), r#"{"status_id":2}"#).await;
    assert_eq!(status, 200, "{text}");
    assert_eq!(shop.send(Method::DELETE, &format!("/v2/orders/{id}"), "").await.0, 204);
    assert_eq!(shop.emulator.store().field("orders", id, "is_deleted").unwrap(), "true");
    assert_eq!(shop.get(&format!("/v2/orders?min_id={id}&max_id={id}")).await.status(), 204);
}

#[tokio::test]
async fn the_delete_all_traps_really_wipe() {
    let shop = Shop::open(small()).await;
    for (path, resource) in [("/v2/coupons", "coupons"), ("/v3/customers/subscribers", "customers/subscribers")] {
        assert!(shop.emulator.store().count(resource) > 0);
        assert_eq!(shop.send(Method::DELETE, path, "").await.0, 204);
        assert_eq!(shop.emulator.store().count(resource), 0, "{resource}");
    }
    assert_eq!(shop.send(Method::DELETE, "/v2/coupons?id:in=", "").await.0, 204);
    assert_eq!(shop.emulator.store().wipes(), 3);
    assert_eq!(shop.send(Method::DELETE, "/v2/customers", "").await.0, 204);
    assert_eq!(shop.emulator.store().count("customers"), 200, "v2 takes a hundred a call");
    let archived =
        |s: &Shop| s.emulator.store().texts("orders").iter().filter(|o| o.contains("\"is_deleted\":true")).count();
    assert!(archived(&shop) < 50);
    assert_eq!(shop.send(Method::DELETE, "/v2/orders", "").await.0, 204);
    assert_eq!(archived(&shop), shop.emulator.store().count("orders"));
}

#[tokio::test]
async fn tokens_stores_and_headers_are_checked() {
    let tokens = vec![Token::all("good"), Token::with_scopes("narrow", &["store_v2_customers_read_only"])];
    let shop = Shop::open(Config { tokens, ..small() }).await;
    let with = |token: &'static str, method: Method, path: &str| {
        shop.client.request(method, shop.emulator.url(path)).header("x-auth-token", token).send()
    };
    let bad = with("bad", Method::GET, "/v3/catalog/products").await.unwrap();
    assert_eq!((bad.status().as_u16(), bad.text().await.unwrap().starts_with('{')), (401, false));
    assert_eq!(with("bad", Method::GET, "/v2/time").await.unwrap().status(), 401);
    assert_eq!(with("narrow", Method::GET, "/v3/catalog/products").await.unwrap().status(), 403);
    assert_eq!(with("narrow", Method::GET, "/v3/customers").await.unwrap().status(), 200);
    assert_eq!(with("narrow", Method::DELETE, "/v3/customers?id:in=1").await.unwrap().status(), 403);
    assert_eq!(with("narrow", Method::GET, "/v3/hooks?limit=1").await.unwrap().status(), 200);
    let other = shop.emulator.url("/v2/time").replace(shop.emulator.store_hash(), "other");
    assert_eq!(shop.client.get(other).header("x-auth-token", "good").send().await.unwrap().status(), 401);
    let xml = shop.request(Method::GET, "/v3/customers").header("accept", "text/xml");
    let xml = xml.build().unwrap();
    assert_eq!(xml.headers().get_all("accept").iter().count(), 2);
    let only =
        shop.client.get(shop.emulator.url("/v3/customers")).header("x-auth-token", "good").header("accept", "text/xml");
    assert_eq!(only.send().await.unwrap().status(), 406);
    let plain = shop.request(Method::POST, "/v3/catalog/brands").header("content-type", "text/plain").body("{}");
    assert_eq!(plain.send().await.unwrap().status(), 415);
    assert_eq!(with("good", Method::PATCH, "/v3/customers").await.unwrap().status(), 501);
    assert_eq!(with("good", Method::POST, "/v2/time").await.unwrap().status(), 405);
    assert_eq!(with("good", Method::GET, "/v3/nothing").await.unwrap().status(), 404);
    shop.emulator.switch(|s| s.suspended = true);
    assert_eq!(with("good", Method::GET, "/v2/time").await.unwrap().status(), 503);
    let seen = shop.emulator.journal().entries();
    assert!(seen.iter().all(|e| e.header("x-auth-token") == Some("****")));
}

#[tokio::test]
async fn twins_show_the_same_rows() {
    let shop = Shop::open(small()).await;
    let product = ids(&shop.json("/v3/catalog/products?limit=1").await["data"])[0];
    let path = format!("/v3/catalog/products/{product}/metafields");
    let nested = ids(&shop.json(&path).await["data"]);
    let body = r#"{"permission_set":"read","namespace":"n","key":"k","value":"v"}"#;
    let (status, text) = shop.send(Method::POST, &path, body).await;
    assert_eq!(status, 200, "{text}");
    let made: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(made["data"]["resource_id"], product);
    let flat = shop.json("/v3/catalog/products/metafields?key=k&namespace=n").await;
    assert!(ids(&flat["data"]).contains(&made["data"]["id"].as_i64().unwrap()));
    assert_eq!(shop.json(&path).await["meta"]["pagination"]["total"], nested.len() + 1);
    assert_eq!(shop.get("/v3/catalog/products/5/metafields").await.status(), 404);
    let batch = format!(
        r#"[{{"resource_id":{product},"permission_set":"read","namespace":"n","key":"k2","value":"v"}},
        {{"resource_id":5,"permission_set":"read","namespace":"n","key":"k3","value":"v"}}]"#
    );
    let (status, text) = shop.send(Method::POST, "/v3/catalog/products/metafields", &batch).await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &answer["meta"]["success"], &answer["meta"]["failed"]), (422, &1.into(), &1.into()), "{text}");
}

#[tokio::test]
async fn every_data_resource_can_be_read() {
    let shop = Shop::open(small()).await;
    let first = |resource: &str| match shop.emulator.store().keys(resource).first() {
        Some(key) => key.to_json().trim_matches('"').to_owned(),
        None => panic!("{resource} is empty"),
    };
    let parents = [
        ("/v3/catalog/products/{}", "products"),
        ("/v2/orders/{}", "orders"),
        ("/v3/orders/{}", "orders"),
        ("/v3/channels/{}", "channels"),
        ("/v3/customers/{}", "customers"),
        ("/v2/customers/{}", "customers"),
        ("/v3/pricelists/{}", "pricelists"),
        ("/v3/sites/{}", "sites"),
    ];
    let facts: Value = serde_json::from_str(include_str!("../../../component/bigcommerce/facts.json")).unwrap();
    let mut read = 0;
    for resource in facts.as_array().unwrap() {
        for operation in resource["operations"].as_array().unwrap() {
            let path = operation["path"].as_str().unwrap();
            let reads = matches!(operation["verb"].as_str().unwrap(), "list" | "count" | "get");
            let stream = matches!(resource["kind"].as_str().unwrap(), "stream" | "action" | "upload");
            if operation["method"] != "GET" || !reads || stream {
                continue;
            }
            let anonymous: String =
                path.split('/').map(|s| if s.starts_with('{') { "{}" } else { s }).collect::<Vec<_>>().join("/");
            let mut url = anonymous.clone();
            for (prefix, object) in parents {
                if anonymous.starts_with(prefix) {
                    url = anonymous.replacen("{}", &first(object), 1);
                }
            }
            if url.contains("{}") {
                continue;
            }
            let required: Vec<String> = resource["query"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|p| p["required"] == true)
                .map(|p| format!("{}=1", p["name"].as_str().unwrap()))
                .collect();
            let answer = shop.get(&format!("{url}?{}", required.join("&"))).await;
            let status = answer.status().as_u16();
            assert!(matches!(status, 200 | 204 | 404), "{url}: {status} {}", answer.text().await.unwrap());
            if operation["verb"] == "list" {
                assert_ne!(status, 404, "{url}");
            }
            read += 1;
        }
    }
    assert!(read > 150, "only {read} operations");
    assert!(shop.emulator.violations().is_empty(), "{:?}", shop.emulator.violations());
}

#[tokio::test]
async fn singletons_keep_what_is_written() {
    let shop = Shop::open(small()).await;
    let before = shop.json("/v3/settings/store/profile").await;
    let (status, text) = shop.send(Method::PUT, "/v3/settings/store/profile", r#"{"store_name":"Shop 2"}"#).await;
    assert_eq!(status, 200, "{text}");
    let after = shop.json("/v3/settings/store/profile").await;
    assert_eq!(after["data"]["store_name"], "Shop 2");
    assert_eq!(after["data"]["store_address"], before["data"]["store_address"]);
    let channel = ids(&shop.json("/v3/channels").await["data"])[0];
    let site = format!("/v3/channels/{channel}/site");
    assert_eq!(shop.get(&site).await.status(), 200);
    assert_eq!(shop.send(Method::DELETE, &site, "").await.0, 200);
    assert_eq!(shop.get(&site).await.status(), 404);
    assert_eq!(shop.get("/v3/channels/99999/site").await.status(), 404);
    assert_eq!(
        shop.json("/v2/orders/count").await["count"],
        shop.json("/v2/orders?limit=250").await.as_array().unwrap().len()
    );
}

#[tokio::test]
async fn rows_change_under_a_running_query() {
    let shop = Shop::open(small()).await;
    let first = ids(&shop.json("/v3/catalog/products?limit=50").await["data"]);
    let last = *first.last().unwrap();
    assert!(shop.emulator.store().remove("products", first[0]));
    let text = format!(r#"{{"id":{},"name":"Late"}}"#, last * 1_000);
    shop.emulator.store().insert("products", &text).unwrap();
    let rest = ids(&shop.json(&format!("/v3/catalog/products?limit=250&id:greater={last}")).await["data"]);
    assert_eq!((rest.len(), rest.last().copied()), (71, Some(last * 1_000)));
    let second = ids(&shop.json("/v3/catalog/products?limit=50&page=2").await["data"]);
    assert_eq!(second[0], rest[1], "an offset page skips a record when one before it goes");
}

#[tokio::test]
async fn resets_tell_by_the_journal_whether_the_store_acted() {
    let shop = Shop::open(small()).await;
    let body = r#"{"name":"Reset","type":"physical","weight":1,"price":1,"categories":[]}"#;
    let cases =
        [(Effect::ResetBeforeReading, false), (Effect::ResetBeforeActing, false), (Effect::ResetBeforeAnswering, true)];
    for (n, (effect, acts)) in cases.into_iter().enumerate() {
        shop.emulator.journal().clear();
        let before = shop.emulator.store().count("products");
        shop.emulator.fault(Fault::on("POST", "/v3/catalog/products", effect));
        let body = body.replace("Reset", &format!("Reset {n}"));
        let request = shop.request(Method::POST, "/v3/catalog/products").header("content-type", "application/json");
        let failed = request.body(body).send().await;
        assert!(failed.is_err());
        let seen = shop.emulator.journal().entries();
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].acted, seen[0].status), (acts, None));
        assert_eq!(shop.emulator.store().count("products") - before, usize::from(acts));
    }
}

#[tokio::test]
async fn bodies_break_in_every_way() {
    let shop = Shop::open(small()).await;
    let path = "/v3/catalog/products";
    let whole = shop.get(path).await.bytes().await.unwrap();
    for effect in [Effect::ResetInBody, Effect::EndInBody] {
        shop.emulator.fault(Fault::on("GET", path, effect));
        let answer = shop.get(path).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.content_length(), Some(whole.len() as u64));
        assert!(answer.bytes().await.is_err());
    }
    shop.emulator.fault(Fault::on("GET", path, Effect::TruncatedJson));
    let cut = shop.get(path).await.bytes().await.unwrap();
    assert_eq!(cut, whole.slice(..whole.len() / 2));
    shop.emulator.fault(Fault::on("GET", path, Effect::MalformedJson));
    assert!(shop.get(path).await.json::<Value>().await.is_err());
    shop.emulator.fault(Fault::on("GET", path, Effect::Pretty));
    let many = shop.get(path).await.text().await.unwrap();
    assert!(many.lines().count() > 1_000);
    let same: Value = serde_json::from_str(&many).unwrap();
    assert_eq!(same, serde_json::from_slice::<Value>(&whole).unwrap());
    let slow = Effect::SlowBody { piece: whole.len().div_ceil(4), pause: Duration::from_millis(30) };
    shop.emulator.fault(Fault::on("GET", path, slow));
    let started = Instant::now();
    assert_eq!(shop.get(path).await.bytes().await.unwrap(), whole);
    assert!(started.elapsed() >= Duration::from_millis(120));
    shop.emulator.fault(Fault::on("GET", path, Effect::ContentType("text/html")));
    assert_eq!(shop.get(path).await.headers()["content-type"], "text/html");
    shop.emulator.fault(Fault::on("GET", path, Effect::RepeatPage).query("page=2"));
    let first = shop.get(&format!("{path}?limit=5&page=1")).await.text().await.unwrap();
    assert_eq!(shop.get(&format!("{path}?limit=5&page=2")).await.text().await.unwrap(), first);
    assert_ne!(shop.get(&format!("{path}?limit=5&page=3")).await.text().await.unwrap(), first);
    shop.emulator.fault(Fault::on("GET", path, Effect::too_many(Duration::from_millis(1_500))));
    let busy = shop.get(path).await;
    assert_eq!((busy.status().as_u16(), busy.headers()["x-rate-limit-time-reset-ms"].to_str().unwrap()), (429, "1500"));
    shop.emulator.fault(Fault::on("GET", path, Effect::too_many_bare()));
    let bare = shop.get(path).await;
    assert_eq!((bare.status().as_u16(), bare.headers().contains_key("x-rate-limit-time-reset-ms")), (429, false));
    assert_eq!(shop.emulator.pending_faults(), 0);
}

#[tokio::test]
async fn the_quota_is_told_and_kept() {
    let quota = Quota { requests: 5, window: Duration::from_millis(1_000), ..Quota::default() };
    let shop = Shop::open(Config { quota, ..small() }).await;
    for left in (0..5).rev() {
        let answer = shop.get("/v2/time").await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["x-rate-limit-requests-left"], left.to_string().as_str());
    }
    let refused = shop.get("/v2/time").await;
    assert_eq!(refused.status(), 429);
    let wait: u64 = refused.headers()["x-rate-limit-time-reset-ms"].to_str().unwrap().parse().unwrap();
    assert!(wait <= 1_000);
    tokio::time::sleep(Duration::from_millis(wait + 20)).await;
    assert_eq!(shop.get("/v2/time").await.status(), 200);
    let uses = shop.emulator.quota_use();
    assert_eq!(uses.iter().map(|u| u.refused).sum::<u32>(), 1);
}

#[tokio::test]
async fn documented_limits_of_requests_at_a_time_are_kept() {
    let shop = Shop::open(small()).await;
    shop.emulator.switch(|s| s.latency = Duration::from_millis(200));
    let id = shop.emulator.store().keys("customers")[0].to_json();
    let body = format!("[{{\"id\":{id},\"notes\":\"x\"}}]");
    let calls = (0..5).map(|_| shop.send(Method::PUT, "/v3/customers", &body));
    let mut statuses: Vec<u16> = Vec::new();
    let mut tasks = Vec::from_iter(calls.map(Box::pin));
    std::future::poll_fn(|cx| {
        tasks.retain_mut(|task| match task.as_mut().poll(cx) {
            std::task::Poll::Ready((status, _)) => {
                statuses.push(status);
                false
            }
            std::task::Poll::Pending => true,
        });
        if tasks.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    assert_eq!(statuses.iter().filter(|s| **s == 429).count(), 2, "{statuses:?}");
}

#[tokio::test]
async fn sockets_are_counted_and_idle_ones_closed() {
    let config = Config { idle_timeout: Some(Duration::from_secs(1)), ..small() };
    let shop = Shop::open(config).await;
    for _ in 0..3 {
        shop.get("/v2/time").await.bytes().await.unwrap();
    }
    assert_eq!((shop.emulator.connections_accepted(), shop.emulator.connections_open()), (1, 1));
    assert!(shop.emulator.journal().entries().iter().all(|e| e.connection == 1));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(shop.emulator.connections_open(), 0);
    shop.emulator.reset_connections(1);
    assert!(shop.request(Method::GET, "/v2/time").send().await.is_err());
    assert_eq!(shop.emulator.connections_accepted(), 2);
}
