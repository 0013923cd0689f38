//! Records: how they are listed, created, changed and deleted, object by object.

use reqwest::Method;
use serde_json::Value;

use crate::shop::{Shop, medium};

fn ids(list: &Value) -> Vec<i64> {
    list.as_array().unwrap().iter().map(|r| r["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn v3_pages_hold_every_record_once_in_the_order_of_ids() {
    let shop = Shop::with(medium()).await;
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
    assert_eq!(shop.answer("/v3/catalog/products?limit=251").await.status(), 413);
}

#[tokio::test]
async fn cursors_hold_in_another_order() {
    let shop = Shop::with(medium()).await;
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
async fn filters_sorts_and_trimming_apply() {
    let shop = Shop::with(medium()).await;
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
    assert_eq!(shop.answer("/v3/catalog/products?id:in=abc").await.status(), 422);
    shop.emulator.clear_violations();
    shop.json("/v3/catalog/products?nonsense=1&limit=1").await;
    assert!(shop.emulator.violations().iter().any(|v| v.problem.contains("nonsense")));
}

#[tokio::test]
async fn products_are_created_changed_and_deleted() {
    let shop = Shop::with(medium()).await;
    let body = r#"{"name":"New","type":"physical","weight":1,"price":9.5,"categories":[],"sku":"NEW-1",
        "custom_fields":[{"name":"colour","value":"blue"}]}"#;
    let (status, text) = shop.send_text(Method::POST, "/v3/catalog/products", body).await;
    assert_eq!(status, 200, "{text}");
    let made: Value = serde_json::from_str(&text).unwrap();
    let id = made["data"]["id"].as_i64().unwrap();
    assert_eq!(shop.emulator.store().field("products", id, "sku").unwrap(), "\"NEW-1\"");
    let fields = shop.json(&format!("/v3/catalog/products/{id}/custom-fields")).await;
    assert_eq!(fields["data"][0]["value"], "blue");
    let (status, text) = shop.send_text(Method::POST, "/v3/catalog/products", body).await;
    assert_eq!(status, 409, "{text}");
    let (status, _) = shop.send_text(Method::POST, "/v3/catalog/products", r#"{"name":"No price"}"#).await;
    assert_eq!(status, 422);
    let (status, text) = shop.send_text(Method::PUT, &format!("/v3/catalog/products/{id}"), r#"{"price":7.25}"#).await;
    assert_eq!(status, 200, "{text}");
    assert_eq!(shop.emulator.store().field("products", id, "price").unwrap(), "7.25");
    let batch = format!("[{{\"id\":{id},\"price\":1}},{{\"id\":999999,\"price\":2}}]");
    let (status, text) = shop.send_text(Method::PUT, "/v3/catalog/products", &batch).await;
    let partial: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status, 207, "{text}");
    assert_eq!((ids(&partial["data"]), partial["errors"]["errors"].as_object().unwrap().len()), (vec![id], 1));
    let eleven = format!("[{}]", vec![format!("{{\"id\":{id}}}"); 11].join(","));
    assert_eq!(shop.send_text(Method::PUT, "/v3/catalog/products", &eleven).await.0, 413);
    assert_eq!(shop.send_text(Method::DELETE, &format!("/v3/catalog/products/{id}"), "").await.0, 204);
    assert!(shop.emulator.store().get("products", id).is_none());
    assert_eq!(shop.json(&format!("/v3/catalog/products?id:in={id}")).await["data"], serde_json::json!([]));
    assert_eq!(shop.send_text(Method::DELETE, "/v3/catalog/products", "").await.0, 422);
    assert_eq!(shop.emulator.store().wipes(), 0);
}

#[tokio::test]
async fn customers_and_addresses_are_written_in_batches() {
    let shop = Shop::with(medium()).await;
    let body = r#"[{"email":"a@example.com","first_name":"A","last_name":"B"},
        {"email":"b@example.com","first_name":"C","last_name":"D","addresses":[{"first_name":"C","last_name":"D",
        "address1":"1 St","city":"X","state_or_province":"Y","postal_code":"1","country_code":"US"}]}]"#;
    let (status, text) = shop.send_text(Method::POST, "/v3/customers", body).await;
    assert_eq!(status, 200, "{text}");
    let made: Value = serde_json::from_str(&text).unwrap();
    let both = ids(&made["data"]);
    assert_eq!(both.len(), 2);
    assert!(both[0] < both[1]);
    let (status, text) = shop.send_text(Method::POST, "/v3/customers", body).await;
    assert_eq!(status, 422, "{text}");
    let addresses = shop.json(&format!("/v3/customers/addresses?customer_id:in={}", both[1])).await;
    assert_eq!(addresses["data"].as_array().unwrap().len(), 1);
    let address = format!(
        r#"[{{"customer_id":{},"first_name":"C","last_name":"D","address1":"1 St","city":"X",
        "state_or_province":"Y","postal_code":"1","country_code":"US"}}]"#,
        both[1]
    );
    let (status, text) = shop.send_text(Method::POST, "/v3/customers/addresses", &address).await;
    assert_eq!((status, text.contains("\"data\":[]")), (200, true), "an equal address is absent: {text}");
    let change = format!(r#"[{{"id":{},"company":"ACME"}}]"#, both[0]);
    let (status, text) = shop.send_text(Method::PUT, "/v3/customers", &change).await;
    assert_eq!(status, 200, "{text}");
    assert_eq!(shop.emulator.store().field("customers", both[0], "company").unwrap(), "\"ACME\"");
    assert_eq!(shop.send_text(Method::DELETE, "/v3/customers", "").await.0, 204);
    let before = shop.emulator.store().count("customers");
    assert_eq!(
        shop.send_text(Method::DELETE, &format!("/v3/customers?id:in={},{}", both[0], both[1]), "").await.0,
        204
    );
    assert_eq!(shop.emulator.store().count("customers"), before - 2);
    assert_eq!(shop.emulator.store().wipes(), 0);
}

#[tokio::test]
async fn orders_are_created_changed_and_archived() {
    let shop = Shop::with(medium()).await;
    let product = ids(&shop.json("/v3/catalog/products?limit=1").await["data"])[0];
    let body = format!(
        r#"{{"status_id":11,"billing_address":{{"first_name":"A","last_name":"B","street_1":"1 St","city":"X","state":"Y",
        "zip":"1","country":"United States","country_iso2":"US","email":"a@example.com"}},
        "products":[{{"product_id":{product},"quantity":2,"price_ex_tax":10,"price_inc_tax":11.5}}]}}"#
    );
    let (status, text) = shop.send_text(Method::POST, "/v2/orders", &body).await;
    assert_eq!(status, 200, "{text}");
    let order: Value = serde_json::from_str(&text).unwrap();
    let id = order["id"].as_i64().unwrap();
    assert_eq!(order["total_inc_tax"], "28.0000");
    assert_eq!(order["status"], "Awaiting Fulfillment");
    let lines = shop.json(&format!("/v2/orders/{id}/products")).await;
    assert_eq!(lines[0]["quantity"], 2);
    let refused = shop.send_text(Method::PUT, &format!("/v2/orders/{id}"), r#"{"items_shipped":1,"status":"x"}"#).await;
    assert_eq!(refused.0, 400, "{}", refused.1);
    assert!(refused.1.starts_with("[{\"status\":404,\"message\":\"The field 'status' cannot be written to."));
    let (status, text) = shop.send_text(Method::PUT, &format!("/v2/orders/{id}"), r#"{"status_id":2}"#).await;
    assert_eq!(status, 200, "{text}");
    assert_eq!(shop.send_text(Method::DELETE, &format!("/v2/orders/{id}"), "").await.0, 204);
    assert_eq!(shop.emulator.store().field("orders", id, "is_deleted").unwrap(), "true");
    assert_eq!(shop.answer(&format!("/v2/orders?min_id={id}&max_id={id}")).await.status(), 204);
}

#[tokio::test]
async fn twins_show_the_same_rows() {
    let shop = Shop::with(medium()).await;
    let product = ids(&shop.json("/v3/catalog/products?limit=1").await["data"])[0];
    let path = format!("/v3/catalog/products/{product}/metafields");
    let nested = ids(&shop.json(&path).await["data"]);
    let body = r#"{"permission_set":"read","namespace":"n","key":"k","value":"v"}"#;
    let (status, text) = shop.send_text(Method::POST, &path, body).await;
    assert_eq!(status, 200, "{text}");
    let made: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(made["data"]["resource_id"], product);
    let flat = shop.json("/v3/catalog/products/metafields?key=k&namespace=n").await;
    assert!(ids(&flat["data"]).contains(&made["data"]["id"].as_i64().unwrap()));
    assert_eq!(shop.json(&path).await["meta"]["pagination"]["total"], nested.len() + 1);
    assert_eq!(shop.answer("/v3/catalog/products/5/metafields").await.status(), 404);
    let batch = format!(
        r#"[{{"resource_id":{product},"permission_set":"read","namespace":"n","key":"k2","value":"v"}},
        {{"resource_id":5,"permission_set":"read","namespace":"n","key":"k3","value":"v"}}]"#
    );
    let (status, text) = shop.send_text(Method::POST, "/v3/catalog/products/metafields", &batch).await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &answer["meta"]["success"], &answer["meta"]["failed"]), (422, &1.into(), &1.into()), "{text}");
}

#[tokio::test]
async fn every_data_resource_can_be_read() {
    let shop = Shop::with(medium()).await;
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
    let facts: Value = serde_json::from_str(include_str!("../../../../component/bigcommerce/facts.json")).unwrap();
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
            let answer = shop.answer(&format!("{url}?{}", required.join("&"))).await;
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
    let shop = Shop::with(medium()).await;
    let before = shop.json("/v3/settings/store/profile").await;
    let (status, text) = shop.send_text(Method::PUT, "/v3/settings/store/profile", r#"{"store_name":"Shop 2"}"#).await;
    assert_eq!(status, 200, "{text}");
    let after = shop.json("/v3/settings/store/profile").await;
    assert_eq!(after["data"]["store_name"], "Shop 2");
    assert_eq!(after["data"]["store_address"], before["data"]["store_address"]);
    let channel = ids(&shop.json("/v3/channels").await["data"])[0];
    let site = format!("/v3/channels/{channel}/site");
    assert_eq!(shop.answer(&site).await.status(), 200);
    assert_eq!(shop.send_text(Method::DELETE, &site, "").await.0, 200);
    assert_eq!(shop.answer(&site).await.status(), 404);
    assert_eq!(shop.answer("/v3/channels/99999/site").await.status(), 404);
    assert_eq!(
        shop.json("/v2/orders/count").await["count"],
        shop.json("/v2/orders?limit=250").await.as_array().unwrap().len()
    );
}

#[tokio::test]
async fn rows_change_under_a_running_query() {
    let shop = Shop::with(medium()).await;
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
