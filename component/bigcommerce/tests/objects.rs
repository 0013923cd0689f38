//! Objects of the table one by one: what a person would look up in the API's documents.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use connector_bigcommerce::table::{Body, DeleteBy, Envelope, Format, Object, Op, Paging, Read, Type, Version, object};

fn get(name: &str) -> &'static Object {
    object(name).unwrap_or_else(|| panic!("no object {name}"))
}

fn has(read: &Read, param: &str, field: &str, op: Op) -> bool {
    read.filters.iter().any(|filter| filter.param == param && filter.field == field && filter.op == op)
}

#[test]
fn products_are_read_by_key_and_written_in_batches_of_ten() {
    let products = get("products");
    assert_eq!((products.title, products.version, products.key), ("Products", Version::V3, &["id"][..]));
    let [read] = products.reads else { panic!() };
    assert_eq!((read.path, read.envelope, read.paging), ("/v3/catalog/products", Envelope::Data, Paging::V3Page));
    assert_eq!((read.max_limit, read.default_limit, read.select, read.is_stable()), (Some(250), Some(50), true, true));
    let keyset = read.keyset.as_ref().unwrap();
    assert_eq!((keyset.field, keyset.from, keyset.to, keyset.ordered), ("id", "id:min", "id:max", true));
    assert_eq!(keyset.sort, &[("sort", "id"), ("direction", "asc")]);
    assert!(has(read, "id:in", "id", Op::In) && has(read, "inventory_level:greater", "inventory_level", Op::Greater));
    assert!(has(read, "keyword", "keyword", Op::Eq) && has(read, "date_modified:min", "date_modified", Op::Min));
    let sort = read.sort.as_ref().unwrap();
    assert!(!sort.joined && sort.direction && sort.fields.contains(&"name"));
    assert!(read.includes.contains(&"variants"));
    assert_eq!(products.item.as_ref().unwrap().path, "/v3/catalog/products/{id}");
    assert_eq!(products.create.len(), 1);
    assert_eq!(products.create[0].required, ["name", "type", "weight", "price", "categories"]);
    let [batch, one] = products.update else { panic!() };
    assert_eq!((batch.path, batch.body, batch.max_items), ("/v3/catalog/products", Body::Array, Some(10)));
    assert_eq!((batch.required, batch.path_only.len()), (&["id"][..], 0));
    assert!(batch.model.unwrap().field("id").unwrap().required);
    assert_eq!((one.path, one.path_only), ("/v3/catalog/products/{id}", &["id"][..]));
    let [many, one] = products.delete else { panic!() };
    assert_eq!((many.by, many.max_items), (DeleteBy::Filter { param: "id:in", field: "id" }, Some(250)));
    assert_eq!((one.by, one.path), (DeleteBy::Path, "/v3/catalog/products/{id}"));
    let model = products.model.unwrap();
    assert_eq!(model.field("price").unwrap().node.ty, Type::Number);
    assert_eq!(model.field("date_modified").unwrap().node.format, Format::Date);
    assert_eq!(model.field("type").unwrap().node.values, ["\"physical\"", "\"digital\""]);
}

#[test]
fn brands_are_deleted_one_by_one_because_the_batch_goes_by_name() {
    let brands = get("brands");
    let [read] = brands.reads else { panic!() };
    // They cannot be sorted by id, and no document says that they are.
    let keyset = read.keyset.as_ref().unwrap();
    assert!(!keyset.ordered && keyset.sort.is_empty() && read.is_stable());
    let [delete] = brands.delete else { panic!() };
    assert_eq!((delete.path, delete.by, delete.max_items), ("/v3/catalog/brands/{id}", DeleteBy::Path, Some(1)));
}

#[test]
fn customers_are_those_of_v3_and_the_older_ones_keep_a_name_of_their_own() {
    let customers = get("customers");
    let [read] = customers.reads else { panic!() };
    assert_eq!((read.path, read.paging, customers.item.is_some()), ("/v3/customers", Paging::V3Cursor, false));
    assert!(read.sort.as_ref().is_some_and(|sort| sort.joined && sort.fields.contains(&"last_name")));
    assert_eq!((customers.create[0].body, customers.create[0].max_items), (Body::Array, Some(10)));
    assert_eq!((customers.update[0].concurrency, customers.update[0].required), (Some(3), &["id"][..]));
    assert_eq!(customers.delete[0].by, DeleteBy::Filter { param: "id:in", field: "id" });
    let older = get("v2/customers");
    let [read] = older.reads else { panic!() };
    assert_eq!((read.path, read.envelope, older.version), ("/v2/customers", Envelope::Bare, Version::V2));
    assert!(has(read, "min_date_created", "date_created", Op::Min));
    assert_eq!(older.delete.len(), 1, "the collection's DELETE wipes all customers");

    let addresses = get("customers/addresses");
    assert_eq!((addresses.parent, addresses.key), (Some("customers"), &["id"][..]));
    let [parent] = addresses.parents else { panic!() };
    assert_eq!((parent.field, parent.object, parent.key, parent.in_record), ("customer_id", "customers", "id", true));
    assert!(addresses.create[0].required.contains(&"customer_id") && addresses.create[0].concurrency == Some(10));
    let older = get("v2/customers/addresses");
    assert_eq!((older.reads[0].path, older.key), ("/v2/customers/{customer_id}/addresses", &["customer_id", "id"][..]));
    assert_eq!(older.delete.len(), 1, "the collection's DELETE wipes all addresses");
}

#[test]
fn orders_are_read_by_key_and_archived() {
    let orders = get("orders");
    let [read] = orders.reads else { panic!() };
    assert_eq!((read.paging, read.envelope, read.default_limit), (Paging::V2Page, Envelope::Bare, Some(50)));
    let keyset = read.keyset.as_ref().unwrap();
    assert_eq!((keyset.from, keyset.to, keyset.ordered), ("min_id", "max_id", true));
    assert!(read.sort.as_ref().is_some_and(|sort| sort.joined && sort.direction));
    assert_eq!(read.include_with, [("consignment_structure", "object")]);
    let [delete] = orders.delete else { panic!() };
    assert!(delete.archives && delete.by == DeleteBy::Path);
    let model = orders.model.unwrap();
    assert_eq!(model.field("total_inc_tax").unwrap().node.format, Format::Decimal);
    assert_eq!(model.field("date_created").unwrap().node.format, Format::Date);

    let lines = get("orders/products");
    assert_eq!((lines.key, lines.reads[0].path), (&["order_id", "id"][..], "/v2/orders/{order_id}/products"));
    // The path parameter is called `product_id` and means the line, whose `product_id` is another thing.
    assert_eq!(lines.item.as_ref().unwrap().path, "/v2/orders/{order_id}/products/{id}");
    assert!(lines.create.is_empty() && lines.update.is_empty() && lines.delete.is_empty());
    assert!(lines.parents[0].in_record);
}

#[test]
fn coupons_name_their_victims() {
    let coupons = get("coupons");
    assert!(coupons.item.is_none());
    assert_eq!(coupons.reads[0].keyset.as_ref().unwrap().from, "min_id");
    let [many, one] = coupons.delete else { panic!() };
    assert_eq!(many.by, DeleteBy::Filter { param: "id:in", field: "id" });
    assert_eq!(one.path, "/v2/coupons/{id}");
}

#[test]
fn nested_records_are_named_with_their_parent() {
    let images = get("products/images");
    assert_eq!(
        (images.key, images.parent, images.title),
        (&["product_id", "id"][..], Some("products"), "Product images")
    );
    assert_eq!(images.item.as_ref().unwrap().path, "/v3/catalog/products/{product_id}/images/{id}");
    let values = get("products/options/values");
    assert_eq!(values.key, ["product_id", "option_id", "id"]);
    let parents: Vec<_> = values.parents.iter().map(|parent| (parent.field, parent.object, parent.in_record)).collect();
    assert_eq!(parents, [("product_id", "products", false), ("option_id", "products/options", false)]);
    let settings = get("carts/settings/channels");
    assert_eq!((settings.key, settings.reads[0].single), (&["channel_id"][..], true));
    assert_eq!(settings.parents[0].object, "channels");
}

#[test]
fn twins_are_one_object_with_the_flat_path_in_front() {
    let metafields = get("products/metafields");
    let paths: Vec<&str> = metafields.reads.iter().map(|read| read.path).collect();
    assert_eq!(paths, ["/v3/catalog/products/metafields", "/v3/catalog/products/{resource_id}/metafields"]);
    assert_eq!((metafields.key, metafields.parents[0].field), (&["id"][..], "resource_id"));
    assert_eq!(metafields.delete[0].by, DeleteBy::BodyIds("id"));
    assert_eq!(metafields.create[1].path_only, ["resource_id"]);
    let records = get("pricelists/records");
    assert_eq!(records.key, ["price_list_id", "variant_id", "currency"]);
    assert_eq!(records.update[0].max_items, Some(1000));
    assert!(records.update.iter().all(|way| way.upsert && !way.answers_records));
    let variants = get("products/variants");
    assert_eq!((variants.reads[0].path, variants.key), ("/v3/catalog/variants", &["product_id", "id"][..]));
    assert_eq!((variants.update[0].max_items, variants.update[0].match_on), (Some(50), &["id"][..]));
    let assignments = get("channels/currency-assignments");
    assert_eq!(assignments.item.as_ref().unwrap().path, "/v3/channels/{channel_id}/currency-assignments");
}

#[test]
fn carts_have_no_collection_and_their_items_answer_with_the_cart() {
    let carts = get("carts");
    assert!(carts.reads.is_empty());
    assert_eq!(carts.item.as_ref().unwrap().path, "/v3/carts/{id}");
    assert_eq!(get("carts/items").key, ["cart_id", "id"]);
    assert!(get("carts/items").create.iter().all(|way| !way.answers_records));
}

#[test]
fn tax_classes_are_read_by_v2_and_written_by_v3() {
    let classes = get("tax_classes");
    assert_eq!((classes.reads[0].path, classes.reads[0].envelope), ("/v2/tax_classes", Envelope::Bare));
    assert_eq!((classes.create[0].path, classes.create[0].envelope), ("/v3/tax/classes", Envelope::Data));
}

#[test]
fn a_channel_of_settings_goes_into_the_query_and_never_into_the_body() {
    let [update] = get("settings_catalog").update else { panic!() };
    assert_eq!((update.query[0].param, update.query[0].required), ("channel_id", false));
    let [delete] = get("email-templates").delete else { panic!() };
    assert!(delete.query[0].required, "without a channel there is nothing to delete");
}

#[test]
fn assignments_are_deleted_one_pair_at_a_time() {
    let [delete] = get("products/category-assignments").delete else { panic!() };
    let pairs = &[("product_id", "product_id:in"), ("category_id", "category_id:in")];
    assert_eq!((delete.by, delete.max_items), (DeleteBy::Fields(pairs), Some(1)));
}

#[test]
fn writes_that_the_documents_want_one_after_another_share_a_lane() {
    let lanes = |name: &str| {
        let object = get(name);
        let put = object.create.iter().chain(object.update).map(|way| way.lane);
        put.chain(object.delete.iter().map(|way| way.lane)).collect::<Vec<_>>()
    };
    assert_eq!(lanes("orders/payment_actions/refunds"), [Some("orders/refunds")]);
    let assignments = lanes("products/channel-assignments");
    assert!(assignments.len() > 1 && assignments.iter().all(|lane| *lane == Some("products/channel-assignments")));
    let records = get("pricelists/records");
    let bulk = records.update.iter().filter(|way| way.body == Body::Array);
    assert!(bulk.clone().count() == 2 && bulk.clone().all(|way| way.lane == Some("pricelists/records")));
    assert!(lanes("products").iter().all(Option::is_none));
}

#[test]
fn records_are_known_to_people_by_a_few_texts() {
    assert_eq!(get("products").natural, ["sku", "name"]);
    assert_eq!(get("customers").natural, ["email"]);
    assert_eq!(get("coupons").natural, ["code", "name"]);
    assert_eq!(get("products/metafields").natural, ["key"]);
    assert!(get("customers/addresses").natural.is_empty());
    let values = get("customers/form-field-values");
    assert_eq!(values.update[0].one_of, ["customer_id", "address_id"]);
    assert_eq!(get("channels/listings").update[0].fixed, ["product_id"]);
}
