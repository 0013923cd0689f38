//! Conditions, orders, includes and the choice of fields.

use bigcommerce_emulator::{Config, Like, Sizes};
use serde_json::json;

use crate::shop::{Shop, ids, small};

#[tokio::test]
async fn v3_operators_stand_behind_a_colon() {
    let shop = Shop::open().await;
    let all = ids(&shop.get("/v3/catalog/products?limit=250").await.1["data"]);
    let (low, high) = (all[5], all[9]);
    let by = async |query: &str| ids(&shop.get(&format!("/v3/catalog/products?limit=250&{query}")).await.1["data"]);
    assert_eq!(by(&format!("id={low}")).await, [low]);
    assert_eq!(by(&format!("id:in={low},{high}")).await, [low, high]);
    assert_eq!(by(&format!("id:not_in={low}")).await.len(), all.len() - 1);
    assert_eq!(by(&format!("id:min={low}&id:max={high}")).await, all[5..=9].to_vec());
    assert_eq!(by(&format!("id:greater={low}&id:less={high}")).await, all[6..9].to_vec());
    assert!(shop.emulator.violations().is_empty(), "{:?}", shop.emulator.violations());
}

#[tokio::test]
async fn like_is_a_part_of_the_text_or_a_pattern() {
    let shop = Shop::open().await;
    let name = shop.first("brands")["name"].as_str().unwrap().to_owned();
    let start: String = name.chars().take(4).collect();
    let found = async |wanted: &str| {
        let query = wanted.replace('%', "%25").replace(' ', "%20").replace('&', "%26");
        let (_, list) = shop.get(&format!("/v3/catalog/brands?limit=250&name:like={query}")).await;
        list["data"].as_array().unwrap().iter().any(|b| b["name"] == json!(name))
    };
    assert!(found(&start).await && found(&format!("{start}%")).await && found(&name).await);
    shop.emulator.switch(|s| s.like = Like::Pattern);
    assert!(!found(&start).await && found(&format!("{start}%")).await && found(&name).await);
    assert!(found(&format!("%{}", name.chars().skip(2).collect::<String>())).await);
}

#[tokio::test]
async fn v2_has_prefixes_but_for_customer_groups() {
    let shop = Shop::open().await;
    let (_, orders) = shop.get("/v2/orders?limit=50").await;
    let all = ids(&orders);
    let (_, some) = shop.get(&format!("/v2/orders?min_id={}&max_id={}", all[2], all[4])).await;
    assert_eq!(ids(&some), all[2..=4].to_vec());
    let date = orders[3]["date_created"].as_str().unwrap().replace(' ', "%20").replace('+', "%2B");
    let (_, later) = shop.get(&format!("/v2/orders?limit=50&min_date_created={date}")).await;
    assert!(ids(&later).contains(&all[3]) && ids(&later).len() <= all.len());
    let group = shop.first("customer_groups");
    let word = group["name"].as_str().unwrap().split(' ').next().unwrap().to_owned();
    let (_, groups) = shop.get(&format!("/v2/customer_groups?name:like={word}")).await;
    assert!(ids(&groups).contains(&group["id"].as_u64().unwrap()));
    assert!(shop.emulator.violations().is_empty(), "{:?}", shop.emulator.violations());
}

#[tokio::test]
async fn unknown_parameters_are_ignored_or_refused() {
    let shop = Shop::open().await;
    let (status, list) = shop.get("/v3/catalog/products?colour=red").await;
    assert_eq!((status, list["data"].as_array().unwrap().len()), (200, 30));
    assert!(!shop.emulator.violations().is_empty());
    shop.emulator.switch(|s| s.refuse_unknown_parameters = true);
    let (status, error) = shop.get("/v3/catalog/products?colour=red").await;
    assert_eq!(status, 400);
    assert!(error["errors"]["colour"].is_string(), "{error}");
    shop.emulator.clear_violations();
}

#[tokio::test]
async fn an_address_has_a_longest_length() {
    let shop = Shop::open().await;
    let many = |n: usize| (0..n).map(|i| (100_000 + i).to_string()).collect::<Vec<_>>().join(",");
    assert_eq!(shop.get(&format!("/v3/catalog/products?id:in={}", many(1_000))).await.0, 200);
    assert_eq!(shop.get(&format!("/v3/catalog/products?id:in={}", many(2_000))).await.0, 414);
    shop.emulator.switch(|s| s.longest_url = 200);
    assert_eq!(shop.get(&format!("/v3/catalog/products?id:in={}", many(100))).await.0, 414);
}

#[tokio::test]
async fn orders_come_as_two_parameters_or_as_one() {
    let shop = Shop::open().await;
    let down = |list: &[u64]| list.windows(2).all(|w| w[0] > w[1]);
    assert!(down(&ids(&shop.get("/v3/catalog/products?sort=id&direction=desc").await.1["data"])));
    let (_, customers) = shop.get("/v3/customers?sort=date_created:desc").await;
    let dates: Vec<&str> =
        customers["data"].as_array().unwrap().iter().map(|c| c["date_created"].as_str().unwrap()).collect();
    assert!(dates.windows(2).all(|w| w[0] >= w[1]), "{dates:?}");
    assert!(down(&ids(&shop.get("/v2/orders?sort=id:desc").await.1)));
    assert_eq!(shop.get("/v3/catalog/products?sort=colour").await.0, 422);
    shop.emulator.clear_violations();
}

#[tokio::test]
async fn including_options_or_modifiers_cuts_pages_of_products_to_ten() {
    let shop = Shop::open().await;
    for (include, most) in [("images,variants", 30), ("options", 10), ("images,modifiers", 10)] {
        let (_, list) = shop.get(&format!("/v3/catalog/products?limit=250&include={include}")).await;
        let paging = &list["meta"]["pagination"];
        assert_eq!(list["data"].as_array().unwrap().len(), most, "{include}");
        assert_eq!(paging["total_pages"], if most == 10 { 3 } else { 1 }, "{include}: {paging}");
    }
}

#[tokio::test]
async fn includes_appear_under_the_documented_names() {
    let shop = Shop::open().await;
    let include = "addresses,attributes,formfields,storecredit,shopper_profile_id,segment_ids";
    let (_, list) = shop.get(&format!("/v3/customers?limit=1&include={include}")).await;
    for field in ["addresses", "attributes", "form_fields", "store_credit_amounts", "shopper_profile_id", "segment_ids"]
    {
        assert!(list["data"][0].get(field).is_some(), "{field}: {}", list["data"][0]);
    }
    let (_, plain) = shop.get("/v3/customers?limit=1").await;
    assert!(plain["data"][0].get("addresses").is_none() && plain["data"][0].get("form_fields").is_none());
    let (_, list) =
        shop.get("/v3/catalog/products?limit=1&include=variants,images,custom_fields,videos,primary_image").await;
    for field in ["variants", "images", "custom_fields", "videos", "primary_image"] {
        assert!(list["data"][0].get(field).is_some(), "{field}");
    }
    let (_, pages) = shop.get("/v3/content/pages?include=body").await;
    assert!(pages["data"][0].get("body").is_some());
    assert!(shop.get("/v3/content/pages").await.1["data"][0].get("body").is_none());
    assert!(shop.emulator.violations().is_empty(), "{:?}", shop.emulator.violations());
}

#[tokio::test]
async fn orders_embed_their_lines_in_consignments_of_the_new_structure() {
    let shop = Shop::open().await;
    let (_, plain) = shop.get("/v2/orders?limit=1").await;
    let id = plain[0]["id"].clone();
    for field in ["products", "shipping_addresses", "coupons"] {
        assert!(plain[0][field]["url"].is_string() && plain[0][field]["resource"].is_string(), "{field}: {}", plain[0]);
    }
    let path = "/v2/orders?limit=1&include=consignments.line_items,fees";
    let (_, whole) = shop.get(&format!("{path}&consignment_structure=object")).await;
    let (_, lines) = shop.get(&format!("/v2/orders/{id}/products")).await;
    let embedded = &whole[0]["consignments"]["shipping"][0]["line_items"];
    assert_eq!(embedded.as_array().unwrap().len(), lines.as_array().unwrap().len(), "{whole}");
    assert_eq!(embedded[0]["product_id"], lines[0]["product_id"]);
    assert!(whole[0]["fees"].is_array());
    let (_, list) = shop.get("/v2/orders?limit=1&include=consignments&consignment_structure=object").await;
    assert!(list[0]["consignments"]["shipping"][0]["line_items"][0]["product_id"].is_null(), "links only");
}

#[tokio::test]
async fn fields_are_chosen_and_left_out() {
    let shop = Shop::open().await;
    let (_, thin) = shop.get("/v3/catalog/products?limit=1&include_fields=name,price").await;
    let mut names: Vec<&String> = thin["data"][0].as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["id", "name", "price"]);
    let (_, most) = shop.get("/v3/catalog/products?limit=1&exclude_fields=description").await;
    assert!(most["data"][0].get("description").is_none() && most["data"][0].get("name").is_some());
}

#[tokio::test]
async fn a_modified_date_without_a_time_means_this_time_of_day() {
    let shop = Shop::open().await;
    let now = time::OffsetDateTime::now_utc();
    let day = format!("{}-{:02}-{:02}", now.year(), u8::from(now.month()), now.day());
    let text = |id: u64, at: &str| json!({ "id": id, "name": format!("Late {id}"), "date_modified": at }).to_string();
    shop.emulator.store().insert("products", &text(900_001, &format!("{day}T00:00:00Z"))).unwrap();
    shop.emulator.store().insert("products", &text(900_002, &format!("{day}T23:59:59Z"))).unwrap();
    let (_, by_day) = shop.get(&format!("/v3/catalog/products?date_modified:min={day}")).await;
    assert_eq!(ids(&by_day["data"]), [900_002], "midnight lies before this time of day");
    let (_, exact) = shop.get(&format!("/v3/catalog/products?date_modified:min={day}T00:00:00Z")).await;
    assert_eq!(ids(&exact["data"]), [900_001, 900_002]);
}

#[tokio::test]
async fn flags_and_conditions_have_spellings_of_their_own() {
    let shop = Shop::open().await;
    let (_, featured) = shop.get("/v3/catalog/products?is_featured=1&limit=250").await;
    assert!(featured["data"].as_array().unwrap().iter().all(|p| p["is_featured"] == json!(true)));
    let (_, visible) = shop.get("/v3/catalog/products?is_visible=true&limit=250").await;
    assert!(visible["data"].as_array().unwrap().iter().all(|p| p["is_visible"] == json!(true)));
    let (_, new) = shop.get("/v3/catalog/products?condition=new&limit=250").await;
    let new = new["data"].as_array().unwrap();
    assert!(!new.is_empty() && new.iter().all(|p| p["condition"] == json!("New")));
    assert!(shop.emulator.violations().is_empty(), "{:?}", shop.emulator.violations());
    shop.get("/v3/catalog/products?condition=New").await;
    assert!(
        shop.emulator.violations().iter().any(|v| v.problem.contains("New")),
        "the record's spelling is not the filter's"
    );
    let path = format!("/v3/catalog/products/{}", shop.key("products"));
    assert_eq!(shop.put(&path, &json!({ "condition": "new" })).await.0, 422);
    assert_eq!(shop.put(&path, &json!({ "condition": "Used" })).await.0, 200);
    shop.emulator.clear_violations();
}

#[tokio::test]
async fn changes_move_the_modified_date_in_the_format_of_the_version() {
    let shop =
        Shop::with(Config { sizes: Sizes { products: 3, orders: 3, ..small() }, https: false, ..Config::default() })
            .await;
    let before = time::OffsetDateTime::now_utc().unix_timestamp() - 1;
    let id = shop.key("products");
    shop.put(&format!("/v3/catalog/products/{id}"), &json!({ "price": 3 })).await;
    let moved = shop.first("products")["date_modified"].as_str().unwrap().to_owned();
    let moved = time::OffsetDateTime::parse(&moved, &time::format_description::well_known::Rfc3339).unwrap();
    assert!(moved.unix_timestamp() >= before);
    let id = shop.key("orders");
    shop.put(&format!("/v2/orders/{id}"), &json!({ "staff_notes": "x" })).await;
    let moved = shop.first("orders")["date_modified"].as_str().unwrap().to_owned();
    let moved = time::OffsetDateTime::parse(&moved, &time::format_description::well_known::Rfc2822).unwrap();
    assert!(moved.unix_timestamp() >= before);
    let id = shop.key("v3:/hooks");
    let (status, told) = shop.put(&format!("/v3/hooks/{id}"), &json!({ "is_active": true })).await;
    assert_eq!(status, 200, "{told}");
    assert!(shop.first("v3:/hooks")["updated_at"].as_i64().unwrap() >= before, "seconds since 1970");
}
