//! What `include` adds to a record.

use crate::data::schema;
use crate::facts::{find, resources};
use crate::json::Object;
use crate::store::{Key, Row, State};
use crate::tables::tables;
use crate::world::{Call, World};

/// Sub-objects whose name in `include` is not their own. Resource, include, sub-object, field.
const NAMED: &[(&str, &str, &str, &str)] = &[
    ("v3:/customers", "addresses", "customers/addresses", "addresses"),
    ("v3:/customers", "attributes", "customers/attribute-values", "attributes"),
];

/// Includes that appear under another name.
const FIELDS: &[(&str, &str)] = &[("formfields", "form_fields"), ("storecredit", "store_credit_amounts")];

/// Adds what one name of `include` asks for.
pub(crate) fn add(state: &State, call: &Call<'_>, row: &Row, name: &str, object: &mut Object, world: &World) {
    let resource = call.resource();
    let known = resource.query.iter().filter(|p| p.role == "include").flat_map(|p| &p.values);
    if !known.clone().any(|v| v.as_str() == Some(name)) && known.count() > 0 {
        return;
    }
    if resource.key == "v2:/orders" {
        return order(state, row, name, object);
    }
    let named = NAMED.iter().find(|(key, include, ..)| *key == resource.key && *include == name);
    let (sub, field) = match named {
        Some((_, _, sub, field)) => ((*sub).to_owned(), *field),
        None => {
            let field = FIELDS.iter().find(|(n, _)| *n == name).map_or(name, |(_, f)| f);
            (format!("{}/{}", resource.name, name.replace('_', "-")), field)
        }
    };
    if name == "primary_image" {
        let images = children(state, &format!("{}/images", resource.name), &row.key);
        let first = images.first().cloned().unwrap_or_else(|| "null".to_owned());
        return object.set(field, first);
    }
    if name == "channels" && resource.key == "v3:/catalog/products" {
        return object.set(field, "[1]");
    }
    if resource.key == "v3:/customers" && matches!(name, "shopper_profile_id" | "segment_ids") {
        return profile(state, row, name, object);
    }
    if has_rows(&sub) {
        return object.set(field, format!("[{}]", children(state, &sub, &row.key).join(",")));
    }
    if object.get(field).is_none()
        && let Some(model) = resource.schemas.read.field(field)
    {
        let number = row.record.text().len() as u64;
        let mut rng = crate::data::rng::Rng::new(world.seed, &format!("{} {name}", resource.key), number);
        object.set(field, schema::value(model, resource.is_v2(), &mut rng, &|_, _| None, 0));
    }
}

/// The shopper profile of a customer and the segments that it is in.
fn profile(state: &State, row: &Row, name: &str, object: &mut Object) {
    let table = |name: &str| find(name).and_then(|i| tables().access(i)).map(|a| state.table(a.table));
    let names =
        |record: &crate::json::Record| record.get("customer_id").and_then(Key::from_json).as_ref() == Some(&row.key);
    let profile =
        table("shopper-profiles").and_then(|t| t.rows().iter().find(|r| names(&r.record)).map(|r| r.key.clone()));
    let Some(profile) = profile else {
        return object.set(name, if name == "segment_ids" { "[]" } else { "null" });
    };
    if name == "shopper_profile_id" {
        return object.set(name, profile.to_json());
    }
    let within = table("segments/shopper-profiles").map(|t| t.rows()).unwrap_or_default();
    let segments: Vec<String> =
        within.iter().filter(|r| r.key == profile).filter_map(|r| r.parents.first()).map(Key::to_json).collect();
    object.set(name, format!("[{}]", segments.join(",")));
}

fn has_rows(sub: &str) -> bool {
    find(sub).and_then(|i| resources().get(i)).is_some_and(|r| r.name == sub && r.is_data())
}

/// Texts of the rows of a sub-object that belong to this record.
pub(crate) fn children(state: &State, sub: &str, key: &Key) -> Vec<String> {
    let Some(index) = find(sub) else { return Vec::new() };
    let Some(access) = tables().access(index) else { return Vec::new() };
    let table = state.table(access.table);
    let rows = if access.nested { table.below(std::slice::from_ref(key)) } else { table.naming(key) };
    rows.iter().map(|row| row.record.as_str().to_owned()).collect()
}

/// Consignments and fees of an order.
fn order(state: &State, row: &Row, name: &str, object: &mut Object) {
    if name == "fees" {
        return object.set("fees", format!("[{}]", children(state, "orders/fees", &row.key).join(",")));
    }
    let lines = children(state, "orders/products", &row.key);
    let id = row.key.to_json();
    let lines = if name == "consignments.line_items" {
        format!("[{}]", lines.join(","))
    } else {
        let link = |line: &String| {
            let line = Object::parse(line).unwrap_or_default();
            let number = line.get("id").unwrap_or("0").to_owned();
            format!(
                "{{\"url\":\"https:\\/\\/api.bigcommerce.com\\/stores\\/emulated\\/v2\\/orders\\/{id}\\/products\\/{number}\",\
                 \"resource\":\"\\/orders\\/{id}\\/products\\/{number}\"}}"
            )
        };
        format!("[{}]", lines.iter().map(link).collect::<Vec<_>>().join(","))
    };
    let shipping: Vec<String> = children(state, "orders/shipping_addresses", &row.key)
        .iter()
        .filter_map(|text| Object::parse(text).ok())
        .map(|mut address| {
            address.remove("order_id");
            address.set("line_items", lines.clone());
            address.to_text()
        })
        .collect();
    object.set(
        "consignments",
        format!(
            "{{\"pickups\":[],\"shipping\":[{}],\"downloads\":[],\"email\":{{\"gift_certificates\":[]}}}}",
            shipping.join(",")
        ),
    );
}
