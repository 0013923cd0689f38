//! Products of about 2.5 KB, their variants, brands and categories.

use std::fmt::Write as _;

use super::rng::{Ids, Rng};
use super::schema::EPOCH;
use crate::dates;
use crate::json::quote;

/// A product's id and its record.
pub(crate) fn products(
    seed: u64,
    count: usize,
    brands: &[i64],
    categories: &[i64],
) -> impl Iterator<Item = (i64, String)> {
    // A hole of some hundred ids every two thousand, as bulk deletes leave them.
    let ids = Ids::new(seed, "products", 77, 2_000.min(count as u64 / 2));
    ids.take(count).enumerate().map(move |(i, id)| (id, product(seed, i as u64, id, brands, categories)))
}

fn product(seed: u64, number: u64, id: i64, brands: &[i64], categories: &[i64]) -> String {
    let mut rng = Rng::new(seed, "product", number);
    let mut out = String::with_capacity(3_000);
    let name = format!("{} {id}", rng.title());
    let price = price(&mut rng, number);
    let created = EPOCH + number as i64 * 37;
    let modified = created + rng.between(0, 20_000_000);
    let brand = brands.get(rng.below(brands.len() as u64) as usize).copied().unwrap_or(0);
    let mut belongs: Vec<i64> = (0..rng.between(1, 3))
        .filter_map(|_| categories.get(rng.below(categories.len() as u64) as usize).copied())
        .collect();
    belongs.sort_unstable();
    belongs.dedup();
    let flag = |rng: &mut Rng, n| rng.once_in(n);
    let cost = format!("{}.{:02}", rng.below(200), rng.below(100));
    let stock = rng.between(-2, 400);
    let sku = format!("SKU-{id:06}-{}", ["S", "M", "L", "XL"][(number % 4) as usize]);
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "{{\"id\":{id},\"name\":{},\"type\":\"{}\",\"sku\":\"{sku}\",\"description\":",
        quote(&name),
        if flag(&mut rng, 12) { "digital" } else { "physical" },
    );
    description(&mut out, &mut rng, &name);
    let _ = write!(
        out,
        ",\"weight\":{}.{:04},\"width\":{},\"depth\":{},\"height\":{}.5,\"price\":{price},\"cost_price\":{cost},\
         \"retail_price\":0,\"sale_price\":{},\"map_price\":0,\"tax_class_id\":{},\"product_tax_code\":\"\",\
         \"calculated_price\":{price},\"categories\":{belongs:?},\"brand_id\":{brand},\"option_set_id\":null,\
         \"option_set_display\":\"right\",\"inventory_level\":{stock},\"inventory_warning_level\":{},\
         \"inventory_tracking\":\"product\",\"reviews_rating_sum\":{},\"reviews_count\":{},\"total_sold\":{},\
         \"fixed_cost_shipping_price\":0,\"is_free_shipping\":{},\"is_visible\":{},\"is_featured\":{},",
        rng.below(30),
        rng.below(10_000),
        rng.below(90),
        rng.below(90),
        rng.below(90),
        if flag(&mut rng, 4) { "9.9900" } else { "0" },
        rng.below(3),
        rng.below(6),
        rng.below(200),
        rng.below(40),
        rng.below(5_000),
        flag(&mut rng, 10),
        !flag(&mut rng, 10),
        flag(&mut rng, 20),
    );
    let _ = write!(
        out,
        "\"related_products\":[-1],\"warranty\":\"\",\"bin_picking_number\":\"{}-{}\",\"layout_file\":\"product.html\",\
         \"upc\":\"{:012}\",\"mpn\":\"MPN-{}\",\"gtin\":\"{:013}\",\"date_last_imported\":\"{}\",\"search_keywords\":\"",
        rng.below(90),
        rng.below(90),
        rng.below(1_000_000_000_000),
        rng.below(100_000),
        rng.below(1_000_000_000_000),
        dates::iso(modified),
    );
    rng.text(&mut out, 60);
    let condition = rng.pick(&["New", "New", "New", "Used", "Refurbished"]);
    let _ = write!(
        out,
        "\",\"availability\":\"{}\",\"availability_description\":\"Usually ships in 24 hours.\",\
         \"gift_wrapping_options_type\":\"any\",\"gift_wrapping_options_list\":[],\"sort_order\":{},\
         \"condition\":\"{condition}\",\"is_condition_shown\":{},\"order_quantity_minimum\":0,\
         \"order_quantity_maximum\":0,\"page_title\":\"\",\"meta_keywords\":[\"{}\",\"{}\"],\"meta_description\":\"",
        rng.pick(&["available", "available", "available", "disabled", "preorder"]),
        rng.below(100),
        flag(&mut rng, 3),
        rng.pick(super::rng::WORDS),
        rng.pick(super::rng::WORDS),
    );
    rng.text(&mut out, 80);
    // Beyond what a double holds exactly, once in a hundred.
    let views = if number % 100 == 7 { 9_007_199_254_740_993 + number } else { rng.below(100_000) };
    let _ = write!(
        out,
        "\",\"date_created\":\"{}\",\"date_modified\":\"{}\",\"view_count\":{views},\"preorder_release_date\":null,\
         \"preorder_message\":\"\",\"is_preorder_only\":false,\"is_price_hidden\":false,\"price_hidden_label\":\"\",\
         \"custom_url\":{{\"url\":\"\\/{}-{id}\\/\",\"is_customized\":false}},\"base_variant_id\":{},\
         \"open_graph_type\":\"product\",\"open_graph_title\":\"\",\"open_graph_description\":\"\",\
         \"open_graph_use_meta_description\":true,\"open_graph_use_product_name\":true,\"open_graph_use_image\":true}}",
        dates::iso(created),
        dates::iso(modified),
        rng.pick(&["chair", "lamp", "bag", "mug", "table"]),
        base_variant(id),
    );
    out
}

/// A price as a number: mostly two decimals, sometimes none, four, or more digits than a double holds.
fn price(rng: &mut Rng, number: u64) -> String {
    match number % 50 {
        3 => format!("{}.00", rng.below(1_000)),
        4 => format!("{}", rng.below(100_000)),
        5 => format!("{}.{:04}", rng.below(1_000), rng.below(10_000)),
        6 => format!("1234567{}.12345678901234567{}", rng.below(10), rng.below(10)),
        _ => format!("{}.{:02}", rng.below(2_000), rng.below(100)),
    }
}

/// HTML with quotes, slashes and escapes, between 0.7 and 1.3 KB.
fn description(out: &mut String, rng: &mut Rng, name: &str) {
    let _ = write!(out, "\"<div class=\\\"description\\\">\\n<h2>{}<\\/h2>\\n<p>", name.replace('"', ""));
    let size = rng.between(280, 780) as usize;
    rng.text(out, size / 2);
    out.push_str("<\\/p>\\r\\n<ul><li>");
    rng.text(out, size / 4);
    out.push_str("<\\/li><li>caf\\u00e9 &amp; th\\u00e9 \\ud83d\\ude42<\\/li><\\/ul>\\n<p style=\\\"color:#333\\\">");
    rng.text(out, size / 4);
    out.push_str("<\\/p>\\t<\\/div>\"");
}

/// Id of the variant that each product has.
pub(crate) fn base_variant(product: i64) -> i64 {
    product + 1_000
}

/// The base variant of a product.
pub(crate) fn variant(seed: u64, product: i64, sku: &str) -> String {
    let mut rng = Rng::new(seed, "variant", product as u64);
    let id = base_variant(product);
    format!(
        "{{\"id\":{id},\"product_id\":{product},\"sku\":{sku},\"sku_id\":null,\"price\":null,\"calculated_price\":{}.{:02},\
         \"sale_price\":null,\"retail_price\":null,\"map_price\":null,\"weight\":null,\"calculated_weight\":{},\"width\":null,\
         \"height\":null,\"depth\":null,\"is_free_shipping\":false,\"fixed_cost_shipping_price\":null,\
         \"purchasing_disabled\":false,\"purchasing_disabled_message\":\"\",\"image_url\":\"\",\"cost_price\":{}.{:04},\
         \"upc\":\"\",\"mpn\":\"\",\"gtin\":\"\",\"inventory_level\":{},\"inventory_warning_level\":0,\
         \"bin_picking_number\":\"\",\"option_values\":[]}}",
        rng.below(2_000),
        rng.below(100),
        rng.below(30),
        rng.below(900),
        rng.below(10_000),
        rng.below(400),
    )
}

/// Brands.
pub(crate) fn brands(seed: u64, count: usize) -> impl Iterator<Item = (i64, String)> {
    Ids::new(seed, "brands", 35, 0).take(count).map(move |id| {
        let mut rng = Rng::new(seed, "brand", id as u64);
        let name = format!("{} {} {id}", rng.pick(super::rng::LAST_NAMES), rng.pick(&["& Sons", "GmbH", "Co.", "Ltd"]));
        let text = format!(
            "{{\"id\":{id},\"name\":{},\"page_title\":{},\"meta_keywords\":[\"{}\",\"{}\"],\"meta_description\":\"\",\
             \"search_keywords\":\"{}\",\"image_url\":\"\",\"custom_url\":{{\"url\":\"\\/brand-{id}\\/\",\
             \"is_customized\":false}}}}",
            quote(&name),
            quote(&name),
            rng.pick(super::rng::WORDS),
            rng.pick(super::rng::WORDS),
            rng.pick(super::rng::WORDS),
        );
        (id, text)
    })
}

/// Categories, most of them below an earlier one.
pub(crate) fn categories(seed: u64, count: usize) -> Vec<(i64, i64, String)> {
    let mut ids: Vec<i64> = Vec::with_capacity(count);
    let mut out = Vec::with_capacity(count);
    for id in Ids::new(seed, "categories", 18, 0).take(count) {
        let mut rng = Rng::new(seed, "category", id as u64);
        let parent = match ids.get(rng.below(ids.len() as u64) as usize) {
            Some(parent) if !rng.once_in(4) => *parent,
            _ => 0,
        };
        let name = format!("{} {id}", rng.pick(super::rng::MATERIALS));
        let mut text = format!("\"name\":{},\"description\":\"<p>", quote(&name));
        rng.text(&mut text, 90);
        let _ = write!(
            text,
            "<\\/p>\",\"views\":{},\"sort_order\":{},\"page_title\":\"\",\"search_keywords\":\"\",\"meta_keywords\":[],\
             \"meta_description\":\"\",\"layout_file\":\"category.html\",\"is_visible\":{},\
             \"default_product_sort\":\"use_store_settings\",\"image_url\":\"\"",
            rng.below(1_000),
            rng.below(50),
            !rng.once_in(8),
        );
        ids.push(id);
        out.push((id, parent, text));
    }
    out
}
