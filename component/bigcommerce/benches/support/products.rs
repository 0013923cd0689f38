//! What is sliced to see how fast that is: 80 bodies of 250 products of about 2.5 KB, as one read of 20,000 products sees them.

/// Bodies.
pub(crate) const PAGES: usize = 80;
/// Records of each.
pub(crate) const PER_PAGE: usize = 250;

/// A product with nested objects, a long HTML description, escapes and some text that is not ASCII.
pub(crate) fn product(id: usize) -> String {
    let description = format!(
        "<p class=\\\"lead\\\">Hand-made <b>chair {id}</b> of oiled beech &amp; steel.</p>\\n<ul><li>Width: 54 cm</li>\
         <li>Depth: 52 cm</li></ul><p>{}</p>",
        "A seat for long evenings, built to be repaired and handed on; every joint can be opened with common tools. "
            .repeat(8)
    );
    format!(
        "{{\"id\":{id},\"name\":\"Chair {id}\",\"type\":\"physical\",\"sku\":\"CH-{id:06}\",\"description\":\"{description}\",\
         \"weight\":7.25,\"width\":54,\"depth\":52,\"height\":81,\"price\":149.90,\"cost_price\":71.15,\"retail_price\":0,\
         \"sale_price\":0,\"map_price\":0,\"tax_class_id\":0,\"product_tax_code\":\"\",\"calculated_price\":149.90,\
         \"categories\":[23,{},18],\"brand_id\":36,\"option_set_id\":null,\"option_set_display\":\"right\",\
         \"inventory_level\":{},\"inventory_warning_level\":0,\"inventory_tracking\":\"none\",\"reviews_rating_sum\":0,\
         \"fixed_cost_shipping_price\":0,\"is_free_shipping\":false,\"is_visible\":true,\"is_featured\":false,\
         \"related_products\":[-1],\"warranty\":\"{}\",\"bin_picking_number\":\"\",\"layout_file\":\"product.html\",\
         \"upc\":\"\",\"mpn\":\"\",\"gtin\":\"\",\"search_keywords\":\"\",\"availability\":\"available\",\
         \"gift_wrapping_options_type\":\"any\",\"gift_wrapping_options_list\":[],\"sort_order\":0,\"condition\":\"New\",\
         \"is_condition_shown\":true,\"order_quantity_minimum\":0,\"order_quantity_maximum\":0,\"page_title\":\"\",\
         \"meta_keywords\":[],\"meta_description\":\"\",\"date_created\":\"2018-08-15T14:49:05+00:00\",\
         \"date_modified\":\"2018-08-24T14:41:00+00:00\",\"view_count\":11,\"preorder_release_date\":null,\
         \"custom_url\":{{\"url\":\"/chair-{id}/\",\"is_customized\":false}},\"base_variant_id\":null,\
         \"open_graph_type\":\"product\",\"open_graph_title\":\"\",\"variants\":[{{\"id\":{},\"product_id\":{id},\
         \"sku\":\"CH-{id:06}\",\"price\":null,\"option_values\":[{{\"id\":146,\"label\":\"Eiche\"}}]}}]}}",
        id % 40,
        id % 900,
        if id.is_multiple_of(5) { "zwei Jahre Gewähr – geprüft" } else { "two years" },
        id + 300,
    )
}

/// All pages: `{"data":[…],"meta":…}` each, with `separator` between the records.
pub(crate) fn bodies(record: impl Fn(usize) -> String, separator: &str) -> Vec<Vec<u8>> {
    (0..PAGES)
        .map(|page| {
            let records: Vec<_> = (0..PER_PAGE).map(|index| record(page * PER_PAGE + index + 1)).collect();
            let data = records.join(separator);
            format!("{{\"data\":[{data}],\"meta\":{{\"pagination\":{{\"total\":20000,\"current_page\":{page}}}}}}}")
                .into_bytes()
        })
        .collect()
}
