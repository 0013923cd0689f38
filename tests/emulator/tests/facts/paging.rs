//! Pages, cursors, counts, and where lists end.

use bigcommerce_emulator::{Config, Empty, Sizes};
use serde_json::{Value, json};

use crate::shop::{Shop, ids, small};

/// A store in which every other object has enough records for several pages.
async fn wide() -> Shop {
    let sizes = Sizes { products: 4, orders: 4, customers: 30, others: 9, ..small() };
    Shop::with(Config { sizes, https: false, ..Config::default() }).await
}

#[tokio::test]
async fn pages_default_to_50_and_link_by_query_strings() {
    let sizes = Sizes { products: 120, ..small() };
    let shop = Shop::with(Config { sizes, https: false, ..Config::default() }).await;
    let (_, list) = shop.get("/v3/catalog/products?page=2&name:like=a").await;
    let paging = &list["meta"]["pagination"];
    assert_eq!((&paging["per_page"], &paging["current_page"]), (&json!(50), &json!(2)), "{paging}");
    assert_eq!(paging["count"], list["data"].as_array().unwrap().len());
    assert_eq!(paging["links"]["previous"], "?name:like=a&page=1&limit=50");
    assert_eq!(shop.get("/v3/catalog/products?limit=0").await.0, 422);
}

#[tokio::test]
async fn a_limit_over_the_maximum_is_refused_or_capped() {
    let shop = wide().await;
    for (path, max) in [
        ("/v3/catalog/products", 250),
        ("/v3/promotions", 250),
        ("/v3/wishlists", 250),
        ("/v3/inventory/items", 1000),
        ("/v3/inventory/locations", 1000),
        ("/v2/blog/posts", 250),
        ("/v2/gift_certificates", 250),
    ] {
        assert_eq!(shop.get(&format!("{path}?limit={max}")).await.0, 200, "{path}");
        assert_eq!(shop.get(&format!("{path}?limit={}", max + 1)).await.0, 413, "{path}");
    }
    shop.emulator.switch(|s| s.undocumented_cap = 60);
    assert_eq!((shop.get("/v3/hooks?limit=60").await.0, shop.get("/v3/hooks?limit=61").await.0), (200, 413));
    shop.emulator.switch(|s| (s.refuse_large_limit, s.undocumented_cap) = (false, 5));
    let (status, list) = shop.get("/v3/catalog/products?limit=9999").await;
    assert_eq!((status, &list["meta"]["pagination"]["per_page"]), (200, &json!(250)));
    // No maximum is documented for brands: what was granted is told by `per_page` alone.
    let (_, list) = shop.get("/v3/hooks?limit=200").await;
    assert_eq!(list["meta"]["pagination"]["per_page"], 5);
}

#[tokio::test]
async fn cursors_are_told_on_the_first_page_and_when_one_was_sent() {
    let shop = wide().await;
    let (_, first) = shop.get("/v3/customers?limit=10").await;
    let end = first["meta"]["cursor_pagination"]["end_cursor"].as_str().unwrap().to_owned();
    let (_, second) = shop.get("/v3/customers?limit=10&page=2").await;
    let cursor = &second["meta"]["cursor_pagination"];
    assert!(
        cursor["end_cursor"].is_null() && cursor["start_cursor"].is_null() && cursor["links"].is_null(),
        "{cursor}"
    );
    let (_, after) = shop.get(&format!("/v3/customers?limit=10&after={end}")).await;
    assert_eq!(after["data"], second["data"]);
    let start = after["meta"]["cursor_pagination"]["start_cursor"].as_str().unwrap();
    assert!(after["meta"]["cursor_pagination"]["end_cursor"].is_string());
    let (_, before) = shop.get(&format!("/v3/customers?limit=10&before={start}")).await;
    assert_eq!(before["data"], first["data"]);
}

#[tokio::test]
async fn beside_a_cursor_page_is_ignored_by_customers_and_forbidden_by_price_lists() {
    let shop = wide().await;
    let (_, first) = shop.get("/v3/customers?limit=10").await;
    let end = first["meta"]["cursor_pagination"]["end_cursor"].as_str().unwrap().to_owned();
    let (_, after) = shop.get(&format!("/v3/customers?limit=10&after={end}")).await;
    let (status, paged) = shop.get(&format!("/v3/customers?limit=10&page=3&after={end}")).await;
    assert_eq!((status, &paged["data"]), (200, &after["data"]));
    let (_, lists) = shop.get("/v3/pricelists?limit=2").await;
    let end = lists["meta"]["cursor_pagination"]["end_cursor"].as_str().unwrap().to_owned();
    assert_eq!(shop.get(&format!("/v3/pricelists?limit=2&after={end}")).await.0, 200);
    assert_eq!(shop.get(&format!("/v3/pricelists?limit=2&page=2&after={end}")).await.0, 422);
    assert_eq!(shop.get(&format!("/v3/pricelists?before={end}&after={end}")).await.0, 422);
}

#[tokio::test]
async fn an_empty_result_has_no_cursors_and_no_links() {
    let shop = wide().await;
    let (status, list) = shop.get("/v3/customers?id:in=999999").await;
    let cursor = list["meta"]["cursor_pagination"].as_object().unwrap();
    assert_eq!((status, list["data"].as_array().unwrap().len()), (200, 0));
    assert_eq!(cursor.keys().collect::<Vec<_>>(), ["count", "per_page"], "{cursor:?}");
}

async fn walk(shop: &Shop, path: &str, follow: impl Fn(&Value) -> Option<String>) -> Vec<u64> {
    let mut seen = Vec::new();
    let mut query = "?limit=2".to_owned();
    for _ in 0..50 {
        let (status, list) = shop.get(&format!("{path}{query}")).await;
        assert_eq!(status, 200, "{path}{query}: {list}");
        seen.extend(ids(&list["data"]));
        let Some(next) = follow(&list["meta"]["cursor_pagination"]).filter(|_| list["data"] != json!([])) else {
            break;
        };
        query = next;
    }
    seen
}

#[tokio::test]
async fn metafield_lists_go_on_by_their_links_whichever_cursor_leads_on() {
    let shop = wide().await;
    let path = "/v3/catalog/products/metafields";
    let all = ids(&shop.get(&format!("{path}?limit=250")).await.1["data"]);
    assert!(all.len() > 6, "{all:?}");
    let by_link = |cursor: &Value| cursor["links"]["next"].as_str().map(str::to_owned);
    let by = |name: &'static str| move |c: &Value| c[name].as_str().map(|c| format!("?limit=2&after={c}"));
    assert_eq!(walk(&shop, path, by_link).await, all);
    assert_eq!(walk(&shop, path, by("end_cursor")).await, all);
    shop.emulator.switch(|s| s.swapped_metafield_cursors = true);
    assert_eq!(walk(&shop, path, by_link).await, all);
    assert_eq!(walk(&shop, path, by("start_cursor")).await, all);
    assert_ne!(walk(&shop, path, by("end_cursor")).await, all, "this cursor leads back");
}

#[tokio::test]
async fn every_list_with_cursors_walks_whole_by_its_links() {
    let shop = wide().await;
    let (list, promotion) = (shop.key("pricelists"), shop.key("promotions"));
    for path in [
        "/v3/customers",
        "/v3/pricelists",
        "/v3/pricelists/assignments",
        "/v3/infrastructure/projects",
        "/v3/customers/form-field-values",
        &format!("/v3/pricelists/{list}/records"),
        &format!("/v3/promotions/{promotion}/codes"),
    ] {
        let (_, whole) = shop.get(&format!("{path}?limit=250")).await;
        let all = whole["data"].as_array().unwrap().clone();
        let (mut seen, mut query) = (Vec::new(), "?limit=2".to_owned());
        loop {
            let (_, page) = shop.get(&format!("{path}{query}")).await;
            seen.extend(page["data"].as_array().unwrap().clone());
            match page["meta"]["cursor_pagination"]["links"]["next"].as_str() {
                Some(next) => query = next.to_owned(),
                None => break,
            }
        }
        assert!(all.len() > 2, "{path}");
        assert_eq!(seen, all, "{path}");
    }
}

#[tokio::test]
async fn channel_listings_know_no_pages_and_go_on_after_an_id() {
    let shop = wide().await;
    let path = format!("/v3/channels/{}/listings", shop.key("channels"));
    let (_, all) = shop.get(&format!("{path}?limit=100")).await;
    let (_, again) = shop.get(&format!("{path}?limit=3&page=2")).await;
    let id = |list: &Value, at: usize| list["data"][at]["listing_id"].clone();
    assert_eq!(id(&again, 0), id(&all, 0), "page is ignored");
    let (_, rest) = shop.get(&format!("{path}?limit=3&after={}", id(&all, 2))).await;
    assert_eq!(id(&rest, 0), id(&all, 3));
    assert!(again["meta"]["cursor_pagination"].is_null());
    shop.emulator.clear_violations();
}

#[tokio::test]
async fn v2_lists_are_bare_and_some_know_no_pages() {
    let shop = wide().await;
    let (_, coupons) = shop.get("/v2/coupons?limit=3").await;
    assert_eq!(coupons.as_array().unwrap().len(), 3);
    let last = coupons[2]["id"].as_u64().unwrap();
    let (_, rest) = shop.get(&format!("/v2/coupons?limit=3&min_id={}", last + 1)).await;
    assert!(ids(&rest).iter().all(|id| *id > last));
    for path in ["/v2/shipping/zones", "/v2/order_statuses"] {
        let (_, all) = shop.get(path).await;
        assert_eq!(shop.get(&format!("{path}?limit=1")).await.1, all, "{path}");
    }
    shop.emulator.clear_violations();
}

#[tokio::test]
async fn totals_of_v2_come_from_counts() {
    let shop = wide().await;
    let (customer, order) = (shop.key("v2/customers"), shop.key("orders"));
    for path in [
        "/v2/customers",
        "/v2/customer_groups",
        "/v2/coupons",
        "/v2/banners",
        "/v2/orders",
        "/v2/blog/posts",
        "/v2/redirects",
        "/v2/countries",
        &format!("/v2/customers/{customer}/addresses"),
        &format!("/v2/orders/{order}/shipments"),
        &format!("/v2/countries/{}/states", shop.key("countries")),
    ] {
        let (_, list) = shop.get(path).await;
        let (status, count) = shop.get(&format!("{path}/count")).await;
        assert_eq!((status, &count["count"]), (200, &json!(list.as_array().unwrap().len())), "{path}");
    }
}

#[tokio::test]
async fn lists_without_paging_give_all_and_may_page_nevertheless() {
    let shop = wide().await;
    for path in ["/v3/tax/properties", "/v3/orders/pickups", "/v3/tax/rates"] {
        let (status, all) = shop.get(path).await;
        let all = all["data"].as_array().unwrap().len();
        assert_eq!(status, 200);
        assert!(all >= 4, "{path}: {all}");
        shop.emulator.switch(|s| s.undeclared_page_size = Some(3));
        let (_, page) = shop.get(path).await;
        let told = page["meta"]["pagination"]["total"].as_u64();
        shop.emulator.switch(|s| s.undeclared_page_size = None);
        let many = page["data"].as_array().unwrap().len();
        assert!(told.is_none() && many == all || told == Some(all as u64) && many == 3, "{path}: {page}");
    }
}

#[tokio::test]
async fn past_the_last_page_is_whatever_the_switches_say() {
    let shop = wide().await;
    for (empty, v3, v2) in [(Empty::List, 200, 200), (Empty::NoContent, 204, 204), (Empty::NotFound, 404, 404)] {
        shop.emulator.switch(|s| (s.v3_past_end, s.v2_past_end) = (empty, empty));
        let (status, list) = shop.get("/v3/catalog/products?page=99").await;
        assert_eq!(status, v3);
        assert!(v3 != 200 || list["data"] == json!([]));
        let (status, list) = shop.get("/v2/coupons?page=99").await;
        assert_eq!(status, v2);
        assert!(v2 != 200 || list == json!([]));
        assert_eq!(
            shop.get("/v3/catalog/products?id:in=999999").await.0,
            200,
            "an empty first page is no page past the end"
        );
    }
}

#[tokio::test]
async fn four_lists_may_answer_204_when_they_are_empty() {
    let shop = wide().await;
    let (order, product) = (shop.key("orders"), shop.key("products"));
    shop.emulator.switch(|s| s.v2_past_end = Empty::List);
    for (path, resource) in [
        (format!("/v2/orders/{order}/shipments"), "orders/shipments"),
        (format!("/v3/orders/{order}/transactions"), "orders/transactions"),
        (format!("/v3/catalog/products/{product}/images"), "products/images"),
        (format!("/v3/catalog/products/{product}/reviews"), "products/reviews"),
    ] {
        shop.emulator.store().clear(resource);
        assert_eq!(shop.get(&path).await.0, 200, "{path}");
        shop.emulator.switch(|s| s.empty_lists_no_content = true);
        assert_eq!(shop.get(&path).await, (204, Value::Null), "{path}");
        shop.emulator.switch(|s| s.empty_lists_no_content = false);
    }
}
