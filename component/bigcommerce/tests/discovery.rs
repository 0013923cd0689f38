//! What people and hosts are told about objects: it must be true of the table, and valid JSON Schema in shape.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use connector_bigcommerce::compare::Comparison::{self, *};
use connector_bigcommerce::discovery::{Description, FieldInfo, describe, objects};
use connector_bigcommerce::table::{OBJECTS, object};
use serde_json::{Value, json};

fn about(name: &str) -> Description {
    describe(object(name).unwrap_or_else(|| panic!("no object {name}")))
}

fn field<'a>(description: &'a Description, name: &str) -> &'a FieldInfo {
    description.fields.iter().find(|field| field.name == name).unwrap_or_else(|| panic!("no field {name}"))
}

fn parsed(schema: &str) -> Value {
    serde_json::from_str(schema).unwrap_or_else(|error| panic!("{error}: {schema}"))
}

#[test]
fn every_schema_is_an_object_schema_that_requires_only_what_it_declares() {
    for object in OBJECTS {
        let description = describe(object);
        let schemas = [&description.query, &description.create, &description.update, &description.delete];
        for schema in schemas.into_iter().flatten().flat_map(|schema| [&schema.request, &schema.response]) {
            let schema = parsed(schema);
            assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
            assert_eq!((&schema["title"], &schema["type"]), (&json!(object.title), &json!("object")));
            check(&schema, object.name);
        }
    }
}

/// Walks a schema: known keywords only, and nothing required that is not declared.
fn check(schema: &Value, whose: &str) {
    const KNOWN: &[&str] = &[
        "$schema",
        "title",
        "type",
        "properties",
        "required",
        "enum",
        "format",
        "maxLength",
        "minimum",
        "maximum",
        "items",
        "readOnly",
        "additionalProperties",
        "x-match-on",
    ];
    let members = schema.as_object().unwrap_or_else(|| panic!("{whose}: {schema}"));
    assert!(members.keys().all(|name| KNOWN.contains(&name.as_str())), "{whose}: {schema}");
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(schema["properties"].get(name.as_str().unwrap()).is_some(), "{whose}: requires {name}");
    }
    if let Some(values) = schema["enum"].as_array() {
        assert!(!values.is_empty(), "{whose}");
    }
    schema["properties"].as_object().into_iter().flatten().for_each(|(_, schema)| check(schema, whose));
    schema.get("items").into_iter().for_each(|schema| check(schema, whose));
}

#[test]
fn activities_are_those_that_the_table_has_ways_for() {
    let all: Vec<_> = objects().collect();
    assert_eq!(all.len(), OBJECTS.len());
    for listing in all {
        let name = listing.object.name;
        let description = about(name);
        assert_eq!(listing.query, description.query.is_some(), "{name}");
        assert_eq!(listing.create, description.create.is_some(), "{name}");
        assert_eq!(listing.update, description.update.is_some(), "{name}");
        assert_eq!(listing.delete, description.delete.is_some(), "{name}");
        assert!(listing.query || listing.create || listing.update || listing.delete, "{name} can do nothing");
        assert_eq!(description.incremental, object(name).unwrap().incremental().is_some(), "{name}");
    }
    let carts = objects().find(|listing| listing.object.name == "carts").unwrap();
    assert!(carts.query, "a cart can be read by its id");
}

#[test]
fn what_is_pushed_down_can_be_compared_and_every_key_can_be_named() {
    for object in OBJECTS {
        let description = describe(object);
        for field in &description.fields {
            let offered = |comparison: &Comparison| field.comparisons.contains(comparison);
            assert!(field.pushed_down.iter().all(offered), "{}: {}", object.name, field.name);
        }
        if description.query.is_some() {
            for key in object.key {
                assert!(field(&description, key).comparisons.contains(&Equal), "{}: {key}", object.name);
            }
        }
    }
}

#[test]
fn products_tell_what_the_remote_evaluates_and_what_is_evaluated_here() {
    let products = about("products");
    assert!(products.stable);
    assert_eq!(products.key, ["id"]);
    assert!(products.includes.contains(&"images"));
    let all = vec![Equal, NotEqual, OneOf, Less, LessOrEqual, Greater, GreaterOrEqual, Contains];
    let numbers = all[..7].to_vec();
    let told = |name| {
        let field = field(&products, name);
        (field.comparisons.clone(), field.pushed_down.clone(), field.sortable)
    };
    assert_eq!(told("id"), (numbers.clone(), numbers.clone(), true));
    assert_eq!(told("name"), (all, vec![Equal], true));
    assert_eq!(told("keyword"), (vec![Equal], vec![Equal], false), "records do not hold it");
    assert_eq!(told("categories"), (vec![Equal, OneOf], vec![Equal, OneOf], false), "a list");
    assert_eq!(told("custom_url"), (vec![], vec![], false), "an object");
    let bounds = vec![Less, LessOrEqual, Greater, GreaterOrEqual];
    assert_eq!(told("date_modified"), (numbers.clone(), bounds, true), "what an equal date is, the API does not tell");
    assert_eq!(told("is_visible"), (vec![Equal, NotEqual, OneOf], vec![Equal], true));
    assert_eq!(told("price").1, [Equal]);
}

#[test]
fn conditions_have_the_values_types_and_only_fields_that_can_be_compared() {
    let conditions = parsed(&about("products").query.unwrap().request);
    assert_eq!(conditions["properties"]["id"]["type"], "integer");
    assert_eq!(conditions["properties"]["type"]["enum"], json!(["physical", "digital"]));
    assert_eq!(conditions["properties"]["keyword"]["type"], "string");
    assert!(conditions["properties"].get("custom_url").is_none());
    assert_eq!(conditions["additionalProperties"], false);
    let needed = parsed(&about("tax_products/properties").query.unwrap().request);
    assert_eq!(needed["required"], json!(["product_id"]));
    assert_eq!(parsed(&about("carts").query.unwrap().request)["required"], json!(["id"]));
    assert_eq!(parsed(&about("abandoned-carts").query.unwrap().request)["required"], json!(["token"]));
}

#[test]
fn records_that_come_back_hold_their_parent() {
    let custom_fields = parsed(&about("products/custom-fields").query.unwrap().response);
    assert_eq!(custom_fields["properties"]["product_id"]["type"], "integer");
    let items = parsed(&about("carts/items").create.unwrap().response);
    assert_eq!(items["properties"]["cart_id"]["type"], "string");
    assert_eq!(items["required"], json!(["cart_id", "id"]));
}

#[test]
fn writes_ask_for_what_the_api_needs() {
    let products = about("products");
    let create = parsed(&products.create.unwrap().request);
    assert_eq!(create["required"], json!(["name", "type", "weight", "price", "categories"]));
    assert_eq!(create["properties"]["name"]["maxLength"], 250);
    let update = parsed(&products.update.unwrap().request);
    assert_eq!(update["required"], json!(["id"]));
    assert!(update["properties"]["id"].get("readOnly").is_none(), "it names the record");
    let delete = parsed(&products.delete.unwrap().request);
    assert_eq!((&delete["required"], delete["properties"].as_object().unwrap().len()), (&json!(["id"]), 1));
    let images = about("products/images");
    assert_eq!(parsed(&images.create.unwrap().request)["required"], json!(["product_id", "image_url"]));
    assert_eq!(parsed(&images.delete.unwrap().request)["required"], json!(["product_id", "id"]));
    let template = parsed(&about("email-templates").delete.unwrap().request);
    assert_eq!(template["required"], json!(["type_id", "channel_id"]));
    let profiles = parsed(&about("segments/shopper-profiles").create.unwrap().request);
    assert_eq!(profiles["required"], json!(["segment_id", "id"]));
    let read = parsed(&products.query.unwrap().response);
    assert_eq!(read["properties"]["id"]["readOnly"], true);
}

#[test]
fn only_reading_by_key_by_cursor_or_at_once_is_called_stable() {
    for (name, stable) in [
        ("products", true),
        ("orders", true),
        ("orders/products", false),
        ("orders/messages", false),
        ("customers", true),
        ("customers/addresses", false),
        ("brands", true),
        ("order_statuses", true),
        ("store", true),
        ("carts", true),
        ("products/images", false),
        // Once per order, and orders are read by key.
        ("orders/consignments", true),
        // Once per channel, and channels are read by pages.
        ("carts/settings/channels", false),
    ] {
        assert_eq!(about(name).stable, stable, "{name}");
    }
}

#[test]
fn texts_that_may_be_null_say_so() {
    let all = OBJECTS.iter().filter_map(|object| describe(object).query).map(|query| query.response);
    let joined: Vec<String> = all.collect();
    assert!(joined.iter().any(|schema| schema.contains(r#""type":["string","null"]"#)));
    // Money that comes as a text or as a number.
    assert!(joined.iter().any(|schema| schema.contains(r#""type":["string","number"]"#)));
}
