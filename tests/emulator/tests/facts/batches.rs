//! Batches: how large they may be, and what is told when only a part of one was saved.

use bigcommerce_emulator::{Config, Effect, Fault, Sizes};
use reqwest::Method;
use serde_json::{Value, json};

use crate::shop::{Shop, customer, ids, kind, product, small};

#[tokio::test]
async fn documented_maxima_are_kept() {
    let shop = Shop::open().await;
    let (list, segment, location) = (shop.key("pricelists"), shop.key("segments"), shop.key("v3:/inventory/locations"));
    let cases: Vec<(Method, String, usize)> = vec![
        (Method::POST, "/v3/customers".into(), 10),
        (Method::PUT, "/v3/customers".into(), 10),
        (Method::PUT, "/v3/customers/attribute-values".into(), 10),
        (Method::PUT, "/v3/catalog/products".into(), 10),
        (Method::PUT, "/v3/catalog/variants".into(), 50),
        (Method::PUT, "/v3/catalog/trees".into(), 50),
        (Method::POST, format!("/v3/pricelists/{list}/records"), 100),
        (Method::PUT, format!("/v3/pricelists/{list}/records"), 1000),
        (Method::POST, "/v3/pricelists/records".into(), 100),
        (Method::POST, "/v3/pricelists/assignments".into(), 25),
        (Method::PUT, "/v3/shipping/products/customs-information".into(), 50),
        (Method::POST, "/v3/orders/pickups".into(), 100),
        (Method::POST, "/v3/pickup/methods".into(), 100),
        (Method::PUT, "/v3/pickup/methods".into(), 10),
        (Method::POST, "/v3/tax/classes".into(), 50),
        (Method::PUT, "/v3/storefront/custom-template-associations".into(), 100),
        (Method::POST, format!("/v3/segments/{segment}/shopper-profiles"), 50),
    ];
    for (method, path, most) in cases {
        let texts = path.contains("shopper-profiles");
        let body = |n: usize| if texts { json!(vec!["x"; n]) } else { json!(vec![json!({}); n]) };
        let over = shop.send(method.clone(), &path, &body(most + 1)).await.status();
        assert_eq!(over, 413, "{method} {path}");
        let full = shop.send(method.clone(), &path, &body(most)).await.status();
        assert_ne!(full, 413, "{method} {path}");
    }
    for (method, path, wrapper) in [
        (Method::POST, "/v3/inventory/adjustments/relative".to_owned(), "items"),
        (Method::PUT, "/v3/inventory/adjustments/absolute".to_owned(), "items"),
        (Method::PUT, format!("/v3/inventory/locations/{location}/items"), "settings"),
    ] {
        let over = shop.send(method.clone(), &path, &json!({ wrapper: vec![json!({}); 2001] })).await.status();
        assert_eq!(over, 413, "{method} {path}");
    }
}

#[tokio::test]
async fn where_one_record_is_taken_a_list_is_refused() {
    let shop = Shop::open().await;
    for path in ["/v3/catalog/products", "/v3/catalog/brands", "/v3/promotions", "/v3/hooks", "/v3/channels"] {
        assert_eq!(shop.post(path, &json!([{ "name": "x" }])).await.0, 422, "{path}");
    }
    assert_eq!(shop.post("/v2/coupons", &json!([{}])).await.0, 400);
    for path in ["/v3/customers", "/v3/segments", "/v3/tax/zones", "/v3/inventory/locations"] {
        assert_eq!(shop.post(path, &json!({ "name": "x" })).await.0, 422, "{path}");
    }
}

#[tokio::test]
async fn pages_take_an_object_or_an_array_and_save_the_valid_ones_of_a_refused_array() {
    let shop = Shop::open().await;
    let page = |name: &str| json!({ "name": name, "type": "page", "body": "x", "channel_id": 1 });
    let (status, one) = shop.post("/v3/content/pages", &page("One")).await;
    assert_eq!((status, &one["data"]["name"]), (201, &json!("One")), "{one}");
    let before = shop.count("v3:/content/pages");
    let batch = json!([page("Two"), { "type": "page" }, page("Three")]);
    let answer = shop.send(Method::POST, "/v3/content/pages", &batch).await;
    assert_eq!((answer.status().as_u16(), kind(&answer).as_str()), (422, "application/problem+json"));
    let told: Value = answer.json().await.unwrap();
    assert!(told["data"].is_null(), "{told}");
    assert_eq!(shop.count("v3:/content/pages"), before + 2);
    assert!(shop.emulator.journal().entries().last().unwrap().acted);
}

#[tokio::test]
async fn product_and_category_batches_answer_207() {
    let shop = Shop::open().await;
    let id = shop.first("products")["id"].clone();
    let (status, told) =
        shop.put("/v3/catalog/products", &json!([{ "id": id, "price": 3 }, { "id": 999_999, "price": 3 }])).await;
    assert_eq!((status, ids(&told["data"])), (207, vec![id.as_u64().unwrap()]), "{told}");
    assert!(told["errors"]["errors"]["1.id"].is_string() && told["errors"]["status"].is_number(), "{told}");
    let tree = shop.first("trees")["id"].clone();
    let category = json!({ "name": "Made", "tree_id": tree });
    let (status, told) = shop.post("/v3/catalog/trees/categories", &json!([category, { "tree_id": tree }])).await;
    assert_eq!(status, 207, "{told}");
    assert_eq!((told["data"].as_array().unwrap().len(), &told["meta"]["failed"]), (1, &json!(1)));
    let known = shop.first("trees/categories")["category_id"].clone();
    let change = json!([{ "category_id": known, "name": "Changed" }, { "category_id": 999_999, "name": "None" }]);
    let (status, told) = shop.put("/v3/catalog/trees/categories", &change).await;
    assert_eq!((status, &told["meta"]["success"]), (207, &json!(1)), "{told}");
    assert!(told.get("data").is_none(), "no records come back: {told}");
    let (status, told) = shop.put("/v3/catalog/products", &json!([{ "id": 999_999, "price": 3 }])).await;
    assert!(status >= 400, "nothing was saved: {told}");
}

#[tokio::test]
async fn a_single_record_can_be_saved_in_part() {
    let shop = Shop::open().await;
    let id = shop.key("products");
    let cases = [
        (Method::POST, "/v3/catalog/products".to_owned(), product("Part"), true),
        (Method::PUT, format!("/v3/catalog/products/{id}"), json!({ "price": 3 }), false),
        (Method::POST, "/v3/catalog/brands".to_owned(), json!({ "name": "Part" }), true),
    ];
    for (method, path, body, listed) in cases {
        shop.emulator.fault(Fault::on(method.as_str(), &path, Effect::InPart));
        let answer = shop.send(method.clone(), &path, &body).await;
        assert_eq!(answer.status(), 207, "{method} {path}");
        let told: Value = answer.json().await.unwrap();
        assert_eq!(told["data"].is_array(), listed, "{method} {path}: {told}");
        assert!(told["errors"]["errors"].is_object() && told["meta"].is_object(), "{told}");
    }
    let group = json!({ "name": "Part", "discount_rules": [{ "type": "all", "method": "percent", "amount": "5" }] });
    shop.emulator.fault(Fault::on("POST", "/v2/customer_groups", Effect::InPart));
    let before = shop.count("customer_groups");
    let (status, told) = shop.post("/v2/customer_groups", &group).await;
    assert_eq!((status, &told["status"]), (207, &json!(207)), "{told}");
    assert!(told["message"].is_string() && told.get("id").is_none());
    assert_eq!(shop.count("customer_groups"), before + 1, "the group was saved");
    for path in ["/v2/blog/posts", "/v2/pages"] {
        let route = format!("{path}/{}", shop.key(path));
        shop.emulator.fault(Fault::on("PUT", &route, Effect::InPart));
        assert_eq!(shop.put(&route, &json!({ "title": "x", "name": "x" })).await.0, 207, "{path}");
    }
}

#[tokio::test]
async fn metafield_batches_tell_partial_success_as_422() {
    let shop = Shop::open().await;
    let id = shop.first("products")["id"].clone();
    let field = |resource: &Value, key: &str| json!({ "resource_id": resource, "permission_set": "read", "namespace": "n", "key": key, "value": "v" });
    let batch = json!([field(&id, "a"), field(&json!(999_999), "b"), field(&id, "c")]);
    let (status, told) = shop.post("/v3/catalog/products/metafields", &batch).await;
    assert_eq!(status, 422, "{told}");
    assert_eq!(told["meta"], json!({ "total": 3, "success": 2, "failed": 1 }));
    let saved: Vec<&Value> = told["data"].as_array().unwrap().iter().map(|m| &m["key"]).collect();
    assert_eq!(saved, [&json!("a"), &json!("c")]);
    assert!(told["errors"][0]["errors"]["1.resource_id"].is_string(), "{told}");
    let (status, whole) = shop.post("/v3/catalog/products/metafields", &json!([field(&id, "d")])).await;
    assert_eq!((status, &whole["meta"]["failed"]), (200, &json!(0)));
}

#[tokio::test]
async fn segments_and_their_profiles_tell_partial_success_as_409() {
    let shop = Shop::open().await;
    let segment = shop.key("segments");
    let path = format!("/v3/segments/{segment}/shopper-profiles");
    let (_, list) = shop.get(&path).await;
    let known = list["data"][0]["id"].clone();
    let fresh = "11111111-2222-4333-8444-555555555555";
    let (status, told) = shop.post(&path, &json!([known, fresh])).await;
    assert_eq!((status, &told["meta"]["success"]), (409, &json!(1)), "{told}");
    assert!(told["errors"][0]["errors"]["0"].is_string(), "{told}");
}

#[tokio::test]
async fn price_record_batches_tell_nothing_of_their_records() {
    let shop = Shop::open().await;
    let list = shop.key("pricelists");
    let path = format!("/v3/pricelists/{list}/records");
    let variant = shop.first("products/variants")["id"].clone();
    let record = |currency: &str, price: Value| json!({ "variant_id": variant, "currency": currency, "price": price });
    let (status, told) = shop.put(&path, &json!([record("cad", json!(5)), record("aud", json!(6))])).await;
    assert_eq!((status, &told), (200, &json!({ "data": {}, "meta": {} })));
    let (status, told) = shop.post(&path, &json!([record("cad", json!(7))])).await;
    assert_eq!(status, 422, "a record that exists is not created: {told}");
    let mixed = json!([record("chf", json!(5)), record("sek", json!("cheap"))]);
    let before = shop.count("pricelists/records");
    assert_eq!(shop.put(&path, &mixed).await.0, 422);
    assert_eq!(shop.count("pricelists/records"), before);
    shop.emulator.switch(|s| s.refused_batches_save_the_rest = true);
    let (status, told) = shop.put(&path, &mixed).await;
    assert_eq!((status, &told["batch_errors"][0]["data"]["currency"]), (422, &json!("sek")), "{told}");
    assert_eq!(told["batch_errors"].as_array().unwrap().len(), 1);
    assert_eq!(shop.count("pricelists/records"), before + 1, "the other one was saved");
}

#[tokio::test]
async fn locations_may_save_the_rest_of_a_refused_batch() {
    let shop = Shop::open().await;
    let known = shop.first("v3:/inventory/locations");
    let batch = json!([{ "id": known["id"], "label": "Changed" }, { "id": 999_999, "label": "None" }]);
    assert!(shop.put("/v3/inventory/locations", &batch).await.0 >= 400);
    assert_eq!(shop.first("v3:/inventory/locations")["label"], known["label"]);
    shop.emulator.switch(|s| s.refused_batches_save_the_rest = true);
    let (status, told) = shop.put("/v3/inventory/locations", &batch).await;
    assert_eq!((status, told.get("data")), (422, None), "{told}");
    assert_eq!(shop.first("v3:/inventory/locations")["label"], "Changed");
}

#[tokio::test]
async fn an_equal_address_is_absent_from_the_answer() {
    let shop = Shop::open().await;
    let id = shop.first("customers")["id"].clone();
    let address = |street: &str| {
        json!({ "customer_id": id, "first_name": "A", "last_name": "B", "address1": street, "city": "X",
            "state_or_province": "Texas", "postal_code": "1", "country_code": "US" })
    };
    let (status, made) = shop.post("/v3/customers/addresses", &json!([address("1 St"), address("2 St")])).await;
    assert_eq!((status, made["data"].as_array().unwrap().len()), (200, 2));
    let (status, told) = shop.post("/v3/customers/addresses", &json!([address("1 St"), address("3 St")])).await;
    assert_eq!((status, told["data"].as_array().unwrap().len()), (200, 1), "{told}");
    assert_eq!(told["data"][0]["address1"], "3 St");
    let change = json!([{ "id": made["data"][0]["id"], "address1": "2 St" }]);
    let (status, told) = shop.put("/v3/customers/addresses", &change).await;
    assert_eq!((status, &told["data"]), (200, &json!([])), "it would equal the other one");
}

#[tokio::test]
async fn customers_are_saved_all_or_none() {
    let shop = Shop::open().await;
    let before = shop.count("customers");
    let mut bad = customer(2);
    bad["email"] = shop.first("customers")["email"].clone();
    assert_eq!(shop.post("/v3/customers", &json!([customer(1), bad, customer(3)])).await.0, 422);
    assert_eq!(shop.count("customers"), before);
}

#[tokio::test]
async fn adjustments_change_stock_and_answer_a_transaction() {
    let shop = Shop::open().await;
    let item = shop.first("v3:/inventory/items");
    let Some(location) = item["locations"].get(0) else { panic!("no stock: {item}") };
    let change = |quantity: i64| {
        let (variant, at) = (&item["identity"]["variant_id"], &location["location_id"]);
        json!({ "reason": "count", "items": [{ "location_id": at, "variant_id": variant, "quantity": quantity }] })
    };
    let stock = |shop: &Shop| {
        let item = shop.first("v3:/inventory/items");
        item["locations"][0]["total_inventory_onhand"].as_i64().unwrap()
    };
    let (status, told) = shop.put("/v3/inventory/adjustments/absolute", &change(40)).await;
    assert_eq!((status, stock(&shop)), (200, 40), "{told}");
    assert!(told["transaction_id"].is_string());
    shop.post("/v3/inventory/adjustments/relative", &change(-15)).await;
    assert_eq!(stock(&shop), 25);
    let (status, error) = shop.post("/v3/inventory/adjustments/relative", &change(-26)).await;
    assert_eq!((status, stock(&shop)), (422, 25), "{error}");
}

#[tokio::test]
async fn codes_are_generated_up_to_250_at_once() {
    let shop = Shop::open().await;
    let path = format!("/v3/promotions/{}/codegen", shop.key("promotions"));
    let before = shop.count("promotions/codes");
    let (status, told) = shop.post(&path, &json!({ "batch_size": 7 })).await;
    assert_eq!((status, told["data"]["codes"].as_array().unwrap().len()), (201, 7), "{told}");
    assert_eq!(shop.count("promotions/codes"), before + 7);
    assert_eq!(shop.post(&path, &json!({ "batch_size": 251 })).await.0, 422);
}

#[tokio::test]
async fn carts_and_checkouts_are_guarded_by_their_version() {
    let shop = Shop::with(Config { sizes: Sizes { products: 5, ..small() }, https: false, ..Config::default() }).await;
    let cart = shop.first("v3:/carts");
    let id = cart["id"].as_str().unwrap();
    let path = format!("/v3/carts/{id}");
    let (status, told) = shop.put(&path, &json!({ "customer_id": 1, "version": 7 })).await;
    assert_eq!(status, 409, "{told}");
    let (status, told) = shop.put(&path, &json!({ "customer_id": 1, "version": 1 })).await;
    assert_eq!((status, &told["data"]["version"]), (201, &json!(2)), "{told}");
    let (status, told) = shop.put(&path, &json!({ "customer_id": 2 })).await;
    assert_eq!((status, &told["data"]["version"]), (201, &json!(3)), "who names no version is not checked: {told}");
    let (_, checkout) = shop.get(&format!("/v3/checkouts/{id}")).await;
    assert_eq!(checkout["data"]["version"], 3, "a checkout is its cart");
    let body = json!({ "customer_message": "x", "version": 2 });
    assert_eq!(shop.put(&format!("/v3/checkouts/{id}"), &body).await.0, 409);
    let product = shop.first("products")["id"].clone();
    let body = json!({ "line_items": [{ "product_id": product, "quantity": 2 }], "version": 3 });
    let (status, told) = shop.post(&format!("{path}/items"), &body).await;
    assert_eq!((status, &told["data"]["version"]), (201, &json!(4)), "{told}");
    let item = told["data"]["line_items"]["physical_items"][0]["id"].as_str().unwrap();
    assert_eq!(shop.delete_with(&format!("{path}/items/{item}"), &json!({ "version": 3 })).await.0, 409);
    assert_eq!(shop.delete_with(&format!("{path}/items/{item}"), &json!({ "version": 4 })).await.0, 200);
}
