//! Sub-objects: the ways to reach them, and the variant that every product has.

use serde_json::{Value, json};

use crate::shop::{Shop, ids, product};

#[tokio::test]
async fn some_are_reached_by_their_parents_path_alone() {
    let shop = Shop::open().await;
    let product = shop.key("products");
    assert!(!ids(&shop.get(&format!("/v3/catalog/products/{product}/images")).await.1["data"]).is_empty());
    assert_eq!(shop.get("/v3/catalog/products/999999/images").await.0, 404);
    assert_eq!(shop.get("/v3/catalog/products/images").await.0, 404, "there is no list of all images");
}

#[tokio::test]
async fn some_lie_flat_and_name_their_parent() {
    let shop = Shop::open().await;
    let flat = [
        ("/v3/customers/addresses", "customer_id"),
        ("/v3/customers/attribute-values", "customer_id"),
        ("/v3/catalog/products/channel-assignments", "product_id"),
        ("/v3/catalog/products/category-assignments", "product_id"),
    ];
    for (path, parent) in flat {
        let (_, all) = shop.get(&format!("{path}?limit=250")).await;
        let first = all["data"][0][parent].clone();
        let (_, own) = shop.get(&format!("{path}?{parent}:in={first}")).await;
        let own = own["data"].as_array().unwrap();
        assert!(!own.is_empty() && own.iter().all(|r| r[parent] == first), "{path}");
    }
    let (_, pickups) = shop.get("/v3/orders/pickups").await;
    let order = pickups["data"][0]["order_id"].clone();
    let (_, own) = shop.get(&format!("/v3/orders/pickups?order_id:in={order}")).await;
    assert!(own["data"].as_array().unwrap().iter().all(|r| r["order_id"] == order));
}

#[tokio::test]
async fn some_are_reached_both_ways_and_show_the_same() {
    let shop = Shop::open().await;
    let product = shop.first("products")["id"].clone();
    let (_, nested) = shop.get(&format!("/v3/catalog/products/{product}/metafields?limit=250")).await;
    let (_, flat) = shop.get("/v3/catalog/products/metafields?limit=250").await;
    let own: Vec<&Value> = flat["data"].as_array().unwrap().iter().filter(|m| m["resource_id"] == product).collect();
    assert!(!own.is_empty());
    assert_eq!(own, nested["data"].as_array().unwrap().iter().collect::<Vec<_>>());
    let list = shop.key("pricelists");
    let (_, nested) = shop.get(&format!("/v3/pricelists/{list}/records?limit=250")).await;
    assert!(nested["data"].as_array().unwrap().iter().all(|r| r["price_list_id"].as_u64() == list.parse().ok()));
}

#[tokio::test]
async fn every_product_has_a_variant() {
    let shop = Shop::open().await;
    let (status, made) = shop.post("/v3/catalog/products", &product("Plain")).await;
    assert_eq!(status, 200, "{made}");
    let id = made["data"]["id"].clone();
    let (_, variants) = shop.get(&format!("/v3/catalog/products/{id}/variants")).await;
    assert_eq!(ids(&variants["data"]), [made["data"]["base_variant_id"].as_u64().unwrap()], "{variants}");
    let mut with = product("With variants");
    with["variants"] = json!([{ "sku": "V-1", "option_values": [] }, { "sku": "V-2", "option_values": [] }]);
    let (status, made) = shop.post("/v3/catalog/products", &with).await;
    assert_eq!(status, 200, "{made}");
    assert!(made["data"].get("variants").is_none(), "they come only if they are asked for");
    let (_, variants) = shop.get(&format!("/v3/catalog/products/{}/variants", made["data"]["id"])).await;
    let skus: Vec<&Value> = variants["data"].as_array().unwrap().iter().map(|v| &v["sku"]).collect();
    assert_eq!(skus, [&json!("V-1"), &json!("V-2")]);
}
