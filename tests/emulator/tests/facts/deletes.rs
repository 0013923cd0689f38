//! Deletes: the traps that wipe, the requests that are refused, and what goes along with a record.

use bigcommerce_emulator::Key;
use reqwest::Method;
use serde_json::{Value, json};

use crate::shop::{Shop, ids, medium, product};

/// A DELETE without a filter, the resource, and how many records it leaves.
#[tokio::test]
async fn bare_deletes_wipe_and_are_counted() {
    let shop = Shop::open().await;
    let order = shop.key("orders");
    let customer = shop.key("v2/customers");
    let traps = [
        ("/v3/customers/subscribers".to_owned(), "customers/subscribers"),
        ("/v2/banners".to_owned(), "banners"),
        ("/v2/gift_certificates".to_owned(), "gift_certificates"),
        ("/v2/redirects".to_owned(), "v2/redirects"),
        ("/v2/blog/posts".to_owned(), "/v2/blog/posts"),
        (format!("/v2/customers/{customer}/addresses"), ""),
        (format!("/v2/orders/{order}/shipments"), ""),
        ("/v2/customers".to_owned(), "v2/customers"),
    ];
    for (wiped, (path, resource)) in traps.iter().enumerate() {
        let (_, before) = shop.get(path).await;
        assert!(before["data"].as_array().or(before.as_array()).is_some_and(|l| !l.is_empty()), "{path}: {before}");
        assert_eq!(shop.delete(path).await.0, 204, "{path}");
        assert_eq!(shop.emulator.store().wipes(), wiped as u64 + 1, "{path}");
        assert!(resource.is_empty() || shop.count(resource) == 0, "{path}");
        let (status, after) = shop.get(path).await;
        assert!(status == 204 || after["data"] == json!([]), "{path}: {after}");
    }
}

#[tokio::test]
async fn a_bare_delete_of_v2_customers_takes_a_hundred_a_call() {
    let shop = Shop::with(medium()).await;
    let before = shop.count("customers");
    assert_eq!(shop.delete("/v2/customers").await.0, 204);
    assert_eq!(shop.count("customers"), before - 100);
}

#[tokio::test]
async fn the_default_currency_survives() {
    let shop = Shop::open().await;
    let mut main = shop.first("currencies");
    main["is_default"] = json!(true);
    shop.emulator.store().insert("currencies", &main.to_string()).unwrap();
    assert!(shop.count("currencies") > 1);
    assert_eq!(shop.delete("/v2/currencies").await.0, 204);
    let left = shop.emulator.store().texts("currencies");
    assert!(left.iter().all(|text| text.contains("\"is_default\":true")), "{left:?}");
    assert_eq!(shop.emulator.store().wipes(), 1);
}

#[tokio::test]
async fn a_bare_delete_of_orders_archives_all_of_them() {
    let shop = Shop::open().await;
    let before = shop.count("orders");
    assert_eq!(shop.delete("/v2/orders").await.0, 204);
    assert_eq!(shop.count("orders"), before);
    assert!(shop.emulator.store().texts("orders").iter().all(|o| o.contains("\"is_deleted\":true")));
    assert_eq!(shop.emulator.store().wipes(), 1);
}

#[tokio::test]
async fn where_the_documents_leave_it_open_a_bare_delete_wipes_or_is_refused() {
    let segment = |shop: &Shop| shop.key("segments");
    let list = |shop: &Shop| shop.key("pricelists");
    for wipes in [true, false] {
        let shop = Shop::open().await;
        shop.emulator.switch(|s| s.optional_filter_deletes_all = wipes);
        let paths = [
            "/v2/coupons".to_owned(),
            format!("/v3/pricelists/{}/records", list(&shop)),
            "/v3/pricelists".to_owned(),
            format!("/v3/segments/{}/shopper-profiles", segment(&shop)),
            "/v3/segments".to_owned(),
            "/v3/shopper-profiles".to_owned(),
            "/v3/tax/customers".to_owned(),
        ];
        for path in &paths {
            let status = shop.delete(path).await.0;
            assert_eq!(status < 300, wipes, "{path}: {status}");
        }
        let categories = shop.delete("/v3/catalog/trees/categories").await.0;
        assert!(if wipes { categories == 202 } else { categories == 422 }, "{categories}");
        assert_eq!(shop.emulator.store().wipes(), if wipes { paths.len() as u64 + 1 } else { 0 });
    }
}

#[tokio::test]
async fn other_bare_deletes_do_nothing_or_are_refused() {
    let shop = Shop::open().await;
    let before = shop.count("customers");
    assert_eq!(shop.delete("/v3/customers").await.0, 204);
    assert_eq!(shop.count("customers"), before);
    assert_eq!(shop.delete("/v3/catalog/categories").await.0, 422);
    assert_eq!(shop.delete("/v3/promotions").await.0, 422);
    assert_eq!(shop.delete("/v3/tax/classes").await.0, 404);
    for path in [
        "/v3/catalog/products",
        "/v3/catalog/brands",
        "/v3/catalog/trees",
        "/v3/customers/addresses",
        "/v3/customers/attributes",
        "/v3/customers/attribute-values",
        "/v3/content/pages",
        "/v3/storefront/redirects",
        "/v3/inventory/locations",
        "/v3/tax/zones",
        "/v3/tax/rates",
        "/v3/orders/pickups",
        "/v3/pricelists/assignments",
        "/v3/catalog/products/channel-assignments",
    ] {
        assert_eq!(shop.delete(path).await.0, 422, "{path}");
        assert_eq!(shop.delete(&format!("{path}?id:in=")).await.0, 422, "{path}");
    }
    assert_eq!(shop.emulator.store().wipes(), 0);
    shop.emulator.clear_violations();
}

/// What the documents do not say is taken for the worst: blanks and commas name nothing.
#[tokio::test]
async fn a_filter_without_a_value_is_no_filter() {
    for value in ["", "%20", ",", "%20,%20", "+", ",,,"] {
        let shop = Shop::open().await;
        let before = shop.count("customers/subscribers");
        assert!(before > 0);
        assert_eq!(shop.delete(&format!("/v3/customers/subscribers?id:in={value}")).await.0, 204, "{value}");
        assert_eq!((shop.count("customers/subscribers"), shop.emulator.store().wipes()), (0, 1), "{value}");
        assert_eq!(shop.delete(&format!("/v3/catalog/products?id:in={value}")).await.0, 422, "{value}");
    }
}

#[tokio::test]
async fn of_metafields_named_together_those_that_exist_are_deleted_and_the_others_told() {
    let shop = Shop::open().await;
    let path = "/v3/catalog/products/metafields";
    let before = shop.count("products/metafields");
    let some = ids(&shop.get(&format!("{path}?limit=2")).await.1["data"]);
    let (status, told) = shop.delete_with(path, &json!([some[0], 99_999_999, some[1]])).await;
    assert_eq!((status, &told["data"]), (422, &json!(some)), "{told}");
    assert_eq!(told["meta"], json!({ "total": 3, "success": 2, "failed": 1 }));
    assert_eq!(told["errors"].as_array().map(Vec::len), Some(1));
    assert!(told["errors"][0]["errors"]["1.id"].as_str().unwrap().contains("99999999"), "{told}");
    assert_eq!(shop.count("products/metafields"), before - 2);
    let journal = shop.emulator.journal();
    assert!(journal.find("DELETE", path)[0].acted, "a part was carried out");
    shop.delete_with(path, &json!([99_999_999])).await;
    assert!(!journal.find("DELETE", path)[1].acted, "nothing was");
}

#[tokio::test]
async fn at_most_250_products_are_deleted_at_once() {
    let shop = Shop::open().await;
    let many: Vec<String> = (0..251).map(|n| (800_000 + n).to_string()).collect();
    assert_eq!(shop.delete(&format!("/v3/catalog/products?id:in={}", many.join(","))).await.0, 413);
    assert_eq!(shop.delete(&format!("/v3/catalog/products?id:in={}", many[1..].join(","))).await.0, 204);
}

#[tokio::test]
async fn brands_are_deleted_by_name() {
    let shop = Shop::open().await;
    let before = shop.count("brands");
    let name = shop.first("brands")["name"].as_str().unwrap().replace('&', "%26").replace(' ', "%20");
    assert_eq!(shop.delete(&format!("/v3/catalog/brands?name={name}")).await.0, 204);
    assert_eq!(shop.count("brands"), before - 1);
    let id = shop.key("brands");
    assert_eq!(shop.delete(&format!("/v3/catalog/brands?id:in={id}")).await.0, 422, "ids are no filter here");
    assert_eq!(shop.count("brands"), before - 1);
    shop.emulator.clear_violations();
}

#[tokio::test]
async fn some_deletes_name_their_records_in_a_body() {
    let shop = Shop::open().await;
    let path = "/v3/catalog/products/metafields";
    let some = ids(&shop.get(&format!("{path}?limit=2")).await.1["data"]);
    let (status, told) = shop.delete_with(path, &json!(some)).await;
    assert_eq!((status, &told["meta"]["success"]), (200, &json!(2)), "{told}");
    assert_eq!(shop.delete_with(path, &json!([])).await.0, 422);
    let cart = shop.key("v3:/carts");
    let path = format!("/v3/checkouts/{cart}/fees");
    let fee = json!({ "type": "custom_fee", "name": "Fee", "display_name": "Fee", "cost": 1, "source": "AA" });
    let before = shop.count("checkouts/fees");
    shop.post(&path, &json!({ "fees": [fee] })).await;
    assert_eq!(shop.count("checkouts/fees"), before + 1);
    let keys = shop.emulator.store().keys("checkouts/fees");
    let last = keys
        .iter()
        .map(Key::to_json)
        .find(|k| shop.emulator.store().get("checkouts/fees", k.trim_matches('"')).is_some_and(|t| t.contains("AA")));
    let id: Value = serde_json::from_str(&last.unwrap_or_else(|| keys[0].to_json())).unwrap();
    let (status, told) = shop.delete_with(&path, &json!({ "ids": [id] })).await;
    assert!(status == 200 || status == 422, "{status} {told}");
    assert_eq!(shop.delete_with(&path, &json!({ "ids": [] })).await.0, 422);
    let connection = shop.first("v2:/shipping/carrier/connection");
    let body = json!({ "carrier_id": connection["carrier_id"] });
    assert_eq!(shop.delete_with("/v2/shipping/carrier/connection", &body).await.0, 204);
    assert_eq!(shop.delete_with("/v2/shipping/carrier/connection", &json!({})).await.0, 400);
    assert_eq!(shop.emulator.store().wipes(), 0);
}

#[tokio::test]
async fn orders_are_archived_and_come_back() {
    let shop = Shop::open().await;
    let id = shop.get("/v2/orders?limit=1").await.1[0]["id"].to_string();
    let path = format!("/v2/orders/{id}");
    let listed = async || ids(&shop.get("/v2/orders?limit=250").await.1).contains(&id.parse::<u64>().unwrap());
    assert!(listed().await);
    assert_eq!(shop.delete(&path).await.0, 204);
    let (status, order) = shop.get(&path).await;
    assert_eq!((status, &order["is_deleted"]), (200, &json!(true)));
    assert!(!listed().await);
    shop.emulator.switch(|s| s.list_archived_orders = true);
    assert!(listed().await);
    shop.emulator.switch(|s| s.list_archived_orders = false);
    assert_eq!(shop.put(&path, &json!({ "is_deleted": false })).await.0, 200);
    assert!(listed().await);
    assert_eq!(shop.put(&path, &json!({ "is_deleted": true })).await.0, 200);
    assert!(!listed().await);
}

#[tokio::test]
async fn lines_of_an_order_go_by_quantity_0_and_its_fees_are_replaced() {
    let shop = Shop::open().await;
    let id = shop.key("orders");
    let path = format!("/v2/orders/{id}");
    let lines = async || shop.get(&format!("{path}/products")).await.1;
    let before = lines().await;
    let product = shop.first("products")["id"].clone();
    let more = json!({ "products": [{ "product_id": product, "quantity": 2, "price_ex_tax": 5, "price_inc_tax": 6 }] });
    assert_eq!(shop.put(&path, &more).await.0, 200);
    assert_eq!(lines().await.as_array().unwrap().len(), before.as_array().unwrap().len() + 1, "products are merged");
    let gone = json!({ "products": [{ "id": before[0]["id"], "quantity": 0 }] });
    assert_eq!(shop.put(&path, &gone).await.0, 200);
    assert!(!ids(&lines().await).contains(&before[0]["id"].as_u64().unwrap()));
    let fees =
        |name: &str| json!({ "fees": [{ "type": "custom_fee", "display_name_customer": name, "base_cost": "1.00" }] });
    for name in ["One", "Two"] {
        assert_eq!(shop.put(&path, &fees(name)).await.0, 200);
        let (_, order) = shop.get(&format!("{path}?include=fees")).await;
        assert_eq!(order["fees"].as_array().unwrap().len(), 1, "{order}");
        assert_eq!(order["fees"][0]["display_name_customer"], name);
    }
    shop.emulator.clear_violations();
}

#[tokio::test]
async fn channels_have_no_delete_and_take_no_updates_when_they_are_deleted() {
    let shop = Shop::open().await;
    let path = format!("/v3/channels/{}", shop.key("channels"));
    assert_eq!(shop.delete(&path).await.0, 405);
    assert_eq!(shop.delete("/v3/channels").await.0, 405);
    assert_eq!(shop.put(&path, &json!({ "status": "deleted" })).await.0, 200);
    let (status, error) = shop.put(&path, &json!({ "status": "active" })).await;
    assert_eq!(status, 422, "{error}");
    shop.emulator.clear_violations();
}

#[tokio::test]
async fn a_cart_goes_with_its_last_item() {
    let shop = Shop::open().await;
    let product = shop.first("products")["id"].clone();
    let items = json!([{ "product_id": product, "quantity": 1 }, { "product_id": product, "quantity": 2 }]);
    let (status, made) = shop.post("/v3/carts", &json!({ "line_items": items })).await;
    assert_eq!(status, 201, "{made}");
    let id = made["data"]["id"].as_str().unwrap();
    let items = made["data"]["line_items"]["physical_items"].as_array().unwrap();
    let path = format!("/v3/carts/{id}/items/{}", items[0]["id"].as_str().unwrap());
    let (status, left) = shop.delete(&path).await;
    assert_eq!((status, left["data"]["line_items"]["physical_items"].as_array().unwrap().len()), (200, 1), "{left}");
    let path = format!("/v3/carts/{id}/items/{}", items[1]["id"].as_str().unwrap());
    assert_eq!(shop.delete(&path).await.0, 204);
    assert_eq!(shop.get(&format!("/v3/carts/{id}")).await.0, 404);
}

#[tokio::test]
async fn what_belongs_to_a_record_goes_with_it() {
    let shop = Shop::open().await;
    let list = shop.key("pricelists");
    let records = async || shop.get(&format!("/v3/pricelists/{list}/records")).await.0;
    assert_eq!(records().await, 200);
    assert_eq!(shop.delete(&format!("/v3/pricelists/{list}")).await.0, 204);
    assert_eq!(records().await, 404);
    let location = shop.key("v3:/inventory/locations");
    let stocked = |shop: &Shop| {
        let texts = shop.emulator.store().texts("v3:/inventory/items");
        texts.iter().any(|text| text.contains(&format!("\"location_id\":{location},")))
    };
    let had = stocked(&shop);
    assert_eq!(shop.delete(&format!("/v3/inventory/locations?location_id:in={location}")).await.0, 200);
    assert!(had && !stocked(&shop));
    let (zone, mut rate) = (shop.first("tax_zones")["id"].clone(), shop.first("tax_rates"));
    rate["tax_zone_id"] = zone.clone();
    shop.emulator.store().insert("tax_rates", &rate.to_string()).unwrap();
    assert_eq!(shop.delete(&format!("/v3/tax/zones?id:in={zone}")).await.0, 204);
    let rates = shop.emulator.store().texts("tax_rates");
    assert!(
        rates.iter().all(|r| serde_json::from_str::<Value>(r).unwrap()["tax_zone_id"] != zone),
        "{zone}: {rates:?}"
    );
    let order = shop.key("orders");
    let status = shop.first("orders")["status_id"].clone();
    let (_, shipments) = shop.get(&format!("/v2/orders/{order}/shipments")).await;
    let shipment = shipments[0]["id"].clone();
    assert_eq!(shop.delete(&format!("/v2/orders/{order}/shipments/{shipment}")).await.0, 204);
    assert_eq!(shop.first("orders")["status_id"], status, "an order keeps its status");
    let hook = shop.first("v3:/hooks");
    let (code, told) = shop.delete(&format!("/v3/hooks/{}", hook["id"])).await;
    assert_eq!((code, &told["data"]["id"]), (200, &hook["id"]), "a deleted webhook comes back once more");
}

#[tokio::test]
async fn what_is_in_use_stays() {
    let shop = Shop::open().await;
    let category = shop.first("v3:/catalog/categories")["id"].clone();
    let mut body = product("In it");
    body["categories"] = json!([category]);
    assert_eq!(shop.post("/v3/catalog/products", &body).await.0, 200);
    assert_eq!(shop.delete(&format!("/v3/catalog/categories/{category}")).await.0, 422);
    let with_codes = shop.key("promotions");
    let (status, fresh) = shop
        .post(
            "/v3/promotions",
            &json!({ "name": "Fresh", "rules": [{ "action": {} }], "redemption_type": "AUTOMATIC" }),
        )
        .await;
    assert!(status < 300, "{fresh}");
    let fresh = fresh["data"]["id"].clone();
    shop.emulator.clear_violations();
    let (status, told) = shop.delete(&format!("/v3/promotions?id:in={with_codes},{fresh}")).await;
    assert_eq!(status, 422, "{told}");
    assert_eq!(told["errors"][0]["title"], "Errors occurred in bulk delete action.");
    assert_eq!(told["meta"], json!({ "total": 2, "success": 1, "failed": 1 }));
    assert!(told["errors"][0]["errors"]["0.code"].as_str().unwrap().contains(&format!("id={with_codes}")), "{told}");
    assert_eq!(shop.get(&format!("/v3/promotions/{fresh}")).await.0, 404, "the other one is gone");
}

#[tokio::test]
async fn of_named_pages_that_are_gone_the_others_are_deleted_and_of_tax_classes_none() {
    let shop = Shop::open().await;
    let page = shop.key("v3:/content/pages");
    assert_eq!(shop.delete(&format!("/v3/content/pages?id:in={page},999999")).await.0, 404);
    assert_eq!(shop.get(&format!("/v3/content/pages/{page}")).await.0, 404);
    let before = shop.count("v3:/tax/classes");
    let class = shop.key("v3:/tax/classes");
    assert_eq!(shop.delete(&format!("/v3/tax/classes?id:in={class},999999")).await.0, 400);
    assert_eq!(shop.count("v3:/tax/classes"), before);
}

#[tokio::test]
async fn a_record_that_is_gone_is_404_or_204() {
    let shop = Shop::open().await;
    let answer =
        async || shop.request(Method::DELETE, "/v3/catalog/brands/999999").send().await.unwrap().status().as_u16();
    assert_eq!(answer().await, 404);
    shop.emulator.switch(|s| s.delete_missing_is_404 = false);
    assert!(matches!(answer().await, 204 | 404));
    assert_eq!(shop.delete("/v3/catalog/products?id:in=999999").await.0, 204);
}
